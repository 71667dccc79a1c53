//! The review: every check on the integration branch, the score made of their numbers, and an agent that reads it.

use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::naming;
use miyabi_core::worktree::WorktreeSpec;

use super::reading::Reader;
use super::{Job, Working};
use crate::{Measuring, World};

/// Measures the integration branch and scores it. The report is bound to the commit and its tree.
pub(super) fn review(world: World, job: &Job<'_>) -> Working {
    let run = job.run;
    let issue = run.started.issue.number;
    let policy = run.policy().clone();
    let base = run.started.base_branch.clone();
    let switch = job.stop.clone();
    let reader = Reader::of(&world, job);
    let (run_id, step) = (run.id.clone(), job.state.step.id.clone());
    Box::pin(async move {
        let branch = naming::integration_branch(issue);
        let missing = || Failure::new(FailureClass::Input, format!("branch `{branch}` is gone"));
        let commit = world.worktrees.tip(&branch).await?.ok_or_else(missing)?;
        // The branch's worktree follows its merges; opened anew it stands at the commit that is measured.
        let spec = WorktreeSpec {
            run: run_id.clone(),
            step,
            name: naming::integration_worktree(issue),
            branch: branch.clone(),
            base: commit.clone(),
            keep_work: false,
        };
        let worktree = world.worktrees.open(&spec).await?;
        let onto = world.worktrees.base(&base).await?.unwrap_or_else(|| commit.clone());
        let measuring = Measuring {
            root: &worktree.path,
            commit: commit.clone(),
            onto: onto.clone(),
            policy: &policy,
            run: run_id,
        };
        let mut report = measuring.report(world.worktrees.as_ref(), world.checks.as_ref(), switch).await?;
        if let Some(reader) = reader {
            reader.read(&world, &worktree, &onto, &mut report).await?;
            // What it left in the files is no part of the change.
            world.worktrees.open(&spec).await?;
        }
        if world.worktrees.tip(&branch).await?.as_ref() != Some(&commit) {
            let why = "the integration branch changed while it was measured";
            return Err(Failure::new(FailureClass::Transient, why));
        }
        serde_json::to_value(&report).map_err(|error| Failure::caused(FailureClass::Internal, &error))
    })
}
