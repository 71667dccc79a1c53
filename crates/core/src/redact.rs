//! Secrets: taken out of what is kept or shown, and found in what a change adds.
//!
//! Two sources: values that are known to be secret (exact), and shapes that secrets have (patterns). What is taken out
//! becomes `[redacted:<kind>]`. Redacting again changes nothing.

mod find;
mod patterns;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::fmt;
use std::ops::Range;

use aho_corasick::AhoCorasick;
use serde_json::Value;

pub use find::{MAX_SECRETS, find_secrets};

use patterns::{Piece, hits};

/// Known values shorter than this would take ordinary words out of every text, in bytes.
pub const MIN_SECRET: usize = 8;

/// How names of secrets end, and what else they have in them.
const ENDINGS: [&str; 9] =
    ["TOKEN", "TOKENS", "KEY", "KEYS", "PASSWORD", "SECRET", "_PWD", "SMTP_URL", "WEBHOOK_URL"];
const PARTS: [&str; 8] =
    ["SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "PRIVATE_KEY", "TOKEN_", "_KEY_"];

/// Whether the name of a variable says that its value is secret: `GITHUB_TOKEN`, `AWS_ACCESS_KEY_ID`, `pgpassword`.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_uppercase();
    ENDINGS.iter().any(|ending| name.ends_with(ending)) || PARTS.iter().any(|part| name.contains(part))
}

/// Takes secrets out of text.
///
/// Values with several lines are recognised line by line too, as logs show them.
#[derive(Clone, Default)]
pub struct Redactor {
    exact: Option<AhoCorasick>,
    values: usize,
}

impl Redactor {
    /// Knows these values, and every secret by its shape. Values shorter than [`MIN_SECRET`] are not taken out.
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut values: Vec<String> = Vec::new();
        for secret in secrets {
            let trimmed = secret.trim();
            let parts = trimmed.lines().filter(|_| trimmed.contains('\n')).map(str::trim);
            values.extend(
                parts
                    .chain([trimmed])
                    .filter(|value| value.len() >= MIN_SECRET && !is_rule(value))
                    .map(str::to_owned),
            );
        }
        values.sort_unstable();
        values.dedup();
        let exact = if values.is_empty() {
            None
        } else {
            // Building fails only for patterns beyond the limits of its 32-bit state ids, gigabytes of secrets.
            AhoCorasick::new(&values).ok()
        };
        Self { exact, values: values.len() }
    }

    /// The text without secrets; borrowed if there was none.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut redacted = Cow::Borrowed(text);
        // Taking one secret out can bring another one to light, such as a token that was glued to a known value.
        // Each turn takes something out, so there is an end.
        while let Some(next) = self.once(&redacted) {
            redacted = Cow::Owned(next);
        }
        redacted
    }

    /// Takes secrets out of every text in a value; keys of maps stay as they are.
    pub fn clean(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(clean) = self.redact(text) {
                    *text = clean;
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.clean(value)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.clean(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// One turn; `None` if there is nothing to take out.
    fn once(&self, text: &str) -> Option<String> {
        let mut out = String::new();
        let mut changed = false;
        for piece in patterns::pieces(text) {
            match piece {
                // What was taken out before is no text any more; known values inside the mark are no secrets.
                Piece::Mark(mark) => out.push_str(mark),
                Piece::Text(text) => {
                    let mut at = 0;
                    for (kind, span) in self.spans(text) {
                        let (before, _) = text.split_at(span.start);
                        out.push_str(before.split_at(at).1);
                        out.push_str("[redacted:");
                        out.push_str(kind);
                        out.push(']');
                        at = span.end;
                        changed = true;
                    }
                    out.push_str(text.split_at(at).1);
                }
            }
        }
        changed.then_some(out)
    }

    /// What is to be taken out, from left to right. Where known values and shapes overlap, all of it goes at once, so
    /// that none leaves a rest of another.
    fn spans(&self, text: &str) -> Vec<(&'static str, Range<usize>)> {
        let known = self
            .exact
            .iter()
            .flat_map(|exact| exact.find_overlapping_iter(text))
            .map(|found| ("value", found.range()));
        let mut found: Vec<(&'static str, Range<usize>)> =
            known.chain(hits(text).map(|hit| (hit.kind, hit.span))).collect();
        found.sort_by_key(|(_, span)| (span.start, Reverse(span.end)));
        let mut spans: Vec<(&'static str, Range<usize>)> = Vec::with_capacity(found.len());
        for (kind, span) in found {
            match spans.last_mut() {
                Some((_, last)) if span.start < last.end => last.end = last.end.max(span.end),
                _ => spans.push((kind, span)),
            }
        }
        spans
    }
}

/// Lines such as `-----END PRIVATE KEY-----` are in many texts and say nothing.
fn is_rule(line: &str) -> bool {
    line.starts_with("-----") && line.ends_with("-----") && !line.contains('\n')
}

impl fmt::Debug for Redactor {
    /// Says how many values it knows, never which.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").field("values", &self.values).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "redact/tests.rs"]
mod tests;
