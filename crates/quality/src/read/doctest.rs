//! The lines that rustdoc prints for documentation tests.
//!
//! rustdoc has no machine format for them on a stable toolchain. The lines give names and counts only; whether they
//! passed is decided by the exit code of cargo.

use super::libtest::Failed;

/// What the documentation tests of all packages came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocTests {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that were ignored.
    pub ignored: u64,
    /// Tests that failed, in order.
    pub failures: Vec<Failed>,
}

/// For so many failed tests the details are looked up.
const DETAILED: usize = 200;

/// Reads the lines. What looks different is passed over.
pub fn read(output: &str) -> DocTests {
    let mut tests = DocTests::default();
    for (name, result) in output.lines().filter_map(result) {
        match result {
            "ok" => tests.passed += 1,
            "FAILED" => {
                // Each look for details reads the whole output, and nobody reads hundreds of them.
                let output =
                    if tests.failures.len() < DETAILED { details(output, name) } else { String::new() };
                tests.failures.push(Failed { name: name.to_owned(), output });
            }
            _ => tests.ignored += 1,
        }
    }
    tests
}

/// `test src/lib.rs - adds (line 3) - should panic ... ok` as name and result.
fn result(line: &str) -> Option<(&str, &str)> {
    let (name, result) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let known =
        result == "ok" || result == "FAILED" || result == "ignored" || result.starts_with("ignored, ");
    (known && name.contains(" (line ")).then_some((name, result))
}

/// What rustdoc printed about a failed test: the lines below its headline.
fn details(output: &str, name: &str) -> String {
    let headline = format!("---- {name} stdout ----");
    let mut lines = output.lines().skip_while(|line| *line != headline);
    lines.next();
    let block: Vec<_> = lines.take_while(|line| !line.starts_with("---- ") && *line != "failures:").collect();
    block.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    // As rustdoc 1.95 printed it.
    const OUTPUT: &str = "
running 4 tests
test src/lib.rs - four (line 23) ... FAILED
test src/lib.rs - three (line 18) ... ignored
test src/lib.rs - three (line 9) ... ok
test src/lib.rs - three (line 12) - should panic ... ok

failures:

---- src/lib.rs - four (line 23) stdout ----
Test executable failed (exit status: 101).

stderr:
assertion `left == right` failed: 日本


failures:
    src/lib.rs - four (line 23)

test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.08s


running 1 test
test src/lib.rs - three (line 15) - compile fail ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.03s
";

    #[test]
    fn names_counts_and_details_are_read() {
        let expected = DocTests {
            passed: 3,
            ignored: 1,
            failures: vec![Failed {
                name: "src/lib.rs - four (line 23)".into(),
                output: "Test executable failed (exit status: 101).\n\nstderr:\nassertion `left == right` failed: 日本"
                    .into(),
            }],
        };
        assert_eq!(read(OUTPUT), expected);
    }

    #[test]
    fn other_lines_are_no_tests() {
        assert_eq!(
            read("test tests::unit ... ok\ntest x (line 1) ... maybe\n雅 ... ok"),
            DocTests::default()
        );
    }
}
