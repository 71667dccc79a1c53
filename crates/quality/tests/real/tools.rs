//! Tools that are absent, hang, crash or print nonsense: a check that was not measured, by name, and never an error.

use std::fs;

use miyabi_core::ports::{Checks, Scope};
use miyabi_core::report::{CheckEnd, CheckKind, Coverage, Measured, TestCounts, Vulnerabilities};
use miyabi_quality::ToolChecks;

use crate::common::{Bench, found, not_measured, of};

const TESTED: &str = "//! Demo.\n\n#[test]\nfn passes() {}\n";

/// A crate with a third-party package, which lies in a folder as `cargo vendor` leaves it.
fn with_dependency() -> Bench {
    let bench = Bench::library(TESTED);
    bench.file(
        "Cargo.toml",
        "[package]\nname = \"demo\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\nalpha = \"1\"\n",
    );
    bench.file(
        ".cargo/config.toml",
        "[source.crates-io]\nreplace-with = \"here\"\n\n[source.here]\ndirectory = \"vendor\"\n",
    );
    bench.file(
        "vendor/alpha/Cargo.toml",
        "[package]\nname = \"alpha\"\nversion = \"1.0.0\"\nedition = \"2024\"\n",
    );
    bench.file("vendor/alpha/src/lib.rs", "");
    let sum = "0".repeat(64);
    bench.file("vendor/alpha/.cargo-checksum.json", &format!("{{\"files\":{{}},\"package\":\"{sum}\"}}"));
    bench
}

async fn security(bench: &Bench) -> (CheckEnd, Measured<Vulnerabilities>) {
    let checked = bench.check(Scope::Full).await;
    assert_eq!(checked.measured.tests, Measured::Value(TestCounts { passed: 1, failed: 0, ignored: 0 }));
    (of(&checked, CheckKind::Security).end.clone(), checked.measured.security)
}

#[tokio::test]
async fn without_an_audit_tool_security_is_missing() {
    let reason = "cargo-audit is not installed: cargo install cargo-audit";
    assert_eq!(security(&with_dependency()).await, (not_measured(reason), Measured::Missing(reason.into())));
}

#[tokio::test]
async fn an_audit_that_fails_in_any_way_is_not_measured() {
    let bench = with_dependency();
    for (script, reason) in [
        ("echo 'no JSON 雅'", "the audit report cannot be read: expected ident at line 1 column 2"),
        (
            "echo 'error: cannot fetch' >&2; exit 1",
            "`cargo audit` ended with exit code 1: error: cannot fetch",
        ),
        ("kill -9 $$", "`cargo audit` was killed by signal 9"),
        ("true", "the audit report cannot be read: it is empty"),
        (
            r#"echo '{"database":{"advisory-count":0},"vulnerabilities":{"list":[]}}'"#,
            "the advisory database holds no advisory",
        ),
    ] {
        bench.program("cargo-audit", script);
        let (end, measured) = security(&bench).await;
        assert_eq!((end, measured), (not_measured(reason), Measured::Missing(reason.into())), "{script}");
    }
}

#[tokio::test]
async fn an_audit_that_hangs_is_ended_at_its_deadline() {
    let mut bench = with_dependency();
    bench.program("cargo-audit", "trap '' TERM; sleep 1000; sleep 1000");
    bench.deadline_secs = 8;
    bench.options.grace = std::time::Duration::from_millis(100);
    let reason = "`cargo audit` did not end within 8 s";
    assert_eq!(security(&bench).await, (not_measured(reason), Measured::Missing(reason.into())));
}

#[tokio::test]
async fn the_report_of_an_audit_is_counted() {
    let report = concat!(env!("CARGO_MANIFEST_DIR"), "/recordings/cargo-audit-0.22.2.json");
    let mut bench = with_dependency();
    bench.options.advisory_db = Some("/advisories of 雅".into());
    bench
        .program("cargo-audit", &format!("test \"$3\" = '--db=/advisories of 雅' && cat '{report}'\nexit 1"));
    let checked = bench.check(Scope::Full).await;
    let counts = Vulnerabilities { packages: 1, critical_or_high: 3, medium: 1, low: 0 };
    assert_eq!(checked.measured.security, Measured::Value(counts));
    assert_eq!(of(&checked, CheckKind::Security).end, CheckEnd::Failed);
    assert_eq!(
        of(&checked, CheckKind::Security).command,
        ["cargo", "audit", "--json", "--db=/advisories of 雅", "--no-fetch", "--stale"]
    );
    assert_eq!(
        found(&checked, CheckKind::Security),
        ["5", "1", "2", "3", "4"].map(|n| format!("RUSTSEC-2026-000{n} @ Cargo.lock"))
    );
}

#[tokio::test]
async fn cargo_deny_stands_in_for_cargo_audit() {
    let report = concat!(env!("CARGO_MANIFEST_DIR"), "/recordings/cargo-deny-0.20.2.json");
    let bench = with_dependency();
    bench.program("cargo-deny", &format!("cat '{report}'\nexit 1"));
    let counts = Vulnerabilities { packages: 1, critical_or_high: 3, medium: 1, low: 0 };
    assert_eq!(security(&bench).await, (CheckEnd::Failed, Measured::Value(counts)));
    let commands = ToolChecks::new(bench.options.clone()).commands(&bench.root(), Scope::Full);
    assert_eq!(commands[3], "cargo deny check advisories");
}

#[tokio::test]
async fn without_cargo_nothing_is_measured() {
    let bench = Bench::library(TESTED);
    fs::remove_file(bench.root().join("../bin/cargo")).unwrap();
    let checked = bench.check(Scope::Task).await;
    let reason = "`cargo` is not installed: it is not on the PATH";
    assert!(checked.checks.iter().all(|check| check.end == not_measured(reason)), "{:?}", checked.checks);
}

#[tokio::test]
async fn without_clippy_the_tests_say_whether_it_builds() {
    let bench = Bench::library(TESTED);
    bench.program("cargo-clippy", "echo \"error: 'cargo-clippy' is not installed\" >&2; exit 1");
    let checked = bench.check(Scope::Task).await;
    let reason = "clippy is not installed: rustup component add clippy";
    assert_eq!(of(&checked, CheckKind::Lint).end, not_measured(reason));
    assert_eq!(checked.measured.lint_warnings, Measured::Missing(reason.into()));
    assert_eq!(checked.measured.build, Measured::Value(true));
    assert_eq!(of(&checked, CheckKind::Build).command[..2], ["cargo", "test"]);
}

#[tokio::test]
async fn a_linter_that_prints_nonsense_is_not_measured() {
    let bench = Bench::library(TESTED);
    bench.program("cargo-clippy", "head -c 100000 /dev/urandom; exit 0");
    let checked = bench.check(Scope::Task).await;
    assert_eq!(of(&checked, CheckKind::Lint).end, not_measured("`cargo clippy` ended with exit code 0"));
    assert_eq!(checked.measured.build, Measured::Value(true));
}

#[tokio::test]
async fn a_linter_that_prints_without_end_is_not_measured() {
    let bench = Bench::library(TESTED);
    bench.program("cargo-clippy", "head -c 70000000 /dev/zero; head -c 70000000 /dev/zero >&2");
    let checked = bench.check(Scope::Task).await;
    assert_eq!(of(&checked, CheckKind::Lint).end, not_measured("clippy wrote more than can be read"));
}

#[tokio::test]
async fn a_formatter_that_is_not_there_is_not_measured() {
    let bench = Bench::library(TESTED);
    bench.program("cargo-fmt", "echo \"error: 'cargo-fmt' is not installed\" >&2; exit 1");
    let checked = bench.check(Scope::Task).await;
    let reason = "`cargo fmt` ended with exit code 1: error: 'cargo-fmt' is not installed";
    assert_eq!(of(&checked, CheckKind::Format).end, not_measured(reason));
}

#[tokio::test]
async fn a_project_that_is_set_up_for_nextest_is_tested_by_it() {
    let bench = Bench::library(
        "//! Demo.\n//!\n//! ```\n//! assert!(true);\n//! ```\n\n#[test]\nfn passes() {}\n\n#[test]\nfn fails() {\n    panic!(\"雅\");\n}\n",
    );
    bench.file(".config/nextest.toml", "");
    // Without nextest the project is tested by cargo, with the same counts.
    let runner = if bench.borrow("cargo-nextest") { "nextest" } else { "test" };
    let checked = bench.check(Scope::Task).await;
    assert_eq!(checked.measured.tests, Measured::Value(TestCounts { passed: 2, failed: 1, ignored: 0 }));
    assert_eq!(of(&checked, CheckKind::Tests).findings[0].rule, "fails");
    assert_eq!(of(&checked, CheckKind::Tests).command[1], runner);
}

#[tokio::test]
async fn coverage_is_measured_where_the_tools_are() {
    let bench = Bench::library(
        "//! Demo.\n\n/// Chooses.\npub fn choose(high: bool) -> u8 {\n    if high {\n        return 1;\n    }\n    0\n}\n\n#[test]\nfn chooses() \
         {\n    assert_eq!(choose(false), 0);\n}\n\n#[test]\nfn fails() {\n    panic!();\n}\n",
    );
    bench.borrow("cargo-llvm-cov");
    bench.borrow("llvm-cov-22");
    bench.borrow("llvm-profdata-22");
    let checked = bench.check(Scope::Full).await;
    assert_eq!(checked.measured.tests, Measured::Value(TestCounts { passed: 1, failed: 1, ignored: 0 }));
    match checked.measured.coverage {
        Measured::Value(coverage) => assert_eq!(coverage, Coverage { lines: 11, covered: 10 }),
        Measured::Missing(reason) => assert!(reason.contains("not installed: "), "{reason}"),
    }
}
