//! The `trigger` of a repository's own flow files, as rules. Built-in flows start by rules only.

use std::path::Path;

use miyabi_core::delivery::Provider;
use miyabi_core::flow::{Known, Trigger, TriggerKind};
use miyabi_core::trigger::{Broken, ISSUE_FLOW, On, Rule};

use crate::flow;
use crate::output::clean::clean_line;

/// The rules that flow files make, and the files that cannot be used. Nothing of one keeps another back.
pub(super) fn rules(root: &Path) -> (Vec<Rule>, Vec<Broken>) {
    let (mut rules, mut broken) = (Vec::new(), Vec::new());
    let sources = match flow::own(root) {
        Ok(sources) => sources,
        Err(error) => {
            let reason = error.summary();
            broken.push(Broken { rule: "flows".to_owned(), from: "flow files".to_owned(), reason });
            return (rules, broken);
        }
    };
    for source in sources {
        let bad = |reason: String| Broken { rule: source.name.clone(), from: source.file.clone(), reason };
        let flow = match source.parse(&Known::default()) {
            Ok(flow) => flow,
            Err(problems) => {
                let first = problems.first().map(|problem| clean_line(&problem.to_string()));
                let more = problems.len().saturating_sub(1);
                let more = if more > 0 { format!(", and {more} more") } else { String::new() };
                broken.push(bad(format!("{}{more}", first.unwrap_or_default())));
                continue;
            }
        };
        let Some(trigger) = &flow.trigger else { continue };
        match on(trigger, &source.name) {
            Ok(Some(on)) => {
                let rule = Rule::new(&source.name, &source.name, on);
                rules.push(Rule { from: Some(source.file.clone()), ..rule });
            }
            Ok(None) => {}
            Err(reason) => broken.push(bad(reason)),
        }
    }
    (rules, broken)
}

/// What a flow's trigger is as a rule; none: people start it. Errors: why it is none.
fn on(trigger: &Trigger, flow: &str) -> Result<Option<On>, String> {
    let of_issues = flow == ISSUE_FLOW;
    Ok(Some(match trigger.kind {
        TriggerKind::Manual => return Ok(None),
        // Labels and comments start it by the settings' words already.
        _ if of_issues => return Ok(None),
        TriggerKind::Webhook => {
            if trigger.events.is_empty() {
                return Err(
                    "its trigger names no event, and would start it with everything that happens".to_owned()
                );
            }
            let source = trigger.source.as_deref().map(|word| {
                Provider::parse(word).ok_or_else(|| {
                    let known = Provider::ALL.map(Provider::as_str).join(", ");
                    format!("`source` of its trigger is none of {known}")
                })
            });
            On::Event { source: source.transpose()?, events: trigger.events.clone() }
        }
        TriggerKind::Label if trigger.events.is_empty() => {
            return Err("its trigger names no label: write them into `events`".to_owned());
        }
        TriggerKind::Label => On::Label { labels: trigger.events.clone() },
        TriggerKind::Comment => On::Comment,
        TriggerKind::Schedule => {
            let cron = trigger.cron.clone().unwrap_or_default();
            crate::times::parse(&cron).map_err(|error| error.summary())?;
            On::Schedule { cron, labels: Vec::new() }
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_rule_an_error_or_neither() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, trigger: &str| {
            let folder = root.path().join("agents/flows");
            std::fs::create_dir_all(&folder).unwrap();
            let text = format!("name: {name}\n{trigger}\nsteps:\n  - {{name: a, agent: b, input: x}}\n");
            std::fs::write(folder.join(format!("{name}.yaml")), text).unwrap();
        };
        write("verify", "trigger: {type: webhook, source: github, events: [pull_request]}");
        write("nightly", "trigger: {type: schedule, cron: '0 3 * * *'}");
        write("talk", "trigger: {type: comment}");
        write("急ぎ", "trigger: {type: label, event: urgent}");
        write("by-hand", "trigger: {type: manual}");
        write("plain", "");
        write("anything", "trigger: {type: webhook}");
        write("elsewhere", "trigger: {type: webhook, source: svn, event: push}");
        write("bare", "trigger: {type: label}");
        write("never", "trigger: {type: schedule, cron: '99 3 * * *'}");
        write("wrong", "trigger: {type: webhok}");
        let (rules, broken) = rules(root.path());
        let names: Vec<_> = rules.iter().map(|rule| rule.flow.as_str()).collect();
        assert_eq!(names, ["nightly", "talk", "verify", "急ぎ"]);
        assert_eq!(rules[2].from.as_deref(), Some("agents/flows/verify.yaml"));
        let events = vec!["pull_request".to_owned()];
        assert_eq!(rules[2].on, On::Event { source: Some(Provider::Github), events });
        let names: Vec<_> = broken.iter().map(|broken| broken.rule.as_str()).collect();
        assert_eq!(names, ["anything", "bare", "elsewhere", "never", "wrong"]);
        assert!(broken[2].reason.contains("github, gitlab, ci"), "{broken:?}");
        assert!(broken[4].reason.contains("webhok"), "{broken:?}");
    }
}
