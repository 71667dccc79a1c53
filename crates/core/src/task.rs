//! Tasks: what an issue is decomposed into.

mod check;
mod reader;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use check::{MAX_ESTIMATE, MAX_TITLE, TaskProblem, check_tasks};
pub use reader::read_tasks;

use crate::analysis::Kind;
use crate::ids::{CommitId, SessionId, StepId};
use crate::knowledge::RecordId;
use crate::status::Status;

/// A step that decomposition added: one piece of work for one agent in one worktree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// `task-<issue>-<n>`, n from 1.
    pub id: StepId,
    /// One line, imperative.
    pub title: String,
    /// What to do, in Markdown; untrusted where it comes from an issue.
    #[serde(default)]
    pub description: String,
    /// What kind of work it is.
    pub kind: Kind,
    /// The agent that does it, such as `codegen`.
    #[serde(default = "codegen")]
    pub agent: String,
    /// Estimated work in minutes; at least 1.
    #[schemars(range(min = 1))]
    pub estimate_minutes: u32,
    /// Ids of the tasks that must be merged before this one starts.
    #[serde(default)]
    pub dependencies: Vec<StepId>,
    /// What must be true afterwards.
    #[serde(default)]
    pub acceptance: Vec<String>,
    /// Paths that will probably change, relative to the repository.
    #[serde(default)]
    pub files: Vec<String>,
}

fn codegen() -> String {
    "codegen".to_owned()
}

/// The coordinator's answer: the tasks of an issue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Decomposition {
    /// In the order in which they were named.
    pub tasks: Vec<Task>,
    /// Who says so: `deterministic reader`, or the agent's name.
    #[serde(default)]
    pub coordinator: String,
}

/// What an agent's work on a task came to, as git and the checks show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentResult {
    /// `succeeded`; a failed attempt is a failure, not a result.
    pub status: Status,
    /// The session.
    pub session_id: SessionId,
    /// The commit that holds the work.
    pub commit: CommitId,
    /// Paths that are new.
    pub files_created: Vec<String>,
    /// Paths that were changed or deleted.
    pub files_changed: Vec<String>,
    /// Lines added.
    pub insertions: u64,
    /// Lines removed.
    pub deletions: u64,
    /// Tests that passed; none: not measured.
    pub tests_passed: Option<u64>,
    /// Tests that failed; none: not measured.
    pub tests_failed: Option<u64>,
    /// Warnings of the linter in the whole checkout; none: not measured.
    pub lint_warnings: Option<u64>,
    /// What could not be measured, with its reason.
    pub not_measured: Vec<String>,
    /// How long the agent worked.
    pub duration_ms: u64,
    /// Input and output tokens, as the program states them.
    pub tokens: Option<u64>,
    /// Cost in US dollars, as the program states it.
    pub cost_usd: Option<f64>,
    /// Records of past runs that the agent was given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<RecordId>,
    /// The agent's last words; data, never proof.
    pub last_message: Option<String>,
}
