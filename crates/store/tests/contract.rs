//! The store keeps the contracts of its ports, on a disk and in memory.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::cell::Cell;

use miyabi_store::SqliteStore;
use miyabi_testkit::contract;
use tempfile::TempDir;

/// A folder that gives a new file-backed store each time.
struct Folder {
    dir: TempDir,
    made: Cell<u32>,
}

impl Folder {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), made: Cell::new(0) }
    }

    fn store(&self) -> SqliteStore {
        self.made.set(self.made.get() + 1);
        SqliteStore::open(self.dir.path().join(format!("{}.db", self.made.get()))).unwrap()
    }
}

fn in_memory() -> SqliteStore {
    SqliteStore::in_memory().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_on_disk() {
    let folder = Folder::new();
    contract::log(|| folder.store()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_on_disk() {
    let folder = Folder::new();
    contract::runs(|| folder.store()).await;
}

#[tokio::test]
async fn facts_on_disk() {
    let folder = Folder::new();
    contract::facts(|| folder.store()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_records_on_disk() {
    let folder = Folder::new();
    contract::local_records(|| folder.store()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_in_memory() {
    contract::store(in_memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_records_in_memory() {
    contract::local_records(in_memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_on_disk() {
    let folder = Folder::new();
    contract::deliveries(|| folder.store()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_in_memory() {
    contract::deliveries(in_memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stories_on_disk() {
    let folder = Folder::new();
    contract::stories(|| folder.store()).await;
}

#[tokio::test]
async fn stories_in_memory() {
    contract::stories(in_memory).await;
}
