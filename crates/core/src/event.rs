//! Events: what happened in a run, appended once, never changed. Everything shown is a view of them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cast::Cast;
use crate::containment::Containment;
use crate::failure::Failure;
use crate::ids::{Attempt, CommitId, EscalationId, IntentId, RunId, RunNumber, SessionId, StepId};
use crate::intent::{Channel, Intent, Receipt};
use crate::issue::Issue;
use crate::knowledge::RecordId;
use crate::plan::{Extension, Plan};
use crate::policy::Policy;
use crate::session::{Adapter, ProcessMark, SessionEnd, Usage};
use crate::status::Status;
use crate::subject::{Cause, RunSubject};
use crate::task::Task;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// In which run.
    pub run: RunId,
    /// Its place in the log, from 0, without gaps.
    pub seq: u64,
    /// When, by the clock of the machine that appended it; never earlier than the event before.
    pub at: Timestamp,
    /// What.
    pub body: EventBody,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventBody {
    /// The run began. Always the first event, and only the first.
    RunStarted(Box<RunStarted>),
    /// An attempt of a step began.
    StepStarted {
        /// Which step.
        step: StepId,
        /// Which try.
        attempt: Attempt,
    },
    /// An agent program was started for an attempt.
    SessionStarted(Box<SessionStarted>),
    /// An agent program said what it calls its session: by this it can be resumed, or found at a gateway.
    SessionNamed {
        /// The session.
        session: SessionId,
        /// The program's own name for it.
        name: String,
    },
    /// An agent program ended.
    SessionEnded(Box<SessionEnded>),
    /// What an agent changed in a step that may open a change was committed, by miyabi.
    WorkCommitted {
        /// Which step.
        step: StepId,
        /// Which try.
        attempt: Attempt,
        /// The branch that it is kept on.
        branch: String,
        /// The commit.
        commit: CommitId,
    },
    /// An attempt did what it should. Some steps are judged before they count as succeeded.
    StepSucceeded {
        /// Which step.
        step: StepId,
        /// Which try.
        attempt: Attempt,
        /// What it came to, for the steps after it.
        output: Value,
    },
    /// An attempt failed. What follows is judged.
    StepFailed {
        /// Which step.
        step: StepId,
        /// Which try.
        attempt: Attempt,
        /// Why.
        failure: Failure,
    },
    /// An attempt vanished with the process that ran it; another one follows. It counts against nothing.
    AttemptLost {
        /// Which step.
        step: StepId,
        /// Which try.
        attempt: Attempt,
    },
    /// A step was not to be started.
    StepSkipped {
        /// Which step.
        step: StepId,
        /// Why.
        reason: String,
    },
    /// A step that had not started was cancelled with its run.
    StepCancelled {
        /// Which step.
        step: StepId,
    },
    /// The policy decided what follows from an ended attempt.
    GateDecided {
        /// Which step.
        step: StepId,
        /// What follows.
        gate: Gate,
        /// The rule that decided, in words.
        rule: String,
        /// The numbers that it looked at.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        numbers: BTreeMap<String, f64>,
    },
    /// New steps joined the plan.
    PlanExtended {
        /// The step whose end made them necessary.
        by: StepId,
        /// The steps.
        extension: Box<Extension>,
    },
    /// A person is asked.
    EscalationRaised(Box<Escalation>),
    /// The question has its one answer.
    EscalationAnswered {
        /// Which question.
        escalation: EscalationId,
        /// The answer.
        answer: Answer,
    },
    /// A write to the outside world is to be done.
    IntentRecorded(Box<Intent>),
    /// It is done.
    IntentDone {
        /// Which.
        intent: IntentId,
        /// What the other side answered.
        receipt: Receipt,
    },
    /// It cannot be done.
    IntentFailed {
        /// Which.
        intent: IntentId,
        /// Why.
        failure: Failure,
    },
    /// Something happened elsewhere that waiting steps may have waited for: they look again now.
    Signalled {
        /// What, in a few words.
        what: String,
    },
    /// The run is to end: a person asked for it, or a newer run takes its place.
    CancelRequested {
        /// Who.
        by: String,
        /// The number of the run that takes its place; none: nothing does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        superseded_by: Option<RunNumber>,
    },
    /// The run ended. Always the last event.
    RunFinished {
        /// `succeeded`, `failed`, `cancelled` or `superseded`.
        status: Status,
        /// In one sentence.
        reason: String,
    },
}

/// The longest payload of a run, in bytes of JSON.
pub const MAX_PAYLOAD: usize = 1024 * 1024;

/// The first event: everything that later decisions rest on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunStarted {
    /// Its number in the repo.
    pub number: RunNumber,
    /// The repo, as its forge names it.
    pub repo: String,
    /// The flow's name.
    pub flow: String,
    /// The issue as it was then.
    pub issue: Issue,
    /// The branch that the change goes into.
    pub base_branch: String,
    /// Its commit when the run began.
    pub base_commit: CommitId,
    /// The flow's steps.
    pub plan: Plan,
    /// The numbers behind the decisions.
    pub policy: Policy,
    /// How tasks are done.
    pub adapter: Adapter,
    /// Who analyses and decomposes; none: the deterministic readers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planner: Option<Adapter>,
    /// Who reads the finished change; none: nobody but tools and people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewer: Option<Adapter>,
    /// Who asked for the run.
    pub actor: String,
    /// How: `cli`, `label`, `comment` …
    pub trigger: String,
    /// Whether the forge is a service with a remote of its own, which has branches and asks people.
    #[serde(default)]
    pub hosted: bool,
    /// What in the issue seems to be meant for agents rather than for people; a person looks at it first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suspicions: Vec<String>,
    /// How people are told of questions and of the end, beside the forge.
    #[serde(default)]
    pub channels: Vec<Channel>,
    /// What started it, as it was told, such as the body of a webhook; none: the issue alone. At most
    /// [`MAX_PAYLOAD`] bytes of JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// Where that happened: `github` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What happened there: `pull_request.opened` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The variables of the environment that its flow reads and may read, as they were when it began; those that were
    /// not set are not here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// The agents that its flow names, as they were when it began.
    #[serde(default, skip_serializing_if = "Cast::is_empty")]
    pub cast: Cast,
    /// What a run on a payload is about; none: nothing in particular. Of runs of one flow about the same thing one
    /// lives at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<RunSubject>,
    /// The delivery that had it begin; none: a person or the time did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

/// An agent program that was started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionStarted {
    /// Its id.
    pub session: SessionId,
    /// For which step.
    pub step: StepId,
    /// For which try.
    pub attempt: Attempt,
    /// How it is driven.
    pub adapter: String,
    /// The program; none where the adapter runs inside miyabi.
    pub process: Option<ProcessMark>,
    /// How strongly it is kept in, with all that it starts; unknown in older logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containment: Option<Containment>,
    /// Where it works.
    pub worktree: PathBuf,
    /// The commit that its worktree started from.
    pub base: CommitId,
    /// The session that it goes on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumes: Option<SessionId>,
    /// Its raw output.
    pub transcript: PathBuf,
    /// Records of past runs that its prompt shows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<RecordId>,
}

/// An agent program that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionEnded {
    /// Its id.
    pub session: SessionId,
    /// How it ended.
    pub end: SessionEnd,
    /// What it used.
    pub usage: Usage,
    /// Processes that had to be killed after it.
    pub leftovers: u32,
    /// What its own rules or its box refused to it, the first of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// What became otherwise while it worked and is not its to change: settings and hooks of the repository, people's
    /// branches, the main checkout. Who changed it is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed_outside: Vec<String>,
}

/// What follows from an ended attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "gate", rename_all = "snake_case")]
pub enum Gate {
    /// The step counts as succeeded.
    Proceed,
    /// It counts as succeeded at that time, unless someone stops the run.
    Notify {
        /// The time.
        until: Timestamp,
    },
    /// Another attempt, not before that time.
    Retry {
        /// The time.
        at: Timestamp,
    },
    /// Other steps take its place; the `PlanExtended` that supersedes it stands just before, in the same append.
    Rework,
    /// A person is asked; the `EscalationRaised` stands just before, in the same append.
    Escalate,
    /// The step failed for good.
    Block,
}

impl Gate {
    /// The word on screen.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Proceed => "proceed",
            Self::Notify { .. } => "notify-then-proceed",
            Self::Retry { .. } => "retry",
            Self::Rework => "rework",
            Self::Escalate => "escalate",
            Self::Block => "block",
        }
    }
}

/// How urgently a person is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Urgency {
    /// When convenient.
    Low,
    /// Today.
    Medium,
    /// Now.
    High,
}

/// A question to a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Escalation {
    /// What is typed to answer it.
    pub id: EscalationId,
    /// The step that waits.
    pub step: StepId,
    /// How urgent.
    pub severity: Urgency,
    /// Why a person is asked.
    pub reason: String,
    /// What is needed to answer.
    pub context: EscalationContext,
    /// The possible answers.
    pub actions: Vec<EscalationAction>,
    /// When the default action is taken.
    pub deadline: Timestamp,
    /// The id of that action.
    pub default_action: String,
}

/// What is needed to answer a question.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EscalationContext {
    /// What failed, one line each.
    pub failing_checks: Vec<String>,
    /// What miyabi would do.
    pub recommendation: String,
}

/// A possible answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EscalationAction {
    /// `approve_anyway`, `manual_fix` or `reject`.
    pub id: String,
    /// What it means here.
    pub label: String,
}

/// The one answer to a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// The id of the chosen action.
    pub action: String,
    /// Who.
    pub by: String,
    /// From where: `cli`, `deadline` …
    pub from: String,
    /// What they added.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// The tasks that take the place of the plan's; only with the answer `modify`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<Task>,
}
