//! What the store costs above bare SQLite, both measured side by side on the same disk.
//!
//! Prints `name  ours  floor  ratio`. The floor does what nobody can do without: it inserts the same rows, durable.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark talks to people and stops at trouble"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use miyabi_core::event::Event;
use miyabi_core::ids::RunId;
use miyabi_core::ports::{RunFilter, Store};
use miyabi_store::SqliteStore;
use miyabi_testkit::fixtures::{at, event, new_run, run_id, step_started, step_succeeded};
use rusqlite::{Connection, params};
use tempfile::tempdir;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// Ours and the floor take turns, so that a busy machine slows both.
const ROUNDS: u64 = 5;
const APPENDS: u64 = 200;
const APPENDERS: u64 = 64;
const APPENDS_EACH: u64 = 8;
const LOG: u64 = 100_000;

fn main() {
    let runtime = Runtime::new().unwrap();
    println!("{:<44} {:>12} {:>12} {:>7}", "name", "ours", "floor", "ratio");
    sequential(&runtime, 1);
    sequential(&runtime, 2);
    concurrent(&runtime);
    load(&runtime);
    list(&runtime);
}

fn print(name: &str, unit: &str, count: u64, ours: Duration, floor: Duration) {
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / count as f64;
    let (ours, floor) = (micros(ours), micros(floor));
    println!("{name:<44} {ours:>9.1} µs {floor:>9.1} µs {:>7.2}  per {unit}", ours / floor);
}

fn bodies(run: &RunId, from: u64, count: u64) -> Vec<Event> {
    let body = |seq: u64| match seq % 2 {
        1 => step_started(&format!("step-{}", seq / 2)),
        _ => step_succeeded(&format!("step-{}", seq / 2)),
    };
    (from..from + count).map(|seq| event(run, seq, body(seq))).collect()
}

/// The same rows as text, made before the clock runs.
fn rows(events: &[Event]) -> Vec<(u64, String, String)> {
    let text =
        |event: &Event| (event.seq, format!("{:.9}", event.at), serde_json::to_string(&event.body).unwrap());
    events.iter().map(text).collect()
}

/// Bare SQLite with the same durability and the same table.
fn bare(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    connection.pragma_update(None, "synchronous", "full").unwrap();
    connection
        .execute_batch(
            "CREATE TABLE events (run INTEGER, seq INTEGER, at TEXT, body TEXT, PRIMARY KEY (run, seq)) WITHOUT ROWID",
        )
        .unwrap();
    connection
}

fn insert(connection: &Connection, run: u64, rows: &[(u64, String, String)]) {
    connection.prepare_cached("BEGIN IMMEDIATE").unwrap().execute([]).unwrap();
    for (seq, at, body) in rows {
        let mut insert = connection.prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3, ?4)").unwrap();
        insert.execute(params![run as i64, *seq as i64, at, body]).unwrap();
    }
    connection.prepare_cached("COMMIT").unwrap().execute([]).unwrap();
}

/// One appender, one commit after the other.
fn sequential(runtime: &Runtime, size: u64) {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("ours.db")).unwrap();
    let floor = bare(&folder.path().join("floor.db"));
    let run = run_id(1);
    runtime.block_on(store.create_run(&new_run(1, 500), at(0))).unwrap();
    let (mut ours, mut bare, mut next) = (Duration::ZERO, Duration::ZERO, 1);
    for _ in 0..ROUNDS {
        let batches: Vec<Vec<Event>> = (0..APPENDS).map(|n| bodies(&run, next + n * size, size)).collect();
        let same: Vec<_> = batches.iter().map(|batch| rows(batch)).collect();
        next += APPENDS * size;

        let start = Instant::now();
        same.iter().for_each(|rows| insert(&floor, 1, rows));
        bare += start.elapsed();

        let start = Instant::now();
        runtime.block_on(async {
            for batch in &batches {
                store.append(batch[0].seq, batch).await.unwrap();
            }
        });
        ours += start.elapsed();
    }
    print(&format!("append {size} event(s), one after the other"), "append", ROUNDS * APPENDS, ours, bare);
}

/// Many runs grow at once. The floor is one commit for all of them, as if they had all asked at the same moment.
fn concurrent(runtime: &Runtime) {
    let folder = tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path().join("ours.db")).unwrap());
    let floor = bare(&folder.path().join("floor.db"));
    let alone = bare(&folder.path().join("alone.db"));
    for n in 1..=APPENDERS {
        runtime.block_on(store.create_run(&new_run(n, n), at(0))).unwrap();
    }
    let (mut ours, mut grouped, mut single) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    for round in 0..ROUNDS {
        let from = 1 + round * APPENDS_EACH;
        let start = Instant::now();
        for seq in from..from + APPENDS_EACH {
            let same: Vec<_> = (1..=APPENDERS).map(|n| (n, rows(&bodies(&run_id(n), seq, 1)))).collect();
            floor.prepare_cached("BEGIN IMMEDIATE").unwrap().execute([]).unwrap();
            for (n, rows) in &same {
                let (seq, at, body) = &rows[0];
                let mut insert = floor.prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3, ?4)").unwrap();
                insert.execute(params![*n as i64, *seq as i64, at, body]).unwrap();
            }
            floor.prepare_cached("COMMIT").unwrap().execute([]).unwrap();
        }
        grouped += start.elapsed();

        let start = Instant::now();
        for n in 1..=APPENDERS {
            for seq in from..from + APPENDS_EACH {
                insert(&alone, n, &rows(&bodies(&run_id(n), seq, 1)));
            }
        }
        single += start.elapsed();

        let start = Instant::now();
        runtime.block_on(async {
            let mut appenders = JoinSet::new();
            for n in 1..=APPENDERS {
                let store = Arc::clone(&store);
                appenders.spawn(async move {
                    for seq in from..from + APPENDS_EACH {
                        store.append(seq, &bodies(&run_id(n), seq, 1)).await.unwrap();
                    }
                });
            }
            appenders.join_all().await;
        });
        ours += start.elapsed();
    }
    let count = ROUNDS * APPENDERS * APPENDS_EACH;
    print("append 1 event, 64 at once, floor grouped", "append", count, ours, grouped);
    print("append 1 event, 64 at once, floor one by one", "append", count, ours, single);
}

/// A long log, read at once. The floor reads the same rows and leaves them text.
fn load(runtime: &Runtime) {
    let folder = tempdir().unwrap();
    let path = folder.path().join("ours.db");
    let store = SqliteStore::open(&path).unwrap();
    let run = run_id(1);
    runtime.block_on(store.create_run(&new_run(1, 500), at(0))).unwrap();
    for from in (1..LOG).step_by(10_000) {
        runtime.block_on(store.append(from, &bodies(&run, from, 10_000))).unwrap();
    }
    let floor = Connection::open(&path).unwrap();
    let (mut ours, mut bare) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let events = runtime.block_on(store.load(&run, 0)).unwrap();
        ours += start.elapsed();
        assert_eq!(events.len() as u64, LOG + 1);

        let start = Instant::now();
        let mut select =
            floor.prepare_cached("SELECT seq, at, body FROM events WHERE run = 1 ORDER BY seq").unwrap();
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let texts: Vec<(i64, String, String)> =
            select.query_map([], row).unwrap().map(Result::unwrap).collect();
        bare += start.elapsed();
        assert_eq!(texts.len(), events.len());
    }
    print("load a log of 100,000 events", "event", ROUNDS * LOG, ours, bare);
}

/// The list of runs of a repo with a long history, as `miyabi status` asks for it.
fn list(runtime: &Runtime) {
    let folder = tempdir().unwrap();
    let path = folder.path().join("ours.db");
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    runtime.block_on(async {
        let mut requests = JoinSet::new();
        for n in 1..=10_000 {
            let store = Arc::clone(&store);
            requests.spawn(async move { store.create_run(&new_run(n, n), at(0)).await.unwrap() });
        }
        requests.join_all().await;
    });
    let floor = Connection::open(&path).unwrap();
    let newest = RunFilter { limit: Some(20), ..RunFilter::default() };
    runtime.block_on(store.runs(&newest)).unwrap();
    let (mut ours, mut bare) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..200 {
        let start = Instant::now();
        let rows = runtime.block_on(store.runs(&newest)).unwrap();
        ours += start.elapsed();
        assert_eq!(rows[0].number, 10_000);

        let start = Instant::now();
        let mut select = floor.prepare_cached("SELECT * FROM runs ORDER BY key DESC LIMIT 20").unwrap();
        let ids = select
            .query_map([], |row| row.get(1))
            .unwrap()
            .collect::<rusqlite::Result<Vec<String>>>()
            .unwrap();
        bare += start.elapsed();
        assert_eq!(ids.len(), rows.len());
    }
    print("list the newest 20 of 10,000 runs", "list", 200, ours, bare);

    // What `miyabi status` costs: open, list, close.
    let (mut ours, mut bare) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..50 {
        let start = Instant::now();
        let store = SqliteStore::open(&path).unwrap();
        let rows = runtime.block_on(store.runs(&newest)).unwrap();
        drop(store);
        ours += start.elapsed();

        let start = Instant::now();
        let other = Connection::open(&path).unwrap();
        let mut select = other.prepare("SELECT * FROM runs ORDER BY key DESC LIMIT 20").unwrap();
        let ids = select
            .query_map([], |row| row.get(1))
            .unwrap()
            .collect::<rusqlite::Result<Vec<String>>>()
            .unwrap();
        bare += start.elapsed();
        assert_eq!(ids.len(), rows.len());
    }
    print("open, list 20 of 10,000 runs, close", "time", 50, ours, bare);
}
