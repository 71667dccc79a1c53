//! Closing worktrees: the proof that nothing is lost, then the folder goes or is parked.

use std::fs;
use std::io::ErrorKind;

use miyabi_core::context::{CONTEXT_JSON, CONTEXT_MD};
use miyabi_core::ids::{CommitId, RunId};
use miyabi_core::worktree::{Closed, Worktree};

use crate::error::GitError;
use crate::keep::Owner;
use crate::lock::Held;
use crate::names;
use crate::parse::{EntryKind, Status};
use crate::registry::{Checkout, Found, State};
use crate::repository::Repository;

/// Files in git's folder about a worktree that say that something is in progress there.
const OPERATIONS: [&str; 8] = [
    "MERGE_HEAD",
    "MERGE_MODE",
    "MERGE_MSG",
    "MERGE_RR",
    "SQUASH_MSG",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "AUTO_MERGE",
];
const OPERATION_FOLDERS: [&str; 3] = ["rebase-merge", "rebase-apply", "sequencer"];

impl Repository {
    /// See [`Worktrees::close`](miyabi_core::ports::Worktrees::close).
    pub(crate) async fn close_worktree(&self, run: &RunId, name: &str) -> Result<Closed, GitError> {
        self.sweep().await?;
        let _held = self.hold_name(name).await?;
        let checkout = match self.look_up(name)? {
            Found::Nothing => return Ok(Closed::default()),
            Found::Ghost(ghost) => {
                let kept = self.keep_ghost(&ghost).await?;
                self.discard(&ghost).await?;
                let (branch_kept, branch_deleted) = self.retire_branch(run, &ghost).await?;
                return Ok(Closed { removed: true, kept: kept.or(branch_kept), branch_deleted });
            }
            Found::Ours(checkout) => checkout,
        };
        if checkout.record.state == State::Opening {
            self.discard(&checkout).await?;
            return Ok(Closed { removed: true, ..Closed::default() });
        }
        self.break_stale_locks(&checkout).await;
        self.remove_context(&checkout)?;
        let mut status = self.status(&checkout, !self.options.keep_build_output).await?;
        // A repository may track a file of that name: that it is gone now is not anybody's work.
        status.entries.retain(|entry| !checkout.is_context(&entry.path));
        let proof = self.prove(run, &checkout, &status).await?;
        if !self.tidy_and_park(&checkout, &status).await? {
            self.discard(&checkout).await?;
        }
        Ok(proof)
    }

    /// Waits until nobody else works on the worktree of that name.
    pub(crate) async fn hold_name(&self, name: &str) -> Result<Held, GitError> {
        names::worktree(name)?;
        self.locks.hold(&format!("worktree-{name}")).await
    }

    /// Worktrees that were given out.
    pub(crate) fn list_worktrees(&self) -> Result<Vec<Worktree>, GitError> {
        let ours = self.all_ours()?.into_iter();
        let given = ours.filter(|checkout| {
            checkout.record.state == State::Open && checkout.path == self.folder.join(&checkout.record.name)
        });
        Ok(given.map(|checkout| checkout.worktree()).collect())
    }

    /// Pins what is in no commit and what no other branch reaches; then takes the branch away and detaches `HEAD`.
    async fn prove(&self, run: &RunId, checkout: &Checkout, status: &Status) -> Result<Closed, GitError> {
        let owner = Owner { run, step: &checkout.record.step };
        let branch = &checkout.record.branch;
        let snapshot = self.snapshot(checkout, status).await?;
        let _refs = self.hold_refs().await?;
        let on_branch = status.branch.as_ref() == Some(branch);
        let tip = if on_branch { status.head.clone() } else { self.branch_tip(branch).await? };
        let kept = match &snapshot {
            Some(snapshot) => Some(self.pin(owner, snapshot).await?),
            None => None,
        };
        let kept = kept.or(self.pin_unreachable(owner, branch, tip.iter().chain(&status.head)).await?);
        let mut lines = String::new();
        match (&status.head, checkout.admin.file_name().and_then(|id| id.to_str())) {
            (Some(head), Some(id)) if self.refs_are_files => {
                lines += &format!("option no-deref\nupdate worktrees/{id}/HEAD {head}\n");
            }
            (Some(head), _) => {
                let detach = ["update-ref", "--no-deref", "HEAD", head.as_str()];
                self.git.ok(self.ref_call(&checkout.path, &detach)).await?;
            }
            (None, _) => {}
        }
        let elsewhere = self.holders(branch).await?.into_iter().any(|path| path != checkout.path);
        let doomed = tip.filter(|_| !elsewhere);
        if let Some(tip) = &doomed {
            lines += &format!("delete refs/heads/{branch} {tip}\n");
        }
        self.update_refs(&self.root, &lines).await?;
        Ok(Closed { removed: true, kept, branch_deleted: doomed.is_some() })
    }

    /// Pins the work of a worktree that is to be removed without taking its branch away.
    pub(crate) async fn keep_work_of(&self, checkout: &Checkout) -> Result<(), GitError> {
        let status = self.status(checkout, false).await?;
        let snapshot = self.snapshot(checkout, &status).await?;
        let _refs = self.hold_refs().await?;
        let owner = Owner { run: &checkout.record.run, step: &checkout.record.step };
        if let Some(snapshot) = snapshot {
            self.pin(owner, &snapshot).await?;
        }
        self.pin_unreachable(owner, "", status.head.iter()).await.map(drop)
    }

    /// Pins what can be saved of a worktree whose folder is gone: its commit and what was staged.
    pub(crate) async fn keep_ghost(&self, ghost: &Checkout) -> Result<Option<String>, GitError> {
        let head =
            self.git.run(self.ghost_call(ghost, &["rev-parse", "--verify", "-q", "HEAD^{commit}"])).await?;
        let head = Some(String::from_utf8_lossy(&head.stdout).trim().to_owned()).filter(|id| !id.is_empty());
        let head = head.map(CommitId::from);
        let mut last = head.clone();
        if ghost.record.state == State::Open && ghost.admin.join("index").exists() {
            let staged = self.git.run(self.ghost_call(ghost, &["write-tree"])).await?;
            let tree = String::from_utf8_lossy(&staged.stdout).trim().to_owned();
            let committed = match &head {
                Some(head) => self.tree_of(head).await.ok().map(|tree| tree.to_string()),
                None => None,
            };
            if staged.success() && committed.as_ref() != Some(&tree) {
                let message = format!("Keep what was staged in {}", ghost.record.name);
                let parents: Vec<_> = head.iter().cloned().collect();
                last = Some(self.commit_tree(&tree, &parents, &message, jiff::Timestamp::now()).await?);
            }
        }
        let _refs = self.hold_refs().await?;
        let owner = Owner { run: &ghost.record.run, step: &ghost.record.step };
        self.pin_unreachable(owner, "", last.iter()).await
    }

    /// Takes the branch of a worktree that is gone away, with the same proof.
    async fn retire_branch(&self, run: &RunId, gone: &Checkout) -> Result<(Option<String>, bool), GitError> {
        let branch = &gone.record.branch;
        if branch.is_empty() {
            return Ok((None, false));
        }
        let _refs = self.hold_refs().await?;
        let Some(tip) = self.branch_tip(branch).await? else { return Ok((None, false)) };
        if !self.holders(branch).await?.is_empty() {
            return Ok((None, false));
        }
        let owner = Owner { run, step: &gone.record.step };
        let kept = self.pin_unreachable(owner, branch, std::iter::once(&tip)).await?;
        self.update_refs(&self.root, &format!("delete refs/heads/{branch} {tip}\n")).await?;
        Ok((kept, true))
    }

    /// Takes a branch away that is at the commit and in no checkout, with the same proof. Says whether it went.
    pub(crate) async fn drop_branch(
        &self,
        owner: Owner<'_>,
        branch: &str,
        commit: &CommitId,
    ) -> Result<bool, GitError> {
        names::branch(branch)?;
        let _refs = self.hold_refs().await?;
        if self.branch_tip(branch).await?.as_ref() != Some(commit) || !self.holders(branch).await?.is_empty()
        {
            return Ok(false);
        }
        self.pin_unreachable(owner, branch, std::iter::once(commit)).await?;
        self.update_refs(&self.root, &format!("delete refs/heads/{branch} {commit}\n")).await?;
        Ok(true)
    }

    /// Pins each commit that is reached from no branch other than that one, no keep-ref and nothing at the remote; gives the first ref.
    async fn pin_unreachable(
        &self,
        owner: Owner<'_>,
        other_than: &str,
        commits: impl Iterator<Item = &CommitId>,
    ) -> Result<Option<String>, GitError> {
        let mut commits: Vec<&CommitId> = commits.collect();
        commits.dedup();
        commits.retain(|commit| !self.is_merged(commit, other_than));
        if commits.is_empty() || self.is_reachable(&commits, other_than, None).await? {
            return Ok(None);
        }
        let mut first = None;
        for commit in commits {
            if !self.is_reachable(&[commit], other_than, None).await? {
                let name = self.pin(owner, commit).await?;
                first.get_or_insert(name);
            }
        }
        Ok(first)
    }

    /// Whether the branch that a commit was merged into is there and, by what we know of commits, contains it.
    fn is_merged(&self, commit: &CommitId, other_than: &str) -> bool {
        let merged_into = self.facts.merged_into(commit).filter(|branch| branch != other_than);
        let tip = merged_into.and_then(|branch| self.loose_tip(&branch));
        tip.is_some_and(|tip| self.facts.contains(&tip, commit))
    }

    async fn tidy_and_park(&self, checkout: &Checkout, status: &Status) -> Result<bool, GitError> {
        if self.options.pool_size == 0 || status.is_dirty() || status.head.is_none() {
            return Ok(false);
        }
        if status.entries.iter().any(|entry| entry.kind == EntryKind::Ignored) {
            self.git.ok(checkout.write(&["clean", "-ffdxq"])).await?;
        }
        checkout.forget_operations()?;
        self.park(checkout).await
    }

    /// Removes the files that were put in for the agent.
    pub(crate) fn remove_context(&self, checkout: &Checkout) -> Result<(), GitError> {
        for name in checkout.context_names() {
            let path = checkout.path.join(name);
            match fs::remove_file(&path) {
                Ok(()) => {}
                // A folder of that name is the agent's, not ours.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) => {}
                Err(source) => return Err(GitError::io("remove", &path, source)),
            }
        }
        Ok(())
    }
}

impl Checkout {
    /// Names of the files for the agent, which are in no commit.
    pub(crate) fn context_names(&self) -> impl Iterator<Item = &str> {
        [CONTEXT_JSON, CONTEXT_MD].into_iter().chain(self.record.context.iter().map(String::as_str))
    }

    /// Whether the path is that of a file for the agent.
    pub(crate) fn is_context(&self, path: &[u8]) -> bool {
        self.context_names().any(|name| name.as_bytes() == path)
    }

    /// Ends whatever merge, rebase or pick is in progress in git's books; files and index stay.
    pub(crate) fn forget_operations(&self) -> Result<(), GitError> {
        let remove = |result: std::io::Result<()>, name: &str| match result {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(GitError::io("remove", &self.admin.join(name), error))
            }
            _ => Ok(()),
        };
        for name in OPERATIONS {
            remove(fs::remove_file(self.admin.join(name)), name)?;
        }
        for name in OPERATION_FOLDERS {
            remove(fs::remove_dir_all(self.admin.join(name)), name)?;
        }
        Ok(())
    }
}
