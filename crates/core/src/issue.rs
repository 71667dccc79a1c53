//! What a forge keeps: issues, comments, labels and changes.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{ChangeNumber, CommitId, IssueNumber};

/// A request on the forge. Its text is untrusted data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Issue {
    /// Its number in the repo.
    pub number: IssueNumber,
    /// One line.
    pub title: String,
    /// Markdown; may be empty.
    pub body: String,
    /// Label names in the order they were added.
    pub labels: Vec<String>,
    /// Who filed it.
    pub author: String,
    /// Whether it is still open.
    pub open: bool,
    /// Where people read it; for the local forge a `miyabi issue show N` command line.
    pub url: String,
    /// When it was filed.
    pub created_at: Timestamp,
}

/// What a person gives to file an issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewIssue {
    /// The number wanted, when it is taken over from elsewhere; otherwise the next free one.
    pub number: Option<IssueNumber>,
    /// One line; not empty.
    pub title: String,
    /// Markdown.
    pub body: String,
    /// Label names.
    pub labels: Vec<String>,
    /// Who files it.
    pub author: String,
}

/// A comment on an issue or change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Comment {
    /// The issue it stands on.
    pub issue: IssueNumber,
    /// Who wrote it.
    pub author: String,
    /// Markdown; ours end with a hidden marker that holds the key.
    pub body: String,
    /// What makes it recognisable: set for comments that miyabi wrote.
    pub key: Option<String>,
    /// When it was written.
    pub created_at: Timestamp,
    /// When its text was last replaced.
    pub updated_at: Timestamp,
}

/// How far a change has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeState {
    /// Waits to be merged.
    Open,
    /// Is in its base branch.
    Merged,
    /// Was closed without merging.
    Closed,
}

/// A pull or merge request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Its number in the repo.
    pub number: ChangeNumber,
    /// The issue it answers.
    pub issue: IssueNumber,
    /// One line.
    pub title: String,
    /// Markdown.
    pub body: String,
    /// The branch with the work; unique among open changes.
    pub head: String,
    /// The branch it goes into.
    pub base: String,
    /// The commit that was reviewed.
    pub head_commit: CommitId,
    /// How far it is.
    pub state: ChangeState,
    /// The commit on the base branch that merged it.
    pub merge_commit: Option<CommitId>,
    /// Label names.
    pub labels: Vec<String>,
    /// Where people read it.
    pub url: String,
    /// When it was opened.
    pub created_at: Timestamp,
}
