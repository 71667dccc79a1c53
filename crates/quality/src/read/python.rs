//! The JSON report of pip-audit. Source: pip-audit, `--format=json`.

use miyabi_core::report::{CheckKind, Finding, Severity};
use serde::Deserialize;

use super::ReadError;
use crate::findings::finding;

const WHAT: &str = "the report of pip-audit";

/// Vulnerable packages, and how many there are in all. It has no ratings, so each counts as high.
///
/// Errors: `Json`; `Shape` when a package was passed over: what nobody looked at is not known to be clean.
pub fn audit(report: &[u8]) -> Result<(Vec<Finding>, u64), ReadError> {
    let audit: Audit =
        serde_json::from_slice(report).map_err(|source| ReadError::Json { what: WHAT, source })?;
    if let Some(reason) = audit.dependencies.iter().find_map(|dependency| dependency.skip_reason.as_deref()) {
        let detail = format!("a package was not looked at: {}", crate::findings::cut(reason, 300));
        return Err(ReadError::Shape { what: WHAT, detail });
    }
    let packages = u64::try_from(audit.dependencies.len()).unwrap_or(u64::MAX);
    let found = audit.dependencies.iter().flat_map(|dependency| {
        dependency.vulns.iter().map(|vulnerable| {
            let remedy = match vulnerable.fix_versions.as_slice() {
                [] => "no version without it is known".to_owned(),
                versions => format!("update to {}", versions.join(" or ")),
            };
            let version = dependency.version.as_deref().unwrap_or_default();
            let said = vulnerable.description.as_deref().unwrap_or_default();
            let message = format!("{} {version}: {said}\n{remedy}", dependency.name);
            finding(CheckKind::Security, Severity::High, &vulnerable.id, &message)
        })
    });
    Ok((found.collect(), packages))
}

#[derive(Deserialize)]
struct Audit {
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    version: Option<String>,
    skip_reason: Option<String>,
    #[serde(default)]
    vulns: Vec<Vulnerable>,
}

#[derive(Deserialize)]
struct Vulnerable {
    id: String,
    #[serde(default)]
    fix_versions: Vec<String>,
    description: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vulnerable_packages_are_named_with_what_helps() {
        let report = r#"{"dependencies": [{"name": "a", "version": "1.0", "vulns": [
            {"id": "PYSEC-1", "fix_versions": ["1.1", "2.0"], "aliases": [], "description": "雅"}]},
            {"name": "b", "version": "1", "vulns": []}], "fixes": []}"#;
        let (found, packages) = audit(report.as_bytes()).expect("works");
        assert_eq!(packages, 2);
        assert_eq!((found[0].rule.as_str(), found[0].severity), ("PYSEC-1", Severity::High));
        assert_eq!(found[0].message, "a 1.0: 雅\nupdate to 1.1 or 2.0");
    }

    #[test]
    fn what_nobody_looked_at_is_not_clean() {
        // As pip-audit 2.10.1 wrote it, below "No known vulnerabilities found".
        let report = r#"{"dependencies": [{"name": "requests", "skip_reason": "Dependency not found on PyPI"}], "fixes": []}"#;
        assert_eq!(
            audit(report.as_bytes()).expect_err("is refused").to_string(),
            "the report of pip-audit cannot be read: a package was not looked at: Dependency not found on PyPI"
        );
    }
}
