//! Several programs on one file, and programs that are killed.
//!
//! The other programs are this test binary, started again with one of the ignored tests below.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use miyabi_core::event::EventBody;
use miyabi_core::ids::RunId;
use miyabi_core::ports::{Created, RunFilter, Store, StoreError};
use miyabi_store::SqliteStore;
use miyabi_testkit::fixtures::{at, event, new_run, run_id, step_started};
use rusqlite::Connection;
use tempfile::tempdir;
use tokio::task::JoinSet;

const DATABASE: &str = "MIYABI_TEST_DATABASE";
const NUMBER: &str = "MIYABI_TEST_NUMBER";

/// Starts another program with that number on the database.
#[expect(clippy::disallowed_methods, reason = "a test starts itself as the other program")]
fn start(test: &str, database: &Path, number: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(DATABASE, database)
        .env(NUMBER, number.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The store and the number that this program was started with; `None` if it was not started by a test here.
#[expect(clippy::disallowed_methods, reason = "a test that starts itself is told so by its environment")]
fn given() -> Option<(SqliteStore, u64)> {
    let database = std::env::var_os(DATABASE)?;
    let number = std::env::var(NUMBER).ok()?.parse().unwrap();
    Some((SqliteStore::open(database).unwrap(), number))
}

fn say(words: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n@ {words}").unwrap();
    out.flush().unwrap();
}

/// What a started program says, word by word, as it comes.
fn heard(child: &mut Child) -> impl Iterator<Item = Vec<String>> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    lines
        .filter_map(|line| line.strip_prefix("@ ").map(|words| words.split(' ').map(str::to_owned).collect()))
}

/// Appends to eight runs at once until it is killed; says which events were acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by another test"]
async fn appends_until_it_is_killed() {
    let Some((store, number)) = given() else { return };
    let store = Arc::new(store);
    let mut appenders = JoinSet::new();
    for n in 1..=8 {
        let store = Arc::clone(&store);
        let n = number * 8 + n;
        appenders.spawn(async move {
            let run = run_id(n);
            assert!(matches!(store.create_run(&new_run(n, n), at(0)).await.unwrap(), Created::New(_)));
            say(format_args!("{run} 0"));
            for seq in 1.. {
                store.append(seq, &[event(&run, seq, step_started(&format!("step-{seq}")))]).await.unwrap();
                say(format_args!("{run} {seq}"));
            }
        });
    }
    appenders.join_all().await;
}

#[tokio::test]
async fn nothing_that_was_acknowledged_is_lost_when_the_program_is_killed() {
    let folder = tempdir().unwrap();
    let database = folder.path().join("miyabi.db");
    let mut acknowledged: BTreeMap<RunId, u64> = BTreeMap::new();
    for number in 0..4 {
        let mut child = start("appends_until_it_is_killed", &database, number);
        for (count, words) in heard(&mut child).enumerate() {
            let [run, seq] = &words[..] else { panic!("{words:?}") };
            acknowledged.insert(run.as_str().into(), seq.parse().unwrap());
            if count == 300 {
                child.kill().unwrap();
            }
        }
        assert!(!child.wait().unwrap().success(), "it was killed, not done");

        let store = SqliteStore::open(&database).unwrap();
        let runs = store.runs(&RunFilter::default()).await.unwrap();
        assert_eq!(runs.len(), acknowledged.len());
        for row in runs {
            let log = store.load(&row.id, 0).await.unwrap();
            let numbers: Vec<u64> = log.iter().map(|event| event.seq).collect();
            let length = u64::try_from(log.len()).unwrap();
            assert_eq!(numbers, (0..length).collect::<Vec<u64>>());
            assert!(acknowledged[&row.id] < length, "{row:?}");
            let last_stage = if length == 1 { String::new() } else { format!("step-{}", length - 1) };
            assert_eq!(row.stage, last_stage);
        }
    }
    let sound: String = Connection::open(&database)
        .unwrap()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sound, "ok");
}

/// Competes with the others for one run, begins one of its own, and appends two hundred events to the common one.
#[tokio::test]
#[ignore = "started by another test"]
async fn competes() {
    let Some((store, number)) = given() else { return };
    let common = match store.create_run(&new_run(number, 500), at(0)).await.unwrap() {
        Created::New(_) => {
            say(format_args!("began"));
            run_id(number)
        }
        Created::Joined(run, _) => run,
        other => panic!("nothing takes its place: {other:?}"),
    };
    let Created::New(own) = store.create_run(&new_run(100 + number, 500 + number), at(0)).await.unwrap()
    else {
        panic!("nobody else has this issue")
    };
    say(format_args!("own {own}"));
    let (mut won, mut seq) = (0, 1);
    while won < 200 {
        match store.append(seq, &[event(&common, seq, step_started(&format!("{number}-{won}")))]).await {
            Ok(()) => (won, seq) = (won + 1, seq + 1),
            Err(StoreError::Behind { actual, .. }) => seq = actual,
            Err(other) => panic!("{other:?}"),
        }
    }
    say(format_args!("done"));
}

#[tokio::test]
async fn programs_that_share_a_file_do_not_harm_each_other() {
    let folder = tempdir().unwrap();
    let database = folder.path().join("made/by/whoever/is/first.db");
    let mut children: Vec<Child> = (1..=4).map(|number| start("competes", &database, number)).collect();
    let mut said: Vec<String> = Vec::new();
    for child in &mut children {
        let words: Vec<Vec<String>> = heard(child).collect();
        assert!(child.wait().unwrap().success(), "{words:?}");
        said.extend(words.into_iter().map(|words| words.join(" ")));
    }
    let count = |what: &str| said.iter().filter(|words| *words == what).count();
    assert_eq!((count("began"), count("done")), (1, 4), "{said:?}");

    let store = SqliteStore::open(&database).unwrap();
    let mut runs = store.runs(&RunFilter::default()).await.unwrap();
    runs.sort_by_key(|row| row.number);
    let numbers: Vec<u64> = runs.iter().map(|row| row.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    let own = runs.iter().filter(|row| row.issue > 500).map(|row| format!("own {}", row.number));
    assert!(own.clone().all(|words| count(&words) == 1), "{said:?}");

    let common = runs.iter().find(|row| row.issue == 500).unwrap();
    let log = store.load(&common.id, 0).await.unwrap();
    let seqs: Vec<u64> = log.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (0..=800).collect::<Vec<u64>>());
    let step = |body: &EventBody| match body {
        EventBody::StepStarted { step, .. } => Some(step.to_string()),
        _ => None,
    };
    let steps: Vec<String> = log.iter().filter_map(|event| step(&event.body)).collect();
    for number in 1..=4 {
        let of_one: Vec<&String> =
            steps.iter().filter(|step| step.starts_with(&format!("{number}-"))).collect();
        assert_eq!(
            of_one,
            (0..200).map(|won| format!("{number}-{won}")).collect::<Vec<_>>().iter().collect::<Vec<_>>()
        );
    }
}

#[tokio::test]
async fn reading_does_not_wait_for_a_writer_and_writing_does() {
    let folder = tempdir().unwrap();
    let database = folder.path().join("miyabi.db");
    let run = run_id(1);
    let store = SqliteStore::open(&database).unwrap();
    store.create_run(&new_run(1, 500), at(0)).await.unwrap();

    let other = Connection::open(&database).unwrap();
    other.execute_batch("BEGIN IMMEDIATE; UPDATE runs SET title = 'not committed'").unwrap();
    let title = |rows: Vec<miyabi_core::ports::RunRow>| rows[0].title.clone();
    assert_eq!(store.runs(&RunFilter::default()).await.map(title).unwrap(), "Add user authentication");
    assert_eq!(store.load(&run, 0).await.unwrap().len(), 1);

    let first = [event(&run, 1, step_started("a"))];
    let mut append = std::pin::pin!(store.append(1, &first));
    tokio::select! {
        biased;
        answer = &mut append => panic!("{answer:?}"),
        log = store.load(&run, 0) => assert_eq!(log.unwrap().len(), 1),
    }
    other.execute_batch("COMMIT").unwrap();
    append.await.unwrap();
    assert_eq!(store.load(&run, 1).await.unwrap(), first);
}
