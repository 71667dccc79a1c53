//! The story of a run as Markdown.

use jiff::SignedDuration;

use super::{Quality, RunReport};
use crate::output::clean::{clean_line, short};
use crate::output::text;

/// The report in Markdown. Only what was measured; what was not is named at the end.
pub fn render(report: &RunReport) -> String {
    let issue = if report.issue == 0 { String::new() } else { format!(" (#{})", report.issue) };
    let mut out = format!("# Run {}: {}{issue}\n\n", report.number, cell(&report.title));
    let reason = report.reason.as_ref().map_or_else(String::new, |reason| format!(" — {}", cell(reason)));
    out.push_str(&format!("- Status: {}{reason}\n", report.status));
    let took = time(Some(report.duration_ms));
    out.push_str(&format!(
        "- Began: {} UTC, {took} until {}\n",
        text::date_time(report.started_at),
        if report.completion_time.is_some() { "its end" } else { "its last event" }
    ));
    out.push_str(&format!("- Asked for by: {}\n- Agent: {}\n", cell(&report.actor), cell(&report.agent)));
    if let Some(change) = report.change {
        let merged = report
            .merge_commit
            .as_ref()
            .map_or_else(|| ", not merged".to_owned(), |id| format!(", merged as {}", text::short_id(id)));
        out.push_str(&format!("- Change: #{change}{merged}\n"));
    }
    out.push_str(&format!("- Run id: `{}`\n", report.run));
    phases(report, &mut out);
    tasks(report, &mut out);
    match &report.quality {
        Some(quality) => of_quality(quality, &mut out),
        None => out.push_str("\n## Quality\n\nNo report.\n"),
    }
    people(report, &mut out);
    cost(report, &mut out);
    out.push_str("\n## Not measured\n\n");
    if report.not_measured.is_empty() {
        out.push_str("Everything that counts was measured.\n");
    }
    for missing in &report.not_measured {
        out.push_str(&format!("- {}\n", clean_line(missing)));
    }
    out
}

fn phases(report: &RunReport, out: &mut String) {
    out.push_str("\n## Phases\n\n| phase | status | began | took | attempts | agent | input | output |\n|---|---|---|---|---|---|---|---|\n");
    for phase in &report.phases {
        out.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} |\n",
            cell(&phase.name),
            phase.status,
            text::clock(phase.started_at),
            time(phase.duration_ms),
            phase.attempts,
            cell(&phase.agent),
            cell(&phase.input),
            cell(&phase.output)
        ));
    }
}

fn tasks(report: &RunReport, out: &mut String) {
    if report.tasks.is_empty() {
        return;
    }
    out.push_str("\n## Tasks\n\n| task | title | status | began | took | attempts | result |\n|---|---|---|---|---|---|---|\n");
    for task in &report.tasks {
        let purpose =
            if task.purpose == "implement" { String::new() } else { format!(" ({})", task.purpose) };
        out.push_str(&format!(
            "| {} | {}{purpose} | {} | {} | {} | {} | {} |\n",
            cell(&task.id),
            cell(&task.title),
            task.status,
            task.started_at.map_or_else(|| "–".to_owned(), text::clock),
            time(task.duration_ms),
            task.attempts,
            cell(&task.outcome)
        ));
    }
}

fn of_quality(quality: &Quality, out: &mut String) {
    let points = quality.breakdown;
    out.push_str(&format!(
        "\n## Quality\n\nScore **{}/100** for commit {}.\n\n",
        quality.score,
        text::short_id(&quality.commit)
    ));
    out.push_str("| what | measured | points |\n|---|---|---|\n");
    let or = |text: Option<String>| text.unwrap_or_else(|| "not measured".to_owned());
    let tests = or(quality.tests.map(|(passed, failed)| format!("{passed} passed, {failed} failed")));
    let coverage = or(quality.coverage.map(|percent| format!("{percent:.1} %")));
    let warnings =
        or(quality.warnings.map(|n| text::count(usize::try_from(n).unwrap_or(usize::MAX), "warning")));
    let found = or(quality.vulnerabilities.map(|(high, medium, low)| match quality.packages {
        Some(0) => "no third-party package".to_owned(),
        _ => format!("{high} critical or high, {medium} medium, {low} low"),
    }));
    let docs = or(quality
        .docs
        .map(|(documented, public)| format!("{documented} of {public} public items documented")));
    out.push_str(&format!("| tests | {tests}; coverage {coverage} | {:.1} of 35 |\n", points.tests));
    out.push_str(&format!("| lint | {warnings} | {:.1} of 25 |\n", points.clippy));
    out.push_str(&format!("| vulnerabilities | {found} | {:.1} of 20 |\n", points.security));
    out.push_str(&format!("| documentation | {docs} | {:.1} of 20 |\n", points.docs));
    for gate in &quality.gates {
        out.push_str(&format!("\nHard gate closed: {}\n", clean_line(gate)));
    }
    out.push_str("\n| check | ended | took |\n|---|---|---|\n");
    for (command, _, end, ms) in &quality.checks {
        out.push_str(&format!(
            "| `{}` | {} | {} |\n",
            cell(command).replace('`', "'"),
            cell(end),
            time(i64::try_from(*ms).ok())
        ));
    }
}

fn people(report: &RunReport, out: &mut String) {
    out.push_str(&format!(
        "\n## People\n\n{} asked.\n",
        text::count(report.questions_raised as usize, "question")
    ));
    for what in &report.interventions {
        let step = what.step.as_ref().map_or_else(String::new, |step| format!(" ({})", cell(step)));
        out.push_str(&format!("- {}: {}{step}\n", cell(&what.by), cell(&what.what)));
    }
}

fn cost(report: &RunReport, out: &mut String) {
    out.push_str(&format!("\n## Cost\n\n{}.\n", text::count(report.sessions, "agent session")));
    let usage = &report.usage;
    let figures = [
        usage.cost_usd.map(|cost| format!("cost: ${cost:.4}")),
        usage.input_tokens.map(|n| format!("input tokens: {n}")),
        usage.output_tokens.map(|n| format!("output tokens: {n}")),
        usage.turns.map(|n| format!("turns: {n}")),
    ];
    for figure in figures.into_iter().flatten() {
        out.push_str(&format!("- {figure}, as the agents state it\n"));
    }
}

fn time(ms: Option<i64>) -> String {
    ms.map_or_else(|| "–".to_owned(), |ms| text::duration(SignedDuration::from_millis(ms)))
}

/// Text inside a cell of a table or a line: it can neither end the cell nor begin markup of its own.
fn cell(text: &str) -> String {
    short(text, 200).replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;")
}
