//! What is wrong with settings: all of it at once, each with its place and a hint.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Origin;
use crate::error::CliError;

/// Everything that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("read the settings")]
pub struct SettingsError {
    /// In the order of the places and their lines; never empty.
    pub problems: Vec<Problem>,
}

impl SettingsError {
    pub(super) fn of(message: String) -> Self {
        Self { problems: vec![Problem::of(message)] }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Problem {
    /// The file, if it stands in one.
    pub file: Option<PathBuf>,
    /// The line, where it is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Problem {
    pub(super) fn of(message: String) -> Self {
        Self { message, ..Self::default() }
    }

    pub(super) fn at(file: &Path, line: Option<usize>, message: String) -> Self {
        Self { file: Some(file.to_owned()), line, message, hint: None }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{}:{line}: ", file.display())?,
            (Some(file), None) => write!(f, "{}: ", file.display())?,
            _ => {}
        }
        f.write_str(&self.message)
    }
}

impl From<SettingsError> for CliError {
    fn from(error: SettingsError) -> Self {
        let mut cli = Self::input("the settings cannot be used");
        for problem in &error.problems {
            cli = cli.because(problem.to_string());
        }
        for hint in error.problems.into_iter().filter_map(|problem| problem.hint) {
            cli = cli.hint(hint);
        }
        cli
    }
}

/// Keys that know a few words only.
const WORDS: [(&str, &[&str]); 4] = [
    ("policy.missing_checks", &["zero", "exclude"]),
    ("policy.mail_from", &["low", "medium", "high"]),
    ("policy.slack_from", &["low", "medium", "high"]),
    ("policy.containment", &["off", "best", "required"]),
];

/// Values that have the right type and still make no sense.
pub(super) fn of_ranges(
    values: &BTreeMap<String, Value>,
    origins: &BTreeMap<String, Origin>,
) -> Vec<Problem> {
    let number = |key: &str| values.get(key).and_then(Value::as_f64).unwrap_or_default();
    let mut problems = Vec::new();
    let mut wrong = |key: &str, message: String| {
        let problem = match origins.get(key) {
            Some(Origin::File(file, line)) => Problem::at(file, *line, message),
            Some(origin @ (Origin::Env(_) | Origin::Flag(_))) => Problem::of(format!("{origin}: {message}")),
            _ => Problem::of(message),
        };
        problems.push(problem);
    };
    let ranges = [
        ("run.max_parallel", 1.0, 256.0),
        ("run.min_free_disk_mb", 0.0, 1e9),
        ("run.min_free_memory_mb", 0.0, 1e9),
        ("worktree.quota", 0.0, 100_000.0),
        ("agent.context_tokens", 2_000.0, 1e7),
        ("agent.answer_tokens", 256.0, 1e6),
        ("agent.memory_mb", 0.0, 1e9),
        ("agent.processes", 0.0, 1e9),
        ("agent.cpu_percent", 0.0, 1e6),
        ("agent.file_mb", 0.0, 1e9),
        ("knowledge.embed_dimensions", 1.0, 8_192.0),
        ("policy.knowledge_tokens", 0.0, 100_000.0),
        ("policy.max_tasks", 1.0, 1000.0),
        ("policy.simple_below", 0.0, 10.0),
        ("policy.notify_from", 0.0, 10.0),
        ("policy.approve_above", 0.0, 10.0),
        ("policy.weight_tests", 0.0, 100.0),
        ("policy.weight_lint", 0.0, 100.0),
        ("policy.weight_security", 0.0, 100.0),
        ("policy.weight_docs", 0.0, 100.0),
        ("policy.open_from", 0.0, 100.0),
        ("policy.review_from", 0.0, 100.0),
        ("policy.merge_from", 0.0, 101.0),
        ("policy.remark_confidence", 0.0, 101.0),
        ("policy.task_attempts", 1.0, 100.0),
        ("policy.rework_attempts", 0.0, 100.0),
        ("policy.conflict_attempts", 0.0, 100.0),
        ("policy.base_moves", 0.0, 1000.0),
        ("policy.transient_retries", 0.0, 100.0),
        ("policy.agent_deadline_secs", 1.0, 31_536_000.0),
        ("policy.check_deadline_secs", 1.0, 31_536_000.0),
        ("policy.grace_secs", 0.0, 3600.0),
        ("policy.stall_secs", 0.0, 31_536_000.0),
        ("policy.transcript_mb", 0.0, 1_000_000.0),
        ("policy.notify_delay_secs", 0.0, 31_536_000.0),
        ("policy.same_failures", 0.0, 100.0),
        ("policy.breaker_tasks", 0.0, 1000.0),
        ("policy.budget_run_sessions", 0.0, 1_000_000.0),
        ("policy.budget_run_minutes", 0.0, 10_000_000.0),
        ("policy.budget_run_tokens", 0.0, 1e15),
        ("policy.budget_run_usd", 0.0, 1e9),
        ("policy.budget_day_sessions", 0.0, 1_000_000.0),
        ("policy.budget_day_minutes", 0.0, 10_000_000.0),
        ("policy.budget_day_tokens", 0.0, 1e15),
        ("policy.budget_day_usd", 0.0, 1e9),
        ("policy.ci_grace_secs", 0.0, 86_400.0),
        ("policy.ci_poll_secs", 1.0, 300.0),
        ("policy.ci_deadline_secs", 1.0, 31_536_000.0),
        ("policy.remind_high_secs", 0.0, 315_360_000.0),
        ("policy.remind_medium_secs", 0.0, 315_360_000.0),
        ("policy.remind_low_secs", 0.0, 315_360_000.0),
        ("policy.escalation_deadline_secs", 1.0, 315_360_000.0),
        ("serve.max_runs", 1.0, 1000.0),
        ("serve.sweep_secs", 1.0, 86_400.0),
        ("serve.debounce_secs", 0.0, 86_400.0),
        ("worktree.pool", 0.0, 256.0),
    ];
    for (key, least, most) in ranges {
        if !(least..=most).contains(&number(key)) {
            wrong(key, format!("`{key}` is {}, expected {least} to {most}", number(key)));
        }
    }
    for (low, high) in
        [("policy.review_from", "policy.open_from"), ("policy.simple_below", "policy.approve_above")]
    {
        if number(low) > number(high) {
            wrong(low, format!("`{low}` is {}, which is above `{high}` ({})", number(low), number(high)));
        }
    }
    let weights = ["tests", "lint", "security", "docs"].map(|part| format!("policy.weight_{part}"));
    let sum: f64 = weights.iter().map(|key| number(key)).sum();
    if sum != 100.0 {
        let set = weights.iter().find(|key| !matches!(origins.get(*key), None | Some(Origin::Default)));
        let message = format!("the weights of the score add up to {sum}, expected 100");
        wrong(set.unwrap_or(&weights[0]), message);
    }
    let paths = values.get("policy.approve_paths").and_then(Value::as_array).into_iter().flatten();
    for pattern in
        paths.filter_map(Value::as_str).filter(|pattern| !miyabi_core::autonomy::is_pattern(pattern))
    {
        let shown = crate::output::clean::short(pattern, 60);
        let wanted = "a folder (`migrations/`), a file (`Cargo.toml`) or an ending (`*.sql`)";
        wrong("policy.approve_paths", format!("`policy.approve_paths` has `{shown}`, expected {wanted}"));
    }
    for name in
        values.get("flow.env").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    {
        let shown = crate::output::clean::short(name, 60);
        if !miyabi_core::expression::is_name(name) {
            wrong(
                "flow.env",
                format!("`flow.env` has `{shown}`, expected the name of an environment variable"),
            );
        } else if miyabi_core::redact::is_secret_name(name) {
            let why = "what flows read is kept in logs and shown";
            wrong("flow.env", format!("`flow.env` has `{shown}`, the name of a secret: {why}"));
        }
    }
    for (key, words) in WORDS {
        let text = values.get(key).and_then(Value::as_str).unwrap_or_default();
        if !words.contains(&text) {
            let shown = crate::output::clean::short(text, 60);
            let (last, others) = words.split_last().unwrap_or((&"", &[]));
            let others = others.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
            wrong(key, format!("`{key}` is `{shown}`, expected {others} or `{last}`"));
        }
    }
    let hosts = values.get("agent.network").and_then(Value::as_array).into_iter().flatten();
    let hosts: Vec<String> = hosts.filter_map(Value::as_str).map(str::to_owned).collect();
    if let Err(message) = miyabi_core::containment::Network::read(&hosts) {
        wrong("agent.network", format!("`agent.network`: {}", crate::output::clean::short(&message, 200)));
    }
    for key in ["agent.default", "agent.planner", "agent.reviewer"] {
        let text = values.get(key).and_then(Value::as_str).unwrap_or_default();
        let may_be_empty = key != "agent.default";
        if !(text.is_empty() && may_be_empty)
            && let Err(message) = text.parse::<miyabi_core::session::Adapter>()
        {
            wrong(key, format!("`{key}`: {message}"));
        }
    }
    problems
}

/// The known word that was probably meant.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let last = word.rsplit('.').next().unwrap_or(word);
    let near = known.filter_map(|other| {
        let same_leaf = other.rsplit('.').next() == Some(last) && last != word;
        let distance = if same_leaf { 1 } else { distance(word, other) };
        (distance <= 1 + word.chars().count() / 5).then_some((distance, other))
    });
    near.min().map(|(_, other)| other)
}

/// How many letters have to be changed, added or removed.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(200).enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = before + usize::from(x != *y);
            before = row[j + 1];
            row[j + 1] = change.min(before + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
