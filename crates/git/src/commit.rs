//! One commit of all that is in a worktree, whoever staged or committed parts of it.

use miyabi_core::ids::{CommitId, TreeId};
use miyabi_core::worktree::{CommitSpec, Committed, Worktree};

use crate::error::GitError;
use crate::keep::Owner;
use crate::names;
use crate::parse::{self, EntryKind, Status};
use crate::registry::{Checkout, Head, read_head};
use crate::repository::Repository;

impl Repository {
    /// See [`Worktrees::commit`](miyabi_core::ports::Worktrees::commit).
    pub(crate) async fn commit_worktree(
        &self,
        worktree: &Worktree,
        spec: &CommitSpec,
    ) -> Result<Option<Committed>, GitError> {
        let none =
            GitError::Name { what: "commit", name: String::new(), why: "is missing: there is no parent" };
        let parent = spec.parents.first().ok_or(none)?;
        names::commit(parent.as_str())?;
        let _held = self.hold_name(&worktree.name).await?;
        let checkout = self.given_out(worktree)?;
        self.break_stale_locks(&checkout).await;
        let status = match self.untouched(&checkout, parent) {
            Some(status) => status,
            None => self.status(&checkout, false).await?,
        };
        let staged = self.staged_aside(&checkout, &status).await?;
        let (tree, changes) = self.whole_tree(&checkout, parent).await?;
        let at_parent = status.head.as_ref() == Some(parent);
        if changes.is_empty() {
            return Ok(None);
        }
        let commit = self.commit_tree(tree.as_str(), &spec.parents, &spec.message, spec.at).await?;
        self.move_branch(&checkout, &status, staged, &commit, at_parent).await?;
        checkout.forget_operations()?;
        Ok(Some(parse::figures(commit, tree, changes)))
    }

    /// The status, as far as a commit needs it, where it can be told without asking git: the worktree is on its branch,
    /// the branch at the parent, and the index as it was when the worktree was given out.
    fn untouched(&self, checkout: &Checkout, parent: &CommitId) -> Option<Status> {
        let branch = &checkout.record.branch;
        let index = checkout.index_mark();
        let untouched = index.is_some()
            && index == checkout.record.index
            && read_head(&checkout.admin) == Some(Head::Branch(branch.clone()))
            && self.loose_tip(branch).as_ref() == Some(parent);
        untouched.then(|| Status {
            head: Some(parent.clone()),
            branch: Some(branch.clone()),
            entries: Vec::new(),
        })
    }

    /// Stages everything and writes its tree, with the differences to the parent.
    async fn whole_tree(
        &self,
        checkout: &Checkout,
        parent: &CommitId,
    ) -> Result<(TreeId, Vec<parse::Changed>), GitError> {
        let added = self.git.ok(checkout.write(&["add", "-A", "--sparse"])).await;
        added.map_err(|error| self.name_nested(checkout, error, true))?;
        let mut tree = self.git.line(checkout.write(&["write-tree"])).await?;
        let mut changes = self.changes(parent.as_str(), &tree).await?;
        if changes.iter().any(|change| checkout.is_context(change.path.as_bytes())) {
            self.restore_context(checkout, parent).await?;
            tree = self.git.line(checkout.write(&["write-tree"])).await?;
            changes = self.changes(parent.as_str(), &tree).await?;
        }
        let inside = changes.iter().filter(|change| change.is_new_repository());
        let paths: Vec<String> = inside.map(|change| change.path.clone()).collect();
        if paths.is_empty() {
            return Ok((TreeId::from(tree), changes));
        }
        // Staged as they are, the next attempt could not add the files in them one by one.
        let call = checkout.write(&["rm", "--cached", "-q", "-f", "--sparse", "--pathspec-from-file=-"]);
        let call = call.arg("--pathspec-file-nul").env("GIT_LITERAL_PATHSPECS", "1").input(paths.join("\0"));
        self.git.ok(call).await?;
        Err(GitError::Nested { worktree: checkout.record.name.clone(), paths, committing: true })
    }

    /// Has the files for the agent in the index as the parent has them, however they came in.
    async fn restore_context(&self, checkout: &Checkout, parent: &CommitId) -> Result<(), GitError> {
        let call = checkout.look(&["ls-tree", "-z", parent.as_str(), "--"]).args(checkout.context_names());
        let mut input = Vec::new();
        for name in checkout.context_names() {
            input.extend(format!("0 {}\t{name}\0", "0".repeat(parent.as_str().len())).into_bytes());
        }
        // `<mode> <type> <object>\t<path>`, which is one of the forms that update-index takes.
        input.extend(self.git.ok(call).await?);
        let call = checkout.write(&["update-index", "-z", "--index-info"]).input(input);
        self.git.ok(call).await.map(drop)
    }

    /// A commit of what was staged, if the checkout has something else by now: staging all of it would lose that.
    async fn staged_aside(&self, checkout: &Checkout, status: &Status) -> Result<Option<CommitId>, GitError> {
        let aside = |kind| matches!(kind, EntryKind::Tracked { staged: true, unstaged: true, .. });
        if !status.entries.iter().any(|entry| aside(entry.kind)) {
            return Ok(None);
        }
        self.index_commit(checkout, &status.head).await
    }

    /// Moves the worktree's branch to the commit, and `HEAD` back to the branch. Commits of the agent's own that are
    /// thereby in no branch are pinned.
    async fn move_branch(
        &self,
        checkout: &Checkout,
        status: &Status,
        staged: Option<CommitId>,
        commit: &CommitId,
        at_parent: bool,
    ) -> Result<(), GitError> {
        let branch = &checkout.record.branch;
        let on_branch = status.branch.as_ref() == Some(branch);
        let owner = Owner { run: &checkout.record.run, step: &checkout.record.step };
        let tip = if on_branch { status.head.clone() } else { self.branch_tip(branch).await? };
        if let (true, true, None, Some(tip)) = (on_branch, at_parent, &staged, &tip) {
            return self
                .update_refs(&checkout.path, &format!("update refs/heads/{branch} {commit} {tip}\n"))
                .await;
        }
        let elsewhere = self.holders(branch).await?.into_iter().find(|path| *path != checkout.path);
        if let Some(path) = elsewhere {
            return Err(GitError::BranchBusy { branch: branch.clone(), path });
        }
        let _refs = self.hold_refs().await?;
        if let Some(staged) = &staged {
            self.pin(owner, staged).await?;
        }
        let detached = status.head.iter().filter(|_| status.branch.is_none());
        let mut lost: Vec<&CommitId> = tip.iter().chain(detached).collect();
        lost.dedup();
        for old in lost {
            if !self.is_reachable(&[old], branch, Some(commit)).await? {
                self.pin(owner, old).await?;
            }
        }
        let old = tip.map_or_else(|| "0".repeat(commit.as_str().len()), |tip| tip.to_string());
        self.update_refs(&checkout.path, &format!("update refs/heads/{branch} {commit} {old}\n")).await?;
        if !self.refs_are_files || read_head(&checkout.admin) != Some(Head::Branch(branch.clone())) {
            let name = format!("refs/heads/{branch}");
            self.git.ok(self.ref_call(&checkout.path, &["symbolic-ref", "HEAD", &name])).await?;
        }
        Ok(())
    }
}
