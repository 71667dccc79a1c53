//! Files for the agent, put into its worktree.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use miyabi_core::context::{CONTEXT_JSON, CONTEXT_MD};
use miyabi_core::worktree::Worktree;

use crate::error::GitError;
use crate::names;
use crate::repository::Repository;

impl Repository {
    /// See [`Worktrees::put_context`](miyabi_core::ports::Worktrees::put_context).
    pub(crate) async fn put_files(
        &self,
        worktree: &Worktree,
        files: &[(String, String)],
    ) -> Result<(), GitError> {
        for (name, _) in files {
            names::context_file(name)?;
        }
        let _held = self.hold_name(&worktree.name).await?;
        let mut checkout = self.given_out(worktree)?;
        let own = |name: &str| name == CONTEXT_JSON || name == CONTEXT_MD;
        let more: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).filter(|name| !own(name)).collect();
        let unknown = more.iter().filter(|name| !checkout.record.context.iter().any(|known| known == *name));
        let unknown: Vec<String> = unknown.map(|name| (*name).to_owned()).collect();
        if !unknown.is_empty() {
            checkout.record.context.extend(unknown);
            checkout.save()?;
        }
        self.exclude(&more).await?;
        for (name, text) in files {
            put(&checkout.path.join(name), text)?;
        }
        Ok(())
    }
}

/// Writes a new file in the place of an old one. Neither a link nor another name of the old file is written through.
fn put(path: &Path, text: &str) -> Result<(), GitError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => {
            fs::remove_file(path).map_err(|source| GitError::io("replace", path, source))?;
        }
        Ok(metadata) if metadata.is_symlink() => {
            return Err(GitError::Occupied { path: path.to_owned(), why: "a symbolic link" });
        }
        Ok(_) => return Err(GitError::Occupied { path: path.to_owned(), why: "not a file" }),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(source) => return Err(GitError::io("look at", path, source)),
    }
    let written = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?;
        file.set_permissions(Permissions::from_mode(0o644))?;
        file.write_all(text.as_bytes())
    };
    written().map_err(|source| GitError::io("write", path, source))
}
