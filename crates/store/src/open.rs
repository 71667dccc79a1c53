//! Opening a database: the file, its settings, its schema. What the tables mean lives elsewhere.

use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use miyabi_core::failure::{Failure, FailureClass};
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, TransactionBehavior};
use rusqlite_migration::{M, Migrations};

use crate::error::advice;

/// How long one program waits for another one's write, in milliseconds.
const PATIENCE_MS: i32 = 30_000;
/// Says "miyabi's" in the header of a database file; set by the first migration.
const APPLICATION_ID: i64 = 0x6d69_7961;
/// More than the number of different statements that are ever prepared.
const STATEMENTS: usize = 64;

/// Forward only; one that was merged is never edited.
const MIGRATIONS: &[M<'static>] = &[M::up(include_str!("../migrations/20261121000000_log_and_facts.sql"))];

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

/// A connection for writing to the database at `path`, which is made if it is not there, with today's schema.
pub(crate) fn to_write(path: &Path) -> Result<Connection, OpenError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|source| OpenError::Folder { path: folder.to_owned(), source })?;
    }
    // Without SQLITE_OPEN_URI: a path is a path, whatever it begins with.
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(|error| sorted(path, error))?;
    prepare(path, &mut connection)?;
    Ok(connection)
}

/// A database that lives as long as its one connection.
pub(crate) fn in_memory() -> Result<Connection, OpenError> {
    let path = Path::new(":memory:");
    let mut connection = Connection::open_in_memory().map_err(|error| sorted(path, error))?;
    prepare(path, &mut connection)?;
    Ok(connection)
}

/// A connection for reading beside the writer; the database was opened for writing before.
pub(crate) fn to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_handler(Some(wait))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

fn prepare(path: &Path, connection: &mut Connection) -> Result<(), OpenError> {
    let doing = |error| sorted(path, error);
    connection.busy_handler(Some(wait)).map_err(doing)?;
    check_owner(path, connection)?;
    if connection.is_readonly(MAIN_DB).map_err(doing)? {
        return Err(OpenError::NotWritable { path: path.to_owned(), source: None });
    }
    settings(connection).map_err(doing)?;
    migrate(path, connection, &Migrations::from_slice(MIGRATIONS))
}

fn settings(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_transaction_behavior(TransactionBehavior::Immediate);
    let log = || connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0));
    let journal: String = patiently(log)?;
    if journal == "delete" {
        tracing::warn!("the database's folder cannot hold a write-ahead log: reading waits for writing");
    }
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)
}

/// Refuses files of other programs and of newer versions before anything is written to them.
fn check_owner(path: &Path, connection: &mut Connection) -> Result<(), OpenError> {
    let (owner, found, objects) = header(connection).map_err(|error| sorted(path, error))?;
    let known = i64::try_from(MIGRATIONS.len()).expect("the migrations are few");
    let fresh = owner == 0 && found == 0 && objects == 0;
    if owner != APPLICATION_ID && !fresh {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    Ok(())
}

/// Whose it is, its schema's version and how many tables and indexes it has, all of one moment.
fn header(connection: &mut Connection) -> rusqlite::Result<(i64, i64, i64)> {
    let moment = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
    let objects = moment.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let owner = moment.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version = moment.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok((owner, version, objects))
}

/// Two programs may do this at once: who comes second finds the version moved, and looks again.
fn migrate(path: &Path, connection: &mut Connection, migrations: &Migrations<'_>) -> Result<(), OpenError> {
    loop {
        let before = version(connection).map_err(|error| sorted(path, error))?;
        match migrations.to_latest(connection) {
            Ok(()) => return Ok(()),
            Err(source) => {
                let after = version(connection).map_err(|error| sorted(path, error))?;
                if after == before {
                    return Err(OpenError::Migrate { path: path.to_owned(), source });
                }
            }
        }
    }
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// SQLite asks this while another program writes. Its own handler sleeps up to 100 ms at a time: four busy writers
/// took twice as long with it.
fn wait(tries: i32) -> bool {
    thread::sleep(Duration::from_millis(1));
    tries < PATIENCE_MS
}

/// Repeats what SQLite does not call its busy handler for.
fn patiently<T>(mut attempt: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let mut tries = 0;
    loop {
        match attempt() {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && wait(tries) => {
                tries += 1
            }
            other => return other,
        }
    }
}

fn sorted(path: &Path, source: rusqlite::Error) -> OpenError {
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
            OpenError::Migrate { source, .. } => match source {
                rusqlite_migration::Error::RusqliteError { err, .. } => advice(err),
                _ => (FailureClass::Internal, "this is a bug of miyabi; nothing was written"),
            },
            OpenError::Sql { source, .. } => advice(source),
            OpenError::Thread { .. } => {
                (FailureClass::Exhausted, "end other programs, or raise the limit of threads")
            }
        };
        Self::caused(class, &error).hint(hint)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_commit_waits_for_the_disk_and_readers_do_not_wait_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let connection = to_write(&folder.path().join("miyabi.db")).unwrap();
        let setting =
            |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        let journal = connection.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0));
        assert_eq!(journal.as_deref(), Ok("wal"));
        let full = 2;
        assert_eq!((setting("synchronous"), setting("foreign_keys")), (full, 1));
    }

    /// Today's migrations and a later one.
    fn and_then(sql: &str) -> Migrations<'_> {
        Migrations::new(MIGRATIONS.iter().cloned().chain([M::up(sql)]).collect())
    }

    #[test]
    fn every_migration_applies_to_a_fresh_database() {
        assert_eq!(Migrations::from_slice(MIGRATIONS).validate(), Ok(()));
    }

    #[test]
    fn a_database_of_the_first_version_is_kept_and_brought_up_to_date() {
        let mut connection = Connection::open_in_memory().unwrap();
        Migrations::from_slice(MIGRATIONS).to_version(&mut connection, 1).unwrap();
        connection
            .execute(
                "INSERT INTO local_issues VALUES (500, 'ログイン', '', '[]', 'a', 1, '2026-01-05T09:00:00Z')",
                [],
            )
            .unwrap();
        let next = and_then("ALTER TABLE local_issues ADD COLUMN milestone TEXT");
        migrate(Path::new(":memory:"), &mut connection, &next).unwrap();
        assert_eq!(version(&connection), Ok(2));
        let row = connection.query_row("SELECT number, title, milestone FROM local_issues", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, Option<String>>(2)?))
        });
        assert_eq!(row, Ok((500, "ログイン".to_owned(), None)));
    }

    #[test]
    fn a_migration_that_fails_leaves_the_database_as_it_was() {
        let mut connection = in_memory().unwrap();
        let broken = and_then("CREATE TABLE half (a); CREATE TABLE runs (b)");
        let error = migrate(Path::new("x.db"), &mut connection, &broken).unwrap_err();
        assert!(matches!(error, OpenError::Migrate { .. }), "{error:?}");
        assert_eq!(version(&connection), Ok(1));
        let half =
            connection
                .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'half'", [], |row| row.get(0));
        assert_eq!(half, Ok(0));
    }
}
