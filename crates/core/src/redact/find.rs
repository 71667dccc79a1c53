//! Secrets in the lines that a change adds.

use std::collections::BTreeSet;

use super::patterns::{Hit, entropy, hits, is_random, name};
use crate::ports::AddedLine;
use crate::report::{CheckKind, Finding, Severity};

/// The most findings; whoever has more has one problem, not many.
pub const MAX_SECRETS: usize = 200;

/// A private key on one line is at least as long, with the words around it.
const MIN_KEY: usize = 100;

/// Finds secrets in added lines. Each kind once in each line; the value stands nowhere in the findings.
///
/// Placeholders are none: `xxxx`, `example`, `${TOKEN}`, repeated characters and the like.
pub fn find_secrets(lines: &[AddedLine]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for line in lines {
        let kinds: BTreeSet<&'static str> =
            hits(&line.text).filter(|hit| !is_placeholder(&line.text, hit)).map(|hit| hit.kind).collect();
        for kind in kinds {
            if findings.len() == MAX_SECRETS {
                return findings;
            }
            findings.push(Finding {
                check: CheckKind::Secrets,
                severity: Severity::Critical,
                rule: format!("secret::{kind}"),
                message: format!("this line adds what looks like {}: take it out and revoke it", name(kind)),
                file: Some(line.file.clone()),
                line: Some(line.line),
            });
        }
    }
    findings
}

fn is_placeholder(line: &str, hit: &Hit<'_>) -> bool {
    const WORDS: [&str; 13] = [
        "xxxx",
        "example",
        "placeholder",
        "your",
        "dummy",
        "changeme",
        "change-me",
        "change_me",
        "redacted",
        "fake",
        "sample",
        "insert",
        "todo",
    ];
    const MARKS: [&str; 7] = ["${", "$(", "{{", "<", "***", "...", "%("];
    let lower = hit.value.to_lowercase();
    if WORDS.iter().chain(&MARKS).any(|word| lower.contains(word)) || hit.value.starts_with('$') {
        return true;
    }
    match hit.kind {
        // Code that looks for keys names their first line too; a key goes on after it, here or on the next line.
        "private-key" => {
            let ends_line =
                line.split_at(hit.span.end).1.trim_end_matches(['\\', ' ', '\t', '\r']).is_empty();
            !ends_line && !hit.value.ends_with("\\n") && hit.value.len() < MIN_KEY
        }
        "url-password" => {
            matches!(lower.as_str(), "password" | "pass" | "secret" | "user" | "token" | "pw" | "test")
        }
        "assigned" | "bearer" | "authorization" => {
            !is_random(hit.value) || ["12345", "00000", "abcdef"].iter().any(|row| lower.contains(row))
        }
        _ => entropy(hit.value) < 3.0,
    }
}
