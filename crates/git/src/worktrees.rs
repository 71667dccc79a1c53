//! The door: the port `Worktrees`, over one repository.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use miyabi_core::failure::Failure;
use miyabi_core::ids::{ChangeNumber, CommitId, RunId, StepId, TreeId};
use miyabi_core::ports::{AddedLine, Worktrees};
use miyabi_core::worktree::{
    Closed, CommitSpec, Committed, ConflictFile, LandSpec, Landed, MergeSpec, Merged, RepoState, Seal,
    Worktree, WorktreeSpec,
};

use crate::error::GitError;
use crate::keep::Owner;
use crate::remote::GitRemote;
use crate::repository::{Options, Repository};

/// Custody of the worktrees of one repository, by the git program.
///
/// Cheap to clone. What is begun is carried to its end even if the caller stops waiting for it.
#[derive(Clone, Debug)]
pub struct GitWorktrees {
    repository: Arc<Repository>,
}

impl GitWorktrees {
    /// Finds the repository from any folder of its main checkout or of its worktrees. Starts git a few times.
    ///
    /// Errors: `NotARepository`, `Distrusted` or `Bare`; `Missing` or `TooOld` for the program; `Remote` when there
    /// is no such remote or its address is not one to be used.
    pub fn open(root: impl AsRef<Path>, options: Options) -> Result<Self, GitError> {
        let repository = Repository::find(root.as_ref(), options)?;
        Ok(Self { repository: Arc::new(repository) })
    }

    /// The main checkout.
    pub fn root(&self) -> &Path {
        &self.repository.root
    }

    /// The git directory that all worktrees share.
    pub fn git_dir(&self) -> &Path {
        &self.repository.common
    }

    pub(crate) fn repository(&self) -> Arc<Repository> {
        Arc::clone(&self.repository)
    }

    /// The repository, once no git of a dead process writes there any more.
    async fn settled(&self) -> Result<Arc<Repository>, GitError> {
        self.repository.settle().await?;
        Ok(Arc::clone(&self.repository))
    }

    /// The remote, if one was configured.
    pub fn remote(&self) -> Option<GitRemote> {
        GitRemote::of(&self.repository)
    }

    /// Where closed worktrees wait to be used again, the one that is taken next first.
    ///
    /// Errors: the git directory cannot be read.
    pub fn pool(&self) -> Result<Vec<PathBuf>, Failure> {
        let parked = self.repository.parked()?;
        Ok(parked.into_iter().map(|checkout| checkout.path).collect())
    }

    /// Removes the worktrees that wait to be used again, and says how many there were. None is given out meanwhile.
    ///
    /// Errors: a folder cannot be removed.
    pub async fn drain(&self) -> Result<usize, Failure> {
        let repository = self.settled().await?;
        carry(async move { repository.drain_pool().await }).await
    }
}

#[async_trait]
impl Worktrees for GitWorktrees {
    async fn inspect(&self) -> Result<RepoState, Failure> {
        Ok(self.settled().await?.state().await?)
    }

    async fn seal(&self, base: &str) -> Result<Seal, Failure> {
        Ok(self.settled().await?.sealed(base).await?)
    }

    async fn open(&self, spec: &WorktreeSpec) -> Result<Worktree, Failure> {
        let (repository, spec) = (self.settled().await?, spec.clone());
        carry(async move { repository.open_worktree(&spec).await }).await
    }

    async fn put_context(&self, worktree: &Worktree, files: &[(&str, String)]) -> Result<(), Failure> {
        let (repository, worktree) = (self.settled().await?, worktree.clone());
        let files: Vec<_> = files.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect();
        carry(async move { repository.put_files(&worktree, &files).await }).await
    }

    async fn begin_merge(
        &self,
        worktree: &Worktree,
        theirs: &CommitId,
    ) -> Result<Vec<ConflictFile>, Failure> {
        let (repository, worktree, theirs) = (self.settled().await?, worktree.clone(), theirs.clone());
        carry(async move { repository.begin_merge_in(&worktree, &theirs).await }).await
    }

    async fn markers_left(&self, worktree: &Worktree, files: &[String]) -> Result<Vec<String>, Failure> {
        Ok(self.settled().await?.markers_in(worktree, files).await?)
    }

    async fn commit(&self, worktree: &Worktree, spec: &CommitSpec) -> Result<Option<Committed>, Failure> {
        let (repository, worktree, spec) = (self.settled().await?, worktree.clone(), spec.clone());
        carry(async move { repository.commit_worktree(&worktree, &spec).await }).await
    }

    async fn merge(&self, spec: &MergeSpec) -> Result<Merged, Failure> {
        let (repository, spec) = (self.settled().await?, spec.clone());
        carry(async move { repository.merge_into(&spec).await }).await
    }

    async fn land(&self, spec: &LandSpec) -> Result<Landed, Failure> {
        let (repository, spec) = (self.settled().await?, spec.clone());
        carry(async move { repository.land_on_base(&spec).await }).await
    }

    async fn keep_branch(&self, branch: &str, commit: &CommitId) -> Result<(), Failure> {
        let (repository, branch, commit) = (self.settled().await?, branch.to_owned(), commit.clone());
        carry(async move { repository.set_branch(&branch, &commit).await }).await
    }

    async fn drop_branch(
        &self,
        run: &RunId,
        step: &StepId,
        branch: &str,
        commit: &CommitId,
    ) -> Result<bool, Failure> {
        let repository = self.settled().await?;
        let (run, step, branch, commit) = (run.clone(), step.clone(), branch.to_owned(), commit.clone());
        carry(async move { repository.drop_branch(Owner { run: &run, step: &step }, &branch, &commit).await })
            .await
    }

    async fn tip(&self, branch: &str) -> Result<Option<CommitId>, Failure> {
        Ok(self.settled().await?.branch_tip(branch).await?)
    }

    async fn base(&self, branch: &str) -> Result<Option<CommitId>, Failure> {
        let (repository, branch) = (self.settled().await?, branch.to_owned());
        carry(async move { repository.base_tip(&branch).await }).await
    }

    async fn bring(
        &self,
        commit: &CommitId,
        change: Option<ChangeNumber>,
        branch: Option<&str>,
    ) -> Result<bool, Failure> {
        let repository = self.settled().await?;
        let (commit, branch) = (commit.clone(), branch.map(str::to_owned));
        carry(async move { repository.bring_commit(&commit, change, branch.as_deref()).await }).await
    }

    async fn tree(&self, commit: &CommitId) -> Result<TreeId, Failure> {
        Ok(self.settled().await?.tree_of(commit).await?)
    }

    async fn texts(&self, commit: &CommitId, paths: &[&str]) -> Result<Vec<(String, String)>, Failure> {
        Ok(self.settled().await?.texts_of(commit, paths).await?)
    }

    async fn compare(&self, base: &CommitId, head: &CommitId) -> Result<Committed, Failure> {
        Ok(self.settled().await?.figures_between(base, head).await?)
    }

    async fn added_lines(
        &self,
        base: &CommitId,
        head: &CommitId,
        limit: usize,
    ) -> Result<Vec<AddedLine>, Failure> {
        Ok(self.settled().await?.lines_added(base, head, limit).await?)
    }

    async fn lay_out_base(&self, base: &CommitId, head: &CommitId, folder: &Path) -> Result<(), Failure> {
        Ok(self.settled().await?.base_files(base, head, folder).await?)
    }

    async fn close(&self, run: &RunId, name: &str) -> Result<Closed, Failure> {
        let (repository, run, name) = (self.settled().await?, run.clone(), name.to_owned());
        carry(async move { repository.close_worktree(&run, &name).await }).await
    }

    async fn drain(&self) -> Result<(), Failure> {
        GitWorktrees::drain(self).await.map(|_| ())
    }

    async fn list(&self) -> Result<Vec<Worktree>, Failure> {
        Ok(self.repository.list_worktrees()?)
    }

    fn folder(&self) -> &Path {
        &self.repository.folder
    }
}

/// Runs the work in a task of its own: it ends even if nobody waits for it any more, so that neither a lock of git's
/// nor anything half-made stays behind a caller that was cancelled.
pub(crate) async fn carry<T: Send + 'static, E: Into<Failure> + Send + 'static>(
    work: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, Failure> {
    let result = tokio::spawn(work).await.map_err(|source| GitError::BrokeOff { source })?;
    result.map_err(Into::into)
}
