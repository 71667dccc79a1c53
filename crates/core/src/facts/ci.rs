//! What CI says of a commit, as a fact.

use serde::{Deserialize, Serialize};

use super::Survey;
use crate::ids::CommitId;

/// A check of a forge's CI, or a status that something reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CiCheck {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub state: CheckState,
    /// Where people read about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// How a check of CI stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// It did not end well.
    Failed,
    /// It has not ended.
    Pending,
    /// It ended well, or there was nothing to check.
    Passed,
}

impl CheckState {
    /// In one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Pending => "pending",
            Self::Passed => "passed",
        }
    }
}

/// What CI as a whole says of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CiState {
    /// At least one check failed; others may still run.
    Failed,
    /// None failed, and some have not ended.
    Pending,
    /// All ended well.
    Passed,
    /// Nothing was reported.
    None,
    /// This forge runs none.
    NotConfigured,
}

impl CiState {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Pending => "pending",
            Self::Passed => "passed",
            Self::None => "nothing was reported",
            Self::NotConfigured => "not configured",
        }
    }
}

/// What CI says of the head of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CiFacts {
    /// The commit that it speaks of.
    pub head: CommitId,
    /// As a whole.
    pub state: CiState,
    /// How many ended well.
    pub passed: usize,
    /// How many did not.
    pub failed: usize,
    /// How many have not ended.
    pub pending: usize,
    /// Each of them: failed ones first, then by name.
    pub checks: Vec<CiCheck>,
}

impl CiFacts {
    /// What the survey says of CI.
    pub fn of(survey: &Survey) -> Self {
        let mut checks = survey.checks.clone().unwrap_or_default();
        checks.sort_by(|a, b| (a.state, &a.name).cmp(&(b.state, &b.name)));
        let count = |state: CheckState| checks.iter().filter(|check| check.state == state).count();
        let (failed, pending, passed) =
            (count(CheckState::Failed), count(CheckState::Pending), count(CheckState::Passed));
        let state = match (survey.checks.is_some(), failed, pending, passed) {
            (false, ..) => CiState::NotConfigured,
            (true, 0, 0, 0) => CiState::None,
            (true, 0, 0, _) => CiState::Passed,
            (true, 0, ..) => CiState::Pending,
            (true, ..) => CiState::Failed,
        };
        Self { head: survey.change.head_commit.clone(), state, passed, failed, pending, checks }
    }
}
