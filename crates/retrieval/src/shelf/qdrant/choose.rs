//! Which points: filters of records as filters of Qdrant, pages, and the order of ids that it does not have.

use std::collections::BTreeSet;

use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::knowledge::{RecordFilter, RecordId, fits};
use qdrant_client::qdrant::facet_value::Variant;
use qdrant_client::qdrant::with_payload_selector::SelectorOptions;
use qdrant_client::qdrant::{
    Condition, DatetimeRange, FacetCountsBuilder, Filter, RetrievedPoint, ScrollPointsBuilder, Timestamp,
    VectorsSelector,
};

use super::point::{self, field};
use super::{NAMES, QdrantShelf};

/// Points that one page holds.
const PAGE: u32 = 256;
/// Names of repos or runs that are asked for at most: more than a team has.
const MANY: u64 = 1_000_000;

/// That a field holds this word.
pub(super) fn is(name: &str, word: &str) -> Condition {
    Condition::matches(name, word.to_owned())
}

/// That a field holds one of these words.
pub(super) fn any(name: &str, words: impl IntoIterator<Item = String>) -> Condition {
    Condition::matches(name, words.into_iter().collect::<Vec<_>>())
}

/// That it is the first chunk of its record: one for each record.
pub(super) fn first() -> Condition {
    Condition::matches(field::PLACE, 0)
}

/// Chunks of which all this holds; never marks.
pub(super) fn chunks(conditions: impl IntoIterator<Item = Condition>) -> Filter {
    let mut filter = Filter::must(conditions);
    filter.must_not.push(is(field::KIND, point::MARK));
    filter
}

/// Points of which this holds as well.
pub(super) fn and(mut filter: Filter, conditions: impl IntoIterator<Item = Condition>) -> Filter {
    filter.must.extend(conditions);
    filter
}

impl QdrantShelf {
    /// The chunks of records of a filter; none: there can be no such record.
    pub(super) async fn filter(&self, wanted: &RecordFilter) -> Result<Option<Filter>, Failure> {
        let mut filter = chunks([]);
        if let Some(patterns) = &wanted.repos {
            let repos = self.repos(patterns).await?;
            if repos.is_empty() {
                return Ok(None);
            }
            filter.must.push(any(field::REPO, repos));
        }
        if !wanted.kinds.is_empty() {
            filter.must.push(any(field::KIND, wanted.kinds.iter().map(|kind| kind.as_str().to_owned())));
        }
        if let Some(agent) = &wanted.agent {
            filter.must.push(is(field::AGENT, agent));
        }
        if let Some(outcome) = wanted.outcome {
            filter.must.push(is(field::OUTCOME, outcome.as_str()));
        }
        if let Some(since) = wanted.since {
            let gte = Timestamp { seconds: since.as_second(), nanos: since.subsec_nanosecond() };
            let gte = Some(gte.normalized());
            filter
                .must
                .push(Condition::datetime_range(field::AT, DatetimeRange { gte, ..Default::default() }));
        }
        if let Some(run) = &wanted.not_run {
            filter.must_not.push(is(field::RUN, run.as_str()));
        }
        Ok(Some(filter))
    }

    /// The names of repos that patterns stand for; the server compares whole names alone.
    async fn repos(&self, patterns: &[String]) -> Result<Vec<String>, Failure> {
        if patterns.iter().all(|pattern| !pattern.contains('*')) {
            return Ok(patterns.to_vec());
        }
        let repos = self.values(field::REPO, chunks([])).await?;
        Ok(repos.into_iter().filter(|repo| patterns.iter().any(|it| fits(it, repo))).collect())
    }

    /// The words that a field has in the points of a filter.
    async fn values(&self, name: &str, filter: Filter) -> Result<BTreeSet<String>, Failure> {
        let request =
            FacetCountsBuilder::new(self.collection(), name).filter(filter).limit(MANY).exact(true).build();
        let answer = self.ask("list names", || self.server.client.facet(request.clone())).await?;
        if answer.hits.len() as u64 >= MANY {
            let message = format!("{} holds more names in `{name}` than can be listed", self.server.url);
            return Err(Failure::new(FailureClass::Exhausted, message)
                .hint("give each team a prefix of its own, or forget repos that are gone"));
        }
        let word = |variant| match variant {
            Variant::StringValue(word) => Some(word),
            Variant::IntegerValue(_) | Variant::BoolValue(_) => None,
        };
        Ok(answer.hits.into_iter().filter_map(|hit| word(hit.value?.variant?)).collect())
    }

    /// Hands over the points of a filter, page by page, until there are no more or the taker wants none.
    pub(super) async fn scroll(
        &self,
        filter: Filter,
        payload: SelectorOptions,
        vector: Option<&str>,
        mut take: impl FnMut(RetrievedPoint) -> Result<bool, Failure> + Send,
    ) -> Result<(), Failure> {
        let mut offset = None;
        loop {
            let mut request = ScrollPointsBuilder::new(self.collection())
                .filter(filter.clone())
                .limit(PAGE)
                .with_payload(payload.clone());
            if let Some(vector) = vector {
                request = request.with_vectors(VectorsSelector::new(vec![vector.to_owned()]));
            }
            if let Some(offset) = offset {
                request = request.offset(offset);
            }
            let request = request.build();
            let page = self.ask("read", || self.server.client.scroll(request.clone())).await?;
            for point in page.result {
                if !take(point)? {
                    return Ok(());
                }
            }
            match page.next_page_offset {
                Some(next) => offset = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Ids of records in their order. The server orders by no text; but an id begins with its run, so the runs are put
    /// in order here and read some at a time.
    pub(super) async fn page(
        &self,
        first: Filter,
        after: Option<&RecordId>,
        limit: usize,
    ) -> Result<Vec<RecordId>, Failure> {
        let mut ids: Vec<RecordId> = Vec::new();
        // What all ids of a run begin with; `/` counts in their order.
        let heads: BTreeSet<String> =
            self.values(field::RUN, first.clone()).await?.into_iter().map(|run| format!("{run}/")).collect();
        let over = |head: &String| {
            after.is_some_and(|after| head.as_str() < after.as_str() && !after.as_str().starts_with(head))
        };
        let runs: Vec<String> = heads
            .into_iter()
            .skip_while(over)
            .filter_map(|head| Some(head.strip_suffix('/')?.to_owned()))
            .collect();
        for some in runs.chunks(NAMES) {
            if ids.len() >= limit {
                break;
            }
            let filter = and(first.clone(), [any(field::RUN, some.iter().cloned())]);
            let mut found = BTreeSet::new();
            self.scroll(filter, point::only(&[field::RECORD]), None, |point| {
                let id = RecordId::new(point::word(&point, field::RECORD).ok_or_else(point::foreign)?);
                if after.is_none_or(|after| id > *after) {
                    found.insert(id);
                }
                Ok(true)
            })
            .await?;
            ids.extend(found);
        }
        ids.truncate(limit);
        Ok(ids)
    }
}
