//! The canary: what an agent must have left as it was, looked at from outside of its box.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use miyabi_core::naming;
use miyabi_core::worktree::Seal;

use crate::error::GitError;
use crate::repository::Repository;

/// Files below the git directory that make git run something or look elsewhere.
const SETTINGS: [&str; 5] =
    ["config", "config.worktree", "info/attributes", "info/grafts", "objects/info/alternates"];

/// Of larger files only the beginning is compared, and their size.
const MOST: usize = 1024 * 1024;

impl Repository {
    /// See [`Worktrees::seal`](miyabi_core::ports::Worktrees::seal).
    pub(crate) async fn sealed(&self, base: &str) -> Result<Seal, GitError> {
        let settings = settings(&self.common);
        // While a change lands, the main checkout is on its way.
        let _landing = self.hold_landing(base).await?;
        let listed = ["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags"];
        let listed = self.git.ok(self.look(&listed)).await?;
        let mut people = BTreeMap::new();
        for (at, name) in String::from_utf8_lossy(&listed).lines().filter_map(|line| line.split_once(' ')) {
            // Changes land on the base, and what was made for issues comes and goes.
            let branch = name.strip_prefix("refs/heads/").unwrap_or_default();
            if branch != base && !naming::is_made(branch) {
                people.insert(name.to_owned(), at.to_owned());
            }
        }
        let status = self.status_at(&self.root, &["--untracked-files=normal"]).await?;
        let files = status.paths(|_| true).join(", ");
        let branch = status.branch.unwrap_or_default();
        people.insert("the main checkout".to_owned(), format!("on {branch}: {files}"));
        Ok(Seal { settings, people })
    }
}

fn settings(common: &Path) -> BTreeMap<String, String> {
    let hooks = fs::read_dir(common.join("hooks")).into_iter().flatten().flatten();
    let hooks = hooks.map(|entry| Path::new("hooks").join(entry.file_name()));
    let files = SETTINGS.iter().map(PathBuf::from).chain(hooks);
    files.filter_map(|file| Some((file.display().to_string(), content(&common.join(&file))?))).collect()
}

/// What stands in a file, and whether it may be run.
fn content(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = fs::symlink_metadata(path).ok()?;
    let mut bytes = if metadata.is_file() { fs::read(path).ok()? } else { Vec::new() };
    bytes.truncate(MOST);
    let link = fs::read_link(path).unwrap_or_default();
    let (mode, size) = (metadata.permissions().mode(), metadata.len());
    Some(format!("{mode:o} {size} {} {}", link.display(), String::from_utf8_lossy(&bytes)))
}
