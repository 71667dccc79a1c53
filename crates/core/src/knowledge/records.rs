//! From a log to records.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{Record, RecordId, RecordKind};
use crate::event::{Answer, Event, EventBody};
use crate::failure::{Failure, FailureClass};
use crate::ids::{Attempt, EscalationId, StepId};
use crate::plan::{Uses, Work};
use crate::report::{Measured, Report};
use crate::run::{Illegal, Run, fold};
use crate::status::Status;
use crate::task::AgentResult;

/// The most findings, remarks or lines of evidence that a record tells.
const TOLD: usize = 20;
/// Characters of a record's text. No index keeps so much of one; what follows is not worth the time that it takes to look
/// for secrets in it.
const LONGEST: usize = 200_000;

/// Everything worth remembering of a run, from its log as far as it goes; in the order in which it was known.
///
/// Attempts that vanished with their process, were stopped or only waited are left out: nothing is learned from them.
/// Errors: the log holds what cannot have happened.
pub fn records(events: &[Event]) -> Result<Vec<Record>, Illegal> {
    let Some(run) = fold(events)? else { return Ok(Vec::new()) };
    let mut writer =
        Writer { records: Vec::new(), sessions: BTreeMap::new(), questions: BTreeMap::new(), run: &run };
    writer.issue();
    for event in events {
        writer.event(event);
    }
    writer.outcome();
    for record in &mut writer.records {
        if let Some((end, _)) = record.text.char_indices().nth(LONGEST) {
            record.text.truncate(end);
        }
    }
    Ok(writer.records)
}

struct Writer<'a> {
    run: &'a Run,
    records: Vec<Record>,
    /// Which program works for a step, and what it was given; its newest session.
    sessions: BTreeMap<StepId, (String, Vec<RecordId>)>,
    questions: BTreeMap<EscalationId, &'a crate::event::Escalation>,
}

impl<'a> Writer<'a> {
    fn event(&mut self, event: &'a Event) {
        match &event.body {
            EventBody::SessionStarted(session) => {
                let told = (session.adapter.clone(), session.given.clone());
                self.sessions.insert(session.step.clone(), told);
            }
            EventBody::StepSucceeded { step, attempt, output } => {
                self.succeeded(step, *attempt, output, event.at);
            }
            EventBody::StepFailed { step, attempt, failure } if teaches(failure) => {
                self.failed(step, *attempt, failure, event.at);
            }
            EventBody::EscalationRaised(question) => {
                self.questions.insert(question.id.clone(), question);
            }
            EventBody::EscalationAnswered { escalation, answer } => {
                self.answered(escalation, answer, event.at);
            }
            _ => {}
        }
    }

    fn issue(&mut self) {
        let started = &self.run.started;
        if started.issue.number == 0 {
            return;
        }
        let mut text = crate::untrusted::visible(&started.issue.body);
        if !started.issue.labels.is_empty() {
            let _ = write!(text, "\n\nLabels: {}", started.issue.labels.join(", "));
        }
        let analysis = self.run.analysis();
        if let Some(analysis) = &analysis {
            let _ = write!(
                text,
                "\n\nRated {:.1} of 10, a {}, security {}, about {} minutes.",
                analysis.complexity,
                analysis.kind.as_str(),
                analysis.security.as_str(),
                analysis.estimate_minutes
            );
            for reason in &analysis.reasons {
                let _ = write!(text, "\n- {reason}");
            }
        }
        let mut record = self.record(RecordKind::Issue, None, self.run.started_at);
        record.title.clone_from(&started.issue.title);
        record.url.clone_from(&started.issue.url);
        record.files = analysis.map(|analysis| paths(&analysis.areas)).unwrap_or_default();
        record.text = text;
        self.records.push(record);
    }

    fn succeeded(&mut self, step: &StepId, attempt: Attempt, output: &Value, at: Timestamp) {
        let Some(state) = self.run.step(step) else { return };
        match &state.step.work {
            Work::Uses(Uses::Decompose) => self.plan(step, output, at),
            Work::Uses(Uses::Review) => self.review(step, attempt, output, at),
            Work::Task(work) => {
                let task = &work.task;
                let mut text = format!("{}\n", task.description);
                let mut files = Vec::new();
                if let Ok(result) = AgentResult::deserialize(output) {
                    let _ = writeln!(
                        text,
                        "Attempt {attempt} succeeded: {} lines added, {} removed, tests {}.",
                        result.insertions,
                        result.deletions,
                        result
                            .tests_passed
                            .map_or_else(|| "not measured".to_owned(), |n| format!("{n} passed")),
                    );
                    if let Some(said) = &result.last_message {
                        let _ = writeln!(text, "The agent said: {said}");
                    }
                    files.extend(result.files_created);
                    files.extend(result.files_changed);
                }
                self.attempt(step, attempt, Status::Succeeded, at, task.title.clone(), text, files);
            }
            Work::Agent(work) => {
                let text = match output {
                    Value::String(said) => said.clone(),
                    other => other.to_string(),
                };
                let title = format!("{}: {}", work.agent, self.subject());
                self.attempt(step, attempt, Status::Succeeded, at, title, text, Vec::new());
            }
            _ => {}
        }
    }

    fn failed(&mut self, step: &StepId, attempt: Attempt, failure: &Failure, at: Timestamp) {
        let Some(state) = self.run.step(step) else { return };
        let (title, what, files) = match &state.step.work {
            Work::Task(work) => {
                (work.task.title.clone(), work.task.description.clone(), work.task.files.clone())
            }
            Work::Agent(work) => (format!("{}: {}", work.agent, self.subject()), String::new(), Vec::new()),
            _ => (format!("{step}: {}", self.subject()), String::new(), Vec::new()),
        };
        let text = format!("{what}\nAttempt {attempt} failed: {}", told(failure)).trim_start().to_owned();
        self.attempt(step, attempt, Status::Failed, at, title, text, files);
    }

    #[expect(clippy::too_many_arguments, reason = "each is one field of the record")]
    fn attempt(
        &mut self,
        step: &StepId,
        attempt: Attempt,
        outcome: Status,
        at: Timestamp,
        title: String,
        text: String,
        files: Vec<String>,
    ) {
        let record = self.record(RecordKind::Attempt, Some((step, Some(attempt))), at);
        let (agent, given) = self.sessions.get(step).cloned().unwrap_or_default();
        self.records.push(Record { agent, given, outcome, title, text, files, ..record });
    }

    fn plan(&mut self, step: &StepId, output: &Value, at: Timestamp) {
        let Ok(plan) = crate::task::Decomposition::deserialize(output) else { return };
        let mut record = self.record(RecordKind::Plan, Some((step, None)), at);
        record.agent = self.sessions.get(step).map(|(agent, _)| agent.clone()).unwrap_or_default();
        record.title = format!("Tasks of: {}", self.subject());
        for task in &plan.tasks {
            let _ = writeln!(
                record.text,
                "- {} ({}, {} minutes) {}\n  {}",
                task.title,
                task.kind.as_str(),
                task.estimate_minutes,
                task.files.join(" "),
                task.description.replace('\n', "\n  ")
            );
            record.files.extend(task.files.iter().cloned());
        }
        record.files.dedup();
        self.records.push(record);
    }

    fn review(&mut self, step: &StepId, attempt: Attempt, output: &Value, at: Timestamp) {
        let Ok(report) = Report::deserialize(output) else { return };
        let mut record = self.record(RecordKind::Review, Some((step, Some(attempt))), at);
        record.title = format!("Score {}/100: {}", report.score, self.subject());
        record.outcome = if report.gates.is_empty() { Status::Succeeded } else { Status::Failed };
        for gate in &report.gates {
            let _ = writeln!(record.text, "Gate closed: {gate}");
        }
        for found in report.issues.iter().take(TOLD) {
            let place = found.file.as_deref().unwrap_or_default();
            let _ =
                writeln!(record.text, "{} {} {}: {}", found.check.as_str(), found.rule, place, found.message);
            record.files.extend(found.file.clone());
        }
        if let Some(Measured::Value(remarks)) = report.reading.as_ref().map(|reading| &reading.remarks) {
            for remark in remarks.iter().take(TOLD) {
                let place = remark.file.as_deref().unwrap_or_default();
                let _ = writeln!(
                    record.text,
                    "Remark ({}) {place}: {}",
                    remark.severity.as_str(),
                    remark.message
                );
                record.files.extend(remark.file.clone());
            }
        }
        for lack in &report.not_measured {
            let _ = writeln!(record.text, "Not measured: {lack}");
        }
        record.files.sort();
        record.files.dedup();
        self.records.push(record);
    }

    fn answered(&mut self, id: &EscalationId, answer: &Answer, at: Timestamp) {
        let Some(question) = self.questions.get(id) else { return };
        let mut text = format!("Asked: {}\n", question.reason);
        for check in question.context.failing_checks.iter().take(TOLD) {
            let _ = writeln!(text, "- {check}");
        }
        let _ = writeln!(text, "Answered: {} (from {})", answer.action, answer.from);
        if !answer.note.is_empty() {
            let _ = writeln!(text, "{}", answer.note);
        }
        let step = question.step.clone();
        let mut record = self.record(RecordKind::Answer, Some((&step, None)), at);
        record.id = RecordId::new(format!("{}/answer/{id}", self.run.id));
        record.title = format!("{}: {}", answer.action, self.subject());
        record.outcome = if answer.action == "reject" { Status::Failed } else { Status::Succeeded };
        record.text = text;
        self.records.push(record);
    }

    /// How it ended or stands, and what went wrong before it went right.
    fn outcome(&mut self) {
        let run = self.run;
        let mut text = match &run.ended {
            Some((_, reason)) => format!("{reason}\n"),
            None => "it has not ended yet\n".to_owned(),
        };
        if let Some(report) = run.report() {
            let _ = writeln!(text, "Score {}/100.", report.score);
        }
        let mut files = Vec::new();
        for record in self.records.iter().filter(|record| record.kind == RecordKind::Attempt) {
            if record.outcome == Status::Succeeded {
                files.extend(record.files.iter().cloned());
            }
        }
        for lesson in self.lessons() {
            let _ = writeln!(text, "Lesson: {lesson}");
        }
        files.sort();
        files.dedup();
        let mut record = self.record(RecordKind::Outcome, None, run.last_at);
        record.title = self.subject();
        record.text = text;
        record.files = files;
        self.records.push(record);
    }

    /// What failed on the way and what came after it, one line each.
    fn lessons(&self) -> Vec<String> {
        let attempts: Vec<&Record> =
            self.records.iter().filter(|it| it.kind == RecordKind::Attempt).collect();
        let failed = attempts.iter().enumerate().filter(|(_, record)| record.outcome == Status::Failed);
        let mut lessons: Vec<String> = failed
            .map(|(ix, record)| {
                let why = record.text.split_once(" failed: ").map_or(record.text.as_str(), |(_, why)| why);
                let why = crate::plain::one_line(why, 300);
                let after = attempts.iter().skip(ix + 1);
                let mended = after
                    .filter(|later| later.step == record.step || later.title == record.title)
                    .find(|it| it.outcome == Status::Succeeded);
                match mended {
                    Some(later) if later.files.is_empty() => {
                        format!("{}: failed with {why}; a later attempt succeeded", record.title)
                    }
                    Some(later) => {
                        format!(
                            "{}: failed with {why}; it succeeded with changes in {}",
                            record.title,
                            some(&later.files)
                        )
                    }
                    None => format!("{}: failed with {why}", record.title),
                }
            })
            .collect();
        let answers = self.records.iter().filter(|it| it.kind == RecordKind::Answer);
        lessons.extend(answers.map(|it| crate::plain::one_line(&it.text, 300)));
        lessons.truncate(TOLD);
        lessons
    }

    /// What the run is about, in one line.
    fn subject(&self) -> String {
        let started = &self.run.started;
        match (&started.subject, started.issue.number) {
            (Some(subject), 0) => format!("{} {}", started.flow, subject.about),
            (None, 0) => started.flow.clone(),
            _ => started.issue.title.clone(),
        }
    }

    fn record(&self, kind: RecordKind, step: Option<(&StepId, Option<Attempt>)>, at: Timestamp) -> Record {
        let (run, started) = (self.run, &self.run.started);
        let mut id = format!("{}/{}", run.id, kind.as_str());
        if let Some((step, attempt)) = step {
            let _ = write!(id, "/{step}");
            if let Some(attempt) = attempt {
                let _ = write!(id, "/{attempt}");
            }
        }
        let change = run.change().and_then(|receipt| receipt.url);
        Record {
            id: RecordId::new(id),
            kind,
            repo: started.repo.clone(),
            run: run.id.clone(),
            number: started.number,
            flow: started.flow.clone(),
            issue: started.issue.number,
            step: step.map(|(step, _)| step.clone()),
            agent: String::new(),
            outcome: run.status(),
            at,
            title: String::new(),
            text: String::new(),
            files: Vec::new(),
            url: change.unwrap_or_else(|| started.issue.url.clone()),
            given: Vec::new(),
        }
    }
}

/// Whether something is learned from a failure; nothing is from what waits, was stopped, or has no room.
fn teaches(failure: &Failure) -> bool {
    use FailureClass::{
        BaseMoved, Budget, Cancelled, DirtyCheckout, Exhausted, Pending, Transient, Unavailable,
    };
    ![Pending, Cancelled, Budget, Exhausted, Transient, Unavailable, BaseMoved, DirtyCheckout]
        .contains(&failure.class)
}

fn told(failure: &Failure) -> String {
    let mut text = failure.message.clone();
    if let Some(lines) = failure.evidence.as_array() {
        let lines = lines.iter().map(|line| line.as_str().map_or_else(|| line.to_string(), str::to_owned));
        // The message often ends with the first of them.
        for line in lines.filter(|line| !failure.message.contains(line.as_str())).take(TOLD) {
            let _ = write!(text, "\n- {line}");
        }
    }
    if let Some(hint) = &failure.hint {
        let _ = write!(text, "\nHint: {hint}");
    }
    text
}

/// Those of the words that look like paths.
fn paths(words: &[String]) -> Vec<String> {
    let path = |word: &&String| word.contains(['/', '.']) && !word.contains(char::is_whitespace);
    words.iter().filter(path).cloned().collect()
}

fn some(files: &[String]) -> String {
    const NAMED: usize = 5;
    let mut named: Vec<&str> = files.iter().take(NAMED).map(String::as_str).collect();
    if files.len() > NAMED {
        named.push("…");
    }
    named.join(", ")
}
