//! One test program's JSON events (libtest `--format json`).
//!
//! Tests may print what they like into the same stream, so events are looked for anywhere in a line, and the totals
//! at the end of the suite outweigh what was counted on the way.

use serde::Deserialize;

/// What one test program reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suite {
    /// Whether the program speaks libtest's format at all.
    pub recognised: bool,
    /// Whether it reported its end.
    pub ended: bool,
    /// Tests that passed.
    pub passed: u64,
    /// Tests that were ignored.
    pub ignored: u64,
    /// Tests that failed; at least those in `failures`.
    pub failed: u64,
    /// Failed tests, in order.
    pub failures: Vec<Failed>,
    /// Tests that began and did not end, in order.
    pub unfinished: Vec<String>,
}

/// A test that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Its path, such as `tests::adds`.
    pub name: String,
    /// What it printed and panicked with.
    pub output: String,
}

/// Reads the events of one program.
pub fn read(output: &[u8]) -> Suite {
    let text = String::from_utf8_lossy(output);
    let mut suite = Suite::default();
    for event in text.lines().filter_map(event) {
        suite.take(event);
    }
    suite
}

const BEGIN: &str = "{ \"type\": \"";

fn event(line: &str) -> Option<Event> {
    let (_printed, rest) = line.split_once(BEGIN)?;
    serde_json::from_str(&format!("{BEGIN}{rest}")).ok()
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    event: String,
    name: Option<String>,
    stdout: Option<String>,
    message: Option<String>,
    passed: Option<u64>,
    failed: Option<u64>,
    ignored: Option<u64>,
}

impl Suite {
    fn take(&mut self, event: Event) {
        match (event.kind.as_str(), event.event.as_str(), event.name) {
            ("suite", "started", _) => self.recognised = true,
            ("suite", "ok" | "failed", _) if self.recognised => {
                self.ended = true;
                self.passed = event.passed.unwrap_or(self.passed);
                self.ignored = event.ignored.unwrap_or(self.ignored);
                self.failed = event.failed.unwrap_or(self.failed).max(self.failed);
            }
            ("test", "started", Some(name)) => self.unfinished.push(name),
            ("test", "ok", Some(name)) => {
                self.finish(&name);
                self.passed += 1;
            }
            ("test", "ignored", Some(name)) => {
                self.finish(&name);
                self.ignored += 1;
            }
            ("test", "failed", Some(name)) => {
                self.finish(&name);
                self.failed += 1;
                let output =
                    [event.message, event.stdout].into_iter().flatten().collect::<Vec<_>>().join("\n");
                self.failures.push(Failed { name, output });
            }
            // Benchmarks run once as tests; `timeout` only says that a test is slow.
            ("bench", _, Some(name)) => {
                self.finish(&name);
                self.passed += 1;
            }
            _ => {}
        }
    }

    fn finish(&mut self, name: &str) {
        if let Some(at) = self.unfinished.iter().position(|test| test == name) {
            self.unfinished.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // As libtest of Rust 1.95 wrote it.
    const RUN: &str = r#"{ "type": "suite", "event": "started", "test_count": 4 }
{ "type": "test", "event": "started", "name": "tests::b" }
{ "type": "test", "event": "started", "name": "tests::fails" }
{ "type": "test", "name": "tests::b", "event": "ok" }
{ "type": "test", "event": "started", "name": "tests::ign" }
{ "type": "test", "name": "tests::ign", "event": "ignored", "message": "later" }
{ "type": "test", "event": "started", "name": "tests::ok" }
printed without a line end{ "type": "test", "name": "tests::ok", "event": "ok" }
{ "type": "test", "name": "tests::fails", "event": "failed", "stdout": "日本 <&> ]]>\nassertion `left == right` failed: no\n" }
"#;
    const END: &str = r#"{ "type": "suite", "event": "failed", "passed": 2, "failed": 1, "ignored": 1, "measured": 0, "filtered_out": 0, "exec_time": 0.07 }"#;

    #[test]
    fn a_whole_run_is_counted() {
        let expected = Suite {
            recognised: true,
            ended: true,
            passed: 2,
            ignored: 1,
            failed: 1,
            failures: vec![Failed {
                name: "tests::fails".into(),
                output: "日本 <&> ]]>\nassertion `left == right` failed: no\n".into(),
            }],
            unfinished: vec![],
        };
        assert_eq!(read(format!("{RUN}{END}").as_bytes()), expected);
    }

    #[test]
    fn a_program_that_died_leaves_its_tests_unfinished() {
        let output = r#"{ "type": "suite", "event": "started", "test_count": 2 }
{ "type": "test", "event": "started", "name": "tests::aborts" }
{ "type": "test", "event": "started", "name": "tests::ok" }
{ "type": "test", "name": "tests::ok", "event": "ok" }
{ "type": "test", "event": "sta"#;
        let expected = Suite {
            recognised: true,
            passed: 1,
            unfinished: vec!["tests::aborts".into()],
            ..Suite::default()
        };
        assert_eq!(read(output.as_bytes()), expected);
    }

    #[test]
    fn what_a_test_prints_cannot_lower_the_failures() {
        let lie = END.replace("\"failed\": 1", "\"failed\": 0");
        assert_eq!(read(format!("{RUN}{lie}").as_bytes()).failed, 1);
    }

    #[test]
    fn another_harness_is_not_recognised() {
        assert_eq!(read(b"running my own tests\nall good\n"), Suite::default());
    }
}
