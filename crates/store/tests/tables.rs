//! The tables as people and other programs find them in the file.
#![expect(clippy::unwrap_used, reason = "tests")]

use miyabi_core::event::{EventBody, SessionEnded};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ports::Store;
use miyabi_core::session::{SessionEnd, Usage};
use miyabi_store::SqliteStore;
use miyabi_testkit::fixtures::{
    at, events, every_body, intent, new_run, receipt, run_id, session_ended, session_started,
};
use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::{TempDir, tempdir};

/// A file with one run that every kind of event happened in, but for its end.
async fn file() -> (TempDir, Connection, SqliteStore) {
    let folder = tempdir().unwrap();
    let path = folder.path().join("miyabi.db");
    let store = SqliteStore::open(&path).unwrap();
    store.create_run(&new_run(1, 500), at(0)).await.unwrap();
    let mut bodies = every_body();
    bodies.pop();
    store.append(1, &events(&run_id(1), 1, bodies.into_iter().skip(1))).await.unwrap();
    (folder, Connection::open(path).unwrap(), store)
}

/// Rows as text, columns joined by ` | `.
fn rows(connection: &Connection, sql: &str) -> Vec<String> {
    let mut select = connection.prepare(sql).unwrap();
    let columns = select.column_count();
    let text = |value: Value| match value {
        Value::Null => "-".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text,
        Value::Blob(_) => "blob".to_owned(),
    };
    let row = |row: &rusqlite::Row<'_>| {
        let cells = (0..columns).map(|column| row.get(column).map(text));
        cells.collect::<rusqlite::Result<Vec<String>>>().map(|cells| cells.join(" | "))
    };
    select.query_map([], row).unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn every_event_has_a_row_with_its_kind() {
    let (_folder, file, _store) = file().await;
    assert_eq!(
        rows(&file, "SELECT seq, type, at FROM events WHERE seq < 3 ORDER BY seq"),
        [
            "0 | run_started | 2026-01-05T09:00:00.000000000Z",
            "1 | step_started | 2026-01-05T09:00:01.000000000Z",
            "2 | session_started | 2026-01-05T09:00:02.000000000Z",
        ]
    );
    let kinds = rows(&file, "SELECT DISTINCT type FROM events ORDER BY type");
    assert_eq!(kinds.len(), 20, "every kind but the end: {kinds:?}");
}

#[tokio::test]
async fn tasks_are_queryable_by_their_columns() {
    let (_folder, file, _store) = file().await;
    let sql =
        "SELECT task_id, issue_id, dependencies, estimated_duration, agent_type FROM tasks ORDER BY task_id";
    assert_eq!(
        rows(&file, sql),
        ["task-500-1 | 500 | [] | 60 | codegen", r#"task-500-2 | 500 | ["task-500-1"] | 60 | codegen"#]
    );
}

#[tokio::test]
async fn an_escalation_keeps_its_answer() {
    let (_folder, file, _store) = file().await;
    let sql =
        "SELECT id, step, severity, default_action, answered_at, answer ->> '$.action', answer ->> '$.by'
               FROM escalations";
    assert_eq!(
        rows(&file, sql),
        ["1-1 | review | high | reject | 2026-01-05T09:00:17.000000000Z | reject | ボブ"]
    );
}

#[tokio::test]
async fn an_intent_goes_from_open_to_done_or_failed() {
    let store_folder = tempdir().unwrap();
    let path = store_folder.path().join("miyabi.db");
    let store = SqliteStore::open(&path).unwrap();
    let file = Connection::open(&path).unwrap();
    let run = run_id(1);
    store.create_run(&new_run(1, 500), at(0)).await.unwrap();
    let recorded = |id| EventBody::IntentRecorded(Box::new(intent(id, "decompose")));
    store.append(1, &events(&run, 1, [recorded("a"), recorded("b"), recorded("c")])).await.unwrap();
    let sql = "SELECT id, step, state, receipt ->> '$.url', failure ->> '$.class', write ->> '$.write' FROM intents ORDER BY id";
    let open = |id: &str| format!("{id} | decompose | open | - | - | comment");
    assert_eq!(rows(&file, sql), [open("a"), open("b"), open("c")]);

    let failure = Failure::new(FailureClass::Input, "no such issue");
    let settled = [
        EventBody::IntentDone { intent: "a".into(), receipt: receipt() },
        EventBody::IntentFailed { intent: "b".into(), failure },
        EventBody::IntentDone { intent: "unknown".into(), receipt: receipt() },
    ];
    store.append(4, &events(&run, 4, settled)).await.unwrap();
    let done = "a | decompose | done | miyabi issue show 500 | - | comment".to_owned();
    let failed = "b | decompose | failed | - | input | comment".to_owned();
    assert_eq!(rows(&file, sql), [done.clone(), failed, open("c")]);

    // Asked again after it failed: it is open as on the first day.
    store.append(7, &events(&run, 7, [recorded("b")])).await.unwrap();
    assert_eq!(rows(&file, sql), [done, open("b"), open("c")]);
}

#[tokio::test]
async fn facts_and_log_are_written_together_or_not_at_all() {
    let (_folder, file, store) = file().await;
    let tables = "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM sessions), (SELECT count(*) FROM intents)";
    let before = rows(&file, tables);
    file.execute_batch(
        "CREATE TRIGGER full BEFORE INSERT ON intents BEGIN SELECT raise(ABORT, 'the last write fails'); END",
    )
    .unwrap();
    let next: u64 = rows(&file, "SELECT max(seq) + 1 FROM events")[0].parse().unwrap();
    let bodies = [
        EventBody::SessionStarted(Box::new(session_started("s9", "a"))),
        EventBody::IntentRecorded(Box::new(intent("new", "a"))),
    ];
    let batch = events(&run_id(1), next, bodies);
    store.append(next, &batch).await.unwrap_err();
    assert_eq!(rows(&file, tables), before);

    file.execute_batch("DROP TRIGGER full").unwrap();
    store.append(next, &batch).await.unwrap();
    assert_ne!(rows(&file, tables), before);
}

#[tokio::test]
async fn nonsense_that_a_program_says_of_itself_does_not_stop_the_run() {
    let store = SqliteStore::in_memory().unwrap();
    let run = run_id(1);
    store.create_run(&new_run(1, 500), at(0)).await.unwrap();
    let usage = Usage { input_tokens: Some(u64::MAX), cost_usd: Some(f64::MAX), ..Usage::default() };
    let ended = SessionEnded { usage, ..session_ended("s1", SessionEnd::Completed) };
    let bodies = [
        EventBody::SessionStarted(Box::new(session_started("s1", "a"))),
        EventBody::SessionEnded(Box::new(ended.clone())),
        // Twice, and of a step that nobody started.
        EventBody::SessionStarted(Box::new(session_started("s1", "b"))),
        EventBody::SessionEnded(Box::new(ended)),
    ];
    let log = events(&run, 1, bodies);
    store.append(1, &log).await.unwrap();
    assert_eq!(store.load(&run, 1).await.unwrap(), log);
    let used = store.sessions(&run).await.unwrap().remove(0).usage;
    assert_eq!(used, Usage { input_tokens: Some(u64::MAX >> 1), ..usage });
}
