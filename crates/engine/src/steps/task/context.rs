//! What the agent is given: the prompt and the context files.

use miyabi_core::context::{
    AgentContext, CONTEXT_JSON, CONTEXT_MD, CONTEXT_PROMPT, ContextConfig, ContextIssue, ContextTask,
    WorktreeInfo,
};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::knowledge::Past;
use miyabi_core::plan::Purpose;
use miyabi_core::ports::Scope;
use miyabi_core::worktree::{ConflictFile, Worktree};
use serde_json::json;

use super::Attempt;

/// The longest issue text that a prompt repeats, in characters.
const BODY: usize = 30_000;

/// The text of an issue as a prompt shows it; the context file always has all of it.
fn shortened(body: &str) -> String {
    let mut shown: String = body.chars().take(BODY).collect();
    if shown.len() < body.len() {
        shown.push_str(&format!("\n\n[cut here; the whole text is in {CONTEXT_JSON}]"));
    }
    shown
}

impl Attempt {
    /// Renders the prompt and puts it and the context files into the worktree.
    pub(super) async fn prepare(
        &self,
        worktree: &Worktree,
        conflicts: &[ConflictFile],
        past: &[Past],
    ) -> Result<String, Failure> {
        let context = self.context(worktree, past);
        let template = match self.work.purpose {
            Purpose::Implement if self.findings.is_empty() => "codegen",
            Purpose::Implement | Purpose::Rework { .. } => "rework",
            Purpose::Resolve { .. } => "resolve",
        };
        let task = &self.work.task;
        let values = json!({
            "agent": task.agent,
            "issue": {
                "number": self.issue.number,
                "title": self.issue.title,
                "body": shortened(&self.issue.body),
                "labels": self.issue.labels,
            },
            "task": {
                "id": task.id,
                "title": task.title,
                "description": task.description,
                "kind": task.kind,
                "acceptance": task.acceptance,
                "files": task.files,
                "index": self.work.index,
                "total": self.work.total,
                "dependencies": task.dependencies,
            },
            "attempt": self.seat.attempt,
            "checks": context.config.checks,
            "findings": self.findings,
            "past": past,
            "fence": self.world.ids.new_id(),
            "conflict_files": conflicts,
        });
        let prompt = self.world.agents.prompt(template, &values)?;
        let json = serde_json::to_string_pretty(&context)
            .map_err(|error| Failure::caused(FailureClass::Internal, &error))?;
        let files =
            [(CONTEXT_JSON, json), (CONTEXT_MD, context.to_markdown()), (CONTEXT_PROMPT, prompt.clone())];
        self.world.worktrees.put_context(worktree, &files).await?;
        Ok(prompt)
    }

    fn context(&self, worktree: &Worktree, past: &[Past]) -> AgentContext {
        let task = &self.work.task;
        AgentContext {
            agent_type: task.agent.clone(),
            agent_status: "executing".to_owned(),
            task: ContextTask {
                id: task.id.clone(),
                title: task.title.clone(),
                description: task.description.clone(),
                dependencies: task.dependencies.clone(),
                acceptance: task.acceptance.clone(),
                files: task.files.clone(),
                index: self.work.index,
                total: self.work.total,
            },
            issue: ContextIssue {
                number: self.issue.number,
                title: self.issue.title.clone(),
                body: self.issue.body.clone(),
                labels: self.issue.labels.clone(),
                url: self.issue.url.clone(),
            },
            config: ContextConfig {
                deadline_secs: self.seat.deadline_secs,
                attempt: self.seat.attempt,
                checks: self.world.checks.commands(&worktree.path, Scope::Task),
                findings: self.findings.clone(),
                similar: past.iter().map(Past::line).collect(),
            },
            prompt_path: CONTEXT_PROMPT.to_owned(),
            worktree_info: WorktreeInfo {
                path: worktree.path.display().to_string(),
                branch: worktree.branch.clone(),
                base_commit: worktree.base.clone(),
                session_id: self.seat.session.clone(),
                created_at: self.at,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_at_a_character_and_says_so() {
        assert_eq!(shortened("短い"), "短い");
        let long = "長".repeat(BODY + 1);
        let shown = shortened(&long);
        assert!(shown.starts_with(&"長".repeat(BODY)) && shown.ends_with("in .agent-context.json]"));
        assert!(shown.chars().count() < BODY + 60);
    }
}
