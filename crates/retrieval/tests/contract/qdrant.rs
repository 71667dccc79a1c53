//! What only a shelf on a server can meet: wrong keys, servers that are old, busy, gone or killed, and others' data.

use miyabi_core::ports::Maker;
use std::collections::BTreeMap;

use miyabi_core::failure::FailureClass;
use miyabi_core::knowledge::RecordKind;
use miyabi_retrieval::{AVERAGE_TERMS, B, Chunk, K1, QdrantSettings, QdrantShelf, Shelf};
use secrecy::SecretString;

use crate::maker;
use crate::stand_in::{Server, open};
use crate::things::{SHOP, any, chunk, mark, names, pointing, put, record, run, search};

fn made_by(name: &str, dimensions: usize) -> Option<Maker> {
    Some(Maker { name: name.to_owned(), dimensions })
}

/// More parts than one request holds.
fn many(text: &str) -> Vec<Chunk> {
    let issue = record("run-1", RecordKind::Issue);
    (0..150).map(|place| chunk(&issue, place, &format!("{text} {place}"))).collect()
}

#[tokio::test]
async fn a_wrong_key_is_told_and_never_shown() {
    let Some(server) = Server::start(&["--key", "right-key"]) else { return };
    for key in [None, Some("wrong-key")] {
        let api_key = key.map(|key| SecretString::from(key.to_owned()));
        let settings = QdrantSettings { api_key, ..server.settings("miyabi", None) };
        assert!(!format!("{settings:?}").contains("wrong-key"));
        let failure = QdrantShelf::open(settings).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Input, "{failure}");
        assert!(failure.hint.as_ref().unwrap().contains("API key"), "{failure:?}");
        assert!(!format!("{failure:?}").contains("wrong-key"), "{failure:?}");
    }
    let api_key = Some(SecretString::from("right-key".to_owned()));
    let shelf =
        QdrantShelf::open(QdrantSettings { api_key, ..server.settings("miyabi", None) }).await.unwrap();
    assert!(!format!("{shelf:?}").contains("right-key"));
    put(&shelf, "run-1", &["apple"]).await;
    assert_eq!(search(&shelf, &["apple"], &any()).await.len(), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let Some(server) = Server::start(&[]) else { return };
    let settings = QdrantSettings { url: format!("http://{free}"), ..server.settings("miyabi", None) };
    let failure = QdrantShelf::open(settings).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Unavailable);
    let told = format!("cannot reach Qdrant at http://{free}: nothing listens there (connection refused)");
    assert_eq!(failure.message, told);

    let shelf = open(server.settings("miyabi", None)).await.unwrap();
    drop(server);
    let failure = shelf.marks(SHOP).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Unavailable, "{failure}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_not_asked_for_ever() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let taken = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let held = std::sync::Arc::clone(&taken);
    std::thread::spawn(move || listener.incoming().for_each(|it| held.lock().unwrap().push(it.unwrap())));
    let timeout = std::time::Duration::from_millis(500);
    let settings =
        QdrantSettings { url: url.clone(), api_key: None, prefix: "miyabi".to_owned(), timeout, maker: None };
    let failure = QdrantShelf::open(settings.clone()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Unavailable, "{failure}");
    assert!(failure.message.contains(&url), "{failure}");
    QdrantShelf::look(settings).await.unwrap_err();
    // The client itself connects once more; nothing else is tried again.
    let connections = taken.lock().unwrap().len();
    assert!((2..=4).contains(&connections), "{connections}");
}

#[tokio::test]
async fn looking_makes_nothing() {
    let Some(server) = Server::start(&[]) else { return };
    let (what, place) = QdrantShelf::look(server.settings("miyabi", None)).await.unwrap();
    assert_eq!(what, "Qdrant 1.20.0, collection miyabi-words, not made yet");
    assert_eq!(place, format!("http://localhost:{}", server.port));
    assert!(server.client().list_collections().await.unwrap().collections.is_empty());
    open(server.settings("miyabi", None)).await.unwrap();
    let (what, _) = QdrantShelf::look(server.settings("miyabi", None)).await.unwrap();
    assert_eq!(what, "Qdrant 1.20.0, collection miyabi-words");
}

#[tokio::test]
async fn what_a_killed_server_had_half_of_is_made_whole_the_next_time() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    let Some(server) = Server::start(&["--folder", folder]) else { return };
    let port = server.port.to_string();
    let settings = server.settings("miyabi", Some(maker()));
    let shelf = open(settings.clone()).await.unwrap();
    put(&*shelf, "run-0", &["apple"]).await;
    shelf.replace(SHOP, &run("run-1"), mark(1), &many("old")).await.unwrap();
    drop(server);

    let Some(mut server) = Server::start(&["--folder", folder, "--port", &port, "--die-at", "2"]) else {
        return;
    };
    let failure = shelf.replace(SHOP, &run("run-1"), mark(2), &many("new")).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Unavailable, "{failure}");
    server.is_gone();

    let Some(_server) = Server::start(&["--folder", folder, "--port", &port]) else { return };
    assert_eq!(
        shelf.marks(SHOP).await.unwrap(),
        BTreeMap::from([(run("run-0"), mark(1))]),
        "not half a run's"
    );
    let half = search(&*shelf, &["new"], &any()).await.len();
    assert!((1..150).contains(&half), "{half}");
    shelf.replace(SHOP, &run("run-1"), mark(2), &many("new")).await.unwrap();
    assert_eq!(shelf.marks(SHOP).await.unwrap()[&run("run-1")], mark(2));
    assert!(search(&*shelf, &["old"], &any()).await.is_empty());
    assert_eq!(shelf.stats().await.unwrap().chunks, 151);
    // What was there before the kill is there.
    assert_eq!(names(&search(&*open(settings).await.unwrap(), &["apple"], &any()).await), ["run-0/issue"]);
}

#[tokio::test]
async fn vectors_of_another_size_are_refused_and_nothing_is_dropped() {
    let Some(server) = Server::start(&[]) else { return };
    let shelf = open(server.settings("miyabi", made_by("model", 4))).await.unwrap();
    let part = pointing(chunk(&record("run-1", RecordKind::Issue), 0, "apple"), [1.0, 0.0, 0.0, 0.0]);
    shelf.replace(SHOP, &run("run-1"), mark(1), &[part]).await.unwrap();

    let failure = QdrantShelf::open(server.settings("miyabi", made_by("model", 8))).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Input);
    let told = &failure.message;
    assert!(told.contains("holds vectors of 4 numbers, and model (8 dimensions) is set"), "{told}");
    assert!(told.contains("miyabi-model-"), "{told}");
    assert!(failure.hint.is_some());
    assert_eq!(shelf.stats().await.unwrap().vectors, 1);
    let failure = shelf.dense(&[1.0; 8], &any(), 1).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Internal, "{failure}");
}

#[tokio::test]
async fn another_makers_data_is_not_touched() {
    let Some(server) = Server::start(&[]) else { return };
    let east = [1.0, 0.0, 0.0, 0.0];
    let part = pointing(chunk(&record("run-1", RecordKind::Issue), 0, "apple"), east);
    let parts = [part];
    let first = open(server.settings("miyabi", made_by("a/model", 4))).await.unwrap();
    let second = open(server.settings("miyabi", made_by("a-model", 4))).await.unwrap();
    let words = open(server.settings("miyabi", None)).await.unwrap();
    for shelf in [&first, &second, &words] {
        assert!(shelf.marks(SHOP).await.unwrap().is_empty());
        shelf.replace(SHOP, &run("run-1"), mark(1), &parts).await.unwrap();
        assert_eq!(search(&**shelf, &["apple"], &any()).await.len(), 1);
    }
    assert_eq!(words.stats().await.unwrap().vectors, 0);
    assert!(words.dense(&east, &any(), 5).await.unwrap().is_empty());
    assert!(words.vectors(&[parts[0].content]).await.unwrap().is_empty());
    second.forget(SHOP).await.unwrap();
    words.forget(SHOP).await.unwrap();
    assert_eq!(first.dense(&east, &any(), 5).await.unwrap().len(), 1);
    assert_eq!(first.marks(SHOP).await.unwrap().len(), 1);
}

/// A chunk's part of BM25.
fn part(times: f32, length: f32) -> f32 {
    times * (K1 + 1.0) / (times + K1 * (1.0 - B + B * length / AVERAGE_TERMS))
}

#[tokio::test]
async fn words_are_ranked_by_bm25_as_it_is_written() {
    let Some(server) = Server::start(&[]) else { return };
    let shelf = open(server.settings("miyabi", None)).await.unwrap();
    for number in 0..8 {
        let name = format!("run-{number}");
        put(&*shelf, &name, &["filler words", "more filler", "and more", "still more", "no end"]).await;
    }
    let long = format!("needle {}", "hay ".repeat(300));
    put(&*shelf, "run-9", &["needle in filler", "needle needle needle", &long]).await;
    let rarity = ((43.0 - 3.0 + 0.5) / (3.0 + 0.5) + 1.0_f32).ln();
    let found = search(&*shelf, &["needle"], &any()).await;
    assert_eq!(names(&found), ["run-9/plan", "run-9/issue", "run-9/attempt"]);
    for (hit, part) in found.iter().zip([part(3.0, 3.0), part(1.0, 3.0), part(1.0, 301.0)]) {
        assert!((hit.score - rarity * part).abs() < 1e-3, "{hit:?} {}", rarity * part);
    }
}

#[tokio::test]
async fn an_old_server_is_refused() {
    for (version, taken) in
        [("1.14.1", false), ("0.11.0", false), ("odd\u{1b}[31m", false), ("1.15.0-dev", true)]
    {
        let Some(server) = Server::start(&["--version", version]) else { return };
        let opened = QdrantShelf::open(server.settings("miyabi", None)).await;
        assert_eq!(opened.is_ok(), taken, "{version}");
        let Err(failure) = opened else { continue };
        assert_eq!(failure.class, FailureClass::Input);
        assert!(failure.message.contains("1.15 is needed"), "{failure}");
        assert!(!failure.message.contains('\u{1b}'));
        assert!(server.client().list_collections().await.unwrap().collections.is_empty());
    }
}

#[tokio::test]
async fn a_busy_server_is_asked_again_and_then_given_up() {
    let Some(server) = Server::start(&["--busy", "3"]) else { return };
    let shelf = open(server.settings("miyabi", None)).await.unwrap();
    put(&*shelf, "run-1", &["apple"]).await;
    assert_eq!(search(&*shelf, &["apple"], &any()).await.len(), 1);

    let Some(server) = Server::start(&["--busy", "1000"]) else { return };
    let shelf = open(server.settings("miyabi", None)).await.unwrap();
    let parts = [chunk(&record("run-1", RecordKind::Issue), 0, "apple")];
    let failure = shelf.replace(SHOP, &run("run-1"), mark(1), &parts).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Unavailable, "{failure}");
    assert!(shelf.marks(SHOP).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_collection_that_was_deleted_comes_back_empty() {
    let Some(server) = Server::start(&[]) else { return };
    let shelf = QdrantShelf::open(server.settings("miyabi", Some(maker()))).await.unwrap();
    put(&shelf, "run-1", &["apple"]).await;
    server.client().delete_collection(shelf.collection()).await.unwrap();

    assert!(shelf.marks(SHOP).await.unwrap().is_empty(), "so that everything is written again");
    put(&shelf, "run-1", &["apple"]).await;
    server.client().delete_collection(shelf.collection()).await.unwrap();
    put(&shelf, "run-2", &["apple"]).await;
    assert_eq!(names(&search(&shelf, &["apple"], &any()).await), ["run-2/issue"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_can_set_up_the_same_collection_at_once() {
    let Some(server) = Server::start(&[]) else { return };
    let opened: Vec<_> =
        (0..6).map(|_| tokio::spawn(open(server.settings("miyabi", Some(maker()))))).collect();
    for shelf in opened {
        let shelf = shelf.await.unwrap().unwrap();
        put(&*shelf, "run-1", &["apple"]).await;
        assert_eq!(shelf.stats().await.unwrap().runs, 1);
    }
    assert_eq!(server.client().list_collections().await.unwrap().collections.len(), 1);
}

#[tokio::test]
async fn a_collection_of_somebody_else_is_left_alone() {
    use qdrant_client::qdrant::{CreateCollectionBuilder, Distance, VectorParamsBuilder};
    let Some(server) = Server::start(&[]) else { return };
    let theirs = CreateCollectionBuilder::new("miyabi-words")
        .vectors_config(VectorParamsBuilder::new(4, Distance::Dot));
    server.client().create_collection(theirs).await.unwrap();
    let failure = QdrantShelf::open(server.settings("miyabi", None)).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Input);
    assert!(failure.message.contains("has no sparse vector `words`"), "{failure}");
    assert!(failure.hint.unwrap().contains("prefix"));
}

/// Runs in a process of its own, in which the system's authorities are those of the test.
#[tokio::test]
#[ignore = "started by another test: `tls_with_an_authority_that_the_system_knows`"]
async fn tls_here() {
    let url = crate::stand_in::told("MIYABI_TEST_TLS");
    let api_key = Some(SecretString::from("key".to_owned()));
    let timeout = std::time::Duration::from_secs(20);
    let settings = QdrantSettings { url, api_key, prefix: "miyabi".to_owned(), timeout, maker: None };
    let shelf = open(settings).await.unwrap();
    put(&*shelf, "run-1", &["apple"]).await;
    assert_eq!(search(&*shelf, &["apple"], &any()).await.len(), 1);
}

#[tokio::test]
async fn tls_with_an_authority_that_the_system_knows() {
    let folder = tempfile::tempdir().unwrap();
    let Some((cert, key)) = crate::stand_in::certificate(folder.path()) else { return };
    let Some(server) = Server::start(&["--key", "key", "--tls", &cert, &key]) else { return };
    let mut settings = server.settings("miyabi", None);
    assert!(settings.url.starts_with("https://"));
    settings.api_key = Some(SecretString::from("key".to_owned()));
    let failure = QdrantShelf::open(settings.clone()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Input, "{failure}");
    assert!(failure.message.contains("certificate"), "{failure}");

    crate::stand_in::again(
        "qdrant::tls_here",
        &[("SSL_CERT_FILE", &cert), ("MIYABI_TEST_TLS", &settings.url)],
    );

    let plain = settings.url.replace("https", "http");
    let failure = QdrantShelf::open(QdrantSettings { url: plain, ..settings }).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Unavailable, "{failure}");
}
