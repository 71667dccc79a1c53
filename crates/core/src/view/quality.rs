//! The quality report as a comment.

use std::fmt::Write as _;

use super::{counted, points};
use crate::ids::IssueNumber;
use crate::plain::{code, fenced, literal, one_line};
use crate::report::{
    Coverage, DocCounts, Finding, Measured, Measurements, Reading, Remark, Report, TestCounts,
    Vulnerabilities, quality_label,
};

/// The most findings in the comment; the report has all of them.
const SHOWN: usize = 10;
/// The longest finding in the comment, in characters.
const FINDING: usize = 300;
/// The longest sentence about what was not measured, in characters.
const SENTENCE: usize = 300;

/// The report of an issue's change, bound to the commit and tree that were measured.
pub fn quality_comment(issue: IssueNumber, report: &Report) -> String {
    format!("## Quality Report #{issue}\n\n{}", quality_body(report))
}

/// The report of a checkout that no issue stands behind.
pub fn quality_report(report: &Report) -> String {
    format!("## Quality Report\n\n{}", quality_body(report))
}

fn quality_body(report: &Report) -> String {
    let mut text = quality_section(report);
    let shown: Vec<String> = report.issues.iter().take(SHOWN).map(finding_line).collect();
    if !shown.is_empty() {
        let _ = writeln!(text, "### Findings ({} of {})\n", shown.len(), report.issues.len());
        text.push_str(&fenced(&shown.join("\n"), "text"));
        text.push('\n');
    }
    if let Some(reading) = &report.reading {
        text.push_str(&reading_section(reading));
    }
    let _ = writeln!(
        text,
        "Commit {}, tree {}.",
        code(report.commit.as_str(), 64),
        code(report.tree.as_str(), 64)
    );
    text
}

/// What an agent that read the change says of it.
fn reading_section(reading: &Reading) -> String {
    let mut text = format!("### Remarks of {} (they are no points)\n\n", code(&reading.by, 100));
    match &reading.remarks {
        Measured::Missing(why) => {
            let _ = writeln!(text, "None, because it could not: {}\n", literal(why, SENTENCE));
        }
        Measured::Value(remarks) if remarks.is_empty() => text.push_str("It found nothing wrong.\n\n"),
        Measured::Value(remarks) => {
            let line = |remark: &Remark| {
                one_line(&format!("{} {}", remark.severity.as_str(), remark.line_of()), FINDING)
            };
            let shown: Vec<String> = remarks.iter().take(SHOWN).map(line).collect();
            text.push_str(&fenced(&shown.join("\n"), "text"));
            if remarks.len() > SHOWN {
                let _ = writeln!(text, "and {} more", remarks.len() - SHOWN);
            }
            text.push('\n');
        }
    }
    text
}

/// Score, table and what is said beside it; also part of the change's body.
pub(super) fn quality_section(report: &Report) -> String {
    let mut text = format!(
        "**{} / 100** · `{}` · **{}**\n\n| Component | Points | Of | Measured |\n|---|---:|---:|---|\n",
        report.score,
        quality_label(report.score),
        report.recommendation.as_str(),
    );
    let (breakdown, measured, weights) = (&report.breakdown, &report.measured, report.weights);
    for (name, earned, most, what) in [
        ("Tests", breakdown.tests, weights.tests, tests(measured)),
        ("Lint", breakdown.clippy, weights.clippy, lint(&measured.lint_warnings)),
        ("Security", breakdown.security, weights.security, security(&measured.security)),
        ("Docs", breakdown.docs, weights.docs, docs(&measured.docs)),
    ] {
        let _ = writeln!(text, "| {name} | {} | {most} | {what} |", points(earned));
    }
    text.push('\n');
    list(&mut text, "Closed gates", &report.gates);
    list(&mut text, "Not measured", &report.not_measured);
    list(&mut text, "Notes", &report.notes);
    if let Some(rescaled) = &report.rescaled {
        let _ = writeln!(text, "**Rescaled**: {}\n", literal(rescaled, SENTENCE));
    }
    text
}

fn list(text: &mut String, name: &str, sentences: &[String]) {
    if sentences.is_empty() {
        return;
    }
    let _ = writeln!(text, "**{name}**\n");
    for sentence in sentences {
        let _ = writeln!(text, "- {}", literal(sentence, SENTENCE));
    }
    text.push('\n');
}

fn tests(measured: &Measurements) -> String {
    let tests = match &measured.tests {
        Measured::Value(TestCounts { passed: 0, failed: 0, .. }) => "no test".to_owned(),
        Measured::Value(counts) => {
            let mut text = format!("{} passed", counts.passed);
            for (count, word) in [(counts.failed, "failed"), (counts.ignored, "ignored")] {
                if count > 0 {
                    let _ = write!(text, ", {count} {word}");
                }
            }
            text
        }
        Measured::Missing(_) => return "not measured".to_owned(),
    };
    match &measured.coverage {
        Measured::Value(Coverage { lines, covered }) if *lines > 0 => {
            // In tenths of a per cent, rounded down, so that 100.0 % is all of it.
            let tenths = u128::from(*covered.min(lines)) * 1000 / u128::from(*lines);
            format!("{tests}; {}.{} % of the lines covered", tenths / 10, tenths % 10)
        }
        _ => format!("{tests}; coverage not measured"),
    }
}

fn lint(warnings: &Measured<u64>) -> String {
    warnings.value().map_or_else(missing, |&warnings| counted(warnings, "warning", "warnings"))
}

fn security(found: &Measured<Vulnerabilities>) -> String {
    let Some(found) = found.value() else { return missing() };
    let packages = counted(found.packages, "package", "packages");
    let levels: Vec<String> =
        [(found.critical_or_high, "critical or high"), (found.medium, "medium"), (found.low, "low")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
    match (found.packages, levels.is_empty()) {
        (0, true) => "no third-party package".to_owned(),
        (_, true) => format!("{packages}, no known vulnerability"),
        (_, false) => format!("{packages}; vulnerabilities: {}", levels.join(", ")),
    }
}

fn docs(docs: &Measured<DocCounts>) -> String {
    match docs.value() {
        None => missing(),
        Some(DocCounts { public: 0, .. }) => "no public item".to_owned(),
        Some(DocCounts { public, documented }) => {
            format!("{documented} of {}", counted(*public, "public item", "public items"))
        }
    }
}

fn missing() -> String {
    "not measured".to_owned()
}

/// `high lint clippy::x src/a.rs:7: message`, on one line.
pub(super) fn finding_line(finding: &Finding) -> String {
    let mut line = format!("{} {} {}", finding.severity.as_str(), finding.check.as_str(), finding.rule);
    if let Some(file) = &finding.file {
        let _ = write!(line, " {file}");
        if let Some(number) = finding.line {
            let _ = write!(line, ":{number}");
        }
    }
    let message = finding.message.lines().next().unwrap_or_default();
    one_line(&format!("{line}: {message}"), FINDING)
}
