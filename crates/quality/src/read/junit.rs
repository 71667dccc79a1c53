//! JUnit XML, as nextest and most other test runners write it.
//!
//! There is no one standard; the elements read here are those that all writers share. Entities other than the five
//! of XML itself are not resolved, so a report cannot make us read or expand anything.

use miyabi_core::report::TestCounts;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::ReadError;
use super::libtest::Failed;

/// What a test run reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Junit {
    /// Every test case, counted by how it ended.
    pub counts: TestCounts,
    /// Failed cases in the order of the file.
    pub failures: Vec<Case>,
}

/// A failed case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The `classname`: for nextest the test program, such as `demo::t`.
    pub class: String,
    /// The test and what it said.
    pub failed: Failed,
}

/// Reads a report. Errors: `Xml` when it is not well-formed, `Shape` when it is no JUnit report or ends early.
pub fn read(report: &[u8]) -> Result<Junit, ReadError> {
    let text = String::from_utf8_lossy(report);
    let mut reader = Reader::from_str(&text);
    let mut junit = Junit::default();
    let mut open: Option<Open> = None;
    let mut in_failure = false;
    let mut suites = 0_u64;
    let mut depth = 0_u64;
    loop {
        match reader.read_event().map_err(xml)? {
            Event::Start(tag) => {
                depth += 1;
                match tag.local_name().as_ref() {
                    "testsuites" | "testsuite" => suites += 1,
                    "testcase" => open = Some(Open::new(&tag)?),
                    "failure" | "error" => {
                        in_failure = true;
                        fail(&mut open, &tag)?;
                    }
                    "skipped" => skip(&mut open),
                    _ => {}
                }
            }
            Event::Empty(tag) => match tag.local_name().as_ref() {
                "testsuites" | "testsuite" => suites += 1,
                "testcase" => Open::new(&tag)?.close(&mut junit),
                "failure" | "error" => fail(&mut open, &tag)?,
                "skipped" => skip(&mut open),
                _ => {}
            },
            Event::End(tag) => {
                depth = depth.saturating_sub(1);
                match tag.local_name().as_ref() {
                    "failure" | "error" => in_failure = false,
                    "testcase" => {
                        if let Some(case) = open.take() {
                            case.close(&mut junit);
                        }
                    }
                    _ => {}
                }
            }
            Event::Text(text) if in_failure => say(&mut open, &text.xml10_content()),
            Event::CData(text) if in_failure => say(&mut open, &text.xml10_content()),
            Event::GeneralRef(entity) if in_failure => say(&mut open, &resolve(&entity)),
            Event::Eof => break,
            _ => {}
        }
    }
    match (suites, depth) {
        (0, _) => Err(shape("it holds no test suite")),
        (_, 0) => Ok(junit),
        _ => Err(shape("it ends in the middle")),
    }
}

/// A case whose end has not been read yet.
struct Open {
    class: String,
    name: String,
    failure: Option<Said>,
    skipped: bool,
}

/// What a failure says: writers put it into the attribute, the text, or the beginning of the text into both.
struct Said {
    message: String,
    text: String,
}

impl Said {
    fn output(self) -> String {
        let text = self.text.trim();
        match (self.message.trim(), text) {
            ("", text) => text.to_owned(),
            (message, "") => message.to_owned(),
            (message, text) if text.starts_with(message) => text.to_owned(),
            (message, text) => format!("{message}\n{text}"),
        }
    }
}

impl Open {
    fn new(tag: &BytesStart<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            class: attribute(tag, "classname")?.unwrap_or_default(),
            name: attribute(tag, "name")?.unwrap_or_default(),
            failure: None,
            skipped: false,
        })
    }

    fn close(self, junit: &mut Junit) {
        match (self.failure, self.skipped) {
            (Some(said), _) => {
                junit.counts.failed += 1;
                let failed = Failed { name: self.name, output: said.output() };
                junit.failures.push(Case { class: self.class, failed });
            }
            (None, true) => junit.counts.ignored += 1,
            (None, false) => junit.counts.passed += 1,
        }
    }
}

/// Marks the open case as failed.
fn fail(open: &mut Option<Open>, tag: &BytesStart<'_>) -> Result<(), ReadError> {
    if let Some(case) = open {
        let message = attribute(tag, "message")?.unwrap_or_default();
        case.failure.get_or_insert(Said { message, text: String::new() });
    }
    Ok(())
}

fn skip(open: &mut Option<Open>) {
    if let Some(case) = open {
        case.skipped = true;
    }
}

fn say(open: &mut Option<Open>, text: &str) {
    if let Some(said) = open.as_mut().and_then(|case| case.failure.as_mut()) {
        said.text.push_str(text);
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>, ReadError> {
    let found = tag.try_get_attribute(name).map_err(|error| xml(error.into()))?;
    // What cannot be resolved is kept as it stands.
    Ok(found.map(|attribute| match attribute.normalized_value(XmlVersion::Implicit1_0) {
        Ok(value) => value.into_owned(),
        Err(_) => attribute.value.as_ref().to_owned(),
    }))
}

fn resolve(entity: &BytesRef<'_>) -> String {
    match (entity.as_ref(), entity.resolve_char_ref()) {
        (_, Ok(Some(character))) => character.to_string(),
        ("lt", _) => "<".to_owned(),
        ("gt", _) => ">".to_owned(),
        ("amp", _) => "&".to_owned(),
        ("apos", _) => "'".to_owned(),
        ("quot", _) => "\"".to_owned(),
        (other, _) => format!("&{other};"),
    }
}

fn xml(source: quick_xml::Error) -> ReadError {
    ReadError::Xml { what: "the JUnit report", source }
}

fn shape(detail: &str) -> ReadError {
    ReadError::Shape { what: "the JUnit report", detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(class: &str, name: &str, output: &str) -> Case {
        Case { class: class.into(), failed: Failed { name: name.into(), output: output.into() } }
    }

    #[test]
    fn a_report_of_nextest_is_read() {
        let junit = read(include_bytes!("../../recordings/nextest-0.9.143.xml")).expect("works");
        assert_eq!(junit.counts, TestCounts { passed: 1, failed: 2, ignored: 0 });
        let said: Vec<_> = junit
            .failures
            .iter()
            .map(|case| {
                let lines: Vec<_> = case.failed.output.lines().take(4).collect();
                (case.class.as_str(), case.failed.name.as_str(), lines.join("\n"))
            })
            .collect();
        let aborted = "process aborted with signal 6 (SIGABRT)";
        let failed = "thread 'tests::fails' (19595) panicked at src/lib.rs:4:48:\n\
                      assertion `left == right` failed: no\n  left: 1\n right: 2";
        assert_eq!(
            said,
            [("nx", "tests::aborts", aborted.to_owned()), ("nx", "tests::fails", failed.to_owned())]
        );
    }

    #[test]
    fn a_report_of_pytest_is_read() {
        let junit = read(include_bytes!("../../recordings/pytest-9.2.0.xml")).expect("works");
        assert_eq!(junit.counts, TestCounts { passed: 1, failed: 1, ignored: 0 });
        assert_eq!(junit.failures[0].failed.name, "test_wrong");
        assert!(junit.failures[0].failed.output.contains("AssertionError: 雅"));
    }

    #[test]
    fn the_dialects_of_other_writers_are_read() {
        let report = r#"<testsuite name="雅"><properties/>
            <testcase classname="a" name="ok"/>
            <testcase classname="a" name="later"><skipped/></testcase>
            <testcase classname="a" name="bad &quot;one&quot;"><failure message="x &lt; y"/></testcase>
            <testcase name="worse"><error><![CDATA[日本 <&>]]> &lol; &#x96C5;</error><system-out>no</system-out></testcase>
            <testcase name="flaky"><flakyFailure message="once"/></testcase></testsuite>"#;
        let expected = Junit {
            counts: TestCounts { passed: 2, failed: 2, ignored: 1 },
            failures: vec![case("a", "bad \"one\"", "x < y"), case("", "worse", "日本 <&> &lol; 雅")],
        };
        assert_eq!(read(report.as_bytes()).expect("works"), expected);
    }

    #[test]
    fn entities_of_a_document_are_not_expanded() {
        let report = r#"<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b SYSTEM "file:///etc/passwd">]>
            <testsuites><testsuite><testcase name="&a;"><failure message="m">&a;&b;</failure></testcase></testsuite></testsuites>"#;
        assert_eq!(read(report.as_bytes()).expect("works").failures, vec![case("", "&a;", "m\n&a;&b;")]);
    }

    #[test]
    fn what_is_no_report_is_named() {
        let message = |text: &str| read(text.as_bytes()).expect_err("is refused").to_string();
        assert_eq!(message(""), "the JUnit report cannot be read: it holds no test suite");
        assert_eq!(message("<testsuites>"), "the JUnit report cannot be read: it ends in the middle");
        assert!(message("<testsuites></other>").starts_with("the JUnit report cannot be read: "));
    }
}
