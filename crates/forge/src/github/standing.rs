//! How a change stands: its state, what CI says of a commit, what reviewers ask for.

use std::collections::BTreeMap;

use miyabi_core::facts::{CheckState, CiCheck};
use miyabi_core::ids::{ChangeNumber, CommitId};
use miyabi_core::standing::{Ci, Remark, Standing};
use miyabi_core::trigger::Permission;
use serde::Deserialize;

use super::client::encoded_ref;
use super::payload::{ReviewComment, ReviewPayload};
use super::wire::parse;
use super::{GitHubError, GitHubForge};

/// The longest remark that is kept, in characters.
const MAX_REMARK: usize = 4000;

impl GitHubForge {
    /// How the change stands, as CI and reviewers see this commit.
    pub(super) async fn find_standing(
        &self,
        number: ChangeNumber,
        commit: &CommitId,
    ) -> Result<Option<Standing>, GitHubError> {
        let Some(pull) = self.find_pull(number).await? else { return Ok(None) };
        Ok(Some(Standing {
            state: pull.state(),
            by: pull.merged_by(),
            merge_commit: pull.merge_commit(),
            head: pull.head.sha.clone(),
            ci: self.find_ci(commit).await?,
            remarks: self.remarks(number, commit).await?,
        }))
    }

    /// What CI says of a commit as a whole.
    async fn find_ci(&self, commit: &CommitId) -> Result<Ci, GitHubError> {
        Ok(ci_of(&self.find_checks(commit).await?))
    }

    /// What CI says of a commit: its check runs and its statuses together.
    pub(super) async fn find_checks(&self, commit: &CommitId) -> Result<Vec<CiCheck>, GitHubError> {
        let commit = encoded_ref(commit.as_str()).to_string();
        let mut seen = Vec::new();
        let rest = format!("/commits/{commit}/check-runs?per_page=100");
        let checks = self.client.pages(&rest, |request, body| {
            let CheckRuns { check_runs } = parse(request, body)?;
            seen.extend(check_runs.into_iter().map(CheckRun::seen));
            Ok(())
        });
        checks.await?;
        let rest = format!("/commits/{commit}/status?per_page=100");
        let statuses = self.client.pages(&rest, |request, body| {
            let Combined { statuses } = parse(request, body)?;
            seen.extend(statuses.into_iter().map(Status::seen));
            Ok(())
        });
        statuses.await?;
        Ok(seen)
    }

    /// What reviewers with write permission ask to be changed in that commit and have not taken back.
    async fn remarks(&self, number: ChangeNumber, commit: &CommitId) -> Result<Vec<Remark>, GitHubError> {
        let reviews: Vec<ReviewPayload> =
            self.client.list(&format!("/pulls/{number}/reviews?per_page=100")).await?.unwrap_or_default();
        let mut newest: BTreeMap<String, ReviewPayload> = BTreeMap::new();
        for review in reviews.into_iter().filter(ReviewPayload::judges) {
            newest.insert(review.author(), review);
        }
        let mut asking = Vec::new();
        for (author, review) in newest {
            let of_commit = review.commit_id.as_ref() == Some(commit);
            if review.asks_for_changes()
                && of_commit
                && self.find_permission(&author).await? >= Permission::Write
            {
                asking.push((author, review));
            }
        }
        if asking.is_empty() {
            return Ok(Vec::new());
        }
        let inline: Vec<ReviewComment> =
            self.client.list(&format!("/pulls/{number}/comments?per_page=100")).await?.unwrap_or_default();
        let mut remarks = Vec::new();
        for (by, review) in asking {
            let text = review.body.unwrap_or_default();
            if !text.trim().is_empty() {
                remarks.push(Remark { by: by.clone(), place: None, text: short(&text) });
            }
            for comment in inline.iter().filter(|comment| comment.pull_request_review_id == Some(review.id)) {
                let place = Some(comment.place());
                remarks.push(Remark { by: by.clone(), place, text: short(&comment.body) });
            }
            if remarks.iter().all(|remark| remark.by != by) {
                let text = "asks for changes without saying which".to_owned();
                remarks.push(Remark { by, place: None, text });
            }
        }
        Ok(remarks)
    }
}

fn short(text: &str) -> String {
    text.chars().take(MAX_REMARK).collect()
}

#[derive(Deserialize)]
struct CheckRuns {
    check_runs: Vec<CheckRun>,
}

#[derive(Deserialize)]
struct CheckRun {
    name: String,
    status: String,
    conclusion: Option<String>,
    #[serde(default)]
    html_url: Option<String>,
}

impl CheckRun {
    fn seen(self) -> CiCheck {
        let state = match (self.status.as_str(), self.conclusion.as_deref()) {
            ("completed", Some("success" | "neutral" | "skipped")) => CheckState::Passed,
            // Also what GitHub may call a bad end one day.
            ("completed", Some(_)) => CheckState::Failed,
            _ => CheckState::Pending,
        };
        CiCheck { state, name: self.name, url: self.html_url }
    }
}

#[derive(Deserialize)]
struct Combined {
    statuses: Vec<Status>,
}

#[derive(Deserialize)]
struct Status {
    context: String,
    state: String,
    #[serde(default)]
    target_url: Option<String>,
}

impl Status {
    fn seen(self) -> CiCheck {
        let state = match self.state.as_str() {
            "success" => CheckState::Passed,
            "pending" => CheckState::Pending,
            _ => CheckState::Failed,
        };
        CiCheck { state, name: self.context, url: self.target_url }
    }
}

fn ci_of(seen: &[CiCheck]) -> Ci {
    let of = |wanted: CheckState| seen.iter().filter(move |seen| seen.state == wanted);
    let names = |wanted: CheckState| {
        let mut names: Vec<String> = of(wanted).map(|seen| seen.name.clone()).collect();
        names.sort();
        names.dedup();
        names
    };
    let failures: Vec<String> = of(CheckState::Failed)
        .map(|seen| match &seen.url {
            Some(url) => format!("CI check {} failed: {url}", seen.name),
            None => format!("CI check {} failed", seen.name),
        })
        .collect();
    let pending = names(CheckState::Pending);
    match (failures.is_empty(), pending.is_empty(), seen.is_empty()) {
        (false, ..) => Ci::Failed { failures },
        (true, false, _) => Ci::Pending { names: pending },
        (true, true, true) => Ci::Absent,
        (true, true, false) => Ci::Passed { names: names(CheckState::Passed) },
    }
}
