//! Labels as a repository has them.

use serde::{Deserialize, Serialize};

/// A label with how it looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelSpec {
    /// Its name; at most 50 characters.
    pub name: String,
    /// Six hexadecimal digits without `#`.
    pub color: String,
    /// In one sentence; at most 100 characters.
    pub description: String,
}

/// What is wrong with a manifest, one sentence each; names that differ in case alone are one label to GitHub.
pub fn problems(labels: &[LabelSpec]) -> Vec<String> {
    let mut problems = Vec::new();
    for (ix, label) in labels.iter().enumerate() {
        let LabelSpec { name, color, description } = label;
        if name.trim().is_empty() || name.chars().count() > 50 {
            problems.push(format!("label `{name}` has no name of 1 to 50 characters"));
        }
        if color.len() != 6 || !color.chars().all(|c| c.is_ascii_hexdigit()) {
            problems.push(format!("the colour `{color}` of `{name}` is not six hexadecimal digits"));
        }
        if description.chars().count() > 100 {
            problems.push(format!("the description of `{name}` has more than 100 characters"));
        }
        if labels.iter().take(ix).any(|other| other.name.to_lowercase() == name.to_lowercase()) {
            problems.push(format!("label `{name}` is there twice"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_told() {
        let label = |name: &str, color: &str, description: &str| LabelSpec {
            name: name.to_owned(),
            color: color.to_owned(),
            description: description.to_owned(),
        };
        assert_eq!(problems(&[label("急ぎ", "B60205", "今")]), [] as [&str; 0]);
        let long = "長".repeat(101);
        let bad = [label("a", "red", "x"), label("A", "00000g", &long), label(" ", "000000", "")];
        assert_eq!(
            problems(&bad),
            [
                "the colour `red` of `a` is not six hexadecimal digits",
                "the colour `00000g` of `A` is not six hexadecimal digits",
                "the description of `A` has more than 100 characters",
                "label `A` is there twice",
                "label ` ` has no name of 1 to 50 characters",
            ]
        );
    }
}
