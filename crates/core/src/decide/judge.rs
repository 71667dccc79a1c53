//! The gate: what follows from an attempt that ended.

mod change;
mod failure;
mod plan;
mod report;
mod stories;

use jiff::Timestamp;

use super::{act, gate, tell, write};
use crate::event::{EventBody, Gate};
use crate::plan::{Uses, Work};
use crate::run::{Run, StepState};

/// Decides what follows from the ended attempt of a step.
pub(super) fn judge(run: &Run, state: &StepState, now: Timestamp, events: &mut Vec<EventBody>) {
    tell::of_answer(run, state, events);
    let before = events.len();
    of_kind(run, state, now, events);
    // What stories come to is written whatever it is.
    let is_verdict = state.step.work == Work::Uses(Uses::Verdict);
    let succeeded = matches!(events.last(), Some(EventBody::GateDecided { gate, .. }) if *gate == Gate::Proceed || is_verdict);
    if succeeded && events.len() > before && matches!(state.result, Some(Ok(_))) {
        let gate = events.pop();
        match act::opening(run, state) {
            act::Opening::Asked => {}
            act::Opening::Done => events.extend(gate),
            act::Opening::Failed => block(state, "its change could not be opened", events),
            opening => match act::of_step(run, state, events) {
                // Later steps find the change in its output: they begin when it is there.
                Ok(()) if opening == act::Opening::Begins => {}
                Ok(()) => events.extend(gate),
                Err(why) => block(state, why, events),
            },
        }
    }
}

fn of_kind(run: &Run, state: &StepState, now: Timestamp, events: &mut Vec<EventBody>) {
    match (&state.result, &state.step.work) {
        (Some(Err(failure)), _) => failure::judge(run, state, failure, now, events),
        (Some(Ok(_)), Work::Uses(Uses::Analyse)) => {
            write::of_analysis(run, state, events);
            gate(events, &state.step.id, Gate::Proceed, "the analysis is there", &[]);
        }
        (Some(Ok(_)), Work::Uses(Uses::Decompose)) => plan::judge(run, state, now, events),
        (Some(Ok(_)), Work::Uses(Uses::Review)) => report::judge(run, state, now, events),
        (Some(Ok(_)), Work::Uses(Uses::Change)) => change::judge(run, state, now, events),
        (Some(Ok(_)), Work::Uses(Uses::Stories)) => stories::judge(run, state, events),
        (Some(Ok(output)), Work::Uses(Uses::Verdict)) => stories::judge_verdict(run, state, output, events),
        _ => gate(events, &state.step.id, Gate::Proceed, "done", &[]),
    }
}

pub(in crate::decide) fn answer(state: &StepState) -> Option<&str> {
    state.answer.as_ref().map(|answer| answer.action.as_str())
}

pub(in crate::decide) fn answered_by(state: &StepState) -> String {
    state.answer.as_ref().map_or_else(String::new, |answer| format!("{} by {}", answer.action, answer.by))
}

pub(in crate::decide) fn block(state: &StepState, rule: impl Into<String>, events: &mut Vec<EventBody>) {
    gate(events, &state.step.id, Gate::Block, rule, &[]);
}
