//! Finding again what was pinned, and letting go of it.

use async_trait::async_trait;
use jiff::Timestamp;
use miyabi_core::failure::Failure;
use miyabi_core::ids::CommitId;
use miyabi_core::ports::Keepsakes;
use miyabi_core::worktree::{Kept, KeptFile};

use crate::error::GitError;
use crate::names;
use crate::repository::Repository;
use crate::worktrees::{GitWorktrees, carry};

const FOLDER: &str = "refs/miyabi/keep/";
/// Fields of one ref, with a character between them that no ref and no first line holds.
const FORMAT: &str = "%(refname)%1f%(objectname)%1f%(committerdate:unix)%1f%(parent)%1f%(contents:subject)";

impl Repository {
    async fn all_kept(&self) -> Result<Vec<Kept>, GitError> {
        let format = format!("--format={FORMAT}");
        let call = self.look(&["for-each-ref", "--sort=committerdate", &format, FOLDER]);
        let output = self.git.ok(call).await?;
        let mut all = Vec::new();
        for line in String::from_utf8_lossy(&output).lines() {
            let mut kept = read(line).ok_or(GitError::Answer { call: "git for-each-ref" })?;
            kept.held_by = self.branch_with(&kept.commit).await?;
            all.push(kept);
        }
        Ok(all)
    }

    /// A branch, here or at a remote, that contains the commit.
    async fn branch_with(&self, commit: &CommitId) -> Result<Option<String>, GitError> {
        let commit = names::commit(commit.as_str())?;
        let call = self.look(&["for-each-ref", "--count=1", "--format=%(refname:short)", "--contains"]);
        let line = self.git.line(call.args([commit, "refs/heads", "refs/remotes"])).await?;
        Ok(Some(line).filter(|line| !line.is_empty()))
    }

    async fn put_branch(&self, commit: &CommitId, branch: &str) -> Result<(), GitError> {
        names::branch(branch)?;
        let commit = names::commit(commit.as_str())?;
        let _refs = self.hold_refs().await?;
        if self.branch_tip(branch).await?.is_some() {
            return Err(GitError::Name {
                what: "branch name",
                name: branch.to_owned(),
                why: "is a branch already",
            });
        }
        self.update_refs(&self.root, &format!("create refs/heads/{branch} {commit}\n")).await
    }

    async fn unpin(&self, kept: &[Kept]) -> Result<usize, GitError> {
        let _refs = self.hold_refs().await?;
        let mut gone = 0;
        for Kept { name, commit, .. } in kept {
            let commit = names::commit(commit.as_str())?;
            // Only what is still as it was seen.
            let line = format!("delete {name} {commit}\n");
            gone += usize::from(self.update_refs(&self.root, &line).await.is_ok());
        }
        Ok(gone)
    }
}

#[async_trait]
impl Keepsakes for GitWorktrees {
    async fn kept(&self) -> Result<Vec<Kept>, Failure> {
        Ok(self.repository().all_kept().await?)
    }

    async fn files(&self, kept: &Kept) -> Result<Vec<KeptFile>, Failure> {
        let Some(below) = &kept.below else { return Ok(Vec::new()) };
        let changes = self.repository().changes(below.as_str(), kept.commit.as_str()).await?;
        let file = |change: crate::parse::Changed| KeptFile {
            path: change.path,
            insertions: change.insertions,
            deletions: change.deletions,
        };
        Ok(changes.into_iter().map(file).collect())
    }

    async fn restore(&self, kept: &Kept, branch: &str) -> Result<(), Failure> {
        let (repository, commit, branch) = (self.repository(), kept.commit.clone(), branch.to_owned());
        carry(async move { repository.put_branch(&commit, &branch).await }).await
    }

    async fn forget(&self, kept: &[Kept]) -> Result<usize, Failure> {
        let (repository, kept) = (self.repository(), kept.to_vec());
        carry(async move { repository.unpin(&kept).await }).await
    }
}

fn read(line: &str) -> Option<Kept> {
    let mut fields = line.split('\u{1f}');
    let (name, commit, seconds) = (fields.next()?, fields.next()?, fields.next()?);
    let (parents, subject) = (fields.next()?, fields.next()?);
    let mut parts = name.strip_prefix(FOLDER)?.rsplitn(3, '/');
    let (_, step, run) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Kept {
        name: name.to_owned(),
        run: run.to_owned(),
        step: step.to_owned(),
        commit: CommitId::new(commit),
        below: parents.split(' ').next().filter(|id| !id.is_empty()).map(CommitId::new),
        at: Timestamp::from_second(seconds.parse().ok()?).ok()?,
        subject: subject.to_owned(),
        held_by: None,
    })
}
