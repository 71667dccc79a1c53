//! What was pinned before something was removed.

use async_trait::async_trait;

use super::Failure;
use crate::worktree::{Kept, KeptFile};

/// Commits under `refs/miyabi/keep/`: nothing that an agent or a person made is lost, and this is where it is found.
#[async_trait]
pub trait Keepsakes: Send + Sync {
    /// Everything that is kept, oldest first.
    async fn kept(&self) -> Result<Vec<Kept>, Failure>;

    /// The files in which what was kept differs from the commit below it.
    async fn files(&self, kept: &Kept) -> Result<Vec<KeptFile>, Failure>;

    /// Makes a branch that stands at what was kept; nothing is checked out. Errors: `Input` when the branch is there or
    /// its name is none.
    async fn restore(&self, kept: &Kept, branch: &str) -> Result<(), Failure>;

    /// Takes the pins away; one that moved meanwhile stays. Says how many went. Objects stay until git itself tidies up.
    async fn forget(&self, kept: &[Kept]) -> Result<usize, Failure>;
}
