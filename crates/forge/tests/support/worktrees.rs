//! `Worktrees` as far as a forge uses it: tips of branches, and landing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use async_trait::async_trait;
use miyabi_core::failure::FailureClass;
use miyabi_core::ids::{CommitId, RunId, TreeId};
use miyabi_core::ports::{AddedLine, Failure, Worktrees};
use miyabi_core::worktree::{
    Closed, CommitSpec, Committed, ConflictFile, LandSpec, Landed, MergeSpec, Merged, RepoState, Worktree,
    WorktreeSpec,
};

/// Branches by name; a merge commit is named after the commit that landed.
#[derive(Default)]
pub(crate) struct Branches {
    tips: Mutex<BTreeMap<String, String>>,
    landed: Mutex<Vec<LandSpec>>,
    next: Mutex<Option<Result<Landed, Failure>>>,
}

impl Branches {
    /// Points a branch at a commit.
    pub(crate) fn set(&self, branch: &str, commit: &str) {
        self.tips.lock().unwrap().insert(branch.to_owned(), commit.to_owned());
    }

    /// The commit at its tip.
    pub(crate) fn stands_at(&self, branch: &str) -> String {
        self.tips.lock().unwrap()[branch].clone()
    }

    /// Deletes a branch.
    pub(crate) fn delete(&self, branch: &str) {
        self.tips.lock().unwrap().remove(branch);
    }

    /// What the next landing comes to, instead of success.
    pub(crate) fn next_landing(&self, answer: Result<Landed, Failure>) {
        *self.next.lock().unwrap() = Some(answer);
    }

    /// Every landing that was asked for.
    pub(crate) fn landings(&self) -> Vec<LandSpec> {
        self.landed.lock().unwrap().clone()
    }
}

fn unused<T>() -> Result<T, Failure> {
    Err(Failure::new(FailureClass::Internal, "a forge has no business here"))
}

#[async_trait]
impl Worktrees for Branches {
    async fn land(&self, spec: &LandSpec) -> Result<Landed, Failure> {
        let already = self.landed.lock().unwrap().iter().any(|known| known.head == spec.head);
        if let Some(answer) = self.next.lock().unwrap().take() {
            return answer;
        }
        self.landed.lock().unwrap().push(spec.clone());
        let commit = format!("merge-of-{}", spec.head);
        self.set(&spec.base, &commit);
        Ok(Landed::Done { commit: commit.into(), already })
    }

    async fn keep_branch(&self, branch: &str, commit: &CommitId) -> Result<(), Failure> {
        self.set(branch, commit.as_str());
        Ok(())
    }

    async fn tip(&self, branch: &str) -> Result<Option<CommitId>, Failure> {
        Ok(self.tips.lock().unwrap().get(branch).map(|commit| CommitId::from(commit.as_str())))
    }

    async fn inspect(&self) -> Result<RepoState, Failure> {
        unused()
    }
    async fn open(&self, _: &WorktreeSpec) -> Result<Worktree, Failure> {
        unused()
    }
    async fn put_context(&self, _: &Worktree, _: &[(&str, String)]) -> Result<(), Failure> {
        unused()
    }
    async fn begin_merge(&self, _: &Worktree, _: &CommitId) -> Result<Vec<ConflictFile>, Failure> {
        unused()
    }
    async fn markers_left(&self, _: &Worktree, _: &[String]) -> Result<Vec<String>, Failure> {
        unused()
    }
    async fn commit(&self, _: &Worktree, _: &CommitSpec) -> Result<Option<Committed>, Failure> {
        unused()
    }
    async fn merge(&self, _: &MergeSpec) -> Result<Merged, Failure> {
        unused()
    }
    async fn base(&self, branch: &str) -> Result<Option<CommitId>, Failure> {
        self.tip(branch).await
    }

    async fn tree(&self, _: &CommitId) -> Result<TreeId, Failure> {
        unused()
    }
    async fn texts(&self, _: &CommitId, _: &[&str]) -> Result<Vec<(String, String)>, Failure> {
        Ok(Vec::new())
    }

    async fn compare(&self, _: &CommitId, _: &CommitId) -> Result<Committed, Failure> {
        unused()
    }
    async fn added_lines(&self, _: &CommitId, _: &CommitId, _: usize) -> Result<Vec<AddedLine>, Failure> {
        unused()
    }
    async fn lay_out_base(&self, _: &CommitId, _: &CommitId, _: &Path) -> Result<(), Failure> {
        unused()
    }
    async fn close(&self, _: &RunId, _: &str) -> Result<Closed, Failure> {
        unused()
    }
    async fn drain(&self) -> Result<(), Failure> {
        unused()
    }
    async fn list(&self) -> Result<Vec<Worktree>, Failure> {
        unused()
    }
    fn folder(&self) -> &Path {
        Path::new(".worktrees")
    }
}
