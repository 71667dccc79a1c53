//! The findings of a report as SARIF 2.1.0, which code hosts and editors show beside the lines.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::report::{Finding, Report, Severity};

/// The report's findings as one run of a static analysis tool.
pub fn sarif(report: &Report) -> Value {
    let mut rules = BTreeMap::new();
    for finding in &report.issues {
        rules.entry(rule_id(finding)).or_insert_with(|| json!({ "id": rule_id(finding) }));
    }
    let places: BTreeMap<&String, usize> = rules.keys().enumerate().map(|(index, id)| (id, index)).collect();
    let results: Vec<_> =
        report.issues.iter().map(|finding| result(finding, places[&rule_id(finding)])).collect();
    let rules: Vec<_> = rules.values().cloned().collect();
    json!({
        "version": "2.1.0",
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json",
        "runs": [{
            "tool": { "driver": { "name": "miyabi", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "properties": {
                "score": report.score,
                "recommendation": report.recommendation.as_str(),
                "commit": report.commit.as_str(),
                "tree": report.tree.as_str(),
            },
            "results": results,
        }],
    })
}

/// `lint/clippy::needless_return`: two tools may have rules of one name.
fn rule_id(finding: &Finding) -> String {
    format!("{}/{}", finding.check.as_str(), finding.rule)
}

fn result(finding: &Finding, rule: usize) -> Value {
    let level = match finding.severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium | Severity::Low => "warning",
        Severity::Info => "note",
    };
    let mut result = json!({
        "ruleId": rule_id(finding),
        "ruleIndex": rule,
        "level": level,
        "message": { "text": finding.message },
    });
    if let Some(file) = &finding.file {
        let mut place = json!({ "artifactLocation": { "uri": uri(file), "uriBaseId": "%SRCROOT%" } });
        if let Some(line) = finding.line.filter(|line| *line > 0) {
            place["region"] = json!({ "startLine": line });
        }
        result["locations"] = json!([{ "physicalLocation": place }]);
    }
    result
}

/// A relative path as a relative URI: what has a meaning there, and every other byte beyond plain ASCII, is escaped.
fn uri(path: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=@".contains(&byte);
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'\\' => uri.push('/'),
            byte if is_plain(byte) => uri.push(char::from(byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        assert_eq!(uri("src/auth/mod.rs"), "src/auth/mod.rs");
        assert_eq!(uri("a b/日.rs"), "a%20b/%E6%97%A5.rs");
        assert_eq!(uri("c:\\x#y?z%"), "c%3A/x%23y%3Fz%25");
    }
}
