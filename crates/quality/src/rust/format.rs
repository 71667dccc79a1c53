//! Formatting.

use miyabi_core::report::{CheckEnd, CheckKind, Severity};

use super::cargo::Cargo;
use crate::findings::{finding, relative};
use crate::process::End;
use crate::sheet::Sheet;

/// `-l` makes rustfmt print the names of files and nothing else; its JSON needs a nightly toolchain.
const COMMAND: [&str; 6] = ["cargo", "fmt", "--all", "--check", "--", "-l"];
/// The command that people type.
pub(crate) const FOR_PEOPLE: &str = "cargo fmt --all --check";

/// Enters the files that are not formatted.
pub(crate) async fn measure(cargo: &mut Cargo<'_>, sheet: &mut Sheet) {
    let ran = cargo.run(&COMMAND).await;
    let text = String::from_utf8_lossy(&ran.stdout);
    let findings: Vec<_> = text
        .lines()
        .filter(|line| line.ends_with(".rs"))
        .map(|file| {
            let message = "not formatted: run `cargo fmt --all`";
            let mut finding = finding(CheckKind::Format, Severity::Low, "rustfmt", message);
            finding.file = Some(relative(file, cargo.root()));
            finding
        })
        .collect();
    match (&ran.end, findings.is_empty()) {
        (End::Exited(0), true) => {
            sheet.enter(CheckKind::Format, &ran.argv, CheckEnd::Passed, findings, ran.took)
        }
        (End::Exited(_), false) => {
            sheet.enter(CheckKind::Format, &ran.argv, CheckEnd::Failed, findings, ran.took)
        }
        _ => sheet.not_measured(CheckKind::Format, &ran.argv, &ran.reason(), ran.took),
    }
}
