//! The plainest formats: numbers of documented items, a list of files, and what `go vet -json` prints.

use std::collections::BTreeMap;
use std::path::Path;

use miyabi_core::report::{CheckKind, DocCounts, Finding, Severity};
use serde::Deserialize;

use super::ReadError;
use crate::findings::{finding, relative};

const DOCS: &str = "the numbers of documented items";
const VET: &str = "the report of go vet";

/// `{"public": 10, "documented": 7}`. Errors: `Json`; `Shape` when more is documented than there is.
pub fn docs(report: &[u8]) -> Result<DocCounts, ReadError> {
    #[derive(Deserialize)]
    struct Counts {
        public: u64,
        documented: u64,
    }
    let counts: Counts =
        serde_json::from_slice(report).map_err(|source| ReadError::Json { what: DOCS, source })?;
    if counts.documented > counts.public {
        let detail = format!("{} of {} items cannot be documented", counts.documented, counts.public);
        return Err(ReadError::Shape { what: DOCS, detail });
    }
    Ok(DocCounts { public: counts.public, documented: counts.documented })
}

/// A file on each line, each a finding.
pub fn files(report: &[u8], check: CheckKind, root: &Path) -> Vec<Finding> {
    let text = String::from_utf8_lossy(report);
    let named = text.lines().map(str::trim).filter(|line| !line.is_empty());
    named
        .map(|file| {
            let mut told = finding(check, Severity::Low, check.as_str(), "this file does not pass");
            told.file = Some(relative(file, root));
            told
        })
        .collect()
}

/// What `go vet -json` found: for each package its analyzers with their findings. Lines that begin with `#` name
/// packages. Errors: `Json` when it is something else.
pub fn vet(report: &[u8], root: &Path) -> Result<Vec<Finding>, ReadError> {
    #[derive(Deserialize)]
    struct Told {
        posn: String,
        message: String,
    }
    type Package = BTreeMap<String, BTreeMap<String, Vec<Told>>>;
    let text = String::from_utf8_lossy(report);
    let json: String =
        text.lines().filter(|line| !line.starts_with('#')).flat_map(|line| [line, "\n"]).collect();
    let mut found = Vec::new();
    for package in serde_json::Deserializer::from_str(&json).into_iter::<Package>() {
        let package = package.map_err(|source| ReadError::Json { what: VET, source })?;
        for (analyzer, told) in package.into_values().flatten() {
            for one in told {
                let mut told = finding(CheckKind::Lint, Severity::Medium, &analyzer, &one.message);
                let mut place = one.posn.rsplitn(3, ':').collect::<Vec<_>>().into_iter().rev();
                told.file = place.next().map(|file| relative(file, root));
                told.line = place.next().and_then(|line| line.parse().ok());
                found.push(told);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_all_is_refused() {
        assert_eq!(
            docs(br#"{"public": 3, "documented": 2}"#).expect("works"),
            DocCounts { public: 3, documented: 2 }
        );
        assert!(docs(br#"{"public": 3, "documented": 4}"#).is_err());
        assert!(docs(br#"{"public": -1, "documented": 0}"#).is_err());
    }

    #[test]
    fn findings_of_vet_have_a_place() {
        // As Go 1.27.3 wrote it.
        let report = "# example.com/demo\n{\n\t\"example.com/demo\": {\n\t\t\"printf\": [\n\t\t\t{\n\t\t\t\t\"posn\": \
                      \"/w/雅.go:5:26\",\n\t\t\t\t\"message\": \"wrong type\"\n\t\t\t}\n\t\t]\n\t}\n}\n{}\n";
        let found = vet(report.as_bytes(), Path::new("/w")).expect("works");
        let told: Vec<_> =
            found.iter().map(|one| (one.rule.as_str(), one.file.as_deref(), one.line)).collect();
        assert_eq!(told, [("printf", Some("雅.go"), Some(5))]);
        assert_eq!(vet(b"", Path::new("/")).expect("works"), []);
        assert!(vet(b"vet: no", Path::new("/")).is_err());
    }

    #[test]
    fn files_are_listed() {
        let found = files("a.go\n\n/w/雅.go\n".as_bytes(), CheckKind::Format, Path::new("/w"));
        let told: Vec<_> = found.iter().filter_map(|one| one.file.as_deref()).collect();
        assert_eq!(told, ["a.go", "雅.go"]);
    }
}
