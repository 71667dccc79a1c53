//! Isolated checkouts, commits and merges of one repository.

use std::path::Path;

use async_trait::async_trait;

use super::Failure;
use crate::ids::{ChangeNumber, CommitId, RunId, StepId};
use crate::worktree::{
    Closed, CommitSpec, Committed, ConflictFile, LandSpec, Landed, MergeSpec, Merged, RepoState, Seal,
    Worktree, WorktreeSpec,
};

/// A line that a change adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedLine {
    /// Path relative to the repository.
    pub file: String,
    /// Line in the new file, from 1.
    pub line: u64,
    /// The line without its end, at most 4,000 characters.
    pub text: String,
}

/// Custody of worktrees, branches and merges in one repository.
///
/// Nothing that was committed, staged or left untracked is ever lost: before anything is removed or overwritten,
/// what is reachable from no branch is pinned under `refs/miyabi/keep/<run>/<step>/<n>`. The main checkout is touched
/// by [`land`](Self::land) only. Methods may be called at once from many tasks and many processes.
#[async_trait]
pub trait Worktrees: Send + Sync {
    /// What the repository is like. Errors: `Input` when it is none, is bare or has no commit.
    async fn inspect(&self) -> Result<RepoState, Failure>;

    /// Opens a checkout as specified; calling again with the same spec returns the same one.
    ///
    /// Registered one at a time, populated in parallel. `.worktrees/` and the context files are in
    /// `.git/info/exclude` afterwards. Errors: `Exhausted` when the disk is full, and nothing half-made is left.
    async fn open(&self, spec: &WorktreeSpec) -> Result<Worktree, Failure>;

    /// Puts files for the agent into the worktree; they are excluded from every commit. Names are single components.
    async fn put_context(&self, worktree: &Worktree, files: &[(&str, String)]) -> Result<(), Failure>;

    /// Leaves in the worktree, uncommitted, the merge of `theirs`, with conflict markers where sides do not fit.
    async fn begin_merge(&self, worktree: &Worktree, theirs: &CommitId)
    -> Result<Vec<ConflictFile>, Failure>;

    /// Conflict markers that are still in these files of the worktree: `path:line`.
    async fn markers_left(&self, worktree: &Worktree, files: &[String]) -> Result<Vec<String>, Failure>;

    /// What a session must leave as it is, as it stands now: looked at before and after it. Changes land on `base`, which
    /// is no part of it, as are the branches of worktrees.
    async fn seal(&self, _base: &str) -> Result<Seal, Failure> {
        Ok(Seal::default())
    }

    /// Makes one commit on the worktree's branch of all that is there, whoever staged or committed parts of it.
    /// `None` when the tree equals the first parent's: nothing was changed. Hooks do not run.
    async fn commit(&self, worktree: &Worktree, spec: &CommitSpec) -> Result<Option<Committed>, Failure>;

    /// Merges a commit into a branch without a checkout, or says why it does not fit. The branch's own worktree,
    /// if it has one, follows.
    async fn merge(&self, spec: &MergeSpec) -> Result<Merged, Failure>;

    /// Brings a reviewed commit into its base branch, only if nothing newer is there. A main checkout of that branch
    /// follows; uncommitted changes that it would overwrite are `DirtyCheckout`, and nothing is done then.
    async fn land(&self, spec: &LandSpec) -> Result<Landed, Failure>;

    /// Puts a branch that is ours at the commit, whatever it stood at.
    async fn keep_branch(&self, branch: &str, commit: &CommitId) -> Result<(), Failure>;

    /// Takes a branch of ours away that is at the commit and in no checkout, and says whether it did. What only it
    /// reaches, here and at the remote, is kept for the step.
    async fn drop_branch(
        &self,
        _run: &RunId,
        _step: &StepId,
        _branch: &str,
        _commit: &CommitId,
    ) -> Result<bool, Failure> {
        Ok(false)
    }

    /// The commit of a branch, if there is one.
    async fn tip(&self, branch: &str) -> Result<Option<CommitId>, Failure>;

    /// The newest commit of a base branch, if there is one: as the remote has it where one is configured, otherwise
    /// the local branch's tip.
    async fn base(&self, branch: &str) -> Result<Option<CommitId>, Failure>;

    /// Brings a commit here that somebody pushed, and says whether it is here: looked for first, then fetched from the
    /// remote as the head of that change or branch, and by its own id. Errors: the remote does not answer.
    async fn bring(
        &self,
        _commit: &CommitId,
        _change: Option<ChangeNumber>,
        _branch: Option<&str>,
    ) -> Result<bool, Failure> {
        Ok(true)
    }

    /// The tree of a commit.
    async fn tree(&self, commit: &CommitId) -> Result<crate::ids::TreeId, Failure>;

    /// Those of these files that a commit has, as `(path, text)` in the order asked for; what is no UTF-8 text of at
    /// most 1 MiB is left out.
    async fn texts(&self, commit: &CommitId, paths: &[&str]) -> Result<Vec<(String, String)>, Failure>;

    /// What lies between two commits, as one commit's figures.
    async fn compare(&self, base: &CommitId, head: &CommitId) -> Result<Committed, Failure>;

    /// Lines that text files gained between the merge base of two commits and the second one; at most `limit`.
    async fn added_lines(
        &self,
        base: &CommitId,
        head: &CommitId,
        limit: usize,
    ) -> Result<Vec<AddedLine>, Failure>;

    /// Writes the files of the merge base of two commits into an empty folder, without a repository around them.
    /// Errors: they have nothing in common.
    async fn lay_out_base(&self, base: &CommitId, head: &CommitId, folder: &Path) -> Result<(), Failure>;

    /// Removes the checkout of that name and, when it is reachable elsewhere, its branch. Absent already is success.
    async fn close(&self, run: &RunId, name: &str) -> Result<Closed, Failure>;

    /// Removes the checkouts that were kept ready for reuse.
    async fn drain(&self) -> Result<(), Failure>;

    /// Our worktrees, whoever opened them.
    async fn list(&self) -> Result<Vec<Worktree>, Failure>;

    /// Where worktrees are put.
    fn folder(&self) -> &Path;
}
