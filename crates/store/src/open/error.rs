//! Why a database could not be opened, and what people can do about it.

use std::io;
use std::path::{Path, PathBuf};

use miyabi_core::failure::{Failure, FailureClass};
use rusqlite::ErrorCode;

use crate::error::{advice, told};

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder for it could not be made.
    #[error("create folder `{}` for the database", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("open database `{}` for writing", path.display())]
    NotWritable {
        /// The file.
        path: PathBuf,
        /// Why, if SQLite said so.
        #[source]
        source: Option<rusqlite::Error>,
    },
    /// The file is something else.
    #[error("open `{}`: it is not a database", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is a database of another program.
    #[error("open database `{}`: it belongs to another program", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer miyabi wrote it.
    #[error("open database `{}`: its schema is version {found}, this miyabi knows {known}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The schema could not be brought up to date; it is as it was.
    #[error("bring database `{}` up to date", path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// The migrations of this program are wrong.
    #[error("bring database `{}` up to date", path.display())]
    Migrations {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite_migration::Error,
    },
    /// SQLite refused for another reason.
    #[error("open database `{}`", path.display())]
    Sql {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// The machine gives no thread for it.
    #[error("start a thread for database `{}`", path.display())]
    Thread {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// SQLite's refusal, by what people can do about it.
pub(super) fn sorted(path: &Path, source: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::NotADatabase { path },
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            OpenError::NotWritable { path, source: Some(source) }
        }
        _ => OpenError::Sql { path, source },
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let (class, hint) = match &error {
            OpenError::Folder { .. } | OpenError::NotWritable { .. } => {
                (FailureClass::Unavailable, "make the database file and its folder writable")
            }
            OpenError::NotADatabase { .. } | OpenError::Foreign { .. } => {
                (FailureClass::Input, "move the file away, or name another one")
            }
            OpenError::Newer { .. } => (FailureClass::Input, "use the newer miyabi that wrote it"),
            OpenError::Migrations { .. } => {
                (FailureClass::Internal, "this is a bug of miyabi; nothing was written")
            }
            OpenError::Migrate { source, .. } | OpenError::Sql { source, .. } => advice(source),
            OpenError::Thread { .. } => {
                (FailureClass::Exhausted, "end other programs, or raise the limit of threads")
            }
        };
        told(class, &error).hint(hint)
    }
}
