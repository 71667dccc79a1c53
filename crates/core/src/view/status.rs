//! Where a run stands, as the one comment that is edited while it goes on.

use std::fmt::Write;

use crate::plain::{code, literal};
use crate::plan::Work;
use crate::run::{Phase, Run, StepState};
use crate::status::Status;

/// The state of the flow's own steps and of the tasks; `stage` says what comes now.
pub fn status_comment(run: &Run, stage: &str) -> String {
    let started = &run.started;
    let mut text = format!(
        "## Status #{}\n\nRun {} by {} (asked for by {}): **{}**\n\n",
        started.issue.number,
        started.number,
        code(&started.flow, 60),
        literal(&started.actor, 100),
        literal(stage, 300),
    );
    for state in run.steps().iter().filter(|state| is_of_flow(state)) {
        let (mark, status) = match (&state.phase, state.status()) {
            (Phase::Ended(_), status @ (Status::Succeeded | Status::Superseded)) => ('x', status),
            (_, status) => (' ', status),
        };
        let _ = writeln!(text, "- [{mark}] {} {status}", code(state.step.id.as_str(), 60));
    }
    let tasks = run.tasks().count();
    if tasks > 0 {
        let merged = run.steps().iter().filter(|state| {
            matches!(state.step.work, Work::Integrate(_)) && state.phase == Phase::Ended(Status::Succeeded)
        });
        let _ = writeln!(text, "\n{} of {tasks} tasks merged.", merged.count().min(tasks));
    }
    if started.hosted {
        text.push_str("\n`/miyabi stop` ends the run; `/miyabi status` brings this comment up to date.\n");
    }
    text
}

/// A short reply to somebody; the text is literal.
pub fn reply(text: &str) -> String {
    literal(text, 1000)
}

fn is_of_flow(state: &StepState) -> bool {
    matches!(state.step.work, Work::Uses(_))
}
