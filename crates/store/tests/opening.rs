//! Which files are taken, and what is said about the others.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ports::{Created, LocalRecords, RunFilter, Store};
use miyabi_store::{OpenError, SqliteStore};
use miyabi_testkit::fixtures::{at, event, issue, new_issue, new_run, run_id, step_started};
use rusqlite::Connection;
use tempfile::tempdir;

fn refused(path: &Path) -> (OpenError, Failure) {
    let error = SqliteStore::open(path).unwrap_err();
    let failure = Failure::from(SqliteStore::open(path).unwrap_err());
    assert!(failure.hint.is_some(), "{failure:?}");
    (error, failure)
}

#[tokio::test]
async fn everything_is_there_after_reopening() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("まだ無い/folder/miyabi.db");
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.create_run(&new_run(1, 500), at(0)).await.unwrap(), Created::New(1));
    store.append(1, &[event(&run_id(1), 1, step_started("analyse"))]).await.unwrap();
    store.create_issue(&new_issue(Some(500)), at(0)).await.unwrap();
    let log = store.load(&run_id(1), 0).await.unwrap();
    let runs = store.runs(&RunFilter::default()).await.unwrap();
    drop(store);
    let files: Vec<_> =
        fs::read_dir(path.parent().unwrap()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["miyabi.db"], "the write-ahead log went into the one file");

    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.load(&run_id(1), 0).await.unwrap(), log);
    assert_eq!(store.runs(&RunFilter::default()).await.unwrap(), runs);
    assert_eq!(store.local_issue(500).await, Ok(Some(issue(500))));
    assert_eq!(store.create_run(&new_run(2, 501), at(0)).await.unwrap(), Created::New(2));
}

#[tokio::test]
async fn a_path_that_looks_like_a_url_is_a_path() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("file:x?mode=memory");
    drop(SqliteStore::open(&path).unwrap());
    assert!(path.is_file());
}

#[test]
fn a_database_of_a_newer_version_is_refused_and_left_alone() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("miyabi.db");
    drop(SqliteStore::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = fs::read(&path).unwrap();
    let (error, failure) = refused(&path);
    assert!(matches!(error, OpenError::Newer { found: 99, known: 8, .. }), "{error:?}");
    assert_eq!(failure.class, FailureClass::Input);
    assert_eq!(
        failure.message,
        format!("open database `{}`: its schema is version 99, this miyabi knows 8", path.display())
    );
    assert_eq!(failure.hint.as_deref(), Some("use the newer miyabi that wrote it"));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let folder = tempdir().unwrap();
    for (name, sql) in [
        ("tables.db", "CREATE TABLE theirs (a)"),
        ("versioned.db", "PRAGMA user_version = 1"),
        ("named.db", "PRAGMA application_id = 7; CREATE TABLE runs (a)"),
    ] {
        let path = folder.path().join(name);
        let theirs = Connection::open(&path).unwrap();
        theirs.execute_batch(sql).unwrap();
        drop(theirs);
        let before = fs::read(&path).unwrap();
        let (error, failure) = refused(&path);
        assert!(matches!(error, OpenError::Foreign { .. }), "{name}: {error:?}");
        assert_eq!(failure.class, FailureClass::Input);
        assert_eq!(fs::read(&path).unwrap(), before, "{name}");
    }
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("メモ.txt");
    let text = "not a database\n".repeat(1000);
    fs::write(&path, &text).unwrap();
    let (error, failure) = refused(&path);
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error:?}");
    assert_eq!(failure.message, format!("open `{}`: it is not a database", path.display()));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn places_that_cannot_be_written_are_named() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let (error, _) = refused(&file.join("sub/miyabi.db"));
    assert!(matches!(error, OpenError::Folder { .. }), "{error:?}");

    let (error, _) = refused(Path::new(""));
    assert!(matches!(error, OpenError::Folder { .. }), "{error:?}");

    let (error, failure) = refused(folder.path());
    assert!(matches!(error, OpenError::NotWritable { .. }), "{error:?}");
    assert_eq!(failure.class, FailureClass::Unavailable);
    assert_eq!(failure.hint.as_deref(), Some("make the database file and its folder writable"));
}

/// Not even root may make files there.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_takes_no_files_is_named() {
    let (error, failure) = refused(Path::new("/proc/miyabi.db"));
    assert!(matches!(error, OpenError::NotWritable { .. }), "{error:?}");
    assert_eq!(failure.class, FailureClass::Unavailable);
}

#[test]
fn an_empty_file_becomes_a_database() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("miyabi.db");
    fs::write(&path, "").unwrap();
    drop(SqliteStore::open(&path).unwrap());
    drop(SqliteStore::open(&path).unwrap());
    let version = Connection::open(&path).unwrap().pragma_query_value(None, "user_version", |row| row.get(0));
    assert_eq!(version, Ok(8));
}

#[tokio::test]
async fn a_body_that_this_program_cannot_read_is_a_clear_failure() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("miyabi.db");
    let store = SqliteStore::open(&path).unwrap();
    store.create_run(&new_run(1, 500), at(0)).await.unwrap();
    let theirs = Connection::open(&path).unwrap();
    theirs.execute("INSERT INTO events (run, seq, at, body) VALUES (1, 1, 'x', '{}')", []).unwrap();
    let failure = match store.load(&run_id(1), 0).await {
        Err(miyabi_core::ports::StoreError::Broken(failure)) => failure,
        other => panic!("{other:?}"),
    };
    assert_eq!(failure.class, FailureClass::Permanent, "{failure:?}");
    // The events before it can still be shown.
    assert_eq!(theirs.execute("DELETE FROM events WHERE seq = 1", []), Ok(1));
    assert_eq!(store.load(&run_id(1), 0).await.unwrap().len(), 1);
}

#[tokio::test]
async fn nothing_of_what_is_kept_is_in_the_debug_text() {
    let store = SqliteStore::in_memory().unwrap();
    store.create_run(&new_run(1, 500), at(0)).await.unwrap();
    assert_eq!(format!("{store:?}"), "SqliteStore { path: \":memory:\", .. }");
}
