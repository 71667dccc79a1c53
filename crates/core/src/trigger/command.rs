//! Commands in comments: what people typed at the beginning of a line that everybody can see.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{TriggerSettings, shown};
use crate::plain;

/// What a comment can say to miyabi.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// Begin, or say that it has begun.
    Run,
    /// Answer an open question with yes.
    Approve,
    /// Answer it with no.
    Reject,
    /// Answer it by doing it oneself.
    Fix,
    /// End the run.
    Stop,
    /// Try again what failed.
    Retry,
    /// Say where it stands.
    Status,
}

impl Command {
    /// Every command.
    pub const ALL: [Self; 7] =
        [Self::Run, Self::Approve, Self::Reject, Self::Fix, Self::Stop, Self::Retry, Self::Status];

    /// The verb.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Fix => "fix",
            Self::Stop => "stop",
            Self::Retry => "retry",
            Self::Status => "status",
        }
    }

    /// The command of that verb, whatever its case.
    pub fn parse(verb: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|command| command.as_str().eq_ignore_ascii_case(verb))
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a comment says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Nothing to us.
    Nothing,
    /// A command, and what stands behind it.
    Command(Command, String),
    /// Something to us that cannot be followed, and why.
    Unknown(String),
}

/// The longest note that is kept, in characters.
const NOTE: usize = 4_000;

/// Reads the command of a comment. Quotations, code and hidden text command nothing.
pub(super) fn read(body: &str, settings: &TriggerSettings) -> Said {
    let mut found: Option<(Command, String)> = None;
    for line in visible(body) {
        match (spoken(&line, settings), &mut found) {
            (Line::Other, Some((_, note))) => {
                note.push('\n');
                note.push_str(&line);
            }
            (Line::Other, None) => {}
            (Line::Unknown(problem), _) => return Said::Unknown(problem),
            (Line::Command(command, note), None) => found = Some((command, note)),
            (Line::Command(command, _), Some((first, _))) if command == *first => {}
            (Line::Command(command, _), Some((first, _))) => {
                return Said::Unknown(format!(
                    "a comment gives one command, and this one gives `{first}` and `{command}`"
                ));
            }
        }
    }
    match found {
        Some((command, note)) => Said::Command(command, plain::shortened(note.trim(), NOTE).into_owned()),
        None => Said::Nothing,
    }
}

/// Whether the comment closes with a marker of ours. Anybody can write one, and is then not listened to.
pub(super) fn is_ours(body: &str) -> bool {
    let last = body.trim_end().lines().next_back().unwrap_or_default();
    let inner = last.trim().strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->"));
    inner.is_some_and(|inner| inner.trim_start().starts_with("miyabi:") && !inner.contains("-->"))
}

enum Line {
    Other,
    Command(Command, String),
    Unknown(String),
}

fn spoken(line: &str, settings: &TriggerSettings) -> Line {
    let (name, rest) = first_word(line);
    let is = |names: &[String]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    if is(&settings.commands) {
        let (verb, note) = first_word(rest);
        return match Command::parse(verb) {
            Some(command) => Line::Command(command, note.to_owned()),
            None => Line::Unknown(unknown(name, verb)),
        };
    }
    if is(&settings.mentions) {
        let (verb, note) = first_word(rest);
        return match Command::parse(verb) {
            // "@miyabi fix" answers a question; "@miyabi fix the login" asks for work.
            Some(command) if note.is_empty() => Line::Command(command, String::new()),
            _ => Line::Command(Command::Run, rest.to_owned()),
        };
    }
    Line::Other
}

fn unknown(name: &str, verb: &str) -> String {
    let verbs = Command::ALL.map(|command| format!("`{command}`")).join(", ");
    let said = if verb.is_empty() { format!("`{name}` alone") } else { shown(verb) };
    format!("{said} is no command; known are {verbs}")
}

/// The first word without the punctuation behind it, and what follows.
fn first_word(line: &str) -> (&str, &str) {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    (word.trim_end_matches([',', ':', ';', '.', '!', '?', '、', '。', '，', '：', '！', '？']), rest.trim())
}

/// The lines that a reader of the rendered comment sees as the author's own words.
fn visible(body: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut fence: Option<(char, usize)> = None;
    let mut hidden = false;
    for line in body.lines() {
        if let Some((mark, length)) = fence {
            let (run, rest) = leading(line.trim_start(), mark);
            if run >= length && rest.trim().is_empty() {
                fence = None;
            }
            continue;
        }
        if line.trim_start().starts_with('>') {
            continue;
        }
        let is_code = line.starts_with("    ") || line.starts_with('\t');
        let line = without_comments(line, &mut hidden);
        let trimmed = line.trim();
        let opened = ['`', '~'].into_iter().find_map(|mark| {
            let (run, rest) = leading(trimmed, mark);
            (run >= 3 && !(mark == '`' && rest.contains('`'))).then_some((mark, run))
        });
        if opened.is_some() && !is_code {
            fence = opened;
        } else if !is_code {
            lines.push(trimmed.to_owned());
        }
    }
    lines
}

/// How often the character stands at the beginning, and what follows.
fn leading(line: &str, mark: char) -> (usize, &str) {
    let rest = line.trim_start_matches(mark);
    // The marks are one byte each.
    (line.len() - rest.len(), rest)
}

/// The line without what stands in HTML comments; `hidden` says whether one is open before and after it.
fn without_comments(line: &str, hidden: &mut bool) -> String {
    let mut seen = String::with_capacity(line.len());
    let mut rest = line;
    loop {
        if *hidden {
            let Some((_, after)) = rest.split_once("-->") else { return seen };
            *hidden = false;
            rest = after;
        } else {
            let Some((before, after)) = rest.split_once("<!--") else {
                seen.push_str(rest);
                return seen;
            };
            seen.push_str(before);
            // Words on both sides of a comment are two words.
            seen.push(' ');
            *hidden = true;
            rest = after;
        }
    }
}
