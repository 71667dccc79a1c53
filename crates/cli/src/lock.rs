//! One process drives a run: an OS lock on a file, which ends with the process however it ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use miyabi_core::ids::RunId;

/// Held for as long as this process drives the run.
#[derive(Debug)]
pub struct RunLock {
    path: PathBuf,
    /// The lock is the open file's.
    _file: File,
}

/// Looking at a lock takes it for a moment; whoever wants it asks this often before giving up.
const TRIES: u32 = 5;

impl RunLock {
    /// Takes the lock of a run; `None` when another process drives it.
    pub async fn take(folder: &Path, run: &RunId) -> io::Result<Option<Self>> {
        fs::create_dir_all(folder)?;
        let path = path(folder, run);
        for tries in 1..=TRIES {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
            match file.try_lock() {
                Ok(()) => return Ok(Some(Self { path, _file: file })),
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if tries < TRIES => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(TryLockError::WouldBlock) => {}
            }
        }
        Ok(None)
    }

    /// Gives the lock back and removes its file: the run has ended and nobody will drive it again.
    pub fn retire(self) {
        // A file that stays is only untidy.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes what killed processes left of the locks of runs that have ended: `live` are those that have not.
pub fn tidy(folder: &Path, live: &[RunId]) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let is_lock = path.extension().is_some_and(|end| end == "lock");
        let run = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if is_lock && !live.iter().any(|id| id.as_str() == run) {
            // A file that stays is only untidy.
            let _ = fs::remove_file(&path);
        }
    }
}

/// Whether some process drives the run now. Makes no file.
pub fn is_driven(folder: &Path, run: &RunId) -> bool {
    match File::open(path(folder, run)) {
        Ok(file) => matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)),
        Err(_) => false,
    }
}

fn path(folder: &Path, run: &RunId) -> PathBuf {
    folder.join(format!("{run}.lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_drives() {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path().join("runs");
        let (a, b) = (RunId::new("a"), RunId::new("b"));
        assert!(!is_driven(&runs, &a));
        assert!(!runs.exists());
        let lock = RunLock::take(&runs, &a).await.unwrap().unwrap();
        assert!(is_driven(&runs, &a));
        assert!(RunLock::take(&runs, &a).await.unwrap().is_none());
        assert!(RunLock::take(&runs, &b).await.unwrap().is_some());
        drop(lock);
        assert!(!is_driven(&runs, &a));
        RunLock::take(&runs, &a).await.unwrap().unwrap().retire();
        assert!(!runs.join("a.lock").exists());
        fs::write(runs.join("c.lock"), "").unwrap();
        fs::write(runs.join("last-look"), "").unwrap();
        tidy(&runs, &[b]);
        let left: Vec<_> = ["b.lock", "c.lock", "last-look"].map(|name| runs.join(name).exists()).into();
        assert_eq!(left, [true, false, true], "only what belongs to no live run goes");
    }
}
