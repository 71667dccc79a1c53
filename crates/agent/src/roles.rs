//! Roles: `agents/*.md` and `agents/*.yaml`, each a named agent with its prompt. Data; nothing here runs.

use miyabi_core::facts::Fact;
use miyabi_core::failure::{Failure, FailureClass};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{front, yaml};

/// The built-in roles by name.
const BUILT_IN: [(&str, &str); 15] = [
    ("ci-checker", include_str!("../../../agents/ci-checker.md")),
    ("codegen", include_str!("../../../agents/codegen.md")),
    ("conflict", include_str!("../../../agents/conflict.md")),
    ("coordinator", include_str!("../../../agents/coordinator.md")),
    ("deployment", include_str!("../../../agents/deployment.md")),
    ("e2e-tester", include_str!("../../../agents/e2e-tester.md")),
    ("issue", include_str!("../../../agents/issue.md")),
    ("pr", include_str!("../../../agents/pr.md")),
    ("pr-analyzer", include_str!("../../../agents/pr-analyzer.md")),
    ("pr-reviewer", include_str!("../../../agents/pr-reviewer.md")),
    ("report-generator", include_str!("../../../agents/report-generator.md")),
    ("review", include_str!("../../../agents/review.md")),
    ("rework", include_str!("../../../agents/rework.md")),
    ("story-decomposer", include_str!("../../../agents/story-decomposer.md")),
    ("story-evaluator", include_str!("../../../agents/story-evaluator.md")),
];

/// A named agent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Its name; none in the file: the file's.
    #[serde(default)]
    pub name: String,
    /// What it is for, in one sentence.
    pub description: String,
    /// The adapter that it wants, as `--agent` takes it; none: the one of the run.
    pub adapter: Option<String>,
    /// The template of its prompt in the `issue` flow: `prompts/<name>.md`.
    pub prompt: Option<String>,
    /// The schema of its structured answer: `analysis`, `decomposition`, `remarks`, `judgements`, `summary`, or `json`
    /// for any map; none: its work is what it changes, and in a flow its last words.
    pub output: Option<String>,
    /// How long it may take in a flow, in seconds, where the step does not say; none: as long as the policy lets agents.
    pub timeout_secs: Option<u64>,
    /// Skills that are added to its prompt wherever it works, before those that a flow adds.
    #[serde(default)]
    pub skills: Vec<String>,
    /// What is looked up at the forge when a step of it begins: `change`, `requirements`, `reviews`, `ci`.
    #[serde(default)]
    pub facts: Vec<Fact>,
    /// What it is told: in Markdown the text below the front matter, in YAML the key `system_prompt`.
    #[serde(default, rename = "system_prompt")]
    pub text: String,
}

/// Why a role cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// There is none of that name.
    #[error("find role `{0}`")]
    Unknown(String),
    /// It does not begin with a block between two lines `---`.
    #[error("read role `{0}`: it has no front matter between two lines `---`")]
    NoFrontMatter(String),
    /// Its front matter is wrong.
    #[error("read role `{name}`: {problem}")]
    Invalid {
        /// Its name.
        name: String,
        /// What is wrong, and where.
        problem: String,
    },
}

impl From<RoleError> for Failure {
    fn from(error: RoleError) -> Self {
        let hint = match error {
            RoleError::Unknown(_) => {
                "roles are: ci-checker, codegen, conflict, coordinator, deployment, e2e-tester, issue, pr, pr-analyzer, pr-reviewer, report-generator, review, rework"
            }
            _ => {
                "a role begins with `---`, then `name`, `description` and perhaps `adapter`, `prompt`, `output`, `timeout_secs`, `skills` and `facts`"
            }
        };
        Self::caused(FailureClass::Input, &error).hint(hint)
    }
}

/// The names of the built-in roles.
pub fn role_names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

/// The built-in role of that name.
pub fn role(name: &str) -> Result<Role, RoleError> {
    let source = BUILT_IN.iter().find(|(known, _)| *known == name);
    source.ok_or_else(|| RoleError::Unknown(name.to_owned())).and_then(|(name, source)| parse(name, source))
}

/// Reads a role file in Markdown whose name is that of the role.
pub fn parse(name: &str, source: &str) -> Result<Role, RoleError> {
    let role = read_markdown(name, source)?;
    match role.name == name {
        true => Ok(role),
        false => Err(invalid(name, format!("its name is `{}`", role.name))),
    }
}

/// Reads a role in Markdown. `stem` is its file's name without the ending, and the role's unless it has its own.
pub(crate) fn read_markdown(stem: &str, source: &str) -> Result<Role, RoleError> {
    let (front, text) = front::split(source).ok_or_else(|| RoleError::NoFrontMatter(stem.to_owned()))?;
    let role = read_keys(stem, &front, 1)?;
    if !role.text.is_empty() {
        return Err(invalid(stem, "`system_prompt` is the text below the front matter".to_owned()));
    }
    Ok(Role { text: text.trim().to_owned(), ..role })
}

/// Reads a role in YAML.
pub(crate) fn read_yaml(stem: &str, source: &str) -> Result<Role, RoleError> {
    let role = read_keys(stem, source, 0)?;
    let text = role.text.trim().to_owned();
    match text.is_empty() && role.prompt.is_none() {
        true => Err(invalid(stem, "it has no `system_prompt`".to_owned())),
        false => Ok(Role { text, ..role }),
    }
}

/// Reads the keys of a role, which stand so many lines below the beginning of its file.
fn read_keys(stem: &str, keys: &str, above: u64) -> Result<Role, RoleError> {
    let role: Role = serde_saphyr::from_str(keys).map_err(|error| {
        let line = error.location().map(|at| format!("line {}: ", at.line() + above)).unwrap_or_default();
        invalid(stem, format!("{line}{}", yaml::problem(&error)))
    })?;
    let name = if role.name.is_empty() { stem.to_owned() } else { role.name };
    match front::is_id(&name) {
        true => Ok(Role { name, ..role }),
        false => Err(invalid(stem, format!("`{name}` is no name: letters, digits, `-`, `_` and `.`"))),
    }
}

fn invalid(name: &str, problem: String) -> RoleError {
    RoleError::Invalid { name: name.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use miyabi_core::session::Adapter;

    use super::*;

    #[test]
    fn every_role_can_be_used() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../agents");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".md").map(str::to_owned))
            .collect();
        files.sort();
        assert_eq!(files, role_names().collect::<Vec<_>>());
        let read: Vec<_> = files
            .iter()
            .map(|name| {
                let role = role(name).unwrap();
                assert!(!role.text.is_empty() && !role.description.is_empty(), "{name}");
                assert!(role.adapter.iter().all(|adapter| adapter.parse::<Adapter>().is_ok()), "{name}");
                // One without a template works in flows alone.
                let prompt = role.prompt.unwrap_or_default();
                let template = format!("{folder}/../prompts/{prompt}.md");
                assert!(prompt.is_empty() || std::path::Path::new(&template).is_file(), "{template}");
                (role.name, prompt, role.output)
            })
            .collect();
        insta::assert_debug_snapshot!(read, @r#"
        [
            (
                "ci-checker",
                "",
                None,
            ),
            (
                "codegen",
                "codegen",
                None,
            ),
            (
                "conflict",
                "resolve",
                None,
            ),
            (
                "coordinator",
                "coordinator",
                Some(
                    "decomposition",
                ),
            ),
            (
                "deployment",
                "",
                Some(
                    "json",
                ),
            ),
            (
                "e2e-tester",
                "",
                None,
            ),
            (
                "issue",
                "analyst",
                Some(
                    "analysis",
                ),
            ),
            (
                "pr",
                "",
                Some(
                    "json",
                ),
            ),
            (
                "pr-analyzer",
                "",
                Some(
                    "judgements",
                ),
            ),
            (
                "pr-reviewer",
                "",
                None,
            ),
            (
                "report-generator",
                "",
                Some(
                    "summary",
                ),
            ),
            (
                "review",
                "reviewer",
                Some(
                    "remarks",
                ),
            ),
            (
                "rework",
                "rework",
                None,
            ),
            (
                "story-decomposer",
                "",
                Some(
                    "json",
                ),
            ),
            (
                "story-evaluator",
                "",
                Some(
                    "json",
                ),
            ),
        ]
        "#);
    }

    #[test]
    fn says_what_is_wrong_with_a_role() {
        let error = |source: &str| Failure::from(parse("codegen", source).unwrap_err()).message;
        assert_eq!(
            error("no front matter"),
            "read role `codegen`: it has no front matter between two lines `---`"
        );
        assert_eq!(
            error("---\nname: 他\ndescription: d\nprompt: p\n---\ntext"),
            "read role `codegen`: its name is `他`"
        );
        insta::assert_snapshot!(error("---\nname: codegen\ncolour: red\n---\ntext"), @"read role `codegen`: line 3: unknown field `colour`, expected one of name, description, adapter, prompt, output, timeout_secs, skills, facts, system_prompt");
        assert_eq!(Failure::from(role("../codegen").unwrap_err()).message, "find role `../codegen`");
    }
}
