//! Leaving `Cargo.lock` as it was: cargo writes it whenever it does not fit the manifests.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::read::open;

/// What the lock file was before cargo ran; it is put back when this is dropped.
pub(crate) struct Lock {
    path: PathBuf,
    before: Option<Vec<u8>>,
    done: bool,
}

/// What cargo had done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Became {
    /// Nothing.
    Unchanged,
    /// There was none; it is gone again.
    Created,
    /// It was another one; it is back.
    Changed,
    /// It could not be put back.
    Stuck,
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes).map(|_| bytes)
}

impl Lock {
    /// Takes note of the lock file of this checkout.
    pub(crate) fn remember(root: &Path) -> Self {
        let path = root.join("Cargo.lock");
        match read(&path) {
            Ok(before) => Self { path, before: Some(before), done: false },
            Err(error) => Self { path, before: None, done: error.kind() != io::ErrorKind::NotFound },
        }
    }

    /// Puts it back.
    pub(crate) fn restore(mut self) -> Became {
        self.put_back()
    }

    fn put_back(&mut self) -> Became {
        if std::mem::replace(&mut self.done, true) {
            return Became::Unchanged;
        }
        let (became, result) = match (&self.before, read(&self.path)) {
            (Some(before), Ok(now)) if *before == now => return Became::Unchanged,
            (None, Err(error)) if error.kind() == io::ErrorKind::NotFound => return Became::Unchanged,
            (Some(before), _) => (Became::Changed, fs::write(&self.path, before)),
            (None, _) => (Became::Created, fs::remove_file(&self.path)),
        };
        if result.is_ok() { became } else { Became::Stuck }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.put_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_file_is_put_back() {
        let folder = tempfile::tempdir().expect("works");
        let path = folder.path().join("Cargo.lock");
        let remember = || Lock::remember(folder.path());

        let lock = remember();
        assert_eq!(lock.restore(), Became::Unchanged);

        let lock = remember();
        fs::write(&path, "new").expect("works");
        assert_eq!((lock.restore(), path.exists()), (Became::Created, false));

        fs::write(&path, "old").expect("works");
        let lock = remember();
        assert_eq!(lock.restore(), Became::Unchanged);
        let lock = remember();
        fs::write(&path, "new").expect("works");
        assert_eq!((lock.restore(), fs::read(&path).expect("works")), (Became::Changed, b"old".to_vec()));

        let lock = remember();
        fs::remove_file(&path).expect("works");
        drop(lock);
        assert_eq!(fs::read(&path).expect("works"), b"old");
    }
}
