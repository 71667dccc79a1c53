//! What went wrong, as data: failures are recorded, judged and shown, so they are values.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of failure it is; decides whether it is tried again, reworked, or asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// Will probably pass by itself: a timeout of a service, a lock, a rate limit.
    Transient,
    /// Not yet: what it waits for happens elsewhere, and it is looked at again. It counts against nothing.
    Pending,
    /// Will fail again.
    Permanent,
    /// The deadline of the step or session passed.
    TimedOut,
    /// The agent ended and git shows no change.
    NoChanges,
    /// The task's own checks failed; the evidence says which.
    ChecksFailed,
    /// The forge's CI failed on the change; the evidence says which checks.
    CiFailed,
    /// Reviewers ask for changes; the evidence holds what they wrote.
    ChangesRequested,
    /// Two tasks changed the same lines; the evidence holds both sides.
    Conflict,
    /// The base branch moved since the report was made.
    BaseMoved,
    /// The main checkout has uncommitted changes that a merge would touch.
    DirtyCheckout,
    /// The agent program failed, refused or broke its protocol.
    AgentFailed,
    /// An agent's structured answer did not fit its schema.
    BadAnswer,
    /// There is no budget for another agent session.
    Budget,
    /// A person said no.
    Rejected,
    /// A person stopped it.
    Cancelled,
    /// A program or service that is needed is not there.
    Unavailable,
    /// What the user gave cannot be used.
    Input,
    /// The machine ran out of something, such as disk.
    Exhausted,
    /// A bug of ours.
    Internal,
}

/// A failure: what, why, and what to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// Its kind.
    pub class: FailureClass,
    /// What failed and why: lower case, no final period, causes joined by `: `.
    pub message: String,
    /// What the person can do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What the next attempt or a person needs to see: failing checks, both sides of a conflict.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub evidence: serde_json::Value,
}

impl Failure {
    /// A failure of that class.
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), hint: None, evidence: serde_json::Value::Null }
    }

    /// A failure made from an error and all its causes.
    pub fn caused(class: FailureClass, error: &dyn std::error::Error) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::new(class, message)
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// When the other side wants to be asked again, where it said so: a limit of requests is a wait, not a failure.
    pub fn retry_at(&self) -> Option<jiff::Timestamp> {
        serde_json::from_value(self.evidence.get("retry_at")?.clone()).ok()
    }

    /// The failure of a step that its flow does not start before a person says so.
    pub(crate) fn for_a_person(step: &crate::ids::StepId) -> Self {
        Self::new(FailureClass::Pending, format!("`{step}` is not started before a person says so"))
            .evidence(serde_json::json!({ "waits_for": "person" }))
    }

    /// Whether it is the failure of such a step.
    pub fn waits_for_a_person(&self) -> bool {
        self.class == FailureClass::Pending && self.evidence["waits_for"] == "person"
    }

    /// Whether it counts against what a step may fail: who waits for a limit, for room, for budget or for a person did
    /// nothing wrong.
    pub fn counts(&self) -> bool {
        self.class != FailureClass::Budget && self.retry_at().is_none() && !self.waits_for_a_person()
    }

    /// The same with evidence.
    #[must_use]
    pub fn evidence(mut self, evidence: serde_json::Value) -> Self {
        self.evidence = evidence;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
