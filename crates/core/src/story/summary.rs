//! What a run of stories came to, and how it is shown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Stories, StoryOutcome, StoryPart, Verdict, is_story_step};
use crate::ids::{CommitId, RunId};
use crate::plain::{code, literal, one_line};
use crate::plan::{Uses, Work};
use crate::run::{Phase, Run, StepState};
use crate::status::Status;

/// A table that is longer, in characters, takes no further story: forges cut texts.
const MAX_PAGE: usize = 30_000;

/// What a run of stories came to: the output of the step `verdict`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Where they were judged; none: they could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// What all of them come to.
    pub verdict: Verdict,
    /// In one line.
    pub title: String,
    /// The table, in Markdown.
    pub body: String,
    /// Each story.
    pub stories: Vec<Row>,
    /// Files that are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// What one story came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// Its id.
    pub story: String,
    /// Its title.
    pub title: String,
    /// What it came to.
    pub verdict: Verdict,
    /// Why.
    pub explanation: String,
    /// How many pieces of evidence there are.
    pub evidence: usize,
    /// The run whose judgement it is, where this run asked nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_from_run: Option<RunId>,
}

impl Summary {
    /// What the stories of a run came to, as far as it has come. A story without a result is an error, unless the run
    /// was cancelled: then it was skipped.
    pub fn of(run: &Run) -> Self {
        let stories = run.stories();
        let rows: Vec<Row> = run.steps().iter().filter_map(|state| row(run, state)).collect();
        let problems = stories.as_ref().map(|stories| stories.problems.clone()).unwrap_or_default();
        let unread = stories.is_none() && run.cancelled_by.is_none();
        let wrong = (unread || !problems.is_empty()).then_some(Verdict::Error);
        let verdict = Verdict::of(rows.iter().map(|row| row.verdict).chain(wrong));
        let title = title(&rows, &problems, unread);
        let mut summary = Self {
            commit: stories.map(|stories| stories.commit),
            verdict,
            title,
            body: String::new(),
            stories: rows,
            problems,
        };
        summary.body = summary.page();
        summary
    }

    fn page(&self) -> String {
        let mut page = format!("{}\n", self.title);
        if !self.stories.is_empty() {
            page.push_str("\n| story | verdict | evidence | why |\n|---|---|---|---|\n");
        }
        let mut shown = 0;
        for row in &self.stories {
            if page.chars().count() > MAX_PAGE {
                break;
            }
            shown += 1;
            let known = if row.cached_from_run.is_some() { " (unchanged)" } else { "" };
            page.push_str(&format!(
                "| {} {} | {}{known} | {} | {} |\n",
                code(&row.story, 64),
                literal(&row.title, 80),
                row.verdict.as_str(),
                row.evidence,
                literal(&row.explanation, 300)
            ));
        }
        if let Some(more) = self.stories.len().checked_sub(shown).filter(|more| *more > 0) {
            page.push_str(&format!("\n… and {more} more\n"));
        }
        if !self.problems.is_empty() {
            page.push_str("\nFiles that are no stories:\n\n");
        }
        for problem in self.problems.iter().take(50) {
            page.push_str(&format!("- {}\n", literal(problem, 400)));
        }
        page
    }
}

fn title(rows: &[Row], problems: &[String], unread: bool) -> String {
    let count = |verdict: Verdict| rows.iter().filter(|row| row.verdict == verdict).count();
    if unread {
        return "The stories could not be read".to_owned();
    }
    if rows.is_empty() && problems.is_empty() {
        return "There are no active stories".to_owned();
    }
    let stories = if rows.len() == 1 { "story holds" } else { "stories hold" };
    let mut title = format!("{} of {} {stories}", count(Verdict::Pass), rows.len());
    let rest = [
        (count(Verdict::Fail), "failed"),
        (count(Verdict::Error), "without a verdict"),
        (count(Verdict::Skipped), "skipped"),
        (problems.len(), "problems in files"),
    ];
    for (n, what) in rest.into_iter().filter(|(n, _)| *n > 0) {
        title.push_str(&format!(", {n} {what}"));
    }
    title
}

fn row(run: &Run, state: &StepState) -> Option<Row> {
    let Work::Story(work) = &state.step.work else { return None };
    if work.part != StoryPart::Evaluate || work.planned.only_decompose {
        return None;
    }
    let story = &work.planned.story;
    let outcome = state.output().and_then(|output| StoryOutcome::deserialize(output).ok());
    let (verdict, explanation) = match (&outcome, &state.phase) {
        (Some(outcome), Phase::Ended(Status::Succeeded)) => (outcome.verdict, outcome.explanation.clone()),
        (_, Phase::Ended(Status::Cancelled)) => (Verdict::Skipped, "the run was cancelled".to_owned()),
        _ if run.cancelled_by.is_some() => (Verdict::Skipped, "the run was cancelled".to_owned()),
        _ => (Verdict::Error, why(run, state)),
    };
    let outcome = outcome.filter(|_| matches!(verdict, Verdict::Pass | Verdict::Fail | Verdict::Error));
    Some(Row {
        story: story.id.clone(),
        title: story.title.clone(),
        verdict,
        explanation: one_line(&explanation, 500),
        evidence: outcome.as_ref().map_or(0, StoryOutcome::evidence_count),
        cached_from_run: outcome.and_then(|outcome| outcome.cached_from_run),
    })
}

/// Why a story has no result.
fn why(run: &Run, state: &StepState) -> String {
    let needs = state.step.needs.iter().filter_map(|need| run.step(need));
    let failed = std::iter::once(state).chain(needs.filter(|need| is_story_step(need.step.id.as_str())));
    let failure = failed.into_iter().find_map(StepState::failure);
    failure.map_or_else(|| "it was not judged".to_owned(), ToString::to_string)
}

impl Run {
    /// What the stories of its commit are, once they were read.
    pub fn stories(&self) -> Option<Stories> {
        self.last_output(Uses::Stories)
    }
}
