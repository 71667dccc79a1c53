//! A Qdrant server as a shelf: one collection for each maker of vectors, in which a point is a chunk or a mark.
//!
//! Words are sparse vectors whose values are the chunk's part of BM25; the server multiplies with how rare a term is.
//! Vectors are compared one by one (`exact`), so that a server finds what the index of a laptop finds.

mod ask;
mod choose;
mod find;
mod place;
mod point;
mod words;
mod write;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::RunId;
use miyabi_core::knowledge::{Mark, Record, RecordFilter, RecordId, RecordKind};
use miyabi_core::ports::Maker;
use qdrant_client::qdrant::{Condition, DeletePointsBuilder, Filter, GetPointsBuilder, VectorInput};
use secrecy::SecretString;

use crate::shelf::{Chunk, ChunkId, Content, RunChunks, Scored, Shelf, ShelfStats};

use ask::Server;
use place::Place;
use point::field;
use write::Writing;

/// The named vector of meaning.
const DENSE: &str = "dense";
/// The named sparse vector of words.
const WORDS: &str = "words";
/// Names that one condition lists.
const NAMES: usize = 100;
/// Ids that one request asks for.
const IDS: usize = 256;

/// Where a Qdrant server is, and what is kept there.
#[derive(Clone, Debug)]
pub struct QdrantSettings {
    /// The address of its gRPC, `http://` or `https://`; without a port 6334 is meant.
    pub url: String,
    /// What it wants to be shown, if anything.
    pub api_key: Option<SecretString>,
    /// What the names of collections begin with, so that several can share a server.
    pub prefix: String,
    /// How long one request may take.
    pub timeout: Duration,
    /// What makes the vectors; none: it is searched by words alone.
    pub maker: Option<Maker>,
}

/// The shelf on a Qdrant server.
pub struct QdrantShelf {
    server: Server,
    place: Place,
}

impl fmt::Debug for QdrantShelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl QdrantShelf {
    /// Finds the server, and makes the collection where it is not there yet.
    ///
    /// # Errors
    ///
    /// [`FailureClass::Input`]: the address or key cannot be used, the server is too old, or the collection is of
    /// another shape; [`FailureClass::Unavailable`]: nothing answers there.
    pub async fn open(settings: QdrantSettings) -> Result<Self, Failure> {
        let place = Place::of(&settings.prefix, settings.maker);
        let server = Server::new(&settings.url, settings.api_key.as_ref(), settings.timeout)?;
        place.version(&server).await?;
        place.prepare(&server).await?;
        Ok(Self { server, place })
    }

    /// What is there, with its version, and its address; nothing is made or changed.
    ///
    /// # Errors
    ///
    /// As [`QdrantShelf::open`], but for the shape of the collection.
    pub async fn look(settings: QdrantSettings) -> Result<(String, String), Failure> {
        let place = Place::of(&settings.prefix, settings.maker);
        let server = Server::new(&settings.url, settings.api_key.as_ref(), settings.timeout)?;
        let version = place.version(&server).await?;
        let made = if place.exists(&server).await? { "" } else { ", not made yet" };
        Ok((format!("Qdrant {version}, collection {}{made}", place.collection), server.url))
    }

    /// The collection's name.
    pub fn collection(&self) -> &str {
        &self.place.collection
    }
}

#[async_trait]
impl Shelf for QdrantShelf {
    fn name(&self) -> String {
        format!("Qdrant at {}, collection {}", self.server.url, self.place.collection)
    }

    async fn marks(&self, repo: &str) -> Result<BTreeMap<RunId, Mark>, Failure> {
        let mut marks = BTreeMap::new();
        let filter = Filter::must([choose::is(field::KIND, point::MARK), choose::is(field::REPO, repo)]);
        self.scroll(filter, true.into(), None, |point| {
            let (run, mark) = point::mark_back(point)?;
            marks.insert(run, mark);
            Ok(true)
        })
        .await?;
        Ok(marks)
    }

    async fn vectors(&self, contents: &[Content]) -> Result<HashMap<Content, Vec<f32>>, Failure> {
        let mut found = HashMap::new();
        if self.place.maker.is_none() {
            return Ok(found);
        }
        let wanted: Vec<Content> = contents.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        for some in wanted.chunks(NAMES) {
            let names: HashMap<String, Content> = some.iter().map(|it| (it.hex(), *it)).collect();
            let filter = Filter::must([
                choose::any(field::CONTENT, names.keys().cloned()),
                Condition::has_vector(DENSE),
            ]);
            let mut missing = names.len();
            self.scroll(filter, point::only(&[field::CONTENT]), Some(DENSE), |point| {
                if let (Some(content), Some(vector)) =
                    (point::word(&point, field::CONTENT).and_then(|it| names.get(it)), point::dense(&point))
                    && found.insert(*content, vector).is_none()
                {
                    missing -= 1;
                }
                Ok(missing > 0)
            })
            .await?;
        }
        Ok(found)
    }

    async fn replace(&self, repo: &str, run: &RunId, mark: Mark, chunks: &[Chunk]) -> Result<(), Failure> {
        self.write(repo, &[Writing { run, mark, chunks }]).await
    }

    async fn replace_all(&self, repo: &str, runs: &[RunChunks]) -> Result<(), Failure> {
        let runs: Vec<Writing<'_>> =
            runs.iter().map(|it| Writing { run: &it.run, mark: it.mark, chunks: &it.chunks }).collect();
        self.write(repo, &runs).await
    }

    async fn lexical(
        &self,
        terms: &[(String, f32)],
        filter: &RecordFilter,
        limit: usize,
    ) -> Result<Vec<Scored>, Failure> {
        let (indices, values) = words::of_query(terms);
        if indices.is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        self.search(WORDS, VectorInput::new_sparse(indices, values), filter, limit).await
    }

    async fn dense(
        &self,
        vector: &[f32],
        filter: &RecordFilter,
        limit: usize,
    ) -> Result<Vec<Scored>, Failure> {
        let Some(maker) = &self.place.maker else { return Ok(Vec::new()) };
        if vector.len() != maker.dimensions {
            let message = format!("a vector of {} numbers is not one of {maker}", vector.len());
            return Err(Failure::new(FailureClass::Internal, message));
        }
        if limit == 0 {
            return Ok(Vec::new());
        }
        self.search(DENSE, VectorInput::new_dense(vector.to_vec()), filter, limit).await
    }

    async fn chunks(&self, ids: &[ChunkId]) -> Result<Vec<Chunk>, Failure> {
        let mut chunks = Vec::new();
        let wanted: Vec<ChunkId> = ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        for some in wanted.chunks(IDS) {
            let ids: Vec<_> = some.iter().map(point::id).collect();
            let request = GetPointsBuilder::new(self.collection(), ids).with_payload(true).build();
            let answer = self.ask("read", || self.server.client.get_points(request.clone())).await?;
            chunks.extend(answer.result.into_iter().map(point::chunk).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(chunks)
    }

    async fn of_records(&self, ids: &[RecordId]) -> Result<Vec<Chunk>, Failure> {
        let mut chunks = Vec::new();
        for some in ids.chunks(NAMES) {
            let names = some.iter().map(|it| it.as_str().to_owned());
            let filter = choose::chunks([choose::any(field::RECORD, names)]);
            self.scroll(filter, true.into(), None, |point| {
                chunks.push(point::chunk(point)?);
                Ok(true)
            })
            .await?;
        }
        Ok(chunks)
    }

    async fn ids(
        &self,
        filter: &RecordFilter,
        after: Option<&RecordId>,
        limit: usize,
    ) -> Result<Vec<RecordId>, Failure> {
        let Some(filter) = self.filter(filter).await? else { return Ok(Vec::new()) };
        let first = choose::and(filter, [choose::first()]);
        self.page(first, after, limit).await
    }

    async fn given(&self, ids: &[RecordId]) -> Result<Vec<Record>, Failure> {
        let mut records: BTreeMap<RecordId, Record> = BTreeMap::new();
        for some in ids.chunks(NAMES) {
            let names = some.iter().map(|it| it.as_str().to_owned());
            let filter = choose::chunks([choose::first(), choose::any(field::GIVEN, names)]);
            let found = self.records(filter).await?;
            records.extend(found.into_iter().map(|record| (record.id.clone(), record)));
        }
        Ok(records.into_values().collect())
    }

    async fn stats(&self) -> Result<ShelfStats, Failure> {
        let mut records = BTreeMap::new();
        for kind in RecordKind::ALL {
            let filter = Filter::must([choose::first(), choose::is(field::KIND, kind.as_str())]);
            let count = self.count(filter).await?;
            if count > 0 {
                records.insert(kind.as_str().to_owned(), count);
            }
        }
        let vectors = match self.place.maker {
            Some(_) => self.count(choose::chunks([Condition::has_vector(DENSE)])).await?,
            None => 0,
        };
        Ok(ShelfStats {
            runs: self.count(Filter::must([choose::is(field::KIND, point::MARK)])).await?,
            records,
            chunks: self.count(choose::chunks([])).await?,
            vectors,
            bytes: None,
        })
    }

    async fn forget(&self, repo: &str) -> Result<(), Failure> {
        let of_repo = || choose::is(field::REPO, repo);
        for filter in
            [Filter::must([of_repo(), choose::is(field::KIND, point::MARK)]), Filter::must([of_repo()])]
        {
            let request = DeletePointsBuilder::new(self.collection()).points(filter).wait(true).build();
            self.ask("forget", || self.server.client.delete_points(request.clone())).await?;
        }
        Ok(())
    }
}
