//! The parts of GitHub's payloads that we look at. What is not named here is not looked at.

use serde::Deserialize;

use crate::webhook::Part;

/// The top of every payload; its parts are read by the events that need them.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Payload<'a> {
    #[serde(borrow)]
    pub(super) action: Part<'a>,
    #[serde(borrow)]
    pub(super) repository: Part<'a>,
    #[serde(borrow)]
    pub(super) sender: Part<'a>,
    #[serde(borrow)]
    pub(super) issue: Part<'a>,
    #[serde(borrow)]
    pub(super) label: Part<'a>,
    #[serde(borrow)]
    pub(super) comment: Part<'a>,
    #[serde(borrow)]
    pub(super) pull_request: Part<'a>,
    #[serde(borrow)]
    pub(super) review: Part<'a>,
    #[serde(borrow)]
    pub(super) check_run: Part<'a>,
    #[serde(borrow)]
    pub(super) check_suite: Part<'a>,
    #[serde(borrow)]
    pub(super) workflow_run: Part<'a>,
    #[serde(borrow)]
    pub(super) installation: Part<'a>,
    #[serde(borrow)]
    pub(super) repositories: Part<'a>,
    #[serde(borrow)]
    pub(super) repositories_added: Part<'a>,
    #[serde(borrow)]
    pub(super) repositories_removed: Part<'a>,
    #[serde(borrow, rename = "ref")]
    pub(super) git_ref: Part<'a>,
    #[serde(borrow)]
    pub(super) after: Part<'a>,
    #[serde(borrow)]
    pub(super) deleted: Part<'a>,
    #[serde(borrow)]
    pub(super) head_commit: Part<'a>,
    #[serde(borrow)]
    pub(super) sha: Part<'a>,
    #[serde(borrow)]
    pub(super) state: Part<'a>,
    #[serde(borrow)]
    pub(super) branches: Part<'a>,
    #[serde(borrow)]
    pub(super) updated_at: Part<'a>,
}

#[derive(Deserialize)]
pub(super) struct Repository {
    pub(super) full_name: String,
}

#[derive(Deserialize)]
pub(super) struct User {
    pub(super) login: String,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Issue {
    pub(super) number: u64,
    pub(super) state: String,
    pub(super) labels: Option<Vec<Label>>,
    /// There if it is a change.
    pub(super) pull_request: Option<serde::de::IgnoredAny>,
    pub(super) created_at: String,
    pub(super) updated_at: String,
}

#[derive(Deserialize)]
pub(super) struct Label {
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct Comment {
    pub(super) id: u64,
    pub(super) body: Option<String>,
    pub(super) created_at: String,
}

#[derive(Deserialize)]
pub(super) struct PullRequest {
    pub(super) number: u64,
    pub(super) state: String,
    pub(super) labels: Option<Vec<Label>>,
    pub(super) head: Head,
    #[serde(default)]
    pub(super) merged: bool,
    pub(super) updated_at: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Head {
    pub(super) sha: String,
}

#[derive(Deserialize)]
pub(super) struct Review {
    pub(super) state: String,
    pub(super) submitted_at: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct CheckRun {
    pub(super) head_sha: String,
    pub(super) completed_at: Option<String>,
    pub(super) check_suite: Option<Suite>,
}

/// The suite inside a check run, where all of it may be missing.
#[derive(Deserialize)]
pub(super) struct Suite {
    pub(super) head_branch: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct CheckSuite {
    pub(super) head_sha: String,
    pub(super) head_branch: Option<String>,
    pub(super) updated_at: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct WorkflowRun {
    pub(super) head_sha: String,
    pub(super) head_branch: Option<String>,
    pub(super) updated_at: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Commit {
    pub(super) timestamp: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct Installation {
    pub(super) account: User,
}
