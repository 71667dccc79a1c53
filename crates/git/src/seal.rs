//! The canary: what an agent must have left as it was, looked at from outside of its box.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use miyabi_core::worktree::Seal;

use crate::error::GitError;
use crate::names;
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
        let _landing = self.locks.hold(&format!("land-{}", names::ref_component(base))).await?;
        let format = "--format=%(objectname) %(refname) %(worktreepath)";
        let listed = self.git.ok(self.look(&["for-each-ref", format, "refs/heads", "refs/tags"])).await?;
        let listed = String::from_utf8_lossy(&listed).into_owned();
        let base = format!("refs/heads/{base}");
        let mut people = BTreeMap::new();
        for line in listed.lines() {
            let mut parts = line.splitn(3, ' ');
            let (Some(at), Some(name), Some(place)) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            // What is checked out in a worktree of ours is ours, and the base is what changes land on.
            let is_theirs = place.is_empty() || Path::new(place) == self.root;
            if is_theirs && name != base {
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
