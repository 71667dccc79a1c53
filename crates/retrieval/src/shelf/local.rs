//! The local index: tantivy for words and filters, a file of vectors beside it, in one folder per maker of vectors.
//!
//! A commit of tantivy is all or nothing and holds the marks, so a kill loses nothing that a mark speaks of. Vectors are
//! written before the commit that needs them; those that no commit speaks of are found by their content and used later.
//! Several processes may read and write one folder: writers wait for each other. The folder may be removed, or put aside
//! by another process because it is damaged, while this one uses it: it is opened again then.

mod error;
mod place;
mod schema;
mod search;
mod vectors;
mod view;
mod words;

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::RunId;
use miyabi_core::knowledge::{Mark, Record, RecordFilter, RecordId};
use miyabi_core::ports::Maker;
use tantivy::merge_policy::{LogMergePolicy, MergePolicy, NoMergePolicy};
use tantivy::{Index, IndexReader, IndexWriter};

use super::{Chunk, ChunkId, Content, RunChunks, Scored, Shelf, ShelfStats};
use error::LocalError;
use place::{Place, WORDS, lock};
use schema::Fields;
use vectors::Vectors;
use view::View;

/// Memory of the writer, in bytes; the least that tantivy takes.
const WRITER_BYTES: usize = 15_000_000;
/// From so many segments on a writer merges them.
const SEGMENTS: usize = 16;

/// A shelf in a folder of this machine.
#[derive(Clone)]
pub struct LocalShelf {
    place: Arc<Place>,
}

/// What lies in the folder, opened.
struct Inner {
    folder: PathBuf,
    /// The folder of words, held open: that of the same name may be another one by now.
    here: File,
    index: Index,
    reader: IndexReader,
    /// The list of segments of the newest commit that was read, and the commit.
    seen: Mutex<Option<(Vec<u8>, Arc<View>)>>,
    fields: Fields,
    vectors: Option<Mutex<Vectors>>,
}

impl LocalShelf {
    /// Opens the shelf for vectors of that maker in a folder, which is made if it is not there.
    ///
    /// What lies there and is no index of this version, or a damaged one, is put aside and said in the log: it can be
    /// made again from the logs of runs. What cannot be opened for another reason is left as it is.
    /// Errors: the folder cannot be read or written.
    pub fn open(folder: &Path, maker: Option<&Maker>) -> Result<Self, Failure> {
        let place = Place::open(folder.join(slug(maker)), maker)?;
        Ok(Self { place: Arc::new(place) })
    }

    /// What is on the shelf for vectors of that maker in a folder, and where; nothing is made, mended or waited for.
    /// None: nothing is there yet.
    /// Errors: it is damaged, or cannot be read.
    pub fn look(folder: &Path, maker: Option<&Maker>) -> Result<Option<ShelfStats>, Failure> {
        Ok(place::look(&folder.join(slug(maker)), maker)?)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl Fn(&Inner) -> Result<T, LocalError> + Send + 'static,
    ) -> Result<T, Failure> {
        self.away(move |place| place.with(work)).await
    }

    /// Work that waits for files, away from the threads that must not.
    async fn away<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Place) -> Result<T, LocalError> + Send + 'static,
    ) -> Result<T, Failure> {
        let place = Arc::clone(&self.place);
        match tokio::task::spawn_blocking(move || work(&place)).await {
            Ok(done) => Ok(done?),
            Err(error) => Err(Failure::caused(FailureClass::Internal, &error)),
        }
    }
}

/// The name of the folder for vectors of that maker.
fn slug(maker: Option<&Maker>) -> String {
    let Some(maker) = maker else { return format!("words-v{}", schema::VERSION) };
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = maker.name.chars().map(plain).take(40).collect();
    let hash: String = Content::of(&maker.name).hex().chars().take(8).collect();
    format!("{name}-{hash}-{}-v{}", maker.dimensions, schema::VERSION)
}

impl Inner {
    fn fail(&self, doing: &'static str) -> impl Fn(tantivy::TantivyError) -> LocalError + '_ {
        move |error| LocalError::index(doing, &self.folder, error)
    }

    /// Waits until nobody else writes, in what lies there still.
    fn lock(&self) -> Result<File, LocalError> {
        let lock = lock(&self.folder)?;
        if self.is_here() { Ok(lock) } else { Err(LocalError::Moved { folder: self.folder.clone() }) }
    }

    /// Does something with the only writer, and commits.
    fn write<T>(
        &self,
        work: impl FnOnce(&mut IndexWriter) -> Result<T, LocalError>,
    ) -> Result<T, LocalError> {
        let _lock = self.lock()?;
        self.tidy()?;
        let mut writer: IndexWriter =
            self.index.writer_with_num_threads(1, WRITER_BYTES).map_err(self.fail("write"))?;
        // Segments that were being merged when the writer goes would be merged for nothing.
        writer.set_merge_policy(Box::new(NoMergePolicy));
        let done = work(&mut writer)?;
        writer.commit().map_err(self.fail("write"))?;
        self.merge(&mut writer)?;
        Ok(done)
    }

    /// Merges segments where there are many, those of like size with each other.
    fn merge(&self, writer: &mut IndexWriter) -> Result<(), LocalError> {
        let segments = self.index.searchable_segment_metas().map_err(self.fail("read"))?;
        if segments.len() < SEGMENTS {
            return Ok(());
        }
        for some in LogMergePolicy::default().compute_merge_candidates(&segments) {
            writer.merge(&some.0).wait().map_err(self.fail("merge"))?;
        }
        Ok(())
    }

    fn replace(&self, repo: &str, runs: &[RunChunks]) -> Result<(), LocalError> {
        if let Some(vectors) = &self.vectors {
            let new = runs.iter().flat_map(|run| &run.chunks);
            let new = new.filter_map(|chunk| Some((chunk.content, chunk.vector.as_deref()?)));
            let _lock = self.lock()?;
            held(vectors).add(new)?;
        }
        self.write(|writer| {
            for run in runs {
                writer.delete_term(self.fields.of_run(&run.run));
                let mut documents = Vec::with_capacity(run.chunks.len());
                for chunk in &run.chunks {
                    let row = self.vectors.as_ref().and_then(|vectors| held(vectors).row(&chunk.content));
                    documents.push(self.fields.chunk(chunk, row)?);
                }
                let mut documents = documents.into_iter();
                let first = self.fields.mark(documents.next(), repo, &run.run, run.mark)?;
                for document in std::iter::once(first).chain(documents) {
                    writer.add_document(document).map_err(self.fail("write"))?;
                }
            }
            Ok(())
        })
    }

    fn forget(&self, repo: &str) -> Result<(), LocalError> {
        self.write(|writer| {
            writer.delete_term(self.fields.of_repo(repo));
            Ok(())
        })
    }

    fn bytes(&self) -> Result<u64, LocalError> {
        let mut bytes = 0;
        for folder in [self.folder.clone(), self.folder.join(WORDS)] {
            let entries = fs::read_dir(&folder).map_err(|error| LocalError::file("read", &folder, error))?;
            // A file may go while it is looked at: another process merges.
            let sizes = entries.filter_map(|entry| entry.ok()?.metadata().ok());
            bytes += sizes.filter(|meta| meta.is_file()).map(|meta| meta.len()).sum::<u64>();
        }
        Ok(bytes)
    }
}

fn held(vectors: &Mutex<Vectors>) -> std::sync::MutexGuard<'_, Vectors> {
    // A panic in between leaves rows that nothing speaks of.
    vectors.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Shelf for LocalShelf {
    fn name(&self) -> String {
        format!("local index in {}", self.place.folder().display())
    }

    async fn marks(&self, repo: &str) -> Result<BTreeMap<RunId, Mark>, Failure> {
        let repo = repo.to_owned();
        self.blocking(move |inner| inner.marks(&repo)).await
    }

    async fn vectors(&self, contents: &[Content]) -> Result<HashMap<Content, Vec<f32>>, Failure> {
        let contents = contents.to_vec();
        self.blocking(move |inner| {
            let Some(vectors) = &inner.vectors else { return Ok(HashMap::new()) };
            let mut vectors = held(vectors);
            vectors.refresh()?;
            let mut found = HashMap::new();
            for content in &contents {
                if let Some(vector) = vectors.get(content)? {
                    found.insert(*content, vector);
                }
            }
            Ok(found)
        })
        .await
    }

    async fn replace(&self, repo: &str, run: &RunId, mark: Mark, chunks: &[Chunk]) -> Result<(), Failure> {
        let run = RunChunks { run: run.clone(), mark, chunks: chunks.to_vec() };
        self.replace_all(repo, &[run]).await
    }

    async fn replace_all(&self, repo: &str, runs: &[RunChunks]) -> Result<(), Failure> {
        let (repo, runs) = (repo.to_owned(), runs.to_vec());
        self.blocking(move |inner| inner.replace(&repo, &runs)).await
    }

    async fn lexical(
        &self,
        terms: &[(String, f32)],
        filter: &RecordFilter,
        limit: usize,
    ) -> Result<Vec<Scored>, Failure> {
        let (mut terms, filter) = (terms.to_vec(), filter.clone());
        terms.retain(|(_, weight)| *weight > 0.0);
        self.blocking(move |inner| inner.lexical(&terms, &filter, limit)).await
    }

    async fn dense(
        &self,
        vector: &[f32],
        filter: &RecordFilter,
        limit: usize,
    ) -> Result<Vec<Scored>, Failure> {
        let (vector, filter) = (vector.to_vec(), filter.clone());
        self.blocking(move |inner| inner.dense(&vector, &filter, limit)).await
    }

    async fn chunks(&self, ids: &[ChunkId]) -> Result<Vec<Chunk>, Failure> {
        let ids = ids.to_vec();
        self.blocking(move |inner| inner.chunks(&ids)).await
    }

    async fn of_records(&self, ids: &[RecordId]) -> Result<Vec<Chunk>, Failure> {
        let ids = ids.to_vec();
        self.blocking(move |inner| inner.of_records(&ids)).await
    }

    async fn ids(
        &self,
        filter: &RecordFilter,
        after: Option<&RecordId>,
        limit: usize,
    ) -> Result<Vec<RecordId>, Failure> {
        let (filter, after) = (filter.clone(), after.cloned());
        self.blocking(move |inner| inner.ids(&filter, after.as_ref(), limit)).await
    }

    async fn given(&self, ids: &[RecordId]) -> Result<Vec<Record>, Failure> {
        let ids = ids.to_vec();
        self.blocking(move |inner| inner.given(&ids)).await
    }

    async fn looked_up(
        &self,
        chunks: &[ChunkId],
        records: &[RecordId],
    ) -> Result<(Vec<Chunk>, Vec<Record>), Failure> {
        let (chunks, records) = (chunks.to_vec(), records.to_vec());
        self.blocking(move |inner| Ok((inner.chunks(&chunks)?, inner.given(&records)?))).await
    }

    async fn stats(&self) -> Result<ShelfStats, Failure> {
        self.blocking(Inner::stats).await
    }

    async fn forget(&self, repo: &str) -> Result<(), Failure> {
        let repo = repo.to_owned();
        self.away(move |place| place.forget(&repo)).await
    }
}
