//! The end of a run: the join of the tasks, the daily log, and tidying up.

use std::sync::Arc;

use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::naming;
use miyabi_core::plan::{Uses, Work};
use miyabi_core::view::journal_entry;
use serde_json::json;

use super::{Job, Working, ready};
use crate::World;

/// All tasks are integrated; there is nothing left to do.
pub(super) fn execute(job: &Job<'_>) -> Working {
    let needs = &job.state.step.needs;
    let merged = needs.iter().filter_map(|need| job.run.step(need)).filter(|state| state.step.work != Work::Uses(Uses::Decompose));
    ready(Ok(json!({ "merged": merged.count() })))
}

/// Writes what each session did to the daily log.
pub(super) fn record(world: World, job: &Job<'_>) -> Working {
    let run = Arc::new(job.run.clone());
    Box::pin(async move {
        let mut entries = 0;
        for session in &run.sessions {
            let Some(state) = run.step(&session.step) else { continue };
            let entry = journal_entry(&run, state, session);
            world.journal.record(session.started_at, session.id.as_str(), &entry).await?;
            entries += 1;
        }
        Ok(json!({ "entries": entries, "knowledge": "not configured" }))
    })
}

/// Removes the run's worktrees and its merged branches; what is reachable from nowhere else is pinned first.
pub(super) fn cleanup(world: World, job: &Job<'_>) -> Working {
    let run = job.run;
    let issue = run.started.issue.number;
    let id = run.id.clone();
    let tasks = run.steps().iter().filter(|state| matches!(state.step.work, Work::Task(_)));
    let mut names: Vec<_> = tasks.map(|state| super::task::worktree_name(run, &state.step)).collect();
    names.push(naming::integration_worktree(issue));
    names.dedup();
    Box::pin(async move {
        let (mut removed, mut kept, mut failures) = (0, Vec::new(), Vec::new());
        for name in names {
            match world.worktrees.close(&id, &name).await {
                Ok(closed) => {
                    removed += u32::from(closed.removed);
                    kept.extend(closed.kept);
                }
                Err(failure) => failures.push(format!("{name}: {failure}")),
            }
        }
        world.worktrees.drain().await?;
        if !failures.is_empty() {
            let why = format!("not all worktrees could be removed: {}", failures.join("; "));
            return Err(Failure::new(FailureClass::Permanent, why).hint("`miyabi worktree prune` tries again"));
        }
        Ok(json!({ "removed": removed, "kept": kept }))
    })
}
