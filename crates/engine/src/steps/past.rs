//! What agents are given of past runs.

use jiff::SignedDuration;
use miyabi_core::failure::Failure;
use miyabi_core::ids::RunId;
use miyabi_core::knowledge::{PastWork, Query, RecordFilter, RecordId, past_work};
use miyabi_core::policy::Policy;
use miyabi_core::ports::{Clock, Knowledge};
use miyabi_core::run::Run;
use tracing::warn;

use crate::World;
use crate::remember::within;

/// The most past runs that one prompt shows.
const RUNS: usize = 3;
/// So many hits are looked at for these: several may be of one run.
const HITS: usize = 12;
/// So much of a text is looked for, in characters: what stands at the beginning says what it is about.
const ASKED: usize = 4_000;
/// So long a prompt waits for past work, all in all. Then it goes without.
const BEFORE_A_PROMPT: SignedDuration = SignedDuration::from_secs(5);

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
    /// Nobody's work waits for it: where it cannot be had, or not soon, there is none.
    pub(super) async fn like(&self, world: &World, text: &str) -> PastWork {
        self.soon(world.knowledge.as_ref(), world.clock.as_ref(), text).await
    }

    async fn soon(&self, knowledge: &dyn Knowledge, clock: &dyn Clock, text: &str) -> PastWork {
        if self.tokens == 0 {
            return PastWork::default();
        }
        let found = within(clock, BEFORE_A_PROMPT, self.found(knowledge, clock, text)).await;
        found.unwrap_or_else(|failure| {
            warn!(run.id = %self.run, %failure, "no past work could be looked up");
            PastWork::default()
        })
    }

    async fn found(
        &self,
        knowledge: &dyn Knowledge,
        clock: &dyn Clock,
        text: &str,
    ) -> Result<PastWork, Failure> {
        let filter = RecordFilter {
            repos: Some(self.repos.clone()),
            not_run: Some(self.run.clone()),
            ..RecordFilter::default()
        };
        let text = text.chars().take(ASKED).collect();
        let query = Query { text, filter, limit: HITS, now: clock.now() };
        let found = knowledge.search(&query).await?;
        let outcomes: Vec<RecordId> =
            found.hits.iter().map(|hit| RecordId::outcome(&hit.record.run)).collect();
        let outcomes = knowledge.get(&outcomes).await?;
        Ok(past_work(&found, &outcomes, self.tokens, RUNS))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use miyabi_testkit::{ManualClock, SilentKnowledge, fixtures};

    use super::*;

    #[tokio::test]
    async fn a_prompt_goes_without_what_does_not_come() {
        let (knowledge, clock) = (SilentKnowledge::default(), Arc::new(ManualClock::new(fixtures::at(0))));
        let recall = Recall { run: fixtures::run_id(1), repos: Vec::new(), tokens: 100 };
        let (past, woken) =
            tokio::join!(recall.soon(&knowledge, clock.as_ref(), "the till"), clock.advance_to_next_wake());
        assert_eq!((past.runs.len(), past.given.len()), (0, 0));
        assert_eq!(woken, fixtures::at(5), "one bound for everything");
        assert_eq!(knowledge.asked(), ["search"], "and nothing is asked after it");
        let none = Recall { tokens: 0, ..recall };
        none.soon(&knowledge, clock.as_ref(), "the till").await;
        assert_eq!(knowledge.asked(), ["search"], "who wants nothing asks nobody");
    }
}
