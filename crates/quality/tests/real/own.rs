//! Checks that a project brings itself, with tools that behave and tools that do not.

use std::path::PathBuf;
use std::time::Duration;

use miyabi_core::ports::{AddedLine, Scope, Touched};
use miyabi_core::report::{CheckEnd, CheckKind, Measured, Severity, TestCounts};
use miyabi_quality::spec::{CheckSpec, Format};

use crate::common::{Bench, found, not_measured, of, scored, shown};

const GOOD: &str = "<testsuite><testcase name='a'/></testsuite>";

fn spec(kind: CheckKind, format: Format, script: &str) -> CheckSpec {
    CheckSpec::new("own", kind, format, &["sh", "-c", script])
}

fn in_file(script: &str, report: &str) -> CheckSpec {
    CheckSpec { report: Some(PathBuf::from(report)), ..spec(CheckKind::Tests, Format::Junit, script) }
}

async fn tests_of(spec: CheckSpec) -> Measured<TestCounts> {
    let mut bench = Bench::new();
    bench.options.specs = vec![spec];
    bench.check(Scope::Task).await.measured.tests
}

#[tokio::test]
async fn a_project_of_an_unknown_language_is_measured_by_its_own_checks() {
    let mut bench = Bench::new();
    let sarif = r#"{"version":"2.1.0","runs":[{"tool":{"driver":{}},"results":[{"ruleId":"r","message":{"text":"雅"}}]}]}"#;
    bench.options.specs = vec![
        spec(CheckKind::Build, Format::ExitCode, "true"),
        spec(CheckKind::Tests, Format::Junit, &format!("echo \"{GOOD}\"")),
        spec(CheckKind::Tests, Format::ExitCode, "echo broken >&2; exit 3"),
        CheckSpec { weight: 5, ..spec(CheckKind::Lint, Format::Sarif, &format!("echo '{sarif}'; exit 1")) },
        spec(CheckKind::Docs, Format::DocCounts, "echo '{\"public\": 4, \"documented\": 1}'"),
        spec(CheckKind::Security, Format::Sarif, "echo '{\"version\": \"2.1.0\", \"runs\": []}'"),
        spec(CheckKind::Tests, Format::Lcov, "printf 'SF:a\\nDA:1,1\\nDA:2,0\\nend_of_record\\n'"),
    ];
    let checked = bench.check(Scope::Full).await;
    let measured = checked.measured.clone();
    assert_eq!(measured.build, Measured::Value(true));
    assert_eq!(measured.tests, Measured::Value(TestCounts { passed: 1, failed: 1, ignored: 0 }));
    assert_eq!(measured.lint_warnings, Measured::Value(5), "one finding that counts as five");
    assert_eq!(measured.docs.value().map(|docs| (docs.public, docs.documented)), Some((4, 1)));
    assert_eq!(measured.coverage.value().map(|lines| (lines.lines, lines.covered)), Some((2, 1)));
    assert_eq!(measured.security.value().map(|found| found.critical_or_high), Some(0));
    let tests: Vec<_> = checked.checks.iter().filter(|check| check.kind == CheckKind::Tests).collect();
    assert_eq!(tests.len(), 2, "each is told");
    assert!(tests[1].findings[0].message.contains("broken"), "{:?}", tests[1].findings);
    assert_eq!(of(&checked, CheckKind::Format).end, not_measured(NOBODY));
}

/// Each waits until the other has begun; reports come in the order of the list all the same.
#[tokio::test]
async fn checks_that_are_in_nobodys_way_run_side_by_side() {
    let mut bench = Bench::new();
    let parallel = |script: &str| CheckSpec {
        parallel: true,
        timeout: Some(Duration::from_secs(60)),
        ..spec(CheckKind::Lint, Format::Files, script)
    };
    bench.options.specs = vec![
        spec(CheckKind::Build, Format::ExitCode, "mkfifo there back"),
        parallel("echo one > there; read line < back; echo first.md"),
        spec(CheckKind::Lint, Format::Files, "echo second.md"),
        parallel("read line < there; echo two > back; echo third.md"),
    ];
    let checked = bench.check(Scope::Full).await;
    let lint = checked.checks.iter().filter(|check| check.kind == CheckKind::Lint);
    let files: Vec<_> = lint.map(|check| check.findings[0].file.as_deref()).collect();
    assert_eq!(files, [Some("first.md"), Some("second.md"), Some("third.md")]);
    assert_eq!(checked.measured.lint_warnings, Measured::Value(3));
}

const NOBODY: &str =
    "no manifest of a language that is known here; a `[[check]]` in miyabi.toml measures anything";

#[tokio::test]
async fn a_build_that_fails_is_told_and_nothing_else_is_looked_at() {
    let mut bench = Bench::new();
    bench.options.specs = vec![
        spec(CheckKind::Tests, Format::ExitCode, "true"),
        spec(CheckKind::Build, Format::ExitCode, "echo 'no such module 雅' >&2; exit 2"),
    ];
    let checked = bench.check(Scope::Full).await;
    assert_eq!(checked.measured.build, Measured::Value(false));
    assert_eq!(checked.measured.tests, Measured::Missing("`own` did not succeed".to_owned()));
    assert!(of(&checked, CheckKind::Build).findings[0].message.contains("no such module 雅"));
}

#[tokio::test]
async fn reports_are_found_where_they_are_written() {
    let one = TestCounts { passed: 1, failed: 0, ignored: 0 };
    let given = spec(CheckKind::Tests, Format::Junit, &format!("echo \"{GOOD}\" > '{{report}}'"));
    assert_eq!(tests_of(given).await, Measured::Value(one));
    let mut bench = Bench::new();
    bench.file("reports/TEST-old.xml", "<testsuite><testcase name='b'><failure/></testcase></testsuite>");
    bench.options.specs = vec![in_file(
        &format!("for n in 1 2 3; do echo \"{GOOD}\" > reports/TEST-$n.xml; done"),
        "reports/TEST-*.xml",
    )];
    let root = bench.root();
    let checks = miyabi_quality::ToolChecks::new(bench.options.clone());
    let job = bench.job(Scope::Task);
    let ran = miyabi_core::ports::Checks::run(&checks, &job, miyabi_core::ports::never_stop()).await.unwrap();
    assert_eq!(ran.measured.tests, Measured::Value(TestCounts { passed: 3, failed: 0, ignored: 0 }));
    assert!(!root.join("reports/TEST-old.xml").exists(), "it was there before, whoever wrote it");
}

#[tokio::test]
async fn tools_that_do_not_behave_earn_nothing() {
    let junit = |script: &str| spec(CheckKind::Tests, Format::Junit, script);
    let cases = [
        (junit("exit 0"), "own: the JUnit report cannot be read: it holds no test suite"),
        (
            junit("echo 'error: no 雅' >&2; exit 9"),
            "own: `sh -c` ended with exit code 9: error: no 雅; the JUnit report cannot be read: it holds no test suite",
        ),
        (junit("kill -9 $$"), "own: `sh -c` was killed by signal 9"),
        (junit("echo '<testsuite>'"), "own: the JUnit report cannot be read: it ends in the middle"),
        (in_file("true", "../out.xml"), "own: the report `../out.xml` is not inside the checkout"),
        (in_file("true", "/etc/hostname"), "own: the report `/etc/hostname` is not inside the checkout"),
        (
            CheckSpec { command: vec!["no-such-tool".to_owned()], ..junit("") },
            "own: `no-such-tool` is not installed: it is not on the PATH",
        ),
        (
            CheckSpec { timeout: Some(Duration::from_millis(300)), ..junit("sleep 1000 & wait") },
            "own: `sh -c` did not end within 0.3 s",
        ),
    ];
    for (spec, reason) in cases {
        assert_eq!(tests_of(spec).await, Measured::Missing(reason.to_owned()));
    }
    for (script, part) in [
        ("truncate -s 200M '{report}'", "is larger than 64 MiB"),
        ("ln -s /etc/passwd '{report}'", "leads out of the checkout"),
        ("true # {report}", "was not written"),
        ("echo '<!DOCTYPE x [<!ENTITY a \"b\">]>&a;' > '{report}'", "holds no test suite"),
    ] {
        let Measured::Missing(reason) = tests_of(junit(script)).await else { panic!("{script}") };
        assert!(reason.contains(part), "{reason}");
    }
}

#[tokio::test]
async fn what_was_there_before_the_change_is_told_and_does_not_count() {
    let mut bench = Bench::new();
    let at = |line: u64| {
        let place = format!(r#"{{"artifactLocation":{{"uri":"雅.py"}},"region":{{"startLine":{line}}}}}"#);
        format!(
            r#"{{"ruleId":"r{line}","message":{{"text":"no"}},"locations":[{{"physicalLocation":{place}}}]}}"#
        )
    };
    let anywhere = r#"{"ruleId":"anywhere","message":{"text":"no"}}"#;
    let results = [at(1), at(7), at(8), anywhere.to_owned()].join(",");
    let sarif =
        format!(r#"{{"version":"2.1.0","runs":[{{"tool":{{"driver":{{}}}},"results":[{results}]}}]}}"#);
    bench.options.specs = vec![spec(CheckKind::Lint, Format::Sarif, &format!("echo '{sarif}'; exit 1"))];
    assert_eq!(bench.check(Scope::Task).await.measured.lint_warnings, Measured::Value(4));
    bench.file("雅.py", "");
    let line = |line| AddedLine { file: "雅.py".to_owned(), line, text: String::new() };
    bench.touched = Some(Touched::of(&[line(7)]));
    let checked = bench.check(Scope::Task).await;
    assert_eq!(checked.measured.lint_warnings, Measured::Value(2), "line 7, and what has no place");
    assert_eq!(checked.measured.lint_before, 2);
    assert_eq!(
        found(&checked, CheckKind::Lint),
        ["r7 @ 雅.py:7", "anywhere", "r1 @ 雅.py:1", "r8 @ 雅.py:8"]
    );
    assert!(of(&checked, CheckKind::Lint).findings[2].message.contains("it was there before"));
}

/// Lines move, and what was written twice may stay once: rule, file and message say what is the same.
#[tokio::test]
async fn what_the_base_does_not_have_counts_wherever_it_is() {
    let mut bench = Bench::new();
    let report = |results: &[(&str, &str, u64)]| {
        let results: Vec<_> = results
            .iter()
            .map(|(rule, text, line)| {
                format!(r#"{{"ruleId":"{rule}","message":{{"text":"{text}"}},"locations":[{{"physicalLocation":{{"artifactLocation":{{"uri":"雅.py"}},"region":{{"startLine":{line}}}}}}}]}}"#)
            })
            .collect();
        format!(
            r#"{{"version":"2.1.0","runs":[{{"tool":{{"driver":{{}}}},"results":[{}]}}]}}"#,
            results.join(",")
        )
    };
    bench.options.specs =
        vec![CheckSpec { weight: 3, ..spec(CheckKind::Lint, Format::Sarif, "cat found.sarif; exit 1") }];
    bench.file("雅.py", "");
    let head =
        [("long", "a", 10), ("long", "a", 20), ("long", "a", 30), ("unused", "b", 40), ("new", "c", 7)];
    bench.file("found.sarif", &report(&head));
    bench.touched =
        Some(Touched::of(&[AddedLine { file: "雅.py".to_owned(), line: 7, text: String::new() }]));
    let base = tempfile::tempdir().unwrap();
    bench.base = Some(base.path().to_owned());
    std::fs::write(base.path().join("雅.py"), "").unwrap();
    std::fs::write(
        base.path().join("found.sarif"),
        report(&[("long", "a", 1), ("long", "a", 2), ("gone", "d", 3)]),
    )
    .unwrap();
    let checked = bench.check(Scope::Full).await;
    assert_eq!(checked.measured.lint_warnings, Measured::Value(3 * 3), "`new`, one `long`, `unused`");
    assert_eq!(checked.measured.lint_before, 2);
    let told = found(&checked, CheckKind::Lint);
    assert_eq!(told.len(), 5, "{told:?}");
    assert!(told[2].starts_with("unused") && told[3].starts_with("long"), "old ones come last: {told:?}");

    // A base that cannot be measured: the lines stand for it, and it is said.
    std::fs::write(base.path().join("found.sarif"), "no report").unwrap();
    let checked = bench.check(Scope::Full).await;
    assert_eq!(checked.measured.lint_warnings, Measured::Value(3));
    assert_eq!(checked.measured.lint_before, 4);
    let findings = &of(&checked, CheckKind::Lint).findings;
    let said = findings.last().unwrap();
    assert!(said.message.contains("could not be measured") && said.severity == Severity::Info, "{said:?}");
}

#[tokio::test]
async fn findings_that_cannot_be_compared_with_the_change_count() {
    let mut bench = Bench::new();
    bench.file("a.py", "");
    let files = ["./a.py", "b.py", "/etc/hostname"].map(|uri| {
        format!(r#"{{"ruleId":"r","message":{{"text":"no"}},"locations":[{{"physicalLocation":{{"artifactLocation":{{"uri":"{uri}"}},"region":{{"startLine":1}}}}}}]}}"#)
    });
    let sarif = format!(
        r#"{{"version":"2.1.0","runs":[{{"tool":{{"driver":{{}}}},"results":[{}]}}]}}"#,
        files.join(",")
    );
    bench.options.specs = vec![spec(CheckKind::Lint, Format::Sarif, &format!("echo '{sarif}'"))];
    let added = |file: &str| AddedLine { file: file.to_owned(), line: 1, text: String::new() };
    bench.touched = Some(Touched::of(&[added("a.py")]));
    assert_eq!(bench.check(Scope::Task).await.measured.lint_warnings, Measured::Value(3));
    bench.touched = Some(Touched::of(&[added("other.py")]));
    assert_eq!(
        bench.check(Scope::Task).await.measured.lint_warnings,
        Measured::Value(2),
        "only `a.py` is known"
    );
}

/// A folder of the checkout may be a link: nothing behind it is removed or read.
#[tokio::test]
async fn reports_behind_a_link_are_left_alone() {
    let bench = Bench::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let kept = elsewhere.path().join("TEST-kept.xml");
    std::fs::write(&kept, GOOD).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), bench.root().join("reports")).unwrap();
    let mut options = bench.options.clone();
    options.specs = vec![in_file("true", "reports/TEST-*.xml")];
    let checks = miyabi_quality::ToolChecks::new(options);
    let job = bench.job(Scope::Task);
    let ran = miyabi_core::ports::Checks::run(&checks, &job, miyabi_core::ports::never_stop()).await.unwrap();
    assert!(
        matches!(&ran.measured.tests, Measured::Missing(why) if why.contains("leads out of the checkout"))
    );
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), GOOD);
}

#[tokio::test]
async fn more_files_than_are_read_are_no_report() {
    let mut bench = Bench::new();
    let script =
        format!("mkdir out; n=0; while [ $n -le 2000 ]; do echo \"{GOOD}\" > out/$n.xml; n=$((n+1)); done");
    bench.options.specs = vec![in_file(&script, "out/*.xml")];
    let checks = miyabi_quality::ToolChecks::new(bench.options.clone());
    let job = bench.job(Scope::Task);
    let ran = miyabi_core::ports::Checks::run(&checks, &job, miyabi_core::ports::never_stop()).await.unwrap();
    assert!(
        matches!(&ran.measured.tests, Measured::Missing(why) if why.contains("more than 2000 files")),
        "{:?}",
        ran.measured.tests
    );
}

#[tokio::test]
async fn a_check_is_not_read_from_the_report_of_another() {
    let mut bench = Bench::new();
    let script = format!("echo \"{GOOD}\" > '{{report}}'");
    let silent = spec(CheckKind::Tests, Format::Junit, "true # {report}");
    bench.options.specs = vec![spec(CheckKind::Tests, Format::Junit, &script), silent];
    let tests = bench.check(Scope::Task).await.measured.tests;
    assert!(matches!(&tests, Measured::Missing(reason) if reason.contains("was not written")), "{tests:?}");
}

#[tokio::test]
async fn a_suite_that_passes_and_ends_badly_does_not_pass() {
    let mut bench = Bench::new();
    let script = format!("echo \"{GOOD}\"; echo leaked >&2; exit 1");
    bench.options.specs = vec![spec(CheckKind::Tests, Format::Junit, &script)];
    let checked = bench.check(Scope::Task).await;
    assert_eq!(checked.measured.tests, Measured::Value(TestCounts { passed: 1, failed: 1, ignored: 0 }));
    assert_eq!(
        (found(&checked, CheckKind::Tests), of(&checked, CheckKind::Tests).end == CheckEnd::Failed),
        (vec!["own".to_owned()], true)
    );
}

#[tokio::test]
async fn one_of_two_checks_that_could_not_be_measured_leaves_the_kind_unmeasured() {
    let mut bench = Bench::new();
    let good = spec(CheckKind::Lint, Format::Files, "true");
    let broken = spec(CheckKind::Lint, Format::Eslint, "echo no");
    for specs in [vec![good.clone(), broken.clone()], vec![broken, good]] {
        bench.options.specs = specs;
        let measured = bench.check(Scope::Task).await.measured.lint_warnings;
        assert!(matches!(&measured, Measured::Missing(reason) if reason.contains("ESLint")), "{measured:?}");
    }
}

/// Maven is no part of what tests can install here: a program that writes what its test plugin writes stands in.
#[tokio::test]
async fn a_java_project_is_read_from_the_reports_of_its_build() {
    let bench = Bench::new();
    bench.file("pom.xml", "<project/>");
    bench.file(".gitignore", "target\n");
    bench.program(
        "mvn",
        r#"case "$*" in *verify) mkdir -p target/surefire-reports target/site/jacoco
        echo "<testsuite name='DemoTest'><testcase classname='DemoTest' name='a'/></testsuite>" > target/surefire-reports/TEST-DemoTest.xml
        echo "<report name='d'><package name='p'><sourcefile name='D.java'><line nr='1' mi='0' ci='2'/></sourcefile></package></report>" > target/site/jacoco/jacoco.xml;; esac"#,
    );
    let checks = miyabi_quality::ToolChecks::new(bench.options.clone());
    let job = bench.job(Scope::Full);
    let ran = miyabi_core::ports::Checks::run(&checks, &job, miyabi_core::ports::never_stop()).await.unwrap();
    assert_eq!(ran.measured.build, Measured::Value(true));
    assert_eq!(ran.measured.tests, Measured::Value(TestCounts { passed: 1, failed: 0, ignored: 0 }));
    assert_eq!(ran.measured.coverage.value().map(|lines| lines.lines), Some(1));
    assert!(matches!(&ran.measured.security, Measured::Missing(why) if why.contains("[[check]]")));
    insta::assert_snapshot!("java", shown(&scored(&ran)));
}
