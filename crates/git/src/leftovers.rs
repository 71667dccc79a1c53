//! What earlier processes may have left behind: gits that still run although their miyabi is dead, and the lock files of
//! gits that are dead themselves (`stale`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::error::GitError;
use crate::pool::blocking;
use crate::repository::Repository;
use crate::runner::{GRACE, OWNER};
use crate::stale;

/// How long a git whose miyabi is dead may go on; most need milliseconds, a push may need seconds.
const PATIENCE: Duration = Duration::from_secs(20);

impl Repository {
    /// Before anything is decided by what the repository looks like: waits for the gits of dead processes, and removes
    /// the lock files that nobody holds. Done once in a process, and again after a call of git met a lock.
    pub(crate) async fn settle(&self) -> Result<(), GitError> {
        let met_a_lock = self.git.met_a_lock();
        let mut settled = self.settled.lock().await;
        if *settled && !met_a_lock {
            return Ok(());
        }
        let places = [self.root.clone(), self.common.clone()];
        let common = self.common.clone();
        blocking(move || {
            end_all(&orphans(&places));
            stale::remove_abandoned(&common, &places);
        })
        .await?;
        *settled = true;
        Ok(())
    }
}

/// Whether a git works in one of these places, whoever started it; one that cannot be looked at counts.
pub(crate) fn at_work(places: &[PathBuf]) -> bool {
    let Ok(entries) = std::fs::read_dir("/proc") else { return true };
    let is_one = |path: PathBuf| {
        let name = std::fs::read_to_string(path.join("comm")).ok()?;
        let here = match std::fs::read_link(path.join("cwd")) {
            Ok(folder) => places.iter().any(|place| folder.starts_with(place)),
            Err(error) => error.kind() == std::io::ErrorKind::PermissionDenied,
        };
        (name.starts_with("git") && here).then_some(())
    };
    entries.filter_map(|entry| is_one(entry.ok()?.path())).next().is_some()
}

/// Gits that a miyabi started in one of these places, and that have another parent by now: theirs is dead.
fn orphans(places: &[PathBuf]) -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let ours = std::fs::read_link("/proc/self/ns/pid").ok();
    let orphan = |path: PathBuf| {
        let pid = path.file_name()?.to_str()?.parse().ok()?;
        let line = std::fs::read(path.join("cmdline")).ok()?;
        let owner = owner(&line, places)?;
        // A parent in another container has another number there than here.
        let near = ours.is_some() && std::fs::read_link(path.join("ns/pid")).ok() == ours;
        let status = std::fs::read_to_string(path.join("status")).ok()?;
        let parent: i32 = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()?;
        (near && parent != owner).then_some(pid).and_then(Pid::from_raw)
    };
    entries.filter_map(|entry| orphan(entry.ok()?.path())).collect()
}

/// The process that started a git, by its command line; `None` for what is no git of ours in one of these places.
fn owner(line: &[u8], places: &[PathBuf]) -> Option<i32> {
    let text = String::from_utf8_lossy(line);
    let mut words = text.split('\0');
    let folder = words.find(|word| *word == "-C").and_then(|_| words.next())?;
    if !places.iter().any(|place| Path::new(folder).starts_with(place)) {
        return None;
    }
    words.find_map(|word| word.strip_prefix(OWNER)?.strip_prefix('=')?.parse().ok())
}

/// Waits for their ends; those that take too long are asked to end, and then made to.
fn end_all(orphans: &[Pid]) {
    for orphan in orphans {
        tracing::info!(pid = orphan.as_raw_nonzero().get(), "waiting for a git whose miyabi is dead");
        if ended(*orphan, PATIENCE) {
            continue;
        }
        for signal in [Signal::TERM, Signal::KILL] {
            // It leads a group of its own, with what it started.
            let _ = kill_process_group(*orphan, signal).or_else(|_| kill_process(*orphan, signal));
            if ended(*orphan, GRACE) {
                break;
            }
        }
    }
}

/// Whether it has ended by then. Numbers are given again late, and a wrong one costs a wait.
pub(crate) fn ended(process: Pid, within: Duration) -> bool {
    let until = std::time::Instant::now() + within;
    let stat = format!("/proc/{}/stat", process.as_raw_nonzero());
    loop {
        // A process that has ended stays until its new parent takes notice; it writes no more.
        let state = std::fs::read_to_string(&stat).ok();
        if state.is_none_or(|text| text.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['Z', 'X'])))
        {
            return true;
        }
        if std::time::Instant::now() > until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_read_from_the_command_lines_of_our_own_gits() {
        let places = [PathBuf::from("/r/雅")];
        let of = |words: &[&str]| owner(words.join("\0").as_bytes(), &places);
        assert_eq!(of(&["git", "-C", "/r/雅/.worktrees/a", "-c", "miyabi.owner=17", "add"]), Some(17));
        assert_eq!(of(&["git", "-C", "/r/雅", "-c", "core.x=y", "-c", "miyabi.owner=8", "gc"]), Some(8));
        assert_eq!(of(&["git", "-C", "/r/雅雅", "-c", "miyabi.owner=17", "add"]), None, "another folder");
        assert_eq!(of(&["git", "-C", "/r/雅", "add", "x=miyabi.owner=17"]), None);
        assert_eq!(of(&["git", "-C"]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn nothing_that_has_ended_is_waited_for() {
        let gone = Pid::from_raw(i32::MAX).expect("a number");
        end_all(&[gone]);
        assert!(!ended(rustix::process::getpid(), Duration::ZERO), "we are there");
    }
}
