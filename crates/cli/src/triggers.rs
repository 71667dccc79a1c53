//! What starts runs in a repository: the built-in rules with the settings' words, then its own file of rules.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use miyabi_core::trigger::{On, Rule, TriggerSettings};
use serde::{Deserialize, Serialize};

use crate::error::CliError;
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

/// All rules of a repository. Errors: its file cannot be read or understood, with the place.
pub fn load(home: &Home) -> Result<TriggerSettings, CliError> {
    let settings = &home.settings.trigger;
    let mut rules = own(&home.root)?;
    rules.push(Rule::new("label", "issue", On::Label { labels: settings.labels.clone() }));
    rules.push(Rule::new("comment", "issue", On::Comment));
    let mut mentions = vec!["/agent".to_owned()];
    mentions.extend(Some(settings.mention.clone()).filter(|mention| !mention.is_empty()));
    Ok(TriggerSettings { rules, mentions, bots: settings.bots.clone(), ..TriggerSettings::default() })
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
    for rule in &file.rules {
        check(rule).map_err(|error| error.because(format!("in `{}`", path.display())))?;
    }
    Ok(file.rules)
}

/// What the form of a rule does not say. Errors: its time cannot be read, or it names no label.
fn check(rule: &Rule) -> Result<(), CliError> {
    let On::Schedule { cron, labels } = &rule.on else { return Ok(()) };
    times::parse(cron)?;
    if labels.is_empty() {
        return Err(CliError::input(format!("rule `{}` has a time and no label", rule.name))
            .hint("name the label of the issues that get a run then"));
    }
    Ok(())
}

/// Adds a rule to the repository's own file. Errors: there is one of that name.
pub fn add(root: &Path, rule: Rule) -> Result<PathBuf, CliError> {
    let mut rules = own(root)?;
    if rules.iter().any(|known| known.name == rule.name) {
        return Err(CliError::input(format!("there is a rule `{}` already", rule.name))
            .hint(format!("give it another name, or change it in `{}`", path(root).display())));
    }
    check(&rule)?;
    rules.push(rule);
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
