//! Documentation: that it can be built, and the share of items that have some.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use miyabi_core::report::{CheckEnd, CheckKind, DocCounts, Finding, Measured, Severity};

use super::cargo::Cargo;
use super::lint::finding_of;
use crate::findings::{finding, relative};
use crate::process::End;
use crate::read::cargo_json;
use crate::read::metadata::{Metadata, Package};
use crate::read::rustdoc_coverage;
use crate::sheet::Sheet;

/// The command; people leave out the last word.
pub(crate) const COMMAND: [&str; 5] = ["cargo", "doc", "--no-deps", "--workspace", "--message-format=json"];

/// rustdoc counts items only with an unstable option. The permission is given to rustdoc alone, so that nothing is
/// compiled differently because of it.
const RUSTDOC: &str = "#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc \"$@\"\n";

/// Enters the documentation.
pub(crate) async fn measure(cargo: &mut Cargo<'_>, sheet: &mut Sheet, project: &Metadata) {
    let ran = cargo.run(&COMMAND).await;
    let messages = cargo_json::read(&ran.stdout);
    if !matches!(ran.end, End::Exited(_)) || ran.overflowed || messages.finished.is_none() {
        return sheet.not_measured(CheckKind::Docs, &ran.argv, &ran.reason(), ran.took);
    }
    let mut findings: Vec<_> =
        messages.diagnostics.iter().map(|one| finding_of(cargo, CheckKind::Docs, one)).collect();
    if !ran.ok() {
        if findings.is_empty() {
            findings.push(finding(CheckKind::Docs, Severity::High, "cargo", &ran.stderr));
        }
        sheet.enter(CheckKind::Docs, &ran.argv, CheckEnd::Failed, findings, ran.took);
        sheet.measured.docs = Measured::Missing("the documentation cannot be built".to_owned());
        return;
    }
    let end = if findings.is_empty() { CheckEnd::Passed } else { CheckEnd::Failed };
    match count(cargo, project).await {
        Ok((files, took)) => {
            sheet.measured.docs = Measured::Value(sum(&files));
            findings.extend(undocumented(cargo, &files));
            sheet.enter(CheckKind::Docs, &ran.argv, end, findings, ran.took + took);
        }
        Err(reason) => sheet.not_measured(CheckKind::Docs, &ran.argv, &reason, ran.took),
    }
}

type Files = BTreeMap<String, DocCounts>;

/// Items by file. Of a package with a library, the library's public items; of one without, all items of its
/// programs: in both cases what `cargo doc` shows.
async fn count(cargo: &mut Cargo<'_>, project: &Metadata) -> Result<(Files, Duration), String> {
    let rustdoc = script(cargo).map_err(|error| format!("rustdoc could not be prepared: {error}"))?;
    let mut files = Files::new();
    let mut took = Duration::ZERO;
    for package in &project.packages {
        for target in documented_targets(package) {
            let name = format!("--package={}", package.id);
            let argv = [
                "cargo",
                "rustdoc",
                name.as_str(),
                target.as_str(),
                "--",
                "-Zunstable-options",
                "--show-coverage",
                "--output-format=json",
            ];
            let ran = cargo.run_with(&argv, &[("RUSTDOC", rustdoc.as_os_str())]).await;
            if !ran.ok() {
                return Err(ran.reason());
            }
            took += ran.took;
            for (file, counts) in rustdoc_coverage::read(&ran.stdout).map_err(|error| error.to_string())? {
                let entry = files.entry(file).or_default();
                entry.public += counts.public;
                entry.documented += counts.documented;
            }
        }
    }
    Ok((files, took))
}

/// Arguments that choose the targets: the library, or else each program that can be built without further features.
fn documented_targets(package: &Package) -> Vec<String> {
    let shown = || package.targets.iter().filter(|target| target.doc && target.required_features.is_empty());
    if shown().any(|target| target.is_library()) {
        return vec!["--lib".to_owned()];
    }
    shown().filter(|target| target.is_program()).map(|target| format!("--bin={}", target.name)).collect()
}

fn script(cargo: &Cargo<'_>) -> std::io::Result<PathBuf> {
    let path = cargo.scratch("rustdoc");
    fs::write(&path, RUSTDOC)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
    Ok(path)
}

fn sum(files: &Files) -> DocCounts {
    files.values().fold(DocCounts::default(), |sum, file| DocCounts {
        public: sum.public + file.public,
        documented: sum.documented + file.documented,
    })
}

fn undocumented(cargo: &Cargo<'_>, files: &Files) -> Vec<Finding> {
    let lacking = files.iter().filter(|(_, counts)| counts.documented < counts.public);
    let told = lacking.map(|(file, counts)| {
        let message = format!(
            "{} of {} public items have no documentation",
            counts.public - counts.documented,
            counts.public
        );
        let mut finding = finding(CheckKind::Docs, Severity::Info, "missing_docs", &message);
        finding.file = Some(relative(file, cargo.root()));
        finding
    });
    told.collect()
}
