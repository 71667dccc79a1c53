//! rustdoc's count of documented items (`--show-coverage --output-format json`).

use std::collections::BTreeMap;

use miyabi_core::report::DocCounts;
use serde::Deserialize;

use super::ReadError;

/// The items of one target, file by file; paths as rustdoc wrote them.
///
/// The report is the last line of the output that is a JSON object, because cargo or a build script may print others.
/// Errors: `Shape` when there is none, `Json` when it is not a report of rustdoc.
pub fn read(output: &[u8]) -> Result<BTreeMap<String, DocCounts>, ReadError> {
    let text = String::from_utf8_lossy(output);
    let line = text.lines().rev().find(|line| line.starts_with('{')).ok_or_else(|| ReadError::Shape {
        what: "rustdoc's coverage report",
        detail: "there is none".to_owned(),
    })?;
    let files: BTreeMap<String, Items> = serde_json::from_str(line)
        .map_err(|source| ReadError::Json { what: "rustdoc's coverage report", source })?;
    Ok(files
        .into_iter()
        .map(|(file, items)| {
            (file, DocCounts { public: items.total, documented: items.with_docs.min(items.total) })
        })
        .collect())
}

#[derive(Deserialize)]
struct Items {
    total: u64,
    with_docs: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted() {
        // As rustdoc 1.95 wrote it, with a second file.
        let output = "a build script speaks\n{\"src/lib.rs\":{\"total\":4,\"with_docs\":2,\"total_examples\":2,\
                      \"with_examples\":0},\"src/雅.rs\":{\"total\":1,\"with_docs\":1}}\n";
        let expected = BTreeMap::from([
            ("src/lib.rs".to_owned(), DocCounts { public: 4, documented: 2 }),
            ("src/雅.rs".to_owned(), DocCounts { public: 1, documented: 1 }),
        ]);
        assert_eq!(read(output.as_bytes()).expect("works"), expected);
    }

    #[test]
    fn garbage_is_named() {
        assert_eq!(
            read(b"no").expect_err("is refused").to_string(),
            "rustdoc's coverage report cannot be read: there is none"
        );
        assert!(matches!(read(b"{\"a\":1}"), Err(ReadError::Json { .. })));
    }
}
