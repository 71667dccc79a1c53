//! What is remembered of a run, and what agents are shown of it.

use miyabi_core::event::{EventBody, Gate};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::knowledge::{
    Found, Hit, Record, RecordFilter, RecordId, RecordKind, fits, past_work, records,
};
use miyabi_core::plan::Uses;
use miyabi_core::status::Status;
use miyabi_testkit::fixtures::{self, at, events, run_id};
use serde_json::json;

fn record(run: u64, kind: RecordKind) -> Record {
    Record {
        number: run,
        issue: 7,
        agent: "claude".to_owned(),
        title: format!("Title {run}"),
        text: "認証が失敗する".to_owned(),
        files: vec!["src/lib.rs".to_owned()],
        ..fixtures::record(run_id(run), kind)
    }
}

fn hit(record: Record, excerpt: &str) -> Hit {
    let (lexical, dense) = (None, None);
    let (matched, because) = (vec!["a".to_owned(), "b".to_owned()], Vec::new());
    Hit { record, score: 1.0, lexical, dense, matched, because, excerpt: excerpt.to_owned() }
}

#[test]
fn an_endless_text_ends() {
    let mut started = fixtures::run_started(fixtures::plan(&[Uses::Analyse]));
    started.issue.body = "認証 ".repeat(1_000_000);
    let log = events(&run_id(1), 0, [EventBody::RunStarted(Box::new(started))]);
    let issue = records(&log).unwrap().remove(0);
    assert_eq!((issue.kind, issue.text.chars().count()), (RecordKind::Issue, 200_000));
    assert!(issue.text.starts_with("認証 認証 "));
}

#[test]
fn a_log_becomes_records() {
    let run = run_id(1);
    let started = fixtures::run_started(fixtures::plan(&[Uses::Analyse]));
    let title = started.issue.title.clone();
    let wrong = Failure::new(FailureClass::BadAnswer, "complexity 12 is not between 0.0 and 10.0")
        .evidence(json!(["the answer: ${HOME}", { "line": 3 }]));
    let waits = Failure::new(FailureClass::Pending, "CI is still running");
    let bodies = [
        EventBody::RunStarted(Box::new(started)),
        EventBody::StepStarted { step: "analyse".into(), attempt: 1 },
        EventBody::StepFailed { step: "analyse".into(), attempt: 1, failure: wrong },
        EventBody::GateDecided {
            step: "analyse".into(),
            gate: Gate::Retry { at: at(3) },
            rule: "once more".to_owned(),
            numbers: Default::default(),
        },
        EventBody::StepStarted { step: "analyse".into(), attempt: 2 },
        EventBody::StepFailed { step: "analyse".into(), attempt: 2, failure: waits },
    ];
    let log = events(&run, 0, bodies);
    assert_eq!(records(&[]).unwrap(), []);
    let made = records(&log).unwrap();
    let kinds: Vec<_> = made.iter().map(|record| (record.id.as_str(), record.outcome)).collect();
    let (issue, attempt) = (format!("{run}/issue"), format!("{run}/attempt/analyse/1"));
    let outcome = format!("{run}/outcome");
    let expected = [
        (issue.as_str(), Status::Running),
        (attempt.as_str(), Status::Failed),
        (outcome.as_str(), Status::Running),
    ];
    assert_eq!(kinds, expected);
    assert!(
        made[2].text.contains("Lesson: analyse: ") && made[2].text.contains("complexity 12"),
        "{:?}",
        made[2]
    );
    assert_eq!(made[0].title, title);
    let text = &made[1].text;
    assert!(text.contains("complexity 12") && text.contains("- the answer: ${HOME}"), "{text}");
    assert_eq!(records(&log).unwrap(), made, "the same log makes the same records");
    assert!(records(&log[1..]).is_err(), "half a log is none");
}

#[test]
fn each_run_is_shown_once_with_what_became_of_it() {
    let mut end = record(1, RecordKind::Outcome);
    end.text = "the change was merged\nLesson: Add keys: failed with E0277".to_owned();
    end.outcome = Status::Failed;
    let found = Found {
        hits: vec![
            hit(record(1, RecordKind::Attempt), "the part"),
            hit(record(1, RecordKind::Issue), "of the same run"),
            hit(record(2, RecordKind::Issue), "another"),
        ],
        lacks: Vec::new(),
    };
    let past = past_work(&found, &[end.clone()], 1_000, 3);
    assert_eq!(past.runs.len(), 2);
    let first = &past.runs[0];
    assert_eq!((first.outcome, first.run.as_str()), (Status::Failed, "acme/shop run 1"));
    assert!(first.text.contains("Lesson: Add keys") && first.text.contains("(attempt): the part"));
    assert!(!first.text.contains("of the same run"));
    let given: Vec<&str> = past.given.iter().map(RecordId::as_str).collect();
    let ids = [record(1, RecordKind::Attempt).id, end.id, record(2, RecordKind::Issue).id];
    assert_eq!(given, ids.iter().map(RecordId::as_str).collect::<Vec<_>>());
    assert_eq!(past_work(&found, &[], 1_000, 1).runs.len(), 1);
}

#[test]
fn what_has_no_room_is_left_out_whole() {
    let long = hit(record(1, RecordKind::Issue), &"長い".repeat(300));
    let short = hit(record(2, RecordKind::Issue), "short");
    let found = Found { hits: vec![long, short], lacks: Vec::new() };
    let past = past_work(&found, &[], 200, 3);
    assert_eq!(past.runs.iter().map(|one| one.title.as_str()).collect::<Vec<_>>(), ["Title 2"]);
    assert_eq!(past_work(&found, &[], 0, 3), Default::default());
    assert_eq!(past_work(&found, &[], 10_000, 3).runs.len(), 2);
}

#[test]
fn what_hardly_fits_is_not_shown() {
    let mut weak = hit(record(1, RecordKind::Issue), "x");
    weak.matched = vec!["the".to_owned()];
    let found = Found { hits: vec![weak], lacks: Vec::new() };
    assert_eq!(past_work(&found, &[], 1_000, 3), Default::default());
}

#[test]
fn patterns_name_repos() {
    for (pattern, repo, fitting) in [
        ("acme/shop", "acme/shop", true),
        ("acme/shop", "acme/shop2", false),
        ("acme/*", "acme/shop", true),
        ("acme/*", "acme2/shop", false),
        ("*", "local/x", true),
        ("*/shop", "acme/shop", true),
        ("*/shop", "acme/shop-api", false),
        ("a*e/*p", "acme/shop", true),
        ("acme/shop*shop", "acme/shop", false),
        ("雅/*", "雅/店", true),
        ("", "acme/shop", false),
    ] {
        assert_eq!(fits(pattern, repo), fitting, "{pattern} {repo}");
    }
}

#[test]
fn filters_let_what_they_name() {
    let record = record(1, RecordKind::Attempt);
    let all = RecordFilter::default();
    assert!(all.lets(&record));
    let mut cases = vec![
        (RecordFilter { repos: Some(vec!["acme/*".to_owned()]), ..all.clone() }, true),
        (RecordFilter { repos: Some(Vec::new()), ..all.clone() }, false),
        (RecordFilter { kinds: vec![RecordKind::Attempt, RecordKind::Plan], ..all.clone() }, true),
        (RecordFilter { kinds: vec![RecordKind::Plan], ..all.clone() }, false),
        (RecordFilter { agent: Some("codex".to_owned()), ..all.clone() }, false),
        (RecordFilter { outcome: Some(Status::Failed), ..all.clone() }, false),
        (RecordFilter { not_run: Some(run_id(1)), ..all.clone() }, false),
        (RecordFilter { not_run: Some(run_id(2)), ..all.clone() }, true),
    ];
    cases.push((RecordFilter { since: Some(at(0)), ..all.clone() }, true));
    cases.push((RecordFilter { since: Some(at(1)), ..all }, false));
    for (filter, lets) in cases {
        assert_eq!(filter.lets(&record), lets, "{filter:?}");
    }
}
