//! Why GitHub did not do it, and what people can do about it.
//!
//! What GitHub said is kept as one short line without anything that looks like a secret.

use std::error::Error;

use http::StatusCode;
use jiff::Timestamp;
use miyabi_core::failure::FailureClass as Class;
use miyabi_core::ids::{ChangeNumber, CommitId, IssueNumber};
use miyabi_core::ports::Failure;
use miyabi_core::redact::Redactor;
use serde_json::{Value, json};

use crate::text::excerpt;

/// Why GitHub did not do it. `request` is `POST /repos/…`, without query, body and headers.
#[derive(Debug, thiserror::Error)]
pub enum GitHubError {
    /// A repository that cannot be one.
    #[error("`{0}` is not the name of a repository")]
    BadRepo(String),
    /// An address that cannot be used. It may hold a secret and is not shown.
    #[error("the address of GitHub's API cannot be used: {why}")]
    BadUrl {
        /// What is wrong with it.
        why: &'static str,
    },
    /// A token that no header can carry.
    #[error("the token for GitHub holds characters that no token has")]
    BadToken,
    /// A private key that is none.
    #[error("read the private key of the GitHub App: {why}")]
    BadKey {
        /// What is wrong with it.
        why: String,
    },
    /// No way to merge is left in the settings.
    #[error("no way to merge is allowed by the settings")]
    NoMergeMethod,
    /// The connection cannot be made ready, for want of trusted certificates for example.
    #[error("prepare the connection to GitHub")]
    Client(#[source] Box<dyn Error + Send + Sync>),
    /// The private key does not sign.
    #[error("sign in as GitHub App {0}")]
    Sign(u64),
    /// The App is not installed where it is needed.
    #[error("the GitHub App {app} is not installed on {repo}")]
    NotInstalled {
        /// Its id.
        app: u64,
        /// The repository.
        repo: String,
    },
    /// No answer, or half of one.
    #[error("{request}: the connection was lost")]
    Lost {
        /// Method and route.
        request: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// No answer in time.
    #[error("{request}: no answer within {seconds} s")]
    Slow {
        /// Method and route.
        request: String,
        /// The deadline.
        seconds: f64,
    },
    /// A primary or secondary limit of requests.
    #[error("GitHub allows no more requests until {until}")]
    Limited {
        /// When to ask again.
        until: Timestamp,
    },
    /// 401.
    #[error("{request}: GitHub does not accept our credentials: {said}")]
    Unauthorized {
        /// Method and route.
        request: String,
        /// What it said.
        said: String,
    },
    /// 403 that is no limit.
    #[error("{request}: GitHub does not allow it: {said}")]
    Forbidden {
        /// Method and route.
        request: String,
        /// What it said.
        said: String,
        /// The permissions that would do, as GitHub names them.
        needs: Option<String>,
    },
    /// The repository is not there, or is hidden from us.
    #[error("there is no repository {0}, or our credentials may not see it")]
    NoRepo(String),
    /// 301, 307 or 308: it lives elsewhere now.
    #[error("{request}: it was moved or renamed")]
    Moved {
        /// Method and route.
        request: String,
    },
    /// Any other refusal.
    #[error("{request}: GitHub refused it ({}): {said}", .status.as_u16())]
    Refused {
        /// Method and route.
        request: String,
        /// The status.
        status: StatusCode,
        /// What it said.
        said: String,
    },
    /// 5xx.
    #[error("{request}: GitHub failed ({}): {said}", .status.as_u16())]
    Broken {
        /// Method and route.
        request: String,
        /// The status.
        status: StatusCode,
        /// What it said.
        said: String,
    },
    /// An answer that is not what GitHub's documentation promises.
    #[error("{request}: the answer cannot be read")]
    Unreadable {
        /// Method and route.
        request: String,
        /// Where reading ended.
        #[source]
        source: serde_json::Error,
    },
    /// A write that is some other part's.
    #[error("the forge does not know what {0} is")]
    NotHere(&'static str),
    /// A change without a title.
    #[error("the title is blank")]
    BlankTitle,
    /// Nothing has that number.
    #[error("there is no issue #{0}")]
    NoIssue(IssueNumber),
    /// The repository on GitHub does not know the commit.
    #[error("GitHub does not know the commit {0}")]
    NoCommit(CommitId),
    /// No change has that number.
    #[error("there is no change #{0}")]
    NoChange(ChangeNumber),
    /// A person closed the change.
    #[error("change #{0} was closed without merging")]
    Closed(ChangeNumber),
    /// The head branch is not at the reviewed commit.
    #[error(
        "merge change #{change}: the head moved since the review: `{head}` was reviewed at {reviewed} and is now {found}"
    )]
    HeadMoved {
        /// The change.
        change: ChangeNumber,
        /// Its head branch.
        head: String,
        /// The commit that was reviewed.
        reviewed: CommitId,
        /// The commit that is there now.
        found: CommitId,
    },
    /// The base branch holds what the review has not seen.
    #[error("merge change #{change}: `{branch}` moved to {base} since the review")]
    BaseMoved {
        /// The change.
        change: ChangeNumber,
        /// The base branch.
        branch: String,
        /// Its tip.
        base: CommitId,
    },
    /// Both sides changed the same lines.
    #[error("merge change #{change}: it conflicts with `{branch}`")]
    Conflict {
        /// The change.
        change: ChangeNumber,
        /// The base branch.
        branch: String,
    },
    /// A rule of the repository stands in the way.
    #[error("merge change #{change}: a rule of the repository stands in the way: {said}")]
    Protected {
        /// The change.
        change: ChangeNumber,
        /// What GitHub said.
        said: String,
    },
}

impl GitHubError {
    /// Whether the request may have been lost on its way, so that a read is worth a second try at once.
    pub(super) fn passes(&self) -> bool {
        matches!(self, Self::Lost { .. } | Self::Broken { .. })
    }

    /// The status of a refusal.
    pub(super) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether nothing is there: never was, or was deleted.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self.status(), Some(StatusCode::NOT_FOUND | StatusCode::GONE))
    }
}

/// What GitHub says in the body of a refusal: its message, and what its fields complain about.
pub(super) fn said(body: &str) -> String {
    let mut said = match serde_json::from_str::<Value>(body) {
        Ok(value) => {
            let mut parts: Vec<String> = value["message"].as_str().map(str::to_owned).into_iter().collect();
            for error in value["errors"].as_array().into_iter().flatten() {
                let words = ["resource", "field", "code", "message"];
                let words = words.iter().filter_map(|word| error[word].as_str());
                let words = words.collect::<Vec<_>>().join(" ");
                parts.push(error.as_str().map_or(words, str::to_owned));
            }
            parts.join(": ")
        }
        Err(_) => body.to_owned(),
    };
    if said.trim().is_empty() {
        "nothing".clone_into(&mut said);
    }
    excerpt(&Redactor::default().redact(&said), 300)
}

impl From<GitHubError> for Failure {
    fn from(error: GitHubError) -> Self {
        let failure = Self::caused(class(&error), &error).evidence(evidence(&error));
        let Some(hint) = hint(&error) else { return failure };
        failure.hint(hint)
    }
}

fn class(error: &GitHubError) -> Class {
    use GitHubError as E;
    match error {
        E::BadRepo(_) | E::BadUrl { .. } | E::BadToken | E::BadKey { .. } | E::NoMergeMethod => Class::Input,
        E::Sign(_) | E::NotInstalled { .. } | E::Unauthorized { .. } | E::Forbidden { .. } => Class::Input,
        E::NoRepo(_) | E::Moved { .. } | E::BlankTitle | E::NoIssue(_) | E::NoChange(_) | E::NoCommit(_) => {
            Class::Input
        }
        E::Client(_) | E::Unreadable { .. } => Class::Unavailable,
        E::Lost { .. } | E::Slow { .. } | E::Limited { .. } | E::Broken { .. } => Class::Transient,
        E::Refused { .. } | E::HeadMoved { .. } => Class::Permanent,
        E::NotHere(_) => Class::Internal,
        E::Closed(_) | E::Protected { .. } => Class::Rejected,
        E::BaseMoved { .. } => Class::BaseMoved,
        E::Conflict { .. } => Class::Conflict,
    }
}

fn hint(error: &GitHubError) -> Option<String> {
    use GitHubError as E;
    let hint = match error {
        E::BadRepo(_) => "write it as `owner/name`",
        E::BadUrl { .. } => "set MIYABI_GITHUB_API_URL to https://api.github.com or https://<host>/api/v3",
        E::BadToken => "set MIYABI_GITHUB_TOKEN to the token alone, without quotes or line breaks",
        E::BadKey { .. } | E::Sign(_) => {
            "set MIYABI_GITHUB_APP_PRIVATE_KEY_FILE to the PEM file that GitHub gave out for the App"
        }
        E::NotHere(_) => "please report it with the output of `miyabi log`",
        E::NoMergeMethod => "allow at least one of merge, squash and rebase",
        E::Client(_) => "install the machine's trusted certificates (package `ca-certificates`)",
        E::NotInstalled { .. } => "install the App on the repository, or set its installation",
        E::Unauthorized { .. } => {
            "set MIYABI_GITHUB_TOKEN to a valid token; it may have expired or been revoked"
        }
        E::Forbidden { needs: Some(needs), .. } => {
            return Some(format!("give the token or App one of these permissions: {needs}"));
        }
        E::Forbidden { .. } => {
            "give the token or App write access to contents, issues and pull requests of the repository"
        }
        E::NoRepo(_) => "check the name, and that the token or App has access to the repository",
        E::Moved { .. } => "use the new name of the repository, or the number of the issue in its new place",
        E::Unreadable { .. } => {
            "check that MIYABI_GITHUB_API_URL is the address of the API, not of the pages"
        }
        E::BlankTitle => "give it a title of at least one word",
        E::NoIssue(_) | E::NoChange(_) => "check the number on GitHub",
        E::NoCommit(_) => "push the commit first",
        E::Closed(_) => "run the issue again to open a new change",
        E::HeadMoved { .. } => "run the issue again, so that what is there now is reviewed",
        E::BaseMoved { .. } => "bring the base branch into the head branch and review the result",
        E::Conflict { .. } => "bring the base branch into the head branch and resolve the conflict there",
        E::Protected { .. } => "do on GitHub what the rule asks for, or merge the change there",
        E::Lost { .. } | E::Slow { .. } | E::Broken { .. } => "it is tried again; see also githubstatus.com",
        E::Limited { .. } => "it goes on by itself at that time",
        E::Refused { .. } => return None,
    };
    Some(hint.to_owned())
}

fn evidence(error: &GitHubError) -> Value {
    use GitHubError as E;
    match error {
        E::Limited { until } => json!({ "retry_at": until }),
        E::HeadMoved { head, reviewed, found, .. } => {
            json!({ "head": head, "reviewed": reviewed, "found": found })
        }
        E::BaseMoved { branch, base, .. } => json!({ "base": base, "branch": branch }),
        E::Conflict { change, branch } => json!({ "change": change, "branch": branch }),
        E::Protected { change, said } => json!({ "change": change, "blocked_by": said }),
        E::Refused { status, .. } | E::Broken { status, .. } => json!({ "status": status.as_u16() }),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_about_fields_are_told() {
        let body = r#"{"message":"Validation Failed","errors":[
            {"resource":"PullRequest","code":"custom","message":"A pull request already exists for a:b."},
            {"resource":"Label","field":"name","code":"too_long"},"検証に失敗"]}"#;
        assert_eq!(
            said(body),
            "Validation Failed: PullRequest custom A pull request already exists for a:b.: \
             Label name too_long: 検証に失敗"
        );
    }

    #[test]
    fn what_is_said_is_short_and_without_secrets() {
        assert_eq!(said("<html>\n<h1>502</h1>"), "<html> <h1>502</h1>");
        assert_eq!(said(""), "nothing");
        assert_eq!(said("{}"), "nothing");
        assert_eq!(said(&"報".repeat(1000)).chars().count(), 301);
        let token = ["ghp_", "16C7e42F292c6912", "E7710c838347Ae178B4a"].concat();
        let said = said(&format!("{{\"message\":\"Bad credentials: {token}\"}}"));
        assert!(!said.contains(&token) && said.starts_with("Bad credentials: [redacted:"), "{said}");
    }
}
