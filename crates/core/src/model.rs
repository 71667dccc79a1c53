//! Models behind an endpoint: where they are asked, what they are asked, and what they say.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::session::Usage;

/// Whose protocol an endpoint speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Anthropic's Messages API.
    Anthropic,
    /// OpenAI's Chat Completions API, which many servers speak.
    OpenAi,
    /// A TensorZero gateway; its models are functions.
    TensorZero,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Anthropic, Self::OpenAi, Self::TensorZero];

    /// Its name in settings and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
            Self::TensorZero => "tensorzero",
        }
    }
}

/// One model at one provider: `anthropic/claude-sonnet-4-5`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Route {
    /// Who is asked.
    pub provider: Provider,
    /// Which of its models; of TensorZero, which function.
    pub model: String,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider.as_str(), self.model)
    }
}

impl FromStr for Route {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (provider, model) = text.trim().split_once('/').unwrap_or((text, ""));
        let known = Provider::ALL.into_iter().find(|known| known.as_str() == provider);
        match known {
            Some(provider) if !model.is_empty() && !model.contains(char::is_whitespace) => {
                Ok(Self { provider, model: model.to_owned() })
            }
            Some(provider) => Err(format!("`{text}` names no model: write `{}/<model>`", provider.as_str())),
            None => Err(format!(
                "unknown model `{text}`: expected `anthropic/<model>`, `openai/<model>` or `tensorzero/<function>`"
            )),
        }
    }
}

/// One part of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// What we say.
    Ours(String),
    /// What the model said.
    Theirs(String),
}

/// What a model is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// How it is to answer.
    pub system: String,
    /// The conversation so far; ours is the last word.
    pub turns: Vec<Turn>,
    /// What the gateway is to remember with it: run, step, session.
    pub tags: BTreeMap<String, String>,
    /// The gateway's name for the conversation so far.
    pub episode: Option<String>,
    /// The longest answer, in tokens, where the provider wants to be told.
    pub answer_tokens: u32,
    /// How long it may say nothing.
    pub quiet: Duration,
}

/// What a model said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// Its words.
    pub text: String,
    /// What they took.
    pub usage: Usage,
    /// How they ended.
    pub ended: SaidEnd,
    /// The provider's id of this answer.
    pub response: Option<String>,
    /// The gateway's name for the conversation.
    pub episode: Option<String>,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SaidEnd {
    /// Everything was said.
    #[default]
    Whole,
    /// The limit of an answer's length was reached.
    Cut,
    /// The model did not want to.
    Refused,
}

/// Why there is no answer. The detail is what the other side said, without secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelFault {
    /// It has too much to do; it may say when it is worth another try.
    #[error("the model is busy: {detail}")]
    Busy {
        /// When.
        after: Option<Duration>,
        /// What it said.
        detail: String,
    },
    /// It could not be reached, went silent, or stopped in the middle.
    #[error("the answer of the model did not come whole: {0}")]
    Broken(String),
    /// It was asked more than it can take in.
    #[error("the model cannot take in so much: {0}")]
    TooLong(String),
    /// It does not know us.
    #[error("the model's provider refuses the login: {0}")]
    Denied(String),
    /// Anything else, which another try does not mend.
    #[error("the model was asked in a way that it does not know: {0}")]
    Wrong(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_reads_as_it_is_written() {
        for text in ["anthropic/claude-sonnet-4-5", "openai/org/model:free", "tensorzero/mend", "openai/雅"]
        {
            assert_eq!(text.parse::<Route>().map(|route| route.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "anthropic", "anthropic/", "mistral/large", "openai/a b", "OpenAI/x"] {
            assert!(text.parse::<Route>().is_err(), "{text}");
        }
    }
}
