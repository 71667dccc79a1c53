//! What follows when there is no budget for another agent, and when there is nearly none.

use jiff::Timestamp;

use super::ask::{APPROVE, Question, REJECT, WAIT, ask, ask_until};
use super::gate;
use super::judge::{answer, answered_by, block};
use super::tell::{notify, of_status};
use super::write::is_recorded;
use crate::budget;
use crate::event::{EventBody, Gate, Urgency};
use crate::failure::Failure;
use crate::run::{Phase, Run, StepState};

/// The run waits for a person who lets agents go on; where only the day is over, for the next one.
pub(super) fn judge(
    run: &Run,
    state: &StepState,
    failure: &Failure,
    now: Timestamp,
    events: &mut Vec<EventBody>,
) {
    let retry = |rule: String, events: &mut Vec<EventBody>| {
        gate(events, &state.step.id, Gate::Retry { at: now }, rule, &[]);
    };
    let was_refused = |other: &StepState| matches!(other.phase, Phase::Ended(_)) && other.lacks_budget();
    // By an open question, or by one that another step raised a moment ago.
    let asks = |event: &EventBody| match event {
        EventBody::EscalationRaised(asked) => run.step(&asked.step).is_some_and(StepState::lacks_budget),
        _ => false,
    };
    let is_asked = run.asks_for_budget() || events.iter().any(asks);
    match answer(state) {
        Some(APPROVE | WAIT) => retry(answered_by(state), events),
        Some(_) => block(state, answered_by(state), events),
        None if run.steps().iter().any(was_refused) => block(state, "no further agent is started", events),
        None if is_asked => retry("somebody is asked for all of them".to_owned(), events),
        None => {
            let (reason, raise) = match failure.retry_at() {
                Some(_) => ("budget of the day reached", "go on today"),
                None if budget::is_breaker(failure) => {
                    ("agents keep failing in the same way", "the cause is mended: start agents again")
                }
                None => ("budget reached", "raise it: as much again"),
            };
            let mut question = Question {
                severity: Urgency::High,
                reason: reason.to_owned(),
                failing: vec![failure.message.clone()],
                recommendation: "look at what was done for it, then let it go on or end the run".to_owned(),
                actions: vec![(APPROVE, raise.to_owned()), (REJECT, "start no further agent".to_owned())],
            };
            let Some(next_day) = failure.retry_at() else {
                return ask(run, state, question, &[], now, events);
            };
            question.actions.push((WAIT, "go on when the next day begins (UTC)".to_owned()));
            ask_until(run, state, question, &[], next_day, events);
        }
    }
}

/// What is nearly used up, once for each limit.
pub(super) fn tell(run: &Run, events: &mut Vec<EventBody>) {
    let Some(first) = run.steps().first() else { return };
    for (resource, nearly) in budget::nearly(run) {
        let what = format!("budget-{}-{}", resource.as_str(), run.spending.raises);
        // The status comment tells all tasks; it is not to be written anew at each decision.
        if is_recorded(run, first, &format!("status-{what}")) {
            continue;
        }
        of_status(run, first, &what, &format!("the budget is nearly used up: {nearly}"), events);
        notify(
            run,
            first,
            Urgency::Medium,
            &what,
            "the budget is nearly used up",
            &format!("{nearly}.\n"),
            events,
        );
    }
}
