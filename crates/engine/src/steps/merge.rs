//! The integration branch grows: by one task's commit, or by what the base branch gained.

use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::CommitId;
use miyabi_core::naming::{self, MergeFacts};
use miyabi_core::plan::{Integrate, Work};
use miyabi_core::worktree::{MergeSpec, Merged};
use serde_json::json;

use super::{Job, Outcome, Working, ready};
use crate::World;

/// Merges the commit of a task.
pub(super) fn integrate(world: World, integrate: &Integrate, job: &Job<'_>) -> Working {
    let run = job.run;
    let issue = run.started.issue.number;
    let Some(of) = run.step(&integrate.of) else {
        return ready(Err(Failure::new(FailureClass::Internal, format!("no step `{}`", integrate.of))));
    };
    let Work::Task(work) = &of.step.work else {
        return ready(Err(Failure::new(FailureClass::Internal, format!("`{}` is no task", integrate.of))));
    };
    let facts = MergeFacts { task: &work.task, issue, index: work.index, total: work.total, run: &run.id };
    let message = naming::merge_message(&facts);
    let commit = of.output().and_then(|output| output["commit"].as_str()).map(CommitId::from);
    // A person who mended it committed to the branch; their commit is the one to merge.
    let by_person = job.state.answer.is_some();
    let branch = super::task::branch(run, &of.step);
    let at = job.state.started_at.unwrap_or(run.last_at);
    Box::pin(async move {
        let from = if by_person { world.worktrees.tip(&branch).await?.or(commit) } else { commit };
        let Some(from) = from else { return Ok(json!({ "left_out": true })) };
        let into = naming::integration_branch(issue);
        merged(world.worktrees.merge(&MergeSpec { into, from: from.clone(), message, at }).await?, &from)
    })
}

/// Merges what the base branch gained.
pub(super) fn update(world: World, job: &Job<'_>) -> Working {
    let issue = job.run.started.issue.number;
    let base = job.run.started.base_branch.clone();
    let message = naming::update_message(&base, issue, &job.run.id);
    let at = job.state.started_at.unwrap_or(job.run.last_at);
    Box::pin(async move {
        let tip = world.worktrees.base(&base).await?;
        let tip = tip.ok_or_else(|| Failure::new(FailureClass::Input, format!("branch `{base}` is gone")))?;
        let into = naming::integration_branch(issue);
        merged(world.worktrees.merge(&MergeSpec { into, from: tip.clone(), message, at }).await?, &tip)
    })
}

fn merged(merged: Merged, theirs: &CommitId) -> Outcome {
    match merged {
        Merged::Done { commit, tree } | Merged::Already { commit, tree } => {
            Ok(json!({ "commit": commit, "tree": tree }))
        }
        Merged::Conflict { ours, files } => {
            let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
            let why = format!("both sides changed {}", paths.join(", "));
            Err(Failure::new(FailureClass::Conflict, why)
                .evidence(json!({ "ours": ours, "theirs": theirs, "files": files })))
        }
    }
}
