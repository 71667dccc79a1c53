//! Facts: what the forge shows of a change, looked up when a step begins. No agent has a say in them.
//!
//! A forge answers with a [`Survey`]; everything in here is a pure view of it.

mod ci;
mod judgements;
mod links;
mod requirements;
mod reviews;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use ci::{CheckState, CiCheck, CiFacts, CiState};
pub use judgements::{Judged, JudgedRequirement, Judgement, Judgements, Met, Place};
pub use links::{Link, linked};
pub use requirements::{Asked, Requirement, RequirementKind, RequirementSource};
pub use reviews::{Review, ReviewFacts, ReviewState, Reviewed, Reviewer};

use crate::ids::{ChangeNumber, CommitId};
use crate::issue::{Change, ChangeState};

/// More files of a change than this are counted, not listed.
const MAX_FILES: usize = 200;

/// A kind of fact, as `facts` in the file of an agent names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// The change itself: title, author, branches, files.
    Change,
    /// What its issues and its own text ask for.
    Requirements,
    /// Who reviewed it, and what they decided.
    Reviews,
    /// What CI says of its head.
    Ci,
}

impl Fact {
    /// Every kind there is.
    pub const ALL: [Self; 4] = [Self::Change, Self::Requirements, Self::Reviews, Self::Ci];

    /// Its key among the facts of an output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Requirements => "requirements",
            Self::Reviews => "reviews",
            Self::Ci => "ci",
        }
    }
}

/// What a forge shows of a change. What was not asked for is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// The change as it is now.
    pub change: Change,
    /// Who opened it; none: this forge does not know.
    pub author: Option<String>,
    /// Whether it is not meant to be merged yet.
    pub draft: bool,
    /// What it touches; none: this forge does not say.
    pub files: Option<Vec<TouchedFile>>,
    /// Its reviews, oldest first; none: this forge has none.
    pub reviews: Option<Vec<Review>>,
    /// Who was asked for a review and has not given one.
    pub requested: Vec<String>,
    /// What CI says of its head; none: this forge runs no CI.
    pub checks: Option<Vec<CiCheck>>,
}

impl Survey {
    /// What a forge shows that has neither reviews nor CI.
    pub fn of(change: Change) -> Self {
        Self {
            change,
            author: None,
            draft: false,
            files: None,
            reviews: None,
            requested: Vec::new(),
            checks: None,
        }
    }
}

/// A file that a change touches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchedFile {
    /// Path relative to the repository.
    pub path: String,
    /// How, in the forge's word: `added`, `modified`, `removed`, `renamed` …
    pub how: String,
    /// Lines added.
    pub insertions: u64,
    /// Lines removed.
    pub deletions: u64,
}

/// The change itself, as a fact. Title and body are its author's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeFacts {
    /// Its number.
    pub number: ChangeNumber,
    /// How far it is.
    pub state: ChangeState,
    /// One line.
    pub title: String,
    /// Markdown.
    pub body: String,
    /// Who opened it.
    pub author: Option<String>,
    /// Whether it is not meant to be merged yet.
    pub draft: bool,
    /// The branch with the work.
    pub head_branch: String,
    /// The branch it goes into.
    pub base_branch: String,
    /// The commit at its head.
    pub head: CommitId,
    /// Label names.
    pub labels: Vec<String>,
    /// Where people read it.
    pub url: String,
    /// What it touches; none: this forge does not say.
    pub files: Option<Vec<TouchedFile>>,
    /// How many more files it touches.
    #[serde(default)]
    pub files_left_out: usize,
}

impl ChangeFacts {
    /// What the survey says of the change itself.
    pub fn of(survey: &Survey) -> Self {
        let change = &survey.change;
        let files = survey.files.as_ref();
        Self {
            number: change.number,
            state: change.state,
            title: change.title.clone(),
            body: change.body.clone(),
            author: survey.author.clone(),
            draft: survey.draft,
            head_branch: change.head.clone(),
            base_branch: change.base.clone(),
            head: change.head_commit.clone(),
            labels: change.labels.clone(),
            url: change.url.clone(),
            files: files.map(|files| files.iter().take(MAX_FILES).cloned().collect()),
            files_left_out: files.map_or(0, |files| files.len().saturating_sub(MAX_FILES)),
        }
    }
}

#[cfg(test)]
mod tests;
