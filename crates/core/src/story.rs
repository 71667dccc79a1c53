//! Stories: behaviour that must hold, judged at a commit.
//!
//! A team writes them as files, an agent takes each apart into steps, another judges the steps at a commit, and what it
//! found is bound to the lines that it rests on. While these are the same, nobody is asked again.
//! Nothing here reads a file or asks anybody.

mod answer;
mod cache;
mod decomposition;
mod file;
mod outcome;
mod planned;
mod scope;
mod summary;
mod told;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use answer::{Evaluation, Finding, Judgement};
pub use cache::{CacheDecision, Kept, Present, decide_cache, evidence_of, scopes_of};
pub use decomposition::{Part, StoryDecomposition};
pub use file::{FOLDER, StoryProblem, is_id, read_file, read_files, write_file};
pub use outcome::{AssertionOutcome, Cited, StepOutcome, StoryOutcome, conclude};
pub use planned::{
    Decomposed, Planned, STORY_AGENTS, Stories, StoryPart, StoryWork, Wanted, decompose_id, evaluate_id,
    is_story_step,
};
pub use scope::{Tree, TreeFile};
pub use summary::{Row, Summary};
pub use told::{for_decomposition, for_evaluation};

use crate::evidence::sha256;

/// A story, as its file tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Story {
    /// What people type: letters, digits, `-` and `_`; unique in the repository.
    pub id: String,
    /// One line.
    pub title: String,
    /// What must hold, in plain words.
    pub story: String,
    /// When it holds, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acceptance_criteria: Vec<String>,
    /// Whether it is looked at.
    pub state: State,
    /// Its file, from the root of the repository.
    pub path: String,
}

impl Story {
    /// SHA-256 of what it says; its state and its file are no part of it.
    pub fn text_hash(&self) -> String {
        let told = (&self.title, &self.story, &self.acceptance_criteria);
        sha256(serde_json::to_string(&told).unwrap_or_default().as_bytes())
    }
}

/// Whether a story is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is judged at each run.
    #[default]
    Active,
    /// Not now.
    Paused,
    /// Not any more.
    Archived,
    /// Not yet.
    Planned,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Active, Self::Paused, Self::Archived, Self::Planned];

    /// The word in files and columns.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Archived => "archived",
            Self::Planned => "planned",
        }
    }

    /// The state of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// What stories, their steps and a whole run of them come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// Nobody knows.
    Error,
    /// It was not looked at.
    Skipped,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 4] = [Self::Pass, Self::Fail, Self::Error, Self::Skipped];

    /// The word in columns and on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Error => "error",
            Self::Skipped => "skipped",
        }
    }

    /// The verdict of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == word)
    }

    /// What several come to: an error is one of all of them, otherwise a failure, otherwise a pass.
    pub fn of(all: impl IntoIterator<Item = Self>) -> Self {
        let rank = |verdict: &Self| match verdict {
            Self::Skipped => 0,
            Self::Pass => 1,
            Self::Fail => 2,
            Self::Error => 3,
        };
        all.into_iter().max_by_key(rank).unwrap_or(Self::Skipped)
    }
}

#[cfg(test)]
mod tests;
