//! The double keeps the contracts that the real store keeps.

use miyabi_testkit::{MemoryStore, contract};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log() {
    contract::log(MemoryStore::new).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs() {
    contract::runs(MemoryStore::new).await;
}

#[tokio::test]
async fn facts() {
    contract::facts(MemoryStore::new).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_records() {
    contract::local_records(MemoryStore::new).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries() {
    contract::deliveries(MemoryStore::new).await;
}

#[tokio::test]
async fn stories() {
    contract::stories(MemoryStore::new).await;
}
