//! A merge left in a worktree for someone to resolve.

use std::fs::File;
use std::io::BufReader;
use std::path::{Component, Path};

use miyabi_core::ids::CommitId;
use miyabi_core::worktree::{ConflictFile, Worktree};

use crate::error::GitError;
use crate::excerpt::marked_lines;
use crate::names;
use crate::pool::blocking;
use crate::repository::Repository;

impl Repository {
    /// See [`Worktrees::begin_merge`](miyabi_core::ports::Worktrees::begin_merge).
    pub(crate) async fn begin_merge_in(
        &self,
        worktree: &Worktree,
        theirs: &CommitId,
    ) -> Result<Vec<ConflictFile>, GitError> {
        let theirs = names::commit(theirs.as_str())?;
        let _held = self.hold_name(&worktree.name).await?;
        let checkout = self.given_out(worktree)?;
        self.break_stale_locks(&checkout).await;
        let head = self.git.line(checkout.look(&["rev-parse", "--verify", "HEAD^{commit}"])).await?;
        let head = CommitId::from(head);
        let known = format!("{theirs}^{{commit}}");
        if !self.git.run(self.look(&["cat-file", "-e", &known])).await?.success() {
            return Err(GitError::Unknown { what: "commit", name: theirs.to_owned() });
        }
        let files = match self.merge_trees(&head, theirs).await? {
            Ok(_) => Vec::new(),
            Err(predicted) => self.conflict_files(predicted).await?,
        };
        let merging = std::fs::read_to_string(checkout.admin.join("MERGE_HEAD")).unwrap_or_default();
        if merging.trim() == theirs {
            // It began before; what has been resolved since stays.
            return Ok(files);
        }
        let arguments =
            ["merge", "--no-ff", "--no-commit", "--no-squash", "--no-stat", "--no-autostash", "-q"];
        let call = self.ref_call(&checkout.path, &arguments).args(["--no-verify-signatures", theirs]);
        let output = self.git.run(call).await?;
        match output.code {
            Some(0) => Ok(files),
            // Conflicts are what this is for; a merge that did not begin has left no trace.
            Some(1) if checkout.admin.join("MERGE_HEAD").exists() => Ok(files),
            code => {
                let status = self.status(&checkout, false).await?;
                if status.is_dirty() {
                    return Err(GitError::Dirty { path: checkout.path, files: status.paths(|_| true) });
                }
                Err(GitError::of_call("git merge".to_owned(), code, &output.stderr))
            }
        }
    }

    /// See [`Worktrees::markers_left`](miyabi_core::ports::Worktrees::markers_left).
    pub(crate) async fn markers_in(
        &self,
        worktree: &Worktree,
        files: &[String],
    ) -> Result<Vec<String>, GitError> {
        let checkout = self.given_out(worktree)?;
        let files = files.to_vec();
        blocking(move || {
            let mut left = Vec::new();
            for file in files {
                let path = inside(&checkout.path, &file)?;
                // Deleted or made a link: a way to resolve it.
                if !path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
                    continue;
                }
                let read = |source| GitError::io("read", &path, source);
                let lines = marked_lines(BufReader::new(File::open(&path).map_err(read)?)).map_err(read)?;
                left.extend(lines.into_iter().map(|line| format!("{file}:{line}")));
            }
            Ok(left)
        })
        .await?
    }
}

/// The path in the worktree. Errors: `Name` when it leads out of it, by `..` or through a link.
fn inside(root: &Path, file: &str) -> Result<std::path::PathBuf, GitError> {
    let refuse = |why| GitError::Name { what: "path", name: file.chars().take(200).collect(), why };
    let mut path = root.to_owned();
    for component in Path::new(file).components() {
        if path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
            return Err(refuse("leads through a symbolic link"));
        }
        match component {
            Component::Normal(name) => path.push(name),
            _ => return Err(refuse("is not inside the worktree")),
        }
    }
    Ok(path)
}
