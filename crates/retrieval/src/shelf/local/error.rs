//! What can go wrong with files of the index.
//!
//! Two kinds: the index is *damaged*, and has to be made again; or it cannot be used now, and is left as it is.

use std::io;
use std::path::{Path, PathBuf};

use miyabi_core::failure::{Failure, FailureClass};
use tantivy::TantivyError;
use tantivy::directory::error::{LockError, OpenDirectoryError, OpenReadError, OpenWriteError};

/// Too many open files, of this process and of the machine: Linux and macOS have the same numbers for it.
const TOO_MANY_FILES: [i32; 2] = [24, 23];

/// Why the local index did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LocalError {
    #[error("{doing} the knowledge index in `{}`", folder.display())]
    Index {
        doing: &'static str,
        folder: PathBuf,
        #[source]
        source: Box<TantivyError>,
    },
    #[error("{doing} `{}` of the knowledge index", path.display())]
    File {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("read an entry of the knowledge index")]
    Entry(#[from] serde_json::Error),
    /// The library gives up on what it cannot make sense of by a panic.
    #[error("read the knowledge index in `{}`: {told}", folder.display())]
    Panicked { folder: PathBuf, told: String },
    #[error("the knowledge index in `{}` speaks of {spoken} vectors, and {rows} are there", folder.display())]
    Rows { folder: PathBuf, rows: u64, spoken: u64 },
    #[error("file `{}` of the knowledge index in `{}` is not what was written", file.display(), folder.display())]
    Checksum { folder: PathBuf, file: PathBuf },
    /// It is opened again, so that nobody sees this unless it happens twice.
    #[error("the knowledge index in `{}` was removed or replaced in the meantime", folder.display())]
    Moved { folder: PathBuf },
}

impl LocalError {
    pub(super) fn index(doing: &'static str, folder: &Path, error: TantivyError) -> Self {
        Self::Index { doing, folder: folder.to_owned(), source: Box::new(error) }
    }

    pub(super) fn file(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { doing, path: path.to_owned(), source }
    }

    /// Whether what lies there is no index of this version, or not all of it: trying again does not help, making it
    /// again does.
    pub(super) fn is_damage(&self) -> bool {
        let damaged = match self {
            Self::Entry(_) | Self::Panicked { .. } | Self::Rows { .. } | Self::Checksum { .. } => true,
            Self::File { .. } | Self::Moved { .. } => false,
            Self::Index { source, .. } => matches!(
                source.as_ref(),
                TantivyError::DataCorruption(_)
                    | TantivyError::SchemaError(_)
                    | TantivyError::FieldNotFound(_)
                    | TantivyError::IncompatibleIndex(_)
                    | TantivyError::DeserializeError(_)
                    | TantivyError::OpenReadError(
                        OpenReadError::FileDoesNotExist(_) | OpenReadError::IncompatibleIndex(_)
                    )
            ),
        };
        let ends_early = |error: &io::Error| {
            matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
        };
        damaged || self.io().is_some_and(ends_early)
    }

    /// What the operating system said.
    fn io(&self) -> Option<&io::Error> {
        match self {
            Self::File { source, .. } => Some(source),
            Self::Index { source, .. } => match source.as_ref() {
                TantivyError::IoError(error)
                | TantivyError::OpenReadError(OpenReadError::IoError { io_error: error, .. })
                | TantivyError::OpenWriteError(OpenWriteError::IoError { io_error: error, .. })
                | TantivyError::OpenDirectoryError(
                    OpenDirectoryError::IoError { io_error: error, .. }
                    | OpenDirectoryError::FailedToCreateTempDir(error),
                )
                | TantivyError::LockFailure(LockError::IoError(error), _) => Some(error),
                _ => None,
            },
            _ => None,
        }
    }
}

impl From<LocalError> for Failure {
    fn from(error: LocalError) -> Self {
        let io = error.io();
        let kind = io.map(io::Error::kind);
        let (class, hint) = if error.is_damage() {
            let hint =
                "nothing is lost, it is made of the logs: `miyabi knowledge index --rebuild` makes it again";
            (FailureClass::Permanent, hint)
        } else if io.and_then(io::Error::raw_os_error).is_some_and(|code| TOO_MANY_FILES.contains(&code)) {
            let hint = "too many files are open: raise the limit (`ulimit -n`); the index is left as it is";
            (FailureClass::Exhausted, hint)
        } else {
            match kind {
                Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                    (FailureClass::Exhausted, "make room there; what is missing is taken in later")
                }
                Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => (
                    FailureClass::Permanent,
                    "`knowledge.folder` says where it is; you must be allowed to read and write there",
                ),
                Some(
                    io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory | io::ErrorKind::AlreadyExists,
                ) => (
                    FailureClass::Permanent,
                    "`knowledge.folder` says where it is; something else lies there: move it away, or name another folder",
                ),
                _ => (
                    FailureClass::Permanent,
                    "it is left as it is: look at the disk and try again; what is missing is taken in later",
                ),
            }
        };
        Self::caused(class, &error).hint(hint)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn opening(io_error: io::Error) -> LocalError {
        let filepath = PathBuf::from("meta.json");
        let error = OpenReadError::IoError { io_error: Arc::new(io_error), filepath };
        LocalError::index("open", Path::new("/k"), error.into())
    }

    #[test]
    fn what_may_pass_is_no_damage() {
        for (code, hint) in [
            (24, "ulimit -n"),
            (23, "ulimit -n"),
            (28, "make room"),
            (13, "allowed to read and write"),
            (30, "allowed to read and write"),
            (20, "move it away"),
            (5, "look at the disk"),
        ] {
            for error in [
                opening(io::Error::from_raw_os_error(code)),
                LocalError::file("lock", Path::new("/k/writer.lock"), io::Error::from_raw_os_error(code)),
                LocalError::index("write", Path::new("/k"), io::Error::from_raw_os_error(code).into()),
            ] {
                assert!(!error.is_damage(), "{error:?}");
                let failure = Failure::from(error);
                assert!(failure.message.contains("/k"), "{failure:?}");
                assert!(failure.hint.as_ref().unwrap().contains(hint), "{code}: {failure:?}");
            }
        }
    }

    #[test]
    fn what_makes_no_sense_is_damage() {
        let corrupted = tantivy::error::DataCorruption::comment_only("no JSON");
        let gone = OpenReadError::FileDoesNotExist(PathBuf::from("a.store"));
        for error in [
            opening(io::Error::new(io::ErrorKind::InvalidData, "magic")),
            opening(io::ErrorKind::UnexpectedEof.into()),
            LocalError::index("open", Path::new("/k"), corrupted.into()),
            LocalError::index("open", Path::new("/k"), gone.into()),
            LocalError::index("open", Path::new("/k"), TantivyError::SchemaError("another".to_owned())),
        ] {
            assert!(error.is_damage(), "{error:?}");
            let failure = Failure::from(error);
            assert!(failure.hint.as_ref().unwrap().contains("index --rebuild"), "{failure:?}");
        }
    }
}
