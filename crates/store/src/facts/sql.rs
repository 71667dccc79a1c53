//! Facts on their way into their tables.

use jiff::Timestamp;
use miyabi_core::event::{Escalation, SessionStarted, Urgency};
use miyabi_core::ids::{Attempt, SessionId, StepId};
use miyabi_core::session::Usage;
use miyabi_core::status::Status;
use miyabi_core::task::Task;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Fact, stories};
use crate::error::{Doing, Error};
use crate::values::{Count, Json, Time, Word, seconds};

/// Writes the facts of the run with this key.
pub(crate) fn write(connection: &Connection, run: i64, facts: &[Fact]) -> Result<(), Error> {
    facts.iter().try_for_each(|fact| write_one(connection, run, fact)).doing("keep the facts of a run")
}

fn write_one(connection: &Connection, run: i64, fact: &Fact) -> rusqlite::Result<()> {
    match fact {
        Fact::Stage(step) => connection
            .prepare_cached("UPDATE runs SET stage = ?2 WHERE key = ?1")?
            .execute(params![run, step.as_str()])
            .map(drop),
        Fact::SessionStarted(at, started) => session_started(connection, run, *at, started),
        Fact::SessionEnded(at, session, status, usage) => {
            session_ended(connection, run, *at, session, *status, usage)
        }
        Fact::AttemptLost(at, step, attempt) => attempt_lost(connection, run, *at, step, *attempt),
        Fact::Tasks(tasks) => tasks.iter().try_for_each(|task| task_added(connection, run, task)),
        Fact::Asked(at, escalation) => asked(connection, run, *at, escalation),
        Fact::Answered(at, id, answer) => connection
            .prepare_cached(
                "UPDATE escalations SET answered_at = ?3, answer = ?4
                 WHERE run = ?1 AND id = ?2 AND answered_at IS NULL",
            )?
            .execute(params![run, id.as_str(), Time(*at), Json(answer)])
            .map(drop),
        Fact::Intended(intent) => connection
            .prepare_cached(
                "INSERT INTO intents (id, run, step, write, state) VALUES (?1, ?2, ?3, ?4, 'open')
                 ON CONFLICT (run, id) DO UPDATE
                 SET write = excluded.write, state = 'open', receipt = NULL, failure = NULL",
            )?
            .execute(params![intent.id.as_str(), run, intent.step.as_str(), Json(&intent.write)])
            .map(drop),
        Fact::Done(id, receipt) => connection
            .prepare_cached(
                "UPDATE intents SET state = 'done', receipt = ?3, failure = NULL WHERE run = ?1 AND id = ?2",
            )?
            .execute(params![run, id.as_str(), Json(receipt)])
            .map(drop),
        Fact::NotDone(id, failure) => connection
            .prepare_cached("UPDATE intents SET state = 'failed', failure = ?3 WHERE run = ?1 AND id = ?2")?
            .execute(params![run, id.as_str(), Json(failure)])
            .map(drop),
        Fact::Story(fact) => stories::write(connection, run, fact),
        Fact::Finished(at, status, reason) => {
            finished(connection, run, *at, *status, reason)?;
            stories::finished(connection, run, *at)
        }
    }
}

fn session_started(
    connection: &Connection,
    run: i64,
    at: Timestamp,
    started: &SessionStarted,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO sessions (id, run, step, attempt, adapter, status, started_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            started.session.as_str(),
            run,
            started.step.as_str(),
            started.attempt,
            started.adapter,
            Word(Status::Running),
            Time(at),
        ])
        .map(drop)
}

fn session_ended(
    connection: &Connection,
    run: i64,
    at: Timestamp,
    session: &SessionId,
    status: Status,
    usage: &Usage,
) -> rusqlite::Result<()> {
    let Some(Time(started_at)) = connection
        .prepare_cached("SELECT started_at FROM sessions WHERE run = ?1 AND id = ?2")?
        .query_row(params![run, session.as_str()], |row| row.get(0))
        .optional()?
    else {
        return Ok(());
    };
    connection
        .prepare_cached(
            "UPDATE sessions SET status = ?2, completion_time = ?3, duration_sec = ?4,
                 input_tokens = ?5, output_tokens = ?6, cost_usd = ?7, turns = ?8
             WHERE run = ?1 AND id = ?9",
        )?
        .execute(params![
            run,
            Word(status),
            Time(at),
            seconds(started_at, at),
            usage.input_tokens.map(at_most),
            usage.output_tokens.map(at_most),
            usage.cost_usd,
            usage.turns.map(at_most),
            session.as_str(),
        ])
        .map(drop)
}

/// What a program says it used may be nonsense; the log keeps it, the table the largest number it can.
fn at_most(used: u64) -> Count {
    Count(used.min(i64::MAX.unsigned_abs()))
}

/// Sessions of a lost attempt ended with it, though nobody saw how.
fn attempt_lost(
    connection: &Connection,
    run: i64,
    at: Timestamp,
    step: &StepId,
    attempt: Attempt,
) -> rusqlite::Result<()> {
    let lost: Vec<(i64, Time)> = connection
        .prepare_cached(
            "SELECT key, started_at FROM sessions
             WHERE run = ?1 AND step = ?2 AND attempt = ?3 AND completion_time IS NULL",
        )?
        .query_map(params![run, step.as_str(), attempt], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (key, Time(started_at)) in lost {
        connection
            .prepare_cached(
                "UPDATE sessions SET status = ?2, completion_time = ?3, duration_sec = ?4 WHERE key = ?1",
            )?
            .execute(params![key, Word(Status::Failed), Time(at), seconds(started_at, at)])?;
    }
    Ok(())
}

fn task_added(connection: &Connection, run: i64, task: &Task) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO tasks (task_id, run, issue_id, title, dependencies, estimated_duration, agent_type)
             VALUES (?1, ?2, (SELECT issue FROM runs WHERE key = ?2), ?3, ?4, ?5, ?6)
             ON CONFLICT (run, task_id) DO UPDATE
             SET title = excluded.title, dependencies = excluded.dependencies,
                 estimated_duration = excluded.estimated_duration, agent_type = excluded.agent_type",
        )?
        .execute(params![
            task.id.as_str(),
            run,
            task.title,
            Json(&task.dependencies),
            task.estimate_minutes,
            task.agent,
        ])
        .map(drop)
}

fn asked(connection: &Connection, run: i64, at: Timestamp, escalation: &Escalation) -> rusqlite::Result<()> {
    let severity = match escalation.severity {
        Urgency::Low => "low",
        Urgency::Medium => "medium",
        Urgency::High => "high",
    };
    connection
        .prepare_cached(
            "INSERT INTO escalations (id, run, step, severity, reason, deadline, default_action, body, raised_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            escalation.id.as_str(),
            run,
            escalation.step.as_str(),
            severity,
            escalation.reason,
            Time(escalation.deadline),
            escalation.default_action,
            Json(escalation),
            Time(at),
        ])
        .map(drop)
}

fn finished(
    connection: &Connection,
    run: i64,
    at: Timestamp,
    status: Status,
    reason: &str,
) -> rusqlite::Result<()> {
    let Time(started_at) = connection
        .prepare_cached("SELECT started_at FROM runs WHERE key = ?1")?
        .query_row([run], |row| row.get(0))?;
    connection
        .prepare_cached("UPDATE runs SET status = ?2, completion_time = ?3, duration_sec = ?4, reason = ?5 WHERE key = ?1")?
        .execute(params![run, Word(status), Time(at), seconds(started_at, at), reason])
        .map(drop)
}
