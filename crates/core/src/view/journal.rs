//! An entry of the daily log of executions, `.ai/logs/YYYY-MM-DD.md`.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::ids::StepId;
use crate::plain::literal;
use crate::status::Status;

/// The most actions in an entry.
const SHOWN: usize = 50;

/// What an entry is made of.
#[derive(Clone, Copy, Debug)]
pub struct JournalFacts<'a> {
    /// When it ended.
    pub at: Timestamp,
    /// The agent, and how it was driven.
    pub agent: &'a str,
    /// The task.
    pub task: &'a StepId,
    /// Its title; untrusted.
    pub title: &'a str,
    /// What it came to.
    pub status: Status,
    /// How long it took.
    pub duration_ms: u64,
    /// The score of the report it ended with, where there is one.
    pub quality: Option<u32>,
    /// What was done, one line each; from events, never from what an agent says.
    pub actions: &'a [String],
}

/// `## <date time> - Task Execution` with Agent, Task, Status, Duration, Quality and Actions. Times are UTC.
pub fn journal_entry(facts: &JournalFacts<'_>) -> String {
    let mut entry = format!("## {} - Task Execution\n\n", facts.at.strftime("%Y-%m-%d %H:%M:%S UTC"));
    let task = format!("{} {}", facts.task, facts.title);
    let quality = facts.quality.map_or_else(|| "not measured".to_owned(), |score| format!("{score}/100"));
    let _ = writeln!(entry, "- **Agent**: {}", literal(facts.agent, 100));
    let _ = writeln!(entry, "- **Task**: {}", literal(&task, 260));
    let _ = writeln!(entry, "- **Status**: {}", facts.status);
    let _ = writeln!(entry, "- **Duration**: {}", duration(facts.duration_ms));
    let _ = writeln!(entry, "- **Quality**: {quality}");
    entry.push_str(if facts.actions.is_empty() { "- **Actions**: none\n" } else { "- **Actions**:\n" });
    for action in facts.actions.iter().take(SHOWN) {
        let _ = writeln!(entry, "  - {}", literal(action, 200));
    }
    if facts.actions.len() > SHOWN {
        let _ = writeln!(entry, "  - … and {} more", facts.actions.len() - SHOWN);
    }
    entry
}

/// `0.8s`, `12.5s`, `3m 04s`, `2h 03m 04s`.
fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0..60 => format!("{seconds}.{}s", milliseconds % 1000 / 100),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m {:02}s", seconds / 3600, seconds / 60 % 60, seconds % 60),
    }
}
