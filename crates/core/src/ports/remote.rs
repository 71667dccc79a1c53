//! The branches of a repository where others see them.

use async_trait::async_trait;

use super::Failure;
use crate::ids::CommitId;

/// Which commit is to stand on which branch of the remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushSpec {
    /// The branch, without `refs/heads/`.
    pub branch: String,
    /// The commit; it is in the local repository.
    pub commit: CommitId,
}

/// What a push came to; the commit stands on the branch either way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It was put there.
    Done {
        /// What stood there before, if the branch was there.
        before: Option<CommitId>,
    },
    /// It stood there already.
    Already,
}

/// The remote that a repository's branches come from and go to.
///
/// Of the local repository nothing but `refs/miyabi/…` changes. `refs/miyabi/remote/<branch>` holds what the remote
/// last confirmed. Calls may be repeated: an answer that was lost is found out by the next one. Methods may be called
/// at once from many tasks and many processes.
#[async_trait]
pub trait Remote: Send + Sync {
    /// Brings the remote's branch here and gives its tip; `None` when the remote has no such branch.
    async fn fetch(&self, branch: &str) -> Result<Option<CommitId>, Failure>;

    /// Puts exactly that commit on the remote's branch, unless work of others stands there.
    ///
    /// What stands there may be nothing, part of the commit's history, or something that was pushed from here before.
    /// Errors: `Permanent` when somebody else's commit stands there (the evidence names both commits) or when the
    /// remote does not take it; `Input` when it refuses the login; `Unavailable` and `Transient` by themselves.
    async fn push(&self, spec: &PushSpec) -> Result<Pushed, Failure>;

    /// Deletes the remote's branch if it stands at that commit; false when it is gone already.
    ///
    /// Errors: `Permanent` when it stands elsewhere; otherwise as for [`push`](Self::push).
    async fn delete(&self, branch: &str, expected: &CommitId) -> Result<bool, Failure>;
}
