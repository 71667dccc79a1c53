//! From what test programs reported to counts and findings. Exit codes have the last word: a report can say that
//! more failed, never that less did.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use miyabi_core::report::{CheckKind, Finding, Severity, TestCounts};

use crate::findings::{finding, relative};
use crate::process::{End, Ran};
use crate::read::cargo_json::TestProgram;
use crate::read::libtest::Failed;
use crate::read::{doctest, junit::Junit};
use crate::rust::records::Record;

/// What is known of a test run so far.
pub(crate) struct Verdict {
    root: PathBuf,
    deadline: Duration,
    /// The counts.
    pub(crate) counts: TestCounts,
    /// One for each failed test, program or run.
    pub(crate) findings: Vec<Finding>,
    /// First source files of programs; programs that did not report stay in here.
    silent: HashMap<PathBuf, TestProgram>,
    /// Failures that the run now looked at has to answer for.
    failed_before: u64,
    hung: bool,
}

impl Verdict {
    pub(crate) fn new(root: &Path, deadline: Duration) -> Self {
        Self {
            root: root.to_owned(),
            deadline,
            counts: TestCounts::default(),
            findings: Vec::new(),
            silent: HashMap::new(),
            failed_before: 0,
            hung: false,
        }
    }

    /// The programs that cargo built, each of which must report.
    pub(crate) fn name_programs(&mut self, programs: Vec<TestProgram>) {
        self.silent.extend(programs.into_iter().map(|program| (program.executable.clone(), program)));
    }

    pub(crate) fn take_records(&mut self, records: &[Record]) {
        for record in records {
            self.take_record(record);
        }
    }

    fn take_record(&mut self, record: &Record) {
        let known = self.silent.remove(&record.program);
        let source = known.map(|program| relative(&program.src_path, &self.root));
        let suite = &record.suite;
        let died = match record.code {
            None => {
                self.hung = true;
                let limit = self.deadline.as_secs_f64();
                for test in &suite.unfinished {
                    self.fail(test, &format!("did not end within {limit} s"), source.as_deref());
                }
                suite.unfinished.is_empty().then(|| format!("the program did not end within {limit} s"))
            }
            Some(0) if suite.ended || !suite.recognised => None,
            Some(code) if suite.recognised && suite.ended && suite.failed > 0 && code == 101 => None,
            Some(code) => Some(death(code, &suite.unfinished)),
        };
        if suite.recognised {
            self.counts.passed += suite.passed;
            self.counts.ignored += suite.ignored;
            for test in &suite.failures {
                self.fail_with(test, source.as_deref());
            }
            // Failures that are counted at the end of the suite but were not told one by one.
            let told = u64::try_from(suite.failures.len()).unwrap_or(u64::MAX);
            self.counts.failed += suite.failed.saturating_sub(told);
        } else if record.code == Some(0) {
            self.counts.passed += 1;
        }
        if let Some(why) = died {
            self.fail(&program_name(&record.program), &why, source.as_deref());
        }
    }

    pub(crate) fn take_doc_tests(&mut self, output: &str) {
        let tests = doctest::read(output);
        self.counts.passed += tests.passed;
        self.counts.ignored += tests.ignored;
        for test in &tests.failures {
            let source = test.name.split_once(" - ").map(|(file, _)| file.to_owned());
            self.fail_with(test, source.as_deref());
        }
    }

    pub(crate) fn take_junit(&mut self, junit: Junit) {
        self.counts.passed += junit.counts.passed;
        self.counts.ignored += junit.counts.ignored;
        for case in &junit.failures {
            self.fail_with(&case.failed, None);
        }
    }

    /// What follows is another run with an exit code of its own.
    pub(crate) fn start_doc_tests(&mut self) {
        self.failed_before = self.counts.failed;
    }

    /// Compares what was reported with how the run ended. Errors, in words: when that does not fit together, or when
    /// the run ended in a way that says nothing about the tests.
    pub(crate) fn finish(mut self, ran: &Ran) -> Result<Self, String> {
        let failed = self.counts.failed > self.failed_before;
        match &ran.end {
            End::Exited(0) => {}
            End::Exited(_) if failed => {}
            End::Exited(code) => {
                let why = format!("`cargo test` ended with exit code {code}\n{}", ran.stderr);
                self.fail("cargo test", &why, None);
            }
            End::TimedOut(_) if self.hung => return Ok(self),
            _ => return Err(ran.reason()),
        }
        match self.silent.values().map(|program| program.target.as_str()).min() {
            Some(name) => Err(format!(
                "the test program `{name}` did not report: it was built for another machine, or did not run"
            )),
            None => Ok(self),
        }
    }

    fn fail_with(&mut self, test: &Failed, source: Option<&str>) {
        let said = if test.output.trim().is_empty() { "failed without a word" } else { test.output.trim() };
        self.fail(&test.name, said, source);
    }

    fn fail(&mut self, name: &str, why: &str, source: Option<&str>) {
        self.counts.failed += 1;
        let mut finding = finding(CheckKind::Tests, Severity::High, name, why);
        finding.file = source.map(str::to_owned);
        self.findings.push(finding);
    }
}

fn death(code: i32, unfinished: &[String]) -> String {
    let how = match code {
        129..=192 => format!("the test program was killed by signal {}", code - 128),
        code => format!("the test program ended with exit code {code}"),
    };
    match unfinished {
        [] => how,
        tests => format!("{how} while running {}", tests.join(", ")),
    }
}

/// The file name without the hash that cargo adds.
fn program_name(program: &Path) -> String {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    match name.rsplit_once('-') {
        Some((target, hash)) if hash.len() == 16 => target.to_owned(),
        _ => name.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict() -> Verdict {
        Verdict::new(Path::new("/w"), Duration::from_secs(2))
    }

    fn ran(end: End) -> Ran {
        Ran::without_output(vec!["cargo".into(), "test".into()], end)
    }

    #[test]
    fn a_program_that_did_not_report_spoils_the_run() {
        let mut verdict = verdict();
        verdict.name_programs(vec![TestProgram {
            executable: "/t/deps/雅-0123456789abcdef".into(),
            target: "雅".into(),
            src_path: "/w/tests/雅.rs".into(),
        }]);
        let reason = verdict.finish(&ran(End::Exited(0))).err();
        let expected =
            "the test program `雅` did not report: it was built for another machine, or did not run";
        assert_eq!(reason.as_deref(), Some(expected));
    }

    #[test]
    fn an_exit_code_that_no_failure_explains_is_a_failure() {
        let verdict = verdict().finish(&ran(End::Exited(101))).expect("is measured");
        assert_eq!(verdict.counts, TestCounts { passed: 0, failed: 1, ignored: 0 });
        assert_eq!(verdict.findings[0].message, "`cargo test` ended with exit code 101");
    }

    #[test]
    fn a_run_that_was_cut_off_between_programs_is_not_measured() {
        let reason = verdict().finish(&ran(End::TimedOut(Duration::from_secs(2)))).err();
        assert_eq!(reason.as_deref(), Some("`cargo test` did not end within 2 s"));
    }

    #[test]
    fn programs_are_named_without_their_hash() {
        assert_eq!(program_name(Path::new("/t/debug/deps/my-雅-0123456789abcdef")), "my-雅");
        assert_eq!(program_name(Path::new("/t/debug/deps/my-own")), "my-own");
    }
}
