//! Flow files: YAML that becomes a checked plan, or every problem in it at once.
//!
//! `node` reads YAML into a tree that knows where each word stands, `read` takes fields out of it, `step` and
//! `trigger` know the keys, `order` knows how steps may follow each other, `problem` shows what is wrong.
//! No file is opened here, and nothing of a flow is executed.

mod names;
mod node;
mod order;
mod problem;
mod read;
mod step;
mod suggest;
mod trigger;

pub use problem::FlowProblem;
pub use trigger::{Trigger, TriggerKind};

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

const KEYS: [&str; 6] = ["name", "description", "version", "trigger", "variables", "steps"];

/// Reads a flow file. `file` is only its name in problems.
///
/// A step without `depends_on` needs the step above it; `depends_on: []` needs nothing and starts at once. So a
/// file without the key runs from top to bottom, and adding the key to one step changes nothing for the others.
///
/// Errors: all problems, in the order of the file, never none. Only text that is not YAML at all, or too large,
/// ends the search early.
pub fn parse(text: &str, file: &str) -> Result<Flow, Vec<FlowProblem>> {
    let mut problems = Problems::new(file);
    let flow = read_flow(text, &mut problems);
    let problems = problems.into_sorted();
    match flow {
        Some(flow) if problems.is_empty() => Ok(flow),
        _ => Err(problems),
    }
}

fn read_flow(text: &str, problems: &mut Problems) -> Option<Flow> {
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
    fields.not_yet("variables", "expressions", problems);
    let plan = read_steps(&mut fields, problems);
    Some(Flow {
        name: name?.text,
        description: description.map(|text| text.text),
        version: version.map(|text| text.text),
        trigger,
        plan: plan?,
    })
}

fn read_steps(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Plan> {
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
    let drafts: Vec<_> = nodes.iter().map(|node| step::read(node, problems)).collect();
    let needs = order::check(&drafts, problems);
    let steps = drafts.into_iter().zip(needs).map(|(draft, needs)| draft.into_step(needs));
    Some(Plan { steps: steps.collect::<Option<_>>()? })
}
