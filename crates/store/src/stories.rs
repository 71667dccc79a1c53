//! The tables of stories, read; and the copy of their files, written.

use async_trait::async_trait;
use jiff::Timestamp;
use miyabi_core::failure::Failure;
use miyabi_core::ids::{CommitId, RunId};
use miyabi_core::ports::{ResultFilter, ResultRow, Stories, StoryRow};
use miyabi_core::story::{Decomposed, Kept, State, Story};
use rusqlite::{Connection, Row, ToSql, params};

use crate::error::{Doing, Error};
use crate::rows::all;
use crate::store::SqliteStore;
use crate::values::{Count, Json, Time, unknown_word};

#[async_trait]
impl Stories for SqliteStore {
    async fn sync_stories(
        &self,
        repo: &str,
        commit: &CommitId,
        stories: &[Story],
        at: Timestamp,
    ) -> Result<(), Failure> {
        let (repo, commit, stories) = (repo.to_owned(), commit.clone(), stories.to_vec());
        Ok(self.write(move |connection| sync(connection, &repo, &commit, &stories, at)).await?)
    }

    async fn stories(&self, repo: &str) -> Result<Vec<StoryRow>, Failure> {
        let repo = repo.to_owned();
        let sql = "SELECT * FROM stories WHERE repo = ?1 ORDER BY id";
        Ok(self.read(move |connection| all(connection, sql, [&repo], story).doing("list stories")).await?)
    }

    async fn decompositions(&self, repo: &str, among: &[CommitId]) -> Result<Vec<Decomposed>, Failure> {
        let sql = "WITH among AS (SELECT value AS commit_sha, key AS place FROM json_each(?2)),
                   found AS (
                       SELECT known.*, row_number() OVER (
                           PARTITION BY story, text_hash ORDER BY among.place, known.key DESC) AS nth
                       FROM story_decompositions AS known JOIN among USING (commit_sha) WHERE repo = ?1)
                   SELECT story, commit_sha, text_hash, decomposition FROM found WHERE nth = 1
                   ORDER BY story, text_hash";
        let (repo, among) = (repo.to_owned(), among.to_vec());
        let row = |row: &Row<'_>| {
            Ok(Decomposed {
                story: row.get("story")?,
                commit: row.get::<_, String>("commit_sha")?.into(),
                text_hash: row.get("text_hash")?,
                decomposition: row.get::<_, Json<_>>("decomposition")?.0,
            })
        };
        let list = move |connection: &Connection| {
            all(connection, sql, params![repo, Json(&among)], row).doing("look for decompositions")
        };
        Ok(self.read(list).await?)
    }

    async fn kept_outcomes(&self, repo: &str, among: &[CommitId]) -> Result<Vec<Kept>, Failure> {
        let sql = "WITH among AS (SELECT value AS commit_sha, key AS place FROM json_each(?2)),
                   found AS (
                       SELECT known.*, row_number() OVER (
                           PARTITION BY story, text_hash, decomposition_hash
                           ORDER BY among.place, known.key DESC) AS nth
                       FROM story_evidence_cache AS known JOIN among USING (commit_sha) WHERE repo = ?1)
                   SELECT runs.id AS run_id, entry FROM found JOIN runs ON runs.key = found.run WHERE nth = 1
                   ORDER BY story, text_hash, decomposition_hash";
        let (repo, among) = (repo.to_owned(), among.to_vec());
        let row = |row: &Row<'_>| {
            let run: String = row.get("run_id")?;
            Ok(Kept { run: RunId::from(run), outcome: row.get::<_, Json<_>>("entry")?.0 })
        };
        let list = move |connection: &Connection| {
            all(connection, sql, params![repo, Json(&among)], row).doing("look for earlier judgements")
        };
        Ok(self.read(list).await?)
    }

    async fn story_results(&self, repo: &str, filter: &ResultFilter) -> Result<Vec<ResultRow>, Failure> {
        let (repo, filter) = (repo.to_owned(), filter.clone());
        Ok(self.read(move |connection| results(connection, &repo, &filter)).await?)
    }
}

fn sync(
    connection: &Connection,
    repo: &str,
    commit: &CommitId,
    stories: &[Story],
    at: Timestamp,
) -> Result<(), Error> {
    let write = || -> rusqlite::Result<()> {
        connection.prepare_cached("DELETE FROM stories WHERE repo = ?1")?.execute([repo])?;
        let mut insert = connection.prepare_cached(
            "INSERT INTO stories
                 (repo, id, title, story, acceptance_criteria, state, path, text_hash, commit_sha, synced_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?;
        for story in stories {
            let Story { id, title, story: text, acceptance_criteria, state, path } = story;
            insert.execute(params![
                repo,
                id,
                title,
                text,
                Json(acceptance_criteria),
                state.as_str(),
                path,
                story.text_hash(),
                commit.as_str(),
                Time(at),
            ])?;
        }
        Ok(())
    };
    write().doing("take over the stories of a commit")
}

fn results(connection: &Connection, repo: &str, filter: &ResultFilter) -> Result<Vec<ResultRow>, Error> {
    let mut sql = "SELECT results.*, runs.id AS run_id, runs.number AS run_number
                   FROM story_test_results AS results JOIN runs ON runs.key = results.run WHERE repo = ?"
        .to_owned();
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(repo.to_owned())];
    if let Some(run) = &filter.run {
        sql.push_str(" AND runs.id = ?");
        values.push(Box::new(run.as_str().to_owned()));
    }
    if let Some(story) = &filter.story {
        sql.push_str(" AND results.story = ?");
        values.push(Box::new(story.clone()));
    }
    if filter.latest {
        sql = format!(
            "SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY story ORDER BY key DESC) AS nth FROM ({sql}))
             WHERE nth = 1"
        );
    }
    sql.push_str(" ORDER BY key DESC");
    all(connection, &sql, rusqlite::params_from_iter(values), result).doing("list results of stories")
}

fn story(row: &Row<'_>) -> rusqlite::Result<StoryRow> {
    let state: String = row.get("state")?;
    Ok(StoryRow {
        story: Story {
            id: row.get("id")?,
            title: row.get("title")?,
            story: row.get("story")?,
            acceptance_criteria: row.get::<_, Json<_>>("acceptance_criteria")?.0,
            state: State::parse(&state).ok_or_else(|| unknown_word(&state))?,
            path: row.get("path")?,
        },
        commit: row.get::<_, String>("commit_sha")?.into(),
        synced_at: row.get::<_, Time>("synced_at")?.0,
    })
}

fn result(row: &Row<'_>) -> rusqlite::Result<ResultRow> {
    let completion_time: Option<Time> = row.get("completion_time")?;
    Ok(ResultRow {
        run: row.get::<_, String>("run_id")?.into(),
        number: row.get::<_, Count>("run_number")?.0,
        story: row.get("story")?,
        status: row.get("status")?,
        commit: row.get::<_, String>("commit_sha")?.into(),
        explanation: row.get("explanation")?,
        steps: row.get::<_, Json<_>>("steps")?.0,
        evidence: row.get::<_, Count>("evidence")?.0,
        cached_from_run: row.get::<_, Option<String>>("cached_from_run")?.map(RunId::from),
        started_at: row.get::<_, Time>("started_at")?.0,
        completion_time: completion_time.map(|Time(at)| at),
        duration_sec: row.get("duration_sec")?,
    })
}
