//! The lines of `codex exec --json`, as far as they are read. Fields that are not read may change.

use serde::Deserialize;

use crate::lines;

#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
pub(super) enum Line {
    #[serde(rename = "thread.started")]
    ThreadStarted { thread_id: String },
    #[serde(rename = "item.started")]
    ItemStarted { item: Item },
    #[serde(rename = "item.completed")]
    ItemCompleted { item: Item },
    #[serde(rename = "turn.completed")]
    TurnCompleted { usage: Option<TokenUsage> },
    #[serde(rename = "turn.failed")]
    TurnFailed { error: Trouble },
    #[serde(rename = "error")]
    Error { message: String },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub(super) struct Trouble {
    pub(super) message: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct TokenUsage {
    /// Cached ones included.
    #[serde(default)]
    pub(super) input_tokens: u64,
    #[serde(default)]
    pub(super) output_tokens: u64,
}

/// One thing that it did or said.
#[derive(Debug, Deserialize)]
pub(super) struct Item {
    #[serde(default)]
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) text: Option<String>,
    command: Option<String>,
    exit_code: Option<i64>,
    status: Option<String>,
    #[serde(default)]
    changes: Vec<Change>,
    tool: Option<String>,
    query: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Change {
    path: String,
}

impl Item {
    /// The tool and what it works on, if the item is the use of one.
    pub(super) fn tool(&self) -> Option<(&'static str, String)> {
        let (tool, detail) = match self.kind.as_str() {
            "command_execution" => ("Command", self.command.clone().unwrap_or_default()),
            "file_change" => {
                let paths: Vec<_> = self.changes.iter().map(|change| change.path.as_str()).collect();
                ("Patch", paths.join(", "))
            }
            "mcp_tool_call" => ("Tool", self.tool.clone().unwrap_or_default()),
            "web_search" => ("Search", self.query.clone().unwrap_or_default()),
            _ => return None,
        };
        Some((tool, lines::short(&detail)))
    }

    /// Whether the use of a tool went well, as far as it is said.
    pub(super) fn went_well(&self) -> bool {
        self.exit_code.is_none_or(|code| code == 0)
            && self.status.as_deref().is_none_or(|status| status == "completed")
    }
}
