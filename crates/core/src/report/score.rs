//! The formula: measurements in, points out.
//!
//! It is written for parts of 35, 25, 20 and 20 points; other weights stretch a part as a whole, deductions included.
//! Points are summed unrounded; the score is rounded **down**, so that no threshold is reached by rounding. What could not
//! be measured earns nothing and is named with what it cost. A hard gate that closes beats every score; one that
//! could not be looked at (build, secrets) never ends in more than a person's review.

use std::cmp::Reverse;

use super::{
    Breakdown, Check, Coverage, DocCounts, Finding, Measured, Measurements, Recommendation, Report,
    TestCounts, Vulnerabilities, Weights,
};
use crate::ids::{CommitId, TreeId};
use crate::policy::{MissingChecks, Policy};

/// The most findings that a report lists; the most severe ones are kept.
pub const MAX_ISSUES: usize = 500;

/// Points for a suite that passes.
const SUITE: f64 = 20.0;
/// Points for line coverage, all of them from [`FULL_COVERAGE`] on.
const COVERAGE: f64 = 15.0;
const FULL_COVERAGE: f64 = 0.95;
const PER_FAILING_TEST: f64 = 15.0;
const LINT: f64 = 25.0;
const SECURITY: f64 = 20.0;
const PER_SERIOUS_VULNERABILITY: f64 = 20.0;
const PER_MEDIUM_VULNERABILITY: f64 = 5.0;
const DOCS: f64 = 20.0;

/// Scores what was measured; pure, so the same numbers always give the same report.
pub fn score(
    measured: Measurements,
    checks: Vec<Check>,
    policy: &Policy,
    commit: CommitId,
    tree: TreeId,
) -> Report {
    let mut tally = Tally::default();
    let breakdown = Breakdown {
        tests: tally.weighed(policy.weight_tests, SUITE + COVERAGE, |tally| {
            tests_points(&measured.tests, &measured.coverage, tally)
        }),
        clippy: tally.weighed(policy.weight_lint, LINT, |tally| lint_points(&measured, tally)),
        security: tally
            .weighed(policy.weight_security, SECURITY, |tally| security_points(&measured.security, tally)),
        docs: tally.weighed(policy.weight_docs, DOCS, |tally| docs_points(&measured.docs, tally)),
    };
    let (score, rescaled) = total(&breakdown, tally.lost, policy.missing_checks);
    let (gates, recommendation) = judge(&measured, score, policy, &mut tally);
    let issues = most_severe(&checks);
    Report {
        score,
        breakdown: Breakdown {
            tests: hundredths(breakdown.tests),
            clippy: hundredths(breakdown.clippy),
            security: hundredths(breakdown.security),
            docs: hundredths(breakdown.docs),
        },
        weights: Weights {
            tests: policy.weight_tests,
            clippy: policy.weight_lint,
            security: policy.weight_security,
            docs: policy.weight_docs,
        },
        recommendation,
        gates,
        not_measured: tally.not_measured,
        notes: tally.notes,
        guarded: Vec::new(),
        reading: None,
        rescaled,
        issues,
        measured,
        checks,
        commit,
        tree,
    }
}

/// The label that says how good a score is; exactly one fits.
pub fn quality_label(score: u32) -> &'static str {
    match score {
        90.. => "quality:excellent",
        80..90 => "quality:good",
        60..80 => "quality:needs-work",
        _ => "quality:poor",
    }
}

/// What is said beside the points.
struct Tally {
    /// What a point of the part that is being scored is worth.
    factor: f64,
    /// Points that could not be earned because something was not measured.
    lost: f64,
    not_measured: Vec<String>,
    notes: Vec<String>,
}

impl Default for Tally {
    fn default() -> Self {
        Self { factor: 1.0, lost: 0.0, not_measured: Vec::new(), notes: Vec::new() }
    }
}

impl Tally {
    /// A part's points, of which there are so many by the formula, in the weight that the policy gives to the part.
    fn weighed(&mut self, weight: u32, of: f64, points: impl FnOnce(&mut Self) -> f64) -> f64 {
        self.factor = f64::from(weight) / of;
        points(self) * self.factor
    }

    fn missing(&mut self, what: &str, reason: &str, points: f64) {
        let points = hundredths(points * self.factor);
        self.lost += points;
        self.not_measured.push(format!("{what}: {reason} (0 of {points} points)"));
    }
}

fn tests_points(tests: &Measured<TestCounts>, coverage: &Measured<Coverage>, tally: &mut Tally) -> f64 {
    let counts = match tests {
        Measured::Value(counts) => counts,
        Measured::Missing(reason) => {
            tally.missing("tests", reason, SUITE + COVERAGE);
            return 0.0;
        }
    };
    if counts.passed == 0 {
        tally.notes.push(format!(
            "tests: {}, so none of the {} points",
            if counts.failed == 0 { "there is no test at all" } else { "no test passed" },
            hundredths((SUITE + COVERAGE) * tally.factor),
        ));
        return 0.0;
    }
    let covered = match coverage {
        Measured::Value(Coverage { lines: 0, .. }) => {
            tally.missing("coverage", "no line of code was instrumented", COVERAGE);
            0.0
        }
        Measured::Value(coverage) => {
            COVERAGE * (share(coverage.covered, coverage.lines) / FULL_COVERAGE).min(1.0)
        }
        Measured::Missing(reason) => {
            tally.missing("coverage", reason, COVERAGE);
            0.0
        }
    };
    (SUITE + covered - PER_FAILING_TEST * float(counts.failed)).max(0.0)
}

fn lint_points(measured: &Measurements, tally: &mut Tally) -> f64 {
    if measured.lint_before > 0 {
        let count = counted(measured.lint_before, "warning", "warnings");
        tally.notes.push(format!("lint: {count} on lines that the change does not touch, not counted"));
    }
    match &measured.lint_warnings {
        Measured::Value(warnings) => (LINT - float(*warnings)).max(0.0),
        Measured::Missing(reason) => {
            tally.missing("lint", reason, LINT);
            0.0
        }
    }
}

fn security_points(found: &Measured<Vulnerabilities>, tally: &mut Tally) -> f64 {
    match found {
        Measured::Value(found) => {
            if found.packages == 0 {
                tally.notes.push(
                    "security: no third-party package in the lock file, nothing to audit, full marks"
                        .to_owned(),
                );
            }
            let serious = PER_SERIOUS_VULNERABILITY * float(found.critical_or_high);
            (SECURITY - serious - PER_MEDIUM_VULNERABILITY * float(found.medium)).max(0.0)
        }
        Measured::Missing(reason) => {
            tally.missing("security", reason, SECURITY);
            0.0
        }
    }
}

fn docs_points(docs: &Measured<DocCounts>, tally: &mut Tally) -> f64 {
    match docs {
        Measured::Value(DocCounts { public: 0, .. }) => {
            tally.notes.push("docs: no public item, nothing to document, full marks".to_owned());
            DOCS
        }
        Measured::Value(docs) => DOCS * share(docs.documented, docs.public),
        Measured::Missing(reason) => {
            tally.missing("docs", reason, DOCS);
            0.0
        }
    }
}

/// The score, and how it was rescaled.
fn total(points: &Breakdown, lost: f64, missing: MissingChecks) -> (u32, Option<String>) {
    let earned = points.tests + points.clippy + points.security + points.docs;
    let available = 100.0 - lost;
    if missing == MissingChecks::Zero || lost == 0.0 {
        return (round_down(earned), None);
    }
    if available <= 0.0 {
        let sentence = "nothing could be measured, so there is nothing to rescale: 0 of 100";
        return (0, Some(sentence.to_owned()));
    }
    let score = round_down(earned * 100.0 / available);
    let earned = hundredths(earned);
    (
        score,
        Some(format!("{earned} of the {available} points that could be measured, rescaled to 100: {score}")),
    )
}

/// The gates that closed, and what follows from them and the score.
fn judge(
    measured: &Measurements,
    score: u32,
    policy: &Policy,
    tally: &mut Tally,
) -> (Vec<String>, Recommendation) {
    let mut gates = Vec::new();
    let mut rework = false;
    let mut block = false;
    let mut unseen = false;
    match &measured.build {
        Measured::Value(true) => {}
        Measured::Value(false) => {
            rework = true;
            gates.push("it does not build".to_owned());
        }
        Measured::Missing(reason) => {
            unseen = true;
            tally.not_measured.push(format!("build: {reason} (a person decides)"));
        }
    }
    if let Some(TestCounts { failed: failed @ 1.., .. }) = measured.tests.value() {
        rework = true;
        gates.push(counted(*failed, "test fails", "tests fail"));
    }
    if let Some(Vulnerabilities { critical_or_high: found @ 1.., .. }) = measured.security.value() {
        block = true;
        gates.push(counted(*found, "critical or high vulnerability", "critical or high vulnerabilities"));
    }
    match &measured.secrets {
        Measured::Value(0) => {}
        Measured::Value(found) => {
            block = true;
            gates.push(counted(*found, "secret in the diff", "secrets in the diff"));
        }
        Measured::Missing(reason) => {
            unseen = true;
            tally.not_measured.push(format!("secrets: {reason} (a person decides)"));
        }
    }
    let recommendation = if block {
        Recommendation::Block
    } else if rework || score < policy.review_from {
        Recommendation::Rework
    } else if unseen || score < policy.open_from {
        Recommendation::Review
    } else {
        Recommendation::Approve
    };
    (gates, recommendation)
}

/// The findings of all checks, the most severe ones first, otherwise in the order of the checks.
fn most_severe(checks: &[Check]) -> Vec<Finding> {
    let mut findings: Vec<&Finding> = checks.iter().flat_map(|check| &check.findings).collect();
    findings.sort_by_key(|finding| Reverse(finding.severity));
    findings.into_iter().take(MAX_ISSUES).cloned().collect()
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// 0.0 to 1.0, whatever the numbers.
fn share(part: u64, whole: u64) -> f64 {
    float(part.min(whole)) / float(whole)
}

fn float(count: u64) -> f64 {
    count as f64
}

/// The next whole number below, forgiving what the representation of fractions costs.
fn round_down(points: f64) -> u32 {
    (points + 1e-9).floor().clamp(0.0, 100.0) as u32
}

fn hundredths(points: f64) -> f64 {
    (points * 100.0 + 1e-7).floor() / 100.0
}

#[cfg(test)]
#[path = "score/tests.rs"]
mod tests;
