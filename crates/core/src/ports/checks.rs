//! Deterministic tools that measure a checkout.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use async_trait::async_trait;

use super::{AddedLine, Failure, Stop};
use crate::ids::RunId;
use crate::report::{Check, Finding, Measurements};

/// How much is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// What one task must satisfy before it is merged: build, tests, lint, format.
    Task,
    /// What linters find, and the build that they need.
    Lint,
    /// What the score is made of: all of it, with coverage, vulnerabilities and documentation.
    Full,
}

/// The lines that a change adds, by file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched(BTreeMap<String, BTreeSet<u64>>);

impl Touched {
    /// The places of these lines.
    pub fn of(lines: &[AddedLine]) -> Self {
        let mut touched = Self::default();
        for line in lines {
            touched.0.entry(line.file.clone()).or_default().insert(line.line);
        }
        touched
    }

    /// Whether a finding is there: one that names no place may be anywhere.
    pub fn holds(&self, finding: &Finding) -> bool {
        let (Some(file), Some(line)) = (&finding.file, finding.line) else { return true };
        self.0.get(file).is_some_and(|lines| lines.contains(&line))
    }
}

/// A checkout to be measured.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckJob {
    /// The checkout. Build output stays inside it, in ignored folders only.
    pub root: PathBuf,
    /// How much.
    pub scope: Scope,
    /// The longest that one tool may take, in seconds.
    pub deadline_secs: u64,
    /// What the change adds: what linters find elsewhere is looked up in the base. None: all of it counts.
    pub touched: Option<Touched>,
    /// The files of the base, where what linters find off the lines of the change may have been before; that is told,
    /// and does not count. None: all that is off those lines was there before.
    pub base: Option<PathBuf>,
    /// The run, for the marks in the environment of the tools.
    pub run: RunId,
}

/// What the tools said.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// Each tool's run.
    pub checks: Vec<Check>,
    /// The numbers; `secrets` is filled in by the caller, who has the diff.
    pub measured: Measurements,
}

/// Runs the tools that fit a checkout and reads their reports.
#[async_trait]
pub trait Checks: Send + Sync {
    /// Measures a checkout. A tool that is missing, hangs, crashes or writes what cannot be read is a check that
    /// was not measured, named with its reason; it is never an error and never full marks.
    /// Errors: only what makes measuring impossible at all, such as a root that is not there.
    async fn run(&self, job: &CheckJob, stop: Stop) -> Result<Checked, Failure>;

    /// Whether there is a check of this name in the checkout: one of the project's own, or a kind of check.
    fn knows(&self, _root: &std::path::Path, _name: &str) -> bool {
        true
    }

    /// Runs the checks of this name, or all of this kind; `None` if there are none. Whoever knows no names runs all.
    async fn named(&self, job: &CheckJob, name: &str, stop: Stop) -> Result<Option<Vec<Check>>, Failure> {
        let checked = self.run(job, stop).await?;
        let of_kind = checked.checks.into_iter().filter(|check| check.kind.as_str() == name);
        Ok(Some(of_kind.collect::<Vec<_>>()).filter(|checks| !checks.is_empty()))
    }

    /// The command lines that a run in this checkout would use, for people and agents.
    fn commands(&self, root: &std::path::Path, scope: Scope) -> Vec<String>;
}
