//! Beginning runs and listing them.

use std::sync::Arc;

use miyabi_core::event::EventBody;
use miyabi_core::failure::FailureClass;
use miyabi_core::ids::{IssueNumber, RunId};
use miyabi_core::ports::{Created, NewRun, RunFilter, RunRow, Store};
use miyabi_core::status::Status;
use miyabi_core::subject::{About, Cause, RunSubject};
use tokio::task::JoinSet;

use super::broken;
use crate::fixtures::{REPO, at, commit, event, events, new_run, run_id, step_started, step_succeeded};

/// What is true of runs: one live run for each repo and issue, numbers without gaps, and what the list shows.
pub async fn runs<S: Store + 'static>(make: impl Fn() -> S) {
    a_live_run_of_the_same_issue_is_joined(&make()).await;
    many_requests_for_one_issue_begin_one_run(make()).await;
    a_run_after_the_end_of_another_gets_the_next_number(&make()).await;
    repos_number_their_runs_separately(&make()).await;
    runs_on_payloads_have_lanes_of_their_own(&make()).await;
    a_newer_head_takes_the_place_of_an_older_one(&make()).await;
    a_delivery_begins_one_run_by_each_rule(&make()).await;
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
        subject: None,
        head: None,
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

/// A run of the flow on a payload about change 500 at the commit of that digit, if one is known.
fn about_change(n: u64, flow: &str, head: Option<u32>) -> NewRun {
    let mut new = new_run(n, 500);
    new.started.flow = flow.to_owned();
    new.started.payload = Some(serde_json::json!({}));
    let about = About::Change { number: 500 };
    new.started.subject = Some(RunSubject::new(about, head.map(commit)));
    new
}

async fn runs_on_payloads_have_lanes_of_their_own(store: &impl Store) {
    assert_eq!(create(store, &new_run(1, 500)).await, Created::New(1));
    assert_eq!(create(store, &about_change(2, "verify", None)).await, Created::New(2));
    assert_eq!(create(store, &about_change(3, "triage", None)).await, Created::New(3));
    assert_eq!(create(store, &about_change(4, "verify", None)).await, Created::Joined(run_id(2), 2));
    assert_eq!(create(store, &new_run(5, 500)).await, Created::Joined(run_id(1), 1));
    let mut about_issue = about_change(6, "verify", None);
    about_issue.started.subject = Some(RunSubject::new(About::Issue { number: 500 }, None));
    assert_eq!(create(store, &about_issue).await, Created::New(4));
    // By hand or by the time, one about nothing; deliveries about nothing stand beside each other.
    let mut about_nothing = about_change(7, "verify", None);
    about_nothing.started.subject = None;
    assert_eq!(create(store, &about_nothing).await, Created::New(5));
    about_nothing.id = run_id(8);
    assert_eq!(create(store, &about_nothing).await, Created::Joined(run_id(7), 5));
    for (n, number) in [(9, 6), (10, 7)] {
        about_nothing.id = run_id(n);
        about_nothing.started.cause = Some(Cause { delivery: format!("github:{n}"), rule: "r".to_owned() });
        assert_eq!(create(store, &about_nothing).await, Created::New(number));
    }
    let lane = |lane: &str| RunFilter { lane: Some(lane.to_owned()), ..RunFilter::default() };
    let numbers = |rows: Vec<RunRow>| rows.iter().map(|row| row.number).collect::<Vec<_>>();
    assert_eq!(numbers(list(store, lane("issue:500")).await), [1]);
    assert_eq!(numbers(list(store, lane("flow:verify/change:500")).await), [2]);
    let shown = list(store, lane("flow:verify/issue:500")).await;
    assert_eq!((shown[0].subject.as_deref(), &shown[0].head), (Some("issue:500"), &None));
}

async fn a_newer_head_takes_the_place_of_an_older_one(store: &impl Store) {
    assert_eq!(create(store, &about_change(1, "verify", Some(1))).await, Created::New(1));
    store.append(1, &events(&run_id(1), 1, [step_started("a")])).await.expect("appended");
    assert_eq!(create(store, &about_change(2, "verify", Some(1))).await, Created::Joined(run_id(1), 1));
    assert_eq!(create(store, &about_change(3, "triage", Some(2))).await, Created::New(2));
    let replaced = create(store, &about_change(4, "verify", Some(2))).await;
    assert_eq!(replaced, Created::Replaced(3, run_id(1)));
    let told = store.load(&run_id(1), 1).await.expect("loaded");
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[1].seq, 2);
    let EventBody::CancelRequested { by, superseded_by: Some(3) } = &told[1].body else { panic!("{told:?}") };
    assert_eq!(by, "change #500 is at 2222222222 now");
    // It has not ended, but the place is the newer one's: that is joined, and replaced, from here on.
    let joined = create(store, &about_change(5, "verify", Some(2))).await;
    assert_eq!(joined, Created::Joined(run_id(4), 3));
    let replaced = create(store, &about_change(6, "verify", Some(3))).await;
    assert_eq!(replaced, Created::Replaced(4, run_id(4)));
    assert_eq!(store.load(&run_id(1), 3).await.expect("loaded"), []);
    finish(store, &run_id(1), 3, Status::Superseded).await;
    finish(store, &run_id(4), 2, Status::Superseded).await;
    let live = RunFilter { live: true, ..RunFilter::default() };
    let live: Vec<_> = list(store, live).await.iter().map(|row| row.number).collect();
    assert_eq!(live, [4, 2]);
}

async fn a_delivery_begins_one_run_by_each_rule(store: &impl Store) {
    let of = |n: u64, delivery: &str, rule: &str, head: u32| {
        let mut new = about_change(n, "verify", Some(head));
        new.started.cause = Some(Cause { delivery: delivery.to_owned(), rule: rule.to_owned() });
        new
    };
    assert_eq!(create(store, &of(1, "github:1", "a", 1)).await, Created::New(1));
    assert_eq!(create(store, &of(2, "github:1", "a", 1)).await, Created::Again(run_id(1), 1));
    assert_eq!(create(store, &of(3, "github:1", "b", 1)).await, Created::Joined(run_id(1), 1));
    finish(store, &run_id(1), 1, Status::Succeeded).await;
    assert_eq!(create(store, &of(4, "github:1", "a", 1)).await, Created::Again(run_id(1), 1));
    assert_eq!(create(store, &of(5, "github:2", "a", 1)).await, Created::New(2));
    // What was handled before does not take the place of what came after it.
    assert_eq!(create(store, &of(6, "github:1", "a", 2)).await, Created::Again(run_id(1), 1));
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
        (RunFilter { live: true, number: Some(5), issue: Some(500), limit: Some(1), ..filter() }, vec![5]),
        (RunFilter { live: true, issue: Some(502), ..filter() }, vec![]),
    ];
    for (filter, numbers) in cases {
        let found: Vec<u64> = list(store, filter.clone()).await.iter().map(|row| row.number).collect();
        assert_eq!(found, numbers, "{filter:?}");
    }
}
