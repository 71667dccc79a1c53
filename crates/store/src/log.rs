//! The log itself: beginning runs, appending to them, reading them back.

use jiff::Timestamp;
use miyabi_core::event::{Event, EventBody, RunStarted};
use miyabi_core::ids::{CommitId, RunId, RunNumber};
use miyabi_core::ports::{Created, NewRun};
use miyabi_core::status::Status;
use miyabi_core::subject::{is_newer, taking_its_place};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::{Doing, Error};
use crate::facts::{self, Fact};
use crate::values::{Count, Json, Time, Word};

/// Events on their way to the log, made ready outside the thread that writes.
pub(crate) struct Batch {
    run: RunId,
    first: u64,
    /// Each event's time and body.
    rows: Vec<(Timestamp, String)>,
    facts: Vec<Fact>,
}

impl Batch {
    /// Checks that the events are one run's next ones and can be read back; `None` if there are none.
    pub(crate) fn new(first: u64, events: &[Event]) -> Result<Option<Self>, Error> {
        let Some(Event { run, .. }) = events.first() else {
            return Ok(None);
        };
        let mut rows = Vec::with_capacity(events.len());
        let mut expected = first;
        for (index, event) in events.iter().enumerate() {
            if event.run != *run || event.seq != expected {
                return Err(Error::OutOfOrder { run: run.clone(), index, expected });
            }
            rows.push((event.at, encode(&event.body)?));
            // A log that reaches this end was never written; the append finds out.
            expected = expected.wrapping_add(1);
        }
        Ok(Some(Self { run: run.clone(), first, rows, facts: facts::facts(events) }))
    }

    /// Writes them if the log ends where they begin.
    pub(crate) fn append(&self, connection: &Connection) -> Result<(), Error> {
        let (key, actual) = end(connection, &self.run)?.ok_or_else(|| Error::NoRun(self.run.clone()))?;
        if actual != self.first {
            return Err(Error::Behind { run: self.run.clone(), expected: self.first, actual });
        }
        for ((at, body), seq) in self.rows.iter().zip(self.first..) {
            insert(connection, key, seq, *at, body)?;
        }
        facts::write(connection, key, &self.facts)
    }
}

/// Begins a run; or finds the live one of its lane, or the one that the same delivery began.
pub(crate) fn create(connection: &Connection, new: &NewRun, at: Timestamp) -> Result<Created, Error> {
    let started = &new.started;
    let cause = started.cause.as_ref().map(ToString::to_string);
    if let Some(cause) = &cause
        && let Some(found) = find(connection, "cause = ?2", &started.repo, cause)?
    {
        return Ok(Created::Again(found.id, found.number));
    }
    let (lane, head) = (started.lane(), started.subject.as_ref().and_then(|subject| subject.head.as_ref()));
    let live = "lane = ?2 AND completion_time IS NULL AND superseded_by IS NULL";
    let older = match &lane {
        Some(lane) => find(connection, live, &started.repo, lane)?,
        None => None,
    };
    if let Some(older) = &older
        && !is_newer(head, older.head.as_ref())
    {
        return Ok(Created::Joined(older.id.clone(), older.number));
    }
    if end(connection, &new.id)?.is_some() {
        return Err(Error::RunExists(new.id.clone()));
    }
    let mut started = started.clone();
    started.number = next_number(connection, &started.repo)?;
    let number = started.number;
    if let Some(older) = &older {
        give_way(connection, older, &started, at)?;
    }
    let body = EventBody::RunStarted(Box::new(started.clone()));
    let text = encode(&body)?;
    connection
        .prepare_cached(
            "INSERT INTO runs (id, number, repo, issue, title, flow, status, stage, started_at, lane, subject, head,
                               cause)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, '', ?8, ?9, ?10, ?11, ?12)",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                new.id.as_str(),
                Count(number),
                started.repo,
                Count(started.issue.number),
                started.issue.title,
                started.flow,
                Word(Status::Running),
                Time(at),
                lane,
                started.subject.as_ref().map(|subject| subject.about.to_string()),
                started.subject.as_ref().and_then(|subject| subject.head.as_ref()).map(CommitId::as_str),
                cause,
            ])
        })
        .doing("begin a run")?;
    let key = connection.last_insert_rowid();
    insert(connection, key, 0, at, &text)?;
    let event = Event { run: new.id.clone(), seq: 0, at, body };
    facts::write(connection, key, &facts::facts(&[event]))?;
    Ok(older.map_or(Created::New(number), |older| Created::Replaced(number, older.id)))
}

/// A run that stands in the way of another one.
struct Found {
    key: i64,
    id: RunId,
    number: RunNumber,
    head: Option<CommitId>,
}

/// The newest run of which this holds; `?2` stands for `value`.
fn find(connection: &Connection, holds: &str, repo: &str, value: &str) -> Result<Option<Found>, Error> {
    let sql = format!(
        "SELECT key, id, number, head FROM runs WHERE repo = ?1 AND {holds} ORDER BY key DESC LIMIT 1"
    );
    connection
        .prepare_cached(&sql)
        .and_then(|mut select| {
            let found = |row: &rusqlite::Row<'_>| {
                let (id, Count(number)): (String, _) = (row.get(1)?, row.get(2)?);
                let head = row.get::<_, Option<String>>(3)?.map(CommitId::from);
                Ok(Found { key: row.get(0)?, id: RunId::from(id), number, head })
            };
            select.query_row([repo, value], found).optional()
        })
        .doing("look for a run")
}

/// Tells a live run that another one takes its place.
fn give_way(connection: &Connection, older: &Found, newer: &RunStarted, at: Timestamp) -> Result<(), Error> {
    let text = encode(&taking_its_place(newer, newer.number))?;
    let (seq, last): (Count, Time) = connection
        .prepare_cached("SELECT seq + 1, at FROM events WHERE run = ?1 ORDER BY seq DESC LIMIT 1")
        .and_then(|mut select| select.query_row([older.key], |row| Ok((row.get(0)?, row.get(1)?))))
        .doing("find the end of a log")?;
    insert(connection, older.key, seq.0, at.max(last.0), &text)?;
    connection
        .prepare_cached("UPDATE runs SET superseded_by = ?2 WHERE key = ?1")
        .and_then(|mut update| update.execute(params![older.key, Count(newer.number)]))
        .map(drop)
        .doing("take the place of a run")
}

/// The events of a run from `from_seq` on.
pub(crate) fn load(connection: &Connection, run: &RunId, from_seq: u64) -> Result<Vec<Event>, Error> {
    let Ok(from_seq) = i64::try_from(from_seq) else {
        return Ok(Vec::new());
    };
    connection
        .prepare_cached(
            "SELECT seq, at, body FROM events
             WHERE run = (SELECT key FROM runs WHERE id = ?1) AND seq >= ?2 ORDER BY seq",
        )
        .and_then(|mut select| {
            let event = |row: &rusqlite::Row<'_>| {
                let (Count(seq), Time(at), Json(body)) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(Event { run: run.clone(), seq, at, body })
            };
            select.query_map(params![run.as_str(), from_seq], event)?.collect()
        })
        .doing("read the log of a run")
}

/// The body as text, after it was seen to come back as it is: a log that cannot be read is a run that cannot go on.
fn encode(body: &EventBody) -> Result<String, Error> {
    let not_readable = |source| Error::NotReadable { event: name(body), source };
    let text = serde_json::to_string(body).map_err(|error| not_readable(Some(error)))?;
    match serde_json::from_str::<EventBody>(&text) {
        Ok(back) if back == *body => Ok(text),
        Ok(_) => Err(not_readable(None)),
        Err(error) => Err(not_readable(Some(error))),
    }
}

fn insert(connection: &Connection, key: i64, seq: u64, at: Timestamp, body: &str) -> Result<(), Error> {
    connection
        .prepare_cached("INSERT INTO events (run, seq, at, body) VALUES (?1, ?2, ?3, ?4)")
        .and_then(|mut insert| insert.execute(params![key, Count(seq), Time(at), body]))
        .map(drop)
        .doing("append to the log")
}

/// The key of a run, and the number that its next event has.
fn end(connection: &Connection, run: &RunId) -> Result<Option<(i64, u64)>, Error> {
    connection
        .prepare_cached(
            "SELECT key, (SELECT max(seq) + 1 FROM events WHERE run = key) FROM runs WHERE id = ?1",
        )
        .and_then(|mut select| {
            let end = |row: &rusqlite::Row<'_>| {
                let next: Option<Count> = row.get(1)?;
                Ok((row.get(0)?, next.map_or(0, |Count(seq)| seq)))
            };
            select.query_row([run.as_str()], end).optional()
        })
        .doing("find the end of a log")
}

fn next_number(connection: &Connection, repo: &str) -> Result<RunNumber, Error> {
    connection
        .prepare_cached("SELECT coalesce(max(number), 0) + 1 FROM runs WHERE repo = ?1")
        .and_then(|mut select| select.query_row([repo], |row| row.get(0)))
        .map(|Count(number)| number)
        .doing("number a run")
}

fn name(body: &EventBody) -> &'static str {
    match body {
        EventBody::RunStarted(_) => "run_started",
        EventBody::StepStarted { .. } => "step_started",
        EventBody::SessionStarted(_) => "session_started",
        EventBody::SessionNamed { .. } => "session_named",
        EventBody::SessionEnded(_) => "session_ended",
        EventBody::WorkCommitted { .. } => "work_committed",
        EventBody::StepSucceeded { .. } => "step_succeeded",
        EventBody::StepFailed { .. } => "step_failed",
        EventBody::AttemptLost { .. } => "attempt_lost",
        EventBody::StepSkipped { .. } => "step_skipped",
        EventBody::StepCancelled { .. } => "step_cancelled",
        EventBody::GateDecided { .. } => "gate_decided",
        EventBody::PlanExtended { .. } => "plan_extended",
        EventBody::EscalationRaised(_) => "escalation_raised",
        EventBody::EscalationAnswered { .. } => "escalation_answered",
        EventBody::IntentRecorded(_) => "intent_recorded",
        EventBody::IntentDone { .. } => "intent_done",
        EventBody::IntentFailed { .. } => "intent_failed",
        EventBody::Signalled { .. } => "signalled",
        EventBody::CancelRequested { .. } => "cancel_requested",
        EventBody::RunFinished { .. } => "run_finished",
    }
}
