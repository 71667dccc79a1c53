//! The events of `go test -json`, and the cover profiles of `go test -coverprofile`.
//! Source: `go doc test2json`, `go doc cover`.

use std::collections::BTreeMap;

use miyabi_core::report::Coverage;
use serde::Deserialize;

use super::ReadError;
use super::junit::{Case, Junit};
use super::libtest::Failed;
use super::lines::Lines;

const EVENTS: &str = "the events of go test";
const PROFILE: &str = "the cover profile";
/// Of what one test prints at most so many characters are kept.
const OUTPUT: usize = 16_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    action: String,
    #[serde(default)]
    package: String,
    #[serde(default)]
    import_path: String,
    test: Option<String>,
    #[serde(default)]
    output: String,
}

/// Reads the events. A test with subtests is their sum and counts itself only where it fails without them; a package
/// that fails without a failing test counts as one failure: it was not built, or it died.
///
/// Errors: `Json` with the line, `Shape` when there is no event or a package has no end.
pub fn read(report: &[u8]) -> Result<Junit, ReadError> {
    let mut packages: BTreeMap<String, Package> = BTreeMap::new();
    let text = String::from_utf8_lossy(report);
    for line in text.lines().filter(|line| line.starts_with('{')) {
        let event: Event =
            serde_json::from_str(line).map_err(|source| ReadError::Json { what: EVENTS, source })?;
        let package =
            if event.package.is_empty() { event.import_path.clone() } else { event.package.clone() };
        packages.entry(package).or_default().take(event);
    }
    // What a build printed is told under another name than that of its package.
    let builds: String = packages.values().map(|package| package.build.as_str()).collect();
    packages.retain(|_, package| package.began);
    if packages.is_empty() {
        return Err(shape(EVENTS, "there are none"));
    }
    let mut junit = Junit::default();
    for (name, package) in packages {
        if package.ended.is_none() {
            return Err(shape(EVENTS, "they end in the middle"));
        }
        package.close(&name, &builds, &mut junit);
    }
    Ok(junit)
}

#[derive(Default)]
struct Package {
    began: bool,
    tests: BTreeMap<String, Test>,
    output: String,
    build: String,
    ended: Option<String>,
}

#[derive(Default)]
struct Test {
    output: String,
    ended: Option<String>,
}

impl Package {
    fn take(&mut self, event: Event) {
        let ends = matches!(event.action.as_str(), "pass" | "fail" | "skip");
        match (event.test, event.action.as_str()) {
            (_, "build-output" | "build-fail") => push(&mut self.build, &event.output),
            (Some(test), action) => {
                self.began = true;
                let test = self.tests.entry(test).or_default();
                push(&mut test.output, &event.output);
                if ends {
                    test.ended = Some(action.to_owned());
                }
            }
            (None, action) => {
                self.began = true;
                push(&mut self.output, &event.output);
                if ends {
                    self.ended = Some(action.to_owned());
                }
            }
        }
    }

    fn close(self, name: &str, builds: &str, junit: &mut Junit) {
        let failed_before = junit.counts.failed;
        for (test, state) in &self.tests {
            let below = format!("{test}/");
            let mut parts = self.tests.iter().filter(|(other, _)| other.starts_with(&below));
            let has_parts = parts.clone().next().is_some();
            let failed_below =
                parts.any(|(_, part)| part.ended.as_deref() != Some("pass") && !part.skipped());
            match state.ended.as_deref() {
                Some("pass") if !has_parts => junit.counts.passed += 1,
                Some("pass") => {}
                Some("skip") => junit.counts.ignored += 1,
                _ if failed_below => {}
                // Without an end, the program died in the middle of it.
                _ => fail(junit, name, test, &state.output),
            }
        }
        if self.ended.as_deref() == Some("fail") && junit.counts.failed == failed_before {
            let said = if self.output.trim().is_empty() { builds } else { &self.output };
            fail(junit, name, name, &format!("{said}{}", if said == builds { "" } else { builds }));
        }
    }
}

impl Test {
    fn skipped(&self) -> bool {
        self.ended.as_deref() == Some("skip")
    }
}

fn fail(junit: &mut Junit, package: &str, test: &str, output: &str) {
    junit.counts.failed += 1;
    let failed = Failed { name: test.to_owned(), output: output.trim().to_owned() };
    junit.failures.push(Case { class: package.to_owned(), failed });
}

fn push(output: &mut String, more: &str) {
    if output.len() < OUTPUT {
        output.push_str(more);
    }
}

/// Reads a cover profile: blocks from one line to another, told as lines. Errors: `Shape` when it is none.
pub fn cover(profile: &[u8]) -> Result<Coverage, ReadError> {
    let text = String::from_utf8_lossy(profile);
    let mut rows = text.lines();
    if !rows.next().is_some_and(|mode| mode.starts_with("mode: ")) {
        return Err(shape(PROFILE, "it does not begin with `mode:`"));
    }
    let mut lines = Lines::default();
    for row in rows.filter(|row| !row.is_empty()) {
        let block = block(row).ok_or_else(|| {
            let detail = format!("`{}` is no block", crate::findings::cut(row, 80));
            ReadError::Shape { what: PROFILE, detail }
        })?;
        // A file that claims a block of billions of lines is no file of theirs.
        for line in (block.from..=block.to).take(1_000_000) {
            lines.see(block.file, line, block.ran);
        }
    }
    Ok(lines.coverage())
}

struct Block<'a> {
    file: &'a str,
    from: u64,
    to: u64,
    ran: bool,
}

/// `example.com/m/雅.go:3.20,5.2 1 0`: file, begin, end, statements, count.
fn block(row: &str) -> Option<Block<'_>> {
    let (place, numbers) = row.split_once(' ')?;
    let (file, span) = place.rsplit_once(':')?;
    let (from, to) = span.split_once(',')?;
    let place = |text: &str| {
        let (line, column) = text.split_once('.')?;
        Some((line.parse::<u64>().ok()?, column.parse::<u64>().ok()?))
    };
    let (from, (to, column)) = (place(from)?.0, place(to)?);
    let count: u64 = numbers.split_once(' ')?.1.parse().ok()?;
    // A block that ends before the first character of a line has nothing in it.
    let to = if column <= 1 { to.saturating_sub(1) } else { to };
    Some(Block { file, from, to: to.max(from), ran: count > 0 })
}

fn shape(what: &'static str, detail: &str) -> ReadError {
    ReadError::Shape { what, detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use miyabi_core::report::TestCounts;

    use super::*;

    #[test]
    fn the_events_of_go_are_read() {
        let junit = read(include_bytes!("../../recordings/go-1.27.3.jsonl")).expect("works");
        assert_eq!(junit.counts, TestCounts { passed: 3, failed: 3, ignored: 1 });
        let failed: Vec<_> =
            junit.failures.iter().map(|case| (case.class.as_str(), case.failed.name.as_str())).collect();
        assert_eq!(
            failed,
            [
                ("example.com/demo", "TestDouble/two"),
                ("example.com/demo", "TestFails"),
                ("example.com/demo/broken", "example.com/demo/broken")
            ]
        );
        let said = |at: usize| junit.failures[at].failed.output.as_str();
        assert!(said(1).contains("雅 is not 2"), "{}", said(1));
        assert!(said(2).contains("undefined: nothing"), "{}", said(2));
    }

    #[test]
    fn a_program_that_dies_fails_the_test_that_it_was_in() {
        let events = r#"{"Action":"start","Package":"p"}
            {"Action":"run","Package":"p","Test":"T"}
            {"Action":"fail","Package":"p"}"#
            .replace("            ", "");
        let junit = read(events.as_bytes()).expect("works");
        assert_eq!((junit.counts.failed, junit.failures[0].failed.name.as_str()), (1, "T"));
    }

    #[test]
    fn profiles_are_read_as_lines() {
        let profile = "mode: set\nm/雅.go:3.20,5.2 1 1\nm/雅.go:5.2,7.1 1 0\nm/b.go:1.1,1.9 1 0\n";
        assert_eq!(cover(profile.as_bytes()).expect("works"), Coverage { lines: 5, covered: 3 });
    }

    #[test]
    fn what_is_neither_is_named() {
        let of = |text: &str| read(text.as_bytes()).expect_err("is refused").to_string();
        assert_eq!(of("FAIL"), "the events of go test cannot be read: there are none");
        assert_eq!(
            of("{\"Action\":\"start\",\"Package\":\"p\"}"),
            "the events of go test cannot be read: they end in the middle"
        );
        let of = |text: &str| cover(text.as_bytes()).expect_err("is refused").to_string();
        assert_eq!(of("x"), "the cover profile cannot be read: it does not begin with `mode:`");
        assert_eq!(of("mode: set\nm.go:1,2 x"), "the cover profile cannot be read: `m.go:1,2 x` is no block");
    }
}
