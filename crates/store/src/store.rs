//! The door: one database, one thread that writes, and readers beside it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use miyabi_core::event::Event;
use miyabi_core::ids::RunId;
use miyabi_core::ports::{
    Created, EscalationRow, NewRun, RunFilter, RunRow, SessionRow, Store, StoreError, TaskRow, UsedSince,
};
use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::error::{Doing, Error};
use crate::open::{self, OpenError};
use crate::writer::Writer;
use crate::{log, rows};

/// At most this many reads at once; the connections stay open.
const READERS: usize = 4;

/// The log, the facts and the local forge's records in one SQLite file.
///
/// Several programs may have the same file open. Dropping it waits until what was asked of it is durable.
/// Reads need a tokio runtime.
pub struct SqliteStore {
    path: PathBuf,
    // Before the writer, so that the writer closes the database last and leaves one tidy file.
    readers: Option<Readers>,
    writer: Writer,
}

impl SqliteStore {
    /// Opens the database at `path`. Folders and file are made if they are not there, an older schema is brought up
    /// to date. Errors: see [`OpenError`]; nothing was written then.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        // Absolute, so that no name (`:memory:`) means anything else to SQLite, and readers find it later.
        let path = path.as_ref();
        let path = &std::path::absolute(path)
            .map_err(|source| OpenError::Folder { path: path.to_owned(), source })?;
        let readers = Readers { path: path.to_owned(), seats: Semaphore::new(READERS), idle: Arc::default() };
        Self::start(path, Some(readers), open::to_write(path)?)
    }

    /// A database of its own that is gone when it is dropped: for tests and dry runs.
    pub fn in_memory() -> Result<Self, OpenError> {
        Self::start(Path::new(":memory:"), None, open::in_memory()?)
    }

    fn start(path: &Path, readers: Option<Readers>, connection: Connection) -> Result<Self, OpenError> {
        let path = path.to_owned();
        match Writer::start(connection) {
            Ok(writer) => Ok(Self { path, readers, writer }),
            Err(source) => Err(OpenError::Thread { path, source }),
        }
    }

    /// Does `work` in a transaction of its own or with others; durable when it returns.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> Result<T, Error> + Send + 'static,
    {
        self.writer.run(work).await
    }

    /// Does `work` on what is committed, beside the writer.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, Error> + Send + 'static,
    {
        match &self.readers {
            Some(readers) => readers.run(work).await,
            None => self.writer.run(work).await,
        }
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn create_run(&self, new: &NewRun, at: Timestamp) -> Result<Created, StoreError> {
        let new = new.clone();
        Ok(self.write(move |connection| log::create(connection, &new, at)).await?)
    }

    async fn append(&self, expected_seq: u64, events: &[Event]) -> Result<(), StoreError> {
        let Some(batch) = log::Batch::new(expected_seq, events)? else {
            return Ok(());
        };
        Ok(self.write(move |connection| batch.append(connection)).await?)
    }

    async fn load(&self, run: &RunId, from_seq: u64) -> Result<Vec<Event>, StoreError> {
        let run = run.clone();
        Ok(self.read(move |connection| log::load(connection, &run, from_seq)).await?)
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, StoreError> {
        let filter = filter.clone();
        Ok(self.read(move |connection| rows::runs(connection, &filter)).await?)
    }

    async fn sessions(&self, run: &RunId) -> Result<Vec<SessionRow>, StoreError> {
        let run = run.clone();
        Ok(self.read(move |connection| rows::sessions(connection, &run)).await?)
    }

    async fn tasks(&self, run: &RunId) -> Result<Vec<TaskRow>, StoreError> {
        let run = run.clone();
        Ok(self.read(move |connection| rows::tasks(connection, &run)).await?)
    }

    async fn used_since(&self, since: Timestamp) -> Result<UsedSince, StoreError> {
        Ok(self.read(move |connection| rows::used_since(connection, since)).await?)
    }

    async fn open_escalations(&self) -> Result<Vec<EscalationRow>, StoreError> {
        Ok(self.read(rows::open_escalations).await?)
    }
}

/// Connections for reading, opened when they are first needed.
struct Readers {
    path: PathBuf,
    seats: Semaphore,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    async fn run<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        let _seat = self.seats.acquire().await.map_err(|_| Error::Closed)?;
        let path = self.path.clone();
        let idle = Arc::clone(&self.idle);
        let read = move || {
            let waiting = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = match waiting {
                Some(connection) => connection,
                None => open::to_read(&path).doing("open the database for reading")?,
            };
            let answer = work(&connection);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            answer
        };
        tokio::task::spawn_blocking(read).await.map_err(|_| Error::Closed)?
    }
}

#[cfg(test)]
mod tests {
    use miyabi_core::event::EventBody;
    use miyabi_core::failure::FailureClass;
    use miyabi_testkit::fixtures::{at, event, new_run, run_id, step_started};

    use super::*;

    #[tokio::test]
    async fn a_full_disk_fails_what_does_not_fit_and_nothing_else() {
        let store = SqliteStore::in_memory().expect("a test database");
        for n in 1..=2 {
            store.create_run(&new_run(n, n), at(0)).await.expect("there is room");
        }
        let pages = |connection: &Connection| {
            let pages: i64 =
                connection.pragma_query_value(None, "page_count", |row| row.get(0)).doing("test")?;
            connection
                .pragma_update_and_check(None, "max_page_count", pages + 20, |row| row.get::<_, i64>(0))
                .doing("test")
        };
        store.write(pages).await.expect("the disk is made small");

        let reason = "大".repeat(700_000);
        let large = [event(&run_id(1), 1, EventBody::StepSkipped { step: "a".into(), reason })];
        let small = [event(&run_id(2), 1, step_started("a"))];
        let (too_large, fits) = tokio::join!(store.append(1, &large), store.append(1, &small));
        let Err(StoreError::Broken(failure)) = too_large else {
            panic!("expected a failure, not {too_large:?}")
        };
        assert_eq!(failure.class, FailureClass::Exhausted);
        assert_eq!(failure.message, "append to the log: database or disk is full");
        assert_eq!(failure.hint.as_deref(), Some("make room on the disk of the database"));
        assert!(fits.is_ok(), "{fits:?}");
        assert_eq!(store.load(&run_id(1), 1).await.expect("read"), []);
        assert_eq!(store.load(&run_id(2), 1).await.expect("read"), small);
    }
}
