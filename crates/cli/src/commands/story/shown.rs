//! How stories and what they came to are shown.

use miyabi_core::ports::ResultRow;
use miyabi_core::story::{AssertionOutcome, Part, StepOutcome, Story, StoryDecomposition};

use crate::output::clean::{clean_line, clean_text, short};
use crate::output::text;

/// A story with everything that is known of it.
pub(super) fn page(
    story: &Story,
    decomposition: Option<&StoryDecomposition>,
    last: Option<&ResultRow>,
) -> String {
    let mut page = format!(
        "{} ({}, {})\n{}\n\n{}\n",
        story.id,
        story.state.as_str(),
        story.path,
        story.title,
        story.story
    );
    if !story.acceptance_criteria.is_empty() {
        page.push_str("\nacceptance criteria:\n");
    }
    story.acceptance_criteria.iter().for_each(|line| page.push_str(&format!("  - {line}\n")));
    page.push('\n');
    match decomposition {
        Some(parts) => page.push_str(&self::parts(parts)),
        None => page.push_str("it was not taken apart yet\n"),
    }
    page.push('\n');
    match last {
        None => page.push_str("it was not judged yet\n"),
        Some(last) => {
            let commit = text::short_id(last.commit.as_str());
            page.push_str(&format!(
                "{} in run {} at {commit}: {}\n",
                last.status,
                last.number,
                clean_line(&last.explanation)
            ));
            last.steps.iter().for_each(|step| page.push_str(&judged(step)));
        }
    }
    clean_text(&page)
}

/// What a story consists of.
pub(super) fn parts(parts: &StoryDecomposition) -> String {
    let mut page = String::from("it consists of:\n");
    for (part, n) in parts.steps.iter().zip(1..) {
        match part {
            Part::Given { text } => page.push_str(&format!("  {n}. given: {text}\n")),
            Part::Requirement { goal, assertions } => {
                page.push_str(&format!("  {n}. required: {goal}\n"));
                for (assertion, m) in assertions.iter().zip(1..) {
                    page.push_str(&format!("     {n}.{m} {assertion}\n"));
                }
            }
        }
    }
    clean_text(&page)
}

fn judged(step: &StepOutcome) -> String {
    let from = step.cached_from_run.as_ref().map_or_else(String::new, |run| {
        format!(" (as run {} found; nothing that it rests on has changed)", text::short_id(run.as_str()))
    });
    let mut page = format!("  {}. {}: {}{from}\n", step.step, step.verdict.as_str(), clean_line(&step.goal));
    for AssertionOutcome { assertion, verdict, explanation, evidence, searched, .. } in &step.assertions {
        let number = format!("{}.{assertion}", step.step);
        page.push_str(&format!("     {number} {}: {}\n", verdict.as_str(), clean_line(explanation)));
        evidence.iter().for_each(|cited| page.push_str(&format!("       {}\n", cited.at)));
        if !searched.is_empty() {
            page.push_str(&format!("       searched: {}\n", clean_line(&searched.join(", "))));
        }
    }
    page
}

/// What the stories of a run came to.
pub(super) fn results(rows: &[ResultRow]) -> String {
    let row = |row: &ResultRow| {
        let known = if row.cached_from_run.is_some() { "unchanged" } else { "" };
        [
            row.story.clone(),
            row.status.clone(),
            row.evidence.to_string(),
            known.to_owned(),
            short(&row.explanation, 100),
        ]
    };
    text::table(["story", "verdict", "evidence", "", "why"], rows.iter().map(row))
}
