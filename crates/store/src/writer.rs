//! The one thread that writes, and how it lets several callers share one commit.
//!
//! Waiting for the disk is what an append costs. So the thread takes everything that queued up while it waited,
//! does it in one transaction with a savepoint each, and answers all of it after one commit.

use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::{io, slice};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::error::Error;

/// At most this many callers share one commit.
const GROUP: usize = 256;

/// The writing thread. Dropped, it finishes what is queued, closes the database and is gone.
pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Gives the connection to a thread of its own.
    pub(crate) fn start(connection: Connection) -> io::Result<Self> {
        let (queue, jobs) = mpsc::channel();
        let thread =
            thread::Builder::new().name("miyabi-store".to_owned()).spawn(move || work(&connection, &jobs))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Does `work` in a transaction and answers when it is durable. On an error nothing of it remains.
    ///
    /// `work` may be called a second time if the commit that it shared failed; nothing of the first time remains
    /// then. A caller that stops waiting does not stop the work.
    pub(crate) async fn run<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> Result<T, Error> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(Work { work, outcome: None, answer });
        self.queue.as_ref().ok_or(Error::Closed)?.send(job).map_err(|_| Error::Closed)?;
        answered.await.map_err(|_| Error::Closed)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was already answered with `Closed`.
            let _ = thread.join();
        }
    }
}

/// One caller's work, whatever it answers.
trait Job: Send {
    /// Does it; says whether what it did is to be kept.
    fn run(&mut self, connection: &Connection) -> bool;
    /// It could not be made durable.
    fn fail(&mut self, error: Error);
    /// Tells the caller.
    fn answer(self: Box<Self>);
}

struct Work<T, F> {
    work: F,
    outcome: Option<Result<T, Error>>,
    answer: oneshot::Sender<Result<T, Error>>,
}

impl<T, F> Job for Work<T, F>
where
    T: Send,
    F: FnMut(&Connection) -> Result<T, Error> + Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
        self.outcome.insert((self.work)(connection)).is_ok()
    }

    fn fail(&mut self, error: Error) {
        self.outcome = Some(Err(error));
    }

    fn answer(self: Box<Self>) {
        // A caller that no longer waits is no failure.
        let _ = self.answer.send(self.outcome.unwrap_or(Err(Error::Closed)));
    }
}

fn work(connection: &Connection, jobs: &mpsc::Receiver<Box<dyn Job>>) {
    let mut group = Vec::new();
    while let Ok(first) = jobs.recv() {
        group.push(first);
        group.extend(jobs.try_iter().take(GROUP - 1));
        settle(connection, &mut group);
        group.drain(..).for_each(Job::answer);
    }
}

/// Brings every job to its outcome.
fn settle(connection: &Connection, jobs: &mut [Box<dyn Job>]) {
    match commit_together(connection, jobs) {
        Ok(()) => {}
        Err(Trouble::Begin(source)) => {
            let source = Arc::new(source);
            for job in jobs {
                job.fail(Error::Sql { doing: "begin to write", source: Arc::clone(&source) });
            }
        }
        Err(Trouble::Lost(source)) => match jobs {
            [job] => job.fail(Error::Sql { doing: "make it durable", source: Arc::new(source) }),
            // One of them may have been too much for the disk: that one alone must fail.
            jobs => jobs.iter_mut().for_each(|job| settle(connection, slice::from_mut(job))),
        },
    }
}

/// Why a whole group has not happened.
enum Trouble {
    /// It could not begin; trying one by one would only wait longer.
    Begin(rusqlite::Error),
    /// The transaction was lost or not committed.
    Lost(rusqlite::Error),
}

fn commit_together(connection: &Connection, jobs: &mut [Box<dyn Job>]) -> Result<(), Trouble> {
    statement(connection, "BEGIN IMMEDIATE").map_err(Trouble::Begin)?;
    let done = match jobs {
        [job] => run_alone(connection, job),
        jobs => run_each(connection, jobs),
    };
    if !connection.is_autocommit() {
        // What SQLite says to the end of a transaction that failed changes nothing.
        let _ = statement(connection, "ROLLBACK");
    }
    done.map_err(Trouble::Lost)
}

fn run_alone(connection: &Connection, job: &mut Box<dyn Job>) -> rusqlite::Result<()> {
    if job.run(connection) { statement(connection, "COMMIT") } else { Ok(()) }
}

fn run_each(connection: &Connection, jobs: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    for job in jobs {
        statement(connection, "SAVEPOINT job")?;
        if !job.run(connection) {
            // Fails if the job's error made SQLite give up the whole transaction.
            statement(connection, "ROLLBACK TO job")?;
        }
        statement(connection, "RELEASE job")?;
    }
    statement(connection, "COMMIT")
}

fn statement(connection: &Connection, sql: &'static str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Doing as _;

    /// Work that is not done before the test runs it.
    struct Step {
        sql: &'static str,
        good: bool,
        outcome: Option<Result<(), Error>>,
    }

    impl Job for Step {
        fn run(&mut self, connection: &Connection) -> bool {
            let done = connection.execute_batch(self.sql).doing("test");
            self.outcome = Some(done.and(if self.good { Ok(()) } else { Err(Error::BadNumber(0)) }));
            matches!(self.outcome, Some(Ok(())))
        }

        fn fail(&mut self, error: Error) {
            self.outcome = Some(Err(error));
        }

        fn answer(self: Box<Self>) {}
    }

    /// Settles these together on a table `t`; what it holds then.
    fn settled(steps: &[(&'static str, bool)]) -> Vec<i64> {
        let connection = Connection::open_in_memory().expect("a test database");
        connection.pragma_update(None, "foreign_keys", true).expect("a test database");
        connection
            .execute_batch(
                "CREATE TABLE t (n INTEGER PRIMARY KEY);
                 CREATE TABLE late (n INTEGER REFERENCES t (n) DEFERRABLE INITIALLY DEFERRED)",
            )
            .expect("a test database");
        let step = |(sql, good): &(&'static str, bool)| -> Box<dyn Job> {
            Box::new(Step { sql, good: *good, outcome: None })
        };
        let mut jobs: Vec<_> = steps.iter().map(step).collect();
        settle(&connection, &mut jobs);
        assert!(connection.is_autocommit());
        let mut select = connection.prepare("SELECT n FROM t ORDER BY n").expect("a test database");
        select
            .query_map([], |row| row.get(0))
            .expect("a test database")
            .map(|row| row.expect("a test database"))
            .collect()
    }

    const ONE: (&str, bool) = ("INSERT INTO t VALUES (1)", true);
    const THREE: (&str, bool) = ("INSERT INTO t VALUES (3)", true);

    #[test]
    fn a_failed_job_takes_only_its_own_work_along() {
        assert_eq!(settled(&[ONE, ("INSERT INTO t VALUES (2)", false), THREE]), [1, 3]);
        assert_eq!(settled(&[("INSERT INTO t VALUES (2)", false)]), Vec::<i64>::new());
        assert_eq!(settled(&[("INSERT INTO t VALUES (2); nonsense", true), ONE]), [1]);
    }

    #[test]
    fn a_job_that_loses_the_transaction_does_not_take_the_others_along() {
        assert_eq!(settled(&[ONE, ("INSERT INTO t VALUES (2); ROLLBACK", false), THREE]), [1, 3]);
    }

    #[test]
    fn a_job_that_cannot_be_committed_does_not_take_the_others_along() {
        assert_eq!(settled(&[ONE, ("INSERT INTO late VALUES (99)", true), THREE]), [1, 3]);
        assert_eq!(settled(&[("INSERT INTO late VALUES (99)", true)]), Vec::<i64>::new());
    }

    #[tokio::test]
    async fn work_that_panics_is_answered_and_so_is_what_follows() {
        let writer =
            Writer::start(Connection::open_in_memory().expect("a test database")).expect("a test database");
        let gone = writer.run(|_| -> Result<(), Error> { panic!("a bug") }).await;
        assert!(matches!(gone, Err(Error::Closed)), "{gone:?}");
        let after = writer.run(|_| Ok(())).await;
        assert!(matches!(after, Err(Error::Closed)), "{after:?}");
    }

    #[tokio::test]
    async fn what_is_queued_is_done_before_the_writer_is_gone() {
        let folder = tempfile::tempdir().expect("a test database");
        let path = folder.path().join("t.db");
        let connection = Connection::open(&path).expect("a test database");
        connection.execute_batch("CREATE TABLE t (n INTEGER)").expect("a test database");
        let writer = Writer::start(connection).expect("a test database");
        for n in 0..100 {
            let insert = move |connection: &Connection| {
                connection.execute("INSERT INTO t VALUES (?1)", [n]).map(drop).doing("test")
            };
            // Asked once, so that it is queued, and then given up.
            let mut asked = Box::pin(writer.run(insert));
            let _ =
                std::future::poll_fn(|context| std::task::Poll::Ready(asked.as_mut().poll(context))).await;
        }
        drop(writer);
        let count = Connection::open(&path).expect("a test database").query_row(
            "SELECT count(*) FROM t",
            [],
            |row| row.get(0),
        );
        assert_eq!(count, Ok(100));
    }
}
