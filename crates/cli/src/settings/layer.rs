//! One place of settings as a flat table of keys, checked against the keys and types of the defaults.

use std::collections::BTreeMap;
use std::path::Path;

use config::{Config, File, FileFormat, ValueKind};
use serde_json::Value;

use super::problem::{self, Problem};
use super::{DEFAULTS, Origin, own_check};

/// The values of one place, by key such as `run.max_parallel`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layer {
    /// Each with where it stands.
    pub values: BTreeMap<String, (Value, Origin)>,
}

impl Layer {
    /// The built-in defaults: every key there is.
    pub fn defaults() -> Self {
        let table = read(DEFAULTS).unwrap_or_default();
        Self { values: table.into_iter().map(|(key, value)| (key, (value, Origin::Default))).collect() }
    }

    /// A settings file; `None` if it is not there and need not be.
    pub fn file(path: &Path, required: bool, known: &Self) -> Result<Option<Self>, Vec<Problem>> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if !required && is_absent(&error) => return Ok(None),
            Err(error) => return Err(vec![Problem::at(path, None, format!("cannot be read: {error}"))]),
        };
        Self::parse(&text, path, known).map(Some)
    }

    /// The text of a settings file.
    pub fn parse(text: &str, path: &Path, known: &Self) -> Result<Self, Vec<Problem>> {
        let table = read(text).map_err(|error| vec![Problem::at(path, None, error)])?;
        let mut layer = Self::default();
        let mut problems = Vec::new();
        for (key, value) in table {
            if key == own_check::KEY {
                let wrong = own_check::problems(&value, text, path);
                if wrong.is_empty() {
                    layer.values.insert(key, (value, Origin::File(path.to_owned(), None)));
                }
                problems.extend(wrong);
                continue;
            }
            let line = line_of(text, &key);
            match known.check(&key, value) {
                Ok(value) => {
                    layer.values.insert(key, (value, Origin::File(path.to_owned(), line)));
                }
                Err((message, hint)) => problems.push(Problem { hint, ..Problem::at(path, line, message) }),
            }
        }
        problems.sort_by_key(|problem| problem.line);
        if problems.is_empty() { Ok(layer) } else { Err(problems) }
    }

    /// The variables `MIYABI_<SECTION>_<KEY>`. Others that begin with `MIYABI_` and a section are errors.
    pub fn env(env: &[(String, String)], known: &Self) -> Result<Self, Vec<Problem>> {
        let names: BTreeMap<String, &String> = known.values.keys().map(|key| (env_name(key), key)).collect();
        let mut layer = Self::default();
        let mut problems = Vec::new();
        for (name, text) in env.iter().filter(|(name, text)| name.starts_with("MIYABI_") && !text.is_empty())
        {
            let Some(key) = names.get(name) else {
                if is_meant(name, known) {
                    let hint = problem::nearest(name, names.keys().map(String::as_str));
                    let hint = hint.map(|name| format!("did you mean `{name}`?"));
                    problems.push(Problem {
                        hint,
                        ..Problem::of(format!("unknown environment variable `{name}`"))
                    });
                }
                continue;
            };
            let value = typed(text, &known.values[*key].0);
            match known.check(key, value) {
                Ok(value) => {
                    layer.values.insert((*key).clone(), (value, Origin::Env(name.clone())));
                }
                Err((message, hint)) => {
                    problems.push(Problem {
                        hint,
                        ..Problem::of(format!("environment variable `{name}`: {message}"))
                    });
                }
            }
        }
        if problems.is_empty() { Ok(layer) } else { Err(problems) }
    }

    /// Flags; their types were checked when they were parsed.
    pub fn flags(flags: &[(&'static str, Value, &'static str)]) -> Self {
        let values = flags
            .iter()
            .map(|(key, value, flag)| ((*key).to_owned(), (value.clone(), Origin::Flag((*flag).to_owned()))));
        Self { values: values.collect() }
    }

    /// The value as the key wants it, or what is wrong with a hint.
    fn check(&self, key: &str, value: Value) -> Result<Value, (String, Option<String>)> {
        let Some((default, _)) = self.values.get(key) else {
            let hint = problem::nearest(key, self.values.keys().map(String::as_str));
            let hint = hint.map_or_else(
                || "`miyabi config show` lists every setting".to_owned(),
                |key| format!("did you mean `{key}`?"),
            );
            return Err((format!("unknown setting `{key}`"), Some(hint)));
        };
        match (default, &value) {
            (Value::Bool(_), Value::Bool(_)) | (Value::String(_), Value::String(_)) => Ok(value),
            (Value::Number(default), Value::Number(number)) if default.is_f64() => {
                Ok(number.as_f64().map_or(Value::Null, Value::from))
            }
            (Value::Number(_), Value::Number(number)) if number.as_u64().is_some() => Ok(value),
            (Value::Array(_), Value::Array(items)) if items.iter().all(Value::is_string) => Ok(value),
            _ => Err((format!("`{key}` is {}, expected {}", named(&value), wanted(default)), None)),
        }
    }
}

/// The environment variable of a key.
pub fn env_name(key: &str) -> String {
    format!("MIYABI_{}", key.replace('.', "_").to_uppercase())
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

/// Whether a variable speaks of one of our sections.
fn is_meant(name: &str, known: &Layer) -> bool {
    known
        .values
        .keys()
        .filter_map(|key| key.split_once('.'))
        .any(|(section, _)| name.starts_with(&format!("MIYABI_{}_", section.to_uppercase())))
}

/// The text as a value of the same type as the default; as text when it is none.
fn typed(text: &str, default: &Value) -> Value {
    let text = text.trim();
    let typed = match default {
        Value::Bool(_) => text.parse().ok().map(Value::Bool),
        Value::Number(number) if number.is_f64() => {
            text.parse::<f64>().ok().filter(|n| n.is_finite()).map(Value::from)
        }
        Value::Number(_) => text.parse::<u64>().ok().map(Value::from),
        Value::Array(_) => Some(text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()),
        _ => None,
    };
    typed.unwrap_or_else(|| Value::from(text))
}

fn wanted(default: &Value) -> &'static str {
    match default {
        Value::Bool(_) => "`true` or `false`",
        Value::Number(number) if number.is_f64() => "a number",
        Value::Number(_) => "a whole number, not below zero",
        Value::Array(_) => "a list of texts",
        _ => "a text in quotes",
    }
}

fn named(value: &Value) -> String {
    match value {
        Value::Object(_) => "a table".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::String(text) => format!("the text `{}`", crate::output::clean::short(text, 60)),
        other => format!("`{other}`"),
    }
}

/// TOML as a flat table.
fn read(text: &str) -> Result<BTreeMap<String, Value>, String> {
    let source = File::from_str(text, FileFormat::Toml);
    let config =
        Config::builder().add_source(source).build().map_err(|error| error.to_string().trim().to_owned())?;
    let mut table = BTreeMap::new();
    flatten(String::new(), config.cache.kind, &mut table);
    Ok(table)
}

fn flatten(key: String, kind: ValueKind, table: &mut BTreeMap<String, Value>) {
    match kind {
        // An empty section says nothing, wherever it stands.
        ValueKind::Table(values) => {
            for (name, value) in values {
                let key = if key.is_empty() { name } else { format!("{key}.{name}") };
                flatten(key, value.kind, table);
            }
        }
        other => {
            table.insert(key, plain(other));
        }
    }
}

fn plain(kind: ValueKind) -> Value {
    match kind {
        ValueKind::Nil => Value::Null,
        ValueKind::Boolean(value) => value.into(),
        ValueKind::I64(value) => value.into(),
        ValueKind::U64(value) => value.into(),
        ValueKind::I128(value) => value.to_string().into(),
        ValueKind::U128(value) => value.to_string().into(),
        ValueKind::Float(value) => value.into(),
        ValueKind::String(value) => value.into(),
        ValueKind::Array(values) => values.into_iter().map(|value| plain(value.kind)).collect(),
        ValueKind::Table(values) => {
            Value::Object(values.into_iter().map(|(name, value)| (name, plain(value.kind))).collect())
        }
    }
}

/// The line of a key, from 1, where the file is written in the usual way.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let mut section = String::new();
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            section = name.trim().to_owned();
            continue;
        }
        let Some((name, _)) = line.split_once('=') else { continue };
        let name = name.trim().trim_matches('"');
        let full = if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
        if full.eq_ignore_ascii_case(key) || key.strip_prefix(&full).is_some_and(|rest| rest.starts_with('.'))
        {
            return Some(number);
        }
    }
    None
}
