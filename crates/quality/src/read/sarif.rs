//! SARIF 2.1.0, the format of findings that most linters and scanners can write.
//! Source: OASIS, Static Analysis Results Interchange Format, version 2.1.0.

use std::collections::BTreeMap;
use std::path::Path;

use miyabi_core::report::{CheckKind, Finding, Severity};
use serde::Deserialize;

use super::ReadError;
use crate::findings::{finding, relative};

const WHAT: &str = "the SARIF report";

/// The findings of all runs, as findings of that check. Where the check is security, a rule's `security-severity`
/// decides how bad one is. Suppressed results are told and not counted.
///
/// Errors: `Json` when it is something else, `Shape` when it is of another version or says that the tool broke off.
pub fn read(report: &[u8], check: CheckKind, root: &Path) -> Result<Vec<Finding>, ReadError> {
    let log: Log = serde_json::from_slice(report).map_err(|source| ReadError::Json { what: WHAT, source })?;
    if !log.version.starts_with("2.1") {
        let detail = format!("it is of version `{}`, expected 2.1.0", crate::findings::cut(&log.version, 40));
        return Err(ReadError::Shape { what: WHAT, detail });
    }
    if log.runs.iter().flat_map(|run| &run.invocations).any(|invocation| invocation.succeeded == Some(false))
    {
        let detail = "it says that the tool did not succeed".to_owned();
        return Err(ReadError::Shape { what: WHAT, detail });
    }
    Ok(log.runs.iter().flat_map(|run| run.findings(check, root)).collect())
}

#[derive(Deserialize)]
struct Log {
    version: String,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    #[serde(default)]
    results: Option<Vec<Told>>,
    #[serde(default)]
    invocations: Vec<Invocation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    #[serde(rename = "executionSuccessful")]
    succeeded: Option<bool>,
}

#[derive(Deserialize)]
struct Tool {
    driver: Driver,
}

#[derive(Deserialize)]
struct Driver {
    #[serde(default)]
    rules: Vec<Rule>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(default)]
    id: String,
    #[serde(default)]
    default_configuration: Configuration,
    #[serde(default)]
    properties: BTreeMap<String, serde_json::Value>,
}

#[derive(Default, Deserialize)]
struct Configuration {
    level: Option<String>,
}

/// A result.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    rule_id: Option<String>,
    rule_index: Option<usize>,
    level: Option<String>,
    kind: Option<String>,
    message: Message,
    #[serde(default)]
    locations: Vec<Location>,
    #[serde(default)]
    suppressions: Vec<serde_json::Value>,
    #[serde(default)]
    properties: BTreeMap<String, serde_json::Value>,
}

#[derive(Default, Deserialize)]
struct Message {
    text: Option<String>,
    id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: Option<Physical>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Physical {
    artifact_location: Option<Artifact>,
    region: Option<Region>,
}

#[derive(Deserialize)]
struct Artifact {
    uri: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: Option<u64>,
}

impl Run {
    fn findings(&self, check: CheckKind, root: &Path) -> impl Iterator<Item = Finding> {
        let counts = |result: &&Told| !matches!(result.kind.as_deref(), Some("pass" | "notApplicable"));
        self.results.iter().flatten().filter(counts).map(move |result| self.finding(result, check, root))
    }

    fn finding(&self, result: &Told, check: CheckKind, root: &Path) -> Finding {
        let by_index = result.rule_index.and_then(|index| self.tool.driver.rules.get(index));
        let by_id = || self.tool.driver.rules.iter().find(|rule| Some(&rule.id) == result.rule_id.as_ref());
        let rule = by_index.or_else(by_id);
        let id = result.rule_id.as_deref().or(rule.map(|rule| rule.id.as_str())).unwrap_or_default();
        let said = result.message.text.as_deref().or(result.message.id.as_deref()).unwrap_or_default();
        let severity =
            if result.suppressions.is_empty() { severity(result, rule, check) } else { Severity::Info };
        let mut found = finding(check, severity, id, said);
        let place = result.locations.first().and_then(|location| location.physical_location.as_ref());
        found.file = place
            .and_then(|place| place.artifact_location.as_ref()?.uri.as_deref())
            .map(|uri| relative(&path(uri), root));
        found.line = place.and_then(|place| place.region.as_ref()?.start_line);
        found
    }
}

fn severity(result: &Told, rule: Option<&Rule>, check: CheckKind) -> Severity {
    let rating = result.properties.get(RATING).or_else(|| rule?.properties.get(RATING));
    let rating = rating.and_then(|value| value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()));
    if let (CheckKind::Security, Some(rating)) = (check, rating) {
        return match rating {
            9.0.. => Severity::Critical,
            7.0.. => Severity::High,
            4.0.. => Severity::Medium,
            _ => Severity::Low,
        };
    }
    let level = result.level.as_deref().or_else(|| rule?.default_configuration.level.as_deref());
    match level.unwrap_or("warning") {
        "error" => Severity::High,
        "warning" => Severity::Medium,
        _ => Severity::Info,
    }
}

/// A number from 0.0 to 10.0 that GitHub and most scanners agree on.
const RATING: &str = "security-severity";

/// The path of a URI: without its scheme, and with `%E9%9B%85` as `雅`.
fn path(uri: &str) -> String {
    let bare = uri.strip_prefix("file://").unwrap_or(uri);
    let mut bytes = Vec::with_capacity(bare.len());
    let mut rest = bare.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        if let (b'%', Some(high), Some(low)) = (byte, digit(ahead.next()), digit(ahead.next())) {
            bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
            rest = ahead;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(report: &str, check: CheckKind) -> Vec<(String, Severity, Option<String>, Option<u64>)> {
        let found = read(report.as_bytes(), check, Path::new("/w")).expect("works");
        found.into_iter().map(|f| (f.rule, f.severity, f.file, f.line)).collect()
    }

    #[test]
    fn a_report_of_ruff_is_read() {
        let report = include_bytes!("../../recordings/ruff-0.17.6.sarif");
        let found = read(report, CheckKind::Lint, Path::new("/w")).expect("works");
        let rules: Vec<_> = found.iter().map(|one| (one.rule.as_str(), one.line)).collect();
        assert_eq!(rules, [("F401", Some(1)), ("F841", Some(7))]);
        assert!(found.iter().all(|one| one.severity > Severity::Info && one.file.is_some()), "{found:?}");
    }

    #[test]
    fn ratings_decide_where_the_check_is_security() {
        let report = r#"{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "scan", "rules": [
            {"id": "A", "properties": {"security-severity": "9.8"}},
            {"id": "B", "defaultConfiguration": {"level": "error"}},
            {"id": "C", "properties": {"security-severity": 4}}]}}, "results": [
            {"ruleId": "A", "message": {"text": "雅"}, "locations": [{"physicalLocation": {"artifactLocation":
              {"uri": "file:///w/src/%E9%9B%85.py"}, "region": {"startLine": 3}}}]},
            {"ruleIndex": 1, "message": {"id": "default"}},
            {"ruleId": "C", "message": {}},
            {"ruleId": "C", "level": "note", "message": {}, "suppressions": [{"kind": "inSource"}]},
            {"ruleId": "C", "kind": "pass", "message": {}}]}]}"#;
        let file = Some("src/雅.py".to_owned());
        let of = |rule: &str, severity| (rule.to_owned(), severity, None, None);
        assert_eq!(
            told(report, CheckKind::Security),
            [
                ("A".to_owned(), Severity::Critical, file, Some(3)),
                of("B", Severity::High),
                of("C", Severity::Medium),
                of("C", Severity::Info)
            ]
        );
        assert_eq!(told(report, CheckKind::Lint)[0].1, Severity::Medium, "a warning");
    }

    #[test]
    fn what_is_no_report_is_named() {
        let message = |text: &str| {
            read(text.as_bytes(), CheckKind::Lint, Path::new("/")).expect_err("is refused").to_string()
        };
        assert!(message("").starts_with("the SARIF report cannot be read: EOF"), "{}", message(""));
        assert_eq!(
            message(r#"{"version": "1.0", "runs": []}"#),
            "the SARIF report cannot be read: it is of version `1.0`, expected 2.1.0"
        );
        let broken = r#"{"version": "2.1.0", "runs": [{"tool": {"driver": {}}, "invocations": [{"executionSuccessful": false}]}]}"#;
        assert_eq!(message(broken), "the SARIF report cannot be read: it says that the tool did not succeed");
    }

    #[test]
    fn addresses_become_paths() {
        for (uri, expected) in [("a%20b", "a b"), ("100%", "100%"), ("%zz", "%zz"), ("file:///x/%", "/x/%")] {
            assert_eq!(path(uri), expected);
        }
    }
}
