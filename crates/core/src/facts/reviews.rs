//! What people decided about a change, as a fact: each person's newest word counts, and only of those who may merge.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Survey;
use crate::ids::CommitId;

/// A review as the forge keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// Who.
    pub by: String,
    /// What they said.
    pub state: ReviewState,
    /// The commit that they looked at; none: it is gone.
    pub commit: Option<CommitId>,
    /// Whether they may write to the repository, as the forge says.
    pub may_write: bool,
}

/// What a review says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewState {
    /// Yes.
    Approved,
    /// No.
    ChangesRequested,
    /// Neither.
    Commented,
    /// What was said before does not count any more.
    Dismissed,
}

impl ReviewState {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::ChangesRequested => "asks for changes",
            Self::Commented => "commented",
            Self::Dismissed => "dismissed",
        }
    }
}

/// What reviewers together say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reviewed {
    /// Somebody asks for changes and has not taken that back.
    ChangesRequested,
    /// At least one person approves the head, and nobody asks for changes.
    Approved,
    /// Neither.
    None,
    /// This forge has no reviews.
    Unknown,
}

/// Somebody who reviewed the change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reviewer {
    /// Who.
    pub by: String,
    /// Their newest word; a comment takes back nothing.
    pub state: ReviewState,
    /// The commit that it speaks of.
    pub commit: Option<CommitId>,
    /// Whether the head is another commit by now.
    pub stale: bool,
    /// Whether it counts: its author may write to the repository and did not open the change.
    pub counts: bool,
}

/// What people decided about the head of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewFacts {
    /// The commit at the head.
    pub head: CommitId,
    /// All of them together.
    pub state: Reviewed,
    /// People whose newest word approves the head.
    pub approvals: usize,
    /// People whose newest word approves an older commit.
    pub stale_approvals: usize,
    /// People who ask for changes, of whatever commit: only they take that back.
    pub changes_requested: usize,
    /// Everybody who said something, by name.
    pub reviewers: Vec<Reviewer>,
    /// Who was asked and has not answered.
    pub requested: Vec<String>,
}

impl ReviewFacts {
    /// What the survey says of reviews.
    pub fn of(survey: &Survey) -> Self {
        let head = &survey.change.head_commit;
        // GitHub takes no difference between upper and lower case in names.
        let mut newest: BTreeMap<String, &Review> = BTreeMap::new();
        for review in survey.reviews.iter().flatten() {
            let name = review.by.to_lowercase();
            let says_nothing = review.state == ReviewState::Commented;
            if !(says_nothing && newest.contains_key(&name)) {
                newest.insert(name, review);
            }
        }
        let author = survey.author.as_ref().map(|author| author.to_lowercase());
        let reviewers: Vec<Reviewer> = newest
            .into_iter()
            .map(|(name, review)| Reviewer {
                by: review.by.clone(),
                state: review.state,
                commit: review.commit.clone(),
                stale: review.commit.as_ref() != Some(head),
                counts: review.may_write && author.as_ref() != Some(&name),
            })
            .collect();
        let count = |wanted: &dyn Fn(&Reviewer) -> bool| {
            reviewers.iter().filter(|reviewer| reviewer.counts && wanted(reviewer)).count()
        };
        let approvals = count(&|one| one.state == ReviewState::Approved && !one.stale);
        let stale_approvals = count(&|one| one.state == ReviewState::Approved && one.stale);
        let changes_requested = count(&|one| one.state == ReviewState::ChangesRequested);
        let state = match (survey.reviews.is_some(), changes_requested, approvals) {
            (false, ..) => Reviewed::Unknown,
            (true, 0, 0) => Reviewed::None,
            (true, 0, _) => Reviewed::Approved,
            (true, ..) => Reviewed::ChangesRequested,
        };
        Self {
            head: head.clone(),
            state,
            approvals,
            stale_approvals,
            changes_requested,
            reviewers,
            requested: survey.requested.clone(),
        }
    }
}
