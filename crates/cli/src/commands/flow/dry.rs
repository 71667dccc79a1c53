//! A flow over a sample payload: what every condition, prompt and action would be. Nothing is started.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use miyabi_agent::{Library, compose};
use miyabi_core::expression::{ExpressionProblem, Scope, StepView, evaluate, fill};
use miyabi_core::flow::Flow;
use miyabi_core::ids::StepId;
use miyabi_core::plan::{Step, Work};
use serde::Serialize;
use serde_json::{Value, json};

use crate::error::CliError;
use crate::output::clean::clean_text;

/// What a flow would be.
#[derive(Debug, Serialize)]
pub(super) struct Dry {
    flow: String,
    steps: Vec<DryStep>,
}

/// What a step would be.
#[derive(Debug, Serialize)]
struct DryStep {
    step: StepId,
    does: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<DryCondition>,
    /// What its agent is told; none for a built-in step.
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<Value>,
    /// What was missing or could not be compared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// What a condition would come to.
#[derive(Debug, Serialize)]
struct DryCondition {
    text: String,
    value: Value,
    holds: bool,
}

/// Reads a JSON file.
pub(super) fn read(path: &Path) -> Result<Value, CliError> {
    let text =
        std::fs::read_to_string(path).map_err(|error| CliError::file("read the sample", path, &error))?;
    serde_json::from_str(&text).map_err(|error| {
        CliError::input(format!("the sample `{}` is no JSON", path.display())).because(error.to_string())
    })
}

/// Reads outputs of steps by name. Errors: there is no step of a name.
pub(super) fn read_outputs(path: &Path, flow: &Flow) -> Result<BTreeMap<String, Value>, CliError> {
    let Value::Object(outputs) = read(path)? else {
        return Err(CliError::input(format!("the sample `{}` is no map of outputs", path.display()))
            .hint("write `{\"name of a step\": its output}`"));
    };
    let is_step = |name: &str| flow.plan.steps.iter().any(|step| step.id.as_str() == name);
    match outputs.keys().find(|name| !is_step(name)) {
        Some(name) => Err(CliError::input(format!("the flow has no step `{name}`"))
            .because(format!("in the sample `{}`", path.display()))),
        None => Ok(outputs.into_iter().collect()),
    }
}

/// Fills every place of the flow that a run would fill.
pub(super) fn run(flow: &Flow, library: &Library, payload: Value, outputs: &BTreeMap<String, Value>) -> Dry {
    let kind = flow.trigger.as_ref().map_or("manual", |trigger| trigger.kind.as_str());
    let source = flow.trigger.as_ref().and_then(|trigger| trigger.source.as_ref());
    let event = flow.trigger.as_ref().and_then(|trigger| trigger.events.first());
    let trigger =
        json!({ "type": kind, "source": source, "event": event, "actor": "dry-run", "payload": payload });
    let views: HashMap<&str, StepView<'_>> = flow
        .plan
        .steps
        .iter()
        .map(|step| {
            let output = outputs.get(step.id.as_str());
            let status = if output.is_some() { "succeeded" } else { "queued" };
            (step.id.as_str(), StepView { status, output })
        })
        .collect();
    let mut scope = Scope {
        trigger: Some(&trigger),
        steps: views.iter().map(|(name, view)| (*name, *view)).collect(),
        outputs: flow
            .plan
            .steps
            .iter()
            .filter_map(|step| Some((step.output_key.as_deref()?, outputs.get(step.id.as_str())?)))
            .collect(),
        variables: Some(&flow.plan.variables),
        ..Scope::default()
    };
    let mut steps = Vec::new();
    for step in &flow.plan.steps {
        scope.parent = match step.needs.as_slice() {
            [only] => views.get(only.as_str()).copied(),
            _ => None,
        };
        steps.push(of_step(step, library, &scope));
    }
    Dry { flow: flow.name.clone(), steps }
}

fn of_step(step: &Step, library: &Library, scope: &Scope<'_>) -> DryStep {
    let mut notes: Vec<String> = Vec::new();
    let mut note = |new: Vec<String>| {
        new.into_iter().for_each(|one| {
            if !notes.contains(&one) {
                notes.push(one)
            }
        })
    };
    let condition = step.condition.as_ref().map(|text| match evaluate(text, scope) {
        Ok(found) => {
            let condition = DryCondition { text: text.clone(), holds: found.holds(), value: found.value };
            note(found.notes);
            condition
        }
        Err(problem) => {
            note(vec![told(&problem)]);
            DryCondition { text: text.clone(), value: Value::Null, holds: false }
        }
    });
    let mut filled = |value: &Value| match fill(value, scope) {
        Ok(found) => {
            note(found.notes);
            found.value
        }
        Err(problem) => {
            note(vec![told(&problem)]);
            Value::Null
        }
    };
    let input = step.input.as_ref().map(&mut filled);
    let actions = step
        .actions
        .iter()
        .map(|call| {
            let with: serde_json::Map<_, _> =
                call.with.iter().map(|(key, value)| (key.clone(), filled(value))).collect();
            json!({ "action": call.action.as_str(), "with": with })
        })
        .collect();
    let (does, prompt) = match &step.work {
        Work::Uses(uses) => (uses.as_str().to_owned(), None),
        Work::Agent(work) => {
            let role = library.agents.get(&work.agent).map(|found| &found.item);
            let prompt =
                role.and_then(|role| Some(compose(role, library.skills_of(role, &work.skills).ok()?)));
            (format!("agent {}", work.agent), prompt)
        }
        Work::Task(_) | Work::Integrate(_) | Work::Story(_) => (String::new(), None),
    };
    DryStep { step: step.id.clone(), does, condition, prompt, input, actions, notes }
}

fn told(problem: &ExpressionProblem) -> String {
    format!("cannot be computed: {problem}")
}

impl Dry {
    /// What is shown to people.
    pub(super) fn page(&self) -> String {
        let mut page = format!("{}: nothing is started\n", self.flow);
        for step in &self.steps {
            page.push_str(&format!("\n=== {}: {}\n", step.step, step.does));
            if let Some(condition) = &step.condition {
                let word = if condition.holds { "holds" } else { "does not hold: it would be skipped" };
                page.push_str(&format!(
                    "condition {word}\n    {}\n",
                    condition.text.trim().replace('\n', "\n    ")
                ));
            }
            if let Some(prompt) = &step.prompt {
                page.push_str(&format!("prompt\n{}", indented(prompt)));
            }
            if let Some(input) = &step.input {
                let text = match input {
                    Value::String(text) => text.clone(),
                    other => serde_json::to_string_pretty(other).unwrap_or_default(),
                };
                page.push_str(&format!("input\n{}", indented(&text)));
            }
            for action in &step.actions {
                page.push_str(&format!(
                    "action {} {}\n",
                    action["action"].as_str().unwrap_or_default(),
                    action["with"]
                ));
            }
            for note in &step.notes {
                page.push_str(&format!("note: {note}\n"));
            }
        }
        clean_text(&page)
    }
}

fn indented(text: &str) -> String {
    text.trim_end().lines().map(|line| format!("    {line}").trim_end().to_owned() + "\n").collect()
}
