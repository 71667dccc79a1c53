//! Claude Code, headless: its command line, and what its stream-json lines mean.
//!
//! The lines were learned from recordings of the real program (`tests/recordings/`). What is not known here passes
//! as [`AgentEvent::Raw`], so a newer program loses details, not sessions.

mod line;

use std::ffi::OsString;
use std::path::PathBuf;

use miyabi_core::containment::Containment;
use miyabi_core::session::{AgentEvent, Usage};
use serde_json::Value;

use crate::lines;
use line::{Block, Line, ResultLine};

/// How Claude Code is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaudeOptions {
    /// The program: a name on the search path, or a path.
    pub program: PathBuf,
    /// What it may use without asking where it is in no box, in its own notation, besides writing in its worktree; everything else that
    /// would ask is refused.
    pub allowed_tools: Vec<String>,
    /// Further arguments, such as `--model opus`; they come last.
    pub arguments: Vec<String>,
}

impl Default for ClaudeOptions {
    fn default() -> Self {
        // The tools that write are not in the list: named here they would write everywhere, while `acceptEdits` lets
        // them write in the worktree and nowhere else.
        let tools = ["Read", "Glob", "Grep"].map(str::to_owned);
        // Commands that look, and those that people check a project with. No network, no installing, no git writes.
        let commands = [
            "ls",
            "cat",
            "head",
            "tail",
            "wc",
            "grep",
            "rg",
            "git status",
            "git diff",
            "git log",
            "git show",
            "cargo build",
            "cargo check",
            "cargo test",
            "cargo nextest run",
            "cargo clippy",
            "cargo fmt",
            "cargo doc",
            "just",
            "make",
            "npm test",
            "npm run",
            "pytest",
            "python -m pytest",
            "go build",
            "go test",
            "go vet",
        ]
        .map(|command| format!("Bash({command}:*)"));
        Self {
            program: PathBuf::from("claude"),
            allowed_tools: tools.into_iter().chain(commands).collect(),
            arguments: Vec::new(),
        }
    }
}

impl ClaudeOptions {
    /// The arguments of a session that is kept in like this, or of one that goes on with the one of that name; the prompt
    /// comes on standard input.
    pub(crate) fn command_line(&self, containment: Containment, resume: Option<&str>) -> Vec<OsString> {
        let fixed = ["-p", "--output-format", "stream-json", "--verbose", "--permission-mode"];
        let mut arguments: Vec<OsString> = fixed.into_iter().map(OsString::from).collect();
        // In a box nothing has to be asked for: what it may not do it cannot do.
        let is_boxed = containment > Containment::Plain;
        arguments.push(if is_boxed { "bypassPermissions" } else { "acceptEdits" }.into());
        if !self.allowed_tools.is_empty() && !is_boxed {
            // One argument: the option would swallow whatever follows several.
            arguments.push("--allowedTools".into());
            arguments.push(self.allowed_tools.join(",").into());
        }
        if let Some(name) = resume {
            // One word: a name that begins with a dash is no option.
            arguments.push(format!("--resume={name}").into());
        }
        arguments.extend(self.arguments.iter().map(OsString::from));
        arguments
    }
}

/// Settings of the program that make it quiet: no update, no telemetry, no error reports; and that tell it of its box,
/// without which it does not work for root without asking.
pub(crate) fn environment(containment: Containment) -> impl Iterator<Item = (&'static str, &'static str)> {
    let boxed = (containment > Containment::Plain).then_some(("IS_SANDBOX", "1"));
    [("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")].into_iter().chain(boxed)
}

/// One line of Claude Code by itself; unknown lines become [`AgentEvent::Raw`].
///
/// A [`Reader`] over all lines knows more: figures so far, and what a refusal was about.
pub fn normalize(line: &str) -> Vec<AgentEvent> {
    Reader::default().read(line)
}

/// Reads the lines of one session in their order. Pure: the same lines give the same events.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    /// Usage of all messages before the current one.
    before: Tokens,
    /// The current message and its usage, which each of its blocks repeats.
    message: Option<(String, Tokens)>,
    /// Tool uses without a result: id and description.
    open: Vec<(String, String)>,
    /// Tool uses whose refusal was told already.
    refused: Vec<String>,
    last_text: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tokens {
    input: u64,
    output: u64,
}

impl Tokens {
    fn and(self, more: Self) -> Self {
        Self { input: self.input.saturating_add(more.input), output: self.output.saturating_add(more.output) }
    }
}

impl Reader {
    /// What the next line means.
    pub fn read(&mut self, line: &str) -> Vec<AgentEvent> {
        if line.trim().is_empty() {
            return Vec::new();
        }
        match serde_json::from_str::<Line>(line) {
            Ok(Line::System(system)) => match system.subtype.as_str() {
                "init" => vec![AgentEvent::Named { session: system.session_id.unwrap_or_default() }],
                "api_retry" => vec![AgentEvent::Waiting { reason: system.waiting() }],
                "permission_denied" => self.refusal(system.tool_use_id.as_deref(), &system.refused()),
                _ => raw(line),
            },
            Ok(Line::Assistant { message }) => self.assistant(message),
            Ok(Line::User { message }) => self.results(&message.content),
            Ok(Line::Result(result)) => self.result(&result),
            Err(_) => raw(line),
        }
    }

    fn assistant(&mut self, message: line::Message) -> Vec<AgentEvent> {
        let mut events = Vec::new();
        for block in &message.content {
            match block {
                Block::Text { text } if !text.trim().is_empty() => {
                    self.last_text = Some(text.clone());
                    events.push(AgentEvent::Message { text: text.clone() });
                }
                Block::ToolUse { id, name, input } => {
                    let detail = describe(input);
                    self.open.push((id.clone(), joined(name, &detail)));
                    events.push(AgentEvent::ToolStarted { tool: name.clone(), detail });
                }
                Block::Text { .. } | Block::ToolResult { .. } | Block::Other => {}
            }
        }
        if let (Some(id), Some(usage)) = (message.id, message.usage) {
            let tokens = Tokens { input: usage.all_input(), output: usage.output_tokens };
            let known = self.message.replace((id.clone(), tokens));
            if known != self.message {
                if let Some((_, earlier)) = known.filter(|(known, _)| *known != id) {
                    self.before = self.before.and(earlier);
                }
                let all = self.before.and(tokens);
                events.push(AgentEvent::Usage(Usage {
                    input_tokens: Some(all.input),
                    output_tokens: Some(all.output),
                    ..Usage::default()
                }));
            }
        }
        events
    }

    fn results(&mut self, content: &[Block]) -> Vec<AgentEvent> {
        let results = content.iter().filter_map(|block| match block {
            Block::ToolResult { tool_use_id, is_error } => Some((tool_use_id, !is_error)),
            _ => None,
        });
        results
            .map(|(id, ok)| {
                self.open.retain(|(open, _)| open != id);
                AgentEvent::ToolEnded { ok }
            })
            .collect()
    }

    fn refusal(&mut self, id: Option<&str>, why: &str) -> Vec<AgentEvent> {
        let about = self.open.iter().find(|(open, _)| Some(open.as_str()) == id).map(|(_, about)| about);
        let what = match about {
            Some(about) => format!("{about} ({why})"),
            None => why.to_owned(),
        };
        self.refused.extend(id.map(str::to_owned));
        vec![AgentEvent::Refused { what }]
    }

    fn result(&mut self, result: &ResultLine) -> Vec<AgentEvent> {
        let mut events = Vec::new();
        for denial in &result.permission_denials {
            if !self.refused.contains(&denial.tool_use_id) {
                self.refused.push(denial.tool_use_id.clone());
                let what = joined(&denial.tool_name, &describe(&denial.tool_input));
                events.push(AgentEvent::Refused { what });
            }
        }
        let last_words = result.result.as_ref().filter(|text| !text.trim().is_empty());
        if let Some(text) =
            last_words.filter(|text| !result.is_error && self.last_text.as_ref() != Some(text))
        {
            events.push(AgentEvent::Message { text: text.clone() });
        }
        events.push(AgentEvent::Usage(Usage {
            input_tokens: result.usage.as_ref().map(line::TokenUsage::all_input),
            output_tokens: result.usage.as_ref().map(|usage| usage.output_tokens),
            cost_usd: result.total_cost_usd,
            turns: result.num_turns,
        }));
        events.push(AgentEvent::Ended { ok: result.is_success(), reason: result.reason() });
        events
    }
}

fn raw(line: &str) -> Vec<AgentEvent> {
    vec![AgentEvent::Raw { line: line.to_owned() }]
}

fn joined(tool: &str, detail: &str) -> String {
    if detail.is_empty() { tool.to_owned() } else { format!("{tool} {detail}") }
}

/// What a tool works on, on one line of at most 200 characters.
fn describe(input: &Value) -> String {
    let telling = ["file_path", "notebook_path", "command", "pattern", "path", "url", "query", "description"];
    let text = telling.iter().find_map(|key| input.get(key)?.as_str()).unwrap_or_default();
    lines::short(text)
}

#[cfg(all(test, unix))]
mod tests;
