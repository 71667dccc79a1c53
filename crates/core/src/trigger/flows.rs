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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::trigger::{Notice, Order, Permission, TriggerDecision, weigh};

    fn now() -> Timestamp {
        "2026-01-05T09:00:00Z".parse().expect("a time")
    }

    fn by(login: &str, event: &str) -> Occurrence {
        Occurrence {
            provider: Provider::Github,
            repo: Some("acme/shop".to_owned()),
            actor: Some(Actor { login: login.to_owned(), is_bot: login.ends_with("[bot]") }),
            sent_at: Some(now()),
            event: event.to_owned(),
            what: Happening::Nothing { reason: "nothing acts on it".to_owned() },
        }
    }

    fn on(name: &str, events: &[&str]) -> Rule {
        let events = events.iter().map(|&event| event.to_owned()).collect();
        Rule::new(name, "verify", On::Event { source: Some(Provider::Github), events })
    }

    fn settings(rules: Vec<Rule>) -> TriggerSettings {
        let (own, bots) = (vec!["us[bot]".to_owned()], vec!["ours[bot]".to_owned()]);
        TriggerSettings { rules, own, bots, ..TriggerSettings::default() }
    }

    fn change(labels: &[&str]) -> Value {
        let labels: Vec<_> = labels.iter().map(|name| json!({ "name": name })).collect();
        json!({ "pull_request": { "number": 7, "head": { "sha": "a".repeat(40) }, "labels": labels } })
    }

    fn write(of: &str) -> Need {
        Need::Permission { of: of.to_owned(), at_least: Permission::Write }
    }

    #[test]
    fn every_rule_that_hears_an_event_starts_and_the_others_say_why_not() {
        let mut elsewhere = on("elsewhere", &["push"]);
        elsewhere.on = On::Event { source: Some(Provider::Ci), events: vec!["push".to_owned()] };
        let mut of_other = on("of another repo", &["push"]);
        of_other.repo = Some("acme/web".to_owned());
        let rules = vec![
            on("all", &["pull_request"]),
            on("opened", &["push", "pull_request.opened"]),
            on("closed", &["pull_request.closed", "pull"]),
            elsewhere,
            of_other,
            Rule::new("nightly", "verify", On::Schedule { cron: String::new(), labels: Vec::new() }),
        ];
        let mut settings = settings(rules);
        let broken = ("bad", "agents/flows/bad.yaml", "line 3");
        let (rule, from, reason) = (broken.0.to_owned(), broken.1.to_owned(), broken.2.to_owned());
        settings.broken.push(crate::trigger::Broken { rule, from, reason });
        let (decision, notes) = weigh(&by("alice", "pull_request.opened"), &settings, now());
        let TriggerDecision::Accepted(matched) = decision else { panic!("{decision:?}") };
        assert_eq!(matched.order, Order::Flows);
        let starts: Vec<_> = matched.starts.iter().map(|rule| rule.name.as_str()).collect();
        assert_eq!(starts, ["all", "opened"]);
        let told: Vec<_> = notes
            .iter()
            .map(|note| (note.rule.as_str(), note.outcome.as_str(), note.reason.as_str()))
            .collect();
        let heard = "event `pull_request.opened`";
        let expected = [
            ("all", "match", heard),
            ("opened", "match", heard),
            (
                "closed",
                "skip",
                "it listens to `pull_request.closed`, `pull`, and this is `pull_request.opened`",
            ),
            ("elsewhere", "skip", "it listens to ci, and this is from github"),
            ("nightly", "skip", "it waits for a time"),
            ("bad", "error", "agents/flows/bad.yaml: line 3"),
        ];
        assert_eq!(told, expected);
        // What waiting runs hear of they hear of as well.
        let notice = Notice::Change { change: 7, head: None, action: "opened".to_owned() };
        let noticed =
            Occurrence { what: Happening::Noticed(notice.clone()), ..by("alice", "pull_request.opened") };
        let TriggerDecision::Accepted(matched) = weigh(&noticed, &settings, now()).0 else { panic!() };
        assert_eq!((matched.order, matched.starts.len()), (Order::Notice { notice }, 2));
        // What is old is not obeyed.
        let old = Occurrence { sent_at: "2025-01-05T09:00:00Z".parse().ok(), ..by("alice", "push") };
        assert!(matches!(weigh(&old, &settings, now()).0, TriggerDecision::Ignored(_)));
    }

    #[test]
    fn who_causes_an_event_must_be_able_to_write_unless_it_proves_that_by_itself() {
        let settings = settings(Vec::new());
        let needs = |rule: &Rule, seen: &Occurrence, payload: &Value| {
            wanted(rule, seen, payload, &settings).map(|wanted| wanted.needs)
        };
        let opened = on("r", &["pull_request"]);
        let anyone = Rule {
            conditions: Conditions { anyone: true, ..Conditions::default() },
            ..on("r", &["pull_request"])
        };
        let head = "a".repeat(40);
        let push = json!({ "ref": "refs/heads/x", "after": head });
        let check = json!({ "check_run": { "head_sha": head, "check_suite": { "head_branch": "x" } } });
        let of_fork = json!({ "check_run": { "head_sha": head } });
        let seen = |login: &str, event: &str| by(login, event);
        type Row<'a> = (&'a Rule, Occurrence, &'a Value, Result<Vec<Need>, &'a str>);
        let table: [Row<'_>; 11] = [
            (&opened, seen("mallory", "pull_request.opened"), &change(&[]), Ok(vec![write("mallory")])),
            (&anyone, seen("mallory", "pull_request.opened"), &change(&[]), Ok(vec![])),
            (
                &anyone,
                seen("us[bot]", "pull_request.opened"),
                &change(&[]),
                Err("`us[bot]` is miyabi itself"),
            ),
            (
                &opened,
                seen("other[bot]", "pull_request.opened"),
                &change(&[]),
                Err("bot `other[bot]` is not on the list of bots that may ask"),
            ),
            (&opened, seen("ours[bot]", "pull_request.opened"), &change(&[]), Ok(vec![])),
            (&opened, seen("alice", "push"), &push, Ok(vec![])),
            (
                &opened,
                seen("other[bot]", "push"),
                &push,
                Err("bot `other[bot]` is not on the list of bots that may ask"),
            ),
            (
                &opened,
                seen("alice", "push"),
                &json!({ "ref": "refs/tags/v1" }),
                Err("it brings no commit to a branch"),
            ),
            (&opened, seen("mallory", "check_run.completed"), &check, Ok(vec![])),
            (&opened, seen("mallory", "check_run.completed"), &of_fork, Ok(vec![write("mallory")])),
            (
                &opened,
                seen("alice", "issue_comment.created"),
                &json!({ "issue": { "number": 7 }, "comment": { "body": "hi\n<!-- miyabi:r/1 -->" } }),
                Err("the comment is miyabi's own"),
            ),
        ];
        for (rule, seen, payload, expected) in table {
            assert_eq!(needs(rule, &seen, payload), expected.map_err(str::to_owned), "{seen:?} {payload}");
        }
        let ci = Occurrence { provider: Provider::Ci, actor: None, ..by("", "ci_run.failed") };
        assert_eq!(needs(&opened, &ci, &json!({ "commit": head })), Ok(vec![]));
    }

    #[test]
    fn conditions_are_held_against_the_payload() {
        let settings = settings(Vec::new());
        let conditions = Conditions {
            require_labels: vec!["Risky".to_owned()],
            exclude_labels: vec!["wip".to_owned()],
            require_review_approval: true,
            require_ci_pass: true,
            ..Conditions::default()
        };
        let rule = Rule { conditions, ..on("r", &["pull_request"]) };
        let seen = by("alice", "pull_request.opened");
        let all = wanted(&rule, &seen, &change(&["risky"]), &settings).map(|wanted| wanted.needs);
        assert_eq!(all, Ok(vec![write("alice"), Need::ReviewApproval, Need::CiPass]));
        let unmet = |payload: &Value| wanted(&rule, &seen, payload, &settings).unwrap_err();
        assert_eq!(unmet(&change(&[])), "label `Risky` is missing");
        assert_eq!(unmet(&change(&["risky", "WIP"])), "label `wip` excludes it");
        let issue = json!({ "issue": { "number": 7, "labels": [{ "name": "risky" }] } });
        assert_eq!(unmet(&issue), "conditions on reviews and CI are for changes");
    }

    #[test]
    fn a_prompt_sees_the_trigger_and_nothing_else() {
        assert_eq!(check_prompt("Title ${trigger.payload.title} $${x} {{ y }}"), Ok(()));
        for wrong in ["${steps.a.output}", "${env.HOME}", "${trigger.", "${payload.x}"] {
            assert!(check_prompt(wrong).is_err(), "{wrong}");
        }
    }
}
