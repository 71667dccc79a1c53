//! Bringing a reviewed commit into its base branch; a checkout of that branch follows.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use miyabi_core::ids::CommitId;
use miyabi_core::worktree::{LandSpec, Landed};

use crate::error::GitError;
use crate::keep::RemovedAtEnd;
use crate::lock::Held;
use crate::names;
use crate::parse;
use crate::repository::Repository;
use crate::runner::Call;

const TRIES: u32 = 20;

/// Notes in the index how these files of a checkout are.
fn stage(path: &Path, files: &[String]) -> Call {
    let names: Vec<u8> = files.iter().flat_map(|file| [file.as_bytes(), b"\0"].concat()).collect();
    Call::write(path, &["update-index", "--add", "--remove", "-z", "--stdin"]).input(names)
}

impl Repository {
    /// Waits until nothing lands on this branch, and keeps it so.
    pub(crate) async fn hold_landing(&self, base: &str) -> Result<Held, GitError> {
        self.locks.hold(&format!("land-{}", names::ref_component(base))).await
    }

    /// See [`Worktrees::land`](miyabi_core::ports::Worktrees::land).
    pub(crate) async fn land_on_base(&self, spec: &LandSpec) -> Result<Landed, GitError> {
        names::branch(&spec.base)?;
        let head = names::commit(spec.head.as_str())?;
        let _branch = self.hold_landing(&spec.base).await?;
        for _ in 0..TRIES {
            let Some(tip) = self.branch_tip(&spec.base).await? else {
                return Err(GitError::Unknown { what: "branch", name: spec.base.clone() });
            };
            if self.contains(tip.as_str(), head).await? {
                return Ok(Landed::Done { commit: tip, already: true });
            }
            if !self.contains(head, tip.as_str()).await? {
                return Ok(Landed::BaseMoved { base: tip });
            }
            // As the head holds the base, its tree is that of the merge.
            let tree = self.tree_of(&spec.head).await?;
            let parents = [tip.clone(), spec.head.clone()];
            let commit = self.commit_tree(tree.as_str(), &parents, &spec.message, spec.at).await?;
            match self.bring(&spec.base, &tip, &commit).await {
                Ok(()) => return Ok(Landed::Done { commit, already: false }),
                // Somebody else was faster: what follows from that is judged anew.
                Err(_) if self.branch_tip(&spec.base).await?.as_ref() != Some(&tip) => {}
                Err(error) => return Err(error),
            }
        }
        Err(GitError::Moved { branch: spec.base.clone() })
    }

    async fn bring(&self, base: &str, old: &CommitId, new: &CommitId) -> Result<(), GitError> {
        self.check_no_rebase(base)?;
        let mut holders = self.holders(base).await?.into_iter();
        let Some(path) = holders.next() else {
            return self.update_refs(&self.root, &format!("update refs/heads/{base} {new} {old}\n")).await;
        };
        if let Some(path) = holders.next() {
            // Only one of them could follow; the other would show the change undone.
            return Err(GitError::BranchBusy { branch: base.to_owned(), path });
        }
        let step = || {
            let arguments = ["merge", "--ff-only", "--no-squash", "--no-stat", "--no-autostash", "-q"];
            let call = self.ref_call(&path, &arguments).args(["--no-verify-signatures", new.as_str()]);
            self.git.ok(call)
        };
        let Err(error) = step().await else { return Ok(()) };
        let status = self.status_at(&path, &["--untracked-files=all"]).await?;
        let underway = self.underway(&path, &status).await?;
        let files = self.in_the_way(&status, old, new).await?;
        if files.is_empty() && underway.is_empty() {
            return Err(error);
        }
        // A landing that broke off after the files and before the branch leaves them like this.
        if underway.is_empty() && self.are_as_in(&path, new, &files).await? {
            self.git.ok(stage(&path, &files)).await?;
            return step().await.map(drop);
        }
        Err(GitError::Dirty { path, files: if files.is_empty() { underway } else { files } })
    }

    /// Uncommitted files in a checkout that the step from one commit to another would overwrite.
    async fn in_the_way(
        &self,
        status: &parse::Status,
        old: &CommitId,
        new: &CommitId,
    ) -> Result<Vec<String>, GitError> {
        let changes = self.changes(old.as_str(), new.as_str()).await?;
        let coming: BTreeSet<String> = changes.into_iter().map(|change| change.path).collect();
        let clashes = |file: &String| {
            let below = format!("{}/", file.trim_end_matches('/'));
            let inside = |wanted: &String| file.starts_with(&format!("{wanted}/"));
            coming.contains(file) || coming.iter().any(|wanted| wanted.starts_with(&below) || inside(wanted))
        };
        Ok(status.paths(|_| true).into_iter().filter(clashes).collect())
    }

    /// What a person has begun in a checkout and not ended.
    async fn underway(&self, path: &Path, status: &parse::Status) -> Result<Vec<String>, GitError> {
        let mut files = status.paths(|kind| kind == parse::EntryKind::Unmerged);
        if files.is_empty() && self.operation_at(path).await? {
            files.push("a merge that is in progress".to_owned());
        }
        Ok(files)
    }

    /// Whether these files of a checkout are already as a commit has them: there with that content, or gone.
    async fn are_as_in(&self, path: &Path, commit: &CommitId, files: &[String]) -> Result<bool, GitError> {
        let index = self.common.join("miyabi").join(format!("index-{}", self.unique()));
        let _gone = RemovedAtEnd(&index);
        let with_index = |call: Call| call.env("GIT_INDEX_FILE", &index).env("GIT_LITERAL_PATHSPECS", "1");
        self.git.ok(with_index(Call::write(path, &["read-tree", commit.as_str()]))).await?;
        // Ends badly when anything is otherwise, which is what is asked next.
        self.git.run(with_index(Call::write(path, &["update-index", "-q", "--refresh"]))).await?;
        let other = Call::look(path, &["diff-files", "--name-only", "-z", "--"]).args(files);
        if !self.git.ok(with_index(other)).await?.is_empty() {
            return Ok(false);
        }
        let known = self.git.ok(with_index(Call::look(path, &["ls-files", "-z", "--"]).args(files))).await?;
        let known: BTreeSet<_> = known.split(|byte| *byte == 0).collect();
        let gone = |file: &String| path.join(file).symlink_metadata().is_err();
        Ok(files.iter().all(|file| known.contains(file.as_bytes()) || gone(file)))
    }

    /// The status of any checkout; nothing in it is touched.
    pub(crate) async fn status_at(&self, path: &Path, more: &[&str]) -> Result<parse::Status, GitError> {
        let call = Call::look(path, &["status", "--porcelain=v2", "--branch", "-z", "--no-renames"]);
        let output = self.git.ok(call.args(more)).await?;
        parse::status(&output).ok_or(GitError::Answer { call: "git status" })
    }

    async fn operation_at(&self, path: &Path) -> Result<bool, GitError> {
        let call = Call::look(path, &["rev-parse", "--path-format=absolute", "--git-path", "MERGE_HEAD"]);
        let file = self.git.line(call).await?;
        Ok(Path::new(&file).exists())
    }

    /// Errors: `Dirty` while somebody rebases the branch: its end would throw away what landed meanwhile.
    fn check_no_rebase(&self, base: &str) -> Result<(), GitError> {
        let name = format!("refs/heads/{base}");
        let mut git_dirs: Vec<PathBuf> = vec![self.common.clone()];
        if let Ok(entries) = std::fs::read_dir(self.common.join("worktrees")) {
            git_dirs.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
        }
        for file in ["rebase-merge/head-name", "rebase-apply/head-name"] {
            for git_dir in &git_dirs {
                let rebased = std::fs::read_to_string(git_dir.join(file)).unwrap_or_default();
                if rebased.trim_end() == name {
                    let files = vec![format!("a rebase of {base} that is in progress")];
                    return Err(GitError::Dirty { path: self.root.clone(), files });
                }
            }
        }
        Ok(())
    }

    /// Whether one commit contains another. Errors: `Unknown` when there is no such commit.
    pub(crate) async fn contains(&self, whole: &str, part: &str) -> Result<bool, GitError> {
        let output = self.git.run(self.look(&["merge-base", "--is-ancestor", part, whole])).await?;
        match output.code {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            code => {
                for id in [whole, part] {
                    let known = format!("{id}^{{commit}}");
                    if !self.git.run(self.look(&["cat-file", "-e", &known])).await?.success() {
                        return Err(GitError::Unknown { what: "commit", name: id.to_owned() });
                    }
                }
                Err(GitError::of_call("git merge-base".to_owned(), code, &output.stderr))
            }
        }
    }
}
