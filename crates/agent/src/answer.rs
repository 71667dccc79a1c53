//! Structured answers: the JSON in an agent's last words, checked against the schema of what was asked.

use std::fmt;

use miyabi_core::failure::{Failure, FailureClass};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// One way in which an answer does not fit its schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// JSON Pointer to the place in the answer; empty for the whole of it.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "/" } else { &self.path };
        write!(f, "{path}: {}", self.message)
    }
}

/// Why an answer is none.
#[derive(Debug, thiserror::Error)]
pub enum BadAnswer {
    /// There is no JSON in it.
    #[error("find JSON in the agent's answer")]
    NoJson,
    /// What looks like JSON is none.
    #[error("read the agent's answer as JSON")]
    NotJson(#[source] serde_json::Error),
    /// It does not fit the schema.
    #[error("check the agent's answer: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Violations(Vec<Violation>),
    /// It fits the schema, but not the type behind it.
    #[error("take the agent's answer")]
    Unfit(#[source] serde_json::Error),
    /// The schema itself cannot be used.
    #[error("use the schema of the answer: {0}")]
    Schema(String),
}

impl From<BadAnswer> for Failure {
    fn from(error: BadAnswer) -> Self {
        let class = match error {
            BadAnswer::Schema(_) => FailureClass::Internal,
            _ => FailureClass::BadAnswer,
        };
        let failure = Self::caused(class, &error)
            .hint("ask again with what is wrong, or use the deterministic reader instead of this agent");
        match error {
            BadAnswer::Violations(violations) => failure.evidence(json!({ "violations": violations })),
            _ => failure,
        }
    }
}

/// The JSON Schema of an answer, to be shown in the prompt.
pub fn answer_schema<T: JsonSchema>() -> Value {
    schemars::schema_for!(T).to_value()
}

/// Reads an agent's last words as the answer that was asked for.
///
/// The JSON is all of the text, or its last fenced block that is marked as `json` or holds JSON.
/// Errors: every violation of the schema of `T`, each with its place.
pub fn answer<T: JsonSchema + DeserializeOwned>(last_message: &str) -> Result<T, BadAnswer> {
    serde_json::from_value(check(&answer_schema::<T>(), last_message)?).map_err(BadAnswer::Unfit)
}

/// The same for a schema that is known only as a value.
pub(crate) fn check(schema: &Value, last_message: &str) -> Result<Value, BadAnswer> {
    let value = find(last_message)?;
    let validator =
        jsonschema::validator_for(schema).map_err(|error| BadAnswer::Schema(error.to_string()))?;
    let violations: Vec<_> = validator
        .iter_errors(&value)
        .map(|error| Violation {
            path: error.instance_path().to_string(),
            message: short(&error.to_string()),
        })
        .collect();
    if violations.is_empty() { Ok(value) } else { Err(BadAnswer::Violations(violations)) }
}

fn find(text: &str) -> Result<Value, BadAnswer> {
    let whole = match serde_json::from_str(text.trim()) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let mut broken = None;
    for (language, block) in blocks(text).into_iter().rev() {
        match serde_json::from_str(&block) {
            Ok(value) => return Ok(value),
            Err(error) if language.eq_ignore_ascii_case("json") && broken.is_none() => broken = Some(error),
            Err(_) => {}
        }
    }
    match broken {
        Some(error) => Err(BadAnswer::NotJson(error)),
        None if text.trim_start().starts_with(['{', '[']) => Err(BadAnswer::NotJson(whole)),
        None => Err(BadAnswer::NoJson),
    }
}

/// Fenced blocks with their language, in order. A block that is not closed reaches to the end.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        let fence = line.trim().strip_prefix("```");
        match (&mut open, fence) {
            (None, Some(language)) => open = Some((language.trim().to_owned(), String::new())),
            (Some(_), Some("")) => blocks.extend(open.take()),
            (Some((_, block)), _) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks.extend(open);
    blocks
}

/// Messages quote the value that is wrong, however large it is.
fn short(message: &str) -> String {
    const LONGEST: usize = 300;
    let mut short: String = message.chars().take(LONGEST).collect();
    if short.len() < message.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use miyabi_core::analysis::{Analysis, Kind, Sensitivity};

    use super::*;

    const GOOD: &str = r#"{"complexity": 4.5, "kind": "feature", "security": "high", "estimate_minutes": 90,
        "areas": ["認証"], "reasons": ["it says \"$(id)\" and ```"], "analyst": "claude"}"#;

    fn good() -> Analysis {
        Analysis {
            complexity: 4.5,
            kind: Kind::Feature,
            security: Sensitivity::High,
            estimate_minutes: 90,
            areas: vec!["認証".to_owned()],
            reasons: vec!["it says \"$(id)\" and ```".to_owned()],
            analyst: "claude".to_owned(),
        }
    }

    #[test]
    fn takes_the_whole_text_or_the_last_block() {
        for text in [
            GOOD.to_owned(),
            format!("\n{GOOD}\n"),
            format!("Here it is:\n```json\n{GOOD}\n```\nThat is all."),
            format!("First\n```json\n{{}}\n```\nno, rather\n  ```JSON\n{GOOD}\n  ```"),
            format!("```\n{GOOD}\n```\n```rust\nfn main() {{}}\n```"),
            format!("cut off: ```\n```json\n{GOOD}"),
        ] {
            assert_eq!(answer::<Analysis>(&text).unwrap(), good(), "{text}");
        }
    }

    #[test]
    fn says_every_violation_with_its_place() {
        let text = r#"{"complexity": 11, "kind": "chore", "security": "low", "estimate_minutes": 5,
            "areas": ["a", 2], "analyst": "x", "extra": true}"#;
        let Err(BadAnswer::Violations(mut violations)) = answer::<Analysis>(text) else {
            panic!("it was taken")
        };
        violations.sort_by(|a, b| a.path.cmp(&b.path).then(a.message.cmp(&b.message)));
        let said: Vec<_> = violations.iter().map(ToString::to_string).collect();
        insta::assert_debug_snapshot!(said, @r#"
        [
            "/: \"reasons\" is a required property",
            "/: Additional properties are not allowed ('extra' was unexpected)",
            "/areas/1: 2 is not of type \"string\"",
            "/complexity: 11 is greater than the maximum of 10.0",
            "/kind: \"chore\" is not valid under any of the schemas listed in the 'oneOf' keyword",
        ]
        "#);
        let failure = Failure::from(BadAnswer::Violations(violations));
        assert_eq!(failure.class, FailureClass::BadAnswer);
        assert_eq!(failure.evidence["violations"].as_array().map(Vec::len), Some(5));
    }

    #[test]
    fn says_when_there_is_nothing_to_check() {
        let error = |text: &str| Failure::from(answer::<Analysis>(text).unwrap_err()).message;
        assert_eq!(error(""), "find JSON in the agent's answer");
        assert_eq!(error("できました"), "find JSON in the agent's answer");
        assert_eq!(
            error("{\"complexity\": }"),
            "read the agent's answer as JSON: expected value at line 1 column 16"
        );
        assert_eq!(
            error("```json\n{\"a\": 1,\n```"),
            "read the agent's answer as JSON: EOF while parsing a value at line 2 column 0"
        );
        let deep = "[".repeat(100_000);
        assert!(error(&deep).starts_with("read the agent's answer as JSON: recursion limit exceeded"));
    }

    #[test]
    fn long_values_are_not_repeated_whole() {
        let text = json!({ "complexity": "長".repeat(1_000_000) }).to_string();
        let error = Failure::from(answer::<Analysis>(&text).unwrap_err());
        assert!(error.message.chars().count() < 3_000, "{}", error.message.len());
    }
}
