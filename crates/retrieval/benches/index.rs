//! The local index at 1,000, 10,000 and 100,000 records: time to fill, search, memory and disk, beside reading the same
//! texts once.
//!
//! `MIYABI_BENCH_RECORDS` (`1000,10000,100000`) makes it smaller. `MIYABI_BENCH_QDRANT=http://localhost:6334` measures a
//! Qdrant server beside it, in collections that are deleted afterwards. Texts are made of words of a fixed list by a fixed
//! rule. `words` searches by words alone; `fused` with vectors of 384 numbers by a maker that only hashes: it shows what
//! vectors cost, and says nothing of how good they are. "filtered" is p95 with the filter that a run asks with.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark is told its size by the environment and reports to the terminal"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use miyabi_core::failure::Failure;
use miyabi_core::ids::RunId;
use miyabi_core::knowledge::{Mark, Memory, Query, Record, RecordFilter, RecordKind};
use miyabi_core::ports::{Embedder, Knowledge, Maker};
use miyabi_core::redact::Redactor;
use miyabi_retrieval::{KnowledgeIndex, LocalShelf, QdrantSettings, QdrantShelf, Shelf};
use miyabi_testkit::fixtures;
use qdrant_client::Qdrant;

const DIMENSIONS: usize = 384;
const QUERIES: u64 = 200;

fn main() {
    let sizes = std::env::var("MIYABI_BENCH_RECORDS").unwrap_or_else(|_| "1000,10000,100000".to_owned());
    let sizes: Vec<u64> = sizes.split(',').map(|size| size.trim().parse().unwrap()).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!(
        "{:<24} {:>9} {:>11} {:>8} {:>8} {:>8} {:>11} {:>9} {:>9}",
        "index", "fill s", "read s", "ratio", "p50 ms", "p95 ms", "filtered ms", "disk MB", "memory MB"
    );
    for size in sizes {
        for fused in [false, true] {
            runtime.block_on(measure_local(size, fused));
            if let Ok(url) = std::env::var("MIYABI_BENCH_QDRANT") {
                runtime.block_on(measure_server(size, fused, &url));
            }
        }
    }
}

fn maker() -> Maker {
    Maker { name: "hash".to_owned(), dimensions: DIMENSIONS }
}

async fn measure_local(size: u64, fused: bool) {
    let folder = tempfile::tempdir().unwrap();
    let maker = maker();
    let shelf = LocalShelf::open(folder.path(), fused.then_some(&maker)).unwrap();
    measure("", Arc::new(shelf), size, fused).await;
}

async fn measure_server(size: u64, fused: bool, url: &str) {
    let prefix = format!("miyabi-bench-{}", std::process::id());
    let timeout = Duration::from_secs(600);
    let settings = QdrantSettings {
        url: url.to_owned(),
        api_key: None,
        prefix: prefix.clone(),
        timeout,
        maker: fused.then(maker),
    };
    let shelf = QdrantShelf::open(settings).await.unwrap();
    measure("server, ", Arc::new(shelf), size, fused).await;
    let client = Qdrant::from_url(url).timeout(timeout).skip_compatibility_check().build().unwrap();
    for collection in client.list_collections().await.unwrap().collections {
        if collection.name.starts_with(&prefix) {
            client.delete_collection(collection.name).await.unwrap();
        }
    }
}

async fn measure(place: &str, shelf: Arc<dyn Shelf>, size: u64, fused: bool) {
    let embedder = fused.then(|| Arc::new(Hashing(maker())) as Arc<dyn Embedder>);
    let before = resident();
    let index = KnowledgeIndex::new(Arc::clone(&shelf), embedder, Arc::new(Redactor::new([])));

    let begun = Instant::now();
    let bytes: usize = (0..size).map(|n| text(n).bytes().filter(|byte| *byte != b' ').count()).sum();
    let read = begun.elapsed();
    assert!(bytes > 0);

    let begun = Instant::now();
    for from in (0..size).step_by(1_000) {
        let some: Vec<Memory> = (from..(from + 1_000).min(size)).map(memory).collect();
        index.remember("bench", &some).await.unwrap();
    }
    let fill = begun.elapsed();

    let all = asked(&index, size, &RecordFilter::default()).await;
    // As a run asks: of the repositories that it may see, and not of itself.
    let repos = Some(vec!["bench".to_owned(), "other/*".to_owned()]);
    let not_run = Some(RunId::new("run-00000007"));
    let some = asked(&index, size, &RecordFilter { repos, not_run, ..RecordFilter::default() }).await;
    let at = |times: &[Duration], part: usize| times[times.len() * part / 100].as_secs_f64() * 1000.0;
    let stats = shelf.stats().await.unwrap();
    assert_eq!(stats.runs, size);
    println!(
        "{:<24} {:>9.2} {:>11.3} {:>8.1} {:>8.2} {:>8.2} {:>11.2} {:>9.1} {:>9.1}",
        format!("{size} {place}{}", if fused { "fused" } else { "words" }),
        fill.as_secs_f64(),
        read.as_secs_f64(),
        fill.as_secs_f64() / read.as_secs_f64(),
        at(&all, 50),
        at(&all, 95),
        at(&some, 95),
        stats.bytes.map_or(f64::NAN, |bytes| bytes as f64 / 1e6),
        resident().saturating_sub(before) as f64 / 1e6,
    );
}

/// How long each query took, the quickest first.
async fn asked(index: &KnowledgeIndex, size: u64, filter: &RecordFilter) -> Vec<Duration> {
    let mut times: Vec<Duration> = Vec::new();
    for n in 0..QUERIES {
        let text = text(n.wrapping_mul(7_919) % size).split(' ').take(8).collect::<Vec<_>>().join(" ");
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let query = Query { text, filter: filter.clone(), limit: 10, now };
        let begun = Instant::now();
        let found = index.search(&query).await.unwrap();
        times.push(begun.elapsed());
        assert!(!found.hits.is_empty() && found.lacks.is_empty());
    }
    times.sort_unstable();
    times
}

fn memory(n: u64) -> Memory {
    let run = RunId::new(format!("run-{n:08}"));
    let record = Record {
        repo: "bench".to_owned(),
        number: n,
        issue: n,
        agent: "claude".to_owned(),
        at: Timestamp::from_second(1_700_000_000 + i64::try_from(n).unwrap()).unwrap(),
        title: text(n).split(' ').take(6).collect::<Vec<_>>().join(" "),
        text: text(n),
        files: vec![format!("src/part_{}/file_{}.rs", n % 97, n % 1_009)],
        ..fixtures::record(run.clone(), RecordKind::Outcome)
    };
    Memory { run, mark: Mark { events: 1, ended: true }, records: vec![record] }
}

/// About 120 words of 20,000, the first ones much more often than the last ones, as in real texts. The 50 most frequent
/// are not among them: those are words that say nothing, which no search looks for.
fn text(n: u64) -> String {
    let mut state = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let mut words = Vec::with_capacity(120);
    for _ in 0..120 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let part = (state >> 40) as f64 / f64::from(1u32 << 24);
        words.push(word((50.0 * 400f64.powf(part)) as u64));
    }
    words.join(" ")
}

/// A word of its own for each number: one in ten is Japanese, one in ten a name of two parts.
fn word(number: u64) -> String {
    let syllables =
        ["ba", "de", "fi", "go", "ku", "la", "me", "ni", "po", "ru", "sa", "te", "vi", "wo", "zu"];
    let signs = ["認", "証", "画", "面", "保", "存", "検", "索", "設", "定", "通", "知", "期", "限", "承"];
    let of = |table: [&str; 15]| -> String {
        let places = [number / 3_375, number / 225, number / 15, number];
        places.map(|place| table[(place % 15) as usize]).concat()
    };
    match number % 10 {
        0 => of(signs),
        1 => format!("{}_{}", of(syllables), ["id", "path", "name"][(number % 3) as usize]),
        _ => of(syllables),
    }
}

struct Hashing(Maker);

#[async_trait]
impl Embedder for Hashing {
    fn maker(&self) -> &Maker {
        &self.0
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, Failure> {
        Ok(texts.iter().map(|text| hashed(text)).collect())
    }
}

fn hashed(text: &str) -> Vec<f32> {
    let mut numbers = vec![0f32; DIMENSIONS];
    for word in text.split_whitespace() {
        let mut hash = word.bytes().fold(1_469_598_103_934_665_603u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(1_099_511_628_211)
        });
        for _ in 0..8 {
            hash = hash.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            numbers[(hash >> 33) as usize % DIMENSIONS] += if hash & (1 << 60) == 0 { 1.0 } else { -1.0 };
        }
    }
    let length = numbers.iter().map(|number| number * number).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    numbers.iter_mut().for_each(|number| *number /= length);
    numbers
}

/// Memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}
