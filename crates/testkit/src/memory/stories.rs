//! Stories, in a list; what they came to, read from the logs each time.

use async_trait::async_trait;
use jiff::Timestamp;
use miyabi_core::event::{Event, EventBody, Gate};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::{CommitId, RunId};
use miyabi_core::plan::Work;
use miyabi_core::ports::{ResultFilter, ResultRow, Stories, StoryRow};
use miyabi_core::story::{Decomposed, Kept, Story, StoryOutcome, StoryPart, is_story_step};
use serde_json::{Value, from_value};

use super::{MemoryStore, State, replay};

#[async_trait]
impl Stories for MemoryStore {
    async fn sync_stories(
        &self,
        repo: &str,
        commit: &CommitId,
        stories: &[Story],
        at: Timestamp,
    ) -> Result<(), Failure> {
        let row = |story: &Story| StoryRow { story: story.clone(), commit: commit.clone(), synced_at: at };
        self.state().stories.insert(repo.to_owned(), stories.iter().map(row).collect());
        Ok(())
    }

    async fn stories(&self, repo: &str) -> Result<Vec<StoryRow>, Failure> {
        let mut rows = self.state().stories.get(repo).cloned().unwrap_or_default();
        rows.sort_by(|a, b| a.story.id.cmp(&b.story.id));
        Ok(rows)
    }

    async fn decompositions(&self, repo: &str, among: &[CommitId]) -> Result<Vec<Decomposed>, Failure> {
        let all = self.state().outputs(repo).into_iter();
        let all = all.filter_map(|(_, output)| from_value::<Decomposed>(output).ok());
        let all = all.map(|found| (found.commit.clone(), found));
        Ok(nearest(among, all.collect(), |found| (found.story.clone(), found.text_hash.clone())))
    }

    async fn kept_outcomes(&self, repo: &str, among: &[CommitId]) -> Result<Vec<Kept>, Failure> {
        let all = self.state().outputs(repo).into_iter();
        let all = all.filter_map(|(run, output)| {
            let outcome = from_value::<StoryOutcome>(output).ok()?.to_keep()?;
            Some((outcome.commit.clone(), Kept { run, outcome }))
        });
        let key = |kept: &Kept| {
            let StoryOutcome { story, text_hash, decomposition_hash, .. } = kept.outcome.clone();
            (story, text_hash, decomposition_hash)
        };
        Ok(nearest(among, all.collect(), key))
    }

    async fn story_results(&self, repo: &str, filter: &ResultFilter) -> Result<Vec<ResultRow>, Failure> {
        let state = self.state();
        let mut rows: Vec<(Timestamp, ResultRow)> = Vec::new();
        for log in &state.logs {
            let of_repo = replay::run(log).is_some_and(|run| run.repo == repo);
            rows.extend(results(log).into_iter().filter(|_| of_repo).map(|row| (row.started_at, row)));
        }
        rows.sort_by_key(|(at, _)| *at);
        let wanted = |row: &ResultRow| {
            filter.run.as_ref().is_none_or(|run| row.run == *run)
                && filter.story.as_ref().is_none_or(|story| row.story == *story)
        };
        let mut found: Vec<ResultRow> = Vec::new();
        for (_, row) in rows.into_iter().rev().filter(|(_, row)| wanted(row)) {
            if !filter.latest || found.iter().all(|known| known.story != row.story) {
                found.push(row);
            }
        }
        Ok(found)
    }
}

impl State {
    /// What steps of stories came to, oldest first.
    fn outputs(&self, repo: &str) -> Vec<(RunId, Value)> {
        let mut all = Vec::new();
        for log in &self.logs {
            let Some(run) = replay::run(log).filter(|run| run.repo == repo) else { continue };
            for event in log {
                if let EventBody::StepSucceeded { step, output, .. } = &event.body
                    && is_story_step(step.as_str())
                {
                    all.push((event.at, run.id.clone(), output.clone()));
                }
            }
        }
        all.sort_by_key(|(at, ..)| *at);
        all.into_iter().map(|(_, run, output)| (run, output)).collect()
    }
}

/// Of each key the one whose commit comes first; of several there the last.
fn nearest<T: Clone, K: Ord>(among: &[CommitId], all: Vec<(CommitId, T)>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut found = std::collections::BTreeMap::new();
    for commit in among {
        for (_, one) in all.iter().rev().filter(|(at, _)| at == commit) {
            found.entry(key(one)).or_insert_with(|| one.clone());
        }
    }
    found.into_values().collect()
}

/// The results that a log tells.
fn results(log: &[Event]) -> Vec<ResultRow> {
    let Some(run) = replay::run(log) else { return Vec::new() };
    let mut rows: Vec<(String, ResultRow)> = Vec::new();
    for event in log {
        let at = event.at;
        let mut end = |step: &str, status: &str, why: Option<&str>| {
            for (_, row) in rows.iter_mut().filter(|(known, row)| known == step && row.status == "running") {
                row.status = status.to_owned();
                row.completion_time = Some(at);
                row.duration_sec = Some(at.duration_since(row.started_at).as_secs().max(0));
                row.explanation = why.map_or_else(|| row.explanation.clone(), str::to_owned);
            }
        };
        match &event.body {
            EventBody::PlanExtended { extension, .. } => {
                for step in &extension.steps {
                    let Work::Story(work) = &step.work else { continue };
                    if work.part == StoryPart::Evaluate {
                        let row = ResultRow {
                            run: run.id.clone(),
                            number: run.number,
                            story: work.planned.story.id.clone(),
                            status: "running".to_owned(),
                            commit: work.commit.clone(),
                            explanation: String::new(),
                            steps: Vec::new(),
                            evidence: 0,
                            cached_from_run: None,
                            started_at: at,
                            completion_time: None,
                            duration_sec: None,
                        };
                        rows.push((step.id.to_string(), row));
                    }
                }
            }
            EventBody::StepSucceeded { step, output, .. } => {
                let Ok(outcome) = from_value::<StoryOutcome>(output.clone()) else { continue };
                end(step.as_str(), outcome.verdict.as_str(), Some(&outcome.explanation));
                for (_, row) in rows.iter_mut().filter(|(known, _)| known == step.as_str()) {
                    row.evidence = outcome.evidence_count() as u64;
                    row.cached_from_run.clone_from(&outcome.cached_from_run);
                    row.steps.clone_from(&outcome.steps);
                }
            }
            EventBody::StepFailed { step, failure, .. } if failure.class == FailureClass::Cancelled => {
                end(step.as_str(), "skipped", Some(&failure.message));
            }
            EventBody::StepFailed { step, failure, .. } => {
                for (_, row) in
                    rows.iter_mut().filter(|(known, row)| known == step.as_str() && row.status == "running")
                {
                    row.explanation.clone_from(&failure.message);
                }
            }
            EventBody::GateDecided { step, gate: Gate::Block, .. } => end(step.as_str(), "error", None),
            EventBody::StepSkipped { step, reason } => end(step.as_str(), "error", Some(reason)),
            EventBody::StepCancelled { step } => end(step.as_str(), "skipped", Some("the run was cancelled")),
            EventBody::RunFinished { .. } => {
                let steps: Vec<String> = run_steps(log);
                steps
                    .iter()
                    .for_each(|step| end(step, "skipped", Some("the run ended before it was judged")));
            }
            _ => {}
        }
    }
    rows.into_iter().map(|(_, row)| row).collect()
}

/// The steps that judge stories.
fn run_steps(log: &[Event]) -> Vec<String> {
    let extensions = log.iter().filter_map(|event| match &event.body {
        EventBody::PlanExtended { extension, .. } => Some(&extension.steps),
        _ => None,
    });
    extensions.flatten().map(|step| step.id.to_string()).collect()
}
