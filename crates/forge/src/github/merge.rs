//! Merging a change: only the reviewed commit, only onto what the review has seen, only as the repository allows.

use http::{Method, StatusCode};
use miyabi_core::ids::{ChangeNumber, CommitId};
use miyabi_core::intent::Receipt;
use miyabi_core::issue::ChangeState;
use serde::Deserialize;
use serde_json::json;

use super::client::encoded_ref;
use super::payload::PullPayload;
use super::{GitHubError, GitHubForge, MergeMethod};
use crate::text::one_line;

/// What a repository allows; what it does not tell is tried.
#[derive(Deserialize)]
struct Allowed {
    allow_merge_commit: Option<bool>,
    allow_squash_merge: Option<bool>,
    allow_rebase_merge: Option<bool>,
}

impl Allowed {
    fn has(&self, method: MergeMethod) -> bool {
        let told = match method {
            MergeMethod::Merge => self.allow_merge_commit,
            MergeMethod::Squash => self.allow_squash_merge,
            MergeMethod::Rebase => self.allow_rebase_merge,
        };
        told.unwrap_or(true)
    }
}

#[derive(Deserialize)]
struct Merged {
    sha: CommitId,
}

/// How two branches lie to each other.
#[derive(Deserialize)]
struct Compared {
    behind_by: u64,
    base_commit: Tip,
}

#[derive(Deserialize)]
struct Tip {
    sha: CommitId,
}

impl GitHubForge {
    /// Merges the change if its head is still this commit and its base contains nothing newer.
    ///
    /// GitHub checks the head in the same moment; the base it checks then only where the branch is protected so.
    pub(super) async fn merge_change(
        &self,
        number: ChangeNumber,
        commit: &CommitId,
        title: &str,
    ) -> Result<Receipt, GitHubError> {
        let pull = self.mergeable(number, commit).await?;
        if pull.state() == ChangeState::Merged {
            return Ok(merged(&pull, pull.merge_commit(), true));
        }
        let allowed: Allowed = self.client.read(&self.client.route("")).await?;
        let mut refusal = None;
        for method in self.merge.iter().copied().filter(|method| allowed.has(*method)) {
            let body = order(&pull, commit, title, method);
            match self.client.write(Method::PUT, &format!("/pulls/{number}/merge"), Some(body)).await {
                Ok(answer) => return Ok(merged(&pull, Some(answer.read::<Merged>()?.sha), false)),
                // A rule for this branch alone, such as a linear history: another way may be allowed.
                Err(error) if is_about_the_method(&error) => refusal = Some(error),
                Err(error) => return self.refused(&pull, commit, error).await,
            }
        }
        let none = "none of the ways to merge in the settings is allowed".to_owned();
        let said = match refusal {
            Some(GitHubError::Refused { said, .. }) => said,
            _ => none,
        };
        Err(GitHubError::Protected { change: number, said })
    }

    /// The change, merged at this commit already or about to be.
    async fn mergeable(&self, number: ChangeNumber, commit: &CommitId) -> Result<PullPayload, GitHubError> {
        let pull = self.find_pull(number).await?.ok_or(GitHubError::NoChange(number))?;
        if pull.head.sha != *commit {
            return Err(GitHubError::HeadMoved {
                change: number,
                head: pull.head.branch,
                reviewed: commit.clone(),
                found: pull.head.sha,
            });
        }
        match pull.state() {
            ChangeState::Merged => return Ok(pull),
            ChangeState::Closed => return Err(GitHubError::Closed(number)),
            ChangeState::Open => {}
        }
        // The second page has no files and few commits: only the figures are wanted.
        let (base, head) = (encoded_ref(&pull.base.branch).to_string(), encoded_ref(commit.as_str()));
        let rest = format!("/compare/{base}...{head}?per_page=1&page=2");
        if let Some(Compared { behind_by, base_commit }) = self.client.find(&rest).await?
            && behind_by > 0
        {
            let branch = pull.base.branch;
            return Err(GitHubError::BaseMoved { change: number, branch, base: base_commit.sha });
        }
        if pull.mergeable == Some(false) {
            return Err(GitHubError::Conflict { change: number, branch: pull.base.branch });
        }
        Ok(pull)
    }

    /// What a refused merge comes to, after another look.
    async fn refused(
        &self,
        pull: &PullPayload,
        commit: &CommitId,
        error: GitHubError,
    ) -> Result<Receipt, GitHubError> {
        let (status, said) = match &error {
            GitHubError::Refused { status, said, .. } => (*status, said.clone()),
            // Rules are also told as a lack of permission.
            GitHubError::Forbidden { said, .. } if said.contains("rule") => {
                return Err(GitHubError::Protected { change: pull.number, said: said.clone() });
            }
            _ => return Err(error),
        };
        let now = self.mergeable(pull.number, commit).await?;
        if now.state() == ChangeState::Merged {
            return Ok(merged(&now, now.merge_commit(), true));
        }
        match status {
            // Something moved and moved back, or a merge is under way.
            StatusCode::CONFLICT => {
                let request = format!("PUT {}", self.client.route(format!("/pulls/{}/merge", pull.number)));
                Err(GitHubError::Broken { request, status, said })
            }
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::UNPROCESSABLE_ENTITY => {
                Err(GitHubError::Protected { change: pull.number, said })
            }
            _ => Err(error),
        }
    }
}

/// What is sent. The title is untrusted and stays on its line. What a squash says by itself, the messages of all
/// commits with their trailers, is better than anything that could be said here.
fn order(pull: &PullPayload, commit: &CommitId, title: &str, method: MergeMethod) -> serde_json::Value {
    let mut body = json!({ "sha": commit, "merge_method": method.as_str() });
    let title = one_line(title);
    if !title.is_empty() && method != MergeMethod::Rebase {
        body["commit_title"] = title.into();
    }
    if method == MergeMethod::Merge && pull.issue() > 0 {
        body["commit_message"] = format!("Closes #{}", pull.issue()).into();
    }
    body
}

fn is_about_the_method(error: &GitHubError) -> bool {
    let GitHubError::Refused { said, .. } = error else { return false };
    let said = said.to_ascii_lowercase();
    let names = ["merge commits", "squash merges", "rebase merges"].iter().any(|name| said.contains(name));
    names && (said.contains("not allowed") || said.contains("must not contain"))
}

fn merged(pull: &PullPayload, merge_commit: Option<CommitId>, found: bool) -> Receipt {
    Receipt {
        change: Some(pull.number),
        merge_commit,
        url: Some(pull.html_url.clone()),
        found,
        ..Receipt::default()
    }
}
