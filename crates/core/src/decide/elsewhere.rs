//! What follows from what happens on the forge while a change is open: CI, reviews, and people who merge or close it.

use jiff::{SignedDuration, Timestamp};

use super::ask::{APPROVE, FIX, Question, REJECT, ask};
use super::{gate, grow};
use crate::event::{EventBody, Gate, Urgency};
use crate::failure::{Failure, FailureClass};
use crate::plan::Work;
use crate::run::{Run, StepState};

/// The longest pause between two looks, in seconds.
const LONGEST_PAUSE: u64 = 300;

/// It is looked at again, ever more seldom; a delivery wakes it earlier. Past the deadline a person is asked.
pub(super) fn judge_pending(
    run: &Run,
    state: &StepState,
    failure: &Failure,
    now: Timestamp,
    events: &mut Vec<EventBody>,
) {
    let policy = run.policy();
    let looks = state.failures.iter().rev().take_while(|class| **class == FailureClass::Pending).count();
    let waited = now.duration_since(state.started_at.unwrap_or(now));
    let numbers = [("looks", looks as f64), ("waited_secs", waited.as_secs_f64())];
    if state.signalled {
        let rule = "something happened while it was looked at";
        return gate(events, &state.step.id, Gate::Retry { at: now }, rule, &numbers);
    }
    // Whoever answers that it is to be looked at again grants as much time once more.
    let deadline = policy.ci_deadline_secs.saturating_mul(u64::from(state.answers) + 1);
    // A step of an agent says itself how long it waits, and goes on then.
    let asks = !matches!(state.step.work, Work::Agent(_));
    if asks && waited > SignedDuration::from_secs(i64::try_from(deadline).unwrap_or(i64::MAX)) {
        let question = Question {
            severity: Urgency::Medium,
            reason: format!(
                "CI has not ended after {}",
                crate::view::took(Timestamp::UNIX_EPOCH, after(waited))
            ),
            failing: vec![failure.message.clone()],
            recommendation: "look whether CI is stuck".to_owned(),
            actions: vec![
                (FIX, "look again now".to_owned()),
                (APPROVE, "go on without CI".to_owned()),
                (REJECT, "leave the change open and end the run".to_owned()),
            ],
        };
        return ask(run, state, question, &numbers, now, events);
    }
    let doublings = u32::try_from(looks.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    let pause = policy.ci_poll_secs.max(1).saturating_mul(1 << doublings).min(LONGEST_PAUSE);
    let pause = SignedDuration::from_secs(i64::try_from(pause).unwrap_or(i64::MAX));
    let at = now.saturating_add(pause).unwrap_or(Timestamp::MAX);
    gate(events, &state.step.id, Gate::Retry { at }, failure.message.clone(), &numbers);
}

fn after(waited: SignedDuration) -> Timestamp {
    Timestamp::UNIX_EPOCH.saturating_add(waited).unwrap_or(Timestamp::MAX)
}

/// An agent mends what CI or reviewers found; when that was tried often enough, a person does.
pub(super) fn judge_objection(
    run: &Run,
    state: &StepState,
    failure: &Failure,
    now: Timestamp,
    events: &mut Vec<EventBody>,
) {
    let findings = grow::evidence_lines(failure);
    let reworks = grow::count_reworks(run);
    let allowed = run.policy().rework_attempts;
    let numbers = [("reworks", f64::from(reworks)), ("allowed", f64::from(allowed))];
    let by_review = failure.class == FailureClass::ChangesRequested;
    if reworks < allowed && !findings.is_empty() {
        let title = if by_review { "Do what the reviewers ask for" } else { "Mend what CI found" };
        let extension = grow::mend_change(run, state, title, findings, reworks + 1);
        events.push(EventBody::PlanExtended { by: state.step.id.clone(), extension: Box::new(extension) });
        let rule = if by_review {
            "an agent does what the reviewers ask for"
        } else {
            "an agent mends what CI found"
        };
        return gate(events, &state.step.id, Gate::Rework, rule, &numbers);
    }
    let question = Question {
        severity: Urgency::High,
        reason: format!("{} after {}", failure.message, grow::times(reworks)),
        failing: findings,
        recommendation: "mend it on the change's branch, or have CI run again".to_owned(),
        actions: vec![
            (FIX, "it is mended; look again".to_owned()),
            (APPROVE, "go on in spite of it".to_owned()),
            (REJECT, "leave the change open and end the run".to_owned()),
        ],
    };
    ask(run, state, question, &numbers, now, events);
}
