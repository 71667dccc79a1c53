//! What follows from a change that was opened.

use jiff::Timestamp;

use super::{answer, answered_by, block};
use crate::decide::ask::{APPROVE, FIX, Question, REJECT, REWORK, ask};
use crate::decide::{elsewhere, gate, grow, write};
use crate::event::{EventBody, Gate, Urgency};
use crate::failure::{Failure, FailureClass};
use crate::report::{Recommendation, Remark, Report};
use crate::run::{Run, StepState};

/// Decides whether an open change is merged without a person.
pub(super) fn judge(run: &Run, state: &StepState, now: Timestamp, events: &mut Vec<EventBody>) {
    let policy = run.policy();
    let Some(report) = run.report() else { return block(state, "there is no quality report", events) };
    let numbers = [("score", f64::from(report.score)), ("merge_from", f64::from(policy.merge_from))];
    let step = &state.step.id;
    match answer(state) {
        Some(APPROVE) => return gate(events, step, Gate::Proceed, answered_by(state), &numbers),
        Some(REWORK) => return rework_change(run, state, now, events),
        Some(FIX) => {
            let extension = Box::new(grow::another_change(run, state));
            events.push(EventBody::PlanExtended { by: step.clone(), extension });
            return gate(events, step, Gate::Rework, answered_by(state), &numbers);
        }
        Some(_) => return block(state, answered_by(state), events),
        None => write::of_change(run, state, &report, events),
    }
    let held = held(&report, run);
    if held.is_empty()
        && report.recommendation == Recommendation::Approve
        && report.score >= policy.merge_from
    {
        let rule = format!("the score is at least {}: merged without a person", policy.merge_from);
        return gate(events, step, Gate::Proceed, rule, &numbers);
    }
    if let Some((by, before)) = grow::earlier_approval(run, state)
        && before.score <= report.score
        && before.serious_remarks(policy).len() >= report.serious_remarks(policy).len()
    {
        let rule = format!("{by} approved it at score {}, and the score did not fall", before.score);
        return gate(events, step, Gate::Proceed, rule, &numbers);
    }
    let question = Question {
        severity: if held.is_empty() { Urgency::Low } else { Urgency::Medium },
        reason: if held.is_empty() {
            format!("score {} is below {}: a person merges", report.score, policy.merge_from)
        } else {
            held.join(", and ")
        },
        failing: looked_at(&report, run),
        recommendation: "look at the change, then merge it".to_owned(),
        actions: vec![
            (APPROVE, "merge the change".to_owned()),
            (REWORK, "an agent does what your note asks for".to_owned()),
            (REJECT, "leave the change open and end the run".to_owned()),
        ],
    };
    ask(run, state, question, &numbers, now, events);
}

/// Why a person merges it whatever its score.
fn held(report: &Report, run: &Run) -> Vec<String> {
    let serious = report.serious_remarks(run.policy()).len();
    let by = report.reading.as_ref().map_or("", |reading| reading.by.as_str());
    let guarded = (!report.guarded.is_empty()).then(|| "it touches what only a person lets in".to_owned());
    let remarks = match serious {
        0 => None,
        1 => Some(format!("{by} made a serious remark")),
        many => Some(format!("{by} made {many} serious remarks")),
    };
    let unread = report.reading_failed().map(|_| format!("{by} could not read it"));
    guarded.into_iter().chain(remarks).chain(unread).collect()
}

/// What a person who merges should look at.
fn looked_at(report: &Report, run: &Run) -> Vec<String> {
    let remarks = report.serious_remarks(run.policy()).into_iter().map(Remark::line_of);
    let unread = report.reading_failed().map(str::to_owned);
    report.guarded.iter().cloned().chain(remarks).chain(unread).chain(report.not_measured.clone()).collect()
}

/// What a reviewer wrote goes to an agent like what CI finds.
fn rework_change(run: &Run, state: &StepState, now: Timestamp, events: &mut Vec<EventBody>) {
    let note = state.answer.as_ref().map_or("", |answer| answer.note.as_str());
    let lines: Vec<_> = note.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let asked =
        Failure::new(FailureClass::ChangesRequested, format!("changes requested: {}", answered_by(state)))
            .evidence(serde_json::json!(lines));
    elsewhere::judge_objection(run, state, &asked, now, events);
}
