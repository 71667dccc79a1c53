//! What an agent finds in its worktree: `.agent-context.json` and `EXECUTION_CONTEXT.md`. None of it is ever committed.

mod text;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{CommitId, IssueNumber, SessionId, StepId};

/// Name of the machine-readable context file.
pub const CONTEXT_JSON: &str = ".agent-context.json";
/// Name of the same for people.
pub const CONTEXT_MD: &str = "EXECUTION_CONTEXT.md";
/// Name of the file with the rendered prompt.
pub const CONTEXT_PROMPT: &str = ".agent-prompt.md";

/// The machine-readable context of one session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgentContext {
    /// The agent's name, such as `codegen`.
    pub agent_type: String,
    /// `executing` while the session runs.
    pub agent_status: String,
    /// The task.
    pub task: ContextTask,
    /// The issue it belongs to.
    pub issue: ContextIssue,
    /// How the work is checked and limited.
    pub config: ContextConfig,
    /// Where the rendered prompt is.
    pub prompt_path: String,
    /// The worktree.
    pub worktree_info: WorktreeInfo,
}

/// The task in the context file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContextTask {
    /// `task-500-2`.
    pub id: StepId,
    /// One line.
    pub title: String,
    /// Markdown.
    pub description: String,
    /// Ids of the tasks it stands on.
    pub dependencies: Vec<StepId>,
    /// What must be true afterwards.
    pub acceptance: Vec<String>,
    /// Paths that will probably change.
    pub files: Vec<String>,
    /// Its place, from 1.
    pub index: u32,
    /// How many tasks there are.
    pub total: u32,
}

/// The issue in the context file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContextIssue {
    /// Its number.
    pub number: IssueNumber,
    /// One line.
    pub title: String,
    /// Markdown; untrusted.
    pub body: String,
    /// Label names.
    pub labels: Vec<String>,
    /// Where people read it.
    pub url: String,
}

/// How the work is checked and limited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContextConfig {
    /// When the session is stopped, in seconds from its start.
    pub deadline_secs: u64,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// The commands that will check the work.
    pub checks: Vec<String>,
    /// What the last attempt failed with.
    pub findings: Vec<String>,
    /// Similar past work, as links or titles.
    pub similar: Vec<String>,
}

/// The worktree in the context file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorktreeInfo {
    /// Where it is.
    pub path: String,
    /// Its branch.
    pub branch: String,
    /// The commit it started from.
    pub base_commit: CommitId,
    /// The session.
    pub session_id: SessionId,
    /// When the session was prepared.
    pub created_at: Timestamp,
}
