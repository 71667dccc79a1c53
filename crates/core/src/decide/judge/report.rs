//! What follows from a quality report.

use jiff::Timestamp;

use super::{answer, answered_by, block};
use crate::decide::ask::{APPROVE, FIX, Question, REJECT, ask};
use crate::decide::{gate, grow, write};
use crate::event::{EventBody, Gate, Urgency};
use crate::report::{Recommendation, Report};
use crate::run::{Run, StepState};

/// Decides whether a change is opened, reworked, or looked at by a person first.
pub(super) fn judge(run: &Run, state: &StepState, now: Timestamp, events: &mut Vec<EventBody>) {
    let policy = run.policy();
    let Some(report) =
        state.output().and_then(|output| serde_json::from_value::<Report>(output.clone()).ok())
    else {
        return block(state, "the quality report cannot be read", events);
    };
    let reworks = grow::count_reworks(run);
    let numbers = [
        ("score", f64::from(report.score)),
        ("open_from", f64::from(policy.open_from)),
        ("review_from", f64::from(policy.review_from)),
        ("reworks", f64::from(reworks)),
    ];
    write::of_report(run, state, &report, events);
    let step = &state.step.id;
    match answer(state) {
        Some(APPROVE) => return gate(events, step, Gate::Proceed, answered_by(state), &numbers),
        Some(FIX) => {
            let extension = Box::new(grow::another_review(run, state));
            events.push(EventBody::PlanExtended { by: step.clone(), extension });
            return gate(events, step, Gate::Rework, answered_by(state), &numbers);
        }
        Some(_) => return block(state, answered_by(state), events),
        None => {}
    }
    let (severity, reason) = match report.recommendation {
        Recommendation::Approve => {
            return gate(
                events,
                step,
                Gate::Proceed,
                "the score is high enough and no gate closed",
                &numbers,
            );
        }
        Recommendation::Rework
            if reworks < policy.rework_attempts
                && !grow::findings(&report).is_empty()
                && !grow::is_stuck(run, state, &report) =>
        {
            let extension = grow::rework(run, state, &report, reworks + 1);
            events.push(EventBody::PlanExtended { by: step.clone(), extension: Box::new(extension) });
            return gate(events, step, Gate::Rework, "an agent mends what the checks found", &numbers);
        }
        Recommendation::Rework => {
            let why = match grow::findings(&report).is_empty() {
                true => {
                    let nothing = "nothing that an agent could mend".to_owned();
                    std::iter::once(nothing)
                        .chain(report.not_measured.iter().cloned())
                        .collect::<Vec<_>>()
                        .join("; ")
                }
                false if grow::is_stuck(run, state, &report) => "it finds the same again".to_owned(),
                false => closed(&report),
            };
            (Urgency::High, format!("score {} after {}: {why}", report.score, grow::times(reworks)))
        }
        Recommendation::Review => {
            (Urgency::Medium, format!("score {} is below {}", report.score, policy.open_from))
        }
        Recommendation::Block => (Urgency::High, format!("a hard gate closed: {}", closed(&report))),
    };
    let question = Question {
        severity,
        reason,
        failing: grow::findings(&report),
        recommendation: "mend it on the integration branch".to_owned(),
        actions: vec![
            (APPROVE, "open the change as it is".to_owned()),
            (FIX, "I have committed a mended version to the integration branch; check again".to_owned()),
            (REJECT, "end the run".to_owned()),
        ],
    };
    ask(run, state, question, &numbers, now, events);
}

fn closed(report: &Report) -> String {
    if report.gates.is_empty() { "no hard gate closed".to_owned() } else { report.gates.join(", ") }
}
