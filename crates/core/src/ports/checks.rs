//! Deterministic tools that measure a checkout.

use std::path::PathBuf;

use async_trait::async_trait;

use super::{Failure, Stop};
use crate::ids::RunId;
use crate::report::{Check, Measurements};

/// How much is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// What one task must satisfy before it is merged: build, tests, lint, format.
    Task,
    /// What the score is made of: all of it, with coverage, vulnerabilities and documentation.
    Full,
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

    /// The command lines that a run in this checkout would use, for people and agents.
    fn commands(&self, root: &std::path::Path, scope: Scope) -> Vec<String>;
}
