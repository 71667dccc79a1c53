//! The JSON report of cargo-audit, which cargo-deny writes too (`--audit-compatible-output`).

use std::collections::BTreeMap;

use miyabi_core::report::{Severity, Vulnerabilities};
use serde::Deserialize;

use super::{ReadError, cvss};

/// What is known about the dependencies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Known vulnerabilities.
    pub vulnerabilities: Vec<Advisory>,
    /// Packages that are unmaintained, unsound or were taken back: told, not counted.
    pub notices: Vec<Advisory>,
    /// Advisories that the project's own settings hide.
    pub ignored: Vec<String>,
    /// How many advisories the database holds, where the tool says so.
    pub database: Option<u64>,
}

impl Audit {
    /// The numbers, for a lock file with so many third-party packages.
    pub fn counts(&self, packages: u64) -> Vulnerabilities {
        self.vulnerabilities.iter().fold(
            Vulnerabilities { packages, ..Vulnerabilities::default() },
            |mut sum, one| {
                match one.severity {
                    Severity::Critical | Severity::High => sum.critical_or_high += 1,
                    Severity::Medium => sum.medium += 1,
                    Severity::Low | Severity::Info => sum.low += 1,
                }
                sum
            },
        )
    }
}

/// One advisory that touches one package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advisory {
    /// `RUSTSEC-2026-0001`; for packages that were taken back, `yanked`.
    pub id: String,
    /// Package and version: `alpha 1.0.0`.
    pub package: String,
    /// One line.
    pub title: String,
    /// Versions without it, such as `>=9.0.0`; empty when there is none.
    pub patched: Vec<String>,
    /// By CVSS score; without one, high.
    pub severity: Severity,
}

/// Reads the report: one JSON document, or one for each database.
/// Errors: `Json` when it is something else, `Shape` when there is none.
pub fn read(report: &[u8]) -> Result<Audit, ReadError> {
    let mut audit = Audit::default();
    let mut documents = 0_u64;
    for document in serde_json::Deserializer::from_slice(report).into_iter::<Document>() {
        let document = document.map_err(|source| ReadError::Json { what: "the audit report", source })?;
        documents += 1;
        audit.take(document);
    }
    if documents == 0 {
        return Err(ReadError::Shape { what: "the audit report", detail: "it is empty".to_owned() });
    }
    Ok(audit)
}

impl Audit {
    fn take(&mut self, document: Document) {
        let listed = match document.vulnerabilities {
            Listed::Counted { list } | Listed::Plain(list) => list,
        };
        self.vulnerabilities
            .extend(listed.into_iter().map(|entry| entry.advisory("vulnerability", Severity::High)));
        for (kind, entries) in document.warnings {
            self.notices.extend(entries.into_iter().map(|entry| entry.advisory(&kind, Severity::Info)));
        }
        self.ignored.extend(document.settings.unwrap_or_default().ignore);
        if let Some(database) = document.database {
            self.database = Some(self.database.unwrap_or(0).saturating_add(database.count));
        }
    }
}

#[derive(Deserialize)]
struct Document {
    database: Option<Database>,
    settings: Option<Settings>,
    vulnerabilities: Listed,
    #[serde(default)]
    warnings: BTreeMap<String, Vec<Entry>>,
}

#[derive(Deserialize)]
struct Database {
    #[serde(rename = "advisory-count")]
    count: u64,
}

#[derive(Default, Deserialize)]
struct Settings {
    #[serde(default)]
    ignore: Vec<String>,
}

/// cargo-audit counts beside its list, cargo-deny writes the list alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Listed {
    Counted { list: Vec<Entry> },
    Plain(Vec<Entry>),
}

#[derive(Deserialize)]
struct Entry {
    advisory: Option<Described>,
    package: Package,
    #[serde(default)]
    versions: Option<Versions>,
}

#[derive(Deserialize)]
struct Described {
    id: String,
    title: String,
    cvss: Option<String>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
}

#[derive(Default, Deserialize)]
struct Versions {
    #[serde(default)]
    patched: Vec<String>,
}

impl Entry {
    fn advisory(self, kind: &str, unrated: Severity) -> Advisory {
        let package = format!("{} {}", self.package.name, self.package.version);
        let (id, title, vector) = match self.advisory {
            Some(about) => (about.id, about.title, about.cvss),
            None => (kind.to_owned(), format!("{package} is {kind}"), None),
        };
        let severity = match unrated {
            Severity::Info => Severity::Info,
            _ => vector.as_deref().and_then(cvss::severity).unwrap_or(unrated),
        };
        Advisory { id, package, title, patched: self.versions.unwrap_or_default().patched, severity }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Of cargo-audit 0.22.2 and cargo-deny 0.20.2 on the same lock file, with an advisory database made for this.
    const CARGO_AUDIT: &[u8] = include_bytes!("../../recordings/cargo-audit-0.22.2.json");
    const CARGO_DENY: &[u8] = include_bytes!("../../recordings/cargo-deny-0.20.2.json");

    fn advisory(id: &str, package: &str, title: &str, severity: Severity) -> Advisory {
        Advisory {
            id: id.into(),
            package: package.into(),
            title: title.into(),
            patched: vec![">=9.0.0".into()],
            severity,
        }
    }

    #[test]
    fn both_tools_are_read_alike() {
        let mut audit = read(CARGO_AUDIT).expect("works");
        audit.vulnerabilities.sort_by(|one, other| one.id.cmp(&other.id));
        let expected = Audit {
            vulnerabilities: vec![
                advisory("RUSTSEC-2026-0001", "alpha 1.0.0", "Remote takeover in alpha", Severity::Critical),
                advisory("RUSTSEC-2026-0002", "beta 1.0.0", "Script injection in beta", Severity::Medium),
                advisory("RUSTSEC-2026-0003", "gamma 1.0.0", "No rating", Severity::High),
                advisory("RUSTSEC-2026-0005", "alpha 1.0.0", "Four", Severity::High),
            ],
            notices: vec![advisory("RUSTSEC-2026-0004", "delta 1.0.0", "Nobody cares", Severity::Info)],
            ignored: vec![],
            database: Some(5),
        };
        assert_eq!(audit, expected);
        assert_eq!(audit.counts(4), Vulnerabilities { packages: 4, critical_or_high: 3, medium: 1, low: 0 });
        assert_eq!(read(CARGO_DENY).expect("works"), Audit { database: None, ..expected });
    }

    #[test]
    fn a_package_that_was_taken_back_is_a_notice() {
        let report = r#"{"settings":{"ignore":["RUSTSEC-2026-0009"]},"vulnerabilities":{"found":false,"count":0,"list":[]},
            "warnings":{"yanked":[{"kind":"yanked","package":{"name":"雅","version":"1.0.0"},"advisory":null,"versions":null}]}}"#;
        let expected = Audit {
            notices: vec![Advisory {
                id: "yanked".into(),
                package: "雅 1.0.0".into(),
                title: "雅 1.0.0 is yanked".into(),
                patched: vec![],
                severity: Severity::Info,
            }],
            ignored: vec!["RUSTSEC-2026-0009".into()],
            ..Audit::default()
        };
        assert_eq!(read(report.as_bytes()).expect("works"), expected);
    }

    #[test]
    fn garbage_is_named() {
        assert_eq!(
            read(b" ").expect_err("is refused").to_string(),
            "the audit report cannot be read: it is empty"
        );
        assert!(matches!(read(b"error: no"), Err(ReadError::Json { .. })));
        assert!(matches!(read(b"{}"), Err(ReadError::Json { .. })));
    }
}
