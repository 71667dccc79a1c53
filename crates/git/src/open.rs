//! Opening worktrees: a parked one if there is one, otherwise a new one; brought to its base, with nothing lost.

use std::sync::atomic::Ordering;

use miyabi_core::ids::CommitId;
use miyabi_core::worktree::{Worktree, WorktreeSpec};

use crate::error::GitError;
use crate::keep::Owner;
use crate::names;
use crate::registry::{BEING_OPENED, Checkout, Found, Record, State};
use crate::repository::Repository;
use crate::runner::Call;

impl Repository {
    /// See [`Worktrees::open`](miyabi_core::ports::Worktrees::open).
    pub(crate) async fn open_worktree(&self, spec: &WorktreeSpec) -> Result<Worktree, GitError> {
        names::worktree(&spec.name)?;
        names::branch(&spec.branch)?;
        names::commit(spec.base.as_str())?;
        self.exclude(&[]).await?;
        self.sweep().await?;
        let _held = self.hold_name(&spec.name).await?;
        let checkout = match self.look_up(&spec.name)? {
            Found::Nothing => self.open_new(spec).await?,
            Found::Ghost(ghost) => {
                self.keep_ghost(&ghost).await?;
                self.discard(&ghost).await?;
                self.open_new(spec).await?
            }
            Found::Ours(checkout) if checkout.record.state == State::Opening => {
                // Its making was broken off. A git that outlived us may still be writing there, so it is not mended.
                self.discard(&checkout).await?;
                self.open_new(spec).await?
            }
            Found::Ours(checkout) => self.reopen(*checkout, spec).await?,
        };
        Ok(checkout.worktree())
    }

    async fn open_new(&self, spec: &WorktreeSpec) -> Result<Checkout, GitError> {
        let checkout = match self.unpark(spec).await? {
            Some(checkout) => checkout,
            None => self.register(spec).await?,
        };
        self.break_stale_locks(&checkout).await;
        match self.populate(&checkout, spec, false).await.and_then(|()| give_out(&checkout, spec, true)) {
            Ok(checkout) => Ok(checkout),
            Err(error) => {
                // Nobody has it yet, so nothing can be lost; and the first error says more than a second one.
                let _ = self.discard(&checkout).await;
                Err(error)
            }
        }
    }

    /// Registers a worktree without its files. Git's own registration cannot run twice at once.
    async fn register(&self, spec: &WorktreeSpec) -> Result<Checkout, GitError> {
        let path = self.folder.join(&spec.name);
        let held = self.locks.hold("register").await?;
        let call = self
            .ref_call(&self.root, &["worktree", "add", "--no-checkout", "--detach", "--lock", "--reason"])
            .args([BEING_OPENED, "--"])
            .arg(&path)
            .arg(spec.base.as_str());
        let added = self.git.ok(call).await;
        match self.look_up(&spec.name) {
            Ok(Found::Ours(found)) => {
                let checkout = Checkout { record: Record::opening(spec), ..*found };
                match added.and_then(|_| checkout.save()) {
                    Ok(()) => Ok(checkout),
                    Err(error) => {
                        drop(held);
                        let _ = self.discard(&checkout).await;
                        Err(self.explain(error, spec).await)
                    }
                }
            }
            _ => match added {
                Ok(_) => Err(GitError::Answer { call: "git worktree add" }),
                Err(error) => Err(self.explain(error, spec).await),
            },
        }
    }

    /// Brings a worktree that was given out before to where it is wanted, or leaves it as it is.
    async fn reopen(&self, mut checkout: Checkout, spec: &WorktreeSpec) -> Result<Checkout, GitError> {
        self.break_stale_locks(&checkout).await;
        let status = self.status(&checkout, false).await?;
        if spec.keep_work && status.branch.as_ref() == Some(&spec.branch) {
            return give_out(&checkout, spec, false);
        }
        let snapshot = self.snapshot(&checkout, &status).await?;
        let detached = status.head.filter(|_| status.branch.is_none());
        if let Some(commit) = snapshot.as_ref().or(detached.as_ref()) {
            let _refs = self.hold_refs().await?;
            if snapshot.is_some() || !self.is_reachable(&[commit], &spec.branch, Some(&spec.base)).await? {
                let owner = Owner { run: &checkout.record.run, step: &checkout.record.step };
                self.pin(owner, commit).await?;
            }
        }
        checkout.record.state = State::Open;
        self.populate(&checkout, spec, true).await?;
        let kept = if self.options.keep_build_output { "-ffdq" } else { "-ffdxq" };
        self.git.ok(checkout.write(&["clean", kept])).await?;
        self.remove_context(&checkout)?;
        checkout.forget_operations()?;
        give_out(&checkout, spec, true)
    }

    /// Puts the worktree on its branch, the branch at its base, and the files of the base into the folder.
    ///
    /// Files that are the same are left alone, so a reused worktree costs what differs.
    async fn populate(&self, checkout: &Checkout, spec: &WorktreeSpec, known: bool) -> Result<(), GitError> {
        let _permit = self.population.acquire().await.expect("the semaphore is never closed");
        let others = self.populating.fetch_add(1, Ordering::Relaxed);
        let workers = (self.processors / (others + 1)).max(1);
        let done = self.switch(checkout, spec, known, workers).await;
        self.populating.fetch_sub(1, Ordering::Relaxed);
        match done {
            Ok(()) => Ok(()),
            Err(error) => Err(self.explain(error, spec).await),
        }
    }

    async fn switch(
        &self,
        checkout: &Checkout,
        spec: &WorktreeSpec,
        known: bool,
        workers: usize,
    ) -> Result<(), GitError> {
        let call = |how: &str| {
            self.ref_call(&checkout.path, &["checkout", "-q", "-f", "--no-track", how, &spec.branch])
                .args([spec.base.as_str(), "--"])
                .setting(format!("checkout.workers={workers}"))
        };
        if !known {
            // Nearly always the branch is new: then this is all.
            let Err(error) = self.git.ok(call("-b")).await else { return Ok(()) };
            if !matches!(&error, GitError::Failed { stderr, .. } if stderr.contains("already exists")) {
                // Git makes the branch even when it could not write all files.
                let unmade = format!("delete refs/heads/{} {}\n", spec.branch, spec.base);
                let _ = self.update_refs(&self.root, &unmade).await;
                return Err(error);
            }
        }
        self.reset_branch(checkout, spec).await?;
        self.git.ok(call("-B")).await.map(drop)
    }

    /// Moves a branch that is there already to its base; its tip is pinned if it is reachable from nowhere else.
    async fn reset_branch(&self, checkout: &Checkout, spec: &WorktreeSpec) -> Result<(), GitError> {
        let _refs = self.hold_refs().await?;
        let Some(tip) = self.branch_tip(&spec.branch).await? else { return Ok(()) };
        if let Some(path) = self.holders(&spec.branch).await?.into_iter().find(|path| *path != checkout.path)
        {
            return Err(GitError::BranchBusy { branch: spec.branch.clone(), path });
        }
        if tip == spec.base {
            return Ok(());
        }
        let mut lines = String::new();
        if !self.is_reachable(&[&tip], &spec.branch, Some(&spec.base)).await? {
            let name = self.keep_ref(Owner { run: &spec.run, step: &spec.step }).await?;
            lines = format!("create {name} {tip}\n");
        }
        lines += &format!("update refs/heads/{} {} {tip}\n", spec.branch, spec.base);
        self.update_refs(&self.root, &lines).await
    }

    /// The commit of a branch, if there is one.
    pub(crate) async fn branch_tip(&self, branch: &str) -> Result<Option<CommitId>, GitError> {
        names::branch(branch)?;
        if let Some(tip) = self.loose_tip(branch) {
            return Ok(Some(tip));
        }
        let name = format!("refs/heads/{branch}");
        let output = self.git.run(self.look(&["rev-parse", "--verify", "--quiet", &name])).await?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok(output.success().then(|| CommitId::from(text)))
    }

    /// Finds the plain reason of a failure that git words in many ways.
    async fn explain(&self, error: GitError, spec: &WorktreeSpec) -> GitError {
        if !matches!(error, GitError::Failed { .. }) {
            return error;
        }
        let known = format!("{}^{{commit}}", spec.base);
        let base = self.git.run(self.look(&["cat-file", "-e", &known])).await;
        if base.is_ok_and(|output| !output.success()) {
            return GitError::Unknown { what: "commit", name: spec.base.to_string() };
        }
        match self.clashing_branch(&spec.branch).await {
            Ok(Some(other)) => GitError::BranchClash { branch: spec.branch.clone(), other },
            _ => error,
        }
    }

    async fn clashing_branch(&self, branch: &str) -> Result<Option<String>, GitError> {
        let above = branch.char_indices().filter(|(_, c)| *c == '/').filter_map(|(at, _)| branch.get(..at));
        let above: Vec<&str> = above.collect();
        let mut call =
            self.look(&["for-each-ref", "--format=%(refname)"]).arg(format!("refs/heads/{branch}/"));
        for name in &above {
            call = call.arg(format!("refs/heads/{name}"));
        }
        let output = self.git.ok(call).await?;
        let below = format!("{branch}/");
        let text = String::from_utf8_lossy(&output);
        let mut names = text.lines().filter_map(|line| line.strip_prefix("refs/heads/"));
        Ok(names.find(|name| above.contains(name) || name.starts_with(&below)).map(str::to_owned))
    }

    /// A call about a worktree whose folder is gone.
    pub(crate) fn ghost_call(&self, ghost: &Checkout, arguments: &[&str]) -> Call {
        Call::write(&self.root, arguments).env("GIT_DIR", &ghost.admin)
    }
}

/// Writes down whose the worktree is now; from here on its content is work. A fresh one holds the base and no more.
fn give_out(checkout: &Checkout, spec: &WorktreeSpec, fresh: bool) -> Result<Checkout, GitError> {
    let mut record = Record::opening(spec);
    record.state = State::Open;
    record.context.clone_from(&checkout.record.context);
    record.index = fresh.then(|| checkout.index_mark()).flatten();
    let checkout = Checkout { record, ..checkout.clone() };
    checkout.save()?;
    let locked = checkout.admin.join("locked");
    match std::fs::remove_file(&locked) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(GitError::io("remove", &locked, error))
        }
        _ => Ok(checkout),
    }
}
