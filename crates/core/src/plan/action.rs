//! What a flow may write to the outside world: an allow-list, and nothing else.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A write that a flow may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// A comment on the change, edited in place.
    PostPrComment,
    /// A comment on the issue, edited in place.
    PostIssueComment,
    /// Labels are put on.
    AddLabels,
    /// Labels are taken off.
    RemoveLabels,
    /// The status of the commit is set.
    SetCommitStatus,
    /// A check run appears at the commit.
    CreateCheckRun,
    /// A change is opened.
    OpenChange,
    /// The change is merged.
    MergeChange,
    /// People are told by mail or chat.
    Notify,
    /// A check runs on the checkout.
    RunCheck,
    /// The version goes to an environment.
    Deploy,
}

impl ActionKind {
    /// Every action there is.
    pub const ALL: [Self; 11] = [
        Self::PostPrComment,
        Self::PostIssueComment,
        Self::AddLabels,
        Self::RemoveLabels,
        Self::SetCommitStatus,
        Self::CreateCheckRun,
        Self::OpenChange,
        Self::MergeChange,
        Self::Notify,
        Self::RunCheck,
        Self::Deploy,
    ];

    /// The word in flow files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PostPrComment => "post_pr_comment",
            Self::PostIssueComment => "post_issue_comment",
            Self::AddLabels => "add_labels",
            Self::RemoveLabels => "remove_labels",
            Self::SetCommitStatus => "set_commit_status",
            Self::CreateCheckRun => "create_check_run",
            Self::OpenChange => "open_change",
            Self::MergeChange => "merge_change",
            Self::Notify => "notify",
            Self::RunCheck => "run_check",
            Self::Deploy => "deploy",
        }
    }

    /// Whether this version does it.
    pub fn is_carried_out(self) -> bool {
        match self {
            Self::PostPrComment
            | Self::PostIssueComment
            | Self::AddLabels
            | Self::RemoveLabels
            | Self::SetCommitStatus
            | Self::CreateCheckRun
            | Self::OpenChange
            | Self::MergeChange
            | Self::Notify
            | Self::RunCheck => true,
            Self::Deploy => false,
        }
    }

    /// Whether it needs the checkout of an agent.
    pub fn needs_checkout(self) -> bool {
        matches!(self, Self::OpenChange | Self::RunCheck)
    }

    /// What it can be told. What a flow leaves out is taken from the field of that name in the step's output.
    pub fn settings(self) -> &'static [&'static str] {
        match self {
            Self::PostPrComment | Self::PostIssueComment => &["body"],
            Self::AddLabels | Self::RemoveLabels => &["labels"],
            Self::SetCommitStatus => &["state", "context", "description"],
            Self::CreateCheckRun => &["name", "conclusion", "summary"],
            Self::OpenChange => &["title", "body"],
            Self::MergeChange => &[],
            Self::Notify => &["subject", "body"],
            Self::RunCheck => &["check"],
            Self::Deploy => &["environment"],
        }
    }
}

/// A write that a step asks for once it succeeded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ActionCall {
    /// Which one.
    pub action: ActionKind,
    /// What it is told, with `${…}` in its texts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, Value>,
}
