//! The comment that ends an issue: figures and a timeline, each taken from an event.

use std::fmt::Write;

use jiff::{SignedDuration, Timestamp, Unit};

use crate::plan::Work;
use crate::run::{Phase, Run, StepState};
use crate::status::Status;

/// The summary of a run as a comment on its issue. `now` ends what has not ended yet.
pub fn summary_comment(run: &Run, status: Status, reason: &str, now: Timestamp) -> String {
    let mut text = format!("## Run {}: {status}\n\n", run.started.number);
    if status != Status::Succeeded {
        let _ = writeln!(text, "{}\n", crate::plain::literal(reason, 1000));
    }
    let _ = writeln!(text, "| what | measured |\n|---|---|");
    for (what, measured) in figures(run, now) {
        let _ = writeln!(text, "| {what} | {measured} |");
    }
    let _ = writeln!(
        text,
        "\n### Timeline\n\n| step | status | began (UTC) | took | attempts |\n|---|---|---|---|---|"
    );
    let mut steps: Vec<_> = run.steps().iter().filter(|state| state.started_at.is_some()).collect();
    steps.sort_by_key(|state| state.started_at);
    for state in steps {
        let Some(began) = state.started_at else { continue };
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} |",
            state.step.id,
            state.status(),
            began.strftime("%H:%M:%S"),
            took(began, state.ended_at.unwrap_or(now)),
            state.attempt,
        );
    }
    text
}

/// Every figure that was measured, and nothing else.
fn figures(run: &Run, now: Timestamp) -> Vec<(&'static str, String)> {
    let count = |want: fn(&StepState) -> bool| run.steps().iter().filter(|state| want(state)).count();
    let tasks = run.tasks().count();
    let merged = count(|state| {
        matches!(state.step.work, Work::Integrate(_)) && state.phase == Phase::Ended(Status::Succeeded)
    });
    let usage = run.usage();
    let tokens: Option<u64> = usage.input_tokens.into_iter().chain(usage.output_tokens).reduce(|a, b| a + b);
    let report = run.report();
    let change = run.change().and_then(|receipt| receipt.change);
    let mut figures = vec![("total time", took(run.started_at, now))];
    let mut add = |what, measured: Option<String>| figures.extend(measured.map(|measured| (what, measured)));
    add("tasks", (tasks > 0).then(|| format!("{tasks}, {merged} merges")));
    add("agent sessions", (!run.sessions.is_empty()).then(|| run.sessions.len().to_string()));
    add("tokens", tokens.map(|tokens| tokens.to_string()));
    add("cost", usage.cost_usd.map(|cost| format!("{cost:.4} USD")));
    add("quality", report.map(|report| format!("{} of 100 at `{}`", report.score, report.commit)));
    add("change", change.map(|change| format!("#{change}")));
    add("answers by people", Some(run.answers_by_people.to_string()));
    figures
}

/// A span of time for people: `1m 5s`, `420ms`.
pub fn took(from: Timestamp, to: Timestamp) -> String {
    let span = to.duration_since(from).max(SignedDuration::ZERO);
    let rounded = match span.as_secs() {
        0 => return format!("{}ms", span.as_millis()),
        1..60 => return format!("{:.1}s", span.as_secs_f64()),
        _ => span.round(Unit::Second).unwrap_or(span),
    };
    let (hours, minutes, seconds) =
        (rounded.as_secs() / 3600, rounded.as_secs() / 60 % 60, rounded.as_secs() % 60);
    match hours {
        0 => format!("{minutes}m {seconds}s"),
        _ => format!("{hours}h {minutes}m {seconds}s"),
    }
}
