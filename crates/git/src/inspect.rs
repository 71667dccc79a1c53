//! Looking at the repository: its state, trees, and what lies between commits.

use std::path::Path;

use miyabi_core::ids::{CommitId, TreeId};
use miyabi_core::ports::AddedLine;
use miyabi_core::worktree::{Committed, RepoState};

use crate::error::GitError;
use crate::keep::RemovedAtEnd;
use crate::names;
use crate::parse;
use crate::patch::AddedLines;
use crate::repository::Repository;
use crate::runner::Call;

/// At most this many changed files are named.
const NAMED: usize = 20;

/// Texts with more bytes are not read.
const LONGEST_TEXT: u64 = 1024 * 1024;

impl Repository {
    /// See [`Worktrees::inspect`](miyabi_core::ports::Worktrees::inspect).
    pub(crate) async fn state(&self) -> Result<RepoState, GitError> {
        let mut status = self.status_at(&self.root, &["--untracked-files=no"]).await?;
        if let Some(branch) = status.branch.clone().filter(|_| !status.paths(|_| true).is_empty()) {
            // It may be that a change is landing, by a miyabi that works or by the git of one that was killed.
            let _landing = self.hold_landing(&branch).await?;
            self.settle().await?;
            status = self.status_at(&self.root, &["--untracked-files=no"]).await?;
        }
        let head = status.head.clone().ok_or_else(|| GitError::NoCommit { path: self.root.clone() })?;
        let branch = status.branch.clone().ok_or_else(|| GitError::NoBranch { path: self.root.clone() })?;
        let mut dirty = status.paths(|_| true);
        dirty.truncate(NAMED);
        Ok(RepoState { root: self.root.clone(), branch, head, dirty, remarks: self.remarks().await? })
    }

    /// The tree of a commit.
    pub(crate) async fn tree_of(&self, commit: &CommitId) -> Result<TreeId, GitError> {
        let tree = format!("{}^{{tree}}", names::commit(commit.as_str())?);
        if let Some(known) = self.facts.tree(commit) {
            return Ok(known);
        }
        let output = self.git.run(self.look(&["rev-parse", "--verify", "-q", &tree])).await?;
        let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.success() && !id.is_empty() {
            return Ok(TreeId::from(id));
        }
        Err(GitError::Unknown { what: "commit", name: commit.to_string() })
    }

    /// See [`Worktrees::texts`](miyabi_core::ports::Worktrees::texts).
    pub(crate) async fn texts_of(
        &self,
        commit: &CommitId,
        paths: &[&str],
    ) -> Result<Vec<(String, String)>, GitError> {
        let commit = names::commit(commit.as_str())?;
        let listed = self.git.ok(self.look(&["ls-tree", "-lz", commit, "--"]).args(paths)).await?;
        let listed = String::from_utf8_lossy(&listed).into_owned();
        // `<mode> blob <id> <size>\t<path>`; a link is a blob, too, and its text is a path.
        let found: Vec<(&str, &str)> = listed
            .split('\0')
            .filter_map(|entry| {
                let (meta, path) = entry.split_once('\t')?;
                let mut meta = meta.split_whitespace();
                let (mode, kind, id) = (meta.next()?, meta.next()?, meta.next()?);
                let size: u64 = meta.next()?.parse().ok()?;
                (mode != "120000" && kind == "blob" && size <= LONGEST_TEXT).then_some((path, id))
            })
            .collect();
        let mut texts = Vec::new();
        for path in paths {
            let Some((_, id)) = found.iter().find(|(known, _)| known == path) else { continue };
            let content = self.git.ok(self.look(&["cat-file", "blob", id])).await?;
            texts.extend(String::from_utf8(content).ok().map(|text| ((*path).to_owned(), text)));
        }
        Ok(texts)
    }

    /// See [`Worktrees::compare`](miyabi_core::ports::Worktrees::compare).
    pub(crate) async fn figures_between(
        &self,
        base: &CommitId,
        head: &CommitId,
    ) -> Result<Committed, GitError> {
        let before = self.tree_of(base).await?;
        let tree = self.tree_of(head).await?;
        let changes = self.changes(before.as_str(), tree.as_str()).await?;
        Ok(parse::figures(head.clone(), tree, changes))
    }

    /// See [`Worktrees::added_lines`](miyabi_core::ports::Worktrees::added_lines).
    pub(crate) async fn lines_added(
        &self,
        base: &CommitId,
        head: &CommitId,
        limit: usize,
    ) -> Result<Vec<AddedLine>, GitError> {
        self.tree_of(head).await?;
        let tree = self.tree_of(base).await?;
        let common = self.git.run(self.look(&["merge-base", base.as_str(), head.as_str()])).await?;
        let common = String::from_utf8_lossy(&common.stdout).trim().to_owned();
        // Histories that share nothing differ by all of it.
        let from = if common.is_empty() { tree.to_string() } else { common };
        let mut lines = AddedLines::new(limit);
        let call =
            self.look(&["diff-tree", "-r", "-p", "-U0", "--no-renames", "--no-ext-diff", "--no-textconv"]);
        let call =
            call.args(["--src-prefix=a/", "--dst-prefix=b/", "--submodule=short", &from, head.as_str()]);
        if limit > 0 {
            self.git.stream(call, &mut |piece| lines.take(piece)).await?;
        }
        Ok(lines.finish())
    }

    /// See [`Worktrees::lay_out_base`](miyabi_core::ports::Worktrees::lay_out_base).
    pub(crate) async fn base_files(
        &self,
        base: &CommitId,
        head: &CommitId,
        folder: &Path,
    ) -> Result<(), GitError> {
        let common = self.git.line(self.look(&["merge-base", base.as_str(), head.as_str()])).await?;
        // Nothing is written beside the repository's own, which may only be looked at.
        let index = folder.join(".miyabi-index");
        let _gone = RemovedAtEnd(&index);
        // In place of the checkout, whose index and files are left alone.
        let call = Call::write(folder, &["read-tree", "--reset", "-u", &common])
            .env("GIT_DIR", &self.common)
            .env("GIT_WORK_TREE", folder)
            .env("GIT_INDEX_FILE", &index);
        self.git.ok(call).await.map(drop)
    }

    async fn remarks(&self) -> Result<Vec<String>, GitError> {
        let mut remarks = Vec::new();
        let sparse =
            self.git.run(self.look(&["config", "--type=bool", "--get", "core.sparseCheckout"])).await?;
        if sparse.stdout.starts_with(b"true") {
            remarks.push("the checkout is sparse".to_owned());
        }
        if self.root.join(".gitmodules").exists() {
            remarks.push("it has submodules, which worktrees leave empty".to_owned());
        }
        let attributes = std::fs::read(self.root.join(".gitattributes")).unwrap_or_default();
        if String::from_utf8_lossy(&attributes).contains("filter=lfs") {
            remarks.push("it stores large files with Git LFS".to_owned());
        }
        if self.common.join("shallow").exists() {
            remarks.push("its history is shallow".to_owned());
        }
        Ok(remarks)
    }
}
