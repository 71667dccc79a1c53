//! The stores: they keep chunks and find them, by words and by vectors. What that means is the same in each.
//!
//! Each is opened for one maker of vectors. Another maker means another place, which is filled from the log again.

mod local;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use miyabi_core::failure::Failure;
use miyabi_core::ids::RunId;
use miyabi_core::knowledge::{Mark, Record, RecordFilter, RecordId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use local::LocalShelf;
pub(crate) mod qdrant;

/// BM25: how soon more of the same term stops to count.
pub const K1: f32 = 1.2;
/// BM25: how much a long chunk is held against its terms.
pub const B: f32 = 0.75;
/// BM25: the terms of a middling chunk, for shelves that do not know how long theirs are. It is the same for ever, so that
/// what is stored of a chunk need not change when others come.
pub const AVERAGE_TERMS: f32 = 100.0;

/// Which chunk: the first 16 bytes of the SHA-256 of its record's id and its place in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChunkId(pub [u8; 16]);

impl ChunkId {
    /// The chunk at this place of that record.
    pub fn of(record: &RecordId, place: u32) -> Self {
        Self(digest([record.as_str().as_bytes(), &place.to_be_bytes()]))
    }
}

impl fmt::Debug for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a vector was made of: the first 16 bytes of the SHA-256 of that text. Equal contents are embedded once.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Content(pub [u8; 16]);

impl Content {
    /// The content of a text.
    pub fn of(text: &str) -> Self {
        Self(digest([text.as_bytes()]))
    }

    /// 32 hexadecimal digits.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

/// The first half of the SHA-256 of these parts, each with its length.
pub(crate) fn digest<const N: usize>(parts: [&[u8]; N]) -> [u8; 16] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut first = [0; 16];
    first.iter_mut().zip(hasher.finalize()).for_each(|(to, from)| *to = from);
    first
}

/// A part of a record, as stores keep it.
///
/// The chunks of a record, in order of their places, hold its text once and whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// Which.
    pub id: ChunkId,
    /// What its vector is made of.
    pub content: Content,
    /// The record; its `text` is empty here.
    pub record: Arc<Record>,
    /// Its place in the record, from 0.
    pub place: u32,
    /// Its part of the record's text.
    pub text: String,
    /// How often each term occurs in what is searched by words; in order of the terms.
    pub terms: Vec<(String, u32)>,
    /// Its vector, of length 1; none: nothing makes vectors, or it could not be made.
    pub vector: Option<Vec<f32>>,
}

impl Chunk {
    /// The files that it is found by: those of its record stand with the first chunk.
    pub(crate) fn files(&self) -> &[String] {
        if self.place == 0 { &self.record.files } else { &[] }
    }
}

/// Everything that a shelf has of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunChunks {
    /// The run.
    pub run: RunId,
    /// How much of its log it is made of.
    pub mark: Mark,
    /// Its chunks.
    pub chunks: Vec<Chunk>,
}

/// A chunk that a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// Which.
    pub id: ChunkId,
    /// Its record.
    pub record: RecordId,
    /// The sum of the terms' weights (BM25), or the cosine; higher is better.
    pub score: f32,
}

/// What is on a shelf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShelfStats {
    /// Runs with a mark.
    pub runs: u64,
    /// Records by the word of their kind.
    pub records: BTreeMap<String, u64>,
    /// Chunks.
    pub chunks: u64,
    /// Chunks with a vector.
    pub vectors: u64,
    /// Bytes on disk; none where another machine keeps it.
    pub bytes: Option<u64>,
}

/// A store of chunks.
#[async_trait]
pub trait Shelf: Send + Sync {
    /// What people call it, with its place.
    fn name(&self) -> String;

    /// How much of the log of each run of a repo is here.
    async fn marks(&self, repo: &str) -> Result<BTreeMap<RunId, Mark>, Failure>;

    /// The vectors that are here of these contents.
    async fn vectors(&self, contents: &[Content]) -> Result<HashMap<Content, Vec<f32>>, Failure>;

    /// Puts the chunks of a run in the place of those that were here of it, whatever its repo was called then; its mark
    /// is here only once they are.
    ///
    /// After a kill in the middle the old mark or none is here, and doing it again makes it whole.
    async fn replace(&self, repo: &str, run: &RunId, mark: Mark, chunks: &[Chunk]) -> Result<(), Failure>;

    /// The same for several runs, one after the other or all at once, whatever is quicker.
    async fn replace_all(&self, repo: &str, runs: &[RunChunks]) -> Result<(), Failure> {
        for run in runs {
            self.replace(repo, &run.run, run.mark, &run.chunks).await?;
        }
        Ok(())
    }

    /// Chunks that hold terms of these weights, the best first: BM25 with [`K1`] and [`B`], times the weight, summed over
    /// the terms. A term that weighs nothing finds nothing.
    async fn lexical(
        &self,
        terms: &[(String, f32)],
        filter: &RecordFilter,
        limit: usize,
    ) -> Result<Vec<Scored>, Failure>;

    /// Chunks whose vectors are nearest, the nearest first.
    async fn dense(
        &self,
        vector: &[f32],
        filter: &RecordFilter,
        limit: usize,
    ) -> Result<Vec<Scored>, Failure>;

    /// The chunks of these ids, in any order, without their terms and vectors; those that are not here are left out.
    async fn chunks(&self, ids: &[ChunkId]) -> Result<Vec<Chunk>, Failure>;

    /// The chunks of these records, in any order, without their terms and vectors.
    async fn of_records(&self, ids: &[RecordId]) -> Result<Vec<Chunk>, Failure>;

    /// The ids of records of a filter in their order, those after `after`; at most `limit`.
    async fn ids(
        &self,
        filter: &RecordFilter,
        after: Option<&RecordId>,
        limit: usize,
    ) -> Result<Vec<RecordId>, Failure>;

    /// Ids and outcomes of records whose agent was given one of these.
    async fn given(&self, ids: &[RecordId]) -> Result<Vec<Record>, Failure>;

    /// [`Self::chunks`] and [`Self::given`] at once, whatever is quicker.
    async fn looked_up(
        &self,
        chunks: &[ChunkId],
        records: &[RecordId],
    ) -> Result<(Vec<Chunk>, Vec<Record>), Failure> {
        tokio::try_join!(self.chunks(chunks), self.given(records))
    }

    /// What is here.
    async fn stats(&self) -> Result<ShelfStats, Failure>;

    /// Forgets everything of a repo, its marks first.
    async fn forget(&self, repo: &str) -> Result<(), Failure>;
}
