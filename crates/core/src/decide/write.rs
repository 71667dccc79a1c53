//! The writes that a decision asks for: comments, labels, the change, its merge, the end of the issue.
//!
//! Every text is made here from the state of the run, so the same log gives the same words.

use std::collections::BTreeMap;

use super::tell;
use crate::commit_mark::{CheckRun, Conclusion};
use crate::event::EventBody;
use crate::failure::{Failure, FailureClass};
use crate::ids::{ChangeNumber, IntentId};
use crate::intent::{Intent, Write};
use crate::plain::{one_line, quiet};
use crate::plan::{Uses, Work};
use crate::report::{Report, quality_label};
use crate::run::{Run, StepState};
use crate::status::Status;
use crate::story::{Stories, Summary, Verdict};
use crate::task::{Decomposition, check_tasks};
use crate::view::{self, ChangeFacts};
use crate::{analysis::Kind, naming};

/// The writes that begin and complete a check run of stories.
const CHECK_BEGIN: &str = "check-begin";
const CHECK_END: &str = "check-end";

/// Labels of the issue's rating.
pub(super) fn of_analysis(run: &Run, state: &StepState, events: &mut Vec<EventBody>) {
    let Some(analysis) = run.analysis() else { return };
    let mut add = view::analysis_labels(&analysis);
    add.push("state:pending".to_owned());
    let remove = ["security:*", "estimated:*", "complexity:*", "state:*"];
    record(run, state, "labels", false, labels(run, add, &remove), events);
    tell::of_status(run, state, "planning", "the issue becomes tasks", events);
}

/// The tasks as one comment, edited in place later.
pub(super) fn of_plan(run: &Run, state: &StepState, tasks: &Decomposition, events: &mut Vec<EventBody>) {
    if let Some(write) = decomposition(run, tasks, None) {
        record(run, state, "plan", false, write, events);
    }
}

/// The tasks that a person put in their place, in the same comment.
pub(super) fn of_modified_plan(
    run: &Run,
    state: &StepState,
    tasks: &Decomposition,
    events: &mut Vec<EventBody>,
) {
    if let Some(write) = decomposition(run, tasks, None) {
        record(run, state, &format!("plan-modified-{}", state.answers), false, write, events);
    }
}

/// The issue is being worked on.
pub(super) fn of_work(run: &Run, state: &StepState, events: &mut Vec<EventBody>) {
    record(
        run,
        state,
        "working",
        false,
        labels(run, vec!["state:implementing".to_owned()], &["state:*"]),
        events,
    );
    tell::of_status(run, state, "working", "agents are at work", events);
}

/// The quality report as one comment and one label.
pub(super) fn of_report(run: &Run, state: &StepState, report: &Report, events: &mut Vec<EventBody>) {
    let body = view::quality_comment(run.started.issue.number, report);
    record(run, state, "report", false, comment(run, "quality", body), events);
    let label = labels(run, vec![quality_label(report.score).to_owned()], &["quality:*"]);
    record(run, state, "quality", false, label, events);
    tell::of_status(run, state, "measured", &format!("measured: {} of 100", report.score), events);
}

/// The link to the change, and the labels of the change itself.
pub(super) fn of_change(run: &Run, state: &StepState, report: &Report, events: &mut Vec<EventBody>) {
    let Some(change) = change_number(state) else { return };
    let url = state.output().and_then(|output| output["url"].as_str()).unwrap_or_default();
    let body = view::link_comment(change, url, report);
    record(run, state, "link", false, comment(run, "change", body), events);
    let add = view::change_labels(kind(run), &run.started.issue.labels, report);
    let remove = vec!["quality:*".to_owned(), "ready-to-merge".to_owned()];
    record(run, state, "change-labels", false, Write::Labels { issue: change, add, remove }, events);
    tell::of_status(run, state, "change", &format!("change #{change} is open"), events);
}

/// The write that a step consists of. Where it cannot be made, the step has failed.
pub(super) fn of_step(run: &Run, state: &StepState, uses: Uses, events: &mut Vec<EventBody>) {
    let write = match uses {
        Uses::Change => open_change(run),
        Uses::Merge => merge_change(run),
        _ => {
            of_close(run, state, events);
            Ok(Write::CloseIssue { issue: run.started.issue.number })
        }
    };
    match write {
        Ok(write) => record(run, state, uses.as_str(), true, write, events),
        Err(why) => events.push(EventBody::StepFailed {
            step: state.step.id.clone(),
            attempt: state.attempt + 1,
            failure: Failure::new(FailureClass::Input, why),
        }),
    }
}

fn open_change(run: &Run) -> Result<Write, &'static str> {
    let report = run.report().ok_or("the flow has no `review` step before `change`")?;
    let issue = &run.started.issue;
    let tasks: Vec<_> = run.tasks().map(|(_, task)| task.clone()).collect();
    let facts = ChangeFacts {
        issue: issue.number,
        title: &issue.title,
        tasks: &tasks,
        report: &report,
        run: &run.id,
    };
    Ok(Write::OpenChange {
        issue: issue.number,
        title: naming::change_title(kind(run), &issue.title, issue.number),
        body: view::change_body(&facts),
        head: naming::integration_branch(issue.number),
        base: run.started.base_branch.clone(),
        commit: report.commit,
    })
}

fn merge_change(run: &Run) -> Result<Write, &'static str> {
    let change = run.change().and_then(|receipt| receipt.change).ok_or("there is no open change to merge")?;
    let report = run.report().ok_or("there is no quality report")?;
    let issue = &run.started.issue;
    let title = naming::change_title(kind(run), &issue.title, issue.number);
    Ok(Write::MergeChange { change, commit: report.commit, title, only_if_ready: false })
}

fn of_close(run: &Run, state: &StepState, events: &mut Vec<EventBody>) {
    let summary = view::summary_comment(run, Status::Succeeded, "", run.last_at);
    record(run, state, "summary", false, comment(run, "summary", summary), events);
    if let Some(tasks) = run.decomposition() {
        let statuses = run.tasks().map(|(state, task)| (task.id.clone(), state.status())).collect();
        if let Some(write) = decomposition(run, &tasks, Some(&statuses)) {
            record(run, state, "plan", false, write, events);
        }
    }
    let done = labels(run, vec!["state:done".to_owned()], &["state:*"]);
    record(run, state, "done", false, done, events);
    if run.started.hosted
        && let Some(report) = run.report()
    {
        let branch = naming::integration_branch(run.started.issue.number);
        let delete = Write::DeleteBranch { branch, commit: report.commit };
        record(run, state, "branch", false, delete, events);
    }
    tell::of_status(run, state, "done", "done", events);
    tell::of_end(run, state, Status::Succeeded, "The change is merged.", events);
}

/// What a run that did not succeed leaves on its issue. Says whether there was still something to write.
pub(super) fn of_end(run: &Run, status: Status, reason: &str, events: &mut Vec<EventBody>) -> bool {
    let Some(last) = run.steps().last() else { return false };
    let before = events.len();
    // What a run of an event leaves behind is its flow's affair.
    if run.started.payload.is_none() {
        let body = view::summary_comment(run, status, reason, run.last_at);
        record(run, last, "end", false, comment(run, "summary", body), events);
        let state = labels(run, vec![format!("state:{status}")], &["state:*"]);
        record(run, last, "ended", false, state, events);
    }
    tell::of_status(run, last, "end", &format!("{status}: {reason}"), events);
    tell::of_end(run, last, status, reason, events);
    events.len() > before
}

/// Stories are being judged at the run's commit.
pub(super) fn of_check_begin(run: &Run, state: &StepState, stories: &Stories, events: &mut Vec<EventBody>) {
    let title = match stories.planned.len() {
        1 => "1 story is judged".to_owned(),
        n => format!("{n} stories are judged"),
    };
    let check = check_run(run, None, title.clone(), title);
    record(run, state, CHECK_BEGIN, false, Write::CheckRun(check), events);
}

/// What they came to.
pub(super) fn of_check_end(run: &Run, state: &StepState, summary: &Summary, events: &mut Vec<EventBody>) {
    let conclusion = match summary.verdict {
        _ if run.cancelled_by.is_some() => Conclusion::Cancelled,
        Verdict::Pass => Conclusion::Success,
        Verdict::Fail | Verdict::Error => Conclusion::Failure,
        Verdict::Skipped => Conclusion::Neutral,
    };
    let check = check_run(run, Some(conclusion), summary.title.clone(), summary.body.clone());
    record(run, state, CHECK_END, false, Write::CheckRun(check), events);
}

/// A check run that nothing completed does not stay in progress when the run ends. Says whether there was one.
pub(super) fn of_open_check(run: &Run, status: Status, reason: &str, events: &mut Vec<EventBody>) -> bool {
    let uses = |uses: Uses| run.steps().iter().filter(move |state| state.step.work == Work::Uses(uses));
    let begun = uses(Uses::Stories).any(|state| is_recorded(run, state, CHECK_BEGIN));
    let ended = uses(Uses::Verdict).any(|state| is_recorded(run, state, CHECK_END));
    let Some(last) = run.steps().last().filter(|_| begun && !ended) else { return false };
    let before = events.len();
    let conclusion = match status {
        Status::Succeeded => Conclusion::Neutral,
        Status::Failed => Conclusion::Failure,
        _ => Conclusion::Cancelled,
    };
    let title = one_line(reason, 200);
    let check = check_run(run, Some(conclusion), title.clone(), quiet(&title));
    record(run, last, "check-open", false, Write::CheckRun(check), events);
    events.len() > before
}

fn check_run(run: &Run, conclusion: Option<Conclusion>, title: String, summary: String) -> CheckRun {
    CheckRun {
        commit: run.started.base_commit.clone(),
        name: format!("miyabi/{}", run.started.flow),
        // Each run has its own, so that one that is ended late does not write over what came after it.
        key: format!("{}/stories", run.id),
        conclusion,
        title,
        summary,
        text: None,
        url: None,
    }
}

fn decomposition(
    run: &Run,
    tasks: &Decomposition,
    statuses: Option<&BTreeMap<crate::ids::StepId, Status>>,
) -> Option<Write> {
    let issue = run.started.issue.number;
    let schedule = check_tasks(&tasks.tasks, issue, run.policy()).ok()?;
    let body = view::decomposition_comment(issue, &tasks.tasks, &schedule, statuses);
    Some(comment(run, "decomposition", body))
}

pub(super) fn comment(run: &Run, key: &str, body: String) -> Write {
    Write::Comment { issue: run.started.issue.number, key: format!("{}/{key}", run.id), body }
}

fn labels(run: &Run, add: Vec<String>, remove: &[&str]) -> Write {
    let remove = remove.iter().map(|&name| name.to_owned()).collect();
    Write::Labels { issue: run.started.issue.number, add, remove }
}

fn kind(run: &Run) -> Kind {
    run.analysis().map_or(Kind::Feature, |analysis| analysis.kind)
}

fn change_number(state: &StepState) -> Option<ChangeNumber> {
    state.output()?["change"].as_u64()
}

/// Records the write, unless it was recorded before: a step may be judged more than once.
pub(super) fn record(
    run: &Run,
    state: &StepState,
    what: &str,
    ends_step: bool,
    write: Write,
    events: &mut Vec<EventBody>,
) {
    // A run without an issue has no place for what is written on one.
    if matches!(write, Write::Comment { issue: 0, .. } | Write::Labels { issue: 0, .. }) {
        return;
    }
    // A step that ends with its write starts a new attempt in the same append.
    let attempt = state.attempt + u32::from(ends_step);
    let id = intent_id(run, state, attempt, what);
    if !run.intents.contains_key(&id) {
        let intent = Intent { id, step: state.step.id.clone(), ends_step, write };
        events.push(EventBody::IntentRecorded(Box::new(intent)));
    }
}

/// Whether this write of the newest attempt was recorded before.
pub(super) fn is_recorded(run: &Run, state: &StepState, what: &str) -> bool {
    run.intents.contains_key(&intent_id(run, state, state.attempt, what))
}

pub(super) fn intent_id(run: &Run, state: &StepState, attempt: u32, what: &str) -> IntentId {
    IntentId::new(format!("{}/{}/{attempt}/{what}", run.id, state.step.id))
}
