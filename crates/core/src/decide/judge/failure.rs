//! What follows from an attempt that failed.

use jiff::Timestamp;

use super::{answer, answered_by, block};
use crate::decide::ask::{APPROVE, FIX, Question, REJECT, ask};
use crate::decide::{backoff, budget, elsewhere, gate, grow};
use crate::event::{EventBody, Gate, Urgency};
use crate::failure::{Failure, FailureClass};
use crate::plan::{OnFailure, Uses, Work};
use crate::run::{Run, StepState};

/// Decides what follows from a failure: another attempt, a question, or the end.
pub(super) fn judge(
    run: &Run,
    state: &StepState,
    failure: &Failure,
    now: Timestamp,
    events: &mut Vec<EventBody>,
) {
    let policy = run.policy();
    let step = &state.step;
    let times = state.failures.len() as u32;
    let of_class = state.failures.iter().filter(|class| **class == failure.class).count() as u32;
    if failure.class == FailureClass::Budget {
        return budget::judge(run, state, failure, now, events);
    }
    if failure.waits_for_a_person() {
        return manual(run, state, now, events);
    }
    // Trying it once more would cost the same and end the same.
    let stuck = policy.same_failures > 0 && state.same_failures >= policy.same_failures;
    // An agent of a flow was asked again in the same attempt; what follows, after its checks too, is the flow's.
    let of_flow = matches!(step.work, Work::Agent(_) | Work::Story(_));
    match answer(state) {
        Some(APPROVE) if matches!(step.work, Work::Integrate(_) | Work::Task(_) | Work::Uses(Uses::Ci)) => {
            return gate(events, &step.id, Gate::Proceed, answered_by(state), &[]);
        }
        Some(FIX | APPROVE) => {
            return gate(events, &step.id, Gate::Retry { at: now }, answered_by(state), &[]);
        }
        Some(_) => return block(state, answered_by(state), events),
        None => {}
    }
    match failure.class {
        FailureClass::Transient if let Some(at) = failure.retry_at() => {
            // It counts against nothing: the other side said when it will answer.
            let rule = "it counts against nothing: what is missing comes back by itself";
            gate(events, &state.step.id, Gate::Retry { at: at.max(now) }, rule, &[]);
        }
        FailureClass::Transient if of_class <= policy.transient_retries => {
            let at = backoff(&run.id, &step.id, of_class, now);
            let numbers =
                [("failures", f64::from(of_class)), ("retries", f64::from(policy.transient_retries))];
            gate(events, &step.id, Gate::Retry { at }, "transient failures are tried again", &numbers);
        }
        FailureClass::Pending => elsewhere::judge_pending(run, state, failure, now, events),
        FailureClass::CiFailed | FailureClass::ChangesRequested => {
            elsewhere::judge_objection(run, state, failure, now, events);
        }
        FailureClass::Cancelled => block(state, "it was cancelled", events),
        FailureClass::Conflict => conflict(run, state, failure, now, events),
        FailureClass::BaseMoved => base_moved(run, state, now, events),
        FailureClass::DirtyCheckout => ask(run, state, dirty_checkout(failure), &[], now, events),
        FailureClass::ChecksFailed if stuck && !of_flow => {
            ask(run, state, checks_failed(state, failure), &[], now, events);
        }
        FailureClass::BadAnswer if stuck => block(state, "it answered in the same way again", events),
        FailureClass::ChecksFailed | FailureClass::BadAnswer if times < policy.task_attempts && !of_flow => {
            let numbers = [("attempts", f64::from(times)), ("allowed", f64::from(policy.task_attempts))];
            gate(
                events,
                &step.id,
                Gate::Retry { at: now },
                "the agent mends what its checks found",
                &numbers,
            );
        }
        FailureClass::ChecksFailed if !of_flow => {
            ask(run, state, checks_failed(state, failure), &[], now, events);
        }
        _ if step.on_failure == OnFailure::Retry && !stuck && times <= step.max_retries => {
            let numbers = [("failures", f64::from(times)), ("retries", f64::from(step.max_retries))];
            gate(events, &step.id, Gate::Retry { at: now }, "the flow asks for another attempt", &numbers);
        }
        _ => block(state, "this kind of failure is not tried again", events),
    }
}

/// A step that its flow does not start by itself: a person does, or leaves it.
fn manual(run: &Run, state: &StepState, now: Timestamp, events: &mut Vec<EventBody>) {
    let step = &state.step.id;
    match answer(state) {
        Some(APPROVE) => gate(events, step, Gate::Retry { at: now }, answered_by(state), &[]),
        Some(_) => block(state, answered_by(state), events),
        None => {
            let question = Question {
                severity: Urgency::Medium,
                reason: format!("step `{step}` is started by a person"),
                failing: Vec::new(),
                recommendation: "start it when what it needs is as it should be".to_owned(),
                actions: vec![
                    (APPROVE, "start it".to_owned()),
                    (REJECT, "leave it, and what needs it".to_owned()),
                ],
            };
            ask(run, state, question, &[], now, events);
        }
    }
}

fn conflict(run: &Run, state: &StepState, failure: &Failure, now: Timestamp, events: &mut Vec<EventBody>) {
    let allowed = run.policy().conflict_attempts;
    let (resolutions, extension) = match &state.step.work {
        Work::Integrate(work) => (work.resolutions, grow::resolution(run, state, work, failure)),
        Work::Uses(Uses::Update) => (0, grow::base_resolution(run, state, failure)),
        _ => return block(state, "a conflict where nothing is merged", events),
    };
    let numbers = [("resolutions", f64::from(resolutions)), ("allowed", f64::from(allowed))];
    if let Some(extension) = extension.filter(|_| resolutions < allowed) {
        events.push(EventBody::PlanExtended { by: state.step.id.clone(), extension: Box::new(extension) });
        return gate(events, &state.step.id, Gate::Rework, "an agent brings both sides together", &numbers);
    }
    let mut actions = vec![(FIX, "I have committed a version that fits; merge again".to_owned())];
    if matches!(state.step.work, Work::Integrate(_)) {
        actions.push((APPROVE, "go on without this task's changes".to_owned()));
    }
    actions.push((REJECT, "end the run".to_owned()));
    let question = Question {
        severity: Urgency::High,
        reason: "conflict unresolved".to_owned(),
        failing: grow::conflict_files(failure)
            .iter()
            .map(|file| format!("{}: {}", file.kind, file.path))
            .collect(),
        recommendation: "bring both sides together in the task's worktree and commit there".to_owned(),
        actions,
    };
    ask(run, state, question, &numbers, now, events);
}

fn base_moved(run: &Run, state: &StepState, now: Timestamp, events: &mut Vec<EventBody>) {
    let moves = grow::count_uses(run, Uses::Update);
    let allowed = run.policy().base_moves;
    let numbers = [("moves", f64::from(moves)), ("allowed", f64::from(allowed))];
    if moves < allowed {
        let extension = grow::update(run, state, moves + 1);
        events.push(EventBody::PlanExtended { by: state.step.id.clone(), extension: Box::new(extension) });
        let rule = "the base branch moved: its report does not speak of the result";
        return gate(events, &state.step.id, Gate::Rework, rule, &numbers);
    }
    let question = Question {
        severity: Urgency::Medium,
        reason: "the base branch keeps moving".to_owned(),
        failing: Vec::new(),
        recommendation: "merge at a quieter time".to_owned(),
        actions: vec![(FIX, "try again now".to_owned()), (REJECT, "leave the change open".to_owned())],
    };
    ask(run, state, question, &numbers, now, events);
}

fn dirty_checkout(failure: &Failure) -> Question {
    Question {
        severity: Urgency::Low,
        reason: "the main checkout has uncommitted changes".to_owned(),
        failing: vec![failure.message.clone()],
        recommendation: "commit or stash them, then go on".to_owned(),
        actions: vec![
            (FIX, "it is clean now; merge".to_owned()),
            (REJECT, "leave the change open".to_owned()),
        ],
    }
}

fn checks_failed(state: &StepState, failure: &Failure) -> Question {
    Question {
        severity: Urgency::Medium,
        reason: format!("the checks of `{}` failed after {} attempts", state.step.id, state.failures.len()),
        failing: grow::evidence_lines(failure),
        recommendation: "mend it in the task's worktree".to_owned(),
        actions: vec![
            (FIX, "I have mended it in the worktree; check again without the agent".to_owned()),
            (REJECT, "give the task up".to_owned()),
        ],
    }
}
