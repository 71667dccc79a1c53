//! What npm and ESLint report in formats of their own.
//! Source: `npm help audit`, audit report version 2; ESLint, "Formatters Reference", `json`.

use std::collections::BTreeMap;
use std::path::Path;

use miyabi_core::report::{CheckKind, Finding, Severity};
use serde::Deserialize;
use serde_json::Value;

use super::ReadError;
use crate::findings::{finding, relative};

const AUDIT: &str = "the report of npm audit";
const ESLINT: &str = "the report of ESLint";

/// Vulnerable packages, and how many third-party packages there are.
/// Errors: `Json`; `Shape` when npm says that it could not ask, or when it is a report of another version.
pub fn audit(report: &[u8]) -> Result<(Vec<Finding>, u64), ReadError> {
    let audit: Audit = json(report, AUDIT)?;
    if let Some(message) =
        audit.message.as_deref().or(audit.error.as_ref().and_then(|error| error["summary"].as_str()))
    {
        return Err(shape(AUDIT, format!("npm says: {}", crate::findings::cut(message, 300))));
    }
    let (Some(vulnerabilities), Some(metadata)) = (audit.vulnerabilities, audit.metadata) else {
        return Err(shape(AUDIT, "it is not of version 2".to_owned()));
    };
    let found = vulnerabilities.into_iter().map(|(package, found)| {
        let titles: Vec<&str> = found.via.iter().filter_map(|via| via["title"].as_str()).collect();
        let through: Vec<&str> = found.via.iter().filter_map(Value::as_str).collect();
        let said = match (titles.as_slice(), through.as_slice()) {
            ([], []) => String::new(),
            ([], through) => format!("through {}", through.join(", ")),
            (titles, _) => titles.join("; "),
        };
        let rule = found.via.iter().find_map(|via| via["url"].as_str()).unwrap_or("npm::vulnerable");
        let message = format!("{package} {}: {said}", found.range);
        let mut told = finding(CheckKind::Security, severity(&found.severity), rule, &message);
        told.file = Some("package-lock.json".to_owned());
        told
    });
    Ok((found.collect(), metadata.dependencies.total))
}

#[derive(Deserialize)]
struct Audit {
    message: Option<String>,
    error: Option<Value>,
    vulnerabilities: Option<BTreeMap<String, Vulnerable>>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Vulnerable {
    severity: String,
    #[serde(default)]
    range: String,
    #[serde(default)]
    via: Vec<Value>,
}

#[derive(Deserialize)]
struct Metadata {
    dependencies: Dependencies,
}

#[derive(Deserialize)]
struct Dependencies {
    total: u64,
}

fn severity(word: &str) -> Severity {
    match word {
        "critical" => Severity::Critical,
        "moderate" => Severity::Medium,
        "low" => Severity::Low,
        "info" => Severity::Info,
        // Without a rating, it counts as bad.
        _ => Severity::High,
    }
}

/// What ESLint found. Errors: `Json` when it is something else.
pub fn eslint(report: &[u8], root: &Path) -> Result<Vec<Finding>, ReadError> {
    let files: Vec<Linted> = json(report, ESLINT)?;
    let told = files.iter().flat_map(|file| {
        file.messages.iter().map(|message| {
            let severity = if message.severity >= 2 { Severity::High } else { Severity::Medium };
            let rule = message.rule_id.as_deref().unwrap_or("eslint");
            let mut told = finding(CheckKind::Lint, severity, rule, &message.message);
            told.file = Some(relative(&file.file_path, root));
            told.line = message.line;
            told
        })
    });
    Ok(told.collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Linted {
    file_path: String,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    rule_id: Option<String>,
    severity: u8,
    message: String,
    line: Option<u64>,
}

fn json<T: serde::de::DeserializeOwned>(report: &[u8], what: &'static str) -> Result<T, ReadError> {
    serde_json::from_slice(report).map_err(|source| ReadError::Json { what, source })
}

fn shape(what: &'static str, detail: String) -> ReadError {
    ReadError::Shape { what, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_npm_is_read() {
        let (found, packages) =
            audit(include_bytes!("../../recordings/npm-audit-11.19.1.json")).expect("works");
        assert_eq!((found.len(), packages), (1, 1));
        assert_eq!(
            (found[0].severity, found[0].rule.as_str()),
            (Severity::High, "https://example.com/GHSA-demo")
        );
        assert_eq!(found[0].message, "left-padding *: Pads to the right");
    }

    #[test]
    fn a_registry_that_does_not_answer_is_no_clean_bill() {
        let message = |text: &str| audit(text.as_bytes()).expect_err("is refused").to_string();
        assert_eq!(
            message(r#"{"message": "405 Method Not Allowed", "error": {"summary": ""}}"#),
            "the report of npm audit cannot be read: npm says: 405 Method Not Allowed"
        );
        assert_eq!(message("{}"), "the report of npm audit cannot be read: it is not of version 2");
    }

    #[test]
    fn what_eslint_found_is_read() {
        let report = r#"[{"filePath": "/w/src/雅.js", "messages": [
            {"ruleId": "no-var", "severity": 2, "message": "no", "line": 3},
            {"ruleId": null, "severity": 1, "message": "ignored"}]}]"#;
        let found = eslint(report.as_bytes(), Path::new("/w")).expect("works");
        let told: Vec<_> = found
            .iter()
            .map(|one| (one.rule.as_str(), one.severity, one.file.as_deref(), one.line))
            .collect();
        let file = Some("src/雅.js");
        assert_eq!(
            told,
            [("no-var", Severity::High, file, Some(3)), ("eslint", Severity::Medium, file, None)]
        );
        assert!(eslint(b"Oops", Path::new("/")).is_err());
    }
}
