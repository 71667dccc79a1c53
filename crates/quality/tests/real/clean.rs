//! Projects that are as they should be, and what is measured of them.

use crate::common::{Bench, ends, found, not_measured, of};
use miyabi_core::ports::{CheckJob, Checks, Scope, never_stop};
use miyabi_core::report::{
    CheckEnd, CheckKind, DocCounts, Measured, Measurements, TestCounts, Vulnerabilities,
};
use miyabi_quality::{BuildDir, ToolChecks};

const CLEAN: &str = "//! Adds.\n\n/// Adds.\n///\n/// ```\n/// assert_eq!(demo::add(2, 2), 4);\n/// ```\npub fn add(left: u64, right: u64) -> u64 {\n    left + right\n}\n\n#[cfg(test)]\nmod tests {\n    use super::*;\n\n    #[test]\n    fn it_adds() {\n        assert_eq!(add(2, 2), 4);\n    }\n\n    #[test]\n    #[ignore = \"later\"]\n    fn it_waits() {}\n}\n";

#[tokio::test]
async fn a_clean_crate_passes_everything() {
    let bench = Bench::library(CLEAN);
    let checked = bench.check(Scope::Full).await;
    let passed = |kind| (kind, CheckEnd::Passed);
    assert_eq!(
        ends(&checked),
        [
            CheckKind::Build,
            CheckKind::Lint,
            CheckKind::Tests,
            CheckKind::Docs,
            CheckKind::Security,
            CheckKind::Format
        ]
        .map(passed)
    );
    let expected = Measurements {
        build: Measured::Value(true),
        tests: Measured::Value(TestCounts { passed: 2, failed: 0, ignored: 1 }),
        coverage: Measured::Missing("cargo-llvm-cov is not installed: cargo install cargo-llvm-cov".into()),
        lint_warnings: Measured::Value(0),
        lint_before: 0,
        security: Measured::Value(Vulnerabilities::default()),
        docs: Measured::Value(DocCounts { public: 2, documented: 2 }),
        secrets: Measured::Missing("the diff has not been looked at".into()),
    };
    assert_eq!(checked.measured, expected);
    assert_eq!(
        of(&checked, CheckKind::Tests).command,
        ["cargo", "test", "--all", "--no-fail-fast", "--message-format=json"]
    );
}

#[tokio::test]
async fn a_task_is_checked_without_docs_and_security() {
    let bench = Bench::library(CLEAN);
    let checked = bench.check(Scope::Task).await;
    assert_eq!(
        ends(&checked),
        [CheckKind::Build, CheckKind::Lint, CheckKind::Tests, CheckKind::Format]
            .map(|kind| (kind, CheckEnd::Passed))
    );
    let reason = "not part of a task's own checks";
    assert_eq!(checked.measured.docs, Measured::Missing(reason.into()));
    assert_eq!(checked.measured.security, Measured::Missing(reason.into()));
    assert_eq!(checked.measured.coverage, Measured::Missing(reason.into()));
}

#[tokio::test]
async fn a_workspace_is_measured_as_a_whole() {
    let bench = Bench::new();
    bench.file("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"one\", \"two\"]\n");
    for (name, dependency) in [("one", ""), ("two", "[dependencies]\none = { path = \"../one\" }\n")] {
        let manifest =
            format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{dependency}");
        bench.file(&format!("{name}/Cargo.toml"), &manifest);
        bench.file(&format!("{name}/src/lib.rs"), "pub fn bare() {}\n\n#[test]\nfn passes() {}\n");
    }
    let checked = bench.check(Scope::Full).await;
    assert_eq!(checked.measured.tests, Measured::Value(TestCounts { passed: 2, failed: 0, ignored: 0 }));
    assert_eq!(checked.measured.docs, Measured::Value(DocCounts { public: 4, documented: 0 }));
    assert_eq!(
        found(&checked, CheckKind::Docs),
        ["missing_docs @ one/src/lib.rs", "missing_docs @ two/src/lib.rs"]
    );
}

#[tokio::test]
async fn no_test_is_none_passed_and_none_failed() {
    let bench = Bench::new();
    bench.file("Cargo.toml", "[package]\nname = \"demo\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    bench.file("src/main.rs", "//! Speaks.\n\nfn main() {\n    println!(\"雅\");\n}\n");
    let checked = bench.check(Scope::Full).await;
    assert_eq!(checked.measured.tests, Measured::Value(TestCounts::default()));
    assert_eq!(of(&checked, CheckKind::Tests).end, CheckEnd::Passed);
    // Of a program all items count, as `cargo doc` shows them: the crate and `main`.
    assert_eq!(checked.measured.docs, Measured::Value(DocCounts { public: 2, documented: 1 }));
}

#[tokio::test]
async fn the_same_checkout_is_measured_again_with_the_same_result() {
    let bench = Bench::library("pub fn bare() {}\n");
    let first = bench.check(Scope::Full).await;
    let second = bench.check(Scope::Full).await;
    assert_eq!((&first.measured, ends(&first)), (&second.measured, ends(&second)));
    assert_eq!(first.measured.docs, Measured::Value(DocCounts { public: 2, documented: 0 }));
}

#[tokio::test]
async fn a_lock_file_that_does_not_fit_is_put_back_and_told() {
    let bench = Bench::library(CLEAN);
    bench.file("Cargo.lock", "version = 4\n\n[[package]]\nname = \"demo\"\nversion = \"0.0.1\"\n");
    let checked = bench.check(Scope::Task).await;
    assert_eq!(found(&checked, CheckKind::Build), ["cargo::lockfile @ Cargo.lock"]);
    assert_eq!(of(&checked, CheckKind::Build).end, CheckEnd::Passed);
}

#[tokio::test]
async fn build_output_may_stay_in_the_checkout() {
    let mut bench = Bench::library(CLEAN);
    bench.options.build_dir = BuildDir::InTree;
    let checks = ToolChecks::new(bench.options.clone());
    let checked = checks.run(&bench.job(Scope::Task), never_stop()).await.unwrap();
    assert_eq!(checked.measured.build, Measured::Value(true));
    let mut left: Vec<_> =
        std::fs::read_dir(bench.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["Cargo.toml", "src", "target"]);
}

#[tokio::test]
async fn a_language_that_is_not_known_is_named() {
    let bench = Bench::new();
    bench.file("Makefile", "all:\n");
    let checked = bench.check(Scope::Full).await;
    let reason =
        "no manifest of a language that is known here; a `[[check]]` in miyabi.toml measures anything";
    assert!(checked.checks.iter().all(|check| check.end == not_measured(reason) && check.command.is_empty()));
    assert_eq!(checked.checks.len(), 6);
    assert_eq!(checked.measured.build, Measured::Missing(reason.into()));
    assert_eq!(checked.measured.coverage, Measured::Missing(reason.into()));
    assert_eq!(
        ToolChecks::new(bench.options.clone()).commands(&bench.root(), Scope::Full),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn a_checkout_that_is_not_there_is_an_error() {
    let bench = Bench::new();
    let job = CheckJob { root: "/nowhere/雅".into(), ..bench.job(Scope::Task) };
    let failure = ToolChecks::new(bench.options.clone()).run(&job, never_stop()).await.unwrap_err();
    assert_eq!(failure.message, "check `/nowhere/雅`: it is not a folder");
    assert_eq!(failure.class, miyabi_core::failure::FailureClass::Input);
}

#[test]
fn commands_are_those_that_people_type() {
    let bench = Bench::library(CLEAN);
    let checks = ToolChecks::new(bench.options.clone());
    assert_eq!(
        checks.commands(&bench.root(), Scope::Task),
        [
            "cargo clippy --all-targets --workspace",
            "cargo test --all --no-fail-fast",
            "cargo fmt --all --check"
        ]
    );
    assert_eq!(
        checks.commands(&bench.root(), Scope::Full),
        [
            "cargo clippy --all-targets --workspace",
            "cargo test --all --no-fail-fast",
            "cargo doc --no-deps --workspace",
            "cargo audit",
            "cargo fmt --all --check"
        ]
    );
}
