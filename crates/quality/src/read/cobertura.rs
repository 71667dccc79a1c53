//! Line coverage in XML: Cobertura's format, which coverage.py, Istanbul, coverlet and others write, and JaCoCo's.
//!
//! As in [`junit`](super::junit), entities of the document are not resolved.

use miyabi_core::report::Coverage;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::ReadError;
use super::lines::Lines;

const COBERTURA: &str = "the Cobertura report";
const JACOCO: &str = "the JaCoCo report";

/// Reads a Cobertura report. Errors: `Xml` when it is not well-formed, `Shape` when it is no such report or ends early.
pub fn read(report: &[u8]) -> Result<Coverage, ReadError> {
    let mut file = String::new();
    walk(report, COBERTURA, "coverage", |tag, lines| {
        match tag.local_name().as_ref() {
            "class" => file = attribute(tag, COBERTURA, "filename")?,
            "line" => {
                let (number, hits) = (number(tag, COBERTURA, "number")?, number(tag, COBERTURA, "hits")?);
                lines.see(&file, number, hits > 0);
            }
            _ => {}
        }
        Ok(())
    })
}

/// Reads a JaCoCo report, with the same errors. A line ran if one of its instructions did.
pub fn jacoco(report: &[u8]) -> Result<Coverage, ReadError> {
    let (mut package, mut file) = (String::new(), String::new());
    walk(report, JACOCO, "report", |tag, lines| {
        match tag.local_name().as_ref() {
            "package" => package = attribute(tag, JACOCO, "name")?,
            "sourcefile" => file = format!("{package}/{}", attribute(tag, JACOCO, "name")?),
            "line" => lines.see(&file, number(tag, JACOCO, "nr")?, number(tag, JACOCO, "ci")? > 0),
            _ => {}
        }
        Ok(())
    })
}

fn walk(
    report: &[u8],
    what: &'static str,
    root: &str,
    mut see: impl FnMut(&BytesStart<'_>, &mut Lines) -> Result<(), ReadError>,
) -> Result<Coverage, ReadError> {
    let text = String::from_utf8_lossy(report);
    let mut reader = Reader::from_str(&text);
    let mut lines = Lines::default();
    let (mut depth, mut is_one) = (0_u64, false);
    loop {
        match reader.read_event().map_err(|source| ReadError::Xml { what, source })? {
            Event::Start(tag) => {
                is_one |= depth == 0 && tag.local_name().as_ref() == root;
                depth += 1;
                see(&tag, &mut lines)?;
            }
            Event::Empty(tag) => {
                is_one |= depth == 0 && tag.local_name().as_ref() == root;
                see(&tag, &mut lines)?;
            }
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::Eof => break,
            _ => {}
        }
    }
    match (is_one, depth) {
        (false, _) => Err(shape(what, format!("it does not begin with `<{root}>`"))),
        (true, 0) => Ok(lines.coverage()),
        (true, _) => Err(shape(what, "it ends in the middle".to_owned())),
    }
}

fn attribute(tag: &BytesStart<'_>, what: &'static str, name: &str) -> Result<String, ReadError> {
    let found = tag.try_get_attribute(name).map_err(|error| ReadError::Xml { what, source: error.into() })?;
    let value =
        found.and_then(|found| Some(found.normalized_value(XmlVersion::Implicit1_0).ok()?.into_owned()));
    value.ok_or_else(|| {
        let tag = String::from_utf8_lossy(tag.local_name().as_ref().as_bytes()).into_owned();
        shape(what, format!("a `<{tag}>` has no `{name}`"))
    })
}

fn number(tag: &BytesStart<'_>, what: &'static str, name: &str) -> Result<u64, ReadError> {
    let text = attribute(tag, what, name)?;
    let digits = text.chars().all(|c| c.is_ascii_digit()) && !text.is_empty();
    match text.parse() {
        Ok(number) => Ok(number),
        // Counts beyond 64 bits have been seen in the wild.
        Err(_) if digits => Ok(u64::MAX),
        Err(_) => {
            Err(shape(what, format!("`{name}` is not a number: `{}`", crate::findings::cut(&text, 40))))
        }
    }
}

fn shape(what: &'static str, detail: String) -> ReadError {
    ReadError::Shape { what, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_coverage_py_is_read() {
        let coverage = read(include_bytes!("../../recordings/coverage-7.17.3.xml")).expect("works");
        assert_eq!(coverage, Coverage { lines: 6, covered: 4 });
    }

    #[test]
    fn a_line_in_a_method_and_in_its_class_counts_once() {
        let report = r#"<coverage><packages><package><classes><class filename="雅.py">
            <methods><method><lines><line number="1" hits="0"/></lines></method></methods>
            <lines><line number="1" hits="99999999999999999999"/><line number="2" hits="0"/></lines>
            </class></classes></package></packages></coverage>"#;
        assert_eq!(read(report.as_bytes()).expect("works"), Coverage { lines: 2, covered: 1 });
    }

    #[test]
    fn jacoco_tells_instructions() {
        let report = r#"<!DOCTYPE report PUBLIC "-//JACOCO//DTD Report 1.1//EN" "report.dtd"><report name="x">
            <package name="a"><sourcefile name="A.java"><line nr="1" mi="0" ci="3"/><line nr="2" mi="2" ci="0"/>
            </sourcefile></package><package name="b"><sourcefile name="A.java"><line nr="1" mi="1" ci="1"/>
            </sourcefile></package></report>"#;
        assert_eq!(jacoco(report.as_bytes()).expect("works"), Coverage { lines: 3, covered: 2 });
    }

    #[test]
    fn what_is_no_report_is_named() {
        let message = |text: &str| read(text.as_bytes()).expect_err("is refused").to_string();
        assert_eq!(message(""), "the Cobertura report cannot be read: it does not begin with `<coverage>`");
        assert_eq!(message("<coverage>"), "the Cobertura report cannot be read: it ends in the middle");
        assert_eq!(
            message("<coverage><line number='1'/></coverage>"),
            "the Cobertura report cannot be read: a `<line>` has no `hits`"
        );
        assert_eq!(
            message("<coverage><line number='x' hits='1'/></coverage>"),
            "the Cobertura report cannot be read: `number` is not a number: `x`"
        );
    }
}
