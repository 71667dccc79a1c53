//! Measuring one checkout: every check, the secrets in what it adds, and the score made of their numbers.

use std::path::Path;

use miyabi_core::autonomy;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::{CommitId, RunId};
use miyabi_core::policy::Policy;
use miyabi_core::ports::{AddedLine, CheckJob, Checks, Scope, Touched, Worktrees};
use miyabi_core::redact::find_secrets;
use miyabi_core::report::{Check, CheckEnd, CheckKind, Measured, Report, score};
use tempfile::TempDir;
use tokio::sync::watch;

/// Lines of the diff that are searched for secrets; a larger diff is named as not measured.
const DIFF_LINES: usize = 200_000;

/// A commit that is checked out, and what it is compared with.
#[derive(Clone, Debug)]
pub struct Measuring<'a> {
    /// Where it is checked out.
    pub root: &'a Path,
    /// The commit.
    pub commit: CommitId,
    /// What it will be merged into; secrets are looked for in what lies between.
    pub onto: CommitId,
    /// The numbers of the score.
    pub policy: &'a Policy,
    /// For the marks in the environment of the tools.
    pub run: RunId,
}

impl Measuring<'_> {
    /// The report, bound to the commit and its tree. Becomes `Cancelled` when `stop` turns true.
    pub async fn report(
        self,
        worktrees: &dyn Worktrees,
        checks: &dyn Checks,
        stop: watch::Receiver<bool>,
    ) -> Result<Report, Failure> {
        let tree = worktrees.tree(&self.commit).await?;
        let lines = worktrees.added_lines(&self.onto, &self.commit, DIFF_LINES + 1).await?;
        // Of what is no change, or too large to be looked at line by line, all of it counts.
        let compares =
            !self.policy.count_old_findings && self.onto != self.commit && lines.len() <= DIFF_LINES;
        let base = if compares { Some(self.base(worktrees).await) } else { None };
        let base = base.transpose();
        let folder = base.as_ref().ok().and_then(Option::as_ref);
        let job = CheckJob {
            root: self.root.to_owned(),
            scope: Scope::Full,
            touched: compares.then(|| Touched::of(&lines)),
            base: folder.map(|folder| folder.path().to_owned()),
            deadline_secs: self.policy.check_deadline_secs,
            run: self.run.clone(),
        };
        let mut checked = checks.run(&job, crate::steps::stop(stop.clone())).await?;
        if *stop.borrow() {
            return Err(Failure::new(FailureClass::Cancelled, "the review was stopped"));
        }
        let secrets = secrets_check(&lines);
        checked.measured.secrets = match &secrets.end {
            CheckEnd::NotMeasured { reason } => Measured::Missing(reason.clone()),
            _ => Measured::Value(secrets.findings.len() as u64),
        };
        checked.checks.push(secrets);
        let guarded = self.guarded(worktrees).await?;
        let mut report = score(checked.measured, checked.checks, self.policy, self.commit, tree);
        if let Err(failure) = &base {
            report
                .notes
                .push(format!("the lines of the change stand for its base, which is not at hand: {failure}"));
        }
        Ok(Report { guarded, ..report })
    }

    /// The files that the change started from.
    async fn base(&self, worktrees: &dyn Worktrees) -> Result<TempDir, Failure> {
        let folder = tempfile::Builder::new().prefix("miyabi-base-").tempdir();
        let folder = folder.map_err(|error| Failure::caused(FailureClass::Unavailable, &error))?;
        worktrees.lay_out_base(&self.onto, &self.commit, folder.path()).await?;
        Ok(folder)
    }

    /// What it touches that only a person lets in.
    async fn guarded(&self, worktrees: &dyn Worktrees) -> Result<Vec<String>, Failure> {
        if self.policy.approve_paths.is_empty() {
            return Ok(Vec::new());
        }
        let change = worktrees.compare(&self.onto, &self.commit).await?;
        let paths = change.created.iter().chain(&change.changed).chain(&change.deleted);
        Ok(autonomy::guarded(self.policy, paths))
    }
}

fn secrets_check(lines: &[AddedLine]) -> Check {
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
