//! What an event means for the tables beside the log, as values.
//!
//! Facts never refuse an event: what may happen is judged before it is appended, by the core.

mod sql;
mod stories;

use jiff::Timestamp;
use miyabi_core::event::{Answer, Escalation, Event, EventBody, SessionStarted};
use miyabi_core::failure::Failure;
use miyabi_core::ids::{Attempt, EscalationId, IntentId, SessionId, StepId};
use miyabi_core::intent::{Intent, Receipt};
use miyabi_core::plan::{Purpose, Step, Work};
use miyabi_core::session::{SessionEnd, Usage};
use miyabi_core::status::Status;
use miyabi_core::task::Task;

pub(crate) use sql::write;
pub(crate) use stories::StoryFact;

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
    Story(StoryFact),
    Finished(Timestamp, Status, String),
}

/// What these events change. Of the stages only the last one counts, so that an append writes it once.
pub(crate) fn facts(events: &[Event]) -> Vec<Fact> {
    let last_start = events.iter().rposition(|event| matches!(event.body, EventBody::StepStarted { .. }));
    let counts = |(index, event): (usize, &Event)| {
        let own = match fact(event) {
            Some(Fact::Stage(_)) if Some(index) != last_start => None,
            fact => fact,
        };
        let steps = match &event.body {
            EventBody::PlanExtended { extension, .. } => extension.steps.as_slice(),
            _ => &[],
        };
        own.into_iter().chain(stories::begun(event.at, steps)).collect::<Vec<_>>()
    };
    events.iter().enumerate().flat_map(counts).collect()
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
        | EventBody::GateDecided { .. } => stories::fact(event),
        EventBody::SessionNamed { .. }
        | EventBody::WorkCommitted { .. }
        | EventBody::Signalled { .. }
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
        SessionEnd::Failed { .. }
        | SessionEnd::TimedOut
        | SessionEnd::Stalled
        | SessionEnd::NotStarted { .. } => Status::Failed,
        SessionEnd::Stopped => Status::Cancelled,
    }
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
                    | EventBody::SessionNamed { .. }
                    | EventBody::WorkCommitted { .. }
                    | EventBody::Signalled { .. }
                    | EventBody::CancelRequested { .. }
            )
        };
        assert!(without.iter().all(expected), "{without:?}");
        assert_eq!(without.len(), 11);
    }
}
