//! Real crates in temporary folders, checked by real tools that are found on a search path of the test's own.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use miyabi_core::ids::{CommitId, RunId, TreeId};
use miyabi_core::policy::Policy;
use miyabi_core::ports::{CheckJob, Checked, Checks, Scope, Stop, Touched, never_stop};
use miyabi_core::report::{Check, CheckEnd, CheckKind, Measured, Report, score};
use miyabi_core::view::quality_report;
use miyabi_quality::{BuildDir, Options, ToolChecks};
use tempfile::TempDir;

/// A checkout, a folder for build output, and a folder of programs in front of the system's own.
pub(crate) struct Bench {
    folder: TempDir,
    pub(crate) options: Options,
    pub(crate) deadline_secs: u64,
    /// What the change adds, where there is one.
    pub(crate) touched: Option<Touched>,
    pub(crate) base: Option<PathBuf>,
}

const TOOLS: [&str; 8] =
    ["cargo", "rustc", "rustdoc", "rustfmt", "cargo-fmt", "cargo-clippy", "clippy-driver", "rustup"];

impl Bench {
    /// An empty checkout.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("checkout 雅");
        let bin = folder.path().join("bin");
        fs::create_dir(&root).unwrap();
        fs::create_dir(&bin).unwrap();
        for tool in TOOLS {
            if let Some(real) = which(tool) {
                symlink(real, bin.join(tool)).unwrap();
            }
        }
        let mut options =
            Options::new(BuildDir::Beside(folder.path().join("build out")), std::env::vars_os());
        let mut path = bin.into_os_string();
        path.push(":/usr/bin:/bin");
        options.env.insert("PATH".into(), path);
        // Cargo looks for its companions in its home first.
        options.env.insert("CARGO_HOME".into(), folder.path().join("home").into());
        Self { folder, options, deadline_secs: 300, touched: None, base: None }
    }

    /// A library crate `demo` with this source.
    pub(crate) fn library(source: &str) -> Self {
        let bench = Self::new();
        bench.file("Cargo.toml", "[package]\nname = \"demo\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
        bench.file("src/lib.rs", source);
        bench
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("checkout 雅")
    }

    pub(crate) fn build_folder(&self) -> PathBuf {
        self.folder.path().join("build out")
    }

    pub(crate) fn file(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A program of that name that is a shell script.
    pub(crate) fn program(&self, name: &str, script: &str) {
        let path = self.folder.path().join("bin").join(name);
        // It may stand for a real one, which must not be written through its link.
        let _absent = fs::remove_file(&path);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Puts a program of this machine on the search path; says whether there is one.
    pub(crate) fn borrow(&self, name: &str) -> bool {
        which(name).is_some_and(|real| symlink(real, self.folder.path().join("bin").join(name)).is_ok())
    }

    pub(crate) fn job(&self, scope: Scope) -> CheckJob {
        CheckJob {
            base: self.base.clone(),
            root: self.root(),
            scope,
            touched: self.touched.clone(),
            deadline_secs: self.deadline_secs,
            run: run_id(self.folder.path()),
        }
    }

    pub(crate) async fn check(&self, scope: Scope) -> Checked {
        self.check_until(scope, never_stop()).await
    }

    pub(crate) async fn check_until(&self, scope: Scope, stop: Stop) -> Checked {
        let before = tree(&self.root());
        let checked = ToolChecks::new(self.options.clone()).run(&self.job(scope), stop).await.unwrap();
        assert_eq!(tree(&self.root()), before, "checks change nothing in the checkout");
        assert_eq!(running(&run_id(self.folder.path())), Vec::<String>::new(), "nothing is left running");
        checked
    }
}

fn run_id(folder: &Path) -> RunId {
    RunId::new(folder.display().to_string())
}

/// Command lines of living processes with that run in their environment.
pub(crate) fn running(run: &RunId) -> Vec<String> {
    let entry = format!("MIYABI_RUN={run}");
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter(|process| {
            let environ = fs::read(process.path().join("environ")).unwrap_or_default();
            environ.split(|byte| *byte == 0).any(|variable| variable == entry.as_bytes())
        })
        .map(|process| {
            String::from_utf8_lossy(&fs::read(process.path().join("cmdline")).unwrap_or_default()).into()
        })
        .collect()
}

fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Every file with its bytes.
pub(crate) fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(root).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            files.extend(tree(&entry.path()));
        } else if entry.file_type().unwrap().is_file() {
            files.insert(entry.path(), fs::read(entry.path()).unwrap());
        }
    }
    files
}

/// The check of that kind.
pub(crate) fn of(checked: &Checked, kind: CheckKind) -> &Check {
    checked.checks.iter().find(|check| check.kind == kind).unwrap()
}

/// Each check with how it ended.
pub(crate) fn ends(checked: &Checked) -> Vec<(CheckKind, CheckEnd)> {
    checked.checks.iter().map(|check| (check.kind, check.end.clone())).collect()
}

/// Findings of a check as `rule @ file:line`.
pub(crate) fn found(checked: &Checked, kind: CheckKind) -> Vec<String> {
    let place = |file: &Option<String>, line: Option<u64>| match (file, line) {
        (Some(file), Some(line)) => format!(" @ {file}:{line}"),
        (Some(file), None) => format!(" @ {file}"),
        _ => String::new(),
    };
    let findings = &of(checked, kind).findings;
    findings.iter().map(|finding| format!("{}{}", finding.rule, place(&finding.file, finding.line))).collect()
}

pub(crate) fn not_measured(reason: &str) -> CheckEnd {
    CheckEnd::NotMeasured { reason: reason.to_owned() }
}

/// The report of a checkout whose diff holds no secret, under the usual policy.
pub(crate) fn scored(checked: &Checked) -> Report {
    let mut measured = checked.measured.clone();
    measured.secrets = Measured::Value(0);
    let (commit, tree) = (CommitId::from("1".repeat(40)), TreeId::from("2".repeat(40)));
    score(measured, checked.checks.clone(), &Policy::default(), commit, tree)
}

/// What people read of it: score, parts, gates and what is missing. Messages of tools are left to the tools.
pub(crate) fn shown(report: &Report) -> String {
    let text = quality_report(report);
    let end = if report.issues.is_empty() { "Commit `" } else { "### Findings" };
    let rules: Vec<_> =
        report.issues.iter().map(|one| format!("{} {}", one.severity.as_str(), one.rule)).collect();
    let head = text.split(end).next().unwrap_or_default();
    format!("{}\n\n{}", head.trim_end(), rules.join("\n")).trim_end().to_owned()
}
