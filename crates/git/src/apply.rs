//! Patches that came as text: read and tried by git, judged by the core, and put into a worktree.

use std::fs;
use std::path::Path;

use async_trait::async_trait;
use miyabi_core::failure::Failure;
use miyabi_core::patch::{self, PatchRules, Patched, PatchedFile};
use miyabi_core::ports::Patches;

use crate::error::GitError;
use crate::repository::Repository;
use crate::runner::Call;
use crate::worktrees::{GitWorktrees, carry};

/// The largest file that is shown to anybody, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// Counts are counted again, because models miscount; blanks are nobody's business here.
const READ: [&str; 4] = ["apply", "--recount", "--whitespace=nowarn", "-p1"];

#[async_trait]
impl Patches for GitWorktrees {
    async fn files(&self, worktree: &Path) -> Result<Vec<String>, Failure> {
        let listed = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"];
        let listed = self.repository().git.ok(Call::look(worktree, &listed)).await?;
        let mut files: Vec<_> = names(&listed).map(str::to_owned).collect();
        files.sort_unstable();
        Ok(files)
    }

    async fn text(&self, worktree: &Path, path: &str) -> Option<String> {
        let file = plain_file(worktree, path)?;
        let text = tokio::fs::read(file).await.ok()?;
        String::from_utf8(text).ok()
    }

    async fn apply(&self, worktree: &Path, diff: &str, rules: &PatchRules) -> Result<Patched, Failure> {
        let (repository, worktree) = (self.repository(), worktree.to_owned());
        let (diff, rules) = (patch::normalize(diff), *rules);
        carry(async move { repository.apply(&worktree, &diff, &rules).await }).await
    }
}

impl Repository {
    async fn apply(&self, worktree: &Path, diff: &str, rules: &PatchRules) -> Result<Patched, GitError> {
        let call = |more: &[&str]| Call::write(worktree, &READ).args(more).arg("-").input(diff);
        let listed = self.git.run(call(&["--numstat", "-z"])).await?;
        if !listed.success() {
            return Ok(Patched::Conflicts(said(&listed.stderr)));
        }
        let files = touched(&listed.stdout);
        let mut refused = patch::refusals(diff.len(), &files, rules);
        let summary = self.git.ok(call(&["--summary"])).await?;
        refused.extend(special(&String::from_utf8_lossy(&summary)));
        let links = files.iter().filter(|file| worktree.join(&file.path).is_symlink());
        refused.extend(links.map(|file| format!("{}: it is a link", file.path)));
        if !refused.is_empty() {
            return Ok(Patched::Refused(refused));
        }
        if !self.git.run(call(&["--check"])).await?.success() {
            // Only a try that puts rejected hunks aside names each of them.
            let tried = self.git.run(call(&["--check", "--reject"])).await?;
            return Ok(Patched::Conflicts(said(&tried.stderr)));
        }
        self.git.ok(call(&[])).await?;
        Ok(Patched::Applied(files.into_iter().map(|file| file.path).collect()))
    }
}

fn said(stderr: &str) -> Vec<String> {
    let mut conflicts = patch::conflicts(stderr);
    if conflicts.is_empty() {
        conflicts.push("git finds no patch in it".to_owned());
    }
    conflicts
}

fn names(listed: &[u8]) -> impl Iterator<Item = &str> {
    listed
        .split(|byte| *byte == 0)
        .filter_map(|name| std::str::from_utf8(name).ok())
        .filter(|name| !name.is_empty())
}

/// The files of `--numstat -z`: counts and a path, or, where it is renamed, counts and two paths behind them.
fn touched(listed: &[u8]) -> Vec<PatchedFile> {
    let mut files = Vec::new();
    let mut is_binary = false;
    for entry in listed.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
        let entry = String::from_utf8_lossy(entry);
        let mut parts = entry.splitn(3, '\t');
        let path = match (parts.next(), parts.next(), parts.next()) {
            (Some(added), Some(_), Some(path)) => {
                is_binary = added == "-";
                path
            }
            _ => &entry,
        };
        if !path.is_empty() {
            files.push(PatchedFile { path: path.to_owned(), is_binary });
        }
    }
    files
}

/// Files that are neither plain nor programs: links, and repositories within this one.
fn special(summary: &str) -> Vec<String> {
    const PLAIN: [&str; 2] = ["100644", "100755"];
    let is_mode = |word: &&str| word.len() == 6 && word.chars().all(|c| c.is_ascii_digit());
    let told =
        summary.lines().filter(|line| line.starts_with(" create mode ") || line.starts_with(" mode change "));
    told.filter(|line| line.split(' ').filter(is_mode).take(2).any(|mode| !PLAIN.contains(&mode)))
        .map(|line| format!("{}: it is no plain file", line.trim()))
        .collect()
}

/// The file of that path, if no link leads there, it is a plain one, and it is small enough to be shown.
fn plain_file(worktree: &Path, path: &str) -> Option<std::path::PathBuf> {
    let mut at = worktree.to_owned();
    for part in Path::new(path).components() {
        let std::path::Component::Normal(name) = part else { return None };
        at.push(name);
        if fs::symlink_metadata(&at).ok()?.is_symlink() {
            return None;
        }
    }
    let metadata = fs::symlink_metadata(&at).ok()?;
    (metadata.is_file() && metadata.len() <= LARGEST).then_some(at)
}
