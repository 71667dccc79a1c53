//! Reading the index.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs;
use std::ops::Bound;
use std::sync::PoisonError;

use miyabi_core::ids::RunId;
use miyabi_core::knowledge::{Mark, Record, RecordFilter, RecordId, fits};
use tantivy::collector::{Collector, DocSetCollector, SegmentCollector, TopDocs};
use tantivy::columnar::{Column, StrColumn};
use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, Occur, Query, RangeQuery, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocAddress, DocId, Score, Searcher, SegmentOrdinal, SegmentReader, Term};

use super::error::LocalError;
use super::place::WORDS;
use super::schema::NO_ROW;
use super::vectors::{Small, shrink};
use super::{Inner, held};
use crate::shelf::{Chunk, ChunkId, Scored, ShelfStats};

/// A thread is worth its while from so many rows on.
const ROWS: usize = 10_000;
/// So many times as many rows are compared in full as are wanted.
const COMPARED: usize = 4;

impl Inner {
    /// A searcher of the newest commit, also of another process.
    pub(super) fn searcher(&self) -> Result<Searcher, LocalError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Each commit writes another list of segments. Reading it is quick; opening all of them again is not.
        let newest = fs::read(self.folder.join(WORDS).join("meta.json")).ok();
        if newest.is_none() || *seen != newest {
            self.reader.reload().map_err(self.fail("read"))?;
            *seen = newest;
        }
        Ok(self.reader.searcher())
    }

    pub(super) fn marks(&self, repo: &str) -> Result<BTreeMap<RunId, Mark>, LocalError> {
        let searcher = self.searcher()?;
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
        let searcher = self.searcher()?;
        let found = terms.iter().map(|(term, weight)| {
            let term = Term::from_field_text(self.fields.terms, term);
            let query: Box<dyn Query> = Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs));
            (Occur::Should, Box::new(BoostQuery::new(query, *weight)) as Box<dyn Query>)
        });
        let found = Box::new(BooleanQuery::new(found.collect())) as Box<dyn Query>;
        let query = match self.filter(&searcher, filter)? {
            Some(filter) => all([found, filter]),
            None => found,
        };
        if limit == 0 || terms.is_empty() {
            return Ok(Vec::new());
        }
        let top = TopDocs::with_limit(limit).order_by_score();
        let found = searcher.search(&query, &top).map_err(self.fail("search"))?;
        self.scored(&searcher, found)
    }

    pub(super) fn dense(
        &self,
        vector: &[f32],
        filter: &RecordFilter,
        limit: usize,
    ) -> Result<Vec<Scored>, LocalError> {
        let Some(vectors) = &self.vectors else { return Ok(Vec::new()) };
        let searcher = self.searcher()?;
        let query = self.filter(&searcher, filter)?.unwrap_or_else(|| Box::new(AllQuery));
        let rows = searcher.search(&query, &Rows).map_err(self.fail("search"))?;
        let mut vectors = held(vectors);
        vectors.refresh()?;
        let (bytes, worth) = shrink(vector);
        let small: &Small = vectors.small();
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(rows.len() / ROWS);
        let mut near = small.estimates(&rows, (&bytes, worth), threads);
        let compared = (limit * COMPARED).min(near.len());
        if compared < near.len() {
            near.select_nth_unstable_by(compared, |a, b| down(a.0, b.0));
            near.truncate(compared);
        }
        let rows = near.iter().map(|(_, row, _)| *row);
        let mut full: Vec<(f32, DocAddress)> =
            vectors.cosines(rows, vector)?.into_iter().zip(near.iter().map(|(.., at)| *at)).collect();
        drop(vectors);
        full.sort_by(|a, b| down(a.0, b.0).then(a.1.cmp(&b.1)));
        full.truncate(limit);
        self.scored(&searcher, full)
    }

    pub(super) fn chunks(&self, ids: &[ChunkId]) -> Result<Vec<Chunk>, LocalError> {
        let searcher = self.searcher()?;
        let ids: Vec<String> = ids.iter().map(|id| format!("{id:?}")).collect();
        self.read(&searcher, &*any(self.fields.chunk_id, ids.iter().map(String::as_str)))
    }

    pub(super) fn of_records(&self, ids: &[RecordId]) -> Result<Vec<Chunk>, LocalError> {
        let searcher = self.searcher()?;
        self.read(&searcher, &*any(self.fields.record, ids.iter().map(RecordId::as_str)))
    }

    pub(super) fn given(&self, ids: &[RecordId]) -> Result<Vec<Record>, LocalError> {
        let searcher = self.searcher()?;
        let chunks = self.read(&searcher, &*any(self.fields.given, ids.iter().map(RecordId::as_str)))?;
        let first = chunks.into_iter().filter(|chunk| chunk.place == 0);
        Ok(first.map(|chunk| Record::clone(&chunk.record)).collect())
    }

    pub(super) fn ids(
        &self,
        filter: &RecordFilter,
        after: Option<&RecordId>,
        limit: usize,
    ) -> Result<Vec<RecordId>, LocalError> {
        let searcher = self.searcher()?;
        let query = self.filter(&searcher, filter)?.unwrap_or_else(|| self.is("chunk"));
        let places = searcher.search(&query, &DocSetCollector).map_err(self.fail("read"))?;
        let scored = self.scored(&searcher, places.into_iter().map(|at| (0.0, at)).collect())?;
        let mut ids: Vec<RecordId> = scored.into_iter().map(|found| found.record).collect();
        ids.retain(|id| after.is_none_or(|after| id > after));
        ids.sort_unstable();
        ids.dedup();
        ids.truncate(limit);
        Ok(ids)
    }

    pub(super) fn stats(&self) -> Result<ShelfStats, LocalError> {
        let searcher = self.searcher()?;
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

    fn read(&self, searcher: &Searcher, query: &dyn Query) -> Result<Vec<Chunk>, LocalError> {
        let places = searcher.search(query, &DocSetCollector).map_err(self.fail("read"))?;
        let read = places.into_iter().map(|at| {
            let document = searcher.doc(at).map_err(self.fail("read"))?;
            self.fields.read_chunk(&document)
        });
        read.collect()
    }

    fn scored(
        &self,
        searcher: &Searcher,
        found: Vec<(Score, DocAddress)>,
    ) -> Result<Vec<Scored>, LocalError> {
        let columns = searcher.segment_readers().iter().map(|reader| {
            let fast = reader.fast_fields();
            Ok((fast.str("record")?, fast.u64("place")?))
        });
        let columns: Vec<(Option<StrColumn>, Column<u64>)> =
            columns.collect::<tantivy::Result<_>>().map_err(self.fail("read"))?;
        let mut scored = Vec::with_capacity(found.len());
        let mut id = String::new();
        for (score, at) in found {
            let Some((record, place)) = columns.get(at.segment_ord as usize) else { continue };
            let place = place.first(at.doc_id).and_then(|place| u32::try_from(place).ok());
            if let (true, Some(place)) = (text(record.as_ref(), at.doc_id, &mut id), place) {
                let record = RecordId::new(id.clone());
                scored.push(Scored { id: ChunkId::of(&record, place), record, score });
            }
        }
        Ok(scored)
    }

    /// What a chunk has to fit; none: every chunk with terms does.
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

/// Compares so that the higher comes first; what is no number comes last.
fn down(a: f32, b: f32) -> Ordering {
    b.partial_cmp(&a).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
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

/// The rows of the vectors of all chunks of a query.
struct Rows;

struct SegmentRows {
    segment: SegmentOrdinal,
    row: Column<u64>,
    found: Vec<(u64, DocAddress)>,
}

impl Collector for Rows {
    type Fruit = Vec<(u64, DocAddress)>;
    type Child = SegmentRows;

    fn for_segment(&self, segment: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<SegmentRows> {
        Ok(SegmentRows { segment, row: reader.fast_fields().u64("row")?, found: Vec::new() })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, found: Vec<Self::Fruit>) -> tantivy::Result<Self::Fruit> {
        Ok(found.into_iter().flatten().collect())
    }
}

impl SegmentCollector for SegmentRows {
    type Fruit = Vec<(u64, DocAddress)>;

    fn collect(&mut self, doc: DocId, _: Score) {
        if let Some(row) = self.row.first(doc).filter(|row| *row != NO_ROW) {
            self.found.push((row, DocAddress::new(self.segment, doc)));
        }
    }

    fn harvest(self) -> Self::Fruit {
        self.found
    }
}
