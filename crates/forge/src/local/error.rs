//! Why the local forge did not do it.

use miyabi_core::failure::FailureClass;
use miyabi_core::ids::{ChangeNumber, CommitId, IssueNumber};
use miyabi_core::ports::Failure;
use serde_json::json;

/// Why the local forge did not do it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ForgeError {
    /// An issue or change without a title.
    #[error("the title is blank")]
    BlankTitle,
    /// A comment without text.
    #[error("the comment is blank")]
    BlankComment,
    /// Nothing has that number.
    #[error("there is no issue #{0}")]
    NoIssue(IssueNumber),
    /// No change has that number.
    #[error("there is no change #{0}")]
    NoChange(ChangeNumber),
    /// A write that is some other part's.
    #[error("the local forge does not know what {0} is")]
    NotHere(&'static str),
    /// A person closed the change.
    #[error("change #{0} was closed without merging")]
    Closed(ChangeNumber),
    /// The head branch is not at the reviewed commit.
    #[error(
        "merge change #{change}: the head moved since the review: `{head}` was reviewed at {reviewed} and is now {}",
        .found.as_ref().map_or("gone", CommitId::as_str)
    )]
    HeadMoved {
        /// The change.
        change: ChangeNumber,
        /// Its head branch.
        head: String,
        /// The commit that was reviewed.
        reviewed: CommitId,
        /// The commit that is there now, if the branch still exists.
        found: Option<CommitId>,
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
}

impl From<ForgeError> for Failure {
    fn from(error: ForgeError) -> Self {
        use FailureClass as Class;
        let (class, hint) = match &error {
            ForgeError::BlankTitle => (Class::Input, "give it a title of at least one word"),
            ForgeError::BlankComment => (Class::Input, "give the comment some text"),
            ForgeError::NoIssue(_) => (Class::Input, "`miyabi issue list` shows the issues that there are"),
            ForgeError::NoChange(_) => {
                (Class::Input, "`miyabi change list` shows the changes that there are")
            }
            ForgeError::NotHere(_) => (Class::Internal, "please report it with `miyabi log`"),
            ForgeError::Closed(_) => (Class::Rejected, "run the issue again to open a new change"),
            ForgeError::HeadMoved { .. } => {
                (Class::Permanent, "run the issue again, so that what is there now is reviewed")
            }
            ForgeError::BaseMoved { .. } => {
                (Class::BaseMoved, "bring the base branch into the head branch and review the result")
            }
        };
        let evidence = match &error {
            ForgeError::BaseMoved { base, branch, .. } => json!({ "base": base, "branch": branch }),
            ForgeError::HeadMoved { head, reviewed, found, .. } => {
                json!({ "head": head, "reviewed": reviewed, "found": found })
            }
            _ => serde_json::Value::Null,
        };
        Self::caused(class, &error).hint(hint).evidence(evidence)
    }
}
