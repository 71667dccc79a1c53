//! The memory of past runs.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::failure::Failure;
use crate::ids::RunId;
use crate::knowledge::{
    Found, KnowledgeStats, Mark, Memory, Query, Record, RecordFilter, RecordId, Remembered,
};

/// What is remembered of runs, and found again. Everything in it can be made again from the log.
#[async_trait]
pub trait Knowledge: Send + Sync {
    /// How much of the log of each run of a repo is in it.
    async fn marks(&self, repo: &str) -> Result<BTreeMap<RunId, Mark>, Failure>;

    /// Puts the records of runs in the place of those that were there of them.
    ///
    /// The mark of a run is there only once all of its records are. Secrets are taken out before anything is kept or
    /// sent anywhere. What could be done in part alone, such as without vectors because no model answers, gets no mark
    /// that counts, so that it is done again.
    async fn remember(&self, repo: &str, runs: &[Memory]) -> Result<Remembered, Failure>;

    /// The records that fit a query best.
    async fn search(&self, query: &Query) -> Result<Found, Failure>;

    /// The records of these ids, in this order; those that are not there are left out.
    async fn get(&self, ids: &[RecordId]) -> Result<Vec<Record>, Failure>;

    /// Records of a filter, ordered by id, those after `after` first; at most `limit`.
    async fn list(
        &self,
        filter: &RecordFilter,
        after: Option<&RecordId>,
        limit: usize,
    ) -> Result<Vec<Record>, Failure>;

    /// What is there.
    async fn stats(&self) -> Result<KnowledgeStats, Failure>;

    /// Forgets everything of a repo's runs, their marks too.
    async fn forget(&self, repo: &str) -> Result<(), Failure>;
}

/// Remembers nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoKnowledge;

#[async_trait]
impl Knowledge for NoKnowledge {
    async fn marks(&self, _: &str) -> Result<BTreeMap<RunId, Mark>, Failure> {
        Ok(BTreeMap::new())
    }

    async fn remember(&self, _: &str, _: &[Memory]) -> Result<Remembered, Failure> {
        Ok(Remembered::default())
    }

    async fn search(&self, _: &Query) -> Result<Found, Failure> {
        Ok(Found::default())
    }

    async fn get(&self, _: &[RecordId]) -> Result<Vec<Record>, Failure> {
        Ok(Vec::new())
    }

    async fn list(&self, _: &RecordFilter, _: Option<&RecordId>, _: usize) -> Result<Vec<Record>, Failure> {
        Ok(Vec::new())
    }

    async fn stats(&self) -> Result<KnowledgeStats, Failure> {
        Ok(KnowledgeStats { store: "off".to_owned(), ..KnowledgeStats::default() })
    }

    async fn forget(&self, _: &str) -> Result<(), Failure> {
        Ok(())
    }
}
