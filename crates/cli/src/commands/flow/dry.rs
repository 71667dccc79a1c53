//! A flow over a sample payload: what every condition, prompt and action would be. Nothing is started.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use miyabi_agent::{Library, compose};
use miyabi_core::expression::{ExpressionProblem, Scope, StepView, evaluate, fill};
use miyabi_core::facts::Fact;
use miyabi_core::flow::Flow;
use miyabi_core::ids::StepId;
use miyabi_core::plan::{ActionKind, Step, Work};
use miyabi_core::subject::{self, subject_of};
use serde::Serialize;
use serde_json::{Value, json};

use crate::error::CliError;
use crate::output::clean::clean_text;

/// What a flow would be.
#[derive(Debug, Serialize)]
pub(super) struct Dry {
    flow: String,
    /// What it reads of the environment; none: not set.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    environment: BTreeMap<String, Option<String>>,
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
    /// What would be looked up for its agent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    facts: Vec<Fact>,
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
pub(super) fn run(
    flow: &Flow,
    library: &Library,
    payload: Value,
    outputs: &BTreeMap<String, Value>,
    environment: BTreeMap<String, Option<String>>,
) -> Dry {
    let about = About::of(flow, &payload);
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
        environment: environment
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?)))
            .collect(),
        ..Scope::default()
    };
    let mut steps = Vec::new();
    for step in &flow.plan.steps {
        scope.parent = match step.needs.as_slice() {
            [only] => views.get(only.as_str()).copied(),
            _ => None,
        };
        steps.push(of_step(step, library, &scope, about));
    }
    Dry { flow: flow.name.clone(), environment, steps }
}

/// What facts could be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    /// A change that the payload names, or that a step would open.
    Change,
    /// An issue.
    Issue,
    /// Neither.
    Nothing,
}

impl About {
    fn of(flow: &Flow, payload: &Value) -> Self {
        let opens = |step: &Step| step.actions.iter().any(|call| call.action == ActionKind::OpenChange);
        let subject = subject_of(payload);
        match subject.as_ref().map(|subject| &subject.about) {
            _ if subject.as_ref().is_some_and(|subject| subject.change().is_some()) => Self::Change,
            _ if flow.plan.steps.iter().any(opens) => Self::Change,
            Some(subject::About::Issue { .. }) => Self::Issue,
            _ => Self::Nothing,
        }
    }

    /// Whether a run could look these up.
    fn has(self, facts: &[Fact]) -> bool {
        match self {
            Self::Change => true,
            Self::Issue => facts == [Fact::Requirements],
            Self::Nothing => facts.is_empty(),
        }
    }
}

fn of_step(step: &Step, library: &Library, scope: &Scope<'_>, about: About) -> DryStep {
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
    let (does, prompt, facts) = match &step.work {
        Work::Uses(uses) => (uses.as_str().to_owned(), None, Vec::new()),
        Work::Agent(work) => {
            let role = library.agents.get(&work.agent).map(|found| &found.item);
            let nobody = role.is_some_and(|role| role.adapter.as_deref() == Some("facts"));
            let prompt = role
                .filter(|_| !nobody)
                .and_then(|role| Some(compose(role, library.skills_of(role, &work.skills).ok()?)));
            let facts = role.map(|role| role.facts.clone()).unwrap_or_default();
            let whom = if nobody { ", which asks nobody" } else { "" };
            (format!("agent {}{whom}", work.agent), prompt, facts)
        }
        Work::Task(_) | Work::Integrate(_) | Work::Story(_) => (String::new(), None, Vec::new()),
    };
    if !about.has(&facts) {
        note(vec!["its facts need `pull_request.number` in the payload: the step would fail".to_owned()]);
    }
    DryStep { step: step.id.clone(), does, condition, prompt, input, facts, actions, notes }
}

fn told(problem: &ExpressionProblem) -> String {
    format!("cannot be computed: {problem}")
}

impl Dry {
    /// What is shown to people.
    pub(super) fn page(&self) -> String {
        let mut page = format!("{}: nothing is started\n", self.flow);
        for (name, value) in &self.environment {
            page.push_str(&match value {
                Some(value) => format!("env.{name} = {}\n", json!(value)),
                None => format!("env.{name} is not set here: it has no value\n"),
            });
        }
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
            if !step.facts.is_empty() {
                let names: Vec<_> = step.facts.iter().map(|fact| fact.as_str()).collect();
                page.push_str(&format!(
                    "facts {}: looked up at the forge when the step begins, and in its output whatever an agent says\n",
                    names.join(", ")
                ));
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
