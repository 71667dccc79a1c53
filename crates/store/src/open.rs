//! Opening a database: the file, its settings, its schema. What the tables mean lives elsewhere.

mod error;

use std::path::Path;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, TransactionBehavior};
use rusqlite_migration::{M, Migrations};

pub use error::OpenError;
use error::sorted;

/// How long one program waits for another one's write, in milliseconds.
const PATIENCE_MS: i32 = 30_000;
/// Says "miyabi's" in the header of a database file; set by the first migration.
const APPLICATION_ID: i64 = 0x6d69_7961;
/// More than the number of different statements that are ever prepared.
const STATEMENTS: usize = 64;

/// Forward only; one that was merged is never edited.
const MIGRATIONS: &[M<'static>] = &[
    M::up(include_str!("../migrations/20261121000000_log_and_facts.sql")),
    M::up(include_str!("../migrations/20261121120000_deliveries.sql")),
    M::up(include_str!("../migrations/20261121180000_sessions_by_time.sql")),
    M::up(include_str!("../migrations/20261122005000_local_statuses.sql")),
    M::up(include_str!("../migrations/20261122005500_subjects.sql")),
    M::up(include_str!("../migrations/20261122006000_views.sql")),
    M::up(include_str!("../migrations/20261122010000_stories.sql")),
    M::up(include_str!("../migrations/20261122015000_views_follow.sql")),
];

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
                    let path = path.to_owned();
                    return Err(match source {
                        rusqlite_migration::Error::RusqliteError { err: source, .. } => {
                            OpenError::Migrate { path, source }
                        }
                        source => OpenError::Migrations { path, source },
                    });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_waits_for_the_disk_and_readers_do_not_wait_for_it() {
        let folder = tempfile::tempdir().expect("a test database");
        let connection = to_write(&folder.path().join("miyabi.db")).expect("a test database");
        let setting = |name: &str| {
            connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).expect("a test database")
        };
        let journal = connection.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0));
        assert_eq!(journal.as_deref(), Ok("wal"));
        let full = 2;
        assert_eq!((setting("synchronous"), setting("foreign_keys")), (full, 1));
    }

    /// Today's migrations and a later one.
    fn and_then(sql: &str) -> Migrations<'_> {
        Migrations::new(MIGRATIONS.iter().cloned().chain([M::up(sql)]).collect())
    }

    /// The version that [`and_then`] leads to.
    fn next_version() -> i64 {
        i64::try_from(MIGRATIONS.len()).expect("the migrations are few") + 1
    }

    #[test]
    fn every_migration_applies_to_a_fresh_database() {
        assert_eq!(Migrations::from_slice(MIGRATIONS).validate(), Ok(()));
    }

    #[test]
    fn a_database_of_the_first_version_is_kept_and_brought_up_to_date() {
        let mut connection = Connection::open_in_memory().expect("a test database");
        Migrations::from_slice(MIGRATIONS).to_version(&mut connection, 1).expect("a test database");
        connection
            .execute(
                "INSERT INTO local_issues VALUES (500, 'ログイン', '', '[]', 'a', 1, '2026-01-05T09:00:00Z')",
                [],
            )
            .expect("a test database");
        let next = and_then("ALTER TABLE local_issues ADD COLUMN milestone TEXT");
        migrate(Path::new(":memory:"), &mut connection, &next).expect("a test database");
        assert_eq!(version(&connection), Ok(next_version()));
        let row = connection.query_row("SELECT number, title, milestone FROM local_issues", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, Option<String>>(2)?))
        });
        assert_eq!(row, Ok((500, "ログイン".to_owned(), None)));
    }

    #[test]
    fn a_migration_that_fails_leaves_the_database_as_it_was() {
        let mut connection = in_memory().expect("a test database");
        let broken = and_then("CREATE TABLE half (a); CREATE TABLE runs (b)");
        let error = migrate(Path::new("x.db"), &mut connection, &broken).expect_err("the step fails");
        assert!(matches!(error, OpenError::Migrate { .. }), "{error:?}");
        assert_eq!(version(&connection), Ok(next_version() - 1));
        let half =
            connection
                .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'half'", [], |row| row.get(0));
        assert_eq!(half, Ok(0));
    }
}
