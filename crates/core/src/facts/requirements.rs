//! What a change is asked for, as a fact: lists and boxes in its issues and in its own text. The same texts always give
//! the same requirements; no model reads them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::links::Link;
use crate::ids::IssueNumber;
use crate::issue::{Change, Issue};
use crate::plain::one_line;
use crate::reading::outline::{Item, Outline};

/// More requirements than this are counted, not listed.
const MAX_REQUIREMENTS: usize = 100;
/// The longest text of one, in characters.
const MAX_TEXT: usize = 500;

/// What a change is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Where it was looked for.
    pub sources: Vec<RequirementSource>,
    /// What was found, in that order.
    pub items: Vec<Requirement>,
    /// How many more there were.
    #[serde(default)]
    pub left_out: usize,
}

/// A text that may ask for something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequirementSource {
    /// `issue #12` or `change #7`.
    pub source: String,
    /// Its title; untrusted. None: there is no such issue, or it cannot be seen.
    pub title: Option<String>,
    /// Whether merging the change closes it.
    pub closes: bool,
}

/// One thing that is asked for. Untrusted text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// `12.3`: the third of issue or change 12.
    pub id: String,
    /// One line.
    pub text: String,
    /// `issue #12` or `change #7`.
    pub source: String,
    /// The line in the text that it stands on, from 1; none: it is the title.
    pub line: Option<usize>,
    /// By what it was recognised.
    pub kind: RequirementKind,
    /// Whether its author ticked its box, which proves nothing; none: it has no box.
    pub ticked: Option<bool>,
}

/// By what a requirement was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequirementKind {
    /// It stands under a heading like `Acceptance criteria`.
    Acceptance,
    /// It is an item of a list of work, or a box.
    Task,
    /// Nothing else was found: the title asks for it.
    Title,
}

impl Asked {
    /// What the issues and the change itself ask for; without a change an issue alone.
    ///
    /// An issue without any list is asked for by its title. In the change's own text a list under a heading like `Checklist`
    /// or `Tasks` is what its author did, not what is asked for; its title counts where nothing else asks for anything.
    pub fn of(change: Option<&Change>, issues: &[(Link, Option<Issue>)]) -> Self {
        let mut asked = Self::default();
        for (link, issue) in issues {
            let source = format!("issue #{}", link.issue);
            let title = issue.as_ref().map(|issue| one_line(&issue.title, MAX_TEXT));
            asked.sources.push(RequirementSource { source: source.clone(), title, closes: link.closes });
            let Some(issue) = issue else { continue };
            if asked.add(issue.number, &source, &issue.body, Outline::work) == 0 {
                asked.add_title(issue.number, &source, &issue.title);
            }
        }
        if let Some(change) = change {
            let source = format!("change #{}", change.number);
            let title = Some(one_line(&change.title, MAX_TEXT));
            asked.sources.push(RequirementSource { source: source.clone(), title, closes: false });
            asked.add(change.number, &source, &change.body, Outline::loose_boxes);
            if asked.items.is_empty() {
                asked.add_title(change.number, &source, &change.title);
            }
        }
        asked.left_out = asked.items.len().saturating_sub(MAX_REQUIREMENTS);
        asked.items.truncate(MAX_REQUIREMENTS);
        asked
    }

    /// Adds what a text asks for, in its order; gives how many these are. `work`: which lists count beside criteria.
    fn add(
        &mut self,
        number: IssueNumber,
        source: &str,
        body: &str,
        work: impl Fn(&Outline) -> Vec<&Item>,
    ) -> usize {
        let outline = Outline::read(body);
        let acceptance: BTreeSet<usize> = outline.acceptance_items().map(|item| item.line).collect();
        let mut found: Vec<&Item> = outline.acceptance_items().chain(work(&outline)).collect();
        found.sort_by_key(|item| item.line);
        found.dedup_by_key(|item| item.line);
        for (place, item) in found.iter().enumerate() {
            let kind = match acceptance.contains(&item.line) {
                true => RequirementKind::Acceptance,
                false => RequirementKind::Task,
            };
            self.items.push(Requirement {
                id: format!("{number}.{}", place + 1),
                text: one_line(&item.text, MAX_TEXT),
                source: source.to_owned(),
                line: Some(item.line),
                kind,
                ticked: item.ticked,
            });
        }
        found.len()
    }

    fn add_title(&mut self, number: IssueNumber, source: &str, title: &str) {
        self.items.push(Requirement {
            id: format!("{number}.1"),
            text: one_line(title, MAX_TEXT),
            source: source.to_owned(),
            line: None,
            kind: RequirementKind::Title,
            ticked: None,
        });
    }
}
