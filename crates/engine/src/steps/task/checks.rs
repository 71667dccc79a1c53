//! What a task's own checks must show before its commit may be merged.

use std::collections::BTreeMap;

use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::RunId;
use miyabi_core::ports::{CheckJob, Checked, Scope};
use miyabi_core::report::{CheckEnd, CheckKind, Finding, TestCounts};
use miyabi_core::worktree::Worktree;

/// Added lines that are looked up for findings.
pub(super) const LINES: usize = 200_000;

/// The numbers of a task whose checks hold.
pub(super) struct TaskChecks {
    pub tests: Option<TestCounts>,
    pub lint_warnings: Option<u64>,
    pub not_measured: Vec<String>,
}

/// The job of checking a task's worktree.
pub(super) fn job(worktree: &Worktree, run: &RunId, deadline_secs: u64) -> CheckJob {
    CheckJob {
        base: None,
        root: worktree.path.clone(),
        scope: Scope::Task,
        touched: None,
        deadline_secs,
        run: run.clone(),
    }
}

/// It must build and its tests must pass. Lint counts where the task added the line, format where it made the file:
/// what was there before is not its doing.
pub(super) fn judge(
    checked: &Checked,
    created: &[String],
    added: &BTreeMap<&str, Vec<u64>>,
) -> Result<TaskChecks, Failure> {
    let mut failing = Vec::new();
    for check in checked.checks.iter().filter(|check| check.end == CheckEnd::Failed) {
        let own = |finding: &&Finding| match check.kind {
            CheckKind::Build | CheckKind::Tests => true,
            CheckKind::Lint => finding.file.as_deref().is_some_and(|file| {
                added.get(file).zip(finding.line).is_some_and(|(lines, line)| lines.contains(&line))
            }),
            CheckKind::Format => finding.file.as_ref().is_some_and(|file| created.contains(file)),
            CheckKind::Security | CheckKind::Docs | CheckKind::Secrets => false,
        };
        let found: Vec<_> = check.findings.iter().filter(own).map(line).collect();
        let must = matches!(check.kind, CheckKind::Build | CheckKind::Tests);
        if must || !found.is_empty() {
            failing.push(format!("`{}` failed", check.command.join(" ")));
            failing.extend(found.into_iter().take(50));
        }
    }
    if !failing.is_empty() {
        let why = format!("the task's own checks failed: {}", failing[0]);
        return Err(Failure::new(FailureClass::ChecksFailed, why).evidence(failing.into()));
    }
    let not_measured = checked.checks.iter().filter_map(|check| match &check.end {
        CheckEnd::NotMeasured { reason } => Some(format!("`{}`: {reason}", check.command.join(" "))),
        _ => None,
    });
    Ok(TaskChecks {
        tests: checked.measured.tests.value().copied(),
        lint_warnings: checked.measured.lint_warnings.value().copied(),
        not_measured: not_measured.collect(),
    })
}

/// A finding as one line.
pub(in crate::steps) fn line(finding: &Finding) -> String {
    let place = match (&finding.file, finding.line) {
        (Some(file), Some(line)) => format!("{file}:{line}: "),
        (Some(file), None) => format!("{file}: "),
        _ => String::new(),
    };
    let message: String = finding.message.chars().take(1000).collect();
    format!("{place}{message} [{}]", finding.rule)
}
