//! Skills: `<name>/SKILL.md`, texts that are added to the prompts of agents.

use serde::Deserialize;

use crate::roles::Role;
use crate::{front, yaml};

/// A text that is added to prompts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skill {
    /// Its name; none in the file: its folder's.
    pub name: String,
    /// What it is for, in one sentence; perhaps nothing.
    pub description: String,
    /// What is added: the text below the front matter.
    pub text: String,
}

/// What is read of the front matter. Other programs keep more in it.
#[derive(Deserialize)]
struct Front {
    name: Option<String>,
    #[serde(default)]
    description: String,
}

/// Reads a `SKILL.md` in that folder. Errors: in words, what is wrong.
pub(crate) fn read(folder: &str, source: &str) -> Result<Skill, String> {
    let (keys, text) = front::split(source).unwrap_or_else(|| (String::new(), source.replace("\r\n", "\n")));
    let front = match keys.trim().is_empty() {
        true => Front { name: None, description: String::new() },
        false => serde_saphyr::from_str::<Front>(&keys).map_err(|error| {
            let line = error.location().map(|at| format!("line {}: ", at.line() + 1)).unwrap_or_default();
            format!("{line}{}", yaml::problem(&error))
        })?,
    };
    let name = front.name.unwrap_or_else(|| folder.to_owned());
    if !front::is_id(&name) {
        return Err(format!("`{name}` is no name: letters, digits, `-`, `_` and `.`"));
    }
    let text = text.trim().to_owned();
    if text.is_empty() {
        return Err("there is no text below its front matter".to_owned());
    }
    Ok(Skill { name, description: front.description, text })
}

/// The prompt of an agent with skills: what it is told, a line, and the skills in this order.
///
/// Nothing in any of these texts is expanded. Without skills it is what the agent is told and nothing else.
pub fn compose<'s>(role: &Role, skills: impl IntoIterator<Item = &'s Skill>) -> String {
    miyabi_core::cast::compose(&role.text, skills.into_iter().map(|skill| skill.text.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::read_markdown;

    #[test]
    fn a_prompt_has_exactly_these_bytes() {
        let role = read_markdown("a", "---\ndescription: d\n---\n\nYou look. ${x} {{ y }}\n\n").unwrap();
        let one =
            read("one", "---\nname: one\ndescription: d\nlicense: MIT\n---\n# One\n\nDo ${z}.\n").unwrap();
        let two = read("two", "Just text.\r\n").unwrap();
        assert_eq!(compose(&role, []), "You look. ${x} {{ y }}\n");
        assert_eq!(
            compose(&role, [&one, &two]),
            "You look. ${x} {{ y }}\n\n---\n\n## Injected Skills\n\n# One\n\nDo ${z}.\n\nJust text.\n"
        );
        assert_eq!((two.name.as_str(), two.description.as_str()), ("two", ""));
    }

    #[test]
    fn says_what_is_wrong_with_a_skill() {
        let error = |source: &str| read("x", source).unwrap_err();
        assert_eq!(
            error("---\nname: ../x\n---\ntext"),
            "`../x` is no name: letters, digits, `-`, `_` and `.`"
        );
        assert_eq!(error("---\nname: x\n---\n \n"), "there is no text below its front matter");
        assert!(
            error("---\nname: [x]\n---\ntext").starts_with("line 2: "),
            "{}",
            error("---\nname: [x]\n---\ntext")
        );
    }
}
