//! The plan: an acyclic graph of steps that a run executes and extends.

mod ability;
mod action;
mod graph;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use ability::Lacking;
pub use action::{ActionCall, ActionKind};
pub use graph::{MAX_CYCLES, Problem, Schedule, check, schedule};

use crate::ids::{CommitId, StepId};
use crate::story::StoryWork;
use crate::task::Task;
use crate::worktree::ConflictFile;

/// When a step starts, looking at how its needs ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunCondition {
    /// When all of them succeeded; otherwise it is skipped.
    #[default]
    OnSuccess,
    /// When one of them failed; otherwise it is skipped.
    OnFailure,
    /// Whatever they came to.
    Always,
    /// When all of them succeeded and a person says so.
    Manual,
}

/// What a failed step means for those that need it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// They are skipped and the run fails.
    #[default]
    Stop,
    /// They go on as if it had succeeded; the run does not fail because of it.
    Continue,
    /// It is tried again up to `max_retries` times, whatever its failure, then as `stop`.
    Retry,
}

/// A node of a run's plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Unique within the run.
    pub id: StepId,
    /// What is done.
    pub work: Work,
    /// Steps that must have ended before this one starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<StepId>,
    /// When it starts.
    #[serde(default)]
    pub run_condition: RunCondition,
    /// What its failure means.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// Further attempts after any failure, with `on_failure: retry`.
    #[serde(default)]
    pub max_retries: u32,
    /// Its own deadline in seconds; none: the policy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_secs: Option<u64>,
    /// An expression, read by [`crate::expression::evaluate`] when its needs have ended; where it does not hold the
    /// step is skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// What its agent is given, with `${…}` in its texts as [`crate::expression::fill`] reads them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// The name under which later steps find its output, beside `steps['…'].output`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_key: Option<String>,
    /// What is written to the outside world once it succeeded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<ActionCall>,
}

impl Step {
    /// A step with the usual conditions.
    pub fn new(id: impl Into<StepId>, work: Work) -> Self {
        Self {
            id: id.into(),
            work,
            needs: Vec::new(),
            run_condition: RunCondition::default(),
            on_failure: OnFailure::default(),
            max_retries: 0,
            timeout_secs: None,
            condition: None,
            input: None,
            output_key: None,
            actions: Vec::new(),
        }
    }

    /// The same with these needs.
    #[must_use]
    pub fn needs<I: Into<StepId>>(mut self, needs: impl IntoIterator<Item = I>) -> Self {
        self.needs = needs.into_iter().map(Into::into).collect();
        self
    }

    /// The task that this step belongs to, if decomposition added it.
    pub fn task(&self) -> Option<&Task> {
        match &self.work {
            Work::Task(work) => Some(&work.task),
            _ => None,
        }
    }
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// One of the built-in steps.
    Uses(Uses),
    /// An agent works in a worktree; then the result is committed and checked.
    Task(Box<TaskWork>),
    /// The commit of a task goes into the integration branch.
    Integrate(Integrate),
    /// An agent answers what the step's `input` asks.
    Agent(AgentWork),
    /// A story is taken apart or judged.
    Story(Box<StoryWork>),
}

/// What a flow asks of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentWork {
    /// Its name.
    pub agent: String,
    /// Skills whose texts are added to its prompt, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skills: Vec<String>,
}

/// The built-in steps that flow files name with `uses`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Uses {
    /// The issue is read and rated.
    Analyse,
    /// The issue becomes tasks.
    Decompose,
    /// Ends when all tasks are integrated; by itself it does nothing.
    Execute,
    /// The base branch goes into the integration branch, because it moved.
    Update,
    /// The checks run on the integration branch and are scored.
    Review,
    /// The change is opened.
    Change,
    /// The forge's CI and its reviewers are waited for.
    Ci,
    /// The change is merged.
    Merge,
    /// The new version goes to its environments.
    Deploy,
    /// What happened is written to the daily log and the knowledge index.
    Record,
    /// Worktrees and merged branches go, after proof.
    Cleanup,
    /// The issue is closed with a summary.
    Close,
    /// The stories of the commit are read, and what has to be done about each joins the plan.
    Stories,
    /// What the stories came to is brought together.
    Verdict,
}

impl Uses {
    /// Every built-in step: those of the `issue` flow in its order, then those of `story-ci`.
    pub const ALL: [Self; 14] = [
        Self::Analyse,
        Self::Decompose,
        Self::Execute,
        Self::Update,
        Self::Review,
        Self::Change,
        Self::Ci,
        Self::Merge,
        Self::Deploy,
        Self::Record,
        Self::Cleanup,
        Self::Close,
        Self::Stories,
        Self::Verdict,
    ];

    /// The word in flow files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Analyse => "analyse",
            Self::Decompose => "decompose",
            Self::Execute => "execute",
            Self::Update => "update",
            Self::Review => "review",
            Self::Change => "change",
            Self::Ci => "ci",
            Self::Merge => "merge",
            Self::Deploy => "deploy",
            Self::Record => "record",
            Self::Cleanup => "cleanup",
            Self::Close => "close",
            Self::Stories => "stories",
            Self::Verdict => "verdict",
        }
    }

    /// Whether it carries an issue to a change, and so needs an issue.
    pub fn is_of_issues(self) -> bool {
        !matches!(self, Self::Stories | Self::Verdict)
    }

    /// The built-in step of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|uses| uses.as_str() == word)
    }
}

/// An agent's work on a task, and why it is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskWork {
    /// The task.
    pub task: Task,
    /// Its place among the tasks, from 1.
    pub index: u32,
    /// How many tasks there are.
    pub total: u32,
    /// What this step is for.
    pub purpose: Purpose,
}

/// Why an agent is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "purpose", rename_all = "snake_case")]
pub enum Purpose {
    /// To do the task.
    Implement,
    /// To mend what the review found in the whole change.
    Rework {
        /// What the checks found, one line each.
        findings: Vec<String>,
    },
    /// To bring two sides together.
    Resolve {
        /// The commit that did not fit into the integration branch.
        theirs: CommitId,
        /// Both sides.
        files: Vec<ConflictFile>,
    },
}

/// The merge of one task's commit into the integration branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Integrate {
    /// The step whose commit goes in; its output names the commit.
    pub of: StepId,
    /// Resolutions of a conflict that came before this one.
    pub resolutions: u32,
}

/// New steps for a running plan. The graph stays acyclic and the history whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Extension {
    /// Steps that were not in the plan.
    pub steps: Vec<Step>,
    /// Further needs of steps that have not started.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub joins: BTreeMap<StepId, Vec<StepId>>,
    /// A step that ended, and the new one that those who need it now wait for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<(StepId, StepId)>,
}

/// A checked plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// Steps in file order.
    pub steps: Vec<Step>,
    /// What expressions find under `variables`, and by name alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, Value>,
}

impl From<Vec<Step>> for Plan {
    fn from(steps: Vec<Step>) -> Self {
        Self { steps, ..Self::default() }
    }
}
