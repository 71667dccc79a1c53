//! The memory of stories: what they say, what they consist of, and what they came to.
//!
//! Results, decompositions and what is kept for later runs follow from the events of runs, as the other read models
//! do. Only the stories themselves are written here: they are a copy of the files of a commit.

use async_trait::async_trait;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Failure;
use crate::ids::{CommitId, RunId, RunNumber};
use crate::story::{Decomposed, Kept, StepOutcome, Story};

/// The memory of stories.
#[async_trait]
pub trait Stories: Send + Sync {
    /// Takes over the stories of a commit: those of the repo that are not among them are gone.
    async fn sync_stories(
        &self,
        repo: &str,
        commit: &CommitId,
        stories: &[Story],
        at: Timestamp,
    ) -> Result<(), Failure>;

    /// The stories of a repo, by their ids.
    async fn stories(&self, repo: &str) -> Result<Vec<StoryRow>, Failure>;

    /// What stories consist of, as it was found out at one of these commits: for each story and text one, of the
    /// commit that comes first, and of several there the newest.
    async fn decompositions(&self, repo: &str, among: &[CommitId]) -> Result<Vec<Decomposed>, Failure>;

    /// What stories came to at one of these commits: for each story, text and decomposition one, of the commit that
    /// comes first, and of several there the newest. Steps without a verdict are left out.
    async fn kept_outcomes(&self, repo: &str, among: &[CommitId]) -> Result<Vec<Kept>, Failure>;

    /// Results, newest first.
    async fn story_results(&self, repo: &str, filter: &ResultFilter) -> Result<Vec<ResultRow>, Failure>;
}

/// A story as the `stories` table has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoryRow {
    /// It.
    pub story: Story,
    /// The commit whose file it is.
    pub commit: CommitId,
    /// When it was read.
    pub synced_at: Timestamp,
}

/// Which results.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResultFilter {
    /// Only those of this run.
    pub run: Option<RunId>,
    /// Only those of this story.
    pub story: Option<String>,
    /// Only the newest of each story.
    pub latest: bool,
}

/// What a story came to in a run, as the `story_test_results` table has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResultRow {
    /// The run.
    pub run: RunId,
    /// Its number.
    pub number: RunNumber,
    /// The story.
    pub story: String,
    /// `running`, then `pass`, `fail`, `error` or `skipped`.
    pub status: String,
    /// Where it was judged.
    pub commit: CommitId,
    /// Why.
    pub explanation: String,
    /// What is required, with the evidence.
    pub steps: Vec<StepOutcome>,
    /// How many pieces of evidence there are.
    pub evidence: u64,
    /// The run whose judgement it is, where its own asked nobody.
    pub cached_from_run: Option<RunId>,
    /// When it joined the run.
    pub started_at: Timestamp,
    /// When it had its verdict.
    pub completion_time: Option<Timestamp>,
    /// In seconds.
    pub duration_sec: Option<i64>,
}
