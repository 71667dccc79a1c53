//! What agents are given of past runs.

use miyabi_core::failure::Failure;
use miyabi_core::ids::RunId;
use miyabi_core::knowledge::{PastWork, Query, RecordFilter, RecordId, past_work};
use miyabi_core::policy::Policy;
use miyabi_core::run::Run;
use tracing::warn;

use crate::World;

/// The most past runs that one prompt shows.
const RUNS: usize = 3;
/// So many hits are looked at for these: several may be of one run.
const HITS: usize = 12;
/// So much of a text is looked for, in characters: what stands at the beginning says what it is about.
const ASKED: usize = 4_000;

/// Whose past is looked at, taken from the run when an attempt begins.
#[derive(Clone)]
pub(super) struct Recall {
    run: RunId,
    repos: Vec<String>,
    tokens: usize,
}

impl Recall {
    pub(super) fn of(run: &Run) -> Self {
        let policy: &Policy = run.policy();
        let mut repos = policy.knowledge_see.clone();
        repos.push(run.started.repo.clone());
        Self { run: run.id.clone(), repos, tokens: policy.knowledge_tokens as usize }
    }

    /// The past runs most like this text, within the policy's tokens and repos.
    ///
    /// Nobody's work waits for it: where it cannot be had, there is none.
    pub(super) async fn like(&self, world: &World, text: &str) -> PastWork {
        if self.tokens == 0 {
            return PastWork::default();
        }
        self.found(world, text).await.unwrap_or_else(|failure| {
            warn!(run.id = %self.run, %failure, "no past work could be looked up");
            PastWork::default()
        })
    }

    async fn found(&self, world: &World, text: &str) -> Result<PastWork, Failure> {
        let filter = RecordFilter {
            repos: Some(self.repos.clone()),
            not_run: Some(self.run.clone()),
            ..RecordFilter::default()
        };
        let text = text.chars().take(ASKED).collect();
        let query = Query { text, filter, limit: HITS, now: world.clock.now() };
        let found = world.knowledge.search(&query).await?;
        let outcomes: Vec<RecordId> =
            found.hits.iter().map(|hit| RecordId::outcome(&hit.record.run)).collect();
        let outcomes = world.knowledge.get(&outcomes).await?;
        Ok(past_work(&found, &outcomes, self.tokens, RUNS))
    }
}
