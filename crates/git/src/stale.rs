//! Lock files of gits that are dead.
//!
//! A git that is killed leaves its lock files, and git has no way to tell whose they are. So each is only removed where
//! it is certain that nobody holds it: in a worktree that we hold, from before the machine was started, or when it is
//! older than any git takes and no git works in the repository.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::folders;
use crate::leftovers::at_work;
use crate::registry::Checkout;
use crate::repository::Repository;

/// Nobody but us works in a worktree that we hold, and our own calls are shorter than this.
const STALE: Duration = Duration::from_secs(5);
/// In places that others share: what is no program named git, an editor for instance, holds a lock for less than this.
const ABANDONED: Duration = Duration::from_secs(15);
const LOCK: &str = "lock";

impl Repository {
    /// Removes the locks of gits that died in a worktree that we hold, each after a while in which a living one would
    /// have ended: those in git's folder about it, and that of its branch.
    pub(crate) async fn break_stale_locks(&self, checkout: &Checkout) {
        for lock in self.locks_of(checkout) {
            let age =
                || std::fs::metadata(&lock).and_then(|metadata| metadata.modified()).map(|at| at.elapsed());
            while let Ok(age) = age() {
                // A time in the future is one of a clock that was set back.
                if age.is_err() || age.is_ok_and(|age| age > STALE) {
                    tracing::warn!(lock = %lock.display(), "removed the lock of a git that died");
                    let _ = std::fs::remove_file(&lock);
                    break;
                }
                tokio::time::sleep(STALE / 50).await;
            }
        }
    }

    fn locks_of(&self, checkout: &Checkout) -> Vec<PathBuf> {
        let mut locks = locks_in(&checkout.admin);
        let branch = &checkout.record.branch;
        if self.refs_are_files && !branch.is_empty() {
            locks.push(self.common.join("refs/heads").join(format!("{branch}.{LOCK}")));
        }
        locks
    }
}

/// Removes the lock files that nobody holds from the shared git directory, its refs and its worktrees. Waits for those
/// that are too young to tell.
pub(crate) fn remove_abandoned(common: &Path, places: &[PathBuf]) {
    // Where the system does not tell what runs, nothing is certain.
    let Some(boot) = boot_time() else { return };
    for lock in locks_below(common) {
        while let Some(age) = age(&lock) {
            let from_before = SystemTime::now().checked_sub(age).is_some_and(|made| made < boot);
            if from_before || (age > ABANDONED && !at_work(places)) {
                tracing::warn!(lock = %lock.display(), "removed the lock of a git that died");
                let _ = std::fs::remove_file(&lock);
                break;
            }
            if at_work(places) {
                break;
            }
            std::thread::sleep(STALE / 50);
        }
    }
}

/// How long ago a lock was made, `None` when it is gone. A time in the future is one of a clock that was set back.
fn age(lock: &Path) -> Option<Duration> {
    let made = std::fs::metadata(lock).and_then(|metadata| metadata.modified()).ok()?;
    Some(made.elapsed().unwrap_or(Duration::MAX))
}

fn locks_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(|path| path.extension().is_some_and(|end| end == LOCK)).collect()
}

/// The lock files of the shared git directory, its refs and its worktrees.
fn locks_below(common: &Path) -> Vec<PathBuf> {
    let mut locks = locks_in(common);
    let mut folders = vec![common.join("refs"), common.join("worktrees")];
    while let Some(folder) = folders.pop() {
        locks.extend(locks_in(&folder));
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        folders.extend(
            entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| folders::is_real(path)),
        );
    }
    locks
}

/// When the machine was started, where the system tells.
fn boot_time() -> Option<SystemTime> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let seconds = text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_removed_once_it_is_certain_that_nobody_holds_them() {
        let folder = tempfile::tempdir().expect("it can be done here");
        let at = |path: &str| folder.path().join(path);
        std::fs::create_dir_all(at("refs/heads/feature")).expect("it can be done here");
        std::fs::create_dir_all(at("worktrees/a")).expect("it can be done here");
        let made = |path: &str, ago: Duration| {
            let file = std::fs::File::create(at(path)).expect("it can be done here");
            file.set_modified(SystemTime::now() - ago).expect("it can be done here");
        };
        let locks = ["packed-refs.lock", "refs/heads/feature/issue-1.lock", "worktrees/a/HEAD.lock"];
        for path in locks.into_iter().chain(["config", "refs/heads/main"]) {
            made(path, Duration::from_secs(100));
        }
        let mut found = locks_below(folder.path());
        found.sort();
        assert_eq!(found, locks.map(at));
        remove_abandoned(folder.path(), &[folder.path().to_owned()]);
        assert_eq!(locks_below(folder.path()), Vec::<PathBuf>::new());
        assert!(at("config").exists() && at("refs/heads/main").exists());
    }

    #[test]
    fn a_lock_stays_while_a_git_works_there() {
        let folder = tempfile::tempdir().expect("it can be done here");
        let run = |arguments: &[&str]| {
            let mut git = std::process::Command::new("git");
            git.arg("-C").arg(folder.path()).args(arguments).stdin(std::process::Stdio::piped());
            git.stdout(std::process::Stdio::null()).spawn().expect("git is there")
        };
        assert!(run(&["init", "-q", "."]).wait().expect("it ends").success());
        let lock = folder.path().join(".git/packed-refs.lock");
        let file = std::fs::File::create(&lock).expect("it can be done here");
        file.set_modified(SystemTime::now() - Duration::from_secs(100)).expect("it can be done here");
        let places = [folder.path().canonicalize().expect("it is there")];
        let mut waits = run(&["cat-file", "--batch"]);
        // It works there from the moment that it has gone there.
        let cwd = format!("/proc/{}/cwd", waits.id());
        while std::fs::read_link(&cwd).ok().as_deref() != places.first().map(PathBuf::as_path) {
            std::thread::yield_now();
        }
        remove_abandoned(&folder.path().join(".git"), &places);
        assert!(lock.exists());
        drop(waits.stdin.take());
        assert!(waits.wait().expect("it ends").success());
        remove_abandoned(&folder.path().join(".git"), &places);
        assert!(!lock.exists());
    }

    #[test]
    fn the_machine_was_started_before_now() {
        assert!(boot_time().is_none_or(|time| time < SystemTime::now()));
    }
}
