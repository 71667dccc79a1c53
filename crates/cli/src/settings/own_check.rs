//! `[[check]]`: checks that a project brings itself.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use miyabi_core::report::CheckKind;
use miyabi_quality::spec::{CheckSpec, Format};
use serde::Deserialize;
use serde_json::Value;

use super::problem::{self, Problem};

/// The key under which they stand.
pub(super) const KEY: &str = "check";
const KINDS: [(&str, CheckKind); 6] = [
    ("build", CheckKind::Build),
    ("tests", CheckKind::Tests),
    ("lint", CheckKind::Lint),
    ("format", CheckKind::Format),
    ("security", CheckKind::Security),
    ("docs", CheckKind::Docs),
];
const KEYS: [&str; 8] = ["name", "kind", "command", "format", "report", "timeout_secs", "weight", "parallel"];

#[derive(Deserialize)]
struct Table {
    name: Option<String>,
    kind: String,
    command: Vec<String>,
    #[serde(default = "exit_code")]
    format: String,
    report: Option<String>,
    timeout_secs: Option<u64>,
    #[serde(default = "one")]
    weight: u32,
    #[serde(default)]
    parallel: bool,
}

fn exit_code() -> String {
    "exit_code".to_owned()
}

fn one() -> u32 {
    1
}

/// Everything that is wrong with the checks of a file.
pub(super) fn problems(value: &Value, text: &str, path: &Path) -> Vec<Problem> {
    let Some(tables) = value.as_array() else {
        let hint = Some("begin each check with a line `[[check]]`".to_owned());
        let wrong = Problem::at(path, None, "`check` is no list of tables".to_owned());
        return vec![Problem { hint, ..wrong }];
    };
    let lines: Vec<usize> = text
        .lines()
        .zip(1..)
        .filter(|(line, _)| line.trim() == "[[check]]")
        .map(|(_, number)| number)
        .collect();
    let of = |(at, table): (usize, &Value)| {
        let (message, hint) = spec(table).err()?;
        let message = format!("check {}: {message}", at + 1);
        Some(Problem { hint, ..Problem::at(path, lines.get(at).copied(), message) })
    };
    tables.iter().enumerate().filter_map(of).collect()
}

/// The checks, of a value without problems.
pub(super) fn specs(value: Option<&Value>) -> Vec<CheckSpec> {
    let tables = value.and_then(Value::as_array).into_iter().flatten();
    tables.filter_map(|table| spec(table).ok()).collect()
}

type Wrong = (String, Option<String>);

fn spec(value: &Value) -> Result<CheckSpec, Wrong> {
    let unknown = value.as_object().into_iter().flatten().find(|(key, _)| !KEYS.contains(&key.as_str()));
    if let Some((key, _)) = unknown {
        let hint = problem::nearest(key, KEYS.into_iter()).map_or_else(
            || format!("a check has {}", KEYS.map(|key| format!("`{key}`")).join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        return Err((format!("unknown key `{key}`"), Some(hint)));
    }
    let table: Table = serde_json::from_value(value.clone()).map_err(|error| (error.to_string(), None))?;
    let kind = one_of("kind", &table.kind, KINDS.into_iter())?;
    let format =
        one_of("format", &table.format, Format::ALL.into_iter().map(|(name, format, _)| (name, format)))?;
    if !format.fits(kind) {
        let fitting = Format::ALL.into_iter().filter(|(_, format, _)| format.fits(kind));
        let fitting: Vec<String> = fitting.map(|(name, ..)| format!("`{name}`")).collect();
        let hint = format!("these do: {}", fitting.join(", "));
        return Err((
            format!("a report of format `{}` says nothing of {}", table.format, table.kind),
            Some(hint),
        ));
    }
    if table.command.first().is_none_or(|program| program.trim().is_empty()) {
        let hint = "a list: program, then arguments; `[\"sh\", \"-c\", \"…\"]` for a shell".to_owned();
        return Err(("`command` names no program".to_owned(), Some(hint)));
    }
    if table.weight != 1 && kind != CheckKind::Lint {
        let hint =
            "a failing test, a vulnerability and a share of documented items have their points".to_owned();
        return Err(("`weight` is for checks of kind `lint`".to_owned(), Some(hint)));
    }
    if table.weight > 100 || table.timeout_secs == Some(0) {
        let wrong = "`weight` is 0 to 100, `timeout_secs` at least 1";
        return Err((wrong.to_owned(), None));
    }
    let report = table.report.map(PathBuf::from);
    let inside = |path: &PathBuf| {
        path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
    };
    if let Some(outside) = report.as_ref().filter(|path| !inside(path)) {
        let hint = "a path in the checkout; its last part may have one `*`".to_owned();
        return Err((format!("the report `{}` is not inside the checkout", outside.display()), Some(hint)));
    }
    Ok(CheckSpec {
        name: table.name.unwrap_or_else(|| table.command.join(" ").chars().take(60).collect()),
        kind,
        command: table.command,
        format,
        report,
        coverage: None,
        env: Vec::new(),
        weight: table.weight,
        timeout: table.timeout_secs.map(Duration::from_secs),
        parallel: table.parallel,
    })
}

fn one_of<T>(
    key: &str,
    word: &str,
    known: impl Iterator<Item = (&'static str, T)> + Clone,
) -> Result<T, Wrong> {
    let names = known.clone().map(|(name, _)| name);
    let hint = problem::nearest(word, names.clone()).map_or_else(
        || names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        |near| format!("did you mean `{near}`?"),
    );
    let found = known.into_iter().find(|(name, _)| *name == word);
    found.map(|(_, value)| value).ok_or_else(|| (format!("`{key}` is `{word}`, which is none"), Some(hint)))
}
