//! Messages of the Agent Client Protocol, as much of them as is needed here; what is not known is passed over.
//!
//! The protocol's own crate of types has serde_json keep the order of keys, for the whole workspace: that would change
//! every document and every size that is made of one.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

/// The version that is spoken here.
pub(super) const VERSION: u64 = 1;

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Greeting {
    pub(super) protocol_version: u64,
    #[serde(default)]
    pub(super) agent_capabilities: Capabilities,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Capabilities {
    /// Whether it can go on with an earlier session.
    #[serde(default)]
    pub(super) load_session: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Opened {
    #[serde(default)]
    pub(super) session_id: Option<String>,
    #[serde(default)]
    pub(super) modes: Option<Modes>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Modes {
    #[serde(default)]
    pub(super) available_modes: Vec<Mode>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Mode {
    pub(super) id: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answered {
    pub(super) stop_reason: String,
}

/// `session/update`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Updated {
    pub(super) update: Update,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "sessionUpdate", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub(super) enum Update {
    AgentMessageChunk {
        content: Content,
    },
    ToolCall {
        tool_call_id: String,
        #[serde(flatten)]
        tool: Tool,
    },
    #[serde(rename = "tool_call_update")]
    ToolChanged {
        tool_call_id: String,
        #[serde(flatten)]
        tool: Tool,
    },
    #[serde(rename = "usage_update")]
    Used {
        #[serde(default)]
        cost: Option<Cost>,
    },
    #[serde(other)]
    Other,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Content {
    /// Only texts have one.
    #[serde(default)]
    pub(super) text: String,
}

/// Cumulative over the session.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Cost {
    pub(super) amount: f64,
    pub(super) currency: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Tool {
    #[serde(default)]
    pub(super) title: Option<String>,
    #[serde(default)]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) status: Option<String>,
    #[serde(default)]
    pub(super) locations: Option<Vec<Location>>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Location {
    pub(super) path: PathBuf,
}

/// `session/request_permission`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Asked {
    pub(super) tool_call: Tool,
    pub(super) options: Vec<Choice>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Choice {
    pub(super) option_id: String,
    pub(super) kind: String,
}

/// A request as one line.
pub(super) fn request(id: u64, method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
}

/// The answer to a request of theirs, as one line.
pub(super) fn result(id: &Value, result: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string()
}

/// The refusal of a method that one does not have, as one line.
pub(super) fn no_such_method(id: &Value, method: &str) -> String {
    let error = json!({ "code": -32601, "message": format!("miyabi has no method `{method}`") });
    json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string()
}
