//! The playbook file: what the scripted agent does in which step. Reading and choosing only; nothing is done here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::{Attempt, StepId};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::place::{self, PlaceError};
use crate::yaml;

/// Why a playbook cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaybookError {
    /// The file cannot be read.
    #[error("read playbook `{path}`")]
    Read {
        /// The playbook.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not YAML, or not a playbook.
    #[error("{path}:{line}:{column}: {problem}")]
    Invalid {
        /// The playbook.
        path: PathBuf,
        /// From 1; 0 when the place is not known.
        line: u64,
        /// From 1; 0 when the place is not known.
        column: u64,
        /// What is wrong there.
        problem: String,
    },
}

impl From<PlaybookError> for Failure {
    fn from(error: PlaybookError) -> Self {
        let hint = match error {
            PlaybookError::Read { .. } => {
                "give the path of a playbook, relative to the main checkout: `--agent scripted:playbook.yaml`"
            }
            PlaybookError::Invalid { .. } => {
                "a playbook maps a step id, `task-<n>` or `default` to a list of actions: `write`, `append`, \
                 `replace`, `delete`, `run`, `say`, `delay`, `exit`, `hang`, `fail`, `attempt`"
            }
        };
        Self::caused(FailureClass::Input, &error).hint(hint)
    }
}

/// What the scripted agent does: actions by step id, by `task-<n>`, or by `default`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Playbook(BTreeMap<String, Vec<Action>>);

/// One thing that the scripted agent does.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Writes a file whole; folders above it are made.
    Write(Content),
    /// Adds to the end of a file, which is made if it is not there.
    Append(Content),
    /// Replaces a text that stands in a file exactly once.
    Replace(Replacement),
    /// Removes a file.
    Delete(FilePath),
    /// Runs a program: its name first, then its arguments. Ends the session as failed unless it exits with 0.
    Run(#[schemars(with = "Vec<String>", length(min = 1))] Spanned<Vec<String>>),
    /// Says something.
    Say(String),
    /// Waits, in milliseconds.
    Delay(u64),
    /// Ends the session with this exit code.
    Exit(u8),
    /// Does nothing until it is stopped.
    Hang,
    /// Ends the session as failed, with these words.
    Fail(String),
    /// What follows, up to the next `attempt`, is done in this attempt only; in later ones too when it is the last.
    Attempt(u32),
}

/// A file and a text for it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Relative to the worktree.
    pub path: FilePath,
    /// The text.
    pub content: String,
}

/// A change inside a file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// Relative to the worktree.
    pub path: FilePath,
    /// The text to be found; it must be there exactly once.
    pub from: String,
    /// What stands there afterwards.
    pub to: String,
}

/// A path inside the worktree, as the playbook has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct FilePath(#[schemars(with = "String")] Spanned<String>);

impl FilePath {
    /// The path as it was written.
    pub fn as_str(&self) -> &str {
        &self.0.value
    }
}

/// Reads a playbook and checks all that can be checked without a worktree.
pub fn read(path: &Path) -> Result<Playbook, PlaybookError> {
    let text =
        fs::read_to_string(path).map_err(|source| PlaybookError::Read { path: path.to_owned(), source })?;
    parse(path, &text)
}

/// The JSON Schema of playbook files.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Playbook)
}

fn parse(path: &Path, text: &str) -> Result<Playbook, PlaybookError> {
    let invalid = |location: Option<serde_saphyr::Location>, problem: String| PlaybookError::Invalid {
        path: path.to_owned(),
        line: location.map_or(0, |location| location.line()),
        column: location.map_or(0, |location| location.column()),
        problem,
    };
    let playbook: Playbook = serde_saphyr::from_str(text).map_err(|error| {
        let location = error.location();
        invalid(location, yaml::problem(&error))
    })?;
    if playbook.0.is_empty() {
        return Err(PlaybookError::Invalid {
            path: path.to_owned(),
            line: 1,
            column: 1,
            problem: "the playbook is empty".to_owned(),
        });
    }
    for action in playbook.0.values().flatten() {
        if let Err((location, problem)) = check(action) {
            return Err(invalid(Some(location), problem));
        }
    }
    Ok(playbook)
}

fn check(action: &Action) -> Result<(), (serde_saphyr::Location, String)> {
    let path = match action {
        Action::Write(content) | Action::Append(content) => &content.path,
        Action::Replace(replacement) => &replacement.path,
        Action::Delete(path) => path,
        Action::Run(argv) if argv.value.first().is_none_or(|program| program.is_empty()) => {
            return Err((argv.referenced, "`run` names no program".to_owned()));
        }
        _ => return Ok(()),
    };
    place::relative(path.as_str())
        .map(|_| ())
        .map_err(|error: PlaceError| (path.0.referenced, error.to_string()))
}

impl Playbook {
    /// The actions of a step in an attempt; `None` when nothing in the playbook speaks of the step.
    ///
    /// The most exact key wins: the step id, then `task-<n>` with whatever follows (`task-2.resolve-1`), then
    /// `task-<n>`, whatever the issue, then `default`.
    pub fn actions(&self, step: &StepId, attempt: Attempt) -> Option<Vec<&Action>> {
        let step = step.as_str();
        let of_task = task(step);
        let keys = [
            Some(step.to_owned()),
            of_task.map(|(index, rest)| format!("task-{index}{rest}")),
            of_task.map(|(index, _)| format!("task-{index}")),
            Some("default".to_owned()),
        ];
        let actions = keys.into_iter().flatten().find_map(|key| self.0.get(&key))?;
        Some(of_attempt(actions, attempt))
    }

    /// The keys, for messages.
    pub(crate) fn keys(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

/// Reads `task-<issue>-<n>` and what follows it, such as `.resolve-1`.
fn task(step: &str) -> Option<(&str, &str)> {
    let (issue, rest) = step.strip_prefix("task-")?.split_once('-')?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (index, rest) = rest.split_at_checked(digits)?;
    let numbers = !index.is_empty() && !issue.is_empty() && issue.chars().all(|c| c.is_ascii_digit());
    (numbers && (rest.is_empty() || rest.starts_with('.'))).then_some((index, rest))
}

/// Actions before the first `attempt` are of every attempt; of the others the section with the largest number that
/// is not above the attempt.
fn of_attempt(actions: &[Action], attempt: Attempt) -> Vec<&Action> {
    let section = actions
        .iter()
        .filter_map(|action| match action {
            Action::Attempt(number) if *number <= attempt => Some(*number),
            _ => None,
        })
        .max();
    let mut current = None;
    let mut chosen = Vec::new();
    for action in actions {
        match action {
            Action::Attempt(number) => current = Some(*number),
            other if current.is_none() || current == section => chosen.push(other),
            _ => {}
        }
    }
    chosen
}

#[cfg(test)]
mod tests;
