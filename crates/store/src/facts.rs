//! What an event means for the tables beside the log: first as values, then as SQL.
//!
//! Facts never refuse an event: what may happen is judged before it is appended, by the core.

use jiff::Timestamp;
use miyabi_core::event::{Answer, Escalation, Event, EventBody, SessionStarted};
use miyabi_core::failure::Failure;
use miyabi_core::ids::{Attempt, EscalationId, IntentId, SessionId, StepId};
use miyabi_core::intent::{Intent, Receipt};
use miyabi_core::plan::{Purpose, Step, Work};
use miyabi_core::session::{SessionEnd, Usage};
use miyabi_core::status::Status;
use miyabi_core::task::Task;
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::{Doing, Error};
use crate::values::{Count, Json, Time, Word, seconds};

/// One change of the tables beside the log.
#[derive(Debug, PartialEq)]
pub(crate) enum Fact {
    Stage(StepId),
    SessionStarted(Timestamp, Box<SessionStarted>),
    SessionEnded(Timestamp, SessionId, Status, Usage),
    AttemptLost(Timestamp, StepId, Attempt),
    Tasks(Vec<Task>),
    Asked(Timestamp, Box<Escalation>),
    Answered(Timestamp, EscalationId, Answer),
    Intended(Box<Intent>),
    Done(IntentId, Receipt),
    NotDone(IntentId, Failure),
    Finished(Timestamp, Status, String),
}

/// What these events change. Of the stages only the last one counts, so that an append writes it once.
pub(crate) fn facts(events: &[Event]) -> Vec<Fact> {
    let last_start = events.iter().rposition(|event| matches!(event.body, EventBody::StepStarted { .. }));
    let counts = |(index, event): (usize, &Event)| match fact(event) {
        Some(Fact::Stage(_)) if Some(index) != last_start => None,
        fact => fact,
    };
    events.iter().enumerate().filter_map(counts).collect()
}

fn fact(event: &Event) -> Option<Fact> {
    let at = event.at;
    match &event.body {
        EventBody::RunStarted(started) => tasks(&started.plan.steps),
        EventBody::StepStarted { step, .. } => Some(Fact::Stage(step.clone())),
        EventBody::SessionStarted(started) => Some(Fact::SessionStarted(at, started.clone())),
        EventBody::SessionEnded(ended) => {
            Some(Fact::SessionEnded(at, ended.session.clone(), session_status(&ended.end), ended.usage))
        }
        EventBody::AttemptLost { step, attempt } => Some(Fact::AttemptLost(at, step.clone(), *attempt)),
        EventBody::PlanExtended { extension, .. } => tasks(&extension.steps),
        EventBody::EscalationRaised(escalation) => Some(Fact::Asked(at, escalation.clone())),
        EventBody::EscalationAnswered { escalation, answer } => {
            Some(Fact::Answered(at, escalation.clone(), answer.clone()))
        }
        EventBody::IntentRecorded(intent) => Some(Fact::Intended(intent.clone())),
        EventBody::IntentDone { intent, receipt } => Some(Fact::Done(intent.clone(), receipt.clone())),
        EventBody::IntentFailed { intent, failure } => Some(Fact::NotDone(intent.clone(), failure.clone())),
        EventBody::RunFinished { status, reason } => Some(Fact::Finished(at, *status, reason.clone())),
        EventBody::StepSucceeded { .. }
        | EventBody::StepFailed { .. }
        | EventBody::StepSkipped { .. }
        | EventBody::StepCancelled { .. }
        | EventBody::GateDecided { .. }
        | EventBody::CancelRequested { .. } => None,
    }
}

/// The tasks of steps that implement one; reworks and resolutions are further steps of the same tasks.
fn tasks(steps: &[Step]) -> Option<Fact> {
    let implemented = |step: &Step| match &step.work {
        Work::Task(work) if work.purpose == Purpose::Implement => Some(work.task.clone()),
        _ => None,
    };
    let tasks: Vec<Task> = steps.iter().filter_map(implemented).collect();
    (!tasks.is_empty()).then_some(Fact::Tasks(tasks))
}

fn session_status(end: &SessionEnd) -> Status {
    match end {
        SessionEnd::Completed => Status::Succeeded,
        SessionEnd::Failed { .. } | SessionEnd::TimedOut | SessionEnd::NotStarted { .. } => Status::Failed,
        SessionEnd::Stopped => Status::Cancelled,
    }
}

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
        Fact::Finished(at, status, reason) => finished(connection, run, *at, *status, reason),
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
            usage.input_tokens.map(Count),
            usage.output_tokens.map(Count),
            usage.cost_usd,
            usage.turns.map(Count),
            session.as_str(),
        ])
        .map(drop)
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
        miyabi_core::event::Urgency::Low => "low",
        miyabi_core::event::Urgency::Medium => "medium",
        miyabi_core::event::Urgency::High => "high",
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

#[cfg(test)]
mod tests {
    use miyabi_testkit::fixtures::{events, every_body, run_id, step_started, step_succeeded};

    use super::*;

    #[test]
    fn only_the_last_stage_of_an_append_is_written() {
        let bodies = [
            step_started("a"),
            step_succeeded("a"),
            step_started("b"),
            step_started("c"),
            step_succeeded("b"),
        ];
        assert_eq!(facts(&events(&run_id(1), 1, bodies)), [Fact::Stage("c".into())]);
        assert_eq!(facts(&events(&run_id(1), 1, [step_succeeded("a")])), []);
    }

    #[test]
    fn what_is_in_no_table_costs_nothing() {
        let with_facts = |body: &EventBody| !facts(&events(&run_id(1), 1, [body.clone()])).is_empty();
        let without: Vec<EventBody> = every_body().into_iter().filter(|body| !with_facts(body)).collect();
        let expected = |body: &EventBody| {
            matches!(
                body,
                EventBody::RunStarted(_)
                    | EventBody::StepSucceeded { .. }
                    | EventBody::StepFailed { .. }
                    | EventBody::StepSkipped { .. }
                    | EventBody::StepCancelled { .. }
                    | EventBody::GateDecided { .. }
                    | EventBody::CancelRequested { .. }
            )
        };
        assert!(without.iter().all(expected), "{without:?}");
        assert_eq!(without.len(), 8);
    }
}
