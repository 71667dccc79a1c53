//! What starts runs in a repository: the built-in rules with the settings' words, then its own file of rules.

mod book;
mod files;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

pub use book::Book;
use miyabi_core::session::Adapter;
use miyabi_core::trigger::{ISSUE_FLOW, On, Rule, TriggerSettings, check_prompt};
use serde::{Deserialize, Serialize};

use crate::error::CliError;
use crate::output::clean::clean_line;
use crate::times;
use crate::wiring::Home;

/// A repository's own rules.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// They stand before the built-in ones: the first rule that fits counts.
    #[serde(default)]
    rules: Vec<Rule>,
}

/// Where a repository keeps its own rules.
pub fn path(root: &Path) -> PathBuf {
    root.join(".miyabi").join("triggers.yaml")
}

/// The words of the settings that rules are made of.
pub type Words = crate::settings::TriggerSettings;

/// All rules of a repository. Errors: its file of rules cannot be read or understood, with the place.
pub fn load(home: &Home) -> Result<TriggerSettings, CliError> {
    of(&home.root, &home.settings.trigger)
}

/// All rules of the repository at `root`: its own, the built-in ones with these words, and those of its flow files.
pub fn of(root: &Path, words: &Words) -> Result<TriggerSettings, CliError> {
    let mut settings = without_own(root, words);
    settings.rules.splice(0..0, own(root)?);
    // A run is found again by the name of its rule, so no two have the same.
    let mut seen = BTreeSet::new();
    for rule in &mut settings.rules {
        if !seen.insert(rule.name.clone())
            && let Some(from) = &rule.from
        {
            rule.name = from.clone();
        }
    }
    Ok(settings)
}

/// The same without the repository's own file of rules.
fn without_own(root: &Path, words: &Words) -> TriggerSettings {
    let mut rules = vec![
        Rule::new("label", ISSUE_FLOW, On::Label { labels: words.labels.clone() }),
        Rule::new("comment", ISSUE_FLOW, On::Comment),
    ];
    let (of_files, broken) = files::rules(root);
    rules.extend(of_files);
    let mut mentions = vec!["/agent".to_owned()];
    mentions.extend(Some(words.mention.clone()).filter(|mention| !mention.is_empty()));
    TriggerSettings { rules, mentions, bots: words.bots.clone(), broken, ..TriggerSettings::default() }
}

/// The rules in the repository's own file.
pub fn own(root: &Path) -> Result<Vec<Rule>, CliError> {
    let path = path(root);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(CliError::file("read the rules", &path, &error)),
    };
    let file: File = serde_saphyr::from_str(&text).map_err(|error| {
        CliError::input(format!("the rules in `{}` cannot be used", path.display()))
            .because(error.to_string())
            .hint("`miyabi trigger add --help` says what a rule is made of")
    })?;
    let mut seen = BTreeSet::new();
    if let Some(twice) = file.rules.iter().find(|rule| !seen.insert(rule.name.as_str())) {
        let name = clean_line(&twice.name);
        return Err(CliError::input(format!("there are two rules `{name}` in `{}`", path.display()))
            .hint("each rule needs a name of its own"));
    }
    for rule in &file.rules {
        check(rule).map_err(|error| error.because(format!("in `{}`", path.display())))?;
    }
    Ok(file.rules)
}

/// What the form of a rule does not say. Errors: its time or prompt cannot be read, or it names no label or event.
fn check(rule: &Rule) -> Result<(), CliError> {
    let name = clean_line(&rule.name);
    let wrong = |what: &str| CliError::input(format!("rule `{name}` {what}"));
    match &rule.on {
        On::Schedule { cron, labels } => {
            times::parse(cron)?;
            if labels.is_empty() && rule.is_of_issues() {
                return Err(
                    wrong("has a time and no label").hint("name the label of the issues that get a run then")
                );
            }
            if !labels.is_empty() && !rule.is_of_issues() {
                return Err(wrong("has a time and labels").hint(
                    "labels choose the issues that the flow `issue` is for; other flows begin by themselves",
                ));
            }
        }
        On::Event { events, .. } => {
            if events.is_empty() {
                return Err(wrong("names no event").hint("for example `pull_request.opened`"));
            }
            if rule.is_of_issues() {
                return Err(wrong("starts the flow `issue` with an event")
                    .hint("it starts by a label, a comment or a time; other flows start by events"));
            }
        }
        On::Label { .. } | On::Comment => {}
    }
    if rule.is_of_issues() && (rule.agent.is_some() || rule.prompt.is_some() || !rule.skills.is_empty()) {
        return Err(wrong("gives the flow `issue` an agent, a prompt or skills")
            .hint("these are for flows on payloads; the flow `issue` has `agent.default` and its own file"));
    }
    if let Some(agent) = &rule.agent {
        agent.parse::<Adapter>().map_err(|why| wrong("names an agent that is none").because(why))?;
    }
    if let Some(prompt) = &rule.prompt {
        check_prompt(prompt).map_err(|why| wrong("has a prompt that cannot be filled in").because(why))?;
    }
    Ok(())
}

/// Adds a rule to the repository's own file. Errors: there is one of that name.
pub fn add(root: &Path, rule: Rule) -> Result<PathBuf, CliError> {
    let mut rules = own(root)?;
    let of_file = files::rules(root).0.into_iter().find(|known| known.name == rule.name);
    if let Some(file) = of_file.and_then(|known| known.from) {
        return Err(CliError::input(format!("the flow file `{file}` is a rule `{}` already", rule.name))
            .hint("give it another name"));
    }
    if rules.iter().any(|known| known.name == rule.name) {
        return Err(CliError::input(format!("there is a rule `{}` already", rule.name))
            .hint(format!("give it another name, or change it in `{}`", path(root).display())));
    }
    check(&rule)?;
    rules.push(rule);
    write(root, rules)
}

/// Takes a rule out of the repository's own file. Errors: there is none of that name.
pub fn remove(root: &Path, name: &str) -> Result<PathBuf, CliError> {
    let mut rules = own(root)?;
    let before = rules.len();
    rules.retain(|rule| rule.name != name);
    if rules.len() == before {
        let error =
            CliError::input(format!("there is no rule `{}` in the repository's own", clean_line(name)));
        return Err(error.hint("`miyabi trigger list` names them; a flow file's own rule is its `trigger`"));
    }
    write(root, rules)
}

fn write(root: &Path, rules: Vec<Rule>) -> Result<PathBuf, CliError> {
    let path = path(root);
    let text = serde_saphyr::to_string(&File { rules })
        .map_err(|error| CliError::input("the rule cannot be written").because(error.to_string()))?;
    let text =
        format!("# Rules of this repository: what starts a run. The first one that fits counts.\n{text}");
    let written = std::fs::create_dir_all(root.join(".miyabi"))
        .and_then(|()| std::fs::write(path.with_extension("yaml.new"), text))
        .and_then(|()| std::fs::rename(path.with_extension("yaml.new"), &path));
    written.map_err(|error| CliError::file("write the rules", &path, &error))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read_as_it_was_added() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(own(root.path()).unwrap(), []);
        let mut first = Rule::new("急ぎ", "issue", On::Label { labels: vec!["go: now".to_owned()] });
        first.conditions.exclude_labels = vec!["wontfix".to_owned()];
        let second = Rule::new("by comment", "issue", On::Comment);
        add(root.path(), first.clone()).unwrap();
        add(root.path(), second.clone()).unwrap();
        assert_eq!(own(root.path()).unwrap(), [first.clone(), second]);
        let error = add(root.path(), first).unwrap_err();
        assert!(error.render().contains("there is a rule `急ぎ` already"), "{}", error.render());
    }

    #[test]
    fn a_file_that_cannot_be_used_says_where() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join(".miyabi")).unwrap();
        std::fs::write(path(root.path()), "rules:\n  - name: a\n    flw: issue\n").unwrap();
        let error = own(root.path()).unwrap_err().render();
        assert!(error.contains("triggers.yaml") && error.contains("flw"), "{error}");
    }
}
