//! What an agent judges of each requirement, held against the files: evidence that is not there proves nothing.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::requirements::Asked;
use crate::evidence::Evidence;
use crate::plain::one_line;

/// More places than this are not looked at, for one requirement.
const MAX_PLACES: usize = 20;
/// The longest note and place that are kept, in characters.
const MAX_TEXT: usize = 500;

/// The answer of an agent that judges requirements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Judgements {
    /// One for each requirement.
    pub requirements: Vec<Judgement>,
}

/// What an agent judges of one requirement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Judgement {
    /// The requirement's id, as the facts name it.
    pub id: String,
    /// Whether the change does it.
    pub judgement: Met,
    /// Where it shows: `path:start-end`, of files as they are at the head of the change.
    #[serde(default)]
    pub evidence: Vec<String>,
    /// One sentence.
    #[serde(default)]
    pub note: String,
}

/// Whether a change does what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Met {
    /// All of it.
    Met,
    /// Some of it.
    Partly,
    /// Nothing of it.
    NotMet,
    /// It cannot be told.
    Unclear,
}

impl Met {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Partly => "partly",
            Self::NotMet => "not met",
            Self::Unclear => "unclear",
        }
    }
}

/// Judgements that were held against the files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// One for each requirement that is a fact, in that order.
    pub requirements: Vec<JudgedRequirement>,
    /// How many the agent says are met and names places for that are there.
    pub met: usize,
    /// The same for a part.
    pub partly: usize,
    /// How many it says are not met.
    pub not_met: usize,
    /// All others.
    pub unclear: usize,
    /// Ids that the agent made up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// What is left of a judgement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgedRequirement {
    /// The requirement's id.
    pub id: String,
    /// What counts: `met` and `partly` without any place that is there are `unclear`.
    pub judgement: Met,
    /// What the agent said; none: nothing.
    pub said: Option<Met>,
    /// The places that it named.
    pub evidence: Vec<Place>,
    /// Its sentence; untrusted.
    pub note: String,
}

/// A place that an agent named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// `path:start-end`, as far as it could be read.
    pub place: String,
    /// Whether the file and the lines are there. That they show what the agent says is not known.
    pub is_there: bool,
    /// What is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
}

impl Judgements {
    /// The files that are named, each once: those whose lines have to be counted.
    pub fn paths(&self) -> Vec<String> {
        let places = self.requirements.iter().flat_map(|one| one.evidence.iter().take(MAX_PLACES));
        let mut paths: Vec<String> =
            places.filter_map(|place| Some(place.parse::<Evidence>().ok()?.path)).collect();
        paths.sort();
        paths.dedup();
        paths
    }

    /// Holds what the agent says against the requirements and against the files; `lines`: how many each of the files
    /// has that are there.
    pub fn judged(&self, asked: &Asked, lines: &BTreeMap<String, usize>) -> Judged {
        let mut judged = Judged::default();
        for requirement in &asked.items {
            // Who judges twice has not judged.
            let mut said = self.requirements.iter().filter(|one| one.id == requirement.id);
            let said = match (said.next(), said.next()) {
                (Some(one), None) => Some(one),
                _ => None,
            };
            let evidence: Vec<Place> = said
                .into_iter()
                .flat_map(|said| said.evidence.iter().take(MAX_PLACES))
                .map(|text| place(text, lines))
                .collect();
            let shown = evidence.iter().any(|place| place.is_there);
            let judgement = match said.map(|said| said.judgement) {
                Some(Met::Met | Met::Partly) if !shown => Met::Unclear,
                Some(judgement) => judgement,
                None => Met::Unclear,
            };
            *match judgement {
                Met::Met => &mut judged.met,
                Met::Partly => &mut judged.partly,
                Met::NotMet => &mut judged.not_met,
                Met::Unclear => &mut judged.unclear,
            } += 1;
            judged.requirements.push(JudgedRequirement {
                id: requirement.id.clone(),
                judgement,
                said: said.map(|said| said.judgement),
                evidence,
                note: said.map(|said| one_line(&said.note, MAX_TEXT)).unwrap_or_default(),
            });
        }
        let is_asked = |id: &str| asked.items.iter().any(|requirement| requirement.id == id);
        let unknown = self.requirements.iter().filter(|one| !is_asked(&one.id));
        judged.unknown = unknown.map(|one| one_line(&one.id, 40)).take(MAX_PLACES).collect();
        judged
    }
}

fn place(text: &str, lines: &BTreeMap<String, usize>) -> Place {
    let found = text.parse::<Evidence>();
    let checked = found.and_then(|found| {
        found.check(lines.get(&found.path).copied())?;
        Ok(found)
    });
    match checked {
        Ok(found) => Place { place: found.to_string(), is_there: true, why_not: None },
        Err(problem) => {
            Place { place: one_line(text, MAX_TEXT), is_there: false, why_not: Some(problem.to_string()) }
        }
    }
}
