//! What is not asked for is not found, whichever way it is looked for.

use std::collections::BTreeSet;

use miyabi_core::knowledge::{Record, RecordFilter, RecordId, RecordKind};
use miyabi_core::status::Status;
use miyabi_retrieval::Shelf;

use crate::Given;
use crate::things::{any, chunk, mark, pointing, put, record, run, search};

/// The records of a filter, found in each of the three ways; all find the same.
async fn found(shelf: &dyn Shelf, filter: &RecordFilter) -> Vec<String> {
    let by_words: BTreeSet<RecordId> =
        search(shelf, &["apple"], filter).await.into_iter().map(|it| it.record).collect();
    let near = shelf.dense(&[1.0, 0.0, 0.0, 0.0], filter, 50).await.unwrap();
    let near: BTreeSet<RecordId> = near.into_iter().map(|it| it.record).collect();
    let ids = shelf.ids(filter, None, 50).await.unwrap();
    assert_eq!(by_words, near, "{filter:?}");
    assert_eq!(by_words.into_iter().collect::<Vec<_>>(), ids, "{filter:?}");
    ids.iter().map(|id| id.as_str().to_owned()).collect()
}

async fn put_record(shelf: &dyn Shelf, record: &Record) {
    let part = pointing(chunk(record, 0, "apple"), [1.0, 0.5, 0.0, 0.0]);
    let rest = pointing(chunk(record, 1, "apple again"), [1.0, 0.6, 0.0, 0.0]);
    shelf.replace(&record.repo, &record.run, mark(1), &[part, rest]).await.unwrap();
}

pub(crate) async fn each_filter_holds(shelf: Given) {
    let mut records = Vec::new();
    for (number, (kind, agent, outcome, at)) in [
        (RecordKind::Issue, "", Status::Succeeded, "2026-01-01T00:00:00Z"),
        (RecordKind::Attempt, "claude", Status::Failed, "2026-02-01T00:00:00Z"),
        (RecordKind::Attempt, "codex", Status::Succeeded, "2026-03-01T00:00:00.5Z"),
        (RecordKind::Outcome, "claude", Status::Cancelled, "2026-04-01T00:00:00Z"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut one = record(&format!("run-{number}"), kind);
        (one.agent, one.outcome, one.at) = (agent.to_owned(), outcome, at.parse().unwrap());
        put_record(&*shelf, &one).await;
        records.push(one);
    }
    let since = |at: &str| Some(at.parse().unwrap());
    let filters = [
        any(),
        RecordFilter { kinds: vec![RecordKind::Attempt], ..any() },
        RecordFilter { kinds: vec![RecordKind::Issue, RecordKind::Outcome], ..any() },
        RecordFilter { kinds: vec![RecordKind::Review], ..any() },
        RecordFilter { agent: Some("claude".to_owned()), ..any() },
        RecordFilter { agent: Some(String::new()), ..any() },
        RecordFilter { agent: Some("clau".to_owned()), ..any() },
        RecordFilter { outcome: Some(Status::Succeeded), ..any() },
        RecordFilter { outcome: Some(Status::Queued), ..any() },
        RecordFilter { since: since("2026-02-01T00:00:00Z"), ..any() },
        RecordFilter { since: since("2026-03-01T00:00:00.5Z"), ..any() },
        RecordFilter { since: since("2026-03-01T00:00:00.501Z"), ..any() },
        RecordFilter { not_run: Some(run("run-1")), ..any() },
        RecordFilter { not_run: Some(run("run-9")), ..any() },
        RecordFilter {
            kinds: vec![RecordKind::Attempt],
            outcome: Some(Status::Succeeded),
            since: since("2026-02-01T00:00:00Z"),
            not_run: Some(run("run-1")),
            repos: Some(vec!["alice/*".to_owned()]),
            ..any()
        },
    ];
    for filter in &filters {
        let wanted: Vec<&str> =
            records.iter().filter(|it| filter.lets(it)).map(|it| it.id.as_str()).collect();
        assert_eq!(found(&*shelf, filter).await, wanted, "{filter:?}");
    }
}

pub(crate) async fn patterns_of_repos(shelf: Given) {
    let mut records = Vec::new();
    for (number, repo) in
        ["alice/shop", "alice/web", "bob/shop", "alice/shop-2", "店/かご"].iter().enumerate()
    {
        let mut one = record(&format!("run-{number}"), RecordKind::Issue);
        one.repo = (*repo).to_owned();
        put_record(&*shelf, &one).await;
        records.push(one);
    }
    let cases: &[&[&str]] = &[
        &["alice/shop"],
        &["alice/*"],
        &["*/shop"],
        &["*"],
        &["a*e/*h*p"],
        &["店/*"],
        &["bob/*", "alice/web"],
        &["nobody/*"],
        &["alice"],
        &["alice/*", "nobody"],
        &[],
    ];
    for patterns in cases {
        let repos = Some(patterns.iter().map(|it| (*it).to_owned()).collect());
        let filter = RecordFilter { repos, ..any() };
        let wanted: Vec<&str> =
            records.iter().filter(|it| filter.lets(it)).map(|it| it.id.as_str()).collect();
        assert_eq!(found(&*shelf, &filter).await, wanted, "{patterns:?}");
    }
}

pub(crate) async fn ids_in_order(shelf: Given) {
    let mut wanted = Vec::new();
    // One name begins with another, and what follows is before or behind the `/`.
    for name in ["run-10", "run-1", "run-1-a", "run-2", "run-1.b", "0run", "走る", "zz"] {
        put(&*shelf, name, &["a", "b", "c", "d"]).await;
        wanted.extend(
            RecordKind::ALL[..4].iter().map(|kind| RecordId::new(format!("{name}/{}", kind.as_str()))),
        );
    }
    wanted.sort();
    for size in [1, 3, 5, 100] {
        let mut ids: Vec<RecordId> = Vec::new();
        loop {
            let page = shelf.ids(&any(), ids.last(), size).await.unwrap();
            if page.is_empty() {
                break;
            }
            assert!(page.len() <= size);
            ids.extend(page);
        }
        assert_eq!(ids, wanted, "{size} at a time");
    }
    // From a place where nothing is.
    let page = shelf.ids(&any(), Some(&RecordId::new("run-1/zzz")), 1).await.unwrap();
    assert_eq!(page, [RecordId::new("run-10/attempt")]);
    let plans = RecordFilter { kinds: vec![RecordKind::Plan], ..any() };
    let page = shelf.ids(&plans, Some(&RecordId::new("run-1/plan")), 2).await.unwrap();
    assert_eq!(page, [RecordId::new("run-10/plan"), RecordId::new("run-2/plan")]);
}

pub(crate) async fn records_that_were_given(shelf: Given) {
    let id = RecordId::new;
    for (name, given) in
        [("run-1", vec!["old/issue", "old/plan"]), ("run-2", vec!["old/plan"]), ("run-3", vec![])]
    {
        let mut attempt = record(name, RecordKind::Attempt);
        attempt.outcome = if name == "run-2" { Status::Failed } else { Status::Succeeded };
        attempt.given = given.into_iter().map(id).collect();
        put_record(&*shelf, &attempt).await;
    }
    let told = |records: Vec<Record>| {
        let mut told: Vec<(String, Status)> =
            records.into_iter().map(|it| (it.id.as_str().to_owned(), it.outcome)).collect();
        told.sort();
        told
    };
    let (one, two) =
        (("run-1/attempt".to_owned(), Status::Succeeded), ("run-2/attempt".to_owned(), Status::Failed));
    let of = |ids: &'static [&str]| {
        let shelf = shelf.clone();
        async move { shelf.given(&ids.iter().map(|it| id(it)).collect::<Vec<_>>()).await.unwrap() }
    };
    assert_eq!(told(of(&["old/issue"]).await), std::slice::from_ref(&one));
    assert_eq!(told(of(&["old/plan", "old/issue"]).await), [one, two], "each once");
    assert_eq!(told(of(&["old"]).await), []);
}
