//! Analysis and decomposition: by the deterministic readers, or by an agent whose answer is checked.

use miyabi_core::analysis::{Analysis, read_issue};
use miyabi_core::autonomy;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::issue::Issue;
use miyabi_core::naming;
use miyabi_core::run::{Run, StepState};
use miyabi_core::task::{Decomposition, Task, TaskProblem, check_tasks, read_tasks};
use miyabi_core::untrusted::visible;
use miyabi_core::worktree::WorktreeSpec;
use serde_json::json;

use super::past::Recall;
use super::session::Seat;
use super::{Job, Outcome, Working, ready};
use crate::World;

/// Rates the issue.
pub(super) fn analyse(world: World, job: &Job<'_>) -> Working {
    let issue = job.run.started.issue.clone();
    let Some(planner) = job.run.started.planner.clone() else { return ready(to_value(&read_issue(&issue))) };
    let mut seat = Seat::of(&world, job);
    let memory = Recall::of(job.run);
    let spec = integration(job.run, job);
    let findings = wrong_before(job.state);
    Box::pin(async move {
        let past = memory.like(&world, &asked(&issue)).await;
        seat.given = past.given;
        let analysis = read_issue(&issue);
        let values = json!({ "issue": issue, "analysis": analysis, "findings": findings, "past": past.runs });
        let worktree = world.worktrees.open(&spec).await?;
        let mut analysis: Analysis = seat.ask(&world, &planner, &worktree, "analyst", values).await?;
        if !(0.0..=10.0).contains(&analysis.complexity) {
            let why = format!("complexity {} is not between 0.0 and 10.0", analysis.complexity);
            return Err(Failure::new(FailureClass::BadAnswer, why));
        }
        analysis.analyst = planner.to_string();
        to_value(&analysis)
    })
}

/// Makes tasks of the issue, and the integration branch that their work goes into.
pub(super) fn decompose(world: World, job: &Job<'_>) -> Working {
    let issue = job.run.started.issue.clone();
    let policy = job.run.policy().clone();
    let Some(analysis) = job.run.analysis() else {
        return ready(Err(Failure::new(
            FailureClass::Input,
            "the flow has no `analyse` step before `decompose`",
        )));
    };
    // What is one task needs nobody who takes it apart.
    let several = analysis.complexity >= policy.simple_below && !autonomy::is_hotfix(&issue);
    let planner = job.run.started.planner.clone().filter(|_| several);
    let mut seat = Seat::of(&world, job);
    let memory = Recall::of(job.run);
    let spec = integration(job.run, job);
    let findings = wrong_before(job.state);
    Box::pin(async move {
        world.worktrees.open(&spec).await?;
        let decomposition = match &planner {
            None => read_tasks(&issue, &analysis, &policy),
            Some(planner) => {
                let spec = WorktreeSpec { keep_work: true, ..spec };
                let past = memory.like(&world, &asked(&issue)).await;
                seat.given = past.given;
                let values =
                    json!({ "issue": issue, "analysis": analysis, "findings": findings, "past": past.runs });
                let worktree = world.worktrees.open(&spec).await?;
                let answer: Decomposition =
                    seat.ask(&world, planner, &worktree, "coordinator", values).await?;
                Decomposition { coordinator: planner.to_string(), ..answer }
            }
        };
        check_tasks(&decomposition.tasks, issue.number, &policy)
            .map_err(|problems| refused(&problems, &decomposition.tasks, planner.is_some()))?;
        to_value(&decomposition)
    })
}

fn refused(problems: &[TaskProblem], tasks: &[Task], by_agent: bool) -> Failure {
    let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
    let class = if by_agent { FailureClass::BadAnswer } else { FailureClass::Input };
    let failure = Failure::new(class, format!("the {} tasks are no plan: {}", tasks.len(), lines.join("; ")));
    failure.evidence(json!(lines)).hint("edit the checklist of the issue, then run it again")
}

/// What was wrong with the answer of the last attempt, for the agent that is asked again.
fn wrong_before(state: &StepState) -> Vec<String> {
    let bad = state.failure().filter(|failure| failure.class == FailureClass::BadAnswer);
    bad.map(|failure| failure.message.clone()).into_iter().collect()
}

/// The integration branch as it is before any task: at the base commit, whatever an earlier run left there.
fn integration(run: &Run, job: &Job<'_>) -> WorktreeSpec {
    let issue = run.started.issue.number;
    WorktreeSpec {
        run: run.id.clone(),
        step: job.state.step.id.clone(),
        name: naming::integration_worktree(issue),
        branch: naming::integration_branch(issue),
        base: run.started.base_commit.clone(),
        keep_work: false,
    }
}

/// What an issue is about, in words.
fn asked(issue: &Issue) -> String {
    format!("{}\n{}", issue.title, visible(&issue.body))
}

fn to_value<T: serde::Serialize>(value: &T) -> Outcome {
    serde_json::to_value(value).map_err(|error| Failure::caused(FailureClass::Internal, &error))
}
