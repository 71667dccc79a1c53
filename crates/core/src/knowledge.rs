//! Knowledge: what is remembered of runs, so that the next one profits from it.
//!
//! Records are made of the log alone, so they can be made again at any time. They are data for whoever reads them:
//! issues, findings and answers in them were written by people and programs.

pub mod learned;
mod past;
mod records;

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{IssueNumber, RunId, RunNumber, StepId};
use crate::status::Status;

pub use past::{Past, PastWork, past_work};
pub use records::records;

/// Which record: `<run>/<kind>`, `<run>/<kind>/<step>` or `<run>/<kind>/<step>/<attempt>`; the same thing always has
/// the same id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct RecordId(String);

impl RecordId {
    /// Takes the id as it is.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The record of how a run ended.
    pub fn outcome(run: &RunId) -> Self {
        Self(format!("{run}/{}", RecordKind::Outcome.as_str()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// What of a run is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecordKind {
    /// What was asked for, and how it was rated.
    Issue,
    /// The tasks that were made of it.
    Plan,
    /// What an agent was to do, and what it came to: changed files, or why it failed.
    Attempt,
    /// What the checks and readers found, and the score.
    Review,
    /// What a person was asked and answered.
    Answer,
    /// How the run ended or stands, and what was learned on the way.
    Outcome,
}

impl RecordKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Issue, Self::Plan, Self::Attempt, Self::Review, Self::Answer, Self::Outcome];

    /// The word in ids, filters and on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Issue => "issue",
            Self::Plan => "plan",
            Self::Attempt => "attempt",
            Self::Review => "review",
            Self::Answer => "answer",
            Self::Outcome => "outcome",
        }
    }

    /// The kind of that word.
    pub fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// One thing that is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// Which.
    pub id: RecordId,
    /// What it tells of.
    pub kind: RecordKind,
    /// The repo of its run.
    pub repo: String,
    /// The run.
    pub run: RunId,
    /// The run's number in its repo.
    pub number: RunNumber,
    /// The flow.
    pub flow: String,
    /// The issue; 0 where the run is about none.
    pub issue: IssueNumber,
    /// The step, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
    /// Which program did it; empty where none did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub agent: String,
    /// What came of it, as far as the run went; of an issue or a plan: what came of the run.
    pub outcome: Status,
    /// When it was known.
    pub at: Timestamp,
    /// One line.
    pub title: String,
    /// Everything that is worth finding again, without secrets.
    pub text: String,
    /// Paths of files that it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Where people read more: the change, or else the issue; empty where there is no such place.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// Records that its agent was given; what came of it speaks for or against them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<RecordId>,
}

/// Which records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordFilter {
    /// Only those of repos that one of these patterns names; `*` stands for anything within a name. None: any repo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repos: Option<Vec<String>>,
    /// Only those of these kinds; empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<RecordKind>,
    /// Only what this program did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Only what came to this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Status>,
    /// Only what was known at that time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Nothing of this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_run: Option<RunId>,
}

/// What is looked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// In words, as a person or an issue says it.
    pub text: String,
    /// Among which records.
    pub filter: RecordFilter,
    /// At most so many.
    pub limit: usize,
    /// From when on things were long ago.
    pub now: Timestamp,
}

/// Where a record stood in one of the searches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// From 1.
    pub rank: u32,
    /// By that search's own measure: the sum of the words' weights, or the cosine.
    pub score: f64,
}

/// A record that was found, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hit {
    /// The record.
    pub record: Record,
    /// What orders the hits; means nothing across searches.
    pub score: f64,
    /// Its place in the search by words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lexical: Option<Place>,
    /// Its place in the search by meaning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dense: Option<Place>,
    /// Words of the query that it holds, in the query's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matched: Vec<String>,
    /// Why it stands higher or lower than these alone would have it, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
    /// The part of its text that fits best, at most some hundred characters.
    pub excerpt: String,
}

/// What a search came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Found {
    /// The best first.
    pub hits: Vec<Hit>,
    /// What could not be done, and why: such as a search by meaning without a model that answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<String>,
}

/// What is there to be found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KnowledgeStats {
    /// Where: `local index` or `Qdrant`, and the place.
    pub store: String,
    /// What makes vectors; empty: nothing does, and the search is by words alone.
    pub embedder: String,
    /// Runs that records are there of.
    pub runs: u64,
    /// Records by kind.
    pub records: Vec<(RecordKind, u64)>,
    /// Parts that texts were cut into.
    pub chunks: u64,
    /// Parts with a vector.
    pub vectors: u64,
    /// Space on disk, in bytes; none where another machine keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// How much of a run's log its records were made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Events.
    pub events: u64,
    /// Whether the run had ended with them.
    pub ended: bool,
}

/// What is to be remembered of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// The run.
    pub run: RunId,
    /// How much of its log the records were made of.
    pub mark: Mark,
    /// The records.
    pub records: Vec<Record>,
}

/// What came of remembering.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Remembered {
    /// Runs.
    pub runs: u64,
    /// Records of them.
    pub records: u64,
    /// Parts of texts that vectors were made of now; what was known already is not made again.
    pub embedded: u64,
    /// What could not be done, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacks: Option<String>,
}

impl RecordFilter {
    /// Whether a record is one of these. Stores ask in their own ways; this says what the answer must be.
    pub fn lets(&self, record: &Record) -> bool {
        self.repos.as_ref().is_none_or(|patterns| patterns.iter().any(|it| fits(it, &record.repo)))
            && (self.kinds.is_empty() || self.kinds.contains(&record.kind))
            && self.agent.as_ref().is_none_or(|agent| *agent == record.agent)
            && self.outcome.is_none_or(|outcome| outcome == record.outcome)
            && self.since.is_none_or(|since| record.at >= since)
            && self.not_run.as_ref() != Some(&record.run)
    }
}

/// Whether a repo's name is what the pattern says; `*` stands for any part of it.
pub fn fits(pattern: &str, repo: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = repo.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}
