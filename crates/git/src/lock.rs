//! Locks that hold between tasks of this process and between processes.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

use crate::error::GitError;

type Turn = Arc<tokio::sync::Mutex<()>>;

/// Named locks: one file each in a folder of the git directory, and a queue of our own in front of it.
#[derive(Debug)]
pub(crate) struct Locks {
    folder: PathBuf,
    queues: Mutex<HashMap<String, Turn>>,
}

/// A lock that is held until this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    file: Option<(File, PathBuf)>,
    _turn: OwnedMutexGuard<()>,
}

impl Locks {
    /// Locks with their files in that folder, which is made when the first one is taken.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, queues: Mutex::default() }
    }

    /// Waits for the lock of that name among tasks and processes. The name is a safe file name.
    pub(crate) async fn hold(&self, name: &str) -> Result<Held, GitError> {
        let turn = self.turn(name).lock_owned().await;
        let path = self.folder.join(format!("{name}.lock"));
        let file = loop {
            let file = self.lock_file(&path).await?;
            if is_at(&file, &path) {
                break file;
            }
            // Its last holder took the file away while we waited for it.
        };
        Ok(Held { file: Some((file, path)), _turn: turn })
    }

    /// Waits for the lock of that name among the tasks of this process only.
    pub(crate) async fn hold_here(&self, name: &str) -> Held {
        Held { file: None, _turn: self.turn(name).lock_owned().await }
    }

    async fn lock_file(&self, path: &Path) -> Result<File, GitError> {
        let file = self.open(path).map_err(|source| GitError::io("open the lock", path, source))?;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(GitError::io("lock", path, source)),
        }
        let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await;
        locked
            .map_err(|source| GitError::BrokeOff { source })?
            .map_err(|source| GitError::io("lock", path, source))
    }

    fn open(&self, path: &Path) -> std::io::Result<File> {
        let open = || OpenOptions::new().create(true).append(true).open(path);
        open().or_else(|error| {
            if error.kind() != std::io::ErrorKind::NotFound {
                return Err(error);
            }
            std::fs::create_dir_all(&self.folder)?;
            open()
        })
    }

    fn turn(&self, name: &str) -> Turn {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        // Queues that nobody stands in are forgotten, so that the map does not grow with every task ever seen.
        if queues.len() > 256 {
            queues.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        Arc::clone(queues.entry(name.to_owned()).or_default())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some((_file, path)) = &self.file {
            // Taken away while it is still locked, so that lock files do not pile up. Whoever waits for it finds
            // that its file is no longer there, and opens a new one.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(held), Ok(there)) => held.ino() == there.ino() && held.dev() == there.dev(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn one_holder_at_a_time_even_between_separate_sets_of_locks() {
        let folder = tempfile::tempdir().expect("it can be done here");
        let inside = Arc::new(AtomicU32::new(0));
        let rounds = Arc::new(AtomicU32::new(0));
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                // Separate sets stand for separate processes: they share the files only.
                let locks = Locks::new(folder.path().join("locks"));
                let (inside, rounds) = (Arc::clone(&inside), Arc::clone(&rounds));
                tokio::spawn(async move {
                    for _ in 0..50 {
                        let _held = locks.hold("x").await.expect("it can be done here");
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        tokio::task::yield_now().await;
                        inside.fetch_sub(1, Ordering::SeqCst);
                        rounds.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("it can be done here");
        }
        assert_eq!(rounds.load(Ordering::SeqCst), 200);
        assert_eq!(std::fs::read_dir(folder.path().join("locks")).expect("it can be done here").count(), 0);
    }
}
