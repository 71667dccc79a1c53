//! The report on a change: what was looked up in tables of ours, what agents say in quotations of theirs.

use std::fmt::Write as _;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::counted;
use crate::cast::AnswerKind;
use crate::facts::{
    Asked, ChangeFacts, CiFacts, CiState, Fact, Judged, Place, Requirement, ReviewFacts, Reviewed,
};
use crate::ids::{ChangeNumber, CommitId, StepId};
use crate::plain::{code, literal, one_line, place};
use crate::plan::Work;
use crate::run::{Run, StepState};
use crate::session::Adapter;
use crate::status::Status;

/// More rows of one table than this are counted, not shown.
const SHOWN: usize = 50;
/// More lines of what an agent says than this are left out.
const MAX_LINES: usize = 60;
/// The longest cell and line, in characters.
const CELL: usize = 300;
const LINE: usize = 600;

/// Everything that a report on a change is made of, as it was when the step that makes it began.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    change: Option<ChangeNumber>,
    /// The commit that agents had before them.
    checkout: CommitId,
    asked: Option<Asked>,
    judged: Option<Judged>,
    reviews: Option<ReviewFacts>,
    ci: Option<CiFacts>,
    about: Option<ChangeFacts>,
    steps: Vec<Before>,
}

/// A step that the report waits for.
#[derive(Clone, Debug, PartialEq)]
struct Before {
    step: StepId,
    agent: String,
    /// Why it came to nothing.
    why_not: Option<String>,
    /// What its agent said that is no judgement; untrusted.
    words: Option<String>,
}

impl Verified {
    /// What the steps that this one waits for found about that change. A fact counts only where its step's agent looks it
    /// up: what an agent puts in its place does not.
    pub fn of(run: &Run, state: &StepState, change: Option<ChangeNumber>) -> Self {
        let mut verified = Self {
            change,
            checkout: run.started.base_commit.clone(),
            asked: None,
            judged: None,
            reviews: None,
            ci: None,
            about: None,
            steps: Vec::new(),
        };
        for before in state.step.needs.iter().filter_map(|need| run.step(need)) {
            let Work::Agent(work) = &before.step.work else { continue };
            verified.add(run, before, &work.agent);
        }
        verified
    }

    fn add(&mut self, run: &Run, before: &StepState, agent: &str) {
        let brief = run.started.cast.agents.get(agent);
        let output = before.output().filter(|_| before.status() == Status::Succeeded);
        let why_not = match (output, before.failure()) {
            (Some(_), _) => None,
            (None, Some(failure)) => Some(format!("failed: {}", failure.message)),
            (None, None) => {
                Some(format!("skipped: {}", before.skipped.as_deref().unwrap_or("it was not started")))
            }
        };
        let mut step = Before { step: before.step.id.clone(), agent: agent.to_owned(), why_not, words: None };
        if let (Some(brief), Some(output)) = (brief, output) {
            let looked_up = |fact: Fact| {
                brief.facts.contains(&fact).then(|| output["facts"].get(fact.as_str())).flatten()
            };
            replace(&mut self.about, looked_up(Fact::Change));
            replace(&mut self.asked, looked_up(Fact::Requirements));
            replace(&mut self.reviews, looked_up(Fact::Reviews));
            replace(&mut self.ci, looked_up(Fact::Ci));
            let is_asked = *brief.adapter.as_ref().unwrap_or(&run.started.adapter) != Adapter::Facts;
            match brief.answer {
                _ if !is_asked => {
                    step.why_not = brief.facts.is_empty().then(|| "no agent was asked".to_owned())
                }
                Some(AnswerKind::Judgements) => replace(&mut self.judged, Some(output)),
                _ => step.words = words(output),
            }
        }
        self.steps.push(step);
    }

    /// The same, with facts that were looked up for the report itself in the place of those that nobody left behind.
    #[must_use]
    pub fn or(mut self, facts: &Map<String, Value>) -> Self {
        fill(&mut self.about, facts.get(Fact::Change.as_str()));
        fill(&mut self.asked, facts.get(Fact::Requirements.as_str()));
        fill(&mut self.reviews, facts.get(Fact::Reviews.as_str()));
        fill(&mut self.ci, facts.get(Fact::Ci.as_str()));
        self
    }

    /// The same, where that step's agent, who was to sum it up, did not: the report says so.
    #[must_use]
    pub fn unsummed(mut self, step: &StepId, agent: &str, why: &str) -> Self {
        let why_not = Some(format!("failed: {why}"));
        self.steps.push(Before { step: step.clone(), agent: agent.to_owned(), why_not, words: None });
        self
    }

    /// The report as a comment; `said`: who sums it up, and in which words.
    pub fn comment(&self, said: Option<(&str, &str)>) -> String {
        let mut text = match self.change {
            Some(change) => format!("## Verification of #{change}\n\n"),
            None => "## Verification\n\n".to_owned(),
        };
        let heads = self.heads();
        match heads.as_slice() {
            [] => text.push_str("No fact about it was looked up.\n\n"),
            [head] => {
                let _ = writeln!(text, "Looked up by miyabi at {}.\n", code(head.as_str(), 64));
            }
            [.., newest] => {
                let newest = code(newest.as_str(), 64);
                let _ = writeln!(text, "**The head moved while this was looked up**, to {newest}.\n");
            }
        }
        let draft = self.about.as_ref().is_some_and(|about| about.draft);
        if draft {
            text.push_str("It is a draft.\n\n");
        }
        text.push_str("| | looked up |\n|---|---|\n");
        let _ = writeln!(text, "| Requirements | {} |", self.asked.as_ref().map_or_else(missing, asked_line));
        let _ = writeln!(text, "| Reviews | {} |", self.reviews.as_ref().map_or_else(missing, review_line));
        let _ = writeln!(text, "| CI | {} |\n", self.ci.as_ref().map_or_else(missing, ci_line));
        self.requirements(&mut text, &heads);
        self.reviews(&mut text);
        self.checks(&mut text);
        let came_to_nothing = self.steps.iter().filter_map(|step| Some((&step.step, step.why_not.as_ref()?)));
        for (number, (step, why)) in came_to_nothing.enumerate() {
            if number == 0 {
                text.push_str("### Not done\n\n");
            }
            let _ = writeln!(text, "- {}: {}", literal(step.as_str(), 100), literal(why, CELL));
        }
        self.words(&mut text, said);
        text
    }

    /// The commits that the facts speak of, in the order in which they were looked up.
    fn heads(&self) -> Vec<CommitId> {
        let all = [
            self.about.as_ref().map(|about| &about.head),
            self.reviews.as_ref().map(|reviews| &reviews.head),
            self.ci.as_ref().map(|ci| &ci.head),
        ];
        let mut heads: Vec<CommitId> = all.into_iter().flatten().cloned().collect();
        heads.dedup();
        heads
    }

    fn requirements(&self, text: &mut String, heads: &[CommitId]) {
        let Some(asked) = self.asked.as_ref().filter(|asked| !asked.items.is_empty()) else { return };
        text.push_str("### Requirements\n\n");
        match &self.judged {
            None => text.push_str("No agent judged whether they are met.\n\n"),
            Some(judged) => {
                let Judged { met, partly, not_met, unclear, .. } = judged;
                let _ = writeln!(
                    text,
                    "An agent says: {met} met, {partly} partly, {not_met} not met, {unclear} unclear. That is a judgement; \
                     only that the places it names are there was looked up.\n"
                );
                if !heads.is_empty() && !heads.contains(&self.checkout) {
                    let read = code(self.checkout.as_str(), 64);
                    let _ = writeln!(text, "**It read {read}, which is not the head.**\n");
                }
            }
        }
        text.push_str("| | asked for | by | an agent says | places |\n|---|---|---|---|---|\n");
        for one in asked.items.iter().take(SHOWN) {
            let judged =
                self.judged.iter().flat_map(|judged| &judged.requirements).find(|found| found.id == one.id);
            let says = judged.map_or_else(String::new, |found| match found.said {
                None => "nothing".to_owned(),
                Some(said) if said == found.judgement => said_line(said.as_str(), &found.note),
                Some(said) => said_line(&format!("{}, which no place shows", said.as_str()), &found.note),
            });
            let places = judged.map_or_else(String::new, |found| {
                found.evidence.iter().take(5).map(place_cell).collect::<Vec<_>>().join("<br>")
            });
            let _ = writeln!(
                text,
                "| {} | {} | {} | {says} | {places} |",
                code(&one.id, 40),
                literal(&one.text, CELL),
                by(one)
            );
        }
        more(text, asked.items.len() + asked.left_out);
    }

    fn reviews(&self, text: &mut String) {
        let Some(found) = self.reviews.as_ref().filter(|found| !found.reviewers.is_empty()) else { return };
        text.push_str("### Reviews\n\n| who | | of | |\n|---|---|---|---|\n");
        for one in found.reviewers.iter().take(SHOWN) {
            let commit = one.commit.as_ref().map_or_else(|| "a commit that is gone".to_owned(), short);
            let of = if one.stale { format!("{commit}, which is not the head") } else { commit };
            let counts = if one.counts { "" } else { "does not count" };
            let _ =
                writeln!(text, "| {} | {} | {of} | {counts} |", literal(&one.by, 100), one.state.as_str());
        }
        more(text, found.reviewers.len());
    }

    fn checks(&self, text: &mut String) {
        let Some(found) = self.ci.as_ref().filter(|found| !found.checks.is_empty()) else { return };
        text.push_str("### CI\n\n| check | | |\n|---|---|---|\n");
        for one in found.checks.iter().take(SHOWN) {
            let at = one.url.as_deref().map_or_else(String::new, place);
            let _ = writeln!(text, "| {} | {} | {at} |", literal(&one.name, 100), one.state.as_str());
        }
        more(text, found.checks.len());
    }

    fn words(&self, text: &mut String, said: Option<(&str, &str)>) {
        let summary = said.map(|(agent, words)| (agent.to_owned(), words));
        let others = self
            .steps
            .iter()
            .filter_map(|step| Some((format!("{} ({})", step.agent, step.step), step.words.as_deref()?)));
        for (number, (who, words)) in summary.into_iter().chain(others).enumerate() {
            if number == 0 {
                text.push_str("\n### What agents say\n\nTheir words; nothing in them was measured.\n\n");
            }
            let _ = writeln!(text, "{}:\n\n{}", literal(&who, 200), quoted(words));
        }
    }
}

/// Takes a value that is of that shape; of several the last one counts.
fn replace<T: DeserializeOwned>(place: &mut Option<T>, value: Option<&Value>) {
    if let Some(found) = value.and_then(|value| T::deserialize(value).ok()) {
        *place = Some(found);
    }
}

/// Takes a value where there is none.
fn fill<T: DeserializeOwned>(place: &mut Option<T>, value: Option<&Value>) {
    if place.is_none() {
        replace(place, value);
    }
}

/// What an agent said, without what was looked up for it.
fn words(output: &Value) -> Option<String> {
    match output {
        Value::String(text) => Some(text.clone()),
        Value::Object(fields) => {
            let mut fields = fields.clone();
            fields.remove("facts");
            match (fields.len(), fields.get("text").and_then(Value::as_str)) {
                (0, _) => None,
                (1, Some(text)) => Some(text.to_owned()),
                _ => serde_json::to_string_pretty(&fields).ok(),
            }
        }
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

/// Text of an agent as a quotation that it cannot leave: every line literal, and within.
fn quoted(words: &str) -> String {
    let plain = words.replace("\r\n", "\n").replace('\r', "\n");
    let mut quoted = String::new();
    let mut lines = plain.trim().lines();
    for line in lines.by_ref().take(MAX_LINES) {
        // Two spaces end the line for readers, too.
        let _ = writeln!(quoted, "> {}  ", literal(line, LINE));
    }
    let left = lines.count();
    if left > 0 {
        let _ = writeln!(quoted, ">\n> … and {}", counted(left as u64, "more line", "more lines"));
    }
    quoted
}

fn missing() -> String {
    "not looked up".to_owned()
}

fn asked_line(asked: &Asked) -> String {
    let count = asked.items.len() + asked.left_out;
    let sources: Vec<String> = asked
        .sources
        .iter()
        .map(|one| match &one.title {
            Some(_) => one.source.clone(),
            None => format!("{} (which is not there)", one.source),
        })
        .collect();
    let ticked = asked.items.iter().filter(|one| one.ticked == Some(true)).count();
    let ticked = match ticked {
        0 => String::new(),
        ticked => format!("; {ticked} ticked by who wrote them"),
    };
    format!("{count}, by {}{ticked}", sources.join(" and "))
}

fn review_line(found: &ReviewFacts) -> String {
    let approvals = counted(found.approvals as u64, "approval", "approvals");
    let mut parts = vec![match found.state {
        Reviewed::Unknown => return "this forge has no reviews".to_owned(),
        Reviewed::ChangesRequested => {
            format!("**changes requested** by {}, {approvals}", found.changes_requested)
        }
        Reviewed::Approved => format!("**approved**: {approvals}"),
        Reviewed::None => "no approval of the head".to_owned(),
    }];
    if found.stale_approvals > 0 {
        parts.push(format!(
            "{} of an older commit",
            counted(found.stale_approvals as u64, "approval", "approvals")
        ));
    }
    if !found.requested.is_empty() {
        let names: Vec<_> = found.requested.iter().take(10).map(|name| literal(name, 60)).collect();
        parts.push(format!("asked and not answered: {}", names.join(", ")));
    }
    parts.join("; ")
}

fn ci_line(found: &CiFacts) -> String {
    let counts = format!("{} failed, {} pending, {} passed", found.failed, found.pending, found.passed);
    match found.state {
        CiState::None | CiState::NotConfigured => found.state.as_str().to_owned(),
        state => format!("**{}**: {counts}", state.as_str()),
    }
}

fn by(one: &Requirement) -> String {
    match one.line {
        Some(line) => format!("{}, line {line}", one.source),
        None => format!("{}, title", one.source),
    }
}

fn said_line(says: &str, note: &str) -> String {
    if note.is_empty() { says.to_owned() } else { format!("{says}: “{}”", literal(note, CELL)) }
}

fn place_cell(place: &Place) -> String {
    let shown = code(&one_line(&place.place, 120), 120);
    match &place.why_not {
        None => shown,
        Some(why) => format!("~~{shown}~~ {}", literal(why, 100)),
    }
}

fn short(commit: &CommitId) -> String {
    let short: String = commit.as_str().chars().take(10).collect();
    code(&short, 10)
}

/// Ends a table, with how many rows of so many are not in it.
fn more(text: &mut String, all: usize) {
    let left = all.saturating_sub(SHOWN);
    if left > 0 {
        let _ = writeln!(text, "\n… and {left} more");
    }
    text.push('\n');
}
