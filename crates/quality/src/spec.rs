//! Checks as data: what to run and how to read what it reports. Languages are lists of them, and so are the checks that
//! a project brings itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use miyabi_core::ports::Scope;
use miyabi_core::report::{CheckKind, Coverage, DocCounts, Finding, TestCounts};

use crate::read::{ReadError, audit, cobertura, go_test, junit, lcov, node, plain, python, sarif};

/// In an argument, the path where a report is expected: a file in a folder of its own, outside the checkout.
pub const REPORT: &str = "{report}";

/// One tool run that measures something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckSpec {
    /// For people: `pytest`, or the name of the project's own check.
    pub name: String,
    /// What it looks at.
    pub kind: CheckKind,
    /// Program and arguments; no shell.
    pub command: Vec<String>,
    /// How its report is read.
    pub format: Format,
    /// Where the report is; none: what stands for [`REPORT`] in the command, or else what the tool prints.
    pub report: Option<PathBuf>,
    /// A second report of the same run, for line coverage.
    pub coverage: Option<(Format, PathBuf)>,
    /// More variables of its environment.
    pub env: Vec<(String, String)>,
    /// How many warnings one finding of a linter counts as.
    pub weight: u32,
    /// The longest it may take; none: as long as any check.
    pub timeout: Option<Duration>,
    /// It writes nothing that another check reads, so that both may run at once.
    pub parallel: bool,
}

/// What a report is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Nothing is read: exit code 0 passes, every other one is one finding or one failing test.
    ExitCode,
    /// A file on each line, each a finding.
    Files,
    /// JUnit XML.
    Junit,
    /// `go test -json`.
    GoTest,
    /// LCOV trace file.
    Lcov,
    /// Cobertura XML.
    Cobertura,
    /// JaCoCo XML.
    Jacoco,
    /// `go test -coverprofile`.
    GoCover,
    /// SARIF 2.1.0.
    Sarif,
    /// ESLint's JSON.
    Eslint,
    /// `go vet -json`.
    GoVet,
    /// cargo-audit, and cargo-deny with `--audit-compatible-output`.
    CargoAudit,
    /// `npm audit --json`.
    NpmAudit,
    /// `pip-audit --format=json`.
    PipAudit,
    /// `{"public": 10, "documented": 7}`.
    DocCounts,
}

/// What a report says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    pub(crate) tests: Option<TestCounts>,
    pub(crate) coverage: Option<Coverage>,
    pub(crate) docs: Option<DocCounts>,
    /// Third-party packages that were looked at.
    pub(crate) packages: Option<u64>,
    pub(crate) findings: Vec<Finding>,
}

impl CheckSpec {
    /// A check that reads what the tool prints.
    pub fn new(name: &str, kind: CheckKind, format: Format, command: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            format,
            report: None,
            coverage: None,
            env: Vec::new(),
            weight: 1,
            timeout: None,
            parallel: false,
        }
    }

    /// The same with one more variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The command as people type it.
    pub fn shown(&self) -> String {
        // A program within an argument is nothing that people type.
        if self.command.iter().any(|word| word.contains('\n')) {
            self.name.clone()
        } else {
            self.command.join(" ")
        }
    }

    /// Whether it measures line coverage.
    pub(crate) fn tells_lines(&self) -> bool {
        self.coverage.is_some() || self.format.is_coverage()
    }

    /// Whether it is run for that much.
    pub(crate) fn is_in(&self, scope: Scope) -> bool {
        crate::sheet::kinds(scope).contains(&self.kind)
            && (scope == Scope::Full || !self.format.is_coverage())
    }
}

impl Format {
    /// Every format, with the kinds that it can speak of.
    pub const ALL: [(&'static str, Self, &'static [CheckKind]); 15] = {
        use CheckKind::{Build, Docs, Format as Style, Lint, Security, Tests};
        [
            ("exit_code", Self::ExitCode, &[Build, Tests, Lint, Style]),
            ("files", Self::Files, &[Lint, Style]),
            ("junit", Self::Junit, &[Tests]),
            ("go_test", Self::GoTest, &[Tests]),
            ("lcov", Self::Lcov, &[Tests]),
            ("cobertura", Self::Cobertura, &[Tests]),
            ("jacoco", Self::Jacoco, &[Tests]),
            ("go_cover", Self::GoCover, &[Tests]),
            ("sarif", Self::Sarif, &[Lint, Security]),
            ("eslint", Self::Eslint, &[Lint]),
            ("go_vet", Self::GoVet, &[Lint]),
            ("cargo_audit", Self::CargoAudit, &[Security]),
            ("npm_audit", Self::NpmAudit, &[Security]),
            ("pip_audit", Self::PipAudit, &[Security]),
            ("doc_counts", Self::DocCounts, &[Docs]),
        ]
    };

    /// Whether a report of it can speak of that kind of check.
    pub fn fits(self, kind: CheckKind) -> bool {
        Self::ALL.iter().any(|(_, format, kinds)| *format == self && kinds.contains(&kind))
    }

    /// Whether it tells of lines that ran and nothing else.
    pub(crate) fn is_coverage(self) -> bool {
        matches!(self, Self::Lcov | Self::Cobertura | Self::Jacoco | Self::GoCover)
    }

    /// Reads a report. Errors: it is not what it should be.
    pub(crate) fn read(self, report: &[u8], kind: CheckKind, root: &Path) -> Result<Reading, ReadError> {
        let none = Reading::default();
        let found = |findings| Reading { findings, ..Reading::default() };
        let covered = |coverage| Reading { coverage: Some(coverage), ..Reading::default() };
        Ok(match self {
            Self::ExitCode => none,
            Self::Files => found(plain::files(report, kind, root)),
            Self::Junit => tests(junit::read(report)?),
            Self::GoTest => tests(go_test::read(report)?),
            Self::Lcov => covered(lcov::read(report, root)?),
            Self::Cobertura => covered(cobertura::read(report)?),
            Self::Jacoco => covered(cobertura::jacoco(report)?),
            Self::GoCover => covered(go_test::cover(report)?),
            // How many packages a scanner looked at is not part of the format.
            Self::Sarif => Reading { packages: Some(1), ..found(sarif::read(report, kind, root)?) },
            Self::Eslint => found(node::eslint(report, root)?),
            Self::GoVet => found(plain::vet(report, root)?),
            Self::CargoAudit => {
                let audit = audit::read(report)?;
                Reading { packages: Some(1), ..found(crate::rust::advisories(&audit)) }
            }
            Self::NpmAudit => audited(node::audit(report)?),
            Self::PipAudit => audited(python::audit(report)?),
            Self::DocCounts => Reading { docs: Some(plain::docs(report)?), ..none },
        })
    }
}

fn audited((findings, packages): (Vec<Finding>, u64)) -> Reading {
    Reading { findings, packages: Some(packages), ..Reading::default() }
}

fn tests(junit: junit::Junit) -> Reading {
    let findings = junit.failures.into_iter().map(|case| {
        let name = match case.class.as_str() {
            "" => case.failed.name,
            class if case.failed.name.starts_with(class) => case.failed.name,
            class => format!("{class}::{}", case.failed.name),
        };
        crate::findings::finding(
            CheckKind::Tests,
            miyabi_core::report::Severity::High,
            &name,
            &case.failed.output,
        )
    });
    Reading { tests: Some(junit.counts), findings: findings.collect(), ..Reading::default() }
}
