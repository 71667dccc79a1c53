//! Rules that begin flows on payloads: which of them fit, why the others do not, and what must be looked up first.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Actor, Conditions, Happening, Matched, Need, No, Occurrence, On, Place, Rule, RuleNote, RuleOutcome,
    TriggerSettings, actor, command, fresh, repo, same, shown, unmet,
};
use crate::delivery::Provider;
use crate::expression::references_of_value;
use crate::subject::{About, RunSubject, subject_of};

/// What a flow is begun with, once what is needed holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What the run is about.
    pub subject: Option<RunSubject>,
    /// What must be looked up first; all of it must hold.
    pub needs: Vec<Need>,
}

/// The rules that begin a flow on the payload, and what every rule made of it. `order` is what the delivery asks for
/// beside them.
pub(super) fn starts(
    seen: &Occurrence,
    settings: &TriggerSettings,
    now: Timestamp,
    order: &Result<Matched, No>,
) -> (Vec<Rule>, Vec<RuleNote>) {
    let (mut starts, mut notes) = (Vec::new(), Vec::new());
    if matches!(seen.what, Happening::Ping | Happening::Enrolled { .. }) {
        return (starts, notes);
    }
    let Ok(repo) = repo(seen, settings) else { return (starts, notes) };
    for rule in settings.rules.iter().filter(|rule| rule.repo.as_deref().is_none_or(|one| same(one, repo))) {
        let note = match fits(rule, seen, settings, now) {
            Err(reason) => RuleNote::new(&rule.name, RuleOutcome::Skip, reason),
            Ok(how) if !rule.is_of_issues() => {
                starts.push(rule.clone());
                RuleNote::new(&rule.name, RuleOutcome::Match, how)
            }
            Ok(how) => match order {
                Ok(matched) if matched.rule == rule.name => {
                    RuleNote::new(&rule.name, RuleOutcome::Match, how)
                }
                Ok(matched) => {
                    let reason = format!("rule {} comes first", shown(&matched.rule));
                    RuleNote::new(&rule.name, RuleOutcome::Skip, reason)
                }
                Err(No::Ignored(reason) | No::Rejected(reason)) => {
                    RuleNote::new(&rule.name, RuleOutcome::Skip, reason.as_str())
                }
            },
        };
        notes.push(note);
    }
    for broken in &settings.broken {
        let reason = format!("{}: {}", broken.from, broken.reason);
        notes.push(RuleNote::new(&broken.rule, RuleOutcome::Error, reason));
    }
    (starts, notes)
}

/// Whether the rule is for what happened, as far as the event itself tells, and how. Errors: why not.
fn fits(
    rule: &Rule,
    seen: &Occurrence,
    settings: &TriggerSettings,
    now: Timestamp,
) -> Result<String, String> {
    let how = match (&rule.on, &seen.what) {
        (On::Event { source, events }, _) => {
            if let Some(source) = source.filter(|source| *source != seen.provider) {
                return Err(format!("it listens to {source}, and this is from {}", seen.provider));
            }
            if !events.iter().any(|event| hears(event, &seen.event)) {
                let events: Vec<_> = events.iter().map(|event| shown(event)).collect();
                return Err(format!(
                    "it listens to {}, and this is {}",
                    events.join(", "),
                    shown(&seen.event)
                ));
            }
            format!("event {}", shown(&seen.event))
        }
        (On::Label { labels }, Happening::Labeled { on, label }) => {
            if !labels.iter().any(|known| same(known, label)) {
                return Err(format!("label {} is none of its labels", shown(label)));
            }
            about(rule, on)?;
            format!("label {}", shown(label))
        }
        (On::Label { labels }, Happening::Opened(on)) => {
            let put = on.labels.iter().find(|label| labels.iter().any(|known| same(known, label)));
            let Some(label) = put else { return Err("the issue has none of its labels".to_owned()) };
            about(rule, on)?;
            format!("label {}", shown(label))
        }
        (On::Comment, Happening::Commented { on, body, .. }) => {
            let runs = command::Said::Command(super::Command::Run, String::new());
            let said = match command::read(body, settings) {
                command::Said::Command(command, _) => command::Said::Command(command, String::new()),
                other => other,
            };
            if command::is_ours(body) || said != runs {
                return Err("the comment does not command a run".to_owned());
            }
            about(rule, on)?;
            "a comment that commands a run".to_owned()
        }
        (On::Label { .. }, _) => return Err("it waits for a label".to_owned()),
        (On::Comment, _) => return Err("it waits for a comment".to_owned()),
        (On::Schedule { .. }, _) => return Err("it waits for a time".to_owned()),
    };
    fresh(seen, settings, now).map_err(|no| match no {
        No::Ignored(reason) | No::Rejected(reason) => reason,
    })?;
    Ok(how)
}

/// What a label or comment must stand on.
fn about(rule: &Rule, on: &super::Subject) -> Result<(), String> {
    match unmet(&rule.conditions, on) {
        Some(why) => Err(why),
        None if !on.open => Err("it is closed".to_owned()),
        None => Ok(()),
    }
}

/// Whether a rule's event is this one: `pull_request` hears everything that is done with a change.
fn hears(wanted: &str, event: &str) -> bool {
    let name = event.split_once('.').map_or(event, |(name, _)| name);
    wanted == event || wanted == name
}

/// What the flow of a rule that fits is begun with. Errors: why it is not, in one sentence.
///
/// Who causes an event must be able to write here, as for labels and comments, unless the rule is for anyone. Two kinds
/// of events need nobody's permission: a push, because the forge let its sender push to a branch of this repo; and the
/// result of a CI on a commit of a branch or change of this repo, because whoever put the commit there could push.
pub fn wanted(
    rule: &Rule,
    seen: &Occurrence,
    payload: &Value,
    settings: &TriggerSettings,
) -> Result<Wanted, String> {
    if payload["comment"]["body"].as_str().is_some_and(command::is_ours) {
        return Err("the comment is miyabi's own".to_owned());
    }
    let subject = subject_of(payload);
    let is_event = matches!(rule.on, On::Event { .. });
    let event = seen.event.split_once('.').map_or(seen.event.as_str(), |(name, _)| name);
    if is_event && event == "push" && subject.as_ref().is_none_or(|subject| subject.head.is_none()) {
        return Err("it brings no commit to a branch".to_owned());
    }
    let conditions = &rule.conditions;
    if is_event && let Some(why) = lacks_labels(conditions, payload) {
        return Err(why);
    }
    let mut needs = match &seen.actor {
        Some(Actor { login, .. }) if settings.own.iter().any(|own| same(own, login)) => {
            return Err(format!("{} is miyabi itself", shown(login)));
        }
        _ if conditions.anyone => Vec::new(),
        // Whoever posts this has the secret of that CI.
        None if seen.provider == Provider::Ci => Vec::new(),
        Some(Actor { is_bot: false, .. }) | None if is_event && event == "push" => Vec::new(),
        _ if is_event && is_ci(event) && subject.as_ref().is_some_and(is_here) => Vec::new(),
        _ => actor(seen, settings).map_err(|no| match no {
            No::Ignored(reason) | No::Rejected(reason) => reason,
        })?,
    };
    let is_change = subject.as_ref().is_some_and(|subject| subject.change().is_some());
    if (conditions.require_review_approval || conditions.require_ci_pass) && !is_change {
        return Err("conditions on reviews and CI are for changes".to_owned());
    }
    needs.extend(conditions.require_review_approval.then_some(Need::ReviewApproval));
    needs.extend(conditions.require_ci_pass.then_some(Need::CiPass));
    Ok(Wanted { subject, needs })
}

/// Events that tell what a CI says of a commit.
fn is_ci(event: &str) -> bool {
    matches!(event, "check_run" | "check_suite" | "workflow_run" | "status" | "pipeline" | "ci_run")
}

/// Whether the commit is known to be in this repo, and not only in somebody's fork.
fn is_here(subject: &RunSubject) -> bool {
    matches!(subject.about, About::Branch { .. } | About::Change { .. })
}

/// The condition on labels that does not hold for the issue or change of a payload.
fn lacks_labels(conditions: &Conditions, payload: &Value) -> Option<String> {
    let of = ["pull_request", "issue", "object_attributes"].map(|name| &payload[name]);
    let lists = of.into_iter().chain([payload]).filter_map(|of| of["labels"].as_array());
    let name = |label: &Value| {
        let text = label["name"].as_str().or_else(|| label["title"].as_str()).or_else(|| label.as_str());
        text.map(str::to_owned)
    };
    let labels = lists.flatten().filter_map(name).collect();
    // Whether changes are meant is said by the rule's events.
    let conditions = Conditions { changes: true, ..conditions.clone() };
    unmet(&conditions, &super::Subject { at: Place::Change(0), open: true, labels })
}

/// Whether a rule's prompt can be filled in. Errors: why not.
pub fn check_prompt(prompt: &str) -> Result<(), String> {
    let references = references_of_value(&Value::String(prompt.to_owned()))
        .map_err(|problem| format!("its prompt cannot be read: {problem}"))?;
    match references.iter().find(|reference| reference.root != "trigger") {
        Some(other) => Err(format!(
            "its prompt looks up {}; prompts of rules see `trigger` and nothing else",
            shown(&other.root)
        )),
        None => Ok(()),
    }
}
