//! Tests of the module that this file belongs to.

use proptest::prelude::*;

use super::*;
use crate::report::{CheckEnd, CheckKind, Severity};

fn perfect() -> Measurements {
    Measurements {
        build: Measured::Value(true),
        tests: Measured::Value(TestCounts { passed: 40, failed: 0, ignored: 1 }),
        coverage: Measured::Value(Coverage { lines: 100, covered: 95 }),
        lint_warnings: Measured::Value(0),
        lint_before: 0,
        security: Measured::Value(Vulnerabilities { packages: 12, ..Default::default() }),
        docs: Measured::Value(DocCounts { public: 8, documented: 8 }),
        secrets: Measured::Value(0),
    }
}

fn missing<T>(reason: &str) -> Measured<T> {
    Measured::Missing(reason.to_owned())
}

fn with(change: impl FnOnce(&mut Measurements)) -> Report {
    let mut measured = perfect();
    change(&mut measured);
    judged(measured, &Policy::default())
}

fn judged(measured: Measurements, policy: &Policy) -> Report {
    score(measured, vec![], policy, "c0ffee".into(), "7ree".into())
}

#[test]
fn the_example_of_the_specification_is_58() {
    let report = with(|m| {
        m.lint_warnings = Measured::Value(12);
        m.tests = Measured::Value(TestCounts { passed: 10, failed: 2, ignored: 0 });
    });
    assert_eq!(report.score, 58);
    assert_eq!(report.breakdown, Breakdown { tests: 5.0, clippy: 13.0, security: 20.0, docs: 20.0 });
    assert_eq!(report.recommendation, Recommendation::Rework);
    assert_eq!(report.gates, ["2 tests fail"]);
    assert_eq!(quality_label(report.score), "quality:poor");
}

#[test]
fn weights_stretch_parts_as_a_whole() {
    let policy = Policy {
        weight_tests: 70,
        weight_lint: 0,
        weight_security: 20,
        weight_docs: 10,
        ..Policy::default()
    };
    assert_eq!(judged(perfect(), &policy).score, 100);
    let mut measured = perfect();
    measured.lint_warnings = Measured::Value(12);
    measured.tests = Measured::Value(TestCounts { passed: 10, failed: 1, ignored: 0 });
    measured.docs = missing("no tool");
    let report = judged(measured, &policy);
    assert_eq!(report.breakdown, Breakdown { tests: 40.0, clippy: 0.0, security: 20.0, docs: 0.0 });
    assert_eq!(report.not_measured, ["docs: no tool (0 of 10 points)"]);
    assert_eq!(report.weights, Weights { tests: 70, clippy: 0, security: 20, docs: 10 });
    let policy = Policy { missing_checks: MissingChecks::Exclude, ..policy };
    let mut measured = perfect();
    measured.docs = missing("no tool");
    assert_eq!(judged(measured, &policy).score, 100);
}

#[test]
fn the_table_of_scores() {
    use Recommendation::{Approve, Block, Review, Rework};
    let rows: Vec<(&str, Report, u32, Recommendation)> = vec![
        ("perfect", with(|_| ()), 100, Approve),
        ("no coverage tool", with(|m| m.coverage = missing("no tool")), 85, Approve),
        ("no audit tool", with(|m| m.security = missing("no tool")), 80, Approve),
        ("neither", with(|m| (m.coverage, m.security) = (missing("no"), missing("no"))), 65, Review),
        ("no test at all", with(|m| m.tests = Measured::Value(TestCounts::default())), 65, Review),
        ("tests unread", with(|m| m.tests = missing("no report")), 65, Review),
        (
            "half covered",
            with(|m| m.coverage = Measured::Value(Coverage { lines: 200, covered: 95 })),
            92,
            Approve,
        ),
        ("nothing to cover", with(|m| m.coverage = Measured::Value(Coverage::default())), 85, Approve),
        ("20 warnings", with(|m| m.lint_warnings = Measured::Value(20)), 80, Approve),
        ("21 warnings", with(|m| m.lint_warnings = Measured::Value(21)), 79, Review),
        ("a thousand warnings", with(|m| m.lint_warnings = Measured::Value(1000)), 75, Review),
        (
            "third documented",
            with(|m| m.docs = Measured::Value(DocCounts { public: 3, documented: 1 })),
            86,
            Approve,
        ),
        ("no public item", with(|m| m.docs = Measured::Value(DocCounts::default())), 100, Approve),
        ("broken build", with(|m| m.build = Measured::Value(false)), 100, Rework),
        ("build unseen", with(|m| m.build = missing("unknown language")), 100, Review),
        ("one failing test", with(|m| m.tests = tests(9, 1)), 85, Rework),
        ("only failing tests", with(|m| m.tests = tests(0, 1)), 65, Rework),
        ("medium", with(|m| m.security = vulnerable(0, 3)), 85, Approve),
        ("five medium", with(|m| m.security = vulnerable(0, 5)), 80, Approve),
        ("critical", with(|m| m.security = vulnerable(1, 0)), 80, Block),
        ("secret", with(|m| m.secrets = Measured::Value(2)), 100, Block),
        (
            "secret in a broken build",
            with(|m| (m.secrets, m.build) = (Measured::Value(1), Measured::Value(false))),
            100,
            Block,
        ),
        ("diff unread", with(|m| m.secrets = missing("diff too large")), 100, Review),
    ];
    for (name, report, score, recommendation) in rows {
        assert_eq!((report.score, report.recommendation), (score, recommendation), "{name}");
    }
}

fn tests(passed: u64, failed: u64) -> Measured<TestCounts> {
    Measured::Value(TestCounts { passed, failed, ignored: 0 })
}

fn vulnerable(critical_or_high: u64, medium: u64) -> Measured<Vulnerabilities> {
    Measured::Value(Vulnerabilities { packages: 12, critical_or_high, medium, low: 4 })
}

#[test]
fn what_was_not_measured_is_named_with_what_it_cost() {
    let nothing = Measurements {
        build: missing("no manifest"),
        tests: missing("no manifest"),
        coverage: missing("no manifest"),
        lint_warnings: missing("clippy is not installed"),
        lint_before: 0,
        security: missing("cargo-audit is not installed"),
        docs: missing("コンパイルできません"),
        secrets: missing("the diff has 2,000,000 lines"),
    };
    let report = judged(nothing.clone(), &Policy::default());
    assert_eq!(report.score, 0);
    assert_eq!(
        report.not_measured,
        [
            "tests: no manifest (0 of 35 points)",
            "lint: clippy is not installed (0 of 25 points)",
            "security: cargo-audit is not installed (0 of 20 points)",
            "docs: コンパイルできません (0 of 20 points)",
            "build: no manifest (a person decides)",
            "secrets: the diff has 2,000,000 lines (a person decides)",
        ]
    );
    assert_eq!((report.rescaled, report.recommendation), (None, Recommendation::Rework));

    let exclude = Policy { missing_checks: MissingChecks::Exclude, ..Policy::default() };
    let report = judged(nothing, &exclude);
    assert_eq!(report.score, 0);
    assert_eq!(
        report.rescaled.as_deref(),
        Some("nothing could be measured, so there is nothing to rescale: 0 of 100")
    );
}

#[test]
fn leaving_out_what_was_not_measured_is_stated() {
    let exclude = Policy { missing_checks: MissingChecks::Exclude, ..Policy::default() };
    let mut measured = perfect();
    measured.coverage = missing("no tool");
    measured.security = missing("no tool");
    measured.lint_warnings = Measured::Value(12);
    let report = judged(measured, &exclude);
    assert_eq!(report.score, 81);
    assert_eq!(
        report.rescaled.as_deref(),
        Some("53 of the 65 points that could be measured, rescaled to 100: 81")
    );
    assert_eq!(report.breakdown, Breakdown { tests: 20.0, clippy: 13.0, security: 0.0, docs: 20.0 });
    assert_eq!(judged(perfect(), &exclude).rescaled, None);
}

#[test]
fn nothing_to_audit_or_document_or_test_is_said() {
    let report = with(|m| {
        m.security = Measured::Value(Vulnerabilities::default());
        m.docs = Measured::Value(DocCounts::default());
        m.tests = Measured::Value(TestCounts::default());
    });
    assert_eq!(
        report.notes,
        [
            "tests: there is no test at all, so none of the 35 points",
            "security: no third-party package in the lock file, nothing to audit, full marks",
            "docs: no public item, nothing to document, full marks",
        ]
    );
    assert_eq!(report.not_measured, Vec::<String>::new());
}

#[test]
fn findings_are_listed_from_the_worst_on_and_bounded() {
    let finding = |severity, rule: &str| Finding {
        check: CheckKind::Lint,
        severity,
        rule: rule.to_owned(),
        message: String::new(),
        file: None,
        line: None,
    };
    let check = |findings| Check {
        kind: CheckKind::Lint,
        command: vec!["cargo".to_owned(), "clippy".to_owned()],
        end: CheckEnd::Failed,
        findings,
        duration_ms: 5,
    };
    let many = (0..600).map(|_| finding(Severity::Info, "note")).collect();
    let checks = vec![
        check(many),
        check(vec![
            finding(Severity::Low, "a"),
            finding(Severity::Critical, "b"),
            finding(Severity::Low, "c"),
        ]),
    ];
    let report = score(perfect(), checks, &Policy::default(), "c".into(), "t".into());
    assert_eq!(report.issues.len(), MAX_ISSUES);
    let rules: Vec<&str> = report.issues.iter().take(4).map(|finding| finding.rule.as_str()).collect();
    assert_eq!(rules, ["b", "a", "c", "note"]);
}

#[test]
fn labels_begin_where_the_specification_says() {
    let labels: Vec<&str> = [0, 59, 60, 79, 80, 89, 90, 100].into_iter().map(quality_label).collect();
    assert_eq!(
        labels,
        [
            "quality:poor",
            "quality:poor",
            "quality:needs-work",
            "quality:needs-work",
            "quality:good",
            "quality:good",
            "quality:excellent",
            "quality:excellent",
        ]
    );
}

fn maybe<T: std::fmt::Debug + Clone + 'static>(
    value: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Measured<T>> {
    prop_oneof![9 => value.prop_map(Measured::Value), 1 => Just(Measured::Missing("no tool".to_owned()))]
        .boxed()
}

/// Makes numbers worse by so many.
type Change = fn(&mut Measurements, u64);

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0..30_u64, 1 => any::<u64>()]
}

fn measurements() -> impl Strategy<Value = Measurements> {
    (
        maybe(any::<bool>()),
        maybe((count(), 0..4_u64).prop_map(|(passed, failed)| TestCounts { passed, failed, ignored: 0 })),
        maybe((count(), count()).prop_map(|(lines, covered)| Coverage { lines, covered })),
        maybe(count()),
        maybe((count(), 0..3_u64, 0..6_u64).prop_map(|(packages, critical_or_high, medium)| {
            Vulnerabilities { packages, critical_or_high, medium, low: 0 }
        })),
        maybe((count(), count()).prop_map(|(public, documented)| DocCounts { public, documented })),
        maybe(0..3_u64),
    )
        .prop_map(|(build, tests, coverage, lint_warnings, security, docs, secrets)| Measurements {
            build,
            tests,
            coverage,
            lint_warnings,
            lint_before: 0,
            security,
            docs,
            secrets,
        })
}

proptest! {
    #[test]
    fn the_score_is_a_score(measured in measurements(), exclude in any::<bool>()) {
        let missing_checks = if exclude { MissingChecks::Exclude } else { MissingChecks::Zero };
        let report = judged(measured, &Policy { missing_checks, ..Policy::default() });
        prop_assert!(report.score <= 100);
        let b = &report.breakdown;
        for (points, most) in [(b.tests, 35.0), (b.clippy, 25.0), (b.security, 20.0), (b.docs, 20.0)] {
            prop_assert!((0.0..=most).contains(&points));
        }
        prop_assert!(report.gates.is_empty() || report.recommendation >= Recommendation::Rework);
    }

    #[test]
    fn worse_or_missing_numbers_never_raise_it(measured in measurements(), more in 1..5_u64) {
        let policy = Policy::default();
        let before = judged(measured.clone(), &policy);
        let worse: [Change; 10] = [
            |m, more| if let Measured::Value(tests) = &mut m.tests { tests.failed += more },
            |m, more| if let Measured::Value(count) = &mut m.lint_warnings { *count = count.saturating_add(more) },
            |m, more| if let Measured::Value(found) = &mut m.security { found.critical_or_high += more },
            |m, more| if let Measured::Value(found) = &mut m.security { found.medium += more },
            |m, more| if let Measured::Value(count) = &mut m.secrets { *count += more },
            |m, _| m.tests = missing("x"),
            |m, _| m.coverage = missing("x"),
            |m, _| m.lint_warnings = missing("x"),
            |m, _| m.security = missing("x"),
            |m, _| m.docs = missing("x"),
        ];
        for change in worse {
            let mut changed = measured.clone();
            change(&mut changed, more);
            prop_assert!(judged(changed, &policy).score <= before.score);
        }
    }
}
