//! Questions to people.

use jiff::{SignedDuration, Timestamp};

use super::tell;
use crate::event::{Escalation, EscalationAction, EscalationContext, EventBody, Gate, Urgency};
use crate::ids::EscalationId;
use crate::run::{Run, StepState};

/// Go on although miyabi would not.
pub(crate) const APPROVE: &str = "approve_anyway";
/// A person mends it; then it is looked at again.
pub(crate) const FIX: &str = "manual_fix";
/// An agent does what the answer's note asks for.
pub(crate) const REWORK: &str = "rework";
/// Other tasks take the place of the plan's.
pub(crate) const MODIFY: &str = "modify";
/// It goes on by itself when its time has come.
pub(super) const WAIT: &str = "wait";
/// The step fails.
pub(crate) const REJECT: &str = "reject";

/// A question before it has its number and its deadline.
pub(super) struct Question {
    pub severity: Urgency,
    pub reason: String,
    pub failing: Vec<String>,
    pub recommendation: String,
    /// `(id, what it means here)`; the last one is taken when nobody answers.
    pub actions: Vec<(&'static str, String)>,
}

/// Raises the question for a step; the run waits for the answer there, and nowhere else.
pub(super) fn ask(
    run: &Run,
    state: &StepState,
    question: Question,
    numbers: &[(&str, f64)],
    now: Timestamp,
    events: &mut Vec<EventBody>,
) {
    let wait =
        SignedDuration::from_secs(i64::try_from(run.policy().escalation_deadline_secs).unwrap_or(i64::MAX));
    let deadline = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
    ask_until(run, state, question, numbers, deadline, events);
}

/// The same, with a deadline of its own.
pub(super) fn ask_until(
    run: &Run,
    state: &StepState,
    question: Question,
    numbers: &[(&str, f64)],
    deadline: Timestamp,
    events: &mut Vec<EventBody>,
) {
    let raised = events.iter().filter(|event| matches!(event, EventBody::EscalationRaised(_))).count() as u32;
    let default_action = question.actions.last().map_or(REJECT, |(id, _)| *id);
    let rule = question.reason.clone();
    let escalation = Escalation {
        id: EscalationId::new(format!("{}-{}", run.started.number, run.questions_raised + raised + 1)),
        step: state.step.id.clone(),
        severity: question.severity,
        reason: question.reason,
        context: EscalationContext {
            failing_checks: question.failing,
            recommendation: question.recommendation,
        },
        actions: question
            .actions
            .iter()
            .map(|(id, label)| EscalationAction { id: (*id).to_owned(), label: label.clone() })
            .collect(),
        deadline,
        default_action: default_action.to_owned(),
    };
    tell::of_question(run, state, &escalation, events);
    events.push(EventBody::EscalationRaised(Box::new(escalation)));
    super::gate(events, &state.step.id, Gate::Escalate, rule, numbers);
}
