//! Flow files: YAML that becomes a checked plan, or every problem in it at once.
//!
//! `node` reads YAML into a tree that knows where each word stands, `read` takes fields out of it, `step`, `work` and
//! `trigger` know the keys, `json` reads free values, `order` knows how steps may follow each other, `lookups` what
//! expressions can find, `problem` shows what is wrong and `place` where inside a value. `schema` is the grammar for
//! editors.
//! No file is opened here, and nothing of a flow is executed.

mod json;
mod lookups;
mod names;
pub(crate) mod node;
mod order;
mod place;
pub(crate) mod problem;
pub(crate) mod read;
mod schema;
mod step;
mod suggest;
mod trigger;
mod work;

pub use lookups::TRIGGER_FIELDS;
pub use problem::FlowProblem;
pub use schema::schema;
pub use trigger::{Trigger, TriggerKind};

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::expression::{RESERVED, is_name};
use crate::plan::Plan;
use problem::{At, Problems};
use read::Fields;

/// The longest flow file, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;

/// The most steps in a flow.
pub const MAX_STEPS: usize = 10_000;

/// A flow file without problems.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// What people call it.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its own version, as written.
    pub version: Option<String>,
    /// What starts it; none: only a person does.
    pub trigger: Option<Trigger>,
    /// Its steps, in file order.
    pub plan: Plan,
}

/// What flows may name that stands in no flow.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The agents there are; none: any name will do.
    pub agents: Option<BTreeSet<String>>,
    /// The skills there are; none: any name will do.
    pub skills: Option<BTreeSet<String>>,
    /// Variables of the environment that expressions may read; none: any name will do.
    pub environment: Option<BTreeSet<String>>,
}

const KEYS: [&str; 6] = ["name", "description", "version", "trigger", "variables", "steps"];

/// Reads a flow file. `file` is only its name in problems.
///
/// A step without `depends_on` needs the step above it; `depends_on: []` needs nothing and starts at once. So a
/// file without the key runs from top to bottom, and adding the key to one step changes nothing for the others.
///
/// Errors: all problems, in the order of the file, never none. Only text that is not YAML at all, or too large,
/// ends the search early.
pub fn parse(text: &str, file: &str) -> Result<Flow, Vec<FlowProblem>> {
    parse_with(text, file, &Known::default())
}

/// As [`parse`], and agents, skills and the environment are those that are known.
pub fn parse_with(text: &str, file: &str, known: &Known) -> Result<Flow, Vec<FlowProblem>> {
    let mut problems = Problems::new(file, text);
    let flow = read_flow(text, known, &mut problems);
    let problems = problems.into_sorted();
    match flow {
        Some(flow) if problems.is_empty() => Ok(flow),
        _ => Err(problems),
    }
}

fn read_flow(text: &str, known: &Known, problems: &mut Problems<'_>) -> Option<Flow> {
    if text.len() > MAX_BYTES {
        problems
            .add(
                At::START,
                "too-large",
                format!("the file has {} bytes; at most {MAX_BYTES} are read", text.len()),
            )
            .hint("a flow names steps; keep data in files of its own");
        return None;
    }
    let root = node::parse(text, problems)?;
    let mut fields = Fields::of(&root, "a flow", &KEYS, problems)?;
    let name = fields.name("name", problems);
    let description = fields.text("description", problems);
    let version = fields.text("version", problems);
    let trigger = fields.any("trigger").and_then(|(_, node)| trigger::read(node, problems));
    let variables = read_variables(&mut fields, problems);
    let plan = read_steps(&mut fields, variables, known, problems);
    Some(Flow {
        name: name?.text,
        description: description.map(|text| text.text),
        version: version.map(|text| text.text),
        trigger,
        plan: plan?,
    })
}

fn read_variables(fields: &mut Fields<'_>, problems: &mut Problems<'_>) -> BTreeMap<String, Value> {
    let Some(node) = fields.value("variables", problems) else { return BTreeMap::new() };
    let node::Value::Map(pairs) = &*node.value else {
        let message = format!("`variables` is a map of names, and this is {}", node.value.kind());
        problems.add(node.at, "wrong-type", message);
        return BTreeMap::new();
    };
    for word in pairs.iter().filter_map(|(key, _)| key.word()) {
        check_name(&word, "a variable", problems);
    }
    let value = json::value(node, problems, &mut |word, problems| {
        if let Some((before, _)) = word.text.split_once("${") {
            let problem =
                problems.within(&word, before.chars().count(), "expression", "variables hold plain values");
            problem.hint("write `${…}` where the variable is used");
        }
    });
    match value {
        Value::Object(map) => map.into_iter().collect(),
        _ => BTreeMap::new(),
    }
}

/// A name that expressions can use alone.
fn check_name(word: &read::Word, what: &str, problems: &mut Problems<'_>) {
    let shown = names::shown(&word.text);
    if RESERVED.contains(&word.text.as_str()) {
        let message = format!("`{shown}` is a word of expressions and no name for {what}");
        problems.add(word.at, "reserved-name", message).hint("choose another one");
    } else if !is_name(&word.text) {
        let problem = problems.add(word.at, "bad-name", format!("`{shown}` is no name for {what}"));
        problem.hint("a letter or `_`, then letters, digits, `_` and `-`");
    }
}

fn read_steps(
    fields: &mut Fields<'_>,
    variables: BTreeMap<String, Value>,
    known: &Known,
    problems: &mut Problems<'_>,
) -> Option<Plan> {
    let (at, nodes) = fields.required_list("steps", problems)?;
    if nodes.is_empty() {
        problems.add(at, "empty", "a flow needs at least one step").hint("add `- name: …` with `uses: …`");
        return None;
    }
    if let Some(first) = nodes.get(MAX_STEPS) {
        let message = format!("there are {} steps; at most {MAX_STEPS} are read", nodes.len());
        problems.add(first.at, "too-large", message);
        return None;
    }
    let drafts: Vec<_> = nodes.iter().map(|node| step::read(node, known, problems)).collect();
    let order = order::check(&drafts, problems);
    lookups::check(&drafts, &order, &variables, known, problems);
    let steps = drafts.into_iter().zip(order.needs).map(|(draft, needs)| draft.into_step(needs));
    Some(Plan { steps: steps.collect::<Option<_>>()?, variables })
}
