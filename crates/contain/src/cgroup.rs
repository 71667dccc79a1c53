//! Limits of memory, processes and processor time for a whole program with all that it starts, where the kernel lets us
//! set them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::boxes::Limits;

const ROOT: &str = "/sys/fs/cgroup";
/// Of how many microseconds a share of processor time is given.
const PERIOD_US: u64 = 100_000;
/// A group can be removed when the kernel has let go of its last process.
const TRIES: u32 = 40;

/// Control groups of one program; removed when dropped.
#[derive(Debug)]
pub(crate) struct Cgroup {
    folders: Vec<PathBuf>,
}

impl Cgroup {
    /// Groups with these limits, as far as they can be had: none where we may make none.
    pub(crate) fn new(limits: &Limits) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("miyabi-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mut made = Self { folders: Vec::new() };
        for place in places(&own, Path::new(ROOT)) {
            let folder = place.folder.join(&name);
            match make(&folder, &place.settings(limits)) {
                Ok(true) => made.folders.push(folder),
                Ok(false) => {}
                Err(error) => {
                    tracing::debug!(%error, "no control group in `{}`", place.folder.display());
                    let _ = fs::remove_dir(&folder);
                }
            }
        }
        made
    }

    /// Where a program has to enter.
    pub(crate) fn folders(&self) -> &[PathBuf] {
        &self.folders
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for folder in &self.folders {
            for _ in 0..TRIES {
                end_all(folder);
                match fs::remove_dir(folder) {
                    Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    _ => break,
                }
            }
        }
    }
}

/// Kills who is still in a group: nobody leaves one by hiding.
fn end_all(folder: &Path) {
    let left = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    for pid in left.lines().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)) {
        let _gone_already = kill_process(pid, Signal::KILL);
    }
}

fn make(folder: &Path, settings: &[(&str, String)]) -> io::Result<bool> {
    if settings.is_empty() {
        return Ok(false);
    }
    fs::create_dir(folder)?;
    for (file, value) in settings {
        fs::write(folder.join(file), value)?;
    }
    Ok(true)
}

/// A folder in which groups can be made, and what can be limited there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    folder: PathBuf,
    /// Version 2: one tree for everything.
    unified: bool,
    controllers: Vec<String>,
}

impl Place {
    fn settings(&self, limits: &Limits) -> Vec<(&'static str, String)> {
        let has = |name: &str| self.controllers.iter().any(|controller| controller == name);
        let mut settings = Vec::new();
        if has("memory") && limits.memory_mb > 0 {
            let bytes = limits.memory_mb.saturating_mul(1024 * 1024).to_string();
            settings.push((if self.unified { "memory.max" } else { "memory.limit_in_bytes" }, bytes));
        }
        if has("pids") && limits.processes > 0 {
            settings.push(("pids.max", limits.processes.to_string()));
        }
        if has("cpu") && limits.cpu_percent > 0 {
            let quota = u64::from(limits.cpu_percent) * PERIOD_US / 100;
            settings.push(match self.unified {
                true => ("cpu.max", format!("{quota} {PERIOD_US}")),
                false => ("cpu.cfs_quota_us", quota.to_string()),
            });
        }
        settings
    }
}

/// Where groups may be made, of what `/proc/self/cgroup` says.
fn places(own: &str, root: &Path) -> Vec<Place> {
    let mut places = Vec::new();
    for line in own.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let path = path.trim_start_matches('/');
        if controllers.is_empty() {
            places.extend(unified(&root.join(path)));
            continue;
        }
        let wanted: Vec<String> = controllers.split(',').map(str::to_owned).collect();
        let folder = root.join(controllers).join(path);
        if ["memory", "pids", "cpu"].iter().any(|name| wanted.iter().any(|wanted| wanted == name))
            && folder.is_dir()
        {
            places.push(Place { folder, unified: false, controllers: wanted });
        }
    }
    places
}

/// A group with processes can hand nothing on to groups below it, so ours stand beside the one that we are in.
fn unified(own: &Path) -> Option<Place> {
    let beside = own.parent().filter(|folder| folder.join("cgroup.subtree_control").exists());
    let folder = beside.unwrap_or(own);
    let handed = fs::read_to_string(folder.join("cgroup.subtree_control")).ok()?;
    let controllers: Vec<String> = handed.split_whitespace().map(str::to_owned).collect();
    (!controllers.is_empty()).then(|| Place { folder: folder.to_owned(), unified: true, controllers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_found_and_limited() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["pids/a", "memory/a/b", "user.slice/one.scope"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        fs::write(root.path().join("user.slice/cgroup.subtree_control"), "cpu memory pids\n").unwrap();
        let limits = Limits { memory_mb: 2, processes: 7, cpu_percent: 150, file_mb: 0 };
        let of = |own: &str| {
            let places = places(own, root.path());
            let of = |place: &Place| {
                let folder = place.folder.strip_prefix(root.path()).unwrap().display().to_string();
                (folder, place.settings(&limits))
            };
            places.iter().map(of).collect::<Vec<_>>()
        };
        let old = [
            ("memory/a/b".to_owned(), vec![("memory.limit_in_bytes", "2097152".to_owned())]),
            ("pids/a".to_owned(), vec![("pids.max", "7".to_owned())]),
        ];
        assert_eq!(of("9:name=systemd:/\n4:memory:/a/b\n8:pids:/a\n3:cpuset:/\n0::/\n"), old);
        let new = vec![
            ("memory.max", "2097152".to_owned()),
            ("pids.max", "7".to_owned()),
            ("cpu.max", "150000 100000".to_owned()),
        ];
        assert_eq!(of("0::/user.slice/one.scope\n"), [("user.slice".to_owned(), new)]);
    }
}
