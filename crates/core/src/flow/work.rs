//! What a step does: by whom, with what, on which condition, and what it writes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::lookups::Lookups;
use super::names::{listed, shown};
use super::node::{self, Node};
use super::problem::{At, Problems};
use super::read::{Fields, Word, choose, word};
use super::suggest::nearest;
use super::{Known, json};
use crate::expression::{ExpressionProblem, references_of_condition, references_of_text};
use crate::plan::{ActionCall, ActionKind, AgentWork, Uses, Work};

/// Reads `uses`, or `agent` with `skills`. With a built-in step comes the place of its word.
pub(super) fn read(
    fields: &mut Fields<'_>,
    known: &Known,
    problems: &mut Problems<'_>,
) -> (Option<Work>, Option<(At, Uses)>) {
    let agent_key = fields.either(("agent", "specialist"), problems);
    match (agent_key, fields.has("uses")) {
        (Some(key), false) => (agent(key, fields, known, problems), None),
        (None, false) => {
            let problem = problems.add(fields.at, "missing-key", "a step needs `agent` or `uses`");
            problem.hint(
                "`agent` names who does it, `uses` a built-in step; `specialist` is another word for `agent`",
            );
            (None, None)
        }
        (agent_key, true) => {
            if let Some(at) = agent_key.and_then(|key| fields.at_of(key)) {
                let message = "a step is done by an agent or is a built-in one, and this is both";
                problems.add(at, "one-work", message).hint("make two steps of it");
            } else {
                fields.no_effect("skills", "skills are added to the prompts of agents", problems);
                fields.no_effect("input", "built-in steps take what they need from the run", problems);
            }
            let words = Uses::ALL.map(|uses| (uses.as_str(), uses));
            let word = fields.text("uses", problems);
            let uses = word.and_then(|word| Some((word.at, choose(&word, "uses", &words, problems)?)));
            (uses.map(|(_, uses)| Work::Uses(uses)), uses)
        }
    }
}

fn agent(key: &str, fields: &mut Fields<'_>, known: &Known, problems: &mut Problems<'_>) -> Option<Work> {
    let skills = if fields.has("skills") { fields.words("skills", problems)? } else { Vec::new() };
    let mut seen = BTreeSet::new();
    for word in &skills {
        check_known(word, "skill", known.skills.as_ref(), problems);
        if !seen.insert(word.text.as_str()) {
            let message = format!("skill `{}` is named twice", shown(&word.text));
            problems.add(word.at, "duplicate-name", message).hint("leave one of them out");
        }
    }
    let agent = fields.text(key, problems)?;
    check_known(&agent, "agent", known.agents.as_ref(), problems);
    let skills = skills.into_iter().map(|word| word.text).collect();
    Some(Work::Agent(AgentWork { agent: agent.text, skills }))
}

fn check_known(word: &Word, what: &str, known: Option<&BTreeSet<String>>, problems: &mut Problems<'_>) {
    let Some(known) = known.filter(|known| !known.contains(&word.text)) else { return };
    let rule = if what == "agent" { "unknown-agent" } else { "unknown-skill" };
    let problem = problems.add(word.at, rule, format!("there is no {what} `{}`", shown(&word.text)));
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    match nearest(&word.text, names.iter().copied()) {
        Some(meant) => problem.hint(format!("did you mean `{}`?", shown(meant))),
        None if names.is_empty() => problem.hint(format!("there is no {what} at all")),
        None if names.len() > 20 => problem.hint(format!("`miyabi {what} list` names them")),
        None => problem.hint(format!("it is {}", listed(&names))),
    }
}

/// Reads `condition` or `if`.
pub(super) fn condition(
    fields: &mut Fields<'_>,
    lookups: &mut Vec<Lookups>,
    problems: &mut Problems<'_>,
) -> Option<String> {
    let key = fields.either(("condition", "if"), problems)?;
    let word = fields.text(key, problems)?;
    match references_of_condition(&word.text) {
        Ok(references) => {
            let text = word.text.clone();
            lookups.push(Lookups { word, references, sees_itself: false });
            Some(text)
        }
        Err(problem) => {
            report(&word, problem, problems);
            None
        }
    }
}

/// Reads `input`: a value of any shape, with expressions in its texts.
pub(super) fn input(
    fields: &mut Fields<'_>,
    lookups: &mut Vec<Lookups>,
    problems: &mut Problems<'_>,
) -> Option<Value> {
    let node = fields.value("input", problems)?;
    Some(filled(node, false, lookups, problems))
}

/// A value with expressions in its texts.
fn filled(node: &Node, sees_itself: bool, lookups: &mut Vec<Lookups>, problems: &mut Problems<'_>) -> Value {
    json::value(node, problems, &mut |word, problems| match references_of_text(&word.text) {
        Ok(references) if references.is_empty() => {}
        Ok(references) => lookups.push(Lookups { word, references, sees_itself }),
        Err(problem) => report(&word, problem, problems),
    })
}

fn report(word: &Word, problem: ExpressionProblem, problems: &mut Problems<'_>) {
    let added = problems.within(word, problem.offset, "expression", problem.message);
    if let Some(hint) = problem.hint {
        added.hint(hint);
    }
}

/// Reads `actions`: words of the allow-list, or maps of one such word and what it is told.
pub(super) fn actions(
    fields: &mut Fields<'_>,
    lookups: &mut Vec<Lookups>,
    problems: &mut Problems<'_>,
) -> Vec<ActionCall> {
    let Some(node) = fields.value("actions", problems) else { return Vec::new() };
    let single = std::slice::from_ref(node);
    let nodes = match &*node.value {
        node::Value::List(nodes) => nodes.as_slice(),
        _ => single,
    };
    nodes.iter().filter_map(|node| action(node, lookups, problems)).collect()
}

fn action(node: &Node, lookups: &mut Vec<Lookups>, problems: &mut Problems<'_>) -> Option<ActionCall> {
    let node::Value::Map(pairs) = &*node.value else {
        let word = word(node, "actions", problems)?;
        return Some(ActionCall { action: kind(&word, problems)?, with: BTreeMap::new() });
    };
    let [(key, settings)] = pairs.as_slice() else {
        let message = format!("an action is one word with its settings, and this has {} keys", pairs.len());
        let problem = problems.add(node.at, "wrong-type", message);
        problem.hint("for example `- add_labels: {labels: [reviewed]}`");
        return None;
    };
    let action = kind(&word(key, "actions", problems)?, problems)?;
    let known = action.settings();
    let what = if known.is_empty() { "an action that is told nothing" } else { "what an action is told" };
    let with = Fields::of(settings, what, known, problems)?;
    drop(with);
    match filled(settings, true, lookups, problems) {
        Value::Object(with) => Some(ActionCall { action, with: with.into_iter().collect() }),
        _ => None,
    }
}

fn kind(word: &Word, problems: &mut Problems<'_>) -> Option<ActionKind> {
    choose(word, "actions", &ActionKind::ALL.map(|action| (action.as_str(), action)), problems)
}
