//! Intents: writes to the outside world, recorded before they are done, done once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::commit_mark::{CheckRun, CommitStatus};
use crate::ids::{ChangeNumber, CommitId, IntentId, IssueNumber, StepId};

/// One write to the outside world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Intent {
    /// The same write always has the same id; the far end can be asked for it.
    pub id: IntentId,
    /// The step that asked for it.
    pub step: StepId,
    /// Whether the step ends with it: its receipt is then the step's output.
    pub ends_step: bool,
    /// What to write.
    pub write: Write,
}

/// What can be written to a forge. Each is recognisable there, so that a lost answer never makes two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "write", rename_all = "snake_case")]
pub enum Write {
    /// Creates the comment with this key, or replaces its text.
    Comment {
        /// Issue or change.
        issue: IssueNumber,
        /// What makes the comment recognisable.
        key: String,
        /// Markdown without the marker.
        body: String,
    },
    /// Adds and removes labels; others are left alone.
    Labels {
        /// Issue or change.
        issue: IssueNumber,
        /// Names to add.
        add: Vec<String>,
        /// Names to remove; a name ending in `*` removes every label with that prefix.
        remove: Vec<String>,
    },
    /// Opens the change of this head branch, or finds it and brings its text up to date.
    OpenChange {
        /// The issue it answers; 0: none.
        issue: IssueNumber,
        /// One line.
        title: String,
        /// Markdown.
        body: String,
        /// The branch with the work.
        head: String,
        /// The branch it goes into.
        base: String,
        /// The reviewed commit.
        commit: CommitId,
    },
    /// Merges the change if its head is still this commit and its base still contains nothing newer.
    MergeChange {
        /// Which.
        change: ChangeNumber,
        /// The reviewed commit.
        commit: CommitId,
        /// First line of the merge commit.
        title: String,
        /// Whether the forge is asked first how the change stands: checks that failed or have not ended and reviewers
        /// who ask for changes keep it from being merged.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        only_if_ready: bool,
    },
    /// Deletes the branch of a merged change, if it still is at this commit.
    DeleteBranch {
        /// Its name.
        branch: String,
        /// The commit that was merged.
        commit: CommitId,
    },
    /// Sets the status of a commit in a context, unless that is how it stands.
    CommitStatus(CommitStatus),
    /// Creates the check run with this key at the commit, or brings it up to date. Where the credentials may create
    /// none it becomes a commit status.
    CheckRun(CheckRun),
    /// Tells the people who want to be told, by mail or chat.
    Notify {
        /// Which way.
        channel: Channel,
        /// One line.
        subject: String,
        /// Plain text.
        body: String,
        /// Where they can read on.
        url: String,
    },
    /// Closes the issue.
    CloseIssue {
        /// Which.
        issue: IssueNumber,
    },
}

/// A way to tell people something, beside the forge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Electronic mail.
    Mail,
    /// A channel of Slack.
    Slack,
}

impl Channel {
    /// Its name as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Slack => "slack",
        }
    }
}

/// What the forge answered to a write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// The change that was opened or merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeNumber>,
    /// The commit on the base branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge_commit: Option<CommitId>,
    /// Where people read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Whether it had been there before: an earlier answer was lost.
    #[serde(default)]
    pub found: bool,
    /// Whether a check run became a commit status, because the credentials may create no check runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub as_status: bool,
}
