//! Appending and loading.

use std::collections::BTreeMap;
use std::sync::Arc;

use miyabi_core::event::{Event, EventBody, Gate};
use miyabi_core::failure::FailureClass;
use miyabi_core::ids::RunId;
use miyabi_core::ports::{Created, NewRun, Store, StoreError};
use serde_json::json;
use tokio::task::JoinSet;

use super::broken;
use crate::fixtures::{at, event, events, every_body, new_run, run_id, step_started, step_succeeded};

/// What is true of a log: order, gaps, who wins, and that everything comes back as it was.
pub async fn log<S: Store + 'static>(make: impl Fn() -> S) {
    events_come_back_in_order(&make()).await;
    an_append_at_the_wrong_place_loses_and_writes_nothing(&make()).await;
    events_that_do_not_follow_each_other_are_refused(&make()).await;
    a_run_that_does_not_exist_is_named(&make()).await;
    nothing_is_appended_by_no_events(&make()).await;
    of_two_appenders_at_one_place_one_wins(make()).await;
    many_runs_grow_at_once_without_harm_to_each_other(make()).await;
    every_kind_of_event_comes_back_as_it_was(&make()).await;
    a_number_that_has_no_text_is_refused(&make()).await;
    nesting_that_cannot_be_read_back_is_refused(&make()).await;
    any_text_comes_back_as_it_was(&make()).await;
    two_megabytes_come_back_as_they_were(&make()).await;
    times_come_back_to_the_nanosecond(&make()).await;
}

/// Begins the run of [`new_run`]`(n, 500 + n)`; returns its id and its first event.
async fn begin(store: &impl Store, n: u64) -> (RunId, Event) {
    let NewRun { id, mut started } = new_run(n, 500 + n);
    let created = store.create_run(&NewRun { id: id.clone(), started: started.clone() }, at(0)).await;
    let Ok(Created::New(number)) = created else { panic!("expected a new run, not {created:?}") };
    started.number = number;
    (id.clone(), event(&id, 0, EventBody::RunStarted(Box::new(started))))
}

async fn loaded(store: &impl Store, run: &RunId) -> Vec<Event> {
    store.load(run, 0).await.expect("the log can be read")
}

fn steps(run: &RunId, from: u64, count: u64) -> Vec<Event> {
    events(run, from, (from..from + count).map(|n| step_started(&format!("step-{n}"))))
}

fn place(answer: &Result<(), StoreError>) -> Option<(u64, u64)> {
    match answer {
        Err(StoreError::Behind { expected, actual, .. }) => Some((*expected, *actual)),
        _ => None,
    }
}

/// The same events with other numbers.
fn renumbered(events: Vec<Event>, from: u64) -> Vec<Event> {
    let renumber = |(seq, event): (u64, Event)| Event { seq: from.wrapping_add(seq), ..event };
    (0..).zip(events).map(renumber).collect()
}

async fn events_come_back_in_order(store: &impl Store) {
    let (run, first) = begin(store, 1).await;
    let one = events(&run, 1, [step_started("analyse")]);
    let two = events(&run, 2, [step_succeeded("analyse"), step_started("decompose")]);
    store.append(1, &one).await.expect("appended");
    store.append(2, &two).await.expect("appended");
    let all = [vec![first], one, two].concat();
    assert_eq!(loaded(store, &run).await, all);
    assert_eq!(store.load(&run, 2).await.expect("loaded"), all[2..]);
    assert_eq!(store.load(&run, 4).await.expect("loaded"), []);
    assert_eq!(store.load(&run, u64::MAX).await.expect("loaded"), []);
    assert_eq!(store.load(&run_id(2), 0).await.expect("loaded"), []);
}

async fn an_append_at_the_wrong_place_loses_and_writes_nothing(store: &impl Store) {
    let (run, first) = begin(store, 1).await;
    let known = steps(&run, 1, 3);
    store.append(1, &known).await.expect("appended");
    for (from, count) in [(0, 1), (1, 1), (3, 5), (5, 1), (u64::MAX - 1, 2), (u64::MAX, 1)] {
        let late = renumbered(events(&run, 1, vec![step_succeeded("late"); count]), from);
        let answer = store.append(from, &late).await;
        assert_eq!(place(&answer), Some((from, 4)), "{answer:?}");
    }
    assert_eq!(loaded(store, &run).await, [vec![first], known].concat());
}

async fn events_that_do_not_follow_each_other_are_refused(store: &impl Store) {
    let (run, first) = begin(store, 1).await;
    let (other, other_first) = begin(store, 2).await;
    let gap = vec![event(&run, 1, step_started("a")), event(&run, 3, step_started("b"))];
    let repeated = vec![event(&run, 1, step_started("a")), event(&run, 1, step_started("b"))];
    let of_two_runs = vec![event(&run, 1, step_started("a")), event(&other, 2, step_started("b"))];
    let elsewhere = vec![event(&run, 2, step_started("a"))];
    for wrong in [gap, repeated, of_two_runs, elsewhere] {
        let failure = broken(store.append(1, &wrong).await);
        assert_eq!(failure.class, FailureClass::Internal, "{failure:?}");
    }
    assert_eq!(loaded(store, &run).await, [first]);
    assert_eq!(loaded(store, &other).await, [other_first]);
}

async fn a_run_that_does_not_exist_is_named(store: &impl Store) {
    let answer = store.append(0, &steps(&run_id(9), 0, 1)).await;
    assert!(matches!(&answer, Err(StoreError::NoRun(run)) if *run == run_id(9)), "{answer:?}");
    assert_eq!(loaded(store, &run_id(9)).await, []);
}

async fn nothing_is_appended_by_no_events(store: &impl Store) {
    let (run, first) = begin(store, 1).await;
    store.append(1, &[]).await.expect("nothing to do");
    assert_eq!(loaded(store, &run).await, [first]);
}

async fn of_two_appenders_at_one_place_one_wins<S: Store + 'static>(store: S) {
    let store = Arc::new(store);
    let (run, first) = begin(&*store, 1).await;
    let mut log = vec![first];
    for from in (1..40).step_by(2) {
        let bid = |name| events(&run, from, [step_started(name), step_succeeded(name)]);
        let bids = [bid("left"), bid("right")];
        let mut racers = JoinSet::new();
        for bid in bids.clone() {
            let store = Arc::clone(&store);
            racers.spawn(async move { store.append(from, &bid).await });
        }
        let answers = racers.join_all().await;
        let lost: Vec<_> = answers.iter().filter_map(place).collect();
        assert_eq!(lost, [(from, from + 2)], "{answers:?}");
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
        let won = store.load(&run, from).await.expect("the log can be read");
        assert!(bids.contains(&won), "{won:?}");
        log.extend(won);
        assert_eq!(loaded(&*store, &run).await, log);
    }
}

async fn many_runs_grow_at_once_without_harm_to_each_other<S: Store + 'static>(store: S) {
    let store = Arc::new(store);
    let mut appenders = JoinSet::new();
    for n in 1..=32 {
        let store = Arc::clone(&store);
        appenders.spawn(async move {
            let (run, first) = begin(&*store, n).await;
            let mut log = vec![first];
            for seq in 1..=10 {
                let next = steps(&run, seq, 1);
                store.append(seq, &next).await.expect("nobody else appends to this run");
                log.extend(next);
                // Shares a commit with good appends, and must not touch them.
                let late = store.append(seq, &steps(&run, seq, 2)).await;
                assert_eq!(place(&late), Some((seq, seq + 1)), "{late:?}");
            }
            assert_eq!(loaded(&*store, &run).await, log);
        });
    }
    appenders.join_all().await;
}

async fn every_kind_of_event_comes_back_as_it_was(store: &impl Store) {
    let (run, first) = begin(store, 1).await;
    let rest = events(&run, 1, every_body().into_iter().skip(1));
    store.append(1, &rest).await.expect("appended");
    let all = [vec![first], rest].concat();
    let back = loaded(store, &run).await;
    assert_eq!(back, all);
    let text = |events: &[Event]| serde_json::to_string(events).expect("events are JSON");
    assert_eq!(text(&back), text(&all));
}

async fn a_number_that_has_no_text_is_refused(store: &impl Store) {
    let (run, first) = begin(store, 1).await;
    for number in [f64::NAN, f64::INFINITY] {
        let numbers = BTreeMap::from([("score".to_owned(), number)]);
        let decided = EventBody::GateDecided {
            step: "review".into(),
            gate: Gate::Proceed,
            rule: "≥ 80".to_owned(),
            numbers,
        };
        let failure = broken(store.append(1, &events(&run, 1, [step_started("review"), decided])).await);
        assert_eq!(failure.class, FailureClass::Internal, "{failure:?}");
    }
    assert_eq!(loaded(store, &run).await, [first]);
}

async fn nesting_that_cannot_be_read_back_is_refused(store: &impl Store) {
    let (run, first) = begin(store, 1).await;
    let output = (0..200).fold(json!("core"), |inner, _| json!([inner]));
    let done = EventBody::StepSucceeded { step: "analyse".into(), attempt: 1, output };
    let failure = broken(store.append(1, &events(&run, 1, [done])).await);
    assert_eq!(failure.class, FailureClass::Internal, "{failure:?}");
    assert_eq!(loaded(store, &run).await, [first]);
}

async fn any_text_comes_back_as_it_was(store: &impl Store) {
    let (run, first) = begin(store, 1).await;
    let texts = [
        "ログイン機能を追加する 🔐",
        "'; DROP TABLE events; --",
        "\"quoted\" \\ back `tick` $(reboot) ${HOME} %s {{ x }}",
        "line\r\nline\ttab\u{0}nul\u{1b}[31m\u{feff}\u{202e}",
        "",
    ];
    let skip = |text: &str| EventBody::StepSkipped { step: text.into(), reason: text.to_owned() };
    let strange = events(&run, 1, texts.map(skip));
    store.append(1, &strange).await.expect("appended");
    assert_eq!(loaded(store, &run).await, [vec![first], strange].concat());
}

async fn two_megabytes_come_back_as_they_were(store: &impl Store) {
    let mut new = new_run(1, 500);
    new.started.issue.body = "二".repeat(700_000);
    let created = store.create_run(&new, at(0)).await;
    assert!(matches!(created, Ok(Created::New(1))), "{created:?}");
    let output = json!({ "diff": "+ 行\n".repeat(300_000) });
    let done = EventBody::StepSucceeded { step: "analyse".into(), attempt: 1, output };
    let large = events(&new.id, 1, [step_started("analyse"), done]);
    store.append(1, &large).await.expect("appended");
    new.started.number = 1;
    let first = event(&new.id, 0, EventBody::RunStarted(Box::new(new.started)));
    // Not `assert_eq`: nobody wants to read four megabytes.
    assert!(loaded(store, &new.id).await == [vec![first], large].concat());
}

async fn times_come_back_to_the_nanosecond(store: &impl Store) {
    let (run, first) = begin(store, 1).await;
    let mut precise = event(&run, 1, step_started("analyse"));
    precise.at = "2026-01-05T09:00:00.123456789Z".parse().expect("a time");
    store.append(1, &[precise.clone()]).await.expect("appended");
    assert_eq!(loaded(store, &run).await, [first, precise]);
}
