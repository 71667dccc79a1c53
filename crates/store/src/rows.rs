//! The tables beside the log, read.

use jiff::Timestamp;
use miyabi_core::budget::Amounts;
use miyabi_core::ids::RunId;
use miyabi_core::ports::{EscalationRow, RunFilter, RunRow, SessionRow, TaskRow, UsedSince};
use miyabi_core::session::Usage;
use rusqlite::{Connection, Params, Row, ToSql};

use crate::error::{Doing, Error};
use crate::values::{Count, Json, Time, Word};

/// Runs, newest first.
pub(crate) fn runs(connection: &Connection, filter: &RunFilter) -> Result<Vec<RunRow>, Error> {
    let mut sql = "SELECT * FROM runs WHERE true".to_owned();
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    if filter.live {
        sql.push_str(" AND completion_time IS NULL");
    }
    if let Some(number) = filter.number {
        sql.push_str(" AND number = ?");
        values.push(Box::new(Count(number)));
    }
    if let Some(issue) = filter.issue {
        sql.push_str(" AND issue = ?");
        values.push(Box::new(Count(issue)));
    }
    if let Some(lane) = &filter.lane {
        sql.push_str(" AND lane = ?");
        values.push(Box::new(lane.clone()));
    }
    sql.push_str(" ORDER BY key DESC");
    if let Some(limit) = filter.limit {
        sql.push_str(" LIMIT ?");
        values.push(Box::new(limit));
    }
    all(connection, &sql, rusqlite::params_from_iter(values), run).doing("list runs")
}

/// Sessions of a run, in order of start.
pub(crate) fn sessions(connection: &Connection, run: &RunId) -> Result<Vec<SessionRow>, Error> {
    let sql = "SELECT * FROM sessions WHERE run = (SELECT key FROM runs WHERE id = ?1) ORDER BY key";
    all(connection, sql, [run.as_str()], |row| session(row, run)).doing("list sessions")
}

/// Tasks of a run, in order.
pub(crate) fn tasks(connection: &Connection, run: &RunId) -> Result<Vec<TaskRow>, Error> {
    let sql = "SELECT * FROM tasks WHERE run = (SELECT key FROM runs WHERE id = ?1) ORDER BY key";
    all(connection, sql, [run.as_str()], |row| task(row, run)).doing("list tasks")
}

/// What the sessions of all runs used that began at that time or later.
pub(crate) fn used_since(connection: &Connection, since: Timestamp) -> Result<UsedSince, Error> {
    let sql = "WITH used AS (
                   SELECT ifnull(duration_sec, 0) / 60.0 AS minutes,
                          ifnull(input_tokens, 0) + ifnull(output_tokens, 0) AS tokens,
                          ifnull(cost_usd, 0.0) AS usd,
                          completion_time IS NULL AS open
                   FROM sessions WHERE started_at >= ?1)
               SELECT count(*) AS sessions, ifnull(sum(open), 0) AS open,
                      total(minutes) AS minutes, total(tokens) AS tokens, total(usd) AS usd,
                      ifnull(max(minutes), 0.0) AS most_minutes,
                      CAST(ifnull(max(tokens), 0) AS REAL) AS most_tokens,
                      ifnull(max(usd), 0.0) AS most_usd
               FROM used";
    let mut rows = all(connection, sql, [Time(since)], |row| {
        let sessions = row.get::<_, u32>("sessions")?;
        let used = Amounts {
            sessions: f64::from(sessions),
            minutes: row.get("minutes")?,
            tokens: row.get("tokens")?,
            usd: row.get("usd")?,
        };
        let largest = Amounts {
            sessions: f64::from(sessions.min(1)),
            minutes: row.get("most_minutes")?,
            tokens: row.get("most_tokens")?,
            usd: row.get("most_usd")?,
        };
        Ok(UsedSince { used, largest, open: row.get::<_, u32>("open")? as usize })
    })
    .doing("add up sessions")?;
    Ok(rows.pop().unwrap_or_default())
}

/// Questions of live runs without an answer, oldest first.
pub(crate) fn open_escalations(connection: &Connection) -> Result<Vec<EscalationRow>, Error> {
    let sql = "SELECT runs.id AS run_id, runs.number, escalations.body
               FROM escalations JOIN runs ON runs.key = escalations.run
               WHERE answered_at IS NULL AND completion_time IS NULL ORDER BY raised_at, escalations.key";
    all(connection, sql, [], escalation).doing("list open questions")
}

/// Every row of a query, as a value.
pub(crate) fn all<T>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare_cached(sql)?.query_map(values, read)?.collect()
}

fn run(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    let completion_time: Option<Time> = row.get("completion_time")?;
    Ok(RunRow {
        id: row.get::<_, String>("id")?.into(),
        number: count(row, "number")?,
        repo: row.get("repo")?,
        issue: count(row, "issue")?,
        title: row.get("title")?,
        flow: row.get("flow")?,
        status: row.get::<_, Word>("status")?.0,
        stage: row.get("stage")?,
        started_at: row.get::<_, Time>("started_at")?.0,
        completion_time: completion_time.map(|Time(at)| at),
        duration_sec: row.get("duration_sec")?,
        reason: row.get("reason")?,
        subject: row.get("subject")?,
        head: row.get::<_, Option<String>>("head")?.map(Into::into),
    })
}

fn session(row: &Row<'_>, run: &RunId) -> rusqlite::Result<SessionRow> {
    let completion_time: Option<Time> = row.get("completion_time")?;
    let used = |column| row.get::<_, Option<Count>>(column).map(|count| count.map(|Count(used)| used));
    Ok(SessionRow {
        id: row.get::<_, String>("id")?.into(),
        run: run.clone(),
        step: row.get::<_, String>("step")?.into(),
        attempt: row.get("attempt")?,
        adapter: row.get("adapter")?,
        status: row.get::<_, Word>("status")?.0,
        started_at: row.get::<_, Time>("started_at")?.0,
        completion_time: completion_time.map(|Time(at)| at),
        duration_sec: row.get("duration_sec")?,
        usage: Usage {
            input_tokens: used("input_tokens")?,
            output_tokens: used("output_tokens")?,
            cost_usd: row.get("cost_usd")?,
            turns: used("turns")?,
        },
    })
}

fn task(row: &Row<'_>, run: &RunId) -> rusqlite::Result<TaskRow> {
    Ok(TaskRow {
        task_id: row.get::<_, String>("task_id")?.into(),
        run: run.clone(),
        issue_id: count(row, "issue_id")?,
        title: row.get("title")?,
        dependencies: row.get::<_, Json<_>>("dependencies")?.0,
        estimated_duration: row.get("estimated_duration")?,
        agent_type: row.get("agent_type")?,
    })
}

fn escalation(row: &Row<'_>) -> rusqlite::Result<EscalationRow> {
    let Json(escalation): Json<miyabi_core::event::Escalation> = row.get("body")?;
    Ok(EscalationRow {
        run: row.get::<_, String>("run_id")?.into(),
        number: count(row, "number")?,
        id: escalation.id.clone(),
        escalation,
    })
}

fn count(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    row.get::<_, Count>(column).map(|Count(count)| count)
}
