//! The state of one step.

use jiff::Timestamp;
use serde_json::Value;

use crate::event::{Answer, Escalation, Gate};
use crate::failure::{Failure, FailureClass};
use crate::ids::{Attempt, ChangeNumber, CommitId, EscalationId, StepId};
use crate::plan::{OnFailure, Step, Uses, Work};
use crate::status::Status;

/// A step of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct StepState {
    /// What it is.
    pub step: Step,
    /// Where it is.
    pub phase: Phase,
    /// The number of its newest attempt; 0 before the first.
    pub attempt: Attempt,
    /// What its newest ended attempt came to.
    pub result: Option<Result<Value, Failure>>,
    /// The failures so far, oldest first; lost attempts are none, nor is what counts against nothing.
    pub failures: Vec<FailureClass>,
    /// How many of the newest ones are the same in every word.
    pub same_failures: u32,
    /// The newest question about it that was answered.
    pub question: Option<Escalation>,
    /// The answer to it; gone when another attempt ended.
    pub answer: Option<Answer>,
    /// How many questions about it were answered.
    pub answers: u32,
    /// The branch and the commit that its newest attempt left for a change.
    pub work: Option<(String, CommitId)>,
    /// The change that its action opened.
    pub opened: Option<ChangeNumber>,
    /// Whether something happened elsewhere since its newest attempt began to look.
    pub signalled: bool,
    /// What the policy decided last, with its rule.
    pub gate: Option<(Gate, String)>,
    /// Why it was skipped.
    pub skipped: Option<String>,
    /// Whether it was skipped although nothing before it failed, so that those that need it go on.
    pub(super) passes: bool,
    /// The step that took its place.
    pub superseded_by: Option<StepId>,
    /// When its first attempt began.
    pub started_at: Option<Timestamp>,
    /// When it reached its end.
    pub ended_at: Option<Timestamp>,
    /// Whether it is answered by what was looked up, so that nobody works for it.
    pub(super) is_looked_up: bool,
    /// How many of its needs have not ended.
    pub(super) open_needs: usize,
    /// Steps that need it.
    pub(super) dependants: Vec<usize>,
}

/// Where a step is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not started.
    Queued,
    /// An attempt is under way.
    Running,
    /// An attempt ended and the policy has not decided what follows.
    Judging,
    /// Another attempt starts at that time.
    RetryAt(Timestamp),
    /// It counts as succeeded at that time.
    ProceedAt(Timestamp),
    /// A person is asked.
    Asking(EscalationId),
    /// Nothing more will happen.
    Ended(Status),
}

impl StepState {
    pub(super) fn new(step: Step) -> Self {
        Self {
            step,
            phase: Phase::Queued,
            attempt: 0,
            result: None,
            failures: Vec::new(),
            same_failures: 0,
            question: None,
            answer: None,
            answers: 0,
            signalled: false,
            gate: None,
            skipped: None,
            passes: false,
            superseded_by: None,
            started_at: None,
            ended_at: None,
            work: None,
            opened: None,
            is_looked_up: false,
            open_needs: 0,
            dependants: Vec::new(),
        }
    }

    /// Where it is in its life.
    pub fn status(&self) -> Status {
        match self.phase {
            Phase::Queued => Status::Queued,
            Phase::Running => Status::Running,
            Phase::Judging | Phase::RetryAt(_) | Phase::ProceedAt(_) | Phase::Asking(_) => Status::Waiting,
            Phase::Ended(status) => status,
        }
    }

    /// The output of its newest attempt, if that did what it should.
    pub fn output(&self) -> Option<&Value> {
        self.result.as_ref()?.as_ref().ok()
    }

    /// The failure of its newest attempt.
    pub fn failure(&self) -> Option<&Failure> {
        self.result.as_ref()?.as_ref().err()
    }

    /// Whether it will look again whether something happened elsewhere.
    pub fn waits(&self) -> bool {
        matches!(self.phase, Phase::RetryAt(_))
            && self.failure().is_some_and(|failure| failure.class == FailureClass::Pending)
    }

    /// Whether it looks, or will look again, whether something happened elsewhere.
    pub fn listens(&self) -> bool {
        self.waits() || (self.phase == Phase::Running && self.step.work == Work::Uses(Uses::Ci))
    }

    /// Whether steps that need it may go on. One that was skipped stands for what came before it.
    pub fn lets_pass(&self) -> bool {
        match self.phase {
            Phase::Ended(Status::Skipped) => self.passes,
            Phase::Ended(Status::Succeeded | Status::Superseded) => true,
            Phase::Ended(Status::Failed) => self.step.on_failure == OnFailure::Continue,
            _ => false,
        }
    }

    /// Whether its success is judged before it counts.
    pub(super) fn is_judged(&self) -> bool {
        let judged =
            [Uses::Analyse, Uses::Decompose, Uses::Review, Uses::Change, Uses::Stories, Uses::Verdict];
        matches!(self.step.work, Work::Uses(uses) if judged.contains(&uses)) || !self.step.actions.is_empty()
    }

    /// Whether its end makes the run fail.
    pub fn fails_run(&self) -> bool {
        self.phase == Phase::Ended(Status::Failed) && self.step.on_failure != OnFailure::Continue
    }
}
