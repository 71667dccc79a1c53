//! What this machine has left for more work.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use miyabi_core::ports::Machine;

use crate::settings::Settings;

const MB: u64 = 1_000_000;

/// The disk under a repository, the memory of this machine, and how many worktrees there are.
#[derive(Clone, Debug)]
pub struct ThisMachine {
    root: PathBuf,
    worktrees: PathBuf,
    disk: u64,
    memory: u64,
    quota: usize,
}

impl ThisMachine {
    /// Looks at what the settings ask for.
    pub fn new(root: &Path, worktrees: &Path, settings: &Settings) -> Self {
        Self {
            root: root.to_owned(),
            worktrees: worktrees.to_owned(),
            disk: u64::from(settings.run.min_free_disk_mb) * MB,
            memory: u64::from(settings.run.min_free_memory_mb) * MB,
            quota: settings.worktree.quota as usize,
        }
    }

    fn look(&self) -> Option<String> {
        let free =
            rustix::fs::statvfs(&self.root).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        let short = |what: &str, free: Option<u64>, wanted: u64, key: &str| {
            let free = free.filter(|free| *free < wanted)?;
            let (free, wanted) = (free / MB, wanted / MB);
            Some(format!(
                "only {free} MB of {what} are free; `{key}` asks for {wanted} before more work begins"
            ))
        };
        short("disk", free, self.disk, "run.min_free_disk_mb")
            .or_else(|| short("memory", free_memory(), self.memory, "run.min_free_memory_mb"))
            .or_else(|| self.crowd())
    }

    fn crowd(&self) -> Option<String> {
        let is_worktree = |entry: &std::fs::DirEntry| !entry.file_name().to_string_lossy().starts_with('.');
        let entries = std::fs::read_dir(&self.worktrees).ok()?;
        let count = entries.filter_map(Result::ok).filter(is_worktree).count();
        (self.quota > 0 && count >= self.quota).then(|| {
            format!(
                "{count} worktrees are there, and `worktree.quota` allows {}; `miyabi worktree list` shows them",
                self.quota
            )
        })
    }
}

#[async_trait]
impl Machine for ThisMachine {
    async fn shortage(&self) -> Option<String> {
        let machine = self.clone();
        tokio::task::spawn_blocking(move || machine.look()).await.ok().flatten()
    }
}

/// What programs can still get without others being written out, where the system tells.
fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1024)
}
