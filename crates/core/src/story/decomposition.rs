//! What a story consists of: what is given, and what is required with the assertions that show it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::evidence::sha256;

/// The most steps of a story.
const MAX_PARTS: usize = 50;
/// The most assertions of a requirement.
const MAX_ASSERTIONS: usize = 20;
/// The longest text, in characters.
const MAX_TEXT: usize = 2_000;

/// A story, taken apart. Steps and assertions are numbered from 1 in the order in which they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StoryDecomposition {
    /// At least one of them is a requirement.
    pub steps: Vec<Part>,
}

/// A step of a story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Part {
    /// What is so before: nothing has to be shown.
    Given {
        /// In one sentence.
        text: String,
    },
    /// What must hold.
    Requirement {
        /// In one sentence.
        goal: String,
        /// What shows that it does, each to be judged alone; at least one.
        assertions: Vec<String>,
    },
}

impl StoryDecomposition {
    /// Whether it can be judged. Errors: in words, everything that is wrong.
    pub fn check(&self) -> Result<(), String> {
        let mut wrong = Vec::new();
        if self.requirements().next().is_none() {
            wrong.push("there is no step of type `requirement`".to_owned());
        }
        if self.steps.len() > MAX_PARTS {
            wrong.push(format!("{} steps are more than {MAX_PARTS}", self.steps.len()));
        }
        for (part, n) in self.steps.iter().zip(1..) {
            let (text, assertions) = match part {
                Part::Given { text } => (text, &[][..]),
                Part::Requirement { goal, assertions } => {
                    if assertions.is_empty() || assertions.len() > MAX_ASSERTIONS {
                        let found = assertions.len();
                        wrong
                            .push(format!("step {n} has {found} assertions; it needs 1 to {MAX_ASSERTIONS}"));
                    }
                    (goal, assertions.as_slice())
                }
            };
            let texts = std::iter::once(text).chain(assertions);
            let is_bad = |text: &String| text.trim().is_empty() || text.chars().nth(MAX_TEXT).is_some();
            if texts.into_iter().any(is_bad) {
                wrong.push(format!("step {n} has a text that is blank or longer than {MAX_TEXT} characters"));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
    }

    /// What is required, with the numbers of the steps.
    pub fn requirements(&self) -> impl Iterator<Item = (u32, &str, &[String])> {
        self.steps.iter().zip(1..).filter_map(|(part, n)| match part {
            Part::Given { .. } => None,
            Part::Requirement { goal, assertions } => Some((n, goal.as_str(), assertions.as_slice())),
        })
    }

    /// SHA-256 of all of it.
    pub fn hash(&self) -> String {
        sha256(serde_json::to_string(self).unwrap_or_default().as_bytes())
    }
}
