//! What can go wrong with an open database, and what people can do about it.

use std::sync::Arc;

use miyabi_core::delivery::DeliveryKey;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::RunId;
use miyabi_core::ports::StoreError;
use rusqlite::ErrorCode;

/// Why something was not read or written. Never holds a body of what was to be stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// SQLite refused.
    #[error("{doing}")]
    Sql {
        doing: &'static str,
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// Someone else appended first.
    #[error("append to run `{run}` at {expected}: the log is at {actual}")]
    Behind { run: RunId, expected: u64, actual: u64 },
    /// There is no such run.
    #[error("find run `{0}`")]
    NoRun(RunId),
    /// The id belongs to a run that ended.
    #[error("begin run `{0}`: a run of that id exists")]
    RunExists(RunId),
    /// Events of several runs, or with numbers that do not follow each other.
    #[error("append to run `{run}`: event {index} is not number {expected} of this run")]
    OutOfOrder { run: RunId, index: usize, expected: u64 },
    /// The event would not come back as it is.
    #[error("append `{event}`: it cannot be read back as it is written")]
    NotReadable {
        event: &'static str,
        #[source]
        source: Option<serde_json::Error>,
    },
    /// Issues and changes are numbered from 1.
    #[error("file issue {0}: not a possible number")]
    BadNumber(u64),
    /// The number is taken.
    #[error("file issue #{0}: the number is taken")]
    NumberTaken(u64),
    /// Neither issue nor change.
    #[error("find issue or change #{0}: there is none")]
    NoItem(u64),
    /// No such change.
    #[error("find change #{0}: there is none")]
    NoChange(u64),
    /// Two open changes cannot share a head.
    #[error("open change #{number}: branch `{head}` has another open change")]
    HeadTaken { number: u64, head: String },
    /// Never received, or forgotten.
    #[error("find delivery `{0}`: there is none")]
    NoDelivery(DeliveryKey),
    /// A repeated delivery is not stored: the first one keeps its verdict.
    #[error("keep a delivery as a duplicate: only the first one is kept")]
    DuplicateStored,
    /// The thread that does the work is gone.
    #[error("use the database: its thread has ended")]
    Closed,
}

/// Names what was being done when SQLite refused.
pub(crate) trait Doing<T> {
    /// `doing` reads after "failed to".
    fn doing(self, doing: &'static str) -> Result<T, Error>;
}

impl<T> Doing<T> for rusqlite::Result<T> {
    fn doing(self, doing: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::Sql { doing, source: Arc::new(source) })
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        match error {
            Error::Behind { run, expected, actual } => Self::Behind { run, expected, actual },
            Error::NoRun(run) => Self::NoRun(run),
            other => Self::Broken(other.into()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (class, hint) = match &error {
            Error::Sql { source, .. } => advice(source),
            Error::Behind { .. } => (FailureClass::Transient, "read the run again and decide again"),
            Error::NoRun(_) => (FailureClass::Input, "`miyabi status` lists the runs"),
            Error::BadNumber(_) => (FailureClass::Input, "issues are numbered from 1"),
            Error::NumberTaken(_) => (FailureClass::Input, "leave the number out to get the next free one"),
            Error::NoItem(_) => (FailureClass::Input, "`miyabi issue list --all` lists the issues"),
            Error::NoChange(_) => (FailureClass::Input, "`miyabi change list` lists the changes"),
            Error::HeadTaken { .. } => (FailureClass::Input, "close the other change of that branch first"),
            Error::NoDelivery(_) => (FailureClass::Input, "it was never received here, or it is forgotten"),
            Error::RunExists(_)
            | Error::OutOfOrder { .. }
            | Error::NotReadable { .. }
            | Error::DuplicateStored
            | Error::Closed => (FailureClass::Internal, "this is a bug of miyabi; nothing was written"),
        };
        told(class, &error).hint(hint)
    }
}

/// The failure of an error and its cause. SQLite's errors repeat themselves in causes of their own, which are left
/// out.
pub(crate) fn told(class: FailureClass, error: &dyn std::error::Error) -> Failure {
    match error.source() {
        Some(cause) => Failure::new(class, format!("{error}: {cause}")),
        None => Failure::new(class, error.to_string()),
    }
}

/// What kind of trouble an answer of SQLite is, and what helps.
pub(crate) fn advice(error: &rusqlite::Error) -> (FailureClass, &'static str) {
    use rusqlite::Error as Sqlite;
    match error {
        Sqlite::ToSqlConversionFailure(_) => (FailureClass::Input, "a number is larger than can be kept"),
        Sqlite::FromSqlConversionFailure(..)
        | Sqlite::InvalidColumnType(..)
        | Sqlite::IntegralValueOutOfRange(..)
        | Sqlite::Utf8Error(..) => (
            FailureClass::Permanent,
            "the database holds what this miyabi cannot read; use the version that wrote it",
        ),
        other => match other.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                (FailureClass::Transient, "another program holds the database; try again when it is done")
            }
            Some(ErrorCode::DiskFull) => (FailureClass::Exhausted, "make room on the disk of the database"),
            Some(ErrorCode::OutOfMemory | ErrorCode::TooBig) => {
                (FailureClass::Exhausted, "it is larger than this machine can keep")
            }
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                (FailureClass::Unavailable, "make the database file and its folder writable")
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                (FailureClass::Permanent, "the database file is damaged; restore it from a backup")
            }
            Some(ErrorCode::SystemIoFailure | ErrorCode::FileLockingProtocolFailed) => {
                (FailureClass::Unavailable, "see whether the disk of the database is full or broken")
            }
            _ => (FailureClass::Internal, "this is a bug of miyabi; nothing was written"),
        },
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn trouble_is_told_apart() {
        let cases = [
            (ffi::SQLITE_BUSY, FailureClass::Transient),
            (ffi::SQLITE_BUSY_SNAPSHOT, FailureClass::Transient),
            (ffi::SQLITE_FULL, FailureClass::Exhausted),
            (ffi::SQLITE_TOOBIG, FailureClass::Exhausted),
            (ffi::SQLITE_READONLY, FailureClass::Unavailable),
            (ffi::SQLITE_IOERR_FSYNC, FailureClass::Unavailable),
            (ffi::SQLITE_CORRUPT, FailureClass::Permanent),
            (ffi::SQLITE_NOTADB, FailureClass::Permanent),
            (ffi::SQLITE_ERROR, FailureClass::Internal),
        ];
        for (code, class) in cases {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            assert_eq!(advice(&error).0, class, "{code}");
        }
    }

    #[test]
    fn a_failure_names_the_act_its_cause_and_the_way_out() {
        let full = rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), None);
        let failure = Failure::from(Err::<(), _>(full).doing("append to the log").expect_err("it failed"));
        let expected = Failure::new(
            FailureClass::Exhausted,
            "append to the log: Error code 13: database or disk is full",
        );
        assert_eq!(failure, expected.hint("make room on the disk of the database"));
    }
}
