//! The story of a run: what was measured, and what was not, by name. A pure view of the events.

mod render;

use jiff::Timestamp;
use miyabi_core::ids::{ChangeNumber, IssueNumber, RunId, RunNumber};
use miyabi_core::plan::{Purpose, Uses, Work};
use miyabi_core::report::{CheckEnd, CheckKind, Measured, Report};
use miyabi_core::run::{Run, StepState};
use miyabi_core::session::Usage;
use miyabi_core::status::Status;
use serde::Serialize;
use serde_json::Value;

use super::summary::merged;
use crate::output::line::describe_output;

pub use render::render;

/// The story of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunReport {
    /// Its id.
    pub run: RunId,
    /// Its number.
    pub number: RunNumber,
    /// The issue.
    pub issue: IssueNumber,
    /// The issue's title.
    pub title: String,
    /// Where it is in its life.
    pub status: Status,
    /// How it ended, in a sentence.
    pub reason: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub completion_time: Option<Timestamp>,
    /// From its begin to its last event, in milliseconds.
    pub duration_ms: i64,
    /// Who asked for it, and how.
    pub actor: String,
    /// Who did the tasks.
    pub agent: String,
    /// The flow's steps, as far as they started.
    pub phases: Vec<Phase>,
    /// What agents did, in the order of the plan.
    pub tasks: Vec<TaskLine>,
    /// What the checks measured.
    pub quality: Option<Quality>,
    /// People's answers and wishes.
    pub interventions: Vec<Intervention>,
    /// Questions that were asked.
    pub questions_raised: u32,
    /// The change.
    pub change: Option<ChangeNumber>,
    /// The commit that merged it.
    pub merge_commit: Option<String>,
    /// What agents used, as they state it.
    pub usage: Usage,
    /// Agent programs that were started.
    pub sessions: usize,
    /// What nobody measured, with its reason.
    pub not_measured: Vec<String>,
}

/// One step of the flow.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Phase {
    /// Its name in the flow.
    pub name: String,
    /// How it went.
    pub status: Status,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, in milliseconds; none: it has not ended.
    pub duration_ms: Option<i64>,
    /// How often it was tried.
    pub attempts: u32,
    /// Who did it.
    pub agent: String,
    /// What it started from.
    pub input: String,
    /// What it came to.
    pub output: String,
}

/// One task, rework or resolution.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskLine {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// `implement`, `rework` or `resolve`.
    pub purpose: &'static str,
    /// How it went.
    pub status: Status,
    /// How often it was tried.
    pub attempts: u32,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<i64>,
    /// What git and the checks show, or why it failed.
    pub outcome: String,
    /// What its sessions cost, as they state it.
    pub cost_usd: Option<f64>,
    /// The raw output of its newest session.
    pub transcript: Option<String>,
}

/// What the checks measured on the newest reviewed tree.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// 0–100.
    pub score: u32,
    /// Points by component.
    pub breakdown: miyabi_core::report::Breakdown,
    /// What follows from it.
    pub recommendation: miyabi_core::report::Recommendation,
    /// Hard gates that closed.
    pub gates: Vec<String>,
    /// Tests that passed and failed.
    pub tests: Option<(u64, u64)>,
    /// Line coverage in percent.
    pub coverage: Option<f64>,
    /// Warnings of the linter.
    pub warnings: Option<u64>,
    /// Known vulnerabilities: critical or high, medium, low.
    pub vulnerabilities: Option<(u64, u64, u64)>,
    /// Third-party packages that were looked at.
    pub packages: Option<u64>,
    /// Public items and how many of them are documented.
    pub docs: Option<(u64, u64)>,
    /// The commands that were run, with how they ended and how long they took in milliseconds.
    pub checks: Vec<(String, CheckKind, String, u64)>,
    /// The commit that was measured.
    pub commit: String,
}

/// What a person did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Intervention {
    /// The step it was about; none: the whole run.
    pub step: Option<String>,
    /// Who.
    pub by: String,
    /// What.
    pub what: String,
}

impl RunReport {
    /// The story that a run's events tell.
    pub fn of(run: &Run) -> Self {
        let report = run.report();
        let mut not_measured: Vec<_> = report.iter().flat_map(|report| report.not_measured.clone()).collect();
        if report.is_none() {
            not_measured.push("quality: no review ended with a report".to_owned());
        }
        let usage = run.usage();
        if usage.cost_usd.is_none() && !run.sessions.is_empty() {
            not_measured.push("cost: no agent stated one".to_owned());
        }
        if usage.input_tokens.is_none() && !run.sessions.is_empty() {
            not_measured.push("tokens: no agent stated any".to_owned());
        }
        let is_task = |state: &&StepState| matches!(state.step.work, Work::Task(_));
        Self {
            run: run.id.clone(),
            number: run.started.number,
            issue: run.started.issue.number,
            title: run.started.issue.title.clone(),
            status: run.status(),
            reason: run.ended.as_ref().map(|(_, reason)| reason.clone()),
            started_at: run.started_at,
            completion_time: run.ended.as_ref().map(|_| run.last_at),
            duration_ms: millis(run.started_at, run.last_at),
            actor: format!("{} ({})", run.started.actor, run.started.trigger),
            agent: run.started.adapter.to_string(),
            phases: run.steps().iter().filter_map(|state| phase(run, state)).collect(),
            tasks: run.steps().iter().filter(is_task).map(|state| task(run, state)).collect(),
            quality: report.as_ref().map(quality),
            interventions: interventions(run),
            questions_raised: run.questions_raised,
            change: run.change().and_then(|receipt| receipt.change),
            merge_commit: merged(run),
            usage,
            sessions: run.sessions.len(),
            not_measured,
        }
    }
}

fn millis(from: Timestamp, to: Timestamp) -> i64 {
    i64::try_from(to.duration_since(from).as_millis()).unwrap_or(i64::MAX)
}

fn phase(run: &Run, state: &StepState) -> Option<Phase> {
    let uses = match &state.step.work {
        Work::Uses(uses) => *uses,
        Work::Agent(work) => return answered(run, state, &work.agent),
        Work::Story(work) if work.asks() => return answered(run, state, work.agent()),
        Work::Story(_) => return answered(run, state, "miyabi"),
        Work::Task(_) | Work::Integrate(_) => return None,
    };
    let started_at = match uses {
        // The join of the tasks begins with the first of them.
        Uses::Execute => run.tasks().filter_map(|(task, _)| task.started_at).min().or(state.started_at)?,
        _ => state.started_at?,
    };
    let output = match (state.output(), state.failure()) {
        (_, Some(failure)) => failure.message.clone(),
        (Some(output), _) => describe_output(&state.step.work, output),
        _ => String::new(),
    };
    Some(Phase {
        name: state.step.id.to_string(),
        status: state.status(),
        started_at,
        duration_ms: state.ended_at.map(|at| millis(started_at, at)),
        attempts: state.attempt,
        agent: agent(run, uses),
        input: input(run, uses),
        output,
    })
}

/// A step that an agent answered.
fn answered(run: &Run, state: &StepState, agent: &str) -> Option<Phase> {
    let started_at = state.started_at?;
    let session = run.sessions.iter().rev().find(|session| session.step == state.step.id);
    let by = session.map_or_else(String::new, |session| format!(" ({})", session.adapter));
    Some(Phase {
        name: state.step.id.to_string(),
        status: state.status(),
        started_at,
        duration_ms: state.ended_at.map(|at| millis(started_at, at)),
        attempts: state.attempt,
        agent: format!("{agent}{by}"),
        input: String::new(),
        output: match (state.output(), state.failure()) {
            (_, Some(failure)) => failure.message.clone(),
            (Some(output), _) => describe_output(&state.step.work, output),
            _ => String::new(),
        },
    })
}

fn agent(run: &Run, uses: Uses) -> String {
    let planner = || run.started.planner.as_ref().map(ToString::to_string);
    match uses {
        Uses::Analyse => run.analysis().map(|analysis| analysis.analyst).or_else(planner).unwrap_or_default(),
        Uses::Decompose => {
            run.decomposition().map(|tasks| tasks.coordinator).or_else(planner).unwrap_or_default()
        }
        Uses::Execute => run.started.adapter.to_string(),
        Uses::Review => run
            .report()
            .and_then(|report| report.reading)
            .map_or_else(|| "miyabi".to_owned(), |reading| format!("miyabi, {}", reading.by)),
        _ => "miyabi".to_owned(),
    }
}

fn input(run: &Run, uses: Uses) -> String {
    let issue = run.started.issue.number;
    match uses {
        Uses::Analyse | Uses::Close => format!("issue #{issue}"),
        Uses::Decompose => format!("issue #{issue} and its analysis"),
        Uses::Execute => crate::output::text::count(run.tasks().count(), "task"),
        Uses::Review | Uses::Change | Uses::Ci => format!("branch feature/issue-{issue}"),
        Uses::Update | Uses::Merge | Uses::Deploy => format!("branch {}", run.started.base_branch),
        Uses::Record => crate::output::text::count(run.sessions.len(), "session"),
        Uses::Cleanup => format!("worktrees of issue #{issue}"),
        Uses::Stories | Uses::Verdict => {
            format!("commit {}", crate::output::text::short_id(run.started.base_commit.as_str()))
        }
    }
}

fn task(run: &Run, state: &StepState) -> TaskLine {
    let purpose = match &state.step.work {
        Work::Task(work) => match work.purpose {
            Purpose::Implement => "implement",
            Purpose::Rework { .. } => "rework",
            Purpose::Resolve { .. } => "resolve",
        },
        _ => "",
    };
    let outcome = match (&state.result, &state.skipped) {
        (Some(Ok(output)), _) => describe_output(&state.step.work, output),
        (Some(Err(failure)), _) => failure.message.clone(),
        (None, Some(reason)) => reason.clone(),
        (None, None) => String::new(),
    };
    let sessions = || run.sessions.iter().filter(|session| session.step == state.step.id);
    TaskLine {
        id: state.step.id.to_string(),
        title: state.step.task().map_or_else(String::new, |task| task.title.clone()),
        purpose,
        status: state.status(),
        attempts: state.attempt,
        started_at: state.started_at,
        duration_ms: state.started_at.zip(state.ended_at).map(|(from, to)| millis(from, to)),
        outcome,
        cost_usd: sessions().filter_map(|session| session.usage.cost_usd).reduce(|sum, cost| sum + cost),
        transcript: sessions().next_back().map(|session| session.transcript.display().to_string()),
    }
}

fn quality(report: &Report) -> Quality {
    let measured = &report.measured;
    let percent =
        |covered: u64, lines: u64| if lines == 0 { 100.0 } else { covered as f64 * 100.0 / lines as f64 };
    Quality {
        score: report.score,
        breakdown: report.breakdown,
        recommendation: report.recommendation,
        gates: report.gates.clone(),
        tests: measured.tests.value().map(|tests| (tests.passed, tests.failed)),
        coverage: measured.coverage.value().map(|coverage| percent(coverage.covered, coverage.lines)),
        warnings: value(&measured.lint_warnings),
        vulnerabilities: measured
            .security
            .value()
            .map(|found| (found.critical_or_high, found.medium, found.low)),
        packages: measured.security.value().map(|found| found.packages),
        docs: measured.docs.value().map(|docs| (docs.documented, docs.public)),
        checks: report
            .checks
            .iter()
            .map(|check| {
                let end = match &check.end {
                    CheckEnd::Passed => "passed".to_owned(),
                    CheckEnd::Failed => "failed".to_owned(),
                    CheckEnd::NotMeasured { reason } => format!("not measured: {reason}"),
                };
                let command = match check.command.is_empty() {
                    true => format!("{:?}", check.kind).to_lowercase(),
                    false => check.command.join(" "),
                };
                (command, check.kind, end, check.duration_ms)
            })
            .collect(),
        commit: report.commit.to_string(),
    }
}

fn value<T: Copy>(measured: &Measured<T>) -> Option<T> {
    measured.value().copied()
}

fn interventions(run: &Run) -> Vec<Intervention> {
    let answers = run.steps().iter().filter_map(|state| {
        let answer = state.answer.as_ref().filter(|answer| answer.from != miyabi_core::autonomy::DEADLINE)?;
        let note = if answer.note.is_empty() { String::new() } else { format!(": {}", answer.note) };
        let what = format!("{} from {}{note}", answer.action, answer.from);
        Some(Intervention { step: Some(state.step.id.to_string()), by: answer.by.clone(), what })
    });
    let cancel = run.cancelled_by.iter().map(|by| Intervention {
        step: None,
        by: by.clone(),
        what: "asked for the end of the run".to_owned(),
    });
    answers.chain(cancel).collect()
}

/// The report as one JSON document.
pub fn to_json(report: &RunReport) -> Value {
    serde_json::to_value(report).unwrap_or_default()
}
