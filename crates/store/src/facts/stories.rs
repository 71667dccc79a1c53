//! What events mean for the tables of stories.

use jiff::Timestamp;
use miyabi_core::event::{Event, EventBody, Gate};
use miyabi_core::failure::FailureClass;
use miyabi_core::ids::{CommitId, StepId};
use miyabi_core::plan::{Step, Work};
use miyabi_core::story::{Decomposed, StoryOutcome, StoryPart, Verdict, is_story_step};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Deserialize;

use super::Fact;
use crate::values::{Count, Json, Time, seconds};

/// One change of the tables of stories.
#[derive(Debug, PartialEq)]
pub(crate) enum StoryFact {
    /// A story joined the run.
    Begun(Timestamp, StepId, String, CommitId),
    /// It was taken apart.
    Decomposed(Timestamp, Box<Decomposed>),
    /// It was judged.
    Judged(Timestamp, StepId, Box<StoryOutcome>),
    /// An attempt at it failed; what follows is another event.
    Failed(StepId, String),
    /// It ended without a judgement; where nothing is said, the last failure says why.
    Ended(Timestamp, StepId, Verdict, Option<String>),
}

/// What an event about a step of a story changes.
pub(super) fn fact(event: &Event) -> Option<Fact> {
    let at = event.at;
    let of_story = |step: &StepId| is_story_step(step.as_str()).then(|| step.clone());
    let fact = match &event.body {
        EventBody::StepSucceeded { step, output, .. } => {
            let step = of_story(step)?;
            match StoryOutcome::deserialize(output) {
                Ok(outcome) => StoryFact::Judged(at, step, Box::new(outcome)),
                Err(_) => StoryFact::Decomposed(at, Box::new(Decomposed::deserialize(output).ok()?)),
            }
        }
        EventBody::StepFailed { step, failure, .. } if failure.class == FailureClass::Cancelled => {
            StoryFact::Ended(at, of_story(step)?, Verdict::Skipped, Some(failure.message.clone()))
        }
        EventBody::StepFailed { step, failure, .. } => {
            StoryFact::Failed(of_story(step)?, failure.message.clone())
        }
        EventBody::GateDecided { step, gate: Gate::Block, .. } => {
            StoryFact::Ended(at, of_story(step)?, Verdict::Error, None)
        }
        EventBody::StepSkipped { step, reason } => {
            StoryFact::Ended(at, of_story(step)?, Verdict::Error, Some(reason.clone()))
        }
        EventBody::StepCancelled { step } => {
            StoryFact::Ended(at, of_story(step)?, Verdict::Skipped, Some("the run was cancelled".to_owned()))
        }
        _ => return None,
    };
    Some(Fact::Story(fact))
}

/// The stories among new steps of a plan.
pub(super) fn begun(at: Timestamp, steps: &[Step]) -> impl Iterator<Item = Fact> {
    steps.iter().filter_map(move |step| match &step.work {
        Work::Story(work) if work.part == StoryPart::Evaluate => {
            let story = work.planned.story.id.clone();
            Some(Fact::Story(StoryFact::Begun(at, step.id.clone(), story, work.commit.clone())))
        }
        _ => None,
    })
}

/// Writes one change. Rows that have ended stay as they are.
pub(super) fn write(connection: &Connection, run: i64, fact: &StoryFact) -> rusqlite::Result<()> {
    match fact {
        StoryFact::Begun(at, step, story, commit) => connection
            .prepare_cached(
                "INSERT INTO story_test_results
                     (run, step, story, status, commit_sha, explanation, steps, evidence, started_at)
                 VALUES (?1, ?2, ?3, 'running', ?4, '', '[]', 0, ?5) ON CONFLICT DO NOTHING",
            )?
            .execute(params![run, step.as_str(), story, commit.as_str(), Time(*at)])
            .map(drop),
        StoryFact::Decomposed(at, found) => connection
            .prepare_cached(
                "INSERT INTO story_decompositions (repo, story, commit_sha, text_hash, decomposition, run, created_at)
                 SELECT repo, ?2, ?3, ?4, ?5, key, ?6 FROM runs WHERE key = ?1 ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                run,
                found.story,
                found.commit.as_str(),
                found.text_hash,
                Json(&found.decomposition),
                Time(*at)
            ])
            .map(drop),
        StoryFact::Judged(at, step, outcome) => judged(connection, run, *at, step, outcome),
        StoryFact::Failed(step, message) => connection
            .prepare_cached(
                "UPDATE story_test_results SET explanation = ?3 WHERE run = ?1 AND step = ?2 AND status = 'running'",
            )?
            .execute(params![run, step.as_str(), message])
            .map(drop),
        StoryFact::Ended(at, step, verdict, why) => ended(connection, run, *at, step, *verdict, why.as_deref()),
    }
}

fn judged(
    connection: &Connection,
    run: i64,
    at: Timestamp,
    step: &StepId,
    outcome: &StoryOutcome,
) -> rusqlite::Result<()> {
    let from = outcome.cached_from_run.as_ref().map(|run| run.as_str());
    let evidence = Count(u64::try_from(outcome.evidence_count()).unwrap_or(u64::MAX));
    end(connection, run, at, step, outcome.verdict)?;
    connection
        .prepare_cached(
            "UPDATE story_test_results SET explanation = ?3, steps = ?4, evidence = ?5, cached_from_run = ?6
             WHERE run = ?1 AND step = ?2",
        )?
        .execute(params![run, step.as_str(), outcome.explanation, Json(&outcome.steps), evidence, from])?;
    let Some(entry) = outcome.to_keep() else { return Ok(()) };
    connection
        .prepare_cached(
            "INSERT INTO story_evidence_cache
                 (repo, story, commit_sha, text_hash, decomposition_hash, entry, run, cached_from_run, created_at)
             SELECT repo, ?2, ?3, ?4, ?5, ?6, key, ?7, ?8 FROM runs WHERE key = ?1 ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            run,
            entry.story,
            entry.commit.as_str(),
            entry.text_hash,
            entry.decomposition_hash,
            Json(&entry),
            from,
            Time(at),
        ])
        .map(drop)
}

fn ended(
    connection: &Connection,
    run: i64,
    at: Timestamp,
    step: &StepId,
    verdict: Verdict,
    why: Option<&str>,
) -> rusqlite::Result<()> {
    if end(connection, run, at, step, verdict)?
        && let Some(why) = why
    {
        connection
            .prepare_cached("UPDATE story_test_results SET explanation = ?3 WHERE run = ?1 AND step = ?2")?
            .execute(params![run, step.as_str(), why])?;
    }
    Ok(())
}

/// Says whether there was something to end.
fn end(
    connection: &Connection,
    run: i64,
    at: Timestamp,
    step: &StepId,
    verdict: Verdict,
) -> rusqlite::Result<bool> {
    let Some(Time(started_at)) = connection
        .prepare_cached(
            "SELECT started_at FROM story_test_results WHERE run = ?1 AND step = ?2 AND status = 'running'",
        )?
        .query_row(params![run, step.as_str()], |row| row.get(0))
        .optional()?
    else {
        return Ok(false);
    };
    connection
        .prepare_cached(
            "UPDATE story_test_results SET status = ?3, completion_time = ?4, duration_sec = ?5
             WHERE run = ?1 AND step = ?2",
        )?
        .execute(params![run, step.as_str(), verdict.as_str(), Time(at), seconds(started_at, at)])?;
    Ok(true)
}

/// What is still running when its run ends was not looked at.
pub(super) fn finished(connection: &Connection, run: i64, at: Timestamp) -> rusqlite::Result<()> {
    let open: Vec<String> = connection
        .prepare_cached("SELECT step FROM story_test_results WHERE run = ?1 AND status = 'running'")?
        .query_map([run], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let why = Some("the run ended before it was judged");
    open.iter().try_for_each(|step| ended(connection, run, at, &step.as_str().into(), Verdict::Skipped, why))
}
