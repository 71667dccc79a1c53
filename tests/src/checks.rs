//! A project that brings all of its checks, so that nothing has to be compiled.

/// The tables `[[check]]` of a project whose every part is measured and perfect: 100 points.
pub const PERFECT: &str = r#"
[[check]]
kind = "build"
command = ["true"]

[[check]]
kind = "tests"
command = ["echo", "<testsuite><testcase name='雅'/></testsuite>"]
format = "junit"

[[check]]
kind = "tests"
command = ["printf", 'SF:a\nDA:1,1\nend_of_record\n']
format = "lcov"

[[check]]
kind = "lint"
command = ["true"]

[[check]]
kind = "security"
command = ["echo", '{"version": "2.1.0", "runs": []}']
format = "sarif"

[[check]]
kind = "docs"
command = ["echo", '{"public": 1, "documented": 1}']
format = "doc_counts"
"#;

/// The linter's lines of it.
pub const LINT: &str = "kind = \"lint\"\ncommand = [\"true\"]\n";
/// The test suite's.
pub const TESTS: &str = "command = [\"echo\", \"<testsuite><testcase name='雅'/></testsuite>\"]\n";
/// The scanner's.
pub const SCAN: &str = "command = [\"echo\", '{\"version\": \"2.1.0\", \"runs\": []}']\n";
/// Those that count what is documented.
pub const DOCS: &str = "command = [\"echo\", '{\"public\": 1, \"documented\": 1}']\n";
/// The build's.
pub const BUILD: &str = "kind = \"build\"\ncommand = [\"true\"]\n";

/// The same with other lines in the place of these, which have to be there.
#[track_caller]
pub fn with(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(PERFECT.to_owned(), |checks, (from, to)| {
        assert!(checks.contains(from), "there is no `{from}`");
        checks.replacen(from, to, 1)
    })
}
