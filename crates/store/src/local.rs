//! The local forge's memory: issues, comments and changes of a repository without a remote.

use async_trait::async_trait;
use jiff::Timestamp;
use miyabi_core::commit_mark::CommitMark;
use miyabi_core::failure::Failure;
use miyabi_core::ids::{ChangeNumber, CommitId, IssueNumber};
use miyabi_core::issue::{Change, ChangeState, Comment, Issue, NewIssue};
use miyabi_core::ports::{LocalRecords, NewChange};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params};

use crate::error::{Doing, Error};
use crate::rows::all;
use crate::store::SqliteStore;
use crate::values::{Count, Json, Time, unknown_word};

#[async_trait]
impl LocalRecords for SqliteStore {
    async fn create_issue(&self, issue: &NewIssue, at: Timestamp) -> Result<Issue, Failure> {
        let issue = issue.clone();
        Ok(self.write(move |connection| create_issue(connection, &issue, at)).await?)
    }

    async fn local_issue(&self, number: IssueNumber) -> Result<Option<Issue>, Failure> {
        Ok(self.read(move |connection| find_issue(connection, number)).await?)
    }

    async fn local_issues(&self, show_all: bool) -> Result<Vec<Issue>, Failure> {
        let sql = "SELECT * FROM local_issues WHERE open OR ?1 ORDER BY created_at DESC, number DESC";
        Ok(self.read(move |connection| all(connection, sql, [show_all], issue).doing("list issues")).await?)
    }

    async fn set_issue(&self, number: IssueNumber, labels: &[String], open: bool) -> Result<(), Failure> {
        let labels = labels.to_vec();
        Ok(self.write(move |connection| set_issue(connection, number, &labels, open)).await?)
    }

    async fn local_comments(&self, number: IssueNumber) -> Result<Vec<Comment>, Failure> {
        let sql = "SELECT * FROM local_comments WHERE issue = ?1 ORDER BY id";
        let list = move |connection: &Connection| {
            all(connection, sql, [Count(number)], comment).doing("list comments")
        };
        Ok(self.read(list).await?)
    }

    async fn put_comment(&self, comment: &Comment) -> Result<bool, Failure> {
        let comment = comment.clone();
        Ok(self.write(move |connection| put_comment(connection, &comment)).await?)
    }

    async fn put_change(&self, change: &NewChange, at: Timestamp) -> Result<(Change, bool), Failure> {
        let change = change.clone();
        Ok(self.write(move |connection| put_change(connection, &change, at)).await?)
    }

    async fn local_change(&self, number: ChangeNumber) -> Result<Option<Change>, Failure> {
        Ok(self.read(move |connection| find_change(connection, number)).await?)
    }

    async fn local_changes(&self) -> Result<Vec<Change>, Failure> {
        let sql = "SELECT * FROM local_changes ORDER BY created_at DESC, number DESC";
        Ok(self.read(move |connection| all(connection, sql, [], change).doing("list changes")).await?)
    }

    async fn local_marks(&self, commit: &CommitId) -> Result<Vec<CommitMark>, Failure> {
        let commit = commit.to_string();
        let sql = "SELECT mark FROM local_marks WHERE commit_id = ?1 ORDER BY id";
        let list = move |connection: &Connection| {
            let marks = all(connection, sql, [&commit], |row| Ok(row.get::<_, Json<_>>("mark")?.0));
            marks.doing("list what is said at a commit")
        };
        Ok(self.read(list).await?)
    }

    async fn put_mark(&self, mark: &CommitMark, at: Timestamp) -> Result<bool, Failure> {
        let mark = mark.clone();
        Ok(self.write(move |connection| put_mark(connection, &mark, at)).await?)
    }

    async fn set_change(
        &self,
        number: ChangeNumber,
        state: ChangeState,
        merge_commit: Option<&CommitId>,
    ) -> Result<(), Failure> {
        let merge_commit = merge_commit.cloned();
        Ok(self.write(move |connection| set_change(connection, number, state, merge_commit.as_ref())).await?)
    }
}

fn create_issue(connection: &Connection, new: &NewIssue, at: Timestamp) -> Result<Issue, Error> {
    let number = match new.number {
        None => next_number(connection)?,
        Some(number) if number == 0 || i64::try_from(number).is_err() => {
            return Err(Error::BadNumber(number));
        }
        Some(number) if exists(connection, number)? => return Err(Error::NumberTaken(number)),
        Some(number) => number,
    };
    connection
        .prepare_cached(
            "INSERT INTO local_issues (number, title, body, labels, author, open, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, true, ?6)",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                Count(number),
                new.title,
                new.body,
                Json(&new.labels),
                new.author,
                Time(at)
            ])
        })
        .doing("file an issue")?;
    find_issue(connection, number)?.ok_or(Error::NoItem(number))
}

fn find_issue(connection: &Connection, number: IssueNumber) -> Result<Option<Issue>, Error> {
    one(connection, "SELECT * FROM local_issues WHERE number = ?1", number, issue).doing("read an issue")
}

fn set_issue(connection: &Connection, number: u64, labels: &[String], open: bool) -> Result<(), Error> {
    let issues = connection
        .prepare_cached("UPDATE local_issues SET labels = ?2, open = ?3 WHERE number = ?1")
        .and_then(|mut update| update.execute(params![Count(number), Json(labels), open]))
        .doing("update an issue")?;
    let changes = connection
        .prepare_cached("UPDATE local_changes SET labels = ?2 WHERE number = ?1")
        .and_then(|mut update| update.execute(params![Count(number), Json(labels)]))
        .doing("label a change")?;
    if issues + changes == 0 { Err(Error::NoItem(number)) } else { Ok(()) }
}

fn put_comment(connection: &Connection, comment: &Comment) -> Result<bool, Error> {
    if !exists(connection, comment.issue)? {
        return Err(Error::NoItem(comment.issue));
    }
    // Without a key nothing equals it: `key = NULL` is never true.
    let replaced = connection
        .prepare_cached(
            "UPDATE local_comments SET author = ?3, body = ?4, updated_at = ?5 WHERE issue = ?1 AND key = ?2",
        )
        .and_then(|mut update| {
            let Comment { issue, key, author, body, updated_at, .. } = comment;
            update.execute(params![Count(*issue), key, author, body, Time(*updated_at)])
        })
        .doing("replace a comment")?;
    if replaced > 0 {
        return Ok(true);
    }
    connection
        .prepare_cached(
            "INSERT INTO local_comments (issue, key, author, body, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .and_then(|mut insert| {
            let Comment { issue, key, author, body, created_at, updated_at } = comment;
            insert.execute(params![Count(*issue), key, author, body, Time(*created_at), Time(*updated_at)])
        })
        .doing("add a comment")?;
    Ok(false)
}

fn put_mark(connection: &Connection, mark: &CommitMark, at: Timestamp) -> Result<bool, Error> {
    let place = (mark.commit().as_str(), mark.kind(), mark.key());
    let replaced = connection
        .prepare_cached(
            "UPDATE local_marks SET mark = ?4, updated_at = ?5 WHERE commit_id = ?1 AND kind = ?2 AND key = ?3",
        )
        .and_then(|mut update| update.execute(params![place.0, place.1, place.2, Json(mark), Time(at)]))
        .doing("replace what is said at a commit")?;
    if replaced > 0 {
        return Ok(true);
    }
    connection
        .prepare_cached(
            "INSERT INTO local_marks (commit_id, kind, key, mark, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
        )
        .and_then(|mut insert| insert.execute(params![place.0, place.1, place.2, Json(mark), Time(at)]))
        .doing("say something at a commit")?;
    Ok(false)
}

fn put_change(connection: &Connection, new: &NewChange, at: Timestamp) -> Result<(Change, bool), Error> {
    let open: Option<Count> = connection
        .prepare_cached("SELECT number FROM local_changes WHERE head = ?1 AND state = 'open'")
        .and_then(|mut select| select.query_row([&new.head], |row| row.get(0)).optional())
        .doing("look for an open change")?;
    let number = match open {
        Some(Count(number)) => number,
        None => next_number(connection)?,
    };
    // What is there keeps its number, labels and time of opening.
    connection
        .prepare_cached(
            "INSERT INTO local_changes (number, issue, title, body, head, base, head_commit, state, labels, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'open', '[]', ?8)
             ON CONFLICT (number) DO UPDATE
             SET issue = excluded.issue, title = excluded.title, body = excluded.body, base = excluded.base,
                 head_commit = excluded.head_commit",
        )
        .and_then(|mut upsert| {
            let NewChange { issue, title, body, head, base, commit } = new;
            upsert.execute(params![Count(number), Count(*issue), title, body, head, base, commit.as_str(), Time(at)])
        })
        .doing("open a change")?;
    let change = find_change(connection, number)?.ok_or(Error::NoChange(number))?;
    Ok((change, open.is_some()))
}

fn find_change(connection: &Connection, number: ChangeNumber) -> Result<Option<Change>, Error> {
    one(connection, "SELECT * FROM local_changes WHERE number = ?1", number, change).doing("read a change")
}

fn set_change(
    connection: &Connection,
    number: ChangeNumber,
    state: ChangeState,
    merge_commit: Option<&CommitId>,
) -> Result<(), Error> {
    let Some(change) = find_change(connection, number)? else {
        return Err(Error::NoChange(number));
    };
    let updated = connection
        .prepare_cached("UPDATE local_changes SET state = ?2, merge_commit = ?3 WHERE number = ?1")
        .and_then(|mut update| {
            update.execute(params![Count(number), state_word(state), merge_commit.map(CommitId::as_str)])
        });
    match updated {
        // The one rule that an update of these columns can break: one open change for each head.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            Err(Error::HeadTaken { number, head: change.head })
        }
        other => other.map(drop).doing("update a change"),
    }
}

/// Issues and changes share their numbers.
fn next_number(connection: &Connection) -> Result<u64, Error> {
    connection
        .prepare_cached(
            "SELECT max((SELECT coalesce(max(number), 0) FROM local_issues),
                        (SELECT coalesce(max(number), 0) FROM local_changes))",
        )
        .and_then(|mut select| select.query_row([], |row| row.get(0)))
        .map(|Count(last)| last + 1)
        .doing("find the next number")
}

fn exists(connection: &Connection, number: u64) -> Result<bool, Error> {
    let Ok(number) = i64::try_from(number) else {
        return Ok(false);
    };
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM local_issues WHERE number = ?1)
                 OR EXISTS (SELECT 1 FROM local_changes WHERE number = ?1)",
        )
        .and_then(|mut select| select.query_row([number], |row| row.get(0)))
        .doing("look for an issue or change")
}

/// The one row of that number; a number that no column can hold is nobody's.
fn one<T>(
    connection: &Connection,
    sql: &str,
    number: u64,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    match i64::try_from(number) {
        Ok(number) => connection.prepare_cached(sql)?.query_row([number], read).optional(),
        Err(_) => Ok(None),
    }
}

fn issue(row: &Row<'_>) -> rusqlite::Result<Issue> {
    let Count(number) = row.get("number")?;
    Ok(Issue {
        number,
        title: row.get("title")?,
        body: row.get("body")?,
        labels: row.get::<_, Json<_>>("labels")?.0,
        author: row.get("author")?,
        open: row.get("open")?,
        url: format!("miyabi issue show {number}"),
        created_at: row.get::<_, Time>("created_at")?.0,
    })
}

fn comment(row: &Row<'_>) -> rusqlite::Result<Comment> {
    Ok(Comment {
        issue: row.get::<_, Count>("issue")?.0,
        author: row.get("author")?,
        body: row.get("body")?,
        key: row.get("key")?,
        created_at: row.get::<_, Time>("created_at")?.0,
        updated_at: row.get::<_, Time>("updated_at")?.0,
    })
}

fn change(row: &Row<'_>) -> rusqlite::Result<Change> {
    let Count(number) = row.get("number")?;
    Ok(Change {
        number,
        issue: row.get::<_, Count>("issue")?.0,
        title: row.get("title")?,
        body: row.get("body")?,
        head: row.get("head")?,
        base: row.get("base")?,
        head_commit: row.get::<_, String>("head_commit")?.into(),
        state: state(row)?,
        merge_commit: row.get::<_, Option<String>>("merge_commit")?.map(CommitId::from),
        labels: row.get::<_, Json<_>>("labels")?.0,
        url: format!("miyabi change show {number}"),
        created_at: row.get::<_, Time>("created_at")?.0,
    })
}

fn state_word(state: ChangeState) -> &'static str {
    match state {
        ChangeState::Open => "open",
        ChangeState::Merged => "merged",
        ChangeState::Closed => "closed",
    }
}

fn state(row: &Row<'_>) -> rusqlite::Result<ChangeState> {
    match row.get::<_, String>("state")?.as_str() {
        "open" => Ok(ChangeState::Open),
        "merged" => Ok(ChangeState::Merged),
        "closed" => Ok(ChangeState::Closed),
        word => Err(unknown_word(word)),
    }
}
