//! The quality report: what the checks measured, and the score made of it.

mod reading;
mod score;

use std::ops::Add;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use reading::{Reading, Remark, Remarks};
pub use score::{MAX_ISSUES, quality_label, score};

use crate::ids::{CommitId, TreeId};

/// What a check looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckKind {
    /// It compiles.
    Build,
    /// The test suite, with line coverage where a tool for it is there.
    Tests,
    /// Warnings of the linter.
    Lint,
    /// Formatting; never scored, fails a task's own checks.
    Format,
    /// Known vulnerabilities of dependencies.
    Security,
    /// Share of public items with documentation.
    Docs,
    /// Credentials in the diff.
    Secrets,
}

impl CheckKind {
    /// The word on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Tests => "tests",
            Self::Lint => "lint",
            Self::Format => "format",
            Self::Security => "security",
            Self::Docs => "docs",
            Self::Secrets => "secrets",
        }
    }
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "ended", rename_all = "snake_case")]
pub enum CheckEnd {
    /// It ran and found nothing that fails it.
    Passed,
    /// It ran and found something.
    Failed,
    /// It could not run or be read; earns nothing.
    NotMeasured {
        /// Why, for people: `cargo-audit is not installed`.
        reason: String,
    },
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Costs points.
    Low,
    /// Costs more.
    Medium,
    /// Closes the gate where it is a vulnerability.
    High,
    /// Closes the gate.
    Critical,
}

impl Severity {
    /// The word on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// One thing that a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Which check.
    pub check: CheckKind,
    /// How bad.
    pub severity: Severity,
    /// The tool's rule or test name, such as `clippy::needless_return`.
    pub rule: String,
    /// What the tool said, first line first; at most 4,000 characters.
    pub message: String,
    /// Path relative to the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}

/// One deterministic tool run with a parsed result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// What it looks at.
    pub kind: CheckKind,
    /// The command as it was run, argument by argument.
    pub command: Vec<String>,
    /// How it ended.
    pub end: CheckEnd,
    /// What it found.
    pub findings: Vec<Finding>,
    /// How long it took.
    pub duration_ms: u64,
}

/// A number that a tool measured, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measured<T> {
    /// The tool's number.
    Value(T),
    /// Why there is none.
    Missing(String),
}

impl<T> Measured<T> {
    /// The number, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Missing(_) => None,
        }
    }
}

/// Counts of a test run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestCounts {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed, and test programs that died.
    pub failed: u64,
    /// Tests that were ignored.
    pub ignored: u64,
}

impl Add for TestCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            ignored: self.ignored + other.ignored,
        }
    }
}

/// Lines that tests could reach and did reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Coverage {
    /// Instrumented lines.
    pub lines: u64,
    /// Lines that ran.
    pub covered: u64,
}

impl Add for Coverage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { lines: self.lines + other.lines, covered: self.covered + other.covered }
    }
}

/// Known vulnerabilities in the dependencies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Vulnerabilities {
    /// Third-party packages in the lock file; 0 means that there is nothing to audit.
    pub packages: u64,
    /// Critical or high ones, and those without a rating.
    pub critical_or_high: u64,
    /// Medium ones.
    pub medium: u64,
    /// Low ones.
    pub low: u64,
}

impl Add for Vulnerabilities {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            packages: self.packages + other.packages,
            critical_or_high: self.critical_or_high + other.critical_or_high,
            medium: self.medium + other.medium,
            low: self.low + other.low,
        }
    }
}

/// Public items and how many of them have documentation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DocCounts {
    /// Public items.
    pub public: u64,
    /// Those with documentation.
    pub documented: u64,
}

impl Add for DocCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { public: self.public + other.public, documented: self.documented + other.documented }
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Everything the checks measured on one tree; the only input of the score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Measurements {
    /// Whether it builds.
    pub build: Measured<bool>,
    /// The test run; `passed + failed == 0` means that there is no test at all.
    pub tests: Measured<TestCounts>,
    /// Line coverage.
    pub coverage: Measured<Coverage>,
    /// Linter warnings (errors count as build failures).
    pub lint_warnings: Measured<u64>,
    /// Warnings on lines that the change does not touch: told, not counted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lint_before: u64,
    /// Vulnerabilities.
    pub security: Measured<Vulnerabilities>,
    /// Documentation.
    pub docs: Measured<DocCounts>,
    /// Credentials found in the diff.
    pub secrets: Measured<u64>,
}

/// What the score recommends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Recommendation {
    /// Open the change.
    Approve,
    /// A person looks first.
    Review,
    /// An agent mends what the checks found.
    Rework,
    /// A hard gate closed that no agent should open: a secret or a serious vulnerability.
    Block,
}

impl Recommendation {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "APPROVE",
            Self::Review => "REVIEW",
            Self::Rework => "REWORK",
            Self::Block => "BLOCK",
        }
    }
}

/// Points by component; the maxima are 35, 25, 20 and 20.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Breakdown {
    /// 20 for a suite that passes, up to 15 for coverage, −15 for each failing test.
    pub tests: f64,
    /// −1 for each warning.
    pub clippy: f64,
    /// −20 for each critical or high vulnerability, −5 for each medium one.
    pub security: f64,
    /// By the share of documented public items.
    pub docs: f64,
}

/// How many points each component can have; 100 together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Weights {
    /// Tests and coverage.
    pub tests: u32,
    /// The linter.
    pub clippy: u32,
    /// Vulnerabilities.
    pub security: u32,
    /// Documentation.
    pub docs: u32,
}

impl Default for Weights {
    fn default() -> Self {
        Self { tests: 35, clippy: 25, security: 20, docs: 20 }
    }
}

/// The 0–100 quality report of one tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// 0–100.
    pub score: u32,
    /// Where the points come from.
    pub breakdown: Breakdown,
    /// How many there could be of each.
    #[serde(default)]
    pub weights: Weights,
    /// What follows.
    pub recommendation: Recommendation,
    /// Hard gates that closed, in words; empty when none did.
    pub gates: Vec<String>,
    /// What could not be measured, each with its reason and what it cost.
    pub not_measured: Vec<String>,
    /// What else a reader of the points should know: nothing to audit, no test at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Paths of the change that only a person lets in, by the policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guarded: Vec<String>,
    /// What an agent that read the change remarked; none: nobody was asked to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<Reading>,
    /// How the score was rescaled, when the policy excludes what could not be measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescaled: Option<String>,
    /// What the checks found, the most severe first; at most [`MAX_ISSUES`].
    pub issues: Vec<Finding>,
    /// The numbers behind the points.
    pub measured: Measurements,
    /// The checks that were run.
    pub checks: Vec<Check>,
    /// The commit that was measured.
    pub commit: CommitId,
    /// Its tree: a changed tree voids the report.
    pub tree: TreeId,
}
