//! The actions of a step: writes that its flow asks for once it succeeded.
//!
//! What is written comes from the flow, the payload and the outputs of agents. None of it decides what kind of write
//! is done: that stands in the flow, and only words of the allow-list do.

use serde_json::Value;

use super::tell;
use super::write::{intent_id, record};
use crate::commit_mark::{CheckRun, CommitState, CommitStatus, Conclusion};
use crate::event::{EventBody, Urgency};
use crate::ids::{ChangeNumber, CommitId, IssueNumber};
use crate::intent::Write;
use crate::plain::{one_line, quiet};
use crate::plan::{ActionCall, ActionKind};
use crate::run::{Run, StepState};

/// The longest name of a status or check run, and the longest description, in characters.
const MAX_LINE: usize = 140;
/// The longest name of a label, in characters.
const MAX_LABEL: usize = 50;
/// The most labels of one action.
const MAX_LABELS: usize = 20;

/// Records the writes of a step's actions. Errors: in words, why one of them cannot be made; then none is.
pub(super) fn of_step(run: &Run, state: &StepState, events: &mut Vec<EventBody>) -> Result<(), String> {
    let mut recorded = Vec::new();
    for (n, call) in state.step.actions.iter().enumerate() {
        of_call(run, state, n + 1, call, &mut recorded)
            .map_err(|why| format!("the action `{}`: {why}", call.action.as_str()))?;
    }
    events.extend(recorded);
    Ok(())
}

/// How far the change is that an action of a step opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// It opens none.
    None,
    /// It is still to be asked for.
    Begins,
    /// It is there.
    Done,
    /// It was asked for, and there is no answer yet.
    Asked,
    /// The forge did not open it.
    Failed,
}

/// How far the change is that the step opens.
pub(super) fn opening(run: &Run, state: &StepState) -> Opening {
    let opens = |call: &ActionCall| call.action == ActionKind::OpenChange;
    let Some(n) = state.step.actions.iter().position(opens) else { return Opening::None };
    let id = intent_id(run, state, state.attempt, &name(n + 1));
    match run.intents.get(&id) {
        None => Opening::Begins,
        Some(Some(_)) => Opening::Done,
        Some(None) if run.open_intents.iter().any(|open| open.id == id) => Opening::Asked,
        Some(None) => Opening::Failed,
    }
}

/// What the write of the `n`th action of a step is called.
fn name(n: usize) -> String {
    format!("action-{n}")
}

fn of_call(
    run: &Run,
    state: &StepState,
    n: usize,
    call: &ActionCall,
    events: &mut Vec<EventBody>,
) -> Result<(), String> {
    let settings = run.settings(state, call).map_err(|problem| problem.to_string())?;
    let setting = |name: &str| settings.get(name).unwrap_or(&Value::Null);
    let what = name(n);
    let write = match call.action {
        ActionKind::PostPrComment | ActionKind::PostIssueComment => {
            let (place, number) = match call.action {
                ActionKind::PostPrComment => ("change", run.change_at_hand()),
                _ => ("issue", issue(run)),
            };
            let number = number.ok_or_else(|| format!("nothing says which {place} is meant"))?;
            let body = text(state, setting("body"), "body")?;
            // Later runs of the flow find it by the same key, so it stays one comment.
            let key = format!("flow/{}/{}/{n}", run.started.flow, state.step.id);
            Write::Comment { issue: number, key, body }
        }
        ActionKind::AddLabels | ActionKind::RemoveLabels => {
            let number = run.change_meant().or_else(|| issue(run)).or_else(|| run.change_at_hand());
            let number = number.ok_or("nothing says which issue or change is meant")?;
            let labels = labels(setting("labels"))?;
            let (add, remove) = match call.action {
                ActionKind::AddLabels => (labels, Vec::new()),
                _ => (Vec::new(), labels),
            };
            Write::Labels { issue: number, add, remove }
        }
        ActionKind::Notify => {
            let body = text(state, setting("body"), "body")?;
            let subject = match setting("subject") {
                Value::String(subject) if !subject.trim().is_empty() => subject.clone(),
                _ => format!("{}: {}", run.started.flow, state.step.id),
            };
            tell::notify(run, state, Urgency::High, &what, &subject, &body, events);
            return Ok(());
        }
        ActionKind::SetCommitStatus => {
            let (_, commit) = subject(run);
            let states = CommitState::ALL.map(|state| (state.as_str(), state));
            Write::CommitStatus(CommitStatus {
                commit,
                state: word(setting("state"), "state", &states)?,
                context: line(setting("context")).unwrap_or_else(|| format!("miyabi/{}", run.started.flow)),
                description: line(setting("description")).unwrap_or_else(|| by(run, state)),
                url: None,
            })
        }
        ActionKind::CreateCheckRun => {
            let (_, commit) = subject(run);
            let ends = Conclusion::ALL.map(|end| (end.as_str(), end));
            let conclusion = word(setting("conclusion"), "conclusion", &ends)?;
            Write::CheckRun(CheckRun {
                commit,
                name: line(setting("name")).unwrap_or_else(|| format!("miyabi/{}", run.started.flow)),
                // Later runs of the flow at this commit find it by the same key.
                key: format!("flow/{}/{}/{n}", run.started.flow, state.step.id),
                conclusion: Some(conclusion),
                title: by(run, state),
                summary: text(state, setting("summary"), "summary")?,
                text: None,
                url: None,
            })
        }
        ActionKind::MergeChange => {
            let (Some(change), commit) = subject(run) else {
                return Err("nothing says which change is meant".to_owned());
            };
            let title = format!("Merge change #{change}");
            Write::MergeChange { change, commit, title, only_if_ready: true }
        }
        ActionKind::OpenChange => {
            let (head, commit) = state.work.clone().ok_or("the step left nothing for a change")?;
            let title = line(setting("title")).unwrap_or_else(|| by(run, state));
            let body = text(state, setting("body"), "body")?;
            let base = run.started.base_branch.clone();
            Write::OpenChange { issue: answered(run), title: quiet(&title), body, head, base, commit }
        }
        // It ran before the step succeeded.
        ActionKind::RunCheck => return Ok(()),
        ActionKind::Deploy => {
            return Err("this version does not carry it out".to_owned());
        }
    };
    record(run, state, &what, false, write, events);
    Ok(())
}

/// The issue that a change of this run answers; 0: none.
fn answered(run: &Run) -> IssueNumber {
    match &run.started.payload {
        None => run.started.issue.number,
        // Elsewhere a comment on a change tells of it as of an issue.
        Some(payload) if payload["issue"]["pull_request"].is_object() => 0,
        Some(payload) => payload["issue"]["number"].as_u64().unwrap_or(0),
    }
}

/// What is written at and merged: the commit that the run is about, and its change. Neither is for a step to say.
fn subject(run: &Run) -> (Option<ChangeNumber>, CommitId) {
    let made = run.change().and_then(|receipt| receipt.change).zip(run.report());
    match (run.started.change_told(), made) {
        (None, Some((change, report))) => (Some(change), report.commit),
        (told, _) => (told, run.started.base_commit.clone()),
    }
}

/// One of these words.
fn word<T: Copy>(setting: &Value, name: &str, words: &[(&str, T)]) -> Result<T, String> {
    let known = words.iter().find(|(word, _)| setting.as_str().map(str::trim) == Some(word));
    known.map(|(_, value)| *value).ok_or_else(|| {
        let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        match setting {
            Value::Null => format!("it has no `{name}`, and the step's output has none"),
            other => {
                format!("{} is no {name}: it is one of {}", one_line(&other.to_string(), 60), all.join(", "))
            }
        }
    })
}

/// A text of one line, if there is one.
fn line(setting: &Value) -> Option<String> {
    Some(one_line(setting.as_str()?, MAX_LINE)).filter(|line| !line.is_empty())
}

/// Which step of which flow said it.
fn by(run: &Run, state: &StepState) -> String {
    format!("{}: {}", run.started.flow, state.step.id)
}

/// The issue that the payload speaks of, or that the run is about.
fn issue(run: &Run) -> Option<IssueNumber> {
    let told = run.started.payload.as_ref().and_then(|payload| payload["issue"]["number"].as_u64());
    Some(told.unwrap_or(run.started.issue.number)).filter(|number| *number > 0)
}

/// A text to be written. An agent that answered with text has answered with it.
fn text(state: &StepState, setting: &Value, name: &str) -> Result<String, String> {
    let text = match (setting, state.output()) {
        (Value::String(text), _) | (Value::Null, Some(Value::String(text))) => text.clone(),
        (Value::Null, _) => String::new(),
        (other, _) => serde_json::to_string_pretty(other).unwrap_or_default(),
    };
    match text.trim().is_empty() {
        true => Err(format!("it has no `{name}`, and the step's output has none")),
        // It mentions nobody and closes nothing, whoever wrote it.
        false => Ok(quiet(&text)),
    }
}

/// Names of labels: a list of texts, or one.
fn labels(setting: &Value) -> Result<Vec<String>, String> {
    let values = match setting {
        Value::Array(values) => values.as_slice(),
        Value::Null => return Err("it has no `labels`, and the step's output has none".to_owned()),
        one => std::slice::from_ref(one),
    };
    if values.len() > MAX_LABELS {
        return Err(format!("{} labels are more than {MAX_LABELS}", values.len()));
    }
    let mut labels: Vec<String> = Vec::new();
    for value in values {
        let name = value.as_str().map(str::trim).unwrap_or_default();
        // A name that ends with `*` would take off whatever begins with it.
        let is_name = !name.is_empty()
            && name.chars().count() <= MAX_LABEL
            && !name.contains(|c: char| c == '*' || c == ',' || c.is_control());
        if !is_name {
            let shown: String = value.to_string().chars().take(60).collect();
            return Err(format!("{shown} is no name of a label"));
        }
        if !labels.iter().any(|known| known == name) {
            labels.push(name.to_owned());
        }
    }
    Ok(labels)
}
