//! The sheet that is filled in while a checkout is measured. What nobody fills in is missing, with the reason.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use miyabi_core::ports::{CheckJob, Checked, Scope, Touched};
use miyabi_core::report::{
    Check, CheckEnd, CheckKind, Finding, Measured, Measurements, Severity, Vulnerabilities,
};

use crate::findings::bounded;

/// Behind what a finding says that the change did not bring.
const BEFORE: &str = "\n(it was there before: the change does not touch this line)";
/// Behind what is new all the same.
const NEW: &str = "\n(on a line that the change does not touch; the base does not have it)";
/// What stands where nobody has looked yet.
const UNTOUCHED: &str = "not measured";
const LINT: [CheckKind; 2] = [CheckKind::Build, CheckKind::Lint];
const TASK: [CheckKind; 4] = [CheckKind::Build, CheckKind::Lint, CheckKind::Tests, CheckKind::Format];
const FULL: [CheckKind; 6] = [
    CheckKind::Build,
    CheckKind::Lint,
    CheckKind::Tests,
    CheckKind::Docs,
    CheckKind::Security,
    CheckKind::Format,
];

/// What has been measured so far.
pub(crate) struct Sheet {
    scope: Scope,
    root: PathBuf,
    touched: Option<Touched>,
    /// What linters found off the lines of the change, and what each counts as should it be new; of a base, all of it.
    elsewhere: Vec<(Finding, u32)>,
    checks: Vec<Check>,
    /// The numbers.
    pub(crate) measured: Measurements,
}

impl Sheet {
    /// An empty sheet.
    pub(crate) fn new(job: &CheckJob) -> Self {
        let (scope, touched) = (job.scope, job.touched.clone());
        let full_only = match scope {
            Scope::Lint => "only the linter was asked",
            Scope::Task => "not part of a task's own checks",
            Scope::Full => UNTOUCHED,
        };
        let measured = Measurements {
            build: missing(UNTOUCHED),
            tests: missing(UNTOUCHED),
            coverage: missing(full_only),
            lint_warnings: missing(UNTOUCHED),
            lint_before: 0,
            security: missing(full_only),
            docs: missing(full_only),
            secrets: missing("the diff has not been looked at"),
        };
        Self { scope, root: job.root.clone(), touched, elsewhere: Vec::new(), checks: Vec::new(), measured }
    }

    /// Enters a check that was run.
    pub(crate) fn enter(
        &mut self,
        kind: CheckKind,
        command: &[String],
        end: CheckEnd,
        findings: Vec<Finding>,
        took: Duration,
    ) {
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let check = Check { kind, command: command.to_vec(), end, findings: bounded(findings), duration_ms };
        self.checks.retain(|entered| entered.kind != kind);
        self.checks.push(check);
    }

    /// Enters one more check of a kind.
    pub(crate) fn add(
        &mut self,
        kind: CheckKind,
        command: &[String],
        end: CheckEnd,
        findings: Vec<Finding>,
        took: Duration,
    ) {
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.checks.push(Check {
            kind,
            command: command.to_vec(),
            end,
            findings: bounded(findings),
            duration_ms,
        });
    }

    /// Enters one more check of a kind that could not be measured: then the kind is not.
    pub(crate) fn add_missing(&mut self, kind: CheckKind, command: &[String], reason: &str, took: Duration) {
        self.add(kind, command, CheckEnd::NotMeasured { reason: reason.to_owned() }, Vec::new(), took);
        self.lose(kind, reason);
    }

    /// Leaves line coverage to whoever measures it next, unless there is some.
    pub(crate) fn open_coverage(&mut self) {
        if self.measured.coverage.value().is_none() {
            self.measured.coverage = missing(UNTOUCHED);
        }
    }

    /// Leaves a kind to whoever measures it next, if nothing was run for it.
    pub(crate) fn open(&mut self, kind: CheckKind) {
        let idle = |check: &Check| {
            check.kind == kind
                && check.command.is_empty()
                && matches!(check.end, CheckEnd::NotMeasured { .. })
        };
        if self.checks.iter().any(idle) {
            self.checks.retain(|check| !idle(check));
            self.lose(kind, UNTOUCHED);
        }
    }

    /// Says why there is no line coverage, unless there is some.
    pub(crate) fn no_coverage(&mut self, reason: &str) {
        if self.measured.coverage == missing(UNTOUCHED) {
            self.measured.coverage = missing(reason);
        }
    }

    /// Says that nothing of third parties is used.
    pub(crate) fn nothing_to_audit(&mut self) {
        if self.scope == Scope::Full {
            self.measured.security = Measured::Value(Vulnerabilities::default());
            self.enter(CheckKind::Security, &[], CheckEnd::Passed, Vec::new(), Duration::ZERO);
        }
    }

    /// What of a linter's findings counts. Those off the lines of the change become mere information, behind the others,
    /// until [`settle`](Self::settle) says which of them are new all the same. `weight`: what one of them counts as.
    pub(crate) fn new_ones(&mut self, findings: &mut [Finding], weight: u32) -> u64 {
        let counts = |finding: &Finding| finding.severity > Severity::Info;
        if self.scope == Scope::Lint {
            // All of them are compared, however few are listed.
            self.elsewhere.extend(findings.iter().map(|finding| (finding.clone(), weight)));
        }
        if let Some(touched) = &self.touched {
            // A file that is not there by that name cannot be compared with the change.
            let known = |finding: &Finding| {
                let file = finding.file.as_ref().map(Path::new);
                file.is_some_and(|file| file.is_relative() && self.root.join(file).is_file())
            };
            let before = |finding: &Finding| known(finding) && !touched.holds(finding);
            for finding in findings.iter_mut().filter(|finding| counts(finding) && before(finding)) {
                self.elsewhere.push((finding.clone(), weight));
                finding.severity = Severity::Info;
                finding.message.push_str(BEFORE);
                self.measured.lint_before += 1;
            }
            findings.sort_by_key(|finding| finding.severity == Severity::Info);
        }
        u64::try_from(findings.iter().filter(|finding| counts(finding)).count()).unwrap_or(u64::MAX)
    }

    /// Whether anything was found off the lines of the change.
    pub(crate) fn has_elsewhere(&self) -> bool {
        !self.elsewhere.is_empty()
    }

    /// Says what linters find in the base. What was found off the lines of the change and is not there counts: an
    /// import that nobody uses any more, a function that has become too long.
    pub(crate) fn settle(&mut self, base: &Self) {
        let mut known: HashMap<_, u64> = HashMap::new();
        for (finding, _) in &base.elsewhere {
            *known.entry(identity(finding)).or_default() += 1;
        }
        for (finding, weight) in std::mem::take(&mut self.elsewhere) {
            if let Some(left) = known.get_mut(&identity(&finding)).filter(|left| **left > 0) {
                *left -= 1;
                continue;
            }
            self.measured.lint_before = self.measured.lint_before.saturating_sub(1);
            if let Measured::Value(warnings) = &mut self.measured.lint_warnings {
                *warnings = warnings.saturating_add(u64::from(weight));
            }
            self.count(finding);
        }
    }

    /// Puts a finding back that was told as one from before.
    fn count(&mut self, finding: Finding) {
        let told = format!("{}{BEFORE}", finding.message);
        for check in self.checks.iter_mut().filter(|check| check.kind == CheckKind::Lint) {
            let same = |one: &&mut Finding| {
                one.message == told && one.file == finding.file && one.line == finding.line
            };
            if let Some(one) = check.findings.iter_mut().find(same) {
                one.severity = finding.severity;
                one.message = format!("{}{NEW}", finding.message);
                check.end = CheckEnd::Failed;
                check.findings.sort_by_key(|one| one.severity == Severity::Info);
                return;
            }
        }
    }

    /// Adds a finding to a check that was entered, whatever it came to.
    pub(crate) fn remark(&mut self, finding: Finding) {
        if let Some(check) = self.checks.iter_mut().find(|check| check.kind == finding.check) {
            check.findings.push(finding);
        }
    }

    /// Enters a check that could not be measured, and why; its numbers are missing for the same reason.
    pub(crate) fn not_measured(&mut self, kind: CheckKind, command: &[String], reason: &str, took: Duration) {
        self.enter(kind, command, CheckEnd::NotMeasured { reason: reason.to_owned() }, Vec::new(), took);
        self.lose(kind, reason);
    }

    fn lose(&mut self, kind: CheckKind, reason: &str) {
        match kind {
            CheckKind::Build => self.measured.build = missing(reason),
            CheckKind::Tests => {
                self.measured.tests = missing(reason);
                // A reason of its own says more.
                if self.measured.coverage == missing(UNTOUCHED) {
                    self.measured.coverage = missing(reason);
                }
            }
            CheckKind::Lint => self.measured.lint_warnings = missing(reason),
            CheckKind::Security => self.measured.security = missing(reason),
            CheckKind::Docs => self.measured.docs = missing(reason),
            CheckKind::Format | CheckKind::Secrets => {}
        }
    }

    /// The result; checks of the scope that were not entered are not measured for this reason.
    pub(crate) fn finish(mut self, reason: &str) -> Checked {
        let kinds = kinds(self.scope);
        self.no_coverage(reason);
        for kind in kinds {
            if !self.checks.iter().any(|check| check.kind == *kind) {
                self.not_measured(*kind, &[], reason, Duration::ZERO);
            }
        }
        self.checks.sort_by_key(|check| kinds.iter().position(|kind| *kind == check.kind));
        Checked { checks: self.checks, measured: self.measured }
    }
}

/// What makes two findings the same, wherever the lines above them went.
fn identity(finding: &Finding) -> (String, Option<String>, String) {
    let message = finding.message.lines().next().unwrap_or_default();
    (finding.rule.clone(), finding.file.clone(), message.to_owned())
}

/// The checks of a scope, in the order of the result.
pub(crate) fn kinds(scope: Scope) -> &'static [CheckKind] {
    match scope {
        Scope::Lint => &LINT,
        Scope::Task => &TASK,
        Scope::Full => &FULL,
    }
}

/// Whether nobody has looked yet.
pub(crate) fn is_open(reason: &str) -> bool {
    reason == UNTOUCHED
}

pub(crate) fn missing<T>(reason: &str) -> Measured<T> {
    Measured::Missing(reason.to_owned())
}
