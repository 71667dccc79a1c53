//! Merging into a branch by objects and refs alone; the branch's own worktree follows.

use miyabi_core::ids::{CommitId, TreeId};
use miyabi_core::worktree::{ConflictFile, MergeSpec, Merged};

use crate::error::GitError;
use crate::excerpt::excerpt;
use crate::keep::Owner;
use crate::names;
use crate::parse;
use crate::registry::{Checkout, Found, State};
use crate::repository::Repository;

/// How often a branch may move under a merge before it is given up.
const TRIES: u32 = 20;
/// Files larger than this are not shown, in bytes.
const LARGEST_SHOWN: u64 = 8 * 1024 * 1024;

/// The two sides of a merge.
struct Sides {
    ours: CommitId,
    tree: TreeId,
    /// The branch is known to contain the commit already.
    contained: bool,
}

/// Where a branch is checked out.
enum Holder {
    Nobody,
    Ours(Box<Checkout>),
}

impl Repository {
    /// See [`Worktrees::merge`](miyabi_core::ports::Worktrees::merge).
    pub(crate) async fn merge_into(&self, spec: &MergeSpec) -> Result<Merged, GitError> {
        names::branch(&spec.into)?;
        let from = names::commit(spec.from.as_str())?;
        let _branch = self.locks.hold_here(&format!("branch {}", spec.into)).await;
        for _ in 0..TRIES {
            let Sides { ours, tree: before, contained } = match self.known_sides(&spec.into) {
                Some(sides) => sides,
                None => self.sides(&spec.into, from).await?,
            };
            if contained {
                return Ok(Merged::Already { commit: ours, tree: before });
            }
            let tree = match self.merge_trees(&ours, from).await? {
                // What is contained changes nothing; what changes nothing may be contained.
                Ok(tree) if tree == before && self.sides(&spec.into, from).await?.contained => {
                    return Ok(Merged::Already { commit: ours, tree });
                }
                Ok(tree) => tree,
                Err(predicted) => {
                    let files = self.conflict_files(predicted).await?;
                    return Ok(Merged::Conflict { ours, files });
                }
            };
            let parents = [ours.clone(), spec.from.clone()];
            let commit = self.commit_tree(tree.as_str(), &parents, &spec.message, spec.at).await?;
            if self.advance(&spec.into, &ours, &commit).await? {
                self.facts.merged(&spec.from, &spec.into);
                return Ok(Merged::Done { commit, tree });
            }
        }
        Err(GitError::Moved { branch: spec.into.clone() })
    }

    /// The same without a call, where the tip is a commit of our own; whether it contains the other is left open.
    fn known_sides(&self, branch: &str) -> Option<Sides> {
        let ours = self.loose_tip(branch)?;
        let tree = self.facts.tree(&ours)?;
        Some(Sides { ours, tree, contained: false })
    }

    /// The branch's tip and tree, and whether the commit is in it; one call for all.
    async fn sides(&self, branch: &str, from: &str) -> Result<Sides, GitError> {
        let name = format!("refs/heads/{branch}");
        let call = self.look(&["rev-parse"]);
        let (commit, tree, both) =
            (format!("{name}^{{commit}}"), format!("{name}^{{tree}}"), format!("{name}...{from}"));
        let output = self.git.run(call.args([&commit, &tree, &both])).await?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut lines = text.lines();
        match (output.success(), lines.next(), lines.next()) {
            (true, Some(ours), Some(tree)) if ours.len() == from.len() => Ok(Sides {
                ours: CommitId::from(ours),
                tree: TreeId::from(tree),
                contained: lines.any(|line| line.strip_prefix('^') == Some(from)),
            }),
            _ if self.branch_tip(branch).await?.is_none() => {
                Err(GitError::Unknown { what: "branch", name: branch.to_owned() })
            }
            _ => Err(GitError::Unknown { what: "commit", name: from.to_owned() }),
        }
    }

    /// Merges two commits in memory: the tree, or where they do not fit.
    pub(crate) async fn merge_trees(
        &self,
        ours: &CommitId,
        theirs: &str,
    ) -> Result<Result<TreeId, parse::Predicted>, GitError> {
        let call = self.look(&["merge-tree", "--write-tree", "-z", "--messages", ours.as_str(), theirs]);
        let output = self.git.run(call).await?;
        let answer = || GitError::Answer { call: "git merge-tree" };
        match output.code {
            Some(0) => {
                let id = output.stdout.split(|byte| *byte == 0).next().unwrap_or_default();
                let id = std::str::from_utf8(id).map_err(|_| answer())?;
                Ok(Ok(TreeId::from(names::commit(id)?)))
            }
            Some(1) if !output.stdout.is_empty() => {
                parse::conflict(&output.stdout).map(Err).ok_or_else(answer)
            }
            code => {
                let known = format!("{theirs}^{{commit}}");
                if self.git.run(self.look(&["cat-file", "-e", &known])).await?.success() {
                    return Err(GitError::of_call("git merge-tree".to_owned(), code, &output.stderr));
                }
                Err(GitError::Unknown { what: "commit", name: theirs.to_owned() })
            }
        }
    }

    /// The files in conflict with what stands in them.
    pub(crate) async fn conflict_files(
        &self,
        predicted: parse::Predicted,
    ) -> Result<Vec<ConflictFile>, GitError> {
        let mut files = Vec::new();
        for (path, kind) in predicted.files {
            let text = match kind.as_str() {
                "CONFLICT (binary)" => None,
                _ => self.text_at(&predicted.tree, &path).await?,
            };
            files.push(ConflictFile { path, kind, text });
        }
        Ok(files)
    }

    /// The text of a file in a tree, shortened around its conflicts; none if it is absent, binary or huge.
    async fn text_at(&self, tree: &TreeId, path: &str) -> Result<Option<String>, GitError> {
        let entry = self.git.ok(self.look(&["ls-tree", "-z", "-l", tree.as_str(), "--", path])).await?;
        // `<mode> blob <object> <size>\t<path>`
        let entry = String::from_utf8_lossy(&entry);
        let words: Vec<&str> = entry.split('\t').next().unwrap_or_default().split_whitespace().collect();
        let [mode, "blob", object, size] = words[..] else { return Ok(None) };
        if mode == "120000" || size.parse().unwrap_or(u64::MAX) > LARGEST_SHOWN {
            return Ok(None);
        }
        let content = self.git.ok(self.look(&["cat-file", "blob", object])).await?;
        if content.iter().take(8000).any(|byte| *byte == 0) {
            return Ok(None);
        }
        Ok(Some(excerpt(&String::from_utf8_lossy(&content))))
    }

    /// Moves a branch forward with the worktree that it is checked out in; false if it moved meanwhile.
    async fn advance(&self, branch: &str, old: &CommitId, new: &CommitId) -> Result<bool, GitError> {
        let holder = self.holder(branch).await?;
        let Holder::Ours(checkout) = holder else {
            let moved =
                self.update_refs(&self.root, &format!("update refs/heads/{branch} {new} {old}\n")).await;
            return self.unless_moved(moved.map(drop), branch, old).await;
        };
        let _held = self.hold_name(&checkout.record.name).await?;
        if self.fast_forward(&checkout, new).await.is_ok() {
            return Ok(true);
        }
        if self.branch_tip(branch).await?.as_ref() != Some(old) {
            return Ok(false);
        }
        // What stands there uncommitted is in the way: it is pinned, then it goes.
        self.break_stale_locks(&checkout).await;
        let status = self.status(&checkout, false).await?;
        if let Some(snapshot) = self.snapshot(&checkout, &status).await? {
            let _refs = self.hold_refs().await?;
            let owner = Owner { run: &checkout.record.run, step: &checkout.record.step };
            self.pin(owner, &snapshot).await?;
        }
        self.git.ok(self.ref_call(&checkout.path, &["reset", "-q", "--hard"])).await?;
        self.git.ok(checkout.write(&["clean", "-ffdq"])).await?;
        checkout.forget_operations()?;
        let followed = self.fast_forward(&checkout, new).await;
        self.unless_moved(followed, branch, old).await
    }

    /// Who has a branch checked out. Errors: `BranchBusy` when it is none of our worktrees.
    async fn holder(&self, branch: &str) -> Result<Holder, GitError> {
        let mut holder = Holder::Nobody;
        for path in self.holders(branch).await? {
            let name = path.strip_prefix(&self.folder).ok().and_then(|name| name.to_str());
            let found = name.map(|name| self.look_up(name)).transpose();
            match found {
                Ok(Some(Found::Ours(checkout))) if checkout.record.state != State::Parked => {
                    holder = Holder::Ours(checkout);
                }
                Ok(Some(Found::Ghost(_))) => {}
                _ => return Err(GitError::BranchBusy { branch: branch.to_owned(), path }),
            }
        }
        Ok(holder)
    }

    async fn fast_forward(&self, checkout: &Checkout, to: &CommitId) -> Result<(), GitError> {
        let arguments = ["merge", "--ff-only", "--no-squash", "--no-stat", "--no-autostash", "-q"];
        let call = self.ref_call(&checkout.path, &arguments);
        self.git.ok(call.args(["--no-verify-signatures", to.as_str()])).await.map(drop)
    }

    /// Success; or, after a failure, false if the branch is no longer where it was, which explains the failure.
    async fn unless_moved(
        &self,
        result: Result<(), GitError>,
        branch: &str,
        old: &CommitId,
    ) -> Result<bool, GitError> {
        let Err(error) = result else { return Ok(true) };
        match self.branch_tip(branch).await? {
            Some(tip) if tip == *old => Err(error),
            Some(_) => Ok(false),
            None => Err(GitError::Unknown { what: "branch", name: branch.to_owned() }),
        }
    }
}
