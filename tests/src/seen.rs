//! What people see on a forge once a run has ended.

use serde_json::{Value, json};

use crate::github::{ALICE, GitHub};

/// Everything that people see on the forge, without times and ids that differ from run to run.
#[must_use]
pub fn seen(github: &GitHub, issue: u64) -> Value {
    let strip = |body: &str| {
        let lines = body.lines().filter(|line| !line.contains("<!-- miyabi:") && !line.contains("| `"));
        // A session that was killed is one more than undisturbed, and the report says so.
        let differs =
            |line: &&str| ["| total time", "| agent sessions"].iter().any(|start| line.starts_with(start));
        lines.filter(|line| !differs(line)).map(plain).collect::<Vec<_>>()
    };
    let comments: Vec<_> =
        github.comments(issue).into_iter().map(|(author, body)| json!([author, strip(&body)])).collect();
    let changes = github.of_repo(ALICE, "GET", "/pulls?state=all", None);
    let changes: Vec<_> = changes
        .as_array()
        .into_iter()
        .flatten()
        .map(|change| {
            json!([
                change["number"],
                change["title"],
                change["merged_at"].is_null(),
                strip(change["body"].as_str().unwrap_or_default())
            ])
        })
        .collect();
    let mut labels = github.labels(issue);
    labels.sort();
    let issue = github.of_repo(ALICE, "GET", &format!("/issues/{issue}"), None);
    json!({ "comments": comments, "changes": changes, "labels": labels, "state": issue["state"], "branches": github.branches() })
}

/// The line without what differs between two runs: addresses, ids, commits.
fn plain(line: &str) -> String {
    let word = |word: &str| {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_id = bare.len() >= 32 && bare.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        if is_id || word.contains("127.0.0.1") { "…".to_owned() } else { word.to_owned() }
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// The lines that stand in one of two states only; empty when they are equal.
#[must_use]
pub fn differences(left: &Value, right: &Value) -> String {
    let lines = |value: &Value| -> Vec<String> {
        format!("{value:#}").lines().map(|line| line.trim_end_matches(',').to_owned()).collect()
    };
    let (left, right) = (lines(left), lines(right));
    let only = |sign: &'static str, these: &[String], those: &[String]| {
        let lines = these.iter().filter(|line| !those.contains(line));
        lines.map(|line| format!("{sign} {line}\n")).collect::<String>()
    };
    let found = only("-", &left, &right) + &only("+", &right, &left);
    if found.is_empty() && left != right {
        "the same lines in another order or number".to_owned()
    } else {
        found
    }
}
