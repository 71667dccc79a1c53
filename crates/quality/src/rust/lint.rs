//! The build and the linter, in one run of clippy.

use miyabi_core::report::{CheckEnd, CheckKind, Finding, Measured, Severity};

use super::cargo::Cargo;
use super::{Built, DOES_NOT_BUILD};
use crate::findings::{finding, relative};
use crate::process::{End, Ran};
use crate::read::cargo_json::{self, Diagnostic, Level, Messages};
use crate::sheet::Sheet;

/// The command; people leave out the last word.
pub(crate) const COMMAND: [&str; 5] =
    ["cargo", "clippy", "--all-targets", "--workspace", "--message-format=json"];

/// The same without benchmarks.
const WITHOUT_BENCHES: [&str; 8] =
    ["cargo", "clippy", "--lib", "--bins", "--tests", "--examples", "--workspace", "--message-format=json"];

/// Enters the build and the linter. Where clippy cannot tell whether the project builds, the tests will.
pub(crate) async fn measure(cargo: &mut Cargo<'_>, sheet: &mut Sheet) -> Built {
    let mut ran = cargo.run(&COMMAND).await;
    let mut messages = cargo_json::read(&ran.stdout);
    let unstable_benches = messages.only_unstable_benches();
    if unstable_benches {
        // They are no part of what the project builds and tests with this toolchain.
        ran = cargo.run(&WITHOUT_BENCHES).await;
        messages = cargo_json::read(&ran.stdout);
    }
    let built = judge(cargo, sheet, &ran, &messages).await;
    if unstable_benches {
        let message = "benchmarks that need a nightly toolchain were not looked at";
        sheet.remark(finding(CheckKind::Lint, Severity::Info, "E0554", message));
    }
    built
}

async fn judge(cargo: &mut Cargo<'_>, sheet: &mut Sheet, ran: &Ran, messages: &Messages) -> Built {
    let finished = match (&ran.end, ran.overflowed) {
        (End::Exited(_), false) => messages.finished,
        _ => return unknown(sheet, ran, &ran.reason()),
    };
    match finished {
        Some(true) => {
            enter_build(cargo, sheet, ran, true, &[]);
            enter_lint(cargo, sheet, ran, messages);
            Built::Yes
        }
        // Only lints of clippy that are errors: the compiler itself has not objected.
        Some(false) if messages.errors().next().is_some() && messages.errors().all(Diagnostic::is_clippy) => {
            enter_lint(cargo, sheet, ran, messages);
            Built::Unknown
        }
        Some(false) => {
            let errors: Vec<_> = messages.errors().cloned().collect();
            enter_build(cargo, sheet, ran, false, &errors);
            sheet.not_measured(CheckKind::Lint, &ran.argv, DOES_NOT_BUILD, ran.took);
            Built::No
        }
        None if !cargo.run(&["cargo", "clippy", "--version"]).await.ok() => {
            unknown(sheet, ran, "clippy is not installed: rustup component add clippy")
        }
        None => unknown(sheet, ran, &ran.reason()),
    }
}

/// Enters whether the project builds, with the errors of the compiler, or else what cargo said.
pub(crate) fn enter_build(
    cargo: &Cargo<'_>,
    sheet: &mut Sheet,
    ran: &Ran,
    builds: bool,
    errors: &[Diagnostic],
) {
    let mut findings: Vec<_> = errors.iter().map(|one| finding_of(cargo, CheckKind::Build, one)).collect();
    if !builds && findings.is_empty() {
        findings.push(finding(CheckKind::Build, Severity::High, "cargo", &ran.stderr));
    }
    let end = if builds { CheckEnd::Passed } else { CheckEnd::Failed };
    sheet.enter(CheckKind::Build, &ran.argv, end, findings, ran.took);
    sheet.measured.build = Measured::Value(builds);
}

fn enter_lint(cargo: &Cargo<'_>, sheet: &mut Sheet, ran: &Ran, messages: &Messages) {
    let mut findings: Vec<_> =
        messages.diagnostics.iter().map(|one| finding_of(cargo, CheckKind::Lint, one)).collect();
    let warnings = sheet.new_ones(&mut findings, 1);
    sheet.measured.lint_warnings = Measured::Value(warnings);
    let end = if warnings == 0 { CheckEnd::Passed } else { CheckEnd::Failed };
    sheet.enter(CheckKind::Lint, &ran.argv, end, findings, ran.took);
}

fn unknown(sheet: &mut Sheet, ran: &Ran, reason: &str) -> Built {
    let reason = if ran.overflowed { "clippy wrote more than can be read" } else { reason };
    sheet.not_measured(CheckKind::Build, &ran.argv, reason, ran.took);
    sheet.not_measured(CheckKind::Lint, &ran.argv, reason, ran.took);
    Built::Unknown
}

/// A diagnostic as a finding.
pub(crate) fn finding_of(cargo: &Cargo<'_>, check: CheckKind, diagnostic: &Diagnostic) -> Finding {
    let severity = match diagnostic.level {
        Level::Error => Severity::High,
        Level::Warning => Severity::Low,
    };
    let mut finding = finding(check, severity, &diagnostic.rule, &diagnostic.message);
    finding.file = diagnostic.file.as_deref().map(|file| relative(file, cargo.root()));
    finding.line = diagnostic.line;
    finding
}
