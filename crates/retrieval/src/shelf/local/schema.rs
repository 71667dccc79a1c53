//! How chunks and marks lie in tantivy.

use std::sync::Arc;

use miyabi_core::ids::RunId;
use miyabi_core::knowledge::{Mark, Record};
use serde::{Deserialize, Serialize};
use tantivy::TantivyDocument;
use tantivy::Term;
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions, Value,
};
use tantivy::tokenizer::{PreTokenizedString, Token};

use super::error::LocalError;
use crate::shelf::{Chunk, ChunkId, Content};

/// Part of the folder's name: another layout lies elsewhere.
pub(super) const VERSION: u32 = 1;
/// Stands where a chunk has no vector.
pub(super) const NO_ROW: u64 = u64::MAX;

/// The fields of a document.
#[derive(Clone, Copy)]
pub(super) struct Fields {
    /// `chunk`, `mark`, or both: the mark of a run stands with its first chunk. A document of its own would count where it
    /// is asked how rare a term and how long a text is.
    pub is: Field,
    pub repo: Field,
    pub run: Field,
    pub record: Field,
    /// The chunk's id, as hexadecimal digits.
    pub chunk_id: Field,
    pub kind: Field,
    pub agent: Field,
    pub outcome: Field,
    /// Records that the agent was given.
    pub given: Field,
    /// Microseconds since 1970.
    pub at: Field,
    /// The place in the record.
    pub place: Field,
    /// The row of its vector.
    pub row: Field,
    pub terms: Field,
    pub stored: Field,
    /// A mark, where there is one.
    pub marked: Field,
}

/// The part of a chunk that is not searched.
#[derive(Serialize, Deserialize)]
struct Stored {
    record: Arc<Record>,
    content: Content,
    place: u32,
    text: String,
}

/// A mark, with its run.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredMark {
    pub run: RunId,
    pub mark: Mark,
}

pub(super) fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let counted = TextFieldIndexing::default()
        .set_tokenizer("raw")
        .set_fieldnorms(true)
        .set_index_option(IndexRecordOption::WithFreqs);
    let fields = Fields {
        is: schema.add_text_field("is", STRING),
        repo: schema.add_text_field("repo", STRING | FAST),
        run: schema.add_text_field("run", STRING | FAST),
        record: schema.add_text_field("record", STRING | FAST),
        chunk_id: schema.add_text_field("chunk", STRING),
        kind: schema.add_text_field("kind", STRING | FAST),
        agent: schema.add_text_field("agent", STRING),
        outcome: schema.add_text_field("outcome", STRING),
        given: schema.add_text_field("given", STRING),
        at: schema.add_i64_field("at", INDEXED | FAST),
        place: schema.add_u64_field("place", FAST),
        row: schema.add_u64_field("row", FAST),
        terms: schema.add_text_field("terms", TextOptions::default().set_indexing_options(counted)),
        stored: schema.add_bytes_field("stored", STORED),
        marked: schema.add_bytes_field("marked", STORED),
    };
    (schema.build(), fields)
}

impl Fields {
    pub(super) fn of_run(&self, run: &RunId) -> Term {
        Term::from_field_text(self.run, run.as_str())
    }

    pub(super) fn of_repo(&self, repo: &str) -> Term {
        Term::from_field_text(self.repo, repo)
    }

    pub(super) fn chunk(&self, chunk: &Chunk, row: Option<u64>) -> Result<TantivyDocument, LocalError> {
        let record = &chunk.record;
        let mut document = TantivyDocument::new();
        document.add_text(self.is, "chunk");
        document.add_text(self.repo, &record.repo);
        document.add_text(self.run, record.run.as_str());
        document.add_text(self.record, record.id.as_str());
        document.add_text(self.chunk_id, format!("{:?}", chunk.id));
        document.add_text(self.kind, record.kind.as_str());
        document.add_text(self.agent, &record.agent);
        document.add_text(self.outcome, record.outcome.as_str());
        for given in &record.given {
            document.add_text(self.given, given.as_str());
        }
        document.add_i64(self.at, record.at.as_microsecond());
        document.add_u64(self.place, u64::from(chunk.place));
        document.add_u64(self.row, row.unwrap_or(NO_ROW));
        let repeated =
            chunk.terms.iter().flat_map(|(term, count)| std::iter::repeat_n(term, *count as usize));
        let token =
            |(position, term): (usize, &String)| Token { position, text: term.clone(), ..Token::default() };
        let tokens =
            PreTokenizedString { text: String::new(), tokens: repeated.enumerate().map(token).collect() };
        document.add_pre_tokenized_text(self.terms, tokens);
        let stored = Stored {
            record: Arc::clone(record),
            content: chunk.content,
            place: chunk.place,
            text: chunk.text.clone(),
        };
        document.add_bytes(self.stored, &serde_json::to_vec(&stored)?);
        Ok(document)
    }

    /// Marks a run: on the document of its first chunk, or on one of its own where it has none.
    pub(super) fn mark(
        &self,
        document: Option<TantivyDocument>,
        repo: &str,
        run: &RunId,
        mark: Mark,
    ) -> Result<TantivyDocument, LocalError> {
        let mut document = document.unwrap_or_else(|| {
            let mut alone = TantivyDocument::new();
            alone.add_text(self.repo, repo);
            alone.add_text(self.run, run.as_str());
            alone
        });
        document.add_text(self.is, "mark");
        document.add_bytes(self.marked, &serde_json::to_vec(&StoredMark { run: run.clone(), mark })?);
        Ok(document)
    }

    pub(super) fn read_mark(&self, document: &TantivyDocument) -> Result<StoredMark, LocalError> {
        Ok(serde_json::from_slice(bytes(document, self.marked))?)
    }

    pub(super) fn read_chunk(&self, document: &TantivyDocument) -> Result<Chunk, LocalError> {
        let stored: Stored = serde_json::from_slice(bytes(document, self.stored))?;
        Ok(Chunk {
            id: ChunkId::of(&stored.record.id, stored.place),
            content: stored.content,
            record: stored.record,
            place: stored.place,
            text: stored.text,
            terms: Vec::new(),
            vector: None,
        })
    }
}

fn bytes(document: &TantivyDocument, field: Field) -> &[u8] {
    document.get_first(field).and_then(|value| value.as_bytes()).unwrap_or_default()
}
