//! What follows from the state of a run.
//!
//! Decisions are facts too: [`decide`] answers with the events to append. Whoever appends them folds them in, acts on
//! them (an attempt that started is run, a recorded intent is performed) and decides again, until nothing follows.
//! It never waits, never fails, and reads no clock: the same log at the same time gives the same decisions.

mod act;
mod ask;
mod budget;
mod elsewhere;
mod grow;
mod judge;
mod tell;
mod write;

pub(crate) use ask::{APPROVE, FIX, MODIFY, REJECT, REWORK};

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::event::{Answer, EventBody, Gate};
use crate::failure::{Failure, FailureClass};
use crate::ids::{RunId, StepId};
use crate::plan::{RunCondition, Uses, Work};
use crate::run::{Phase, Run, StepState, Weight, weight};
use crate::status::Status;

/// The events that follow now, in the order in which they are to be appended; empty when nothing follows.
pub fn decide(run: &Run, now: Timestamp) -> Vec<EventBody> {
    if run.ended.is_some() {
        return Vec::new();
    }
    let mut events = Vec::new();
    answer_by_default(run, now, &mut events);
    if !events.is_empty() {
        return events;
    }
    if run.cancelled_by.is_some() {
        cancel(run, &mut events);
    }
    if events.is_empty() {
        budget::tell(run, &mut events);
        remind(run, now, &mut events);
        for state in run.to_judge(now) {
            judge::judge(run, state, now, &mut events);
        }
        start(run, now, &mut events);
    }
    if events.is_empty() {
        finish(run, &mut events);
    }
    events
}

/// Questions whose time is over get their default answer.
fn answer_by_default(run: &Run, now: Timestamp, events: &mut Vec<EventBody>) {
    for question in run.questions.values().filter(|question| question.deadline <= now) {
        events.push(EventBody::EscalationAnswered {
            escalation: question.id.clone(),
            answer: Answer {
                action: question.default_action.clone(),
                by: "miyabi".to_owned(),
                from: crate::autonomy::DEADLINE.to_owned(),
                note: format!("no answer before {}", question.deadline),
                tasks: Vec::new(),
            },
        });
    }
}

/// People are told again of what stays open.
fn remind(run: &Run, now: Timestamp, events: &mut Vec<EventBody>) {
    for question in run.questions.values() {
        let Some(state) = run.step(&question.step) else { continue };
        if let Some(number) = run.due_reminder(question, now) {
            tell::of_reminder(run, state, question, number, events);
        }
    }
}

/// A cancelled run ends every step that is not running, except those that always run.
fn cancel(run: &Run, events: &mut Vec<EventBody>) {
    for state in run.steps() {
        let stays = match state.phase {
            Phase::Running | Phase::Ended(_) => true,
            Phase::Queued => state.step.run_condition == RunCondition::Always,
            Phase::Judging | Phase::RetryAt(_) | Phase::ProceedAt(_) | Phase::Asking(_) => false,
        };
        if !stays {
            events.push(EventBody::StepCancelled { step: state.step.id.clone() });
        }
    }
}

/// Skips what is not to be started and starts what may, within the limits.
fn start(run: &Run, now: Timestamp, events: &mut Vec<EventBody>) {
    for state in run.doomed() {
        events.push(EventBody::StepSkipped { step: state.step.id.clone(), reason: why_skipped(run, state) });
    }
    let mut places = (run.policy().max_parallel as usize).max(1);
    let mut lane_free = true;
    for state in run.running() {
        match weight(&state.step.work) {
            Weight::Heavy => places = places.saturating_sub(1),
            Weight::Lane => lane_free = false,
            Weight::Light => {}
        }
    }
    let (mut agents, mut lacking) = (0, false);
    let asks_for_budget = run.asks_for_budget();
    for state in run.startable(now) {
        if !may_start(run, state, events) {
            continue;
        }
        match weight(&state.step.work) {
            Weight::Heavy if places == 0 => continue,
            Weight::Heavy if state.is_agents() && asks_for_budget => continue,
            Weight::Heavy
                if state.is_agents()
                    && let Some(failure) = crate::budget::exhausted(run, agents) =>
            {
                // One step asks for all of them, and only when nothing is under way that may still use what is left.
                if agents == 0 && !lacking && !run.running().any(StepState::is_agents) {
                    let (step, attempt) = (state.step.id.clone(), state.attempt + 1);
                    events.push(EventBody::StepStarted { step: step.clone(), attempt });
                    events.push(EventBody::StepFailed { step, attempt, failure });
                    lacking = true;
                }
                continue;
            }
            Weight::Heavy => {
                places -= 1;
                agents += usize::from(state.is_agents());
            }
            Weight::Lane if !lane_free => continue,
            Weight::Lane => lane_free = false,
            Weight::Light => {}
        }
        events.push(EventBody::StepStarted { step: state.step.id.clone(), attempt: state.attempt + 1 });
        if let Work::Uses(uses @ (Uses::Change | Uses::Merge | Uses::Close)) = &state.step.work {
            write::of_step(run, state, *uses, events);
        }
    }
}

/// Whether a step may start as far as its flow's conditions go. If not, that is decided here: it is skipped, a person
/// is asked, or it fails where its condition cannot be computed. A step that was started once is not asked again.
fn may_start(run: &Run, state: &StepState, events: &mut Vec<EventBody>) -> bool {
    let failed = |failure: Failure, events: &mut Vec<EventBody>| {
        let attempt = state.attempt + 1;
        events.push(EventBody::StepStarted { step: state.step.id.clone(), attempt });
        events.push(EventBody::StepFailed { step: state.step.id.clone(), attempt, failure });
    };
    match run.condition(state) {
        Some(Ok(found)) if !found.holds() && state.attempt == 0 => {
            let why =
                if found.notes.is_empty() { String::new() } else { format!(": {}", found.notes.join("; ")) };
            let reason = format!("its condition does not hold{why}");
            events.push(EventBody::StepSkipped { step: state.step.id.clone(), reason });
        }
        Some(Err(problem)) => {
            let why = format!("compute its condition: {problem}");
            failed(Failure::new(FailureClass::Input, why), events);
        }
        _ if state.step.run_condition == RunCondition::Manual && state.attempt == 0 => {
            failed(Failure::for_a_person(&state.step.id), events);
        }
        _ => return true,
    }
    false
}

fn why_skipped(run: &Run, state: &StepState) -> String {
    let blocking = state.step.needs.iter().filter_map(|need| run.step(need)).find(|need| !need.lets_pass());
    match blocking {
        Some(need) => format!("`{}` {}", need.step.id, need.status()),
        None => "nothing before it failed".to_owned(),
    }
}

/// A run ends when all its steps have ended and all its writes are done.
fn finish(run: &Run, events: &mut Vec<EventBody>) {
    if !run.is_complete() || !run.open_intents.is_empty() {
        return;
    }
    let failed = run.steps().iter().find(|state| state.fails_run());
    let (status, reason) = match (&run.cancelled_by, failed) {
        (Some(by), _) => match run.superseded_by {
            Some(newer) => (Status::Superseded, format!("run {newer} takes its place: {by}")),
            None => (Status::Cancelled, format!("cancelled by {by}")),
        },
        (None, Some(state)) => {
            let rule = state.gate.as_ref().filter(|_| state.output().is_some()).map(|(_, rule)| rule.clone());
            let why = state.failure().map(ToString::to_string).or(rule);
            let why = why.map_or_else(String::new, |why| format!(": {why}"));
            (Status::Failed, format!("`{}` failed{why}", state.step.id))
        }
        (None, None) => (Status::Succeeded, "all steps done".to_owned()),
    };
    let leaves_check = write::of_open_check(run, status, &reason, events);
    // Of a run whose place was taken nobody is told: the newer one has the word.
    let is_quiet = matches!(status, Status::Succeeded | Status::Superseded);
    if (!is_quiet && write::of_end(run, status, &reason, events)) || leaves_check {
        return;
    }
    events.push(EventBody::RunFinished { status, reason });
}

/// Appends a gate decision with the rule and the numbers that it rests on.
fn gate(
    events: &mut Vec<EventBody>,
    step: &StepId,
    gate: Gate,
    rule: impl Into<String>,
    numbers: &[(&str, f64)],
) {
    events.push(EventBody::GateDecided {
        step: step.clone(),
        gate,
        rule: rule.into(),
        numbers: numbers.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect::<BTreeMap<_, _>>(),
    });
}

/// When to try again after the `failures`th transient failure: 2, 4, 8 … seconds and up to a quarter more, spread by
/// the names so that many runs do not come back at once.
pub fn backoff(run: &RunId, step: &StepId, failures: u32, now: Timestamp) -> Timestamp {
    let base_ms = 1000_i64 << failures.clamp(1, 6);
    let seed = format!("{run}/{step}/{failures}").bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let jitter_ms = i64::try_from(seed % 250).unwrap_or(0) * base_ms / 1000;
    now.saturating_add(SignedDuration::from_millis(base_ms + jitter_ms)).unwrap_or(now)
}
