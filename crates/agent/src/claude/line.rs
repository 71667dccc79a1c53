//! The lines of Claude Code's stream-json output, as far as they are read. Fields that are not read may change.

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Line {
    System(SystemLine),
    Assistant { message: Message },
    User { message: UserMessage },
    Result(ResultLine),
}

#[derive(Debug, Deserialize)]
pub(super) struct SystemLine {
    pub(super) subtype: String,
    pub(super) session_id: Option<String>,
    pub(super) tool_use_id: Option<String>,
    tool_name: Option<String>,
    message: Option<String>,
    attempt: Option<u64>,
    max_retries: Option<u64>,
    retry_delay_ms: Option<f64>,
    error_status: Option<u64>,
    error: Option<String>,
}

impl SystemLine {
    /// Why it waits for its model.
    pub(super) fn waiting(&self) -> String {
        let mut reason = self.error.clone().unwrap_or_else(|| "the model does not answer".to_owned());
        if let Some(status) = self.error_status {
            reason.push_str(&format!(" (HTTP {status})"));
        }
        if let (Some(attempt), Some(max)) = (self.attempt, self.max_retries) {
            reason.push_str(&format!(", retry {attempt} of {max}"));
        }
        if let Some(delay) = self.retry_delay_ms {
            reason.push_str(&format!(" in {delay:.0} ms"));
        }
        reason
    }

    /// What was refused, as far as this line says.
    pub(super) fn refused(&self) -> String {
        let said = self.message.as_deref().or(self.tool_name.as_deref());
        said.unwrap_or("refused by its own rules").to_owned()
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) content: Vec<Block>,
    pub(super) usage: Option<TokenUsage>,
}

#[derive(Debug, Deserialize)]
pub(super) struct UserMessage {
    #[serde(default, deserialize_with = "blocks")]
    pub(super) content: Vec<Block>,
}

/// The user's side is a list of blocks, or plain text, in which there is nothing to read.
fn blocks<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Block>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Array(blocks) => Ok(blocks
            .into_iter()
            .map(|block| serde_json::from_value(block).unwrap_or(Block::Other))
            .collect()),
        _ => Ok(Vec::new()),
    }
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block {
    Text {
        text: String,
    },
    ToolUse {
        id: String,
        name: String,
        #[serde(default)]
        input: Value,
    },
    ToolResult {
        #[serde(default)]
        tool_use_id: String,
        #[serde(default)]
        is_error: bool,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct TokenUsage {
    #[serde(default)]
    input_tokens: u64,
    #[serde(default)]
    cache_creation_input_tokens: u64,
    #[serde(default)]
    cache_read_input_tokens: u64,
    #[serde(default)]
    pub(super) output_tokens: u64,
}

impl TokenUsage {
    /// Input tokens, cached ones included.
    pub(super) fn all_input(&self) -> u64 {
        self.input_tokens
            .saturating_add(self.cache_creation_input_tokens)
            .saturating_add(self.cache_read_input_tokens)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct ResultLine {
    #[serde(default)]
    subtype: String,
    #[serde(default)]
    pub(super) is_error: bool,
    terminal_reason: Option<String>,
    pub(super) result: Option<String>,
    #[serde(default)]
    errors: Vec<String>,
    pub(super) usage: Option<TokenUsage>,
    pub(super) total_cost_usd: Option<f64>,
    pub(super) num_turns: Option<u64>,
    #[serde(default)]
    pub(super) permission_denials: Vec<Denial>,
}

impl ResultLine {
    /// An API failure says `success` and sets `is_error`: both must speak for success.
    pub(super) fn is_success(&self) -> bool {
        self.subtype == "success" && !self.is_error
    }

    /// The program's word for how it ended, with what it says about it when that was no success.
    pub(super) fn reason(&self) -> String {
        if self.is_success() {
            return self.subtype.clone();
        }
        let word = match self.subtype.as_str() {
            "success" | "" => self.terminal_reason.as_deref().unwrap_or("error"),
            subtype => subtype,
        };
        let said = match &self.result {
            Some(text) if !text.trim().is_empty() => text.clone(),
            _ => self.errors.join("; "),
        };
        if said.is_empty() { word.to_owned() } else { format!("{word}: {said}") }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Denial {
    #[serde(default)]
    pub(super) tool_name: String,
    #[serde(default)]
    pub(super) tool_use_id: String,
    #[serde(default)]
    pub(super) tool_input: Value,
}
