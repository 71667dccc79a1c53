//! What an agent is shown of past runs: a few, short, with the places where there is more.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Found, Hit, Record, RecordId};
use crate::ids::RunId;
use crate::plain::one_line;
use crate::status::Status;

/// The longest part of a record that is shown, in characters.
const PART: usize = 700;
/// The longest title, in characters.
const TITLE: usize = 200;
/// The most files that are named.
const FILES: usize = 8;

/// From this cosine on meanings are near.
const NEAR: f64 = 0.5;

/// A past run, as an agent is shown it. Everything in it is data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Past {
    /// The title, or what else the run was about.
    pub title: String,
    /// What came of it: `succeeded`, `failed` …; `running` while it goes on.
    pub outcome: Status,
    /// The day on which that was known, `YYYY-MM-DD`.
    pub day: String,
    /// Its repo and number: `owner/name run 7`.
    pub run: String,
    /// Where people read more; may be empty.
    pub url: String,
    /// Files that were changed.
    pub files: Vec<String>,
    /// What was learned, and the part that made it be found; paragraphs.
    pub text: String,
}

impl Past {
    /// It in one line, for a list.
    pub fn line(&self) -> String {
        let place =
            if self.url.is_empty() { self.run.clone() } else { format!("{}, {}", self.run, self.url) };
        format!("{} ({}, {}; {place})", self.title, self.outcome, self.day)
    }
}

/// What is given to an agent, and which records that was made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PastWork {
    /// The runs, the most like it first.
    pub runs: Vec<Past>,
    /// The records.
    pub given: Vec<RecordId>,
}

/// The runs that hits come from, each with what became of it, within so many tokens and runs.
///
/// `outcomes` are the records of how those runs ended, where they have. What has no room is left out whole.
pub fn past_work(found: &Found, outcomes: &[Record], tokens: usize, most: usize) -> PastWork {
    let mut work = PastWork::default();
    let mut seen: Vec<&RunId> = Vec::new();
    let mut left = tokens;
    for hit in &found.hits {
        let run = &hit.record.run;
        if seen.contains(&run) || !is_alike(hit) {
            continue;
        }
        seen.push(run);
        let outcome = outcomes.iter().find(|record| record.run == *run);
        let past = past(hit, outcome);
        let cost = size(&past);
        if work.runs.len() == most || cost > left {
            continue;
        }
        left -= cost;
        work.runs.push(past);
        work.given.push(hit.record.id.clone());
        work.given.extend(outcome.map(|record| record.id.clone()).filter(|id| *id != hit.record.id));
    }
    work
}

/// Whether it has enough in common with what was looked for: two words of it, or much of its meaning. Otherwise the best
/// of a search is only the least bad.
fn is_alike(hit: &Hit) -> bool {
    hit.matched.len() >= 2 || hit.dense.is_some_and(|place| place.score >= NEAR)
}

fn past(hit: &Hit, outcome: Option<&Record>) -> Past {
    let end = outcome.unwrap_or(&hit.record);
    let learned = outcome.map(|record| cut(record.text.trim())).unwrap_or_default();
    let found = match outcome {
        Some(record) if record.id == hit.record.id => String::new(),
        _ => format!(
            "{} ({}): {}",
            one_line(&hit.record.title, TITLE),
            hit.record.kind.as_str(),
            cut(hit.excerpt.trim())
        ),
    };
    let parts: Vec<&str> =
        [learned.as_str(), found.as_str()].into_iter().filter(|part| !part.is_empty()).collect();
    Past {
        title: one_line(&end.title, TITLE),
        outcome: end.outcome,
        day: end.at.strftime("%Y-%m-%d").to_string(),
        run: format!("{} run {}", end.repo, end.number),
        url: end.url.clone(),
        files: end.files.iter().take(FILES).cloned().collect(),
        text: parts.join("\n\n"),
    }
}

fn cut(text: &str) -> String {
    crate::plain::shortened(text, PART).into_owned()
}

/// About how many tokens a text takes: a quarter of an ASCII character's worth each, a whole one for others.
pub(crate) fn tokens(text: &str) -> usize {
    let quarters: usize = text.chars().map(|c| if c.is_ascii() { 1 } else { 4 }).sum();
    quarters.div_ceil(4)
}

fn size(past: &Past) -> usize {
    let files: usize = past.files.iter().map(|file| tokens(file) + 1).sum();
    tokens(&past.title) + tokens(&past.text) + tokens(&past.url) + files + 20
}
