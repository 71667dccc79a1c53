//! What is put on a shelf stays as it was put, and nothing else is there.

use std::collections::{BTreeMap, BTreeSet};

use miyabi_core::knowledge::{Mark, RecordId, RecordKind};
use miyabi_retrieval::{Chunk, ChunkId, Content, RunChunks};

use crate::Given;
use crate::things::{SHOP, any, chunk, mark, names, pointing, put, record, run, search};

/// A chunk as shelves give it back.
fn plain(chunk: &Chunk) -> Chunk {
    Chunk { terms: Vec::new(), vector: None, ..chunk.clone() }
}

fn sorted(mut chunks: Vec<Chunk>) -> Vec<Chunk> {
    chunks.sort_by_key(|chunk| chunk.id);
    chunks
}

pub(crate) async fn what_is_put_is_found(shelf: Given) {
    let mut plan = record("run-1", RecordKind::Attempt);
    plan.step = Some(miyabi_core::ids::StepId::new("code-1"));
    plan.given = vec![RecordId::new("run-0/outcome"), RecordId::new("run-0/issue")];
    plan.at = "2026-05-01T10:00:00.123456Z".parse().unwrap();
    let chunks = vec![
        chunk(&record("run-1", RecordKind::Issue), 0, "the cart forgets a coupon"),
        pointing(chunk(&plan, 0, "keep the coupon"), [1.0, 0.0, 0.0, 0.0]),
        chunk(&plan, 1, "when the cart is loaded"),
    ];
    shelf.replace(SHOP, &run("run-1"), mark(3), &chunks).await.unwrap();

    let found = search(&*shelf, &["coupon"], &any()).await;
    let ids: BTreeSet<ChunkId> = found.iter().map(|it| it.id).collect();
    assert_eq!(ids, BTreeSet::from([chunks[0].id, chunks[1].id]));
    for hit in &found {
        let of = chunks.iter().find(|chunk| chunk.id == hit.id).unwrap();
        assert_eq!(hit.record, of.record.id);
    }

    let ids: Vec<ChunkId> = chunks.iter().map(|chunk| chunk.id).chain([ChunkId([9; 16])]).collect();
    let here = shelf.chunks(&ids).await.unwrap();
    assert_eq!(sorted(here), sorted(chunks.iter().map(plain).collect()));
    let here = shelf.of_records(&[plan.id, RecordId::new("run-9/issue")]).await.unwrap();
    assert_eq!(sorted(here), sorted(chunks[1..].iter().map(plain).collect()));
    assert!(!shelf.name().is_empty());
}

pub(crate) async fn old_parts_go(shelf: Given) {
    put(&*shelf, "run-1", &["apple banana", "cherry"]).await;
    let other = put(&*shelf, "run-2", &["apple"]).await;
    let issue = record("run-1", RecordKind::Issue);
    let now = vec![chunk(&issue, 0, "banana only"), chunk(&issue, 1, "date")];
    shelf.replace(SHOP, &run("run-1"), mark(2), &now).await.unwrap();

    assert_eq!(names(&search(&*shelf, &["apple"], &any()).await), ["run-2/issue"]);
    assert!(search(&*shelf, &["cherry"], &any()).await.is_empty());
    assert_eq!(names(&search(&*shelf, &["date"], &any()).await), ["run-1/issue"]);
    let here = shelf.of_records(&[issue.id.clone(), RecordId::new("run-1/plan")]).await.unwrap();
    assert_eq!(sorted(here), sorted(now.iter().map(plain).collect()));

    shelf.replace(SHOP, &run("run-1"), mark(3), &[]).await.unwrap();
    assert!(shelf.of_records(&[issue.id]).await.unwrap().is_empty());
    assert_eq!(shelf.chunks(&[other[0].id]).await.unwrap().len(), 1);
}

pub(crate) async fn marks_say_how_much_is_here(shelf: Given) {
    assert!(shelf.marks(SHOP).await.unwrap().is_empty());
    put(&*shelf, "run-1", &["one"]).await;
    let going = Mark { events: 5, ended: false };
    shelf.replace(SHOP, &run("run-2"), going, &[]).await.unwrap();
    let mut elsewhere = record("run-3", RecordKind::Issue);
    elsewhere.repo = "bob/web".to_owned();
    let parts = [chunk(&elsewhere, 0, "two")];
    shelf.replace("bob/web", &run("run-3"), mark(8), &parts).await.unwrap();

    let marks = BTreeMap::from([(run("run-1"), mark(1)), (run("run-2"), going)]);
    assert_eq!(shelf.marks(SHOP).await.unwrap(), marks);
    assert_eq!(shelf.marks("bob/web").await.unwrap(), BTreeMap::from([(run("run-3"), mark(8))]));
    assert!(shelf.marks("alice").await.unwrap().is_empty());

    shelf.replace(SHOP, &run("run-2"), mark(9), &[]).await.unwrap();
    assert_eq!(shelf.marks(SHOP).await.unwrap()[&run("run-2")], mark(9));
    // They are nothing that is found.
    assert_eq!(shelf.ids(&any(), None, 10).await.unwrap().len(), 2);
    assert!(search(&*shelf, &["mark", "alice/shop", "run-2"], &any()).await.is_empty());
}

pub(crate) async fn a_run_goes_with_its_repo(shelf: Given) {
    put(&*shelf, "run-1", &["apple", "banana"]).await;
    let mut renamed = record("run-1", RecordKind::Issue);
    renamed.repo = "alice/store".to_owned();
    let parts = [chunk(&renamed, 0, "apple")];
    shelf.replace("alice/store", &run("run-1"), mark(1), &parts).await.unwrap();
    assert!(shelf.marks(SHOP).await.unwrap().is_empty());
    assert_eq!(shelf.marks("alice/store").await.unwrap().len(), 1);
    assert!(search(&*shelf, &["banana"], &any()).await.is_empty());
    let stats = shelf.stats().await.unwrap();
    assert_eq!((stats.runs, stats.chunks), (1, 1));
}

pub(crate) async fn vectors_are_found_by_content(shelf: Given) {
    let same = "the same text";
    let first = pointing(chunk(&record("run-1", RecordKind::Issue), 0, same), [3.0, 4.0, 0.0, 0.0]);
    let second = pointing(chunk(&record("run-2", RecordKind::Issue), 0, same), [3.0, 4.0, 0.0, 0.0]);
    let bare = chunk(&record("run-2", RecordKind::Plan), 0, "without");
    shelf.replace(SHOP, &run("run-1"), mark(1), &[first]).await.unwrap();
    shelf.replace(SHOP, &run("run-2"), mark(1), &[second, bare]).await.unwrap();

    let asked = [Content::of(same), Content::of("without"), Content::of("never"), Content::of(same)];
    let found = shelf.vectors(&asked).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    let vector = &found[&Content::of(same)];
    for (is, wanted) in vector.iter().zip([0.6, 0.8, 0.0, 0.0]) {
        assert!((is - wanted).abs() < 1e-5, "{vector:?}");
    }
    assert!(shelf.vectors(&[]).await.unwrap().is_empty());
}

pub(crate) async fn twice_is_once(shelf: Given) {
    let chunks = put(&*shelf, "run-1", &["apple", "banana"]).await;
    let before = (shelf.stats().await.unwrap().chunks, search(&*shelf, &["apple"], &any()).await);
    shelf.replace(SHOP, &run("run-1"), mark(1), &chunks).await.unwrap();
    let after = (shelf.stats().await.unwrap().chunks, search(&*shelf, &["apple"], &any()).await);
    assert_eq!((before.0, names(&before.1)), (after.0, names(&after.1)));
    assert_eq!(after.0, 2);
}

pub(crate) async fn a_repo_is_forgotten(shelf: Given) {
    put(&*shelf, "run-1", &["apple"]).await;
    let mut other = record("run-2", RecordKind::Issue);
    other.repo = "alice/shop-2".to_owned();
    shelf.replace(&other.repo, &run("run-2"), mark(4), &[chunk(&other, 0, "apple")]).await.unwrap();

    shelf.forget(SHOP).await.unwrap();
    assert!(shelf.marks(SHOP).await.unwrap().is_empty());
    assert_eq!(shelf.marks(&other.repo).await.unwrap(), BTreeMap::from([(run("run-2"), mark(4))]));
    assert_eq!(names(&search(&*shelf, &["apple"], &any()).await), ["run-2/issue"]);
    shelf.forget("nobody/nothing").await.unwrap();
    assert_eq!(shelf.stats().await.unwrap().chunks, 1);
    // What was forgotten can come back.
    put(&*shelf, "run-1", &["apple"]).await;
    assert_eq!(search(&*shelf, &["apple"], &any()).await.len(), 2);
}

pub(crate) async fn what_is_here_is_counted(shelf: Given) {
    let empty = shelf.stats().await.unwrap();
    assert_eq!((empty.runs, empty.chunks, empty.vectors, empty.records.len()), (0, 0, 0, 0));
    let issue = record("run-1", RecordKind::Issue);
    let chunks = [
        pointing(chunk(&issue, 0, "a"), [1.0, 0.0, 0.0, 0.0]),
        chunk(&issue, 1, "b"),
        chunk(&record("run-1", RecordKind::Outcome), 0, "c"),
    ];
    shelf.replace(SHOP, &run("run-1"), mark(1), &chunks).await.unwrap();
    put(&*shelf, "run-2", &["d"]).await;
    let stats = shelf.stats().await.unwrap();
    assert_eq!((stats.runs, stats.chunks, stats.vectors), (2, 4, 1));
    let records = BTreeMap::from([("issue".to_owned(), 2), ("outcome".to_owned(), 1)]);
    assert_eq!(stats.records, records);
}

pub(crate) async fn nothing_is_asked(shelf: Given) {
    for _ in 0..2 {
        assert!(shelf.lexical(&[], &any(), 10).await.unwrap().is_empty());
        assert!(shelf.lexical(&[("apple".to_owned(), 1.0)], &any(), 0).await.unwrap().is_empty());
        assert!(shelf.lexical(&[("never".to_owned(), 1.0)], &any(), 10).await.unwrap().is_empty());
        assert!(shelf.dense(&[1.0, 0.0, 0.0, 0.0], &any(), 0).await.unwrap().is_empty());
        assert!(shelf.dense(&[1.0, 0.0, 0.0, 0.0], &any(), 10).await.unwrap().is_empty());
        assert!(shelf.chunks(&[]).await.unwrap().is_empty());
        assert!(shelf.of_records(&[]).await.unwrap().is_empty());
        assert!(shelf.given(&[]).await.unwrap().is_empty());
        assert!(shelf.ids(&any(), None, 0).await.unwrap().is_empty());
        put(&*shelf, "run-1", &["apple", ""]).await;
    }
    // A chunk without any word or vector is there all the same.
    assert_eq!(shelf.of_records(&[RecordId::new("run-1/plan")]).await.unwrap()[0].text, "");
}

pub(crate) async fn five_megabytes(shelf: Given) {
    let outcome = record("run-1", RecordKind::Outcome);
    let line = "line of a log 記録の行 that is not short\n";
    let part = line.repeat(2_000 / line.len());
    let count = u32::try_from(5_000_000 / part.len() + 1).unwrap();
    let chunks: Vec<Chunk> = (0..count)
        .map(|place| chunk(&outcome, place, &format!("{part}number-{place} ")))
        .map(|chunk| pointing(chunk, [1.0, 1.0, 0.0, 0.0]))
        .collect();
    let whole: String = chunks.iter().map(|chunk| chunk.text.as_str()).collect();
    assert!(whole.len() > 5_000_000);
    shelf.replace(SHOP, &run("run-1"), mark(1), &chunks).await.unwrap();

    let mut here = shelf.of_records(std::slice::from_ref(&outcome.id)).await.unwrap();
    here.sort_by_key(|chunk| chunk.place);
    let text: String = here.iter().map(|chunk| chunk.text.as_str()).collect();
    assert!(text == whole, "{} of {} bytes, or others", text.len(), whole.len());
    let found = search(&*shelf, &["number-1234"], &any()).await;
    assert_eq!(found.iter().map(|it| it.id).collect::<Vec<_>>(), [ChunkId::of(&outcome.id, 1234)]);
    assert_eq!(shelf.stats().await.unwrap().records["outcome"], 1);

    shelf.replace(SHOP, &run("run-1"), mark(2), &chunks[..3]).await.unwrap();
    assert_eq!(shelf.stats().await.unwrap().chunks, 3);
}

pub(crate) async fn odd_characters(shelf: Given) {
    let repo = "we ird/\"repo'\\{{x}}; DROP 店";
    let long = "x".repeat(20_000);
    let texts = [
        "nul \u{0} in between\r\n\ttab \u{1b}[31m",
        "right \u{202e} to left \u{feff} \u{fffd} \u{10ffff} 👩‍👩‍👧",
        "{{ template }} <script> %s ${HOME} ' \" \\ \\u0000",
        long.as_str(),
    ];
    let mut odd = record("run \u{0} \"1\"", RecordKind::Issue);
    odd.repo = repo.to_owned();
    odd.agent = "\u{202e}agent\n".to_owned();
    odd.title = texts[0].to_owned();
    odd.files = vec!["Nul\u{0}.rs".to_owned(), "a b/ü.rs".to_owned()];
    odd.url = String::new();
    odd.issue = 0;
    let chunks: Vec<Chunk> = texts.iter().zip(0..).map(|(text, place)| chunk(&odd, place, text)).collect();
    shelf.replace(repo, &odd.run, mark(1), &chunks).await.unwrap();

    let here = shelf.of_records(std::slice::from_ref(&odd.id)).await.unwrap();
    assert_eq!(sorted(here), sorted(chunks.iter().map(plain).collect()));
    assert_eq!(search(&*shelf, &[long.as_str()], &any()).await.len(), 1);
    let filter = miyabi_core::knowledge::RecordFilter {
        repos: Some(vec!["we ird/*店".to_owned()]),
        agent: Some(odd.agent.clone()),
        ..any()
    };
    assert_eq!(shelf.ids(&filter, None, 5).await.unwrap(), [odd.id]);
    assert_eq!(shelf.marks(repo).await.unwrap().into_keys().collect::<Vec<_>>(), [odd.run]);
}

pub(crate) async fn many_runs_at_once(shelf: Given) {
    let writes: Vec<_> = (0..8)
        .map(|number| {
            let shelf = shelf.clone();
            tokio::spawn(async move {
                let name = format!("run-{number}");
                put(&*shelf, &name, &["shared word", "another shared"]).await;
            })
        })
        .collect();
    for write in writes {
        write.await.unwrap();
    }
    assert_eq!(shelf.marks(SHOP).await.unwrap().len(), 8);
    assert_eq!(search(&*shelf, &["shared"], &any()).await.len(), 16);
}

pub(crate) async fn several_runs_go_together(shelf: Given) {
    put(&*shelf, "run-3", &["old apple", "older"]).await;
    put(&*shelf, "run-other", &["apple of another"]).await;
    // More runs, and more parts, than are sent at once.
    let mut runs: Vec<RunChunks> = (0..130)
        .map(|number| {
            let name = format!("run-{number}");
            let outcome = record(&name, RecordKind::Outcome);
            let chunks = vec![chunk(&outcome, 0, "apple"), chunk(&outcome, 1, &format!("number-{number}"))];
            RunChunks { run: run(&name), mark: mark(number), chunks }
        })
        .collect();
    let big = record("run-7", RecordKind::Outcome);
    runs[7].chunks = (0..2100).map(|place| chunk(&big, place, &format!("place-{place}"))).collect();
    runs[8].chunks.clear();
    shelf.replace_all(SHOP, &runs).await.unwrap();

    let marks = shelf.marks(SHOP).await.unwrap();
    assert_eq!(marks.len(), 131);
    assert_eq!((marks[&run("run-7")], marks[&run("run-129")]), (mark(7), mark(129)));
    assert_eq!(shelf.stats().await.unwrap().chunks, 128 * 2 + 2100 + 1);
    assert!(search(&*shelf, &["old"], &any()).await.is_empty());
    assert_eq!(names(&search(&*shelf, &["number-129"], &any()).await), ["run-129/outcome"]);
    assert_eq!(names(&search(&*shelf, &["another"], &any()).await), ["run-other/issue"]);
    assert_eq!(search(&*shelf, &["place-2099"], &any()).await.len(), 1);
    shelf.replace_all(SHOP, &[]).await.unwrap();
}
