//! What people are told while a run goes on: where it stands, what they are asked, and what was answered.

use super::write::{comment, record};
use crate::event::{Escalation, EventBody, Urgency};
use crate::intent::Write;
use crate::run::reminding::channels_for;
use crate::run::{Run, StepState};
use crate::status::Status;
use crate::view;

/// Where the run stands: one comment, edited in place. `stage` says in a few words what comes now; `what` tells this
/// edit from others of the same attempt.
pub(super) fn of_status(run: &Run, state: &StepState, what: &str, stage: &str, events: &mut Vec<EventBody>) {
    // What a run of an event says is its flow's affair.
    if run.started.payload.is_some() {
        return;
    }
    let body = view::status_comment(run, stage);
    record(run, state, &format!("status-{what}"), false, comment(run, "status", body), events);
}

/// The question as a comment, and to those who are told by mail or chat.
pub(super) fn of_question(
    run: &Run,
    state: &StepState,
    escalation: &Escalation,
    events: &mut Vec<EventBody>,
) {
    let key = format!("question-{}", escalation.id);
    let body = view::question_comment(run, escalation);
    record(run, state, &key, false, comment(run, &key, body), events);
    of_status(run, state, &key, &format!("waits for an answer: {}", escalation.reason), events);
    let subject = format!("a question: {}", escalation.reason);
    let body = view::question_note(escalation);
    notify(run, state, escalation.severity, &format!("{key}-note"), &subject, &body, events);
}

/// The question once more, to those who are told by mail or chat.
pub(super) fn of_reminder(
    run: &Run,
    state: &StepState,
    escalation: &Escalation,
    number: i64,
    events: &mut Vec<EventBody>,
) {
    let subject = format!("still a question: {}", escalation.reason);
    let body = view::question_note(escalation);
    let what = format!("question-{}-reminder-{number}", escalation.id);
    notify(run, state, escalation.severity, &what, &subject, &body, events);
}

/// The answer, in the comment that asked.
pub(super) fn of_answer(run: &Run, state: &StepState, events: &mut Vec<EventBody>) {
    let (Some(answer), Some(escalation)) = (&state.answer, &state.question) else { return };
    let key = format!("question-{}", escalation.id);
    let body = view::answered_comment(escalation, answer);
    record(run, state, &format!("{key}-answered"), false, comment(run, &key, body), events);
}

/// That work on a hotfix begins, to those who are told by mail or chat.
pub(super) fn of_hotfix(run: &Run, state: &StepState, events: &mut Vec<EventBody>) {
    let body = format!("Work on it begins now. To stop it: `miyabi cancel {}`.", run.started.number);
    notify(run, state, Urgency::High, "hotfix-note", "a hotfix begins", &body, events);
}

/// The end of the run, to those who are told by mail or chat.
pub(super) fn of_end(
    run: &Run,
    state: &StepState,
    status: Status,
    reason: &str,
    events: &mut Vec<EventBody>,
) {
    let subject = format!("run {} {status}", run.started.number);
    notify(run, state, Urgency::High, "end-note", &subject, &view::end_note(run, status, reason), events);
}

/// A message to those who are told by mail or chat.
pub(super) fn notify(
    run: &Run,
    state: &StepState,
    urgency: Urgency,
    what: &str,
    subject: &str,
    body: &str,
    events: &mut Vec<EventBody>,
) {
    let about = match run.started.issue.number {
        0 => format!(" {}", run.started.flow),
        issue => format!("#{issue}"),
    };
    let subject = format!("[miyabi] {}{about} {subject}", run.started.repo);
    let subject = crate::plain::one_line(&subject, 200);
    let url = run.started.issue.url.clone();
    for channel in channels_for(run.policy(), &run.started.channels, urgency) {
        let what = format!("{what}-{}", channel.as_str());
        let (subject, body, url) = (subject.clone(), body.to_owned(), url.clone());
        record(run, state, &what, false, Write::Notify { channel, subject, body, url }, events);
    }
}
