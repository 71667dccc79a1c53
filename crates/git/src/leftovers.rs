//! What earlier processes may have left behind: gits that still run although their miyabi is dead, and lock files of
//! gits that are dead themselves.
//!
//! A git that is killed leaves its lock files, and git has no way to tell whose they are. So each is only removed where
//! it is certain that nobody holds it: in a worktree that we hold, or from before the machine was started.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::error::GitError;
use crate::folders;
use crate::pool::blocking;
use crate::registry::Checkout;
use crate::repository::Repository;
use crate::runner::{GRACE, OWNER};

/// How long a git whose miyabi is dead may go on; most need milliseconds, a push may need seconds.
const PATIENCE: Duration = Duration::from_secs(20);
/// Nobody but us works in a worktree that we hold, and our own calls are shorter than this.
const STALE: Duration = Duration::from_secs(5);
const LOCK: &str = "lock";

impl Repository {
    /// Once in a process, before anything is decided by what the repository looks like: waits for the gits of dead
    /// processes, and removes the lock files that a power cut left.
    pub(crate) async fn settle(&self) -> Result<(), GitError> {
        self.settled.get_or_try_init(|| self.settle_now()).await.copied()
    }

    async fn settle_now(&self) -> Result<(), GitError> {
        let places = [self.root.clone(), self.common.clone()];
        let common = self.common.clone();
        blocking(move || {
            end_all(&orphans(&places));
            let Some(boot) = boot_time() else { return };
            for lock in locks_from_before(boot, &common) {
                tracing::warn!(lock = %lock.display(), "removed a lock from before the machine was started");
                let _ = std::fs::remove_file(lock);
            }
        })
        .await
    }

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

fn locks_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(|path| path.extension().is_some_and(|end| end == LOCK)).collect()
}

/// Lock files of the shared git directory, its refs and its worktrees that are older than that.
fn locks_from_before(boot: SystemTime, common: &Path) -> Vec<PathBuf> {
    let mut locks = locks_in(common);
    let mut folders = vec![common.join("refs"), common.join("worktrees")];
    while let Some(folder) = folders.pop() {
        locks.extend(locks_in(&folder));
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        folders.extend(
            entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| folders::is_real(path)),
        );
    }
    let is_old = |path: &PathBuf| {
        let time = std::fs::metadata(path).and_then(|metadata| metadata.modified());
        time.is_ok_and(|time| time < boot)
    };
    locks.retain(is_old);
    locks
}

/// When the machine was started, where the system tells.
fn boot_time() -> Option<SystemTime> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let seconds = text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
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
    fn locks_are_found_by_their_age() {
        let folder = tempfile::tempdir().expect("it can be done here");
        let at = |path: &str| folder.path().join(path);
        std::fs::create_dir_all(at("refs/heads/feature")).expect("it can be done here");
        std::fs::create_dir_all(at("worktrees/a")).expect("it can be done here");
        let boot = SystemTime::now() - Duration::from_secs(100);
        let old = ["packed-refs.lock", "refs/heads/feature/issue-1.lock", "worktrees/a/HEAD.lock"];
        for path in old.into_iter().chain(["config", "refs/heads/main"]) {
            let file = std::fs::File::create(at(path)).expect("it can be done here");
            file.set_modified(boot - Duration::from_secs(1)).expect("it can be done here");
        }
        std::fs::write(at("config.lock"), "").expect("it can be done here");
        let mut found = locks_from_before(boot, folder.path());
        found.sort();
        assert_eq!(found, old.map(at));
    }

    #[test]
    fn nothing_that_has_ended_is_waited_for() {
        let gone = Pid::from_raw(i32::MAX).expect("a number");
        end_all(&[gone]);
        assert!(!ended(rustix::process::getpid(), Duration::ZERO), "we are there");
        assert!(boot_time().is_none_or(|time| time < SystemTime::now()));
    }
}
