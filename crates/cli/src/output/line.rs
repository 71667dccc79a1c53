//! One event as one line for people. Pure; untrusted text is cleaned here.

use miyabi_core::commit_mark::Conclusion;
use miyabi_core::event::{Event, EventBody, Gate, SessionEnded};
use miyabi_core::ids::{Attempt, StepId};
use miyabi_core::intent::{Receipt, Write};
use miyabi_core::plan::Work;
use miyabi_core::run::Run;
use miyabi_core::session::SessionEnd;
use miyabi_core::status::Status;
use serde_json::Value;

use super::clean::{clean_line, short};
use super::text;

/// The line that progress shows for an event; `None` for what only the whole log needs. `run` is the state with it.
pub fn line(run: &Run, event: &Event) -> Option<String> {
    let quiet = match &event.body {
        EventBody::SessionNamed { .. }
        | EventBody::SessionStarted(_)
        | EventBody::IntentRecorded(_)
        | EventBody::IntentDone { .. } => true,
        EventBody::GateDecided { gate, .. } => matches!(gate, Gate::Proceed | Gate::Escalate),
        EventBody::StepStarted { step, .. } => is_light(run, step),
        EventBody::SessionEnded(ended) => {
            ended.end == SessionEnd::Completed && ended.leftovers == 0 && ended.changed_outside.is_empty()
        }
        _ => false,
    };
    (!quiet).then(|| format!("{} {}", text::clock(event.at), describe(run, event)))
}

/// What happened, in a line without its time.
pub fn describe(run: &Run, event: &Event) -> String {
    match &event.body {
        EventBody::RunStarted(started) => format!(
            "run {} started for {}: {} (agent {}, base {} {})",
            started.number,
            match started.issue.number {
                0 => format!("flow {}", clean_line(&started.flow)),
                number => format!("issue #{number}"),
            },
            short(&started.issue.title, 80),
            short(&started.adapter.to_string(), 60),
            clean_line(&started.base_branch),
            text::short_id(started.base_commit.as_str()),
        ),
        EventBody::StepStarted { step, attempt } => format!("{} started{}", step, tries(*attempt)),
        EventBody::SessionStarted(session) => {
            let kept = session.containment.map(|level| format!(" ({level})")).unwrap_or_default();
            let does = if session.resumes.is_some() { "goes on" } else { "works" };
            format!(
                "{} agent {} {does} in {}{kept}",
                session.step,
                short(&session.adapter, 60),
                session.worktree.display()
            )
        }
        EventBody::SessionNamed { session, name } => {
            format!("session {} calls itself {}", text::short_id(session.as_str()), short(name, 80))
        }
        EventBody::SessionEnded(ended) => session_ended(run, ended),
        EventBody::WorkCommitted { step, branch, commit, .. } => {
            format!("{step} left {} on {}", text::short_id(commit.as_str()), clean_line(branch))
        }
        EventBody::StepSucceeded { step, output, .. } => {
            format!("{step} succeeded{}{}", took(run, step, event), outcome(run, step, output))
        }
        EventBody::StepFailed { step, attempt, failure } => {
            format!("{step} failed{}: {}", tries(*attempt), short(&failure.message, 300))
        }
        EventBody::AttemptLost { step, attempt } => {
            format!("{step} was lost{} and will be started again", tries(*attempt))
        }
        EventBody::StepSkipped { step, reason } => format!("{step} skipped: {}", short(reason, 200)),
        EventBody::Signalled { what } => format!("looks again: {}", short(what, 200)),
        EventBody::StepCancelled { step } => format!("{step} cancelled"),
        EventBody::GateDecided { step, gate, rule, .. } => gate_line(step, gate, rule),
        EventBody::PlanExtended { by, extension } => {
            let tasks = extension.steps.iter().filter(|step| step.task().is_some()).count();
            format!(
                "{by} added {} ({})",
                text::count(extension.steps.len(), "step"),
                text::count(tasks, "task")
            )
        }
        EventBody::EscalationRaised(question) => format!(
            "{} asks a person ({}): {} — `miyabi escalation show {}`",
            question.step,
            question.id,
            short(&question.reason, 200),
            question.id,
        ),
        EventBody::EscalationAnswered { escalation, answer } => format!(
            "question {escalation} answered: {} by {} from {}",
            clean_line(&answer.action),
            short(&answer.by, 60),
            short(&answer.from, 20),
        ),
        EventBody::IntentRecorded(intent) => format!("{} will write: {}", intent.step, write(&intent.write)),
        EventBody::IntentDone { intent, receipt } => {
            format!("written: {}{}", clean_line(intent.as_str()), received(receipt))
        }
        EventBody::IntentFailed { intent, failure } => {
            format!("could not write {}: {}", clean_line(intent.as_str()), short(&failure.message, 300))
        }
        EventBody::CancelRequested { by, superseded_by: None } => {
            format!("{} asked for the end of the run", short(by, 60))
        }
        EventBody::CancelRequested { by, superseded_by: Some(newer) } => {
            format!("run {newer} takes its place: {}", short(by, 200))
        }
        EventBody::RunFinished { status, reason } => {
            let time = event.at.duration_since(run.started_at);
            format!(
                "run {} {status} after {}: {}",
                run.started.number,
                text::duration(time),
                short(reason, 300)
            )
        }
    }
}

fn is_light(run: &Run, step: &StepId) -> bool {
    run.step(step).is_some_and(|state| matches!(state.step.work, Work::Integrate(_)))
}

fn tries(attempt: Attempt) -> String {
    if attempt > 1 { format!(" (attempt {attempt})") } else { String::new() }
}

fn took(run: &Run, step: &StepId, event: &Event) -> String {
    let started = run.step(step).and_then(|state| state.started_at);
    started.map_or_else(String::new, |at| format!(" after {}", text::duration(event.at.duration_since(at))))
}

fn session_ended(run: &Run, ended: &SessionEnded) -> String {
    let SessionEnded { session, end, leftovers, refused, changed_outside, .. } = ended;
    let known = run.sessions.iter().rev().find(|state| state.id == *session);
    let step = known.map_or("a step", |state| state.step.as_str());
    let how = match end {
        SessionEnd::Completed => "ended".to_owned(),
        SessionEnd::Failed { detail } => format!("failed: {}", short(detail, 200)),
        SessionEnd::Stalled => "was stopped: it gave no sign of life".to_owned(),
        SessionEnd::TimedOut => "was stopped at its deadline".to_owned(),
        SessionEnd::Stopped => "was stopped".to_owned(),
        SessionEnd::NotStarted { detail, .. } => format!("could not be started: {}", short(detail, 200)),
    };
    let left = if *leftovers == 0 {
        String::new()
    } else {
        format!("; {} that it left running ended", text::count(*leftovers as usize, "process"))
    };
    let changed = match changed_outside.is_empty() {
        true => String::new(),
        false => {
            format!("; changed meanwhile, and not its to change: {}", short(&changed_outside.join(", "), 300))
        }
    };
    let refused = match refused.is_empty() {
        true => String::new(),
        false => format!("; refused: {}", short(&refused.join(", "), 300)),
    };
    format!("{step} agent {how}{left}{refused}{changed}").replace("processs", "processes")
}

fn outcome(run: &Run, step: &StepId, output: &Value) -> String {
    let text = run.step(step).map_or_else(String::new, |state| describe_output(&state.step.work, output));
    if text.is_empty() { text } else { format!(": {text}") }
}

/// What a step came to, in a few words.
pub fn describe_output(work: &Work, output: &Value) -> String {
    match work {
        Work::Task(_) => {
            let files = ["files_created", "files_changed"].iter().filter_map(|key| output[*key].as_array());
            let files = files.map(Vec::len).sum::<usize>();
            let tests = output["tests_passed"].as_u64().map(|n| format!(", {n} tests pass"));
            let lines = output["insertions"].as_u64().zip(output["deletions"].as_u64());
            let lines = lines.map_or_else(String::new, |(plus, minus)| format!(", +{plus} −{minus}"));
            format!("{}{lines}{}", text::count(files, "file"), tests.unwrap_or_default())
        }
        Work::Integrate(_) => match output["commit"].as_str() {
            Some(commit) => format!("commit {}", text::short_id(commit)),
            None => String::new(),
        },
        Work::Uses(uses) => uses_outcome(*uses, output),
        Work::Story(_) => match output["verdict"].as_str() {
            Some(verdict) => format!("{}{}", short(verdict, 20), known(output)),
            None => {
                let steps = output["decomposition"]["steps"].as_array().map_or(0, Vec::len);
                text::count(steps, "step")
            }
        },
        Work::Agent(_) => output.as_str().map(|text| short(text, 80)).unwrap_or_default(),
    }
}

/// Whether a story was judged by an earlier run.
fn known(output: &Value) -> &'static str {
    if output["cached_from_run"].is_string() { ", nothing changed" } else { "" }
}

fn uses_outcome(uses: miyabi_core::plan::Uses, output: &Value) -> String {
    use miyabi_core::plan::Uses;
    let word = |key: &str| output[key].as_str().map(|text| short(text, 80)).unwrap_or_default();
    match uses {
        Uses::Analyse => {
            let complexity = output["complexity"].as_f64().unwrap_or_default();
            format!("complexity {complexity:.1}, {} (by {})", word("kind"), word("analyst"))
        }
        Uses::Decompose => {
            let tasks = output["tasks"].as_array().map_or(0, Vec::len);
            format!("{} (by {})", text::count(tasks, "task"), word("coordinator"))
        }
        Uses::Review => {
            format!("score {}, {}", output["score"].as_u64().unwrap_or_default(), word("recommendation"))
        }
        Uses::Change => output["change"].as_u64().map_or_else(String::new, |n| format!("change #{n}")),
        Uses::Merge => output["merge_commit"]
            .as_str()
            .map_or_else(String::new, |id| format!("commit {}", text::short_id(id))),
        Uses::Ci => word("ci"),
        Uses::Deploy => word("deployment"),
        Uses::Cleanup => {
            let removed = output["removed"].as_u64().unwrap_or_default() as usize;
            format!("{} removed", text::count(removed, "worktree"))
        }
        Uses::Execute => {
            let merged = output["merged"].as_u64().unwrap_or_default() as usize;
            format!("{} merged", text::count(merged, "task"))
        }
        Uses::Stories => match output["planned"].as_array().map_or(0, Vec::len) {
            1 => "1 story".to_owned(),
            n => format!("{n} stories"),
        },
        Uses::Verdict => word("title"),
        Uses::Update | Uses::Record | Uses::Close => String::new(),
    }
}

fn gate_line(step: &StepId, gate: &Gate, rule: &str) -> String {
    let rule = short(rule, 200);
    match gate {
        Gate::Retry { at } => format!("{step} is tried again at {}: {rule}", text::clock(*at)),
        Gate::Notify { until } => {
            format!("{step} goes on at {} unless the run is cancelled: {rule}", text::clock(*until))
        }
        other => format!("{step} {}: {rule}", other.as_str()),
    }
}

fn write(write: &Write) -> String {
    match write {
        Write::Comment { issue, key, .. } => format!("comment `{}` on #{issue}", clean_line(key)),
        Write::Labels { issue, add, remove } => {
            format!(
                "labels of #{issue}: +[{}] −[{}]",
                clean_line(&add.join(" ")),
                clean_line(&remove.join(" "))
            )
        }
        Write::OpenChange { issue, head, base, .. } => {
            format!("open the change of {} into {} for #{issue}", clean_line(head), clean_line(base))
        }
        Write::MergeChange { change, commit, .. } => {
            format!("merge change #{change} at {}", text::short_id(commit.as_str()))
        }
        Write::DeleteBranch { branch, .. } => format!("delete branch {}", clean_line(branch)),
        Write::CommitStatus(status) => format!(
            "status `{}` of {}: {}",
            clean_line(&status.context),
            text::short_id(status.commit.as_str()),
            status.state.as_str()
        ),
        Write::CheckRun(check) => format!(
            "check run `{}` at {}: {}",
            clean_line(&check.name),
            text::short_id(check.commit.as_str()),
            check.conclusion.map_or("in progress", Conclusion::as_str)
        ),
        Write::Notify { channel, subject, .. } => {
            format!("tell people by {}: {}", channel.as_str(), clean_line(subject))
        }
        Write::CloseIssue { issue } => format!("close issue #{issue}"),
    }
}

fn received(receipt: &Receipt) -> String {
    let change = receipt.change.map(|n| format!(" change #{n}"));
    let commit = receipt.merge_commit.as_ref().map(|id| format!(" commit {}", text::short_id(id.as_str())));
    let found = receipt.found.then(|| " (it was there already)".to_owned());
    [change, commit, found].into_iter().flatten().collect()
}

/// The sign of a status.
pub fn sign(status: Status) -> &'static str {
    match status {
        Status::Queued => "·",
        Status::Running => "●",
        Status::Waiting => "?",
        Status::Succeeded => "✓",
        Status::Failed => "✗",
        Status::Skipped => "–",
        Status::Cancelled => "⊘",
        Status::Superseded => "↻",
    }
}
