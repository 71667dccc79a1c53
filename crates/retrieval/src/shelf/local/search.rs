//! Reading the index.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use miyabi_core::ids::RunId;
use miyabi_core::knowledge::{Mark, Record, RecordFilter, RecordId, fits};
use tantivy::collector::DocSetCollector;
use tantivy::columnar::StrColumn;
use tantivy::query::{BooleanQuery, ConstScoreQuery, Occur, Query, RangeQuery, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocAddress, DocId, Searcher, Term};

use super::error::LocalError;
use super::schema::NO_ROW;
use super::vectors::{Shrunk, down};
use super::view::{Fitting, View};
use super::{Inner, held};
use crate::shelf::{Chunk, ChunkId, Scored, ShelfStats};

/// A thread is worth its while from so many rows on.
const ROWS: usize = 10_000;

impl Inner {
    pub(super) fn marks(&self, repo: &str) -> Result<BTreeMap<RunId, Mark>, LocalError> {
        let view = self.view()?;
        let searcher = &view.searcher;
        let query = all([self.is("mark"), term(self.fields.repo, repo)]);
        let mut marks = BTreeMap::new();
        for at in searcher.search(&query, &DocSetCollector).map_err(self.fail("read"))? {
            let found = self.fields.read_mark(&searcher.doc(at).map_err(self.fail("read"))?)?;
            marks.insert(found.run, found.mark);
        }
        Ok(marks)
    }

    pub(super) fn lexical(
        &self,
        terms: &[(String, f32)],
        filter: &RecordFilter,
        limit: usize,
    ) -> Result<Vec<Scored>, LocalError> {
        let view = self.view()?;
        if limit == 0 || terms.is_empty() {
            return Ok(Vec::new());
        }
        let fitting = self.fitting(&view, filter)?;
        let found = view.best(self.fields.terms, terms, fitting.as_deref(), limit);
        found.and_then(|found| view.scored(found)).map_err(self.fail("search"))
    }

    pub(super) fn dense(
        &self,
        vector: &[f32],
        filter: &RecordFilter,
        limit: usize,
    ) -> Result<Vec<Scored>, LocalError> {
        let Some(vectors) = &self.vectors else { return Ok(Vec::new()) };
        let view = self.view()?;
        let fitting = self.fitting(&view, filter)?;
        let all = view.rows().map_err(self.fail("search"))?;
        let rows: Cow<'_, [(u64, DocAddress)]> = match &fitting {
            Some(fitting) => all.iter().copied().filter(|(_, at)| fitting.has(*at)).collect(),
            None => Cow::Borrowed(all),
        };
        let mut vectors = held(vectors);
        vectors.refresh()?;
        // Some more than are wanted, because bytes say only about how near a row is.
        let compared = limit.saturating_add(limit / 2);
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(rows.len() / ROWS);
        let near = vectors.small().nearest(&rows, &Shrunk::of(vector), compared, threads);
        let again = near.iter().map(|(_, row, _)| *row);
        let mut full: Vec<(f32, DocAddress)> =
            vectors.cosines(again, vector)?.into_iter().zip(near.iter().map(|(.., at)| *at)).collect();
        drop(vectors);
        full.sort_by(|a, b| down(a.0, b.0).then(a.1.cmp(&b.1)));
        full.truncate(limit);
        view.scored(full).map_err(self.fail("search"))
    }

    pub(super) fn chunks(&self, ids: &[ChunkId]) -> Result<Vec<Chunk>, LocalError> {
        let ids: Vec<String> = ids.iter().map(|id| format!("{id:?}")).collect();
        self.read(self.fields.chunk_id, ids.iter().map(String::as_str))
    }

    pub(super) fn of_records(&self, ids: &[RecordId]) -> Result<Vec<Chunk>, LocalError> {
        self.read(self.fields.record, ids.iter().map(RecordId::as_str))
    }

    pub(super) fn given(&self, ids: &[RecordId]) -> Result<Vec<Record>, LocalError> {
        let chunks = self.read(self.fields.given, ids.iter().map(RecordId::as_str))?;
        let first = chunks.into_iter().filter(|chunk| chunk.place == 0);
        Ok(first.map(|chunk| Record::clone(&chunk.record)).collect())
    }

    pub(super) fn ids(
        &self,
        filter: &RecordFilter,
        after: Option<&RecordId>,
        limit: usize,
    ) -> Result<Vec<RecordId>, LocalError> {
        let view = self.view()?;
        let query = self.filter(&view.searcher, filter)?.unwrap_or_else(|| self.is("chunk"));
        let places = view.searcher.search(&query, &DocSetCollector).map_err(self.fail("read"))?;
        let scored = view.scored(places.into_iter().map(|at| (0.0, at))).map_err(self.fail("read"))?;
        let mut ids: Vec<RecordId> = scored.into_iter().map(|found| found.record).collect();
        ids.retain(|id| after.is_none_or(|after| id > after));
        ids.sort_unstable();
        ids.dedup();
        ids.truncate(limit);
        Ok(ids)
    }

    pub(super) fn stats(&self) -> Result<ShelfStats, LocalError> {
        let view = self.view()?;
        let searcher = &view.searcher;
        let marks = searcher.search(&self.is("mark"), &DocSetCollector).map_err(self.fail("read"))?;
        let (mut chunks, mut vectors) = (0, 0);
        let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
        for reader in searcher.segment_readers() {
            let fast = reader.fast_fields();
            let (place, row) = (fast.u64("place"), fast.u64("row"));
            let (place, row) = (place.map_err(self.fail("read"))?, row.map_err(self.fail("read"))?);
            let kind = fast.str("kind").map_err(self.fail("read"))?;
            let mut word = String::new();
            for doc in reader.doc_ids_alive() {
                let Some(at) = place.first(doc) else { continue };
                chunks += 1;
                vectors += u64::from(row.first(doc).is_some_and(|row| row != NO_ROW));
                if at == 0 && text(kind.as_ref(), doc, &mut word) {
                    *kinds.entry(word.clone()).or_default() += 1;
                }
            }
        }
        let bytes = Some(self.bytes()?);
        Ok(ShelfStats { runs: marks.len() as u64, records: kinds, chunks, vectors, bytes })
    }

    fn is(&self, what: &str) -> Box<dyn Query> {
        term(self.fields.is, what)
    }

    /// The chunks that have one of these words in that field.
    fn read<'a>(
        &self,
        field: Field,
        words: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<Vec<Chunk>, LocalError> {
        let view = self.view()?;
        let places = view.places(field, words).map_err(self.fail("read"))?;
        let read = places.into_iter().map(|at| {
            let document = view.searcher.doc(at).map_err(self.fail("read"))?;
            self.fields.read_chunk(&document)
        });
        read.collect()
    }

    /// Which chunks fit; none: all do.
    fn fitting(&self, view: &View, filter: &RecordFilter) -> Result<Option<Arc<Fitting>>, LocalError> {
        let Some(query) = self.filter(&view.searcher, filter)? else { return Ok(None) };
        view.fitting(filter, &*query).map(Some).map_err(self.fail("search"))
    }

    /// What a chunk has to fit; none: every chunk does.
    fn filter(
        &self,
        searcher: &Searcher,
        filter: &RecordFilter,
    ) -> Result<Option<Box<dyn Query>>, LocalError> {
        let fields = &self.fields;
        let mut must: Vec<Box<dyn Query>> = Vec::new();
        if let Some(patterns) = &filter.repos {
            let repos = self.repos(searcher)?;
            let fitting = repos.iter().filter(|repo| patterns.iter().any(|it| fits(it, repo)));
            must.push(any(fields.repo, fitting.map(String::as_str)));
        }
        if !filter.kinds.is_empty() {
            must.push(any(fields.kind, filter.kinds.iter().map(|kind| kind.as_str())));
        }
        if let Some(agent) = &filter.agent {
            must.push(term(fields.agent, agent));
        }
        if let Some(outcome) = filter.outcome {
            must.push(term(fields.outcome, outcome.as_str()));
        }
        if let Some(since) = filter.since {
            let from = Bound::Included(Term::from_field_i64(fields.at, since.as_microsecond()));
            must.push(quiet(Box::new(RangeQuery::new(from, Bound::Unbounded))));
        }
        let mut clauses: Vec<(Occur, Box<dyn Query>)> =
            must.into_iter().map(|it| (Occur::Must, it)).collect();
        if let Some(run) = &filter.not_run {
            if clauses.is_empty() {
                clauses.push((Occur::Must, self.is("chunk")));
            }
            clauses.push((Occur::MustNot, term(fields.run, run.as_str())));
        }
        Ok(if clauses.is_empty() { None } else { Some(Box::new(BooleanQuery::new(clauses))) })
    }

    /// The repos of which something is here.
    fn repos(&self, searcher: &Searcher) -> Result<Vec<String>, LocalError> {
        let mut repos = Vec::new();
        for reader in searcher.segment_readers() {
            let index = reader.inverted_index(self.fields.repo).map_err(self.fail("read"))?;
            let mut stream = index.terms().stream().map_err(|error| self.fail("read")(error.into()))?;
            while stream.advance() {
                repos.push(String::from_utf8_lossy(stream.key()).into_owned());
            }
        }
        repos.sort_unstable();
        repos.dedup();
        Ok(repos)
    }
}

fn text(column: Option<&StrColumn>, doc: DocId, to: &mut String) -> bool {
    let Some(column) = column else { return false };
    let Some(ord) = column.ords().first(doc) else { return false };
    to.clear();
    column.ord_to_str(ord, to).unwrap_or(false)
}

fn all(queries: impl IntoIterator<Item = Box<dyn Query>>) -> Box<dyn Query> {
    Box::new(BooleanQuery::new(queries.into_iter().map(|query| (Occur::Must, query)).collect()))
}

fn term(field: Field, word: &str) -> Box<dyn Query> {
    quiet(Box::new(TermQuery::new(Term::from_field_text(field, word), IndexRecordOption::Basic)))
}

/// What holds any of the words in that field; of no words, nothing. (A set of terms as the library has it is dear to
/// make: it is worth its while for thousands.)
fn any<'a>(field: Field, words: impl Iterator<Item = &'a str>) -> Box<dyn Query> {
    quiet(Box::new(BooleanQuery::new(words.map(|word| (Occur::Should, term(field, word))).collect())))
}

/// The query without a say in the score.
fn quiet(query: Box<dyn Query>) -> Box<dyn Query> {
    Box::new(ConstScoreQuery::new(query, 0.0))
}
