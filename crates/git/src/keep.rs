//! Keep-refs: what would otherwise be reachable from nowhere is pinned before anything is removed or overwritten.
//!
//! `refs/miyabi/keep/<run>/<step>/<n>` holds a commit. Where there was uncommitted work it is a snapshot in the manner
//! of a stash: its tree is the checkout, its parents are `HEAD` and, where something was staged, a commit of the index.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use miyabi_core::ids::{CommitId, RunId, StepId};

use crate::error::GitError;
use crate::lock::Held;
use crate::parse::{self, EntryKind, Status};
use crate::registry::Checkout;
use crate::repository::Repository;
use crate::{names, runner::Call};

/// Who lost sight of what is pinned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner<'a> {
    pub(crate) run: &'a RunId,
    pub(crate) step: &'a StepId,
}

impl Repository {
    /// Holds what proofs of reachability rest on: while one is made and used, nobody else of us deletes or moves refs.
    pub(crate) async fn hold_refs(&self) -> Result<Held, GitError> {
        self.locks.hold("refs").await
    }

    /// The status of a worktree of ours with every untracked file or folder.
    pub(crate) async fn status(&self, checkout: &Checkout, ignored: bool) -> Result<Status, GitError> {
        // It may refresh the index, so that the next call need not compare contents again.
        let shown = if ignored { "--ignored=traditional" } else { "--ignored=no" };
        let call = checkout.write(&[
            "status",
            "--porcelain=v2",
            "--branch",
            "-z",
            "--no-renames",
            "--untracked-files=normal",
            "--ignore-submodules=none",
            shown,
        ]);
        let output = self.git.ok(call).await?;
        parse::status(&output).ok_or(GitError::Answer { call: "git status" })
    }

    /// Commits all that is uncommitted in a worktree without touching it; none if it is clean.
    ///
    /// Errors: `Nested` when there is a repository inside whose content git would not take.
    pub(crate) async fn snapshot(
        &self,
        checkout: &Checkout,
        status: &Status,
    ) -> Result<Option<CommitId>, GitError> {
        if !status.is_dirty() {
            return Ok(None);
        }
        let changed_inside = status.paths(|kind| matches!(kind, EntryKind::Tracked { submodule: true, .. }));
        if !changed_inside.is_empty() {
            return Err(nested(checkout, changed_inside));
        }
        let mut parents: Vec<CommitId> = status.head.iter().cloned().collect();
        let staged = |kind| matches!(kind, EntryKind::Tracked { staged: true, .. });
        if status.entries.iter().any(|entry| staged(entry.kind)) {
            parents.extend(self.index_commit(checkout, &status.head).await?);
        }
        let merging = fs::read_to_string(checkout.admin.join("MERGE_HEAD")).unwrap_or_default();
        parents.extend(merging.lines().filter_map(|id| names::commit(id).ok()).map(CommitId::from));
        let tree = self.checkout_tree(checkout, &status.head).await?;
        let message = format!("Keep what stood in {}", checkout.record.name);
        self.commit_tree(&tree, &parents, &message, Timestamp::now()).await.map(Some)
    }

    /// The index as a commit; none where it is in conflict, as its sides are then held by commits.
    pub(crate) async fn index_commit(
        &self,
        checkout: &Checkout,
        head: &Option<CommitId>,
    ) -> Result<Option<CommitId>, GitError> {
        let written = self.git.run(checkout.write(&["write-tree"])).await?;
        if !written.success() {
            return Ok(None);
        }
        let tree = String::from_utf8_lossy(&written.stdout).trim().to_owned();
        let parents: Vec<_> = head.iter().cloned().collect();
        let message = format!("Keep what was staged in {}", checkout.record.name);
        self.commit_tree(&tree, &parents, &message, Timestamp::now()).await.map(Some)
    }

    /// The tree of all that is in a worktree and not ignored, made in an index of its own.
    async fn checkout_tree(&self, checkout: &Checkout, head: &Option<CommitId>) -> Result<String, GitError> {
        let index = checkout.admin.join(format!("miyabi-index-{}", self.unique()));
        let _gone = RemovedAtEnd(&index);
        let own = checkout.admin.join("index");
        if own.exists() {
            fs::copy(&own, &index).map_err(|source| GitError::io("copy", &own, source))?;
        }
        let with_index = |call: Call| call.env("GIT_INDEX_FILE", &index);
        let added = self.git.ok(with_index(checkout.write(&["add", "-A", "--sparse"]))).await;
        added.map_err(|error| self.name_nested(checkout, error, false))?;
        let tree = self.git.line(with_index(checkout.write(&["write-tree"]))).await?;
        if let Some(head) = head {
            let inside = self.changes(head.as_str(), &tree).await?;
            let inside: Vec<_> = inside.into_iter().filter(parse::Changed::is_repository).collect();
            if !inside.is_empty() {
                return Err(nested(checkout, inside.into_iter().map(|change| change.path).collect()));
            }
        }
        Ok(tree)
    }

    /// What differs between two commits or trees, path by path.
    pub(crate) async fn changes(&self, from: &str, to: &str) -> Result<Vec<parse::Changed>, GitError> {
        let call =
            self.look(&["diff-tree", "-r", "-z", "--raw", "--numstat", "--no-renames", "--no-ext-diff"]);
        let (from, to) = (names::commit(from)?, names::commit(to)?);
        let output = self.git.ok(call.args(["--no-textconv", from, to])).await?;
        parse::changes(&output).ok_or(GitError::Answer { call: "git diff-tree" })
    }

    /// Makes a commit object.
    pub(crate) async fn commit_tree(
        &self,
        tree: &str,
        parents: &[CommitId],
        message: &str,
        at: Timestamp,
    ) -> Result<CommitId, GitError> {
        let mut call = Call::write(&self.root, &["commit-tree", tree]);
        for parent in parents {
            call = call.arg("-p").arg(names::commit(parent.as_str())?);
        }
        // Git refuses NUL in a message.
        let call = call.args(["-F", "-"]).input(message.replace('\0', ""));
        let commit = CommitId::from(self.git.line(self.commit_call(call, at)).await?);
        self.facts.made(&commit, tree, parents);
        Ok(commit)
    }

    /// Whether each commit is reachable from a branch other than that one, from a keep-ref, from what the remote
    /// confirmed to hold, or from `also`.
    pub(crate) async fn is_reachable(
        &self,
        commits: &[&CommitId],
        other_than: &str,
        also: Option<&CommitId>,
    ) -> Result<bool, GitError> {
        let mut call = self.look(&["rev-list", "-n", "1"]);
        for commit in commits {
            call = call.arg(names::commit(commit.as_str())?);
        }
        call = call.arg("--not");
        if let Some(also) = also {
            call = call.arg(names::commit(also.as_str())?);
        }
        let call = call.arg(format!("--exclude=refs/heads/{other_than}")).args([
            "--glob=refs/heads",
            "--glob=refs/miyabi/keep",
            "--glob=refs/miyabi/remote",
        ]);
        Ok(self.git.ok(call).await?.is_empty())
    }

    /// The next free keep-ref of a step. The refs are held.
    pub(crate) async fn keep_ref(&self, owner: Owner<'_>) -> Result<String, GitError> {
        let folder = format!(
            "refs/miyabi/keep/{}/{}/",
            names::ref_component(owner.run.as_str()),
            names::ref_component(owner.step.as_str())
        );
        let output = self.git.ok(self.look(&["for-each-ref", "--format=%(refname)", &folder])).await?;
        let text = String::from_utf8_lossy(&output);
        let numbers = text.lines().filter_map(|line| line.strip_prefix(&folder)?.parse::<u64>().ok());
        Ok(format!("{folder}{}", numbers.max().unwrap_or_default() + 1))
    }

    /// Pins a commit under the next free keep-ref. The refs are held.
    pub(crate) async fn pin(&self, owner: Owner<'_>, commit: &CommitId) -> Result<String, GitError> {
        let name = self.keep_ref(owner).await?;
        self.update_refs(&self.root, &format!("create {name} {commit}\n")).await?;
        Ok(name)
    }

    /// Changes refs, all or none: lines of `git update-ref --stdin`.
    pub(crate) async fn update_refs(&self, folder: &Path, lines: &str) -> Result<(), GitError> {
        self.git.ok(self.ref_call(folder, &["update-ref", "--stdin"]).input(lines)).await.map(drop)
    }

    /// Puts a branch at the commit.
    pub(crate) async fn set_branch(&self, branch: &str, commit: &CommitId) -> Result<(), GitError> {
        names::branch(branch)?;
        let _refs = self.hold_refs().await?;
        self.update_refs(&self.root, &format!("update refs/heads/{branch} {commit}\n")).await
    }

    /// Says which repositories are in the way, where git only says that one is.
    pub(crate) fn name_nested(&self, checkout: &Checkout, error: GitError, committing: bool) -> GitError {
        let GitError::Failed { stderr, .. } = &error else { return error };
        let path = stderr.lines().find_map(|line| {
            let (_, rest) = line.split_once('\'')?;
            let (path, why) = rest.split_once('\'')?;
            why.contains("does not have a commit checked out").then(|| path.trim_end_matches('/').to_owned())
        });
        match path {
            Some(path) => {
                GitError::Nested { worktree: checkout.record.name.clone(), paths: vec![path], committing }
            }
            None => error,
        }
    }
}

fn nested(checkout: &Checkout, paths: Vec<String>) -> GitError {
    GitError::Nested { worktree: checkout.record.name.clone(), paths, committing: false }
}

pub(crate) struct RemovedAtEnd<'a>(pub(crate) &'a Path);

impl Drop for RemovedAtEnd<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0);
    }
}
