//! The end of a command that drove a run: what came of it, or what is needed now.

use miyabi_core::event::Escalation;
use miyabi_core::run::{Phase, Run, StepState};
use miyabi_core::status::Status;
use miyabi_core::worktree::Worktree;
use miyabi_engine::Rest;

use crate::output::clean::{clean_line, short};
use crate::output::text;

/// The summary of a run that came to rest. `worktrees` are those that are there now; `hints`: with commands that can
/// be typed next.
pub fn summary(run: &Run, rest: &Rest, worktrees: &[Worktree], hints: bool) -> String {
    let issue = &run.started.issue;
    let number = run.started.number;
    let mut lines = Vec::new();
    let time = text::duration(run.last_at.duration_since(run.started_at));
    let title = text::about(issue, 80);
    match rest {
        Rest::Ended(Status::Succeeded) => lines.push(format!("✓ {title}: done in {time}")),
        Rest::Ended(status) => {
            let reason = run.ended.as_ref().map_or("", |(_, reason)| reason.as_str());
            lines.push(format!("✗ {title}: {status} after {time}"));
            lines.push(format!("  why        {}", short(reason, 400)));
        }
        Rest::Asking(_) => lines.push(format!("? {title}: waits for you")),
        Rest::Waiting(_) => lines.push(format!("… {title}: waits for its forge")),
        Rest::Interrupted => {
            lines.push(format!("⊘ {title}: interrupted after {time}"));
            lines.extend(hints.then(|| format!("  go on      miyabi resume {number}")));
        }
    }
    facts(run, &mut lines);
    let left = left_worktrees(run, worktrees);
    let ended = matches!(rest, Rest::Ended(Status::Succeeded));
    if !left.is_empty() || ended {
        let names: Vec<_> = left.iter().map(|worktree| worktree.name.as_str()).collect();
        let names = if names.is_empty() { "none left".to_owned() } else { names.join(", ") };
        lines.push(format!("  worktrees  {names}"));
    }
    lines.extend(hints.then(|| format!("  report     miyabi report {number}")));
    for state in run.steps().iter().filter(|state| state.phase == Phase::Ended(Status::Failed)) {
        failed(run, state, worktrees, &mut lines);
    }
    for question in run.questions.values() {
        lines.push(String::new());
        asked(question, &mut lines);
    }
    lines.join("\n") + "\n"
}

/// A question with its answers as commands.
pub fn asked(question: &Escalation, lines: &mut Vec<String>) {
    let severity = serde_json::to_value(question.severity).ok();
    let severity = severity.as_ref().and_then(|word| word.as_str()).unwrap_or("medium");
    lines.push(format!("question {} ({severity}): {}", question.id, short(&question.reason, 300)));
    for check in question.context.failing_checks.iter().take(10) {
        lines.push(format!("  - {}", short(check, 200)));
    }
    if question.context.failing_checks.len() > 10 {
        lines.push(format!("  … {} more", question.context.failing_checks.len() - 10));
    }
    lines.push(format!("  recommended: {}", short(&question.context.recommendation, 300)));
    lines.push(format!(
        "  without an answer, `{}` is taken at {} UTC",
        question.default_action,
        text::date_time(question.deadline)
    ));
    if question.actions.iter().any(|action| action.id == "modify") {
        lines.push(format!("the plan, as a file to change: miyabi escalation plan {}", question.id));
    }
    if question.actions.iter().any(|action| action.id == "manual_fix") {
        lines.push(format!("the worktree, in your editor: miyabi escalation open {}", question.id));
    }
    lines.push("answer with one of:".to_owned());
    for action in &question.actions {
        lines.push(format!(
            "  miyabi escalation answer {} --action {}{}   # {}",
            question.id,
            clean_line(&action.id),
            if action.id == "modify" { " --tasks FILE" } else { "" },
            short(&action.label, 120)
        ));
    }
}

fn facts(run: &Run, lines: &mut Vec<String>) {
    if let Some(report) = run.report() {
        let missing = match report.not_measured.len() {
            0 => String::new(),
            n => format!(", {} not measured", text::count(n, "thing")),
        };
        lines.push(format!("  score      {}/100{missing}", report.score));
    }
    if let Some(change) = run.change().and_then(|receipt| receipt.change) {
        lines.push(format!("  change     #{change}"));
    }
    if let Some(commit) = merged(run) {
        lines.push(format!(
            "  merged     {} into {}",
            text::short_id(&commit),
            clean_line(&run.started.base_branch)
        ));
    }
    let closed = run.steps().iter().any(|state| {
        state.step.work == miyabi_core::plan::Work::Uses(miyabi_core::plan::Uses::Close)
            && state.phase == Phase::Ended(Status::Succeeded)
    });
    if run.started.payload.is_none() {
        lines.push(format!("  issue      {}", if closed { "closed" } else { "open" }));
    }
    let tasks = run.tasks().count();
    if tasks > 0 {
        let done = run.tasks().filter(|(state, _)| state.phase == Phase::Ended(Status::Succeeded)).count();
        lines.push(format!("  tasks      {done} of {tasks} done"));
    }
    if !run.sessions.is_empty() {
        lines.push(format!(
            "  cost       {} in {}",
            text::cost(&run.usage()),
            text::count(run.sessions.len(), "agent session")
        ));
    }
}

/// The commit that merged the change.
pub fn merged(run: &Run) -> Option<String> {
    let merge = miyabi_core::plan::Work::Uses(miyabi_core::plan::Uses::Merge);
    let state =
        run.steps().iter().rev().find(|state| state.step.work == merge && state.output().is_some())?;
    state.output()?["merge_commit"].as_str().map(str::to_owned)
}

fn failed(run: &Run, state: &StepState, worktrees: &[Worktree], lines: &mut Vec<String>) {
    let Some(failure) = state.failure() else { return };
    lines.push(String::new());
    lines.push(format!("{} failed: {}", state.step.id, short(&failure.message, 500)));
    let evidence = failure.evidence.as_array().into_iter().flatten().filter_map(|line| line.as_str());
    lines.extend(evidence.take(8).map(|line| format!("  - {}", short(line, 200))));
    if let Some(hint) = &failure.hint {
        lines.push(format!("  hint: {}", short(hint, 300)));
    }
    if let Some(session) = run.sessions.iter().rev().find(|session| session.step == state.step.id) {
        lines.push(format!("  transcript: {}", session.transcript.display()));
    }
    let of_step = state.step.task().and_then(|task| task.id.as_str().rsplit('-').next());
    let name = of_step.map(|n| format!("issue-{}-task{n}", run.started.issue.number));
    if let Some(worktree) = worktrees.iter().find(|worktree| Some(&worktree.name) == name.as_ref()) {
        lines.push(format!("  worktree: {}", worktree.path.display()));
    }
}

/// The worktrees of the run's issue.
fn left_worktrees<'a>(run: &Run, worktrees: &'a [Worktree]) -> Vec<&'a Worktree> {
    let issue = run.started.issue.number;
    worktrees
        .iter()
        .filter(|worktree| crate::views::status::issue_of(&worktree.name) == Some(issue))
        .collect()
}
