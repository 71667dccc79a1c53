//! Beginning runs and listing them.

use std::sync::Arc;

use miyabi_core::event::EventBody;
use miyabi_core::failure::FailureClass;
use miyabi_core::ids::{IssueNumber, RunId};
use miyabi_core::ports::{Created, NewRun, RunFilter, RunRow, Store};
use miyabi_core::status::Status;
use tokio::task::JoinSet;

use super::broken;
use crate::fixtures::{REPO, at, event, events, new_run, run_id, step_started, step_succeeded};

/// What is true of runs: one live run for each repo and issue, numbers without gaps, and what the list shows.
pub async fn runs<S: Store + 'static>(make: impl Fn() -> S) {
    a_live_run_of_the_same_issue_is_joined(&make()).await;
    many_requests_for_one_issue_begin_one_run(make()).await;
    a_run_after_the_end_of_another_gets_the_next_number(&make()).await;
    repos_number_their_runs_separately(&make()).await;
    many_issues_at_once_get_numbers_without_gaps(make()).await;
    an_id_is_used_once(&make()).await;
    the_list_shows_a_run_from_its_first_to_its_last_event(&make()).await;
    the_list_is_filtered_and_newest_first(&make()).await;
}

async fn create(store: &impl Store, new: &NewRun) -> Created {
    store.create_run(new, at(0)).await.expect("the store takes a run")
}

async fn finish(store: &impl Store, run: &RunId, seq: u64, status: Status) {
    let end = EventBody::RunFinished { status, reason: "done".to_owned() };
    store.append(seq, &events(run, seq, [end])).await.expect("the store takes the last event");
}

fn row(n: u64, number: u64, issue: IssueNumber) -> RunRow {
    RunRow {
        id: run_id(n),
        number,
        repo: REPO.to_owned(),
        issue,
        title: "Add user authentication".to_owned(),
        flow: "issue".to_owned(),
        status: Status::Running,
        stage: String::new(),
        started_at: at(0),
        completion_time: None,
        duration_sec: None,
        reason: None,
    }
}

async fn list(store: &impl Store, filter: RunFilter) -> Vec<RunRow> {
    store.runs(&filter).await.expect("runs can be listed")
}

async fn a_live_run_of_the_same_issue_is_joined(store: &impl Store) {
    assert_eq!(create(store, &new_run(1, 500)).await, Created::New(1));
    let before = store.load(&run_id(1), 0).await.expect("loaded");
    assert_eq!(create(store, &new_run(2, 500)).await, Created::Joined(run_id(1), 1));
    assert_eq!(create(store, &new_run(1, 500)).await, Created::Joined(run_id(1), 1));
    assert_eq!(store.load(&run_id(1), 0).await.expect("loaded"), before);
    assert_eq!(store.load(&run_id(2), 0).await.expect("loaded"), []);
    assert_eq!(list(store, RunFilter::default()).await, [row(1, 1, 500)]);
}

async fn many_requests_for_one_issue_begin_one_run<S: Store + 'static>(store: S) {
    let store = Arc::new(store);
    let mut requests = JoinSet::new();
    for n in 1..=16 {
        let store = Arc::clone(&store);
        requests.spawn(async move { (n, create(&*store, &new_run(n, 500)).await) });
    }
    let answers = requests.join_all().await;
    let begun: Vec<u64> =
        answers.iter().filter(|(_, created)| *created == Created::New(1)).map(|(n, _)| *n).collect();
    let [winner] = begun[..] else { panic!("expected one new run, not {answers:?}") };
    for (n, created) in answers {
        assert_eq!(created == Created::Joined(run_id(winner), 1), n != winner, "{n}: {created:?}");
    }
}

async fn a_run_after_the_end_of_another_gets_the_next_number(store: &impl Store) {
    let ends = [Status::Succeeded, Status::Failed, Status::Cancelled];
    for (n, end) in (1..).zip(ends) {
        assert_eq!(create(store, &new_run(n, 500)).await, Created::New(n));
        finish(store, &run_id(n), 1, end).await;
    }
    assert_eq!(create(store, &new_run(4, 500)).await, Created::New(4));
    assert_eq!(create(store, &new_run(5, 500)).await, Created::Joined(run_id(4), 4));
}

async fn repos_number_their_runs_separately(store: &impl Store) {
    assert_eq!(create(store, &new_run(1, 500)).await, Created::New(1));
    let mut elsewhere = new_run(2, 500);
    elsewhere.started.repo = "acme/店".to_owned();
    assert_eq!(create(store, &elsewhere).await, Created::New(1));
    assert_eq!(create(store, &new_run(3, 501)).await, Created::New(2));
    elsewhere.id = run_id(4);
    assert_eq!(create(store, &elsewhere).await, Created::Joined(run_id(2), 1));
}

async fn many_issues_at_once_get_numbers_without_gaps<S: Store + 'static>(store: S) {
    let store = Arc::new(store);
    let mut requests = JoinSet::new();
    for n in 1..=24 {
        let store = Arc::clone(&store);
        requests.spawn(async move { create(&*store, &new_run(n, 500 + n)).await });
    }
    let mut numbers: Vec<u64> = Vec::new();
    for created in requests.join_all().await {
        let Created::New(number) = created else { panic!("expected a new run, not {created:?}") };
        numbers.push(number);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=24).collect::<Vec<u64>>());
}

async fn an_id_is_used_once(store: &impl Store) {
    assert_eq!(create(store, &new_run(1, 500)).await, Created::New(1));
    finish(store, &run_id(1), 1, Status::Succeeded).await;
    let log = store.load(&run_id(1), 0).await.expect("loaded");
    for issue in [500, 501] {
        let failure = broken(store.create_run(&new_run(1, issue), at(9)).await);
        assert_eq!(failure.class, FailureClass::Internal, "{failure:?}");
    }
    assert_eq!(store.load(&run_id(1), 0).await.expect("loaded"), log);
}

async fn the_list_shows_a_run_from_its_first_to_its_last_event(store: &impl Store) {
    let run = run_id(1);
    let mut expected = row(1, 1, 500);
    create(store, &new_run(1, 500)).await;
    assert_eq!(list(store, RunFilter::default()).await, [expected.clone()]);

    let several =
        [step_started("analyse"), step_succeeded("analyse"), step_started("設計"), step_succeeded("設計")];
    store.append(1, &events(&run, 1, several)).await.expect("appended");
    "設計".clone_into(&mut expected.stage);
    assert_eq!(list(store, RunFilter::default()).await, [expected.clone()]);

    let mut last =
        event(&run, 5, EventBody::RunFinished { status: Status::Failed, reason: "赤い".to_owned() });
    last.at = "2026-01-05T10:00:01.999Z".parse().expect("a time");
    store.append(5, &[last.clone()]).await.expect("appended");
    expected.status = Status::Failed;
    expected.completion_time = Some(last.at);
    expected.duration_sec = Some(3601);
    expected.reason = Some("赤い".to_owned());
    assert_eq!(list(store, RunFilter::default()).await, [expected]);
}

async fn the_list_is_filtered_and_newest_first(store: &impl Store) {
    for n in 1..=3 {
        create(store, &new_run(n, 500)).await;
        finish(store, &run_id(n), 1, Status::Succeeded).await;
    }
    create(store, &new_run(4, 501)).await;
    create(store, &new_run(5, 500)).await;
    let filter = RunFilter::default;
    let cases = [
        (filter(), vec![5, 4, 3, 2, 1]),
        (RunFilter { live: true, ..filter() }, vec![5, 4]),
        (RunFilter { number: Some(2), ..filter() }, vec![2]),
        (RunFilter { number: Some(6), ..filter() }, vec![]),
        (RunFilter { issue: Some(500), ..filter() }, vec![5, 3, 2, 1]),
        (RunFilter { limit: Some(2), ..filter() }, vec![5, 4]),
        (RunFilter { limit: Some(0), ..filter() }, vec![]),
        (RunFilter { limit: Some(u32::MAX), ..filter() }, vec![5, 4, 3, 2, 1]),
        (RunFilter { live: true, number: Some(5), issue: Some(500), limit: Some(1) }, vec![5]),
        (RunFilter { live: true, issue: Some(502), ..filter() }, vec![]),
    ];
    for (filter, numbers) in cases {
        let found: Vec<u64> = list(store, filter.clone()).await.iter().map(|row| row.number).collect();
        assert_eq!(found, numbers, "{filter:?}");
    }
}
