//! Asking for points: how many there are, which fit best, and the records that they begin.

use miyabi_core::failure::Failure;
use miyabi_core::knowledge::{Record, RecordFilter, RecordId};
use qdrant_client::qdrant::{
    CountPointsBuilder, Filter, QueryPointsBuilder, RetrievedPoint, ScoredPoint, SearchParamsBuilder,
    VectorInput,
};

use super::QdrantShelf;
use super::point::{self, field};
use crate::shelf::Scored;

impl QdrantShelf {
    /// Asks for something, and once more if the collection went away in the meantime: it is made again then, empty.
    pub(super) async fn ask<T, F>(
        &self,
        what: &str,
        request: impl Fn() -> F + Send + Sync,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, qdrant_client::QdrantError>> + Send,
    {
        match self.server.ask(what, &request).await {
            Err(failed) if failed.missing => {
                self.place.prepare(&self.server).await?;
                self.server.ask(what, &request).await.map_err(Failure::from)
            }
            other => other.map_err(Failure::from),
        }
    }

    pub(super) async fn count(&self, filter: Filter) -> Result<u64, Failure> {
        let request = CountPointsBuilder::new(self.collection()).filter(filter).exact(true).build();
        let answer = self.ask("count", || self.server.client.count(request.clone())).await?;
        Ok(answer.result.map_or(0, |it| it.count))
    }

    /// The best of a search by one of the two vectors.
    pub(super) async fn search(
        &self,
        using: &str,
        vector: VectorInput,
        filter: &RecordFilter,
        limit: usize,
    ) -> Result<Vec<Scored>, Failure> {
        let Some(filter) = self.filter(filter).await? else { return Ok(Vec::new()) };
        let request = QueryPointsBuilder::new(self.collection())
            .query(vector)
            .using(using)
            .filter(filter)
            .params(SearchParamsBuilder::default().exact(true))
            .limit(limit as u64)
            .with_payload(point::only(&[field::RECORD]))
            .build();
        let answer = self.ask("search", || self.server.client.query(request.clone())).await?;
        let mut found = answer.result.into_iter().map(scored).collect::<Result<Vec<_>, _>>()?;
        found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
        Ok(found)
    }

    /// The records whose first chunks a filter lets through, without their text.
    pub(super) async fn records(&self, filter: Filter) -> Result<Vec<Record>, Failure> {
        let mut records = Vec::new();
        self.scroll(filter, point::without(&[field::TEXT]), None, |point| {
            records.push(Record::clone(&point::chunk(point)?.record));
            Ok(true)
        })
        .await?;
        Ok(records)
    }
}

fn scored(point: ScoredPoint) -> Result<Scored, Failure> {
    let score = point.score;
    let point = RetrievedPoint { id: point.id, payload: point.payload, ..RetrievedPoint::default() };
    let record = point::word(&point, field::RECORD).ok_or_else(point::foreign)?;
    Ok(Scored { id: point::chunk_id(&point)?, record: RecordId::new(record), score })
}
