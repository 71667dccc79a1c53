//! Agent sessions: what is asked of a coding program, and what it was seen to do.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{Attempt, RunId, SessionId, StepId};
use crate::model::Route;

/// How one coding program is driven, with its program where it needs one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Adapter {
    /// Claude Code, headless.
    Claude,
    /// Codex, headless.
    Codex,
    /// Any program that speaks the Agent Client Protocol. Program first, then arguments.
    Acp(Vec<String>),
    /// A model that is asked for patches; the first of these that answers. No program runs.
    Llm(Vec<Route>),
    /// Any program: the prompt on standard input, the worktree as current folder. Program first, then arguments.
    Command(Vec<String>),
    /// A playbook file of edits, commands, delays and failures.
    Scripted(PathBuf),
    /// Nobody: what was looked up is the answer. For steps of flows only.
    Facts,
}

/// What can be had of a program, whatever it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// It can go on with a session that ended in the middle.
    pub resume: bool,
    /// It tells the tokens that it used.
    pub tokens: bool,
    /// It tells what they cost.
    pub cost: bool,
    /// It asks before it does something, and is answered.
    pub asks: bool,
}

impl Adapter {
    /// What can be had of its program.
    pub fn capabilities(&self) -> Capabilities {
        let none = Capabilities::default();
        match self {
            Self::Claude => Capabilities { resume: true, tokens: true, cost: true, ..none },
            Self::Codex => Capabilities { resume: true, tokens: true, ..none },
            Self::Acp(_) => Capabilities { resume: true, cost: true, asks: true, ..none },
            Self::Llm(_) => Capabilities { tokens: true, ..none },
            Self::Command(_) | Self::Scripted(_) | Self::Facts => none,
        }
    }
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claude => f.write_str("claude"),
            Self::Codex => f.write_str("codex"),
            Self::Acp(argv) => write!(f, "acp:{}", argv.join(" ")),
            Self::Llm(routes) => {
                let routes: Vec<_> = routes.iter().map(ToString::to_string).collect();
                write!(f, "llm:{}", routes.join(","))
            }
            Self::Command(argv) => write!(f, "command:{}", argv.join(" ")),
            Self::Scripted(playbook) => write!(f, "scripted:{}", playbook.display()),
            Self::Facts => f.write_str("facts"),
        }
    }
}

impl FromStr for Adapter {
    type Err = String;

    /// Reads `claude`, `codex`, `acp:gemini --acp`, `llm:anthropic/claude-sonnet-4-5,openai/gpt-5`, `command:./my-agent.sh
    /// arg` (split at spaces) or `scripted:playbook.yaml`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "claude" => Ok(Self::Claude),
            None if text == "codex" => Ok(Self::Codex),
            None if text == "facts" => Ok(Self::Facts),
            Some(("command", program)) if !program.trim().is_empty() => {
                Ok(Self::Command(program.split_whitespace().map(str::to_owned).collect()))
            }
            Some(("acp", program)) if !program.trim().is_empty() => {
                Ok(Self::Acp(program.split_whitespace().map(str::to_owned).collect()))
            }
            Some(("llm", routes)) => {
                routes.split(',').map(str::parse).collect::<Result<_, _>>().map(Self::Llm)
            }
            Some(("scripted", playbook)) if !playbook.is_empty() => {
                Ok(Self::Scripted(PathBuf::from(playbook)))
            }
            _ => Err(format!(
                "unknown agent `{text}`: expected `claude`, `codex`, `acp:<program>`, `llm:<provider>/<model>`, `command:<program>`, `scripted:<playbook.yaml>` or `facts`"
            )),
        }
    }
}

/// One session to be run.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionSpec {
    /// Its id; also in the environment of the program as `MIYABI_SESSION`.
    pub session: SessionId,
    /// The run it belongs to; also in the environment as `MIYABI_RUN`, by which leftovers are found.
    pub run: RunId,
    /// The step it works on; also in the environment as `MIYABI_STEP`.
    pub step: StepId,
    /// Which try of the step.
    pub attempt: Attempt,
    /// How the program is driven.
    pub adapter: Adapter,
    /// The current folder of the program.
    pub worktree: PathBuf,
    /// What it is asked, fences included.
    pub prompt: String,
    /// What is wanted of it.
    pub wanted: Wanted,
    /// The session of an earlier miyabi that it goes on with, where the program can.
    pub resume: Option<Resume>,
    /// A folder for what the program keeps for itself, where it is in a box: with it a later miyabi can go on. It goes when
    /// the session ends otherwise than by being stopped.
    pub state: PathBuf,
    /// Where its raw output goes, without secrets.
    pub transcript: PathBuf,
    /// When it is stopped, in seconds from its start.
    pub deadline_secs: u64,
    /// Between asking it to end and killing it, in seconds.
    pub grace_secs: u64,
    /// How long it may neither print anything nor use a processor, in seconds; 0: as long as it likes.
    pub stall_secs: u64,
    /// From this size on the transcript goes on in a new file, and what is older than the one before is let go; 0: any
    /// size.
    pub transcript_bytes: u64,
}

/// What is wanted of a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Wanted {
    /// What it changes in its folder.
    #[default]
    Work,
    /// Its last message.
    Words,
    /// JSON that fits this schema, in its last message.
    Json(serde_json::Value),
}

/// A session that ended in the middle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// What the program calls it.
    pub name: String,
    /// What it is told instead of the whole task.
    pub prompt: String,
}

/// A process that can be recognised later, even after its number was given to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessMark {
    /// Process id; also the id of its process group.
    pub pid: u32,
    /// Start time in clock ticks since boot, as the kernel tells it; 0 where it does not.
    pub start_ticks: u64,
}

/// What a session used; what the program did not tell stays `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Input tokens, cached ones included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Output tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Cost in US dollars, as the program states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// Turns of the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turns: Option<u64>,
}

/// How a session ended. What the agent says about its work is not part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "ended", rename_all = "snake_case")]
pub enum SessionEnd {
    /// The program ended by itself and reported no error.
    Completed,
    /// The program ended with an error of its own.
    Failed {
        /// What it said or its exit code.
        detail: String,
    },
    /// The deadline passed; the program was stopped.
    TimedOut,
    /// It gave no sign of life for the stall time; it was stopped.
    Stalled,
    /// Stopped because the run asked.
    Stopped,
    /// The program could not be started.
    NotStarted {
        /// Why.
        detail: String,
        /// What to do.
        hint: String,
    },
}

/// What one session came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionOutcome {
    /// How it ended.
    pub end: SessionEnd,
    /// What it used.
    pub usage: Usage,
    /// Its last words to the user; data, never proof.
    pub last_message: Option<String>,
    /// Writes or commands that the program's own rules refused.
    pub refusals: Vec<String>,
    /// Processes that had to be killed after the program itself had ended.
    pub leftovers: u32,
    /// How long it took.
    pub duration_ms: u64,
}

/// What was seen in a session's output, in one vocabulary for all adapters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum AgentEvent {
    /// The program named its own session.
    Named {
        /// Its id in that program.
        session: String,
    },
    /// It said something.
    Message {
        /// What.
        text: String,
    },
    /// It began to use a tool.
    ToolStarted {
        /// The tool.
        tool: String,
        /// What it works on, in short.
        detail: String,
    },
    /// A tool ended.
    ToolEnded {
        /// Whether the tool says it worked.
        ok: bool,
    },
    /// It was refused something by its own rules.
    Refused {
        /// What.
        what: String,
    },
    /// It waits for its model to become available again.
    Waiting {
        /// Why.
        reason: String,
    },
    /// What it has used so far; replaces earlier figures.
    Usage(Usage),
    /// It reported its end.
    Ended {
        /// Whether it reports success.
        ok: bool,
        /// Its own word for it.
        reason: String,
    },
    /// A line that is none of these.
    Raw {
        /// The line.
        line: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of `docs/agents.md` says what the code says, and names every adapter.
    #[test]
    fn the_page_says_what_each_program_can() {
        let page = include_str!("../../../docs/agents.md");
        let rows = page.lines().filter(|line| line.starts_with("| `"));
        let mut named = Vec::new();
        for row in rows {
            let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
            let [written, _, rest @ ..] = cells.as_slice() else { panic!("{row}") };
            let written = written.trim_matches('`').replace("<provider>/<model>", "openai/m");
            let adapter: Adapter = written.parse().expect("it is an agent");
            let Capabilities { resume, tokens, cost, asks } = adapter.capabilities();
            let expected = [resume, tokens, cost, asks].map(|can| if can { "yes" } else { "no" });
            assert_eq!(rest, expected, "{written}");
            named.push(std::mem::discriminant(&adapter));
        }
        assert_eq!(named.len(), 7, "every adapter has a row");
    }
}
