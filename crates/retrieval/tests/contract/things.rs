//! Records and chunks to put on shelves.

use std::collections::BTreeMap;
use std::sync::Arc;

use miyabi_core::ids::RunId;
use miyabi_core::knowledge::{Mark, Record, RecordFilter, RecordKind};
use miyabi_retrieval::{Chunk, ChunkId, Content, Scored, Shelf};
use miyabi_testkit::fixtures;

/// A repo.
pub(crate) const SHOP: &str = "alice/shop";

/// A run's name.
pub(crate) fn run(name: &str) -> RunId {
    RunId::new(name)
}

/// A mark of so many events.
pub(crate) fn mark(events: u64) -> Mark {
    Mark { events, ended: true }
}

/// A record of a run of the shop; its text comes with its chunks.
pub(crate) fn record(run: &str, kind: RecordKind) -> Record {
    Record {
        repo: SHOP.to_owned(),
        number: 7,
        issue: 12,
        agent: "claude".to_owned(),
        at: "2026-05-01T10:00:00Z".parse().unwrap(),
        title: format!("{} of {run}", kind.as_str()),
        files: vec!["src/cart.rs".to_owned()],
        url: "https://example.org/alice/shop/issues/12".to_owned(),
        ..fixtures::record(RunId::new(run), kind)
    }
}

/// The words of a text: between spaces, and by three characters where it is not ASCII.
pub(crate) fn terms(text: &str) -> Vec<(String, u32)> {
    let mut counts = BTreeMap::new();
    for word in text.split_whitespace() {
        let letters: Vec<char> = word.to_lowercase().chars().collect();
        if word.is_ascii() || letters.len() < 3 {
            *counts.entry(letters.iter().collect()).or_insert(0) += 1;
        } else {
            for three in letters.windows(3) {
                *counts.entry(three.iter().collect()).or_insert(0) += 1;
            }
        }
    }
    counts.into_iter().collect()
}

/// A chunk of a record, without a vector.
pub(crate) fn chunk(record: &Record, place: u32, text: &str) -> Chunk {
    Chunk {
        id: ChunkId::of(&record.id, place),
        content: Content::of(text),
        record: Arc::new(record.clone()),
        place,
        text: text.to_owned(),
        terms: terms(text),
        vector: None,
    }
}

/// The same with a vector, made as long as 1.
pub(crate) fn pointing(mut chunk: Chunk, vector: [f32; 4]) -> Chunk {
    let length = vector.iter().map(|it| it * it).sum::<f32>().sqrt();
    chunk.vector = Some(vector.iter().map(|it| it / length).collect());
    chunk
}

/// Puts a run of the shop that holds one record for each of these texts, in the order of the kinds.
pub(crate) async fn put(shelf: &dyn Shelf, name: &str, texts: &[&str]) -> Vec<Chunk> {
    let chunks: Vec<Chunk> =
        texts.iter().zip(RecordKind::ALL).map(|(text, kind)| chunk(&record(name, kind), 0, text)).collect();
    assert!(texts.len() <= chunks.len(), "there are six kinds");
    shelf.replace(SHOP, &run(name), mark(1), &chunks).await.unwrap();
    chunks
}

/// Searches by words that weigh the same.
pub(crate) async fn search(shelf: &dyn Shelf, words: &[&str], filter: &RecordFilter) -> Vec<Scored> {
    let terms: Vec<(String, f32)> = words.iter().map(|word| ((*word).to_owned(), 1.0)).collect();
    shelf.lexical(&terms, filter, 50).await.unwrap()
}

/// The records that were found, in their order.
pub(crate) fn names(found: &[Scored]) -> Vec<&str> {
    found.iter().map(|it| it.record.as_str()).collect()
}

/// Every record.
pub(crate) fn any() -> RecordFilter {
    RecordFilter::default()
}
