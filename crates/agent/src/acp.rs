//! Programs that speak the Agent Client Protocol on their standard streams: Claude Code and Codex by their bridges,
//! Gemini CLI, opencode, and any other.
//!
//! The conversation is pure: lines in, events and lines out.

mod message;
mod permission;

use std::path::{Path, PathBuf};

use miyabi_core::containment::Containment;
use miyabi_core::session::{AgentEvent, Resume, SessionSpec, Usage};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use message::{
    Answered, Asked, Greeting, Modes, Opened, Update, Updated, VERSION, no_such_method, request, result,
};

/// Text of one message that is kept, in bytes.
const LONGEST_MESSAGE: usize = 256 * 1024;

/// One line by itself, of a conversation that is not known; pure.
pub fn normalize(line: &str) -> Vec<AgentEvent> {
    let mut client = Client::about(Path::new("/"), "", Containment::Plain);
    client.line(line).0
}

/// How far the conversation has come; each is the request that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Greeting,
    Opening,
    Choosing,
    Prompting,
    Loading,
    Over,
}

/// Our side of one conversation.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    worktree: PathBuf,
    prompt: String,
    /// The conversation that is gone on with, where the program can.
    resume: Option<Resume>,
    containment: Containment,
    stage: Stage,
    /// Its own name for the conversation.
    session: String,
    /// What it has said since it last did something.
    words: String,
    /// Tools that were begun and have not ended.
    open: Vec<String>,
    usage: Usage,
}

impl Client {
    /// The conversation of this session with a program that is kept in like this.
    pub(crate) fn new(spec: &SessionSpec, containment: Containment) -> Self {
        Self { resume: spec.resume.clone(), ..Self::about(&spec.worktree, &spec.prompt, containment) }
    }

    /// A conversation about one prompt in that worktree.
    fn about(worktree: &Path, prompt: &str, containment: Containment) -> Self {
        Self {
            worktree: worktree.to_owned(),
            prompt: prompt.to_owned(),
            resume: None,
            containment,
            stage: Stage::Greeting,
            session: String::new(),
            words: String::new(),
            open: Vec::new(),
            usage: Usage::default(),
        }
    }

    /// The line that begins it. We offer neither files nor terminals: the program has its own, in its box.
    pub(crate) fn greeting(&self) -> String {
        let about = json!({ "name": "miyabi", "version": env!("CARGO_PKG_VERSION") });
        let offers = json!({ "fs": { "readTextFile": false, "writeTextFile": false }, "terminal": false });
        let params = json!({ "protocolVersion": VERSION, "clientCapabilities": offers, "clientInfo": about });
        request(Stage::Greeting as u64, "initialize", &params)
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
            (Some("session/update"), None) => match read::<Updated>(&message["params"]) {
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

    fn answer(&mut self, answer: &Value) -> (Vec<AgentEvent>, Vec<String>) {
        match self.stage {
            Stage::Greeting => match read::<Greeting>(answer) {
                Some(greeting) if greeting.protocol_version == VERSION => {
                    let can = greeting.agent_capabilities.load_session;
                    let next = match self.resume.as_ref().filter(|_| can) {
                        Some(resume) => {
                            self.stage = Stage::Loading;
                            self.session.clone_from(&resume.name);
                            let params =
                                json!({ "sessionId": resume.name, "cwd": self.worktree, "mcpServers": [] });
                            request(self.stage as u64, "session/load", &params)
                        }
                        None => self.opening(),
                    };
                    (Vec::new(), vec![next])
                }
                _ => self.end(false, "it speaks another version of the protocol"),
            },
            Stage::Loading => {
                if let Some(resume) = self.resume.take() {
                    self.prompt = resume.prompt;
                }
                self.opened(read::<Opened>(answer).unwrap_or_default().modes.as_ref())
            }
            Stage::Opening => match read::<Opened>(answer) {
                Some(Opened { session_id: Some(session), modes }) => {
                    self.session = session;
                    self.opened(modes.as_ref())
                }
                _ => self.end(false, "it opened no session"),
            },
            Stage::Choosing => (Vec::new(), vec![self.prompting()]),
            Stage::Prompting => {
                let ended = read::<Answered>(answer);
                match ended.as_ref().map(|answered| answered.stop_reason.as_str()) {
                    Some("end_turn") => self.end(true, "end of turn"),
                    Some("max_tokens") => self.end(false, "the limit of tokens was reached"),
                    Some("max_turn_requests") => self.end(false, "the limit of requests was reached"),
                    Some("refusal") => self.end(false, "the model refused to go on"),
                    Some("cancelled") => self.end(false, "it was cancelled"),
                    _ => self.end(false, "it ended without a reason that is known"),
                }
            }
            Stage::Over => (Vec::new(), Vec::new()),
        }
    }

    fn opening(&mut self) -> String {
        self.stage = Stage::Opening;
        let params = json!({ "cwd": self.worktree, "mcpServers": [] });
        request(self.stage as u64, "session/new", &params)
    }

    fn opened(&mut self, modes: Option<&Modes>) -> (Vec<AgentEvent>, Vec<String>) {
        let named = AgentEvent::Named { session: self.session.clone() };
        let next = match permission::mode(modes, self.containment) {
            Some(mode) => {
                self.stage = Stage::Choosing;
                let params = json!({ "sessionId": self.session, "modeId": mode });
                request(self.stage as u64, "session/set_mode", &params)
            }
            None => self.prompting(),
        };
        (vec![named], vec![next])
    }

    fn prompting(&mut self) -> String {
        self.stage = Stage::Prompting;
        let prompt = json!([{ "type": "text", "text": std::mem::take(&mut self.prompt) }]);
        let params = json!({ "sessionId": self.session, "prompt": prompt });
        request(self.stage as u64, "session/prompt", &params)
    }

    /// It answered with an error: there is nothing left to be asked.
    fn refused(&mut self, error: &Value) -> (Vec<AgentEvent>, Vec<String>) {
        if self.stage == Stage::Loading {
            // Then it begins with the whole task.
            return (Vec::new(), vec![self.opening()]);
        }
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
        let asked = (method == "session/request_permission").then(|| read::<Asked>(params)).flatten();
        let Some(asked) = asked else { return (Vec::new(), vec![no_such_method(id, method)]) };
        let (refused, outcome) = permission::answer(&asked, &self.worktree, self.containment);
        let events = refused.map(|what| AgentEvent::Refused { what }).into_iter().collect();
        (events, vec![result(id, &json!({ "outcome": outcome }))])
    }

    fn update(&mut self, update: Update, line: &str) -> Vec<AgentEvent> {
        if self.stage == Stage::Loading {
            // It tells what was said before.
            return Vec::new();
        }
        match update {
            Update::AgentMessageChunk { content } => {
                if self.words.len() < LONGEST_MESSAGE {
                    self.words.push_str(&content.text);
                }
                Vec::new()
            }
            Update::ToolCall { tool_call_id, tool } => {
                let mut events = self.message();
                let kind = tool.kind.unwrap_or_else(|| "other".to_owned());
                events.push(AgentEvent::ToolStarted { tool: kind, detail: tool.title.unwrap_or_default() });
                self.open.push(tool_call_id.clone());
                events.extend(self.ended(&tool_call_id, tool.status.as_deref()));
                events
            }
            Update::ToolChanged { tool_call_id, tool } => {
                self.ended(&tool_call_id, tool.status.as_deref()).into_iter().collect()
            }
            Update::Used { cost } => {
                let dollars = cost.filter(|cost| cost.currency == "USD").map(|cost| cost.amount);
                self.usage.cost_usd = dollars.or(self.usage.cost_usd);
                vec![AgentEvent::Usage(self.usage)]
            }
            Update::Other => raw(line),
        }
    }

    fn ended(&mut self, id: &str, status: Option<&str>) -> Option<AgentEvent> {
        let ok = match status? {
            "completed" => true,
            "failed" => false,
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

fn read<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}

fn raw(line: &str) -> Vec<AgentEvent> {
    if line.trim().is_empty() { Vec::new() } else { vec![AgentEvent::Raw { line: line.to_owned() }] }
}

#[cfg(test)]
mod tests;
