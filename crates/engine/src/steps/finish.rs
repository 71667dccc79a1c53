//! The end of a run: the join of the tasks, the daily log, and tidying up.

use std::sync::Arc;

use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::naming;
use miyabi_core::plan::{Uses, Work};
use miyabi_core::run::StepState;
use miyabi_core::session::SessionEnd;
use miyabi_core::task::AgentResult;
use miyabi_core::view::{JournalFacts, journal_entry};
use serde::Deserialize;
use serde_json::json;

use super::{Job, Working, ready};
use crate::World;

/// All tasks are integrated; there is nothing left to do.
pub(super) fn execute(job: &Job<'_>) -> Working {
    let needs = &job.state.step.needs;
    let merged = needs
        .iter()
        .filter_map(|need| job.run.step(need))
        .filter(|state| state.step.work != Work::Uses(Uses::Decompose));
    ready(Ok(json!({ "merged": merged.count() })))
}

/// Writes what each session did to the daily log.
pub(super) fn record(world: World, job: &Job<'_>) -> Working {
    let run = Arc::new(job.run.clone());
    Box::pin(async move {
        let mut entries = 0;
        let quality = run.report().map(|report| report.score);
        for session in &run.sessions {
            let Some(state) = run.step(&session.step) else { continue };
            let (end, at) = session.end.clone().unwrap_or((SessionEnd::Stopped, run.last_at));
            let actions = actions(state, &end);
            let facts = JournalFacts {
                at,
                agent: &session.adapter,
                task: &session.step,
                title: state.step.task().map_or("", |task| &task.title),
                status: state.status(),
                duration_ms: u64::try_from(at.duration_since(session.started_at).as_millis()).unwrap_or(0),
                quality,
                actions: &actions,
            };
            world.journal.record(at, session.id.as_str(), &journal_entry(&facts)).await?;
            entries += 1;
        }
        Ok(json!({ "entries": entries }))
    })
}

/// What a session did, as git shows it, or why it came to nothing.
fn actions(state: &StepState, end: &SessionEnd) -> Vec<String> {
    let Some(result) = state.output().and_then(|output| AgentResult::deserialize(output).ok()) else {
        let why = state.failure().map_or_else(|| format!("{end:?}"), ToString::to_string);
        return vec![why];
    };
    let created = result.files_created.iter().map(|path| format!("created {path}"));
    let changed = result.files_changed.iter().map(|path| format!("changed {path}"));
    created.chain(changed).collect()
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
    let base = run.started.base_branch.clone();
    Box::pin(async move {
        // What was merged elsewhere has to be known here, so that it counts as reachable.
        world.worktrees.base(&base).await?;
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
            return Err(
                Failure::new(FailureClass::Permanent, why).hint("`miyabi worktree prune` tries again")
            );
        }
        Ok(json!({ "removed": removed, "kept": kept }))
    })
}
