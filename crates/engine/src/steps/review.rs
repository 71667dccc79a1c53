//! The review: every check on the integration branch, and the score made of their numbers.

use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::naming;
use miyabi_core::ports::{CheckJob, Scope};
use miyabi_core::redact::find_secrets;
use miyabi_core::report::{Check, CheckEnd, CheckKind, Measured, score};
use miyabi_core::worktree::WorktreeSpec;

use super::{Job, Working, stop};
use crate::World;

/// Lines of the diff that are searched for secrets; a larger diff is named as not measured.
const DIFF_LINES: usize = 200_000;

/// Measures the integration branch and scores it. The report is bound to the commit and its tree.
pub(super) fn review(world: World, job: &Job<'_>) -> Working {
    let run = job.run;
    let issue = run.started.issue.number;
    let policy = run.policy().clone();
    let base = run.started.base_branch.clone();
    let switch = job.stop.clone();
    let (run_id, step) = (run.id.clone(), job.state.step.id.clone());
    Box::pin(async move {
        let branch = naming::integration_branch(issue);
        let missing = || Failure::new(FailureClass::Input, format!("branch `{branch}` is gone"));
        let commit = world.worktrees.tip(&branch).await?.ok_or_else(missing)?;
        let tree = world.worktrees.tree(&commit).await?;
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
        let job = CheckJob {
            root: worktree.path.clone(),
            scope: Scope::Full,
            deadline_secs: policy.check_deadline_secs,
            run: run_id,
        };
        let mut checked = world.checks.run(&job, stop(switch.clone())).await?;
        if *switch.borrow() {
            return Err(Failure::new(FailureClass::Cancelled, "the review was stopped"));
        }
        let onto = world.worktrees.base(&base).await?.unwrap_or_else(|| commit.clone());
        let lines = world.worktrees.added_lines(&onto, &commit, DIFF_LINES + 1).await?;
        let secrets = secrets_check(&lines);
        checked.measured.secrets = match &secrets.end {
            CheckEnd::NotMeasured { reason } => Measured::Missing(reason.clone()),
            _ => Measured::Value(secrets.findings.len() as u64),
        };
        checked.checks.push(secrets);
        if world.worktrees.tip(&branch).await?.as_ref() != Some(&commit) {
            let why = "the integration branch changed while it was measured";
            return Err(Failure::new(FailureClass::Transient, why));
        }
        let report = score(checked.measured, checked.checks, &policy, commit, tree);
        serde_json::to_value(&report).map_err(|error| Failure::caused(FailureClass::Internal, &error))
    })
}

fn secrets_check(lines: &[miyabi_core::ports::AddedLine]) -> Check {
    let findings = find_secrets(lines);
    let end = match (lines.len() > DIFF_LINES, findings.is_empty()) {
        (_, false) => CheckEnd::Failed,
        (true, true) => {
            CheckEnd::NotMeasured { reason: format!("the diff adds more than {DIFF_LINES} lines") }
        }
        (false, true) => CheckEnd::Passed,
    };
    let command = vec!["miyabi".to_owned(), "secrets in the diff".to_owned()];
    Check { kind: CheckKind::Secrets, command, end, findings, duration_ms: 0 }
}
