//! How well past changes are found again: recall@5, recall@10 and MRR of the search by words, by meaning and fused, beside
//! plain BM25 over the same texts in the same run.
//!
//! `cargo bench -p miyabi-retrieval --bench recall -- FOLDER`: of each `NAME.docs.jsonl` (`{id, at, text}`) in the folder the
//! queries in `NAME.*.jsonl` (`{q, at, rel}`, and `self` where a query is one of the documents) are asked. A document that
//! is newer than its query is not looked for. `text` ends with the paths of the changed files, one on each line.
//!
//! `MIYABI_BENCH_EMBEDDER=127.0.0.1:8080` and `MIYABI_BENCH_DIMENSIONS` (384): a plain endpoint of this machine that makes
//! vectors (`POST /v1/embeddings`); without it there is no search by meaning.
//!
//! `MIYABI_BENCH_QDRANT=http://localhost:6334`: the same on a Qdrant server, in collections that are deleted afterwards,
//! and how many of the ten best hits it has in common with the local index.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark is told where vectors are made by the environment and reports to the terminal"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use miyabi_core::failure::Failure;
use miyabi_core::ids::RunId;
use miyabi_core::knowledge::{Mark, Memory, Query, Record, RecordFilter, RecordKind};
use miyabi_core::ports::{Embedder, Knowledge, Maker};
use miyabi_core::redact::Redactor;
use miyabi_core::untrusted::visible;
use miyabi_retrieval::{KnowledgeIndex, LocalShelf, QdrantSettings, QdrantShelf, Shelf};
use miyabi_testkit::fixtures;
use qdrant_client::Qdrant;
use serde::Deserialize;
use tokio::runtime::Runtime;

#[derive(Deserialize)]
struct Document {
    id: String,
    at: i64,
    text: String,
}

#[derive(Deserialize)]
struct Asked {
    q: String,
    at: i64,
    rel: Vec<String>,
    #[serde(default, rename = "self")]
    own: Option<String>,
}

/// So many hits are asked for: those that are newer than the query are then left out.
const ASKED: usize = 400;

fn main() {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let Some(folder) = folder.map(PathBuf::from) else {
        println!("give a folder: cargo bench -p miyabi-retrieval --bench recall -- FOLDER");
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!("{:<28} {:>9} {:>9} {:>9} {:>9}", "queries, search", "recall@5", "recall@10", "MRR", "ms/query");
    for (name, queries) in sets(&folder) {
        let documents: Vec<Document> = lines(&folder.join(format!("{name}.docs.jsonl")));
        let plain = Plain::of(&documents);
        let asking = Asking::of_environment().map(Arc::new);
        let words = runtime.block_on(Places::filled(&documents, None));
        let fused = asking.clone().map(|asking| runtime.block_on(Places::filled(&documents, Some(asking))));
        let times: HashMap<&str, i64> = documents.iter().map(|it| (it.id.as_str(), it.at)).collect();
        for path in queries {
            let asked: Vec<Asked> = lines(&path);
            let set = path.file_stem().unwrap().to_string_lossy().into_owned();
            tell(&format!("{set}, plain BM25"), &asked, &times, |asked| plain.search(&asked.q));
            words.tell(&runtime, &format!("{set}, words"), &asked, &times);
            if let Some((fused, asking)) = fused.as_ref().zip(asking.as_ref()) {
                tell(&format!("{set}, meaning"), &asked, &times, |asked| {
                    runtime.block_on(async {
                        let vector = asking.embed(&[visible(&asked.q)]).await.unwrap().remove(0);
                        let filter = RecordFilter::default();
                        let near = fused.local.dense(&vector, &filter, ASKED).await.unwrap();
                        let mut seen = BTreeSet::new();
                        let runs = near.iter().filter_map(|it| it.record.as_str().split('/').next());
                        runs.filter(|run| seen.insert(*run)).map(str::to_owned).collect()
                    })
                });
                fused.tell(&runtime, &format!("{set}, fused"), &asked, &times);
            }
        }
        for places in [Some(words), fused].into_iter().flatten() {
            runtime.block_on(places.clear());
        }
    }
}

/// The same documents in a local index, and on a server where there is one.
struct Places {
    local: Arc<dyn Shelf>,
    index: KnowledgeIndex,
    server: Option<(KnowledgeIndex, Qdrant, String)>,
    _folder: tempfile::TempDir,
}

impl Places {
    async fn filled(documents: &[Document], embedder: Option<Arc<Asking>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let maker = embedder.as_ref().map(|it| it.maker().clone());
        let embedder = embedder.map(|it| it as Arc<dyn Embedder>);
        let index = |shelf: &Arc<dyn Shelf>| {
            KnowledgeIndex::new(Arc::clone(shelf), embedder.clone(), Arc::new(Redactor::new([])))
        };
        let local: Arc<dyn Shelf> = Arc::new(LocalShelf::open(folder.path(), maker.as_ref()).unwrap());
        let here = index(&local);
        fill(&here, documents).await;
        let mut server = None;
        if let Ok(url) = std::env::var("MIYABI_BENCH_QDRANT") {
            let timeout = Duration::from_secs(600);
            let prefix = format!("miyabi-bench-{}", std::process::id());
            let settings =
                QdrantSettings { url: url.clone(), api_key: None, prefix: prefix.clone(), timeout, maker };
            let shelf: Arc<dyn Shelf> = Arc::new(QdrantShelf::open(settings).await.unwrap());
            let there = index(&shelf);
            fill(&there, documents).await;
            let client = Qdrant::from_url(&url).timeout(timeout).skip_compatibility_check().build().unwrap();
            server = Some((there, client, prefix));
        }
        Self { local, index: here, server, _folder: folder }
    }

    fn tell(&self, runtime: &Runtime, name: &str, asked: &[Asked], times: &HashMap<&str, i64>) {
        tell(name, asked, times, |asked| runtime.block_on(search(&self.index, asked)));
        let Some((server, ..)) = &self.server else { return };
        tell(&format!("{name}, server"), asked, times, |asked| runtime.block_on(search(server, asked)));
        let mut common = 0.0;
        for asked in asked {
            let here = runtime.block_on(search(&self.index, asked));
            let there = runtime.block_on(search(server, asked));
            let ten = |found: &[String]| found.iter().take(10).cloned().collect::<BTreeSet<String>>();
            let (here, there) = (ten(&here), ten(&there));
            common += here.intersection(&there).count() as f64 / here.len().max(there.len()).max(1) as f64;
        }
        println!("{:<28} {:>9.3}", format!("{name}, in common"), common / asked.len() as f64);
    }

    async fn clear(self) {
        let Some((_, client, prefix)) = self.server else { return };
        for collection in client.list_collections().await.unwrap().collections {
            if collection.name.starts_with(&prefix) {
                client.delete_collection(collection.name).await.unwrap();
            }
        }
    }
}

/// An endpoint of this machine, asked in the plainest way.
struct Asking {
    address: String,
    maker: Maker,
}

impl Asking {
    fn of_environment() -> Option<Self> {
        let address = std::env::var("MIYABI_BENCH_EMBEDDER").ok()?;
        let dimensions = std::env::var("MIYABI_BENCH_DIMENSIONS").ok().and_then(|it| it.parse().ok());
        Some(Self {
            address,
            maker: Maker { name: "bench".to_owned(), dimensions: dimensions.unwrap_or(384) },
        })
    }
}

#[async_trait]
impl Embedder for Asking {
    fn maker(&self) -> &Maker {
        &self.maker
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, Failure> {
        let body = serde_json::json!({ "model": "bench", "input": texts }).to_string();
        let head = format!("POST /v1/embeddings HTTP/1.0\r\nContent-Length: {}\r\n\r\n", body.len());
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all((head + &body).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let answer: serde_json::Value = serde_json::from_str(body).unwrap();
        let numbers = |row: &serde_json::Value| serde_json::from_value(row["embedding"].clone()).unwrap();
        Ok(answer["data"].as_array().unwrap().iter().map(numbers).collect())
    }
}

/// The names of the sets in a folder, with their files of queries.
fn sets(folder: &Path) -> BTreeMap<String, Vec<PathBuf>> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let names: BTreeSet<String> =
        files.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    let mut sets: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for name in &names {
        if let Some(set) = name.strip_suffix(".docs.jsonl") {
            let own = |other: &&String| other.starts_with(&format!("{set}.")) && *other != name;
            sets.insert(set.to_owned(), names.iter().filter(own).map(|other| folder.join(other)).collect());
        }
    }
    sets
}

fn lines<T: for<'a> Deserialize<'a>>(path: &Path) -> Vec<T> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn fill(index: &KnowledgeIndex, documents: &[Document]) {
    let memories: Vec<Memory> = documents.iter().map(memory).collect();
    for some in memories.chunks(500) {
        index.remember("bench", some).await.unwrap();
    }
}

fn memory(document: &Document) -> Memory {
    let is_path = |line: &str| line.contains(['/', '.']) && !line.contains(char::is_whitespace);
    let mut words: Vec<&str> = document.text.lines().collect();
    let mut files = Vec::new();
    while let Some(path) = words.pop_if(|line| is_path(line)) {
        files.push(path.to_owned());
    }
    files.reverse();
    let run = RunId::new(document.id.as_str());
    let record = Record {
        repo: "bench".to_owned(),
        at: Timestamp::from_second(document.at).unwrap(),
        text: visible(&words.join("\n")),
        files,
        ..fixtures::record(run.clone(), RecordKind::Outcome)
    };
    Memory { run, mark: Mark { events: 1, ended: true }, records: vec![record] }
}

async fn search(index: &KnowledgeIndex, asked: &Asked) -> Vec<String> {
    let query = Query {
        text: visible(&asked.q),
        filter: RecordFilter::default(),
        limit: ASKED,
        now: Timestamp::from_second(asked.at).unwrap(),
    };
    let found = index.search(&query).await.unwrap();
    found.hits.into_iter().map(|hit| hit.record.run.as_str().to_owned()).collect()
}

fn tell(name: &str, asked: &[Asked], times: &HashMap<&str, i64>, search: impl Fn(&Asked) -> Vec<String>) {
    let (mut five, mut ten, mut reciprocal) = (0.0, 0.0, 0.0);
    let begun = Instant::now();
    for query in asked {
        // A query that is none of the documents may find those that were written with it.
        let may = |id: &String| match &query.own {
            Some(own) => id != own && times.get(id.as_str()).is_some_and(|at| *at < query.at),
            None => true,
        };
        let found: Vec<String> = search(query).into_iter().filter(may).collect();
        let of = |n: usize| {
            let hits = found.iter().take(n).filter(|id| query.rel.contains(id)).count();
            hits as f64 / query.rel.len() as f64
        };
        five += of(5);
        ten += of(10);
        let first = found.iter().position(|id| query.rel.contains(id));
        reciprocal += first.map_or(0.0, |place| 1.0 / (place + 1) as f64);
    }
    let ms = begun.elapsed().as_secs_f64() * 1000.0 / asked.len() as f64;
    let mean = |sum: f64| sum / asked.len() as f64;
    println!("{name:<28} {:>9.3} {:>9.3} {:>9.3} {ms:>9.2}", mean(five), mean(ten), mean(reciprocal));
}

/// Plain BM25 (k1 1.2, b 0.75) over words in lower case.
struct Plain<'a> {
    documents: &'a [Document],
    postings: HashMap<String, Vec<(usize, f64)>>,
    lengths: Vec<f64>,
    mean: f64,
}

impl<'a> Plain<'a> {
    fn of(documents: &'a [Document]) -> Self {
        let mut postings: HashMap<String, Vec<(usize, f64)>> = HashMap::new();
        let mut lengths = Vec::new();
        for (ix, document) in documents.iter().enumerate() {
            let mut counts: HashMap<String, f64> = HashMap::new();
            words(&document.text).for_each(|word| *counts.entry(word).or_default() += 1.0);
            lengths.push(counts.values().sum());
            for (word, count) in counts {
                postings.entry(word).or_default().push((ix, count));
            }
        }
        let mean = lengths.iter().sum::<f64>() / lengths.len() as f64;
        Self { documents, postings, lengths, mean }
    }

    fn search(&self, query: &str) -> Vec<String> {
        let mut scores = vec![0.0; self.documents.len()];
        for word in words(query) {
            let Some(postings) = self.postings.get(&word) else { continue };
            let (all, some) = (self.documents.len() as f64, postings.len() as f64);
            let rare = (1.0 + (all - some + 0.5) / (some + 0.5)).ln();
            for &(ix, count) in postings {
                let length = 0.25 + 0.75 * self.lengths[ix] / self.mean;
                scores[ix] += rare * count * 2.2 / (count + 1.2 * length);
            }
        }
        let mut found: Vec<usize> = (0..scores.len()).filter(|&ix| scores[ix] > 0.0).collect();
        found.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        found.into_iter().map(|ix| self.documents[ix].id.clone()).collect()
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase)
}
