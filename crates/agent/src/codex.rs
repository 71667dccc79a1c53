//! Codex, headless: its command line, and what its JSON lines mean.
//!
//! The lines were learned from recordings of the real program (`tests/recordings/codex-*.jsonl`). What is not known here
//! passes as [`AgentEvent::Raw`], so a newer program loses details, not sessions.

mod line;

use std::ffi::OsString;
use std::path::PathBuf;

use miyabi_core::containment::Containment;
use miyabi_core::session::{AgentEvent, Usage};

use line::{Item, Line};

/// How Codex is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodexOptions {
    /// The program: a name on the search path, or a path.
    pub program: PathBuf,
    /// Further arguments, such as `--model gpt-5`; they stand before the word for the standard input.
    pub arguments: Vec<String>,
}

impl Default for CodexOptions {
    fn default() -> Self {
        Self { program: PathBuf::from("codex"), arguments: Vec::new() }
    }
}

impl CodexOptions {
    /// The arguments of a session that is kept in like this, or of one that goes on with the one of that name; the prompt
    /// comes on standard input.
    pub(crate) fn command_line(&self, containment: Containment, resume: Option<&str>) -> Vec<OsString> {
        let sandbox = match containment {
            // Its own sandbox lets it write in its folder; what it would have to ask for is refused.
            Containment::Plain => "workspace-write",
            // Its own one cannot be made inside of ours, which keeps all of it in and not only its commands.
            Containment::Landlock | Containment::Bubblewrap => "danger-full-access",
        };
        let fixed = ["exec", "--json", "--color", "never", "--sandbox", sandbox];
        let quiet = ["-c", "approval_policy=\"never\"", "-c", "check_for_update_on_startup=false"];
        let last: Vec<OsString> = match resume {
            Some(name) => ["resume", "--", name, "-"].map(OsString::from).into(),
            None => vec!["-".into()],
        };
        let arguments = fixed.into_iter().chain(quiet).map(OsString::from);
        arguments.chain(self.arguments.iter().map(OsString::from)).chain(last).collect()
    }
}

/// One line of Codex by itself; unknown lines become [`AgentEvent::Raw`].
pub fn normalize(line: &str) -> Vec<AgentEvent> {
    Reader::default().read(line)
}

/// Reads the lines of one session in their order. Pure: the same lines give the same events.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    /// Items that were told as begun.
    open: Vec<String>,
    /// Usage of the turns that have ended.
    used: Usage,
}

impl Reader {
    /// What the next line means.
    pub fn read(&mut self, line: &str) -> Vec<AgentEvent> {
        if line.trim().is_empty() {
            return Vec::new();
        }
        match serde_json::from_str::<Line>(line) {
            Ok(Line::ThreadStarted { thread_id }) => vec![AgentEvent::Named { session: thread_id }],
            Ok(Line::ItemStarted { item }) => self.started(&item).into_iter().collect(),
            Ok(Line::ItemCompleted { item }) => self.completed(&item, line),
            Ok(Line::TurnCompleted { usage }) => {
                vec![AgentEvent::Usage(self.turn(usage.unwrap_or_default())), ended(true, "turn completed")]
            }
            Ok(Line::TurnFailed { error }) => vec![ended(false, &format!("turn failed: {}", error.message))],
            // It says so while it tries again; when it gives up, the turn fails as well.
            Ok(Line::Error { message }) => vec![AgentEvent::Waiting { reason: message }],
            Ok(Line::Other) | Err(_) => raw(line),
        }
    }

    fn started(&mut self, item: &Item) -> Option<AgentEvent> {
        let (tool, detail) = item.tool()?;
        self.open.push(item.id.clone());
        Some(AgentEvent::ToolStarted { tool: tool.to_owned(), detail })
    }

    fn completed(&mut self, item: &Item, line: &str) -> Vec<AgentEvent> {
        if item.kind == "agent_message" {
            let text = item.text.clone().unwrap_or_default();
            return if text.trim().is_empty() { Vec::new() } else { vec![AgentEvent::Message { text }] };
        }
        if item.tool().is_none() {
            return raw(line);
        }
        // Some are told only when they are over.
        let begun = self.open.contains(&item.id);
        let mut events: Vec<_> = if begun { Vec::new() } else { self.started(item).into_iter().collect() };
        self.open.retain(|open| *open != item.id);
        events.push(AgentEvent::ToolEnded { ok: item.went_well() });
        events
    }

    /// The figures so far, with those of a turn that has ended. Cost is not told.
    fn turn(&mut self, more: line::TokenUsage) -> Usage {
        let sum = |sum: Option<u64>, one: u64| Some(sum.unwrap_or_default().saturating_add(one));
        self.used.input_tokens = sum(self.used.input_tokens, more.input_tokens);
        self.used.output_tokens = sum(self.used.output_tokens, more.output_tokens);
        self.used.turns = sum(self.used.turns, 1);
        self.used
    }
}

fn ended(ok: bool, reason: &str) -> AgentEvent {
    AgentEvent::Ended { ok, reason: reason.to_owned() }
}

fn raw(line: &str) -> Vec<AgentEvent> {
    vec![AgentEvent::Raw { line: line.to_owned() }]
}

#[cfg(all(test, unix))]
mod tests;
