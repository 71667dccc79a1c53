//! Programs that speak the Agent Client Protocol on their standard streams: Claude Code and Codex by their bridges,
//! Gemini CLI, opencode, and any other.
//!
//! The types are the protocol's own; the conversation is ours and pure: lines in, events and lines out.

mod permission;

use std::path::{Path, PathBuf};

use agent_client_protocol_schema::ProtocolVersion;
use agent_client_protocol_schema::v1::{
    ContentBlock, Implementation, InitializeRequest, InitializeResponse, NewSessionRequest,
    NewSessionResponse, PromptRequest, PromptResponse, RequestPermissionRequest, SessionId,
    SessionNotification, SessionUpdate, SetSessionModeRequest, StopReason, ToolCallStatus,
};
use miyabi_core::containment::Containment;
use miyabi_core::session::{AgentEvent, Usage};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What JSON-RPC says to a method that one does not have.
const NO_SUCH_METHOD: i32 = -32601;
/// Text of one message that is kept, in bytes.
const LONGEST_MESSAGE: usize = 256 * 1024;

/// One line by itself, of a conversation that is not known; pure.
pub fn normalize(line: &str) -> Vec<AgentEvent> {
    let mut client = Client::new(Path::new("/"), "", Containment::Plain);
    client.line(line).0
}

/// How far the conversation has come; each is the request that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Greeting,
    Opening,
    Choosing,
    Prompting,
    Over,
}

/// Our side of one conversation.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    worktree: PathBuf,
    prompt: String,
    containment: Containment,
    stage: Stage,
    session: Option<SessionId>,
    /// What it has said since it last did something.
    words: String,
    /// Tools that were begun and have not ended.
    open: Vec<String>,
    usage: Usage,
}

impl Client {
    /// A conversation about one prompt in that worktree, with a program that is kept in like this.
    pub(crate) fn new(worktree: &Path, prompt: &str, containment: Containment) -> Self {
        Self {
            worktree: worktree.to_owned(),
            prompt: prompt.to_owned(),
            containment,
            stage: Stage::Greeting,
            session: None,
            words: String::new(),
            open: Vec::new(),
            usage: Usage::default(),
        }
    }

    /// The line that begins it. We offer neither files nor terminals: the program has its own, in its box.
    pub(crate) fn greeting(&self) -> String {
        let about = Implementation::new("miyabi", env!("CARGO_PKG_VERSION"));
        let request = InitializeRequest::new(ProtocolVersion::V1).client_info(about);
        request_line(Stage::Greeting, "initialize", &request)
    }

    /// Whether nothing more is to be said.
    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// What the next line means, and what is answered.
    pub(crate) fn line(&mut self, line: &str) -> (Vec<AgentEvent>, Vec<String>) {
        let Ok(message) = serde_json::from_str::<Value>(line) else { return (raw(line), Vec::new()) };
        let method = message["method"].as_str();
        match (method, message.get("id")) {
            (Some(method), Some(id)) => self.request(method, id, &message["params"]),
            (Some("session/update"), None) => match read::<SessionNotification>(&message["params"]) {
                Some(update) => (self.update(update.update, line), Vec::new()),
                None => (raw(line), Vec::new()),
            },
            (None, Some(_)) if !message["error"].is_null() => self.refused(&message["error"]),
            (None, Some(_)) if self.is_answer(&message["id"]) => self.answer(&message["result"]),
            _ => (raw(line), Vec::new()),
        }
    }

    fn is_answer(&self, id: &Value) -> bool {
        !self.is_over() && id.as_u64() == Some(self.stage as u64)
    }

    fn answer(&mut self, result: &Value) -> (Vec<AgentEvent>, Vec<String>) {
        match self.stage {
            Stage::Greeting => match read::<InitializeResponse>(result) {
                Some(greeting) if greeting.protocol_version == ProtocolVersion::V1 => {
                    self.stage = Stage::Opening;
                    let request = NewSessionRequest::new(self.worktree.clone());
                    (Vec::new(), vec![request_line(self.stage, "session/new", &request)])
                }
                _ => self.end(false, "it speaks another version of the protocol"),
            },
            Stage::Opening => match read::<NewSessionResponse>(result) {
                Some(opened) => {
                    let named = AgentEvent::Named { session: opened.session_id.to_string() };
                    self.session = Some(opened.session_id.clone());
                    let next = match permission::mode(opened.modes.as_ref(), self.containment) {
                        Some(mode) => {
                            self.stage = Stage::Choosing;
                            let request = SetSessionModeRequest::new(opened.session_id, mode);
                            request_line(self.stage, "session/set_mode", &request)
                        }
                        None => self.prompting(),
                    };
                    (vec![named], vec![next])
                }
                None => self.end(false, "it opened no session"),
            },
            Stage::Choosing => (Vec::new(), vec![self.prompting()]),
            Stage::Prompting => match read::<PromptResponse>(result).map(|answer| answer.stop_reason) {
                Some(StopReason::EndTurn) => self.end(true, "end of turn"),
                Some(StopReason::MaxTokens) => self.end(false, "the limit of tokens was reached"),
                Some(StopReason::MaxTurnRequests) => self.end(false, "the limit of requests was reached"),
                Some(StopReason::Refusal) => self.end(false, "the model refused to go on"),
                Some(StopReason::Cancelled) => self.end(false, "it was cancelled"),
                _ => self.end(false, "it ended without a reason that is known"),
            },
            Stage::Over => (Vec::new(), Vec::new()),
        }
    }

    fn prompting(&mut self) -> String {
        self.stage = Stage::Prompting;
        let prompt = vec![ContentBlock::from(std::mem::take(&mut self.prompt))];
        let session = self.session.clone().unwrap_or_else(|| SessionId::new(""));
        request_line(self.stage, "session/prompt", &PromptRequest::new(session, prompt))
    }

    /// It answered with an error: there is nothing left to be asked.
    fn refused(&mut self, error: &Value) -> (Vec<AgentEvent>, Vec<String>) {
        if self.stage == Stage::Choosing {
            // Then it asks, and is answered.
            return (Vec::new(), vec![self.prompting()]);
        }
        let message = error["message"].as_str().unwrap_or("an error without a message");
        let more = error["data"]["message"]
            .as_str()
            .or(error["data"].as_str())
            .or(error["data"]["details"].as_str());
        let reason = more.map_or_else(|| message.to_owned(), |more| format!("{message}: {more}"));
        self.end(false, &reason)
    }

    fn end(&mut self, ok: bool, reason: &str) -> (Vec<AgentEvent>, Vec<String>) {
        self.stage = Stage::Over;
        let mut events = self.message();
        events.push(AgentEvent::Ended { ok, reason: reason.to_owned() });
        (events, Vec::new())
    }

    fn request(&mut self, method: &str, id: &Value, params: &Value) -> (Vec<AgentEvent>, Vec<String>) {
        let asked =
            (method == "session/request_permission").then(|| read::<RequestPermissionRequest>(params));
        let Some(Some(asked)) = asked else {
            let error =
                json!({ "code": NO_SUCH_METHOD, "message": format!("miyabi has no method `{method}`") });
            return (Vec::new(), vec![json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string()]);
        };
        let (refused, outcome) = permission::answer(&asked, &self.worktree, self.containment);
        let events = refused.map(|what| AgentEvent::Refused { what }).into_iter().collect();
        (events, vec![json!({ "jsonrpc": "2.0", "id": id, "result": outcome }).to_string()])
    }

    fn update(&mut self, update: SessionUpdate, line: &str) -> Vec<AgentEvent> {
        match update {
            SessionUpdate::AgentMessageChunk(chunk) => {
                if let ContentBlock::Text(text) = chunk.content
                    && self.words.len() < LONGEST_MESSAGE
                {
                    self.words.push_str(&text.text);
                }
                Vec::new()
            }
            SessionUpdate::ToolCall(call) => {
                let mut events = self.message();
                let tool = call.name.clone().unwrap_or_else(|| word(&call.kind));
                events.push(AgentEvent::ToolStarted { tool, detail: call.title.clone() });
                self.open.push(call.tool_call_id.to_string());
                events.extend(self.ended(&call.tool_call_id.to_string(), call.status));
                events
            }
            SessionUpdate::ToolCallUpdate(call) => {
                let status = call.fields.status;
                status
                    .and_then(|status| self.ended(&call.tool_call_id.to_string(), status))
                    .into_iter()
                    .collect()
            }
            SessionUpdate::UsageUpdate(update) => {
                let dollars = update.cost.filter(|cost| cost.currency == "USD").map(|cost| cost.amount);
                self.usage.cost_usd = dollars.or(self.usage.cost_usd);
                vec![AgentEvent::Usage(self.usage)]
            }
            _ => raw(line),
        }
    }

    fn ended(&mut self, id: &str, status: ToolCallStatus) -> Option<AgentEvent> {
        let ok = match status {
            ToolCallStatus::Completed => true,
            ToolCallStatus::Failed => false,
            _ => return None,
        };
        let open = self.open.iter().position(|open| open == id)?;
        self.open.remove(open);
        Some(AgentEvent::ToolEnded { ok })
    }

    fn message(&mut self) -> Vec<AgentEvent> {
        let text = std::mem::take(&mut self.words);
        if text.trim().is_empty() { Vec::new() } else { vec![AgentEvent::Message { text }] }
    }
}

fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

fn read<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}

fn request_line(stage: Stage, method: &str, params: &impl Serialize) -> String {
    json!({ "jsonrpc": "2.0", "id": stage as u64, "method": method, "params": params }).to_string()
}

fn raw(line: &str) -> Vec<AgentEvent> {
    if line.trim().is_empty() { Vec::new() } else { vec![AgentEvent::Raw { line: line.to_owned() }] }
}

#[cfg(test)]
mod tests;
