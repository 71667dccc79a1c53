//! Slots: build folders that checkouts use one after the other.
//!
//! A build folder holds the compiled third-party packages, which are worth keeping. Cargo names what it compiles by
//! the path *relative* to the workspace and trusts times of files, so a second checkout of the same project in the
//! same folder is taken for the first one: measured, its tests "pass" with the other one's code. Hence one checkout at a
//! time, and everything of the checkout itself is removed before another one comes.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::QualityError;

/// More checkouts than this at once are refused a slot.
const MOST: u32 = 256;
/// The file in a slot that is locked while the slot is used, by this process or another one.
const LOCK: &str = ".miyabi-lock";
/// The file in a slot that names the checkout which was built there last.
const LAST: &str = ".miyabi-root";

/// A build folder, ours until it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    folder: PathBuf,
    _lock: File,
}

impl Slot {
    /// A free slot under `beside`: the one that this checkout used last, or else any, or else a new one.
    pub(crate) fn take(beside: &Path, root: &Path) -> Result<Self, QualityError> {
        let broken = |source| QualityError::BuildDir { path: beside.to_owned(), source };
        fs::create_dir_all(beside).map_err(broken)?;
        // The tools run elsewhere, so the path must not depend on the current folder.
        let beside = beside.canonicalize().map_err(broken)?;
        let mut known: Vec<PathBuf> = (0..MOST).map(|number| beside.join(format!("slot-{number}"))).collect();
        known.sort_by_key(|folder| (!last_was(folder, root), !folder.is_dir()));
        for folder in known {
            if let Some(lock) = try_lock(&folder).map_err(broken)? {
                return Ok(Self { folder, _lock: lock });
            }
        }
        Err(broken(io::Error::new(io::ErrorKind::ResourceBusy, "every slot is in use")))
    }

    /// What to set `CARGO_TARGET_DIR` to.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether what is in it may be of another checkout than this one.
    pub(crate) fn is_foreign(&self, root: &Path) -> bool {
        !last_was(&self.folder, root)
    }

    /// Whether nothing was ever built in it.
    pub(crate) fn is_empty(&self) -> bool {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.filter(|entry| entry.file_name() != LOCK && entry.file_name() != LAST).count() == 0
    }

    /// Says that nothing of any checkout is known to be in it; to be called before it is cleaned.
    pub(crate) fn forget(&self) -> Result<(), QualityError> {
        match fs::remove_file(self.folder.join(LAST)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(self.broken(source)),
            _ => Ok(()),
        }
    }

    /// Says that only this checkout is in it.
    pub(crate) fn remember(&self, root: &Path) -> Result<(), QualityError> {
        fs::write(self.folder.join(LAST), root.as_os_str().as_encoded_bytes())
            .map_err(|source| self.broken(source))
    }

    /// Removes all that was built in it, third-party packages included.
    pub(crate) fn empty(&self) -> Result<(), QualityError> {
        let entries = fs::read_dir(&self.folder).map_err(|source| self.broken(source))?;
        for entry in entries.flatten() {
            let path = entry.path();
            let removed = match entry.file_type() {
                Ok(kind) if kind.is_dir() => fs::remove_dir_all(&path),
                _ if entry.file_name() == LOCK => Ok(()),
                _ => fs::remove_file(&path),
            };
            removed.map_err(|source| self.broken(source))?;
        }
        Ok(())
    }

    fn broken(&self, source: io::Error) -> QualityError {
        QualityError::BuildDir { path: self.folder.clone(), source }
    }
}

fn last_was(folder: &Path, root: &Path) -> bool {
    fs::read(folder.join(LAST)).is_ok_and(|last| last == root.as_os_str().as_encoded_bytes())
}

fn try_lock(folder: &Path) -> io::Result<Option<File>> {
    fs::create_dir_all(folder)?;
    let lock = File::options().create(true).append(true).open(folder.join(LOCK))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_used_by_one_and_prefers_its_last_checkout() {
        let beside = tempfile::tempdir().expect("works");
        let path = beside.path().canonicalize().expect("works");
        let (one, other) = (Path::new("/w/一"), Path::new("/w/二"));
        let take = |root| Slot::take(beside.path(), root).expect("works");
        let first = take(one);
        let second = take(other);
        assert_eq!((first.folder(), second.folder()), (&*path.join("slot-0"), &*path.join("slot-1")));
        assert_eq!((first.is_foreign(one), first.is_empty()), (true, true));
        first.remember(one).expect("works");
        second.remember(other).expect("works");
        drop((first, second));
        let again = take(other);
        assert_eq!(again.folder(), path.join("slot-1"));
        assert!(!again.is_foreign(other));
        let third = take(Path::new("/w/三"));
        assert_eq!(third.folder(), path.join("slot-0"));
        assert!(third.is_foreign(Path::new("/w/三")));
    }

    #[test]
    fn emptying_leaves_the_lock() {
        let beside = tempfile::tempdir().expect("works");
        let slot = Slot::take(beside.path(), Path::new("/w")).expect("works");
        fs::create_dir_all(slot.folder().join("debug/deps")).expect("works");
        fs::write(slot.folder().join("debug/deps/x"), "x").expect("works");
        slot.remember(Path::new("/w")).expect("works");
        assert!(!slot.is_empty());
        slot.empty().expect("works");
        assert!(slot.is_empty() && slot.is_foreign(Path::new("/w")) && slot.folder().join(LOCK).exists());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let beside = tempfile::tempdir().expect("works");
        let file = beside.path().join("file");
        fs::write(&file, "").expect("works");
        let error = Slot::take(&file.join("build"), Path::new("/w")).expect_err("is refused");
        assert_eq!(error.to_string(), format!("prepare build folder `{}`", file.join("build").display()));
    }
}
