//! The body of a change, and the comment on the issue that leads to it.

use std::fmt::Write as _;

use super::counted;
use super::quality::quality_section;
use crate::ids::{ChangeNumber, IssueNumber, RunId};
use crate::plain::{code, literal, place};
use crate::report::{CheckEnd, CheckKind, Measured, Report, TestCounts, quality_label};
use crate::task::Task;

/// More tasks than this are counted, not listed.
const SHOWN: usize = 100;

/// What the body of a change is made of.
#[derive(Clone, Copy, Debug)]
pub struct ChangeFacts<'a> {
    /// The issue that it answers.
    pub issue: IssueNumber,
    /// The issue's title; untrusted.
    pub title: &'a str,
    /// What was done.
    pub tasks: &'a [Task],
    /// The report of the commit that is proposed.
    pub report: &'a Report,
    /// The run.
    pub run: &'a RunId,
}

/// The body of a change: Summary, Quality Report, Checklist, and the words that close the issue.
///
/// A box is ticked only where a measurement says so; one that is not says why.
pub fn change_body(facts: &ChangeFacts<'_>) -> String {
    let ChangeFacts { issue, tasks, report, .. } = facts;
    let mut text = String::from("## Summary\n\n");
    let _ = writeln!(text, "{}\n", literal(facts.title, 200));
    for task in tasks.iter().take(SHOWN) {
        let _ = writeln!(text, "- {} ({})", literal(&task.title, 200), task.kind.as_str());
    }
    if tasks.len() > SHOWN {
        let _ = writeln!(text, "- … and {} more", tasks.len() - SHOWN);
    }
    let _ = writeln!(text, "\n## Quality Report\n\n{}## Checklist\n", quality_section(report));
    for (what, answer) in checklist(report) {
        let _ = match answer {
            Ok(()) => writeln!(text, "- [x] {what}"),
            Err(why) => writeln!(text, "- [ ] {what} ({})", literal(&why, 200)),
        };
    }
    let _ = writeln!(text, "\nMade by run {}.\n\nCloses #{issue}", code(facts.run.as_str(), 64));
    text
}

/// The comment on an issue that leads to its change.
pub fn link_comment(change: ChangeNumber, url: &str, report: &Report) -> String {
    format!(
        "Change #{change} answers this issue: {}\n\n**{} / 100** · `{}` · **{}**\n",
        place(url),
        report.score,
        quality_label(report.score),
        report.recommendation.as_str(),
    )
}

/// What a reader wants to know, and the measurement that says so or why there is none.
fn checklist(report: &Report) -> Vec<(&'static str, Result<(), String>)> {
    let measured = &report.measured;
    let tests = judge(&measured.tests, |counts| match counts {
        TestCounts { failed: failed @ 1.., .. } => Err(format!("{failed} failing")),
        TestCounts { passed: 0, .. } => Err("there is none".to_owned()),
        _ => Ok(()),
    });
    let coverage = judge(&measured.coverage, |coverage| {
        let enough =
            coverage.lines > 0 && u128::from(coverage.covered) * 100 >= u128::from(coverage.lines) * 95;
        if enough { Ok(()) } else { Err(format!("{} of {} lines", coverage.covered, coverage.lines)) }
    });
    let lint = judge(&measured.lint_warnings, |&count| none(count, "warning", "warnings"));
    let security = judge(&measured.security, |found| {
        none(found.critical_or_high + found.medium + found.low, "vulnerability", "vulnerabilities")
    });
    let docs = judge(&measured.docs, |docs| {
        let all = docs.documented >= docs.public;
        if all { Ok(()) } else { Err(format!("{} of {}", docs.documented, docs.public)) }
    });
    let mut list = vec![
        (
            "It builds",
            judge(&measured.build, |&built| if built { Ok(()) } else { Err("it does not".to_owned()) }),
        ),
        ("All tests pass", tests),
        ("At least 95 % of the lines are covered", coverage),
        ("No linter warning", lint),
        ("No known vulnerability in the dependencies", security),
        ("Every public item is documented", docs),
        ("No secret in the added lines", judge(&measured.secrets, |&count| none(count, "found", "found"))),
    ];
    let format = report.checks.iter().find(|check| check.kind == CheckKind::Format);
    if let Some(format) = format {
        let answer = match &format.end {
            CheckEnd::Passed => Ok(()),
            CheckEnd::Failed => Err("it is not".to_owned()),
            CheckEnd::NotMeasured { reason } => Err(format!("not measured: {reason}")),
        };
        list.insert(4, ("The code is formatted", answer));
    }
    list
}

fn judge<T>(measured: &Measured<T>, judge: impl FnOnce(&T) -> Result<(), String>) -> Result<(), String> {
    match measured {
        Measured::Value(value) => judge(value),
        Measured::Missing(reason) => Err(format!("not measured: {reason}")),
    }
}

fn none(count: u64, one: &str, many: &str) -> Result<(), String> {
    if count == 0 { Ok(()) } else { Err(counted(count, one, many)) }
}
