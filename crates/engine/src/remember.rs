//! Runs become knowledge: with their end, and whenever somebody asks for what is not there yet.

use jiff::{SignedDuration, Timestamp};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::RunId;
use miyabi_core::knowledge::{Mark, Memory, Remembered, records};
use miyabi_core::ports::{Clock, Knowledge, RunFilter, Store, StoreError};

/// So many runs go into the index at once, or fewer with so much text, in bytes.
const RUNS: usize = 200;
const BYTES: usize = 8_000_000;
/// A run at rest is held up so long by its records, all in all. What is not remembered by then is taken in later.
pub(crate) const AT_REST: SignedDuration = SignedDuration::from_secs(20);

/// What was brought up to date, and what cannot be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaughtUp {
    /// What was done.
    pub done: Remembered,
    /// Runs of which nothing was remembered before: they did not come to rest yet, or the store was wiped.
    pub absent: u64,
    /// Runs whose logs cannot be read or make no sense, with why.
    pub unread: Vec<(RunId, String)>,
}

/// Remembers of every run of a repo what its log holds beyond what is remembered already. Doing it again does nothing.
pub async fn catch_up(store: &dyn Store, knowledge: &dyn Knowledge, repo: &str) -> Result<CaughtUp, Failure> {
    let marks = knowledge.marks(repo).await?;
    let mut caught = CaughtUp::default();
    let mut batch: Vec<Memory> = Vec::new();
    let mut bytes = 0;
    let mut rows = store.runs(&RunFilter::default()).await.map_err(unreadable)?;
    rows.reverse();
    for row in rows.into_iter().filter(|row| row.repo == repo) {
        let known = marks.get(&row.id);
        if known.is_some_and(|mark| mark.ended) {
            continue;
        }
        match memory(store, &row.id, known).await? {
            Ok(Some(memory)) => {
                caught.absent += u64::from(known.is_none());
                bytes += memory.records.iter().map(|record| record.text.len()).sum::<usize>();
                batch.push(memory);
            }
            Ok(None) => {}
            Err(why) => caught.unread.push((row.id, why)),
        }
        if batch.len() >= RUNS || bytes >= BYTES {
            add(&mut caught.done, knowledge.remember(repo, &batch).await?);
            batch.clear();
            bytes = 0;
        }
    }
    if !batch.is_empty() {
        add(&mut caught.done, knowledge.remember(repo, &batch).await?);
    }
    Ok(caught)
}

/// What work with knowledge comes to, if it comes to anything by then: a server that never answers holds up nobody for
/// longer. It can be given up anywhere, as by a kill.
pub(crate) async fn within<T>(
    clock: &dyn Clock,
    limit: SignedDuration,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let end = clock.now().saturating_add(limit).unwrap_or(Timestamp::MAX);
    tokio::select! {
        biased;
        done = work => done,
        () = clock.sleep_until(end) => {
            let why = format!("the store of knowledge did not answer within {} s", limit.as_secs());
            Err(Failure::new(FailureClass::TimedOut, why))
        }
    }
}

/// Remembers one run as far as its log goes.
pub(crate) async fn remember(
    store: &dyn Store,
    knowledge: &dyn Knowledge,
    run: &RunId,
) -> Result<(), Failure> {
    match memory(store, run, None).await? {
        Ok(Some(memory)) => {
            let Some(first) = memory.records.first() else { return Ok(()) };
            let repo = first.repo.clone();
            let done = knowledge.remember(&repo, &[memory]).await?;
            done.lacks.map_or(Ok(()), |why| Err(Failure::new(FailureClass::Unavailable, why)))
        }
        Ok(None) => Ok(()),
        Err(why) => Err(Failure::new(FailureClass::Internal, why)),
    }
}

/// What is to be remembered of a run; nothing where all of its log is already.
async fn memory(
    store: &dyn Store,
    run: &RunId,
    known: Option<&Mark>,
) -> Result<Result<Option<Memory>, String>, Failure> {
    let events = match store.load(run, 0).await {
        Ok(events) => events,
        Err(error) => return error.never_read().map(Err).map_err(unreadable),
    };
    let length = events.len() as u64;
    if events.is_empty() || known.is_some_and(|mark| mark.events >= length) {
        return Ok(Ok(None));
    }
    let ended = events
        .last()
        .is_some_and(|event| matches!(event.body, miyabi_core::event::EventBody::RunFinished { .. }));
    Ok(match records(&events) {
        Ok(records) => Ok(Some(Memory { run: run.clone(), mark: Mark { events: length, ended }, records })),
        Err(illegal) => Err(illegal.to_string()),
    })
}

fn add(sum: &mut Remembered, one: Remembered) {
    sum.runs += one.runs;
    sum.records += one.records;
    sum.embedded += one.embedded;
    sum.lacks = one.lacks.or(sum.lacks.take());
}

fn unreadable(error: StoreError) -> Failure {
    Failure::caused(FailureClass::Permanent, &error)
}
