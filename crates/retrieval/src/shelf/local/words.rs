//! Ranking by words: each chunk that holds a term of the query gets its score, and the best are kept.
//!
//! The library's own way leaves out chunks that cannot be good enough, but has to order the terms anew at each chunk that
//! it looks at. Queries here have many terms (a name is each part and the whole, a Japanese word all its neighbours), and
//! adding up all scores is several times as quick for them.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use tantivy::fieldnorm::FieldNormReader;
use tantivy::postings::TermInfo;
use tantivy::query::{Bm25StatisticsProvider as _, Bm25Weight};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocAddress, InvertedIndexReader, Score, Term};

use super::view::{Fitting, View};

/// A term of a query.
struct Asked {
    weight: Bm25Weight,
    /// What each segment knows of it.
    known: Vec<Option<TermInfo>>,
}

impl View {
    /// The best among the fitting chunks by the terms of a field, at most `limit`, the best first.
    pub(super) fn best(
        &self,
        field: Field,
        terms: &[(String, f32)],
        fitting: Option<&Fitting>,
        limit: usize,
    ) -> tantivy::Result<Vec<(Score, DocAddress)>> {
        let readers = self.searcher.segment_readers();
        let indexes = readers.iter().map(|reader| reader.inverted_index(field));
        let indexes = indexes.collect::<tantivy::Result<Vec<_>>>()?;
        let asked = self.asked(field, terms, &indexes)?;
        let mut best = BestOf { limit, found: BinaryHeap::with_capacity(limit + 1) };
        for (segment, (reader, index)) in (0..).zip(readers.iter().zip(&indexes)) {
            let mut scores = vec![0.0; reader.max_doc() as usize];
            let norms = reader.get_fieldnorms_reader(field)?;
            for term in &asked {
                if let Some(known) = term.known.get(segment as usize).and_then(Option::as_ref) {
                    add(&mut scores, &term.weight, known, index, &norms)?;
                }
            }
            for (doc, score) in (0..).zip(scores) {
                if score <= best.least() {
                    continue;
                }
                let at = DocAddress::new(segment, doc);
                let is_alive = reader.alive_bitset().is_none_or(|alive| alive.is_alive(doc));
                if is_alive && fitting.is_none_or(|fitting| fitting.has(at)) {
                    best.take(score, at);
                }
            }
        }
        Ok(best.in_order())
    }

    fn asked(
        &self,
        field: Field,
        terms: &[(String, f32)],
        indexes: &[std::sync::Arc<InvertedIndexReader>],
    ) -> tantivy::Result<Vec<Asked>> {
        let (chunks, tokens) = (self.searcher.total_num_docs()?, self.searcher.total_num_tokens(field)?);
        // Chunks are far fewer than 2^24, and their length in the middle is not known better than that.
        #[expect(clippy::cast_precision_loss, reason = "a mean")]
        let length = tokens as f32 / chunks.max(1) as f32;
        let mut asked = Vec::with_capacity(terms.len());
        for (word, boost) in terms {
            let term = Term::from_field_text(field, word);
            let known = indexes.iter().map(|index| index.get_term_info(&term));
            let known: Vec<Option<TermInfo>> = known.collect::<std::io::Result<_>>()?;
            let in_chunks = known.iter().flatten().map(|known| u64::from(known.doc_freq)).sum();
            let weight = Bm25Weight::for_one_term_without_explain(in_chunks, chunks, length);
            asked.push(Asked { weight: weight.boost_by(*boost), known });
        }
        Ok(asked)
    }
}

/// Adds what a term is worth to each chunk of a segment that holds it.
fn add(
    scores: &mut [Score],
    weight: &Bm25Weight,
    known: &TermInfo,
    index: &InvertedIndexReader,
    norms: &FieldNormReader,
) -> tantivy::Result<()> {
    let mut block = index.read_block_postings_from_terminfo(known, IndexRecordOption::WithFreqs)?;
    while block.block_len() > 0 {
        for (doc, count) in block.docs().iter().zip(block.freqs()) {
            if let Some(score) = scores.get_mut(*doc as usize) {
                *score += weight.score(norms.fieldnorm_id(*doc), *count);
            }
        }
        block.advance();
    }
    Ok(())
}

/// The best that were seen so far; of equal ones those that were seen first.
struct BestOf {
    limit: usize,
    found: BinaryHeap<Reverse<Best>>,
}

impl BestOf {
    /// What is not better than that is none of the best.
    fn least(&self) -> Score {
        let last = self.found.peek().filter(|_| self.found.len() == self.limit);
        last.map_or(0.0, |Reverse(last)| last.score)
    }

    fn take(&mut self, score: Score, at: DocAddress) {
        self.found.push(Reverse(Best { score, at }));
        if self.found.len() > self.limit {
            self.found.pop();
        }
    }

    fn in_order(self) -> Vec<(Score, DocAddress)> {
        self.found.into_sorted_vec().into_iter().map(|Reverse(found)| (found.score, found.at)).collect()
    }
}

/// The better one is greater, and of equal ones the one that stands first.
struct Best {
    score: Score,
    at: DocAddress,
}

impl Ord for Best {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then_with(|| other.at.cmp(&self.at))
    }
}

impl PartialOrd for Best {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Best {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Best {}
