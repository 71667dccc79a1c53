//! A commit of the index, opened once for all who read it.

use std::fs;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use miyabi_core::knowledge::{RecordFilter, RecordId};
use tantivy::columnar::{Column, StrColumn};
use tantivy::query::{EnableScoring, Query};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocAddress, DocId, DocSet as _, Score, Searcher, SegmentReader, TERMINATED, Term};

use super::Inner;
use super::error::LocalError;
use super::place::WORDS;
use super::schema::NO_ROW;
use crate::shelf::{ChunkId, Scored};

/// What a commit holds. Finding the columns of a segment costs more than reading from them.
pub(super) struct View {
    pub searcher: Searcher,
    segments: Vec<Segment>,
    rows: OnceLock<Vec<(u64, DocAddress)>>,
    /// What fits the filter that was asked for last.
    fitting: Mutex<Option<(RecordFilter, Arc<Fitting>)>>,
}

struct Segment {
    record: Option<StrColumn>,
    /// The records in the order that the column counts them: read at once, because to look one up takes as long as to
    /// read hundreds.
    records: OnceLock<Vec<RecordId>>,
    place: Column<u64>,
}

impl Segment {
    /// The record of a document.
    fn record(&self, doc: DocId) -> io::Result<Option<RecordId>> {
        let Some(column) = &self.record else { return Ok(None) };
        let records = match self.records.get() {
            Some(records) => records,
            None => {
                let read = names(column)?;
                self.records.get_or_init(|| read)
            }
        };
        let ord = column.ords().first(doc).and_then(|ord| usize::try_from(ord).ok());
        Ok(ord.and_then(|ord| records.get(ord)).cloned())
    }
}

fn names(column: &StrColumn) -> io::Result<Vec<RecordId>> {
    let mut names = Vec::with_capacity(column.num_terms());
    let mut stream = column.dictionary().stream()?;
    while stream.advance() {
        names.push(RecordId::new(&*String::from_utf8_lossy(stream.key())));
    }
    Ok(names)
}

impl Inner {
    /// The newest commit, also of another process.
    pub(super) fn view(&self) -> Result<Arc<View>, LocalError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Each commit writes another list of segments. Reading it is quick; opening all of them again is not.
        let newest = fs::read(self.folder.join(WORDS).join("meta.json")).unwrap_or_default();
        // One that cannot be read is no list.
        if let Some((_, view)) = seen.as_ref().filter(|(list, _)| *list == newest && !list.is_empty()) {
            return Ok(Arc::clone(view));
        }
        self.reader.reload().map_err(self.fail("read"))?;
        let view = Arc::new(View::of(self.reader.searcher()).map_err(self.fail("read"))?);
        *seen = Some((newest, Arc::clone(&view)));
        Ok(view)
    }
}

impl View {
    fn of(searcher: Searcher) -> tantivy::Result<Self> {
        let segment = |reader: &SegmentReader| {
            let fast = reader.fast_fields();
            Ok(Segment { record: fast.str("record")?, records: OnceLock::new(), place: fast.u64("place")? })
        };
        let segments = searcher.segment_readers().iter().map(segment).collect::<tantivy::Result<_>>()?;
        Ok(Self { searcher, segments, rows: OnceLock::new(), fitting: Mutex::default() })
    }

    /// The rows of the vectors of all chunks.
    pub(super) fn rows(&self) -> tantivy::Result<&[(u64, DocAddress)]> {
        if let Some(rows) = self.rows.get() {
            return Ok(rows);
        }
        let mut rows = Vec::new();
        for (reader, segment) in self.searcher.segment_readers().iter().zip(0..) {
            let row = reader.fast_fields().u64("row")?;
            let there = reader.doc_ids_alive().filter_map(|doc| Some((row.first(doc)?, doc)));
            let there = there.filter(|(row, _)| *row != NO_ROW);
            rows.extend(there.map(|(row, doc)| (row, DocAddress::new(segment, doc))));
        }
        Ok(self.rows.get_or_init(|| rows))
    }

    /// The documents of that filter, which this query finds; removed ones may be among them. Both searches ask for the
    /// same one, and so does a run for each of its prompts.
    pub(super) fn fitting(&self, filter: &RecordFilter, query: &dyn Query) -> tantivy::Result<Arc<Fitting>> {
        let mut last = self.fitting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, fitting)) = last.as_ref().filter(|(known, _)| known == filter) {
            return Ok(Arc::clone(fitting));
        }
        let weight = query.weight(EnableScoring::disabled_from_searcher(&self.searcher))?;
        let mut segments = Vec::new();
        for reader in self.searcher.segment_readers() {
            let mut fits = vec![false; reader.max_doc() as usize];
            weight.for_each_no_score(reader, &mut |docs| {
                for doc in docs {
                    if let Some(fits) = fits.get_mut(*doc as usize) {
                        *fits = true;
                    }
                }
            })?;
            segments.push(fits);
        }
        let fitting = Arc::new(Fitting { segments });
        *last = Some((filter.clone(), Arc::clone(&fitting)));
        Ok(fitting)
    }

    /// Where the chunks are that have one of these words in that field.
    pub(super) fn places<'a>(
        &self,
        field: Field,
        words: impl Iterator<Item = &'a str> + Clone,
    ) -> tantivy::Result<Vec<DocAddress>> {
        let mut places = Vec::new();
        for (reader, segment) in self.searcher.segment_readers().iter().zip(0..) {
            let index = reader.inverted_index(field)?;
            for word in words.clone() {
                let term = Term::from_field_text(field, word);
                let Some(mut docs) = index.read_postings(&term, IndexRecordOption::Basic)? else {
                    continue;
                };
                let is_alive = |doc: DocId| reader.alive_bitset().is_none_or(|alive| alive.is_alive(doc));
                let mut doc = docs.doc();
                while doc != TERMINATED {
                    if is_alive(doc) {
                        places.push(DocAddress::new(segment, doc));
                    }
                    doc = docs.advance();
                }
            }
        }
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }

    /// The chunks at these places.
    pub(super) fn scored(
        &self,
        found: impl IntoIterator<Item = (Score, DocAddress)>,
    ) -> tantivy::Result<Vec<Scored>> {
        let mut scored = Vec::new();
        for (score, at) in found {
            let Some(segment) = self.segments.get(at.segment_ord as usize) else { continue };
            let place = segment.place.first(at.doc_id).and_then(|place| u32::try_from(place).ok());
            if let (Some(record), Some(place)) = (segment.record(at.doc_id)?, place) {
                scored.push(Scored { id: ChunkId::of(&record, place), record, score });
            }
        }
        Ok(scored)
    }
}

/// Which documents fit, by segment.
pub(super) struct Fitting {
    segments: Vec<Vec<bool>>,
}

impl Fitting {
    pub(super) fn has(&self, at: DocAddress) -> bool {
        let segment = self.segments.get(at.segment_ord as usize);
        segment.and_then(|fits| fits.get(at.doc_id as usize)).copied().unwrap_or_default()
    }
}
