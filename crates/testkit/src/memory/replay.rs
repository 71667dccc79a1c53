//! What a log says, read from its beginning each time: slow, and obviously right.

use jiff::Timestamp;
use miyabi_core::budget::Amounts;
use miyabi_core::event::{Escalation, Event, EventBody, RunStarted};
use miyabi_core::plan::{Purpose, Step, Work};
use miyabi_core::ports::{EscalationRow, RunRow, SessionRow, TaskRow};
use miyabi_core::session::{SessionEnd, Usage};
use miyabi_core::status::Status;

/// The run; `None` only for what is no log of a run.
pub(super) fn run(log: &[Event]) -> Option<RunRow> {
    let (first, started) = beginning(log)?;
    let mut row = RunRow {
        id: first.run.clone(),
        number: started.number,
        repo: started.repo.clone(),
        issue: started.issue.number,
        title: started.issue.title.clone(),
        flow: started.flow.clone(),
        status: Status::Running,
        stage: String::new(),
        started_at: first.at,
        completion_time: None,
        duration_sec: None,
        reason: None,
        subject: started.subject.as_ref().map(|subject| subject.about.to_string()),
        head: started.subject.as_ref().and_then(|subject| subject.head.clone()),
    };
    for event in log {
        match &event.body {
            EventBody::StepStarted { step, .. } => row.stage = step.to_string(),
            EventBody::RunFinished { status, reason } => {
                row.status = *status;
                row.completion_time = Some(event.at);
                row.duration_sec = Some(seconds(first.at, event.at));
                row.reason = Some(reason.clone());
            }
            _ => {}
        }
    }
    Some(row)
}

/// Its sessions, in order of start.
pub(super) fn sessions(log: &[Event]) -> Vec<SessionRow> {
    let mut rows: Vec<SessionRow> = Vec::new();
    for event in log {
        match &event.body {
            EventBody::SessionStarted(started) if rows.iter().any(|row| row.id == started.session) => {}
            EventBody::SessionStarted(started) => rows.push(SessionRow {
                id: started.session.clone(),
                run: event.run.clone(),
                step: started.step.clone(),
                attempt: started.attempt,
                adapter: started.adapter.clone(),
                status: Status::Running,
                started_at: event.at,
                completion_time: None,
                duration_sec: None,
                usage: Usage::default(),
            }),
            EventBody::SessionEnded(ended) => {
                for row in rows.iter_mut().filter(|row| row.id == ended.session) {
                    end(row, event.at, status(&ended.end));
                    row.usage = ended.usage;
                }
            }
            EventBody::AttemptLost { step, attempt } => {
                let lost = |row: &&mut SessionRow| {
                    row.step == *step && row.attempt == *attempt && row.completion_time.is_none()
                };
                for row in rows.iter_mut().filter(lost) {
                    end(row, event.at, Status::Failed);
                }
            }
            _ => {}
        }
    }
    rows
}

/// What a session used.
pub(super) fn amounts(row: &SessionRow) -> Amounts {
    let tokens = row.usage.input_tokens.unwrap_or(0) as f64 + row.usage.output_tokens.unwrap_or(0) as f64;
    let minutes = row.duration_sec.unwrap_or(0) as f64 / 60.0;
    Amounts { sessions: 1.0, minutes, tokens, usd: row.usage.cost_usd.unwrap_or(0.0) }
}

/// Its tasks, in order.
pub(super) fn tasks(log: &[Event]) -> Vec<TaskRow> {
    let Some((first, started)) = beginning(log) else {
        return Vec::new();
    };
    let mut rows: Vec<TaskRow> = Vec::new();
    for event in log {
        for step in steps(&event.body) {
            let Work::Task(work) = &step.work else { continue };
            if work.purpose != Purpose::Implement {
                continue;
            }
            let row = TaskRow {
                task_id: work.task.id.clone(),
                run: first.run.clone(),
                issue_id: started.issue.number,
                title: work.task.title.clone(),
                dependencies: work.task.dependencies.clone(),
                estimated_duration: work.task.estimate_minutes,
                agent_type: work.task.agent.clone(),
            };
            match rows.iter_mut().find(|known| known.task_id == row.task_id) {
                Some(known) => *known = row,
                None => rows.push(row),
            }
        }
    }
    rows
}

/// The questions that wait, with the time when each was asked; none of a run that ended.
pub(super) fn open_escalations(log: &[Event]) -> Vec<(Timestamp, EscalationRow)> {
    let Some(run) = run(log).filter(|run| run.completion_time.is_none()) else {
        return Vec::new();
    };
    let answered = |asked: &Escalation| {
        log.iter().any(|event| {
            matches!(&event.body, EventBody::EscalationAnswered { escalation, .. } if *escalation == asked.id)
        })
    };
    let open = |event: &Event| match &event.body {
        EventBody::EscalationRaised(asked) if !answered(asked) => {
            let (id, escalation) = (asked.id.clone(), (**asked).clone());
            Some((event.at, EscalationRow { run: run.id.clone(), number: run.number, id, escalation }))
        }
        _ => None,
    };
    log.iter().filter_map(open).collect()
}

fn beginning(log: &[Event]) -> Option<(&Event, &RunStarted)> {
    let first = log.first()?;
    match &first.body {
        EventBody::RunStarted(started) => Some((first, started)),
        _ => None,
    }
}

fn steps(body: &EventBody) -> &[Step] {
    match body {
        EventBody::RunStarted(started) => &started.plan.steps,
        EventBody::PlanExtended { extension, .. } => &extension.steps,
        _ => &[],
    }
}

fn end(row: &mut SessionRow, at: Timestamp, status: Status) {
    row.status = status;
    row.completion_time = Some(at);
    row.duration_sec = Some(seconds(row.started_at, at));
}

fn status(end: &SessionEnd) -> Status {
    match end {
        SessionEnd::Completed => Status::Succeeded,
        SessionEnd::Stopped => Status::Cancelled,
        SessionEnd::Failed { .. }
        | SessionEnd::TimedOut
        | SessionEnd::Stalled
        | SessionEnd::NotStarted { .. } => Status::Failed,
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_secs().max(0)
}
