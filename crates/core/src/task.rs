//! Tasks: what an issue is decomposed into.

mod check;
mod reader;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use check::{MAX_ESTIMATE, MAX_TITLE, TaskProblem, check_tasks};
pub use reader::read_tasks;

use crate::analysis::Kind;
use crate::ids::StepId;

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
