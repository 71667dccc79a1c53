//! The port `Knowledge` over a shelf and an embedder.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::RunId;
use miyabi_core::knowledge::{
    Found, Hit, KnowledgeStats, Mark, Memory, Query, Record, RecordFilter, RecordId, RecordKind, Remembered,
};
use miyabi_core::ports::{Embedder, Knowledge};
use miyabi_core::redact::Redactor;
use tokio::time::timeout;

use crate::excerpt;
use crate::fuse::{Candidate, fuse};
use crate::priors::{LEAST, MOST, given, prior};
use crate::shelf::{Chunk, ChunkId, Content, RunChunks, Shelf};
use crate::{chunk, terms};

/// So many chunks for each hit each search may find, and at least so many: what stands lower in both is not seen.
const DEEPER: usize = 4;
const DEPTH: usize = 100;
/// At most so many candidates for each hit are looked at in full, of those that can become one.
const LOOKED_AT: usize = 4;
/// So many files of a record are part of what a vector is made of.
const EMBEDDED_FILES: usize = 40;
/// So long a search waits for the vector of its query: what was found by words is not to be lost with it, and a prompt
/// waits no longer than 5 s for all of it.
const ASKED: Duration = Duration::from_secs(4);
/// So many texts are given to an embedder at once.
const BATCH: usize = 32;

/// What is remembered, on a shelf.
#[derive(Clone)]
pub struct KnowledgeIndex {
    shelf: Arc<dyn Shelf>,
    embedder: Option<Arc<dyn Embedder>>,
    redactor: Arc<Redactor>,
}

impl KnowledgeIndex {
    /// Knowledge on this shelf, which was opened for the embedder's vectors; without one it is searched by words alone.
    pub fn new(shelf: Arc<dyn Shelf>, embedder: Option<Arc<dyn Embedder>>, redactor: Arc<Redactor>) -> Self {
        Self { shelf, embedder, redactor }
    }

    /// A record as chunks without vectors.
    fn cut(&self, record: &Record) -> Vec<Chunk> {
        let record = self.clean(record);
        let bare = Arc::new(Record { text: String::new(), ..record.clone() });
        let parts = chunk::parts(&record.text);
        let places = (0..).zip(parts);
        places
            .map(|(place, part)| {
                let mut chunk = Chunk {
                    id: ChunkId::of(&record.id, place),
                    content: Content::default(),
                    record: Arc::clone(&bare),
                    place,
                    text: part.to_owned(),
                    terms: Vec::new(),
                    vector: None,
                };
                chunk.terms = terms::of_document(&record.title, part, chunk.files());
                chunk.content = Content::of(&embedded(&chunk));
                chunk
            })
            .collect()
    }

    fn clean(&self, record: &Record) -> Record {
        let clean = |text: &str| self.redactor.redact(text).into_owned();
        Record {
            title: clean(&record.title),
            text: clean(&record.text),
            url: clean(&record.url),
            files: record.files.iter().map(|file| clean(file)).collect(),
            ..record.clone()
        }
    }

    /// Gives each chunk its vector, and says how many had to be made.
    async fn vectors(&self, runs: &mut [RunChunks]) -> Result<u64, Failure> {
        let Some(embedder) = &self.embedder else { return Ok(0) };
        let chunks = || runs.iter().flat_map(|run| &run.chunks);
        let contents: HashSet<Content> = chunks().map(|chunk| chunk.content).collect();
        let contents: Vec<Content> = contents.into_iter().collect();
        let mut known = self.shelf.vectors(&contents).await?;
        let mut new: Vec<(Content, String)> = Vec::new();
        let mut seen = HashSet::new();
        for chunk in chunks() {
            if !known.contains_key(&chunk.content) && seen.insert(chunk.content) {
                new.push((chunk.content, embedded(chunk)));
            }
        }
        let made = new.len() as u64;
        for batch in new.chunks(BATCH) {
            let texts: Vec<String> = batch.iter().map(|(_, text)| text.clone()).collect();
            let vectors = embedder.embed(&texts).await?;
            known.extend(batch.iter().map(|(content, _)| *content).zip(vectors));
        }
        for chunk in runs.iter_mut().flat_map(|run| &mut run.chunks) {
            chunk.vector = known.get(&chunk.content).cloned();
        }
        Ok(made)
    }

    async fn near(&self, query: &Query, depth: usize) -> Result<Vec<crate::shelf::Scored>, Failure> {
        let Some(embedder) = &self.embedder else { return Ok(Vec::new()) };
        let text = self.redactor.redact(&query.text).into_owned();
        let texts = [text];
        let vectors = timeout(ASKED, embedder.embed(&texts)).await.map_err(|_elapsed| {
            let why = format!("{} made no vector within {} s", embedder.maker(), ASKED.as_secs());
            Failure::new(FailureClass::TimedOut, why)
        })??;
        match vectors.first() {
            Some(vector) => self.shelf.dense(vector, &query.filter, depth).await,
            None => Ok(Vec::new()),
        }
    }

    /// The best of the candidates as hits, with what speaks for them besides their texts.
    async fn hits(&self, query: &Query, mut best: Vec<Candidate>) -> Result<Vec<Hit>, Failure> {
        best.truncate(query.limit.saturating_mul(LOOKED_AT));
        if let Some(last) = best.get(query.limit.saturating_sub(1)).map(|last| last.score) {
            best.retain(|candidate| candidate.score * MOST >= last * LEAST);
        }
        let ids: Vec<ChunkId> = best.iter().map(|candidate| candidate.chunk).collect();
        let records: Vec<RecordId> = best.iter().map(|candidate| candidate.record.clone()).collect();
        let (chunks, attempts) = self.shelf.looked_up(&ids, &records).await?;
        let chunks: HashMap<ChunkId, Chunk> = chunks.into_iter().map(|chunk| (chunk.id, chunk)).collect();
        let given = given(&attempts);
        let judged = best.into_iter().filter_map(|candidate| {
            let chunk = chunks.get(&candidate.chunk)?;
            let known = given.get(&candidate.record).copied().unwrap_or_default();
            let (factor, because) = prior(&chunk.record, query.now, known);
            Some((candidate.score * factor, candidate, chunk, because))
        });
        let mut judged: Vec<_> = judged.collect();
        judged.sort_by(|(a, one, ..), (b, other, ..)| {
            b.total_cmp(a).then_with(|| one.record.cmp(&other.record))
        });
        judged.truncate(query.limit);
        // What is shown is looked for last, and only in what is shown: each word of a text is stemmed for it.
        let words = terms::words(&query.text);
        let mut finder = excerpt::finder(&words);
        let hits = judged.into_iter().map(|(score, candidate, chunk, because)| {
            let (matched, excerpt) = excerpt::shown(&words, &mut finder, chunk);
            let record = Record::clone(&chunk.record);
            Hit {
                record,
                score,
                lexical: candidate.lexical,
                dense: candidate.dense,
                matched,
                because,
                excerpt,
            }
        });
        Ok(hits.collect())
    }
}

/// What a vector is made of. Which files were changed says what a change is about; the text comes first, because a model
/// reads only so far.
fn embedded(chunk: &Chunk) -> String {
    let mut text = format!("{}\n{}", chunk.record.title, chunk.text);
    for file in chunk.files().iter().take(EMBEDDED_FILES) {
        text.push('\n');
        text.push_str(file);
    }
    text
}

#[async_trait]
impl Knowledge for KnowledgeIndex {
    async fn marks(&self, repo: &str) -> Result<BTreeMap<RunId, Mark>, Failure> {
        self.shelf.marks(repo).await
    }

    async fn remember(&self, repo: &str, runs: &[Memory]) -> Result<Remembered, Failure> {
        let mut all: Vec<RunChunks> = runs
            .iter()
            .map(|memory| RunChunks {
                run: memory.run.clone(),
                mark: memory.mark,
                chunks: memory.records.iter().flat_map(|record| self.cut(record)).collect(),
            })
            .collect();
        let mut done = Remembered {
            runs: runs.len() as u64,
            records: runs.iter().map(|memory| memory.records.len() as u64).sum(),
            ..Remembered::default()
        };
        match self.vectors(&mut all).await {
            Ok(made) => done.embedded = made,
            Err(failure) => {
                // Found by words until then, and done again with the next occasion.
                all.iter_mut().for_each(|run| run.mark = Mark { events: 0, ended: false });
                done.lacks = Some(failure.to_string());
            }
        }
        self.shelf.replace_all(repo, &all).await?;
        Ok(done)
    }

    async fn search(&self, query: &Query) -> Result<Found, Failure> {
        let mut found = Found::default();
        if query.text.trim().is_empty() || query.limit == 0 {
            return Ok(found);
        }
        let terms = terms::of_query(&query.text);
        let depth = query.limit.saturating_mul(DEEPER).max(DEPTH);
        let (lexical, near) =
            tokio::join!(self.shelf.lexical(&terms, &query.filter, depth), self.near(query, depth));
        let lexical = lexical?;
        let dense = match near {
            Ok(near) => near,
            Err(failure) => {
                found.lacks.push(format!("searched by words alone: {failure}"));
                Vec::new()
            }
        };
        found.hits = self.hits(query, fuse(&lexical, &dense)).await?;
        Ok(found)
    }

    async fn get(&self, ids: &[RecordId]) -> Result<Vec<Record>, Failure> {
        let mut parts: HashMap<RecordId, Vec<Chunk>> = HashMap::new();
        for chunk in self.shelf.of_records(ids).await? {
            parts.entry(chunk.record.id.clone()).or_default().push(chunk);
        }
        let whole = ids.iter().filter_map(|id| {
            let mut chunks = parts.remove(id)?;
            chunks.sort_by_key(|chunk| chunk.place);
            let text = chunks.iter().map(|chunk| chunk.text.as_str()).collect();
            Some(Record { text, ..Record::clone(&chunks.first()?.record) })
        });
        Ok(whole.collect())
    }

    async fn list(
        &self,
        filter: &RecordFilter,
        after: Option<&RecordId>,
        limit: usize,
    ) -> Result<Vec<Record>, Failure> {
        let ids = self.shelf.ids(filter, after, limit).await?;
        self.get(&ids).await
    }

    async fn stats(&self) -> Result<KnowledgeStats, Failure> {
        let shelf = self.shelf.stats().await?;
        let counted = |kind: RecordKind| shelf.records.get(kind.as_str()).copied().unwrap_or_default();
        Ok(KnowledgeStats {
            store: self.shelf.name(),
            embedder: self.embedder.as_ref().map(|it| it.maker().to_string()).unwrap_or_default(),
            runs: shelf.runs,
            records: RecordKind::ALL.into_iter().map(|kind| (kind, counted(kind))).collect(),
            chunks: shelf.chunks,
            vectors: shelf.vectors,
            bytes: shelf.bytes,
        })
    }

    async fn forget(&self, repo: &str) -> Result<(), Failure> {
        self.shelf.forget(repo).await
    }
}
