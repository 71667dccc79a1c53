//! A question to people as a comment, its answer, and the same as a short message.

use std::fmt::Write;

use crate::event::{Answer, Escalation, Urgency};
use crate::plain::{code, fenced, literal, one_line};
use crate::run::Run;
use crate::status::Status;

/// The most failing checks in the comment.
const SHOWN: usize = 20;

/// What is asked, what it rests on, and how it is answered.
pub fn question_comment(run: &Run, question: &Escalation) -> String {
    let mut text = format!(
        "## Question {}\n\n**{}** · step {} · urgency {}\n\n",
        question.id,
        literal(&question.reason, 500),
        code(question.step.as_str(), 100),
        urgency(question.severity),
    );
    let shown: Vec<_> =
        question.context.failing_checks.iter().take(SHOWN).map(|line| one_line(line, 300)).collect();
    if !shown.is_empty() {
        text.push_str(&fenced(&shown.join("\n"), "text"));
        text.push('\n');
    }
    let _ = writeln!(text, "Recommended: {}\n", literal(&question.context.recommendation, 500));
    let _ = writeln!(text, "| answer | here | what it means |\n|---|---|---|");
    for action in &question.actions {
        let here = match command(&action.id).filter(|_| run.started.hosted) {
            Some(word) => format!("/miyabi {word} {}", question.id),
            None => view_of(question, &action.id),
        };
        let _ =
            writeln!(text, "| `{}` | {} | {} |", action.id, code(&here, 200), literal(&action.label, 300));
    }
    let _ = writeln!(
        text,
        "\nWithout an answer `{}` is taken on {} UTC.",
        question.default_action,
        question.deadline.strftime("%Y-%m-%d %H:%M"),
    );
    text
}

/// The same comment once somebody answered.
pub fn answered_comment(question: &Escalation, answer: &Answer) -> String {
    let mut text = format!(
        "## Question {}\n\n{}\n\n**`{}`** by {}, from {}.\n",
        question.id,
        literal(&question.reason, 500),
        answer.action,
        literal(&answer.by, 100),
        literal(&answer.from, 100),
    );
    if !answer.note.trim().is_empty() {
        text.push('\n');
        text.push_str(&fenced(&answer.note, "text"));
    }
    text
}

/// The question in plain text, for mail and chat.
pub fn question_note(question: &Escalation) -> String {
    let mut text = format!("{}\n\n", one_line(&question.reason, 500));
    for check in question.context.failing_checks.iter().take(SHOWN) {
        let _ = writeln!(text, "- {}", one_line(check, 300));
    }
    let actions: Vec<_> = question.actions.iter().map(|action| action.id.as_str()).collect();
    let _ = writeln!(
        text,
        "\nRecommended: {}\nAnswers: {}. Without one, {} is taken on {} UTC.",
        one_line(&question.context.recommendation, 500),
        actions.join(", "),
        question.default_action,
        question.deadline.strftime("%Y-%m-%d %H:%M"),
    );
    text
}

/// How a run ended, in plain text.
pub fn end_note(run: &Run, status: Status, reason: &str) -> String {
    let mut text = format!("{}\n\n", one_line(&run.started.issue.title, 300));
    let _ = writeln!(text, "Run {}: {status}. {}", run.started.number, one_line(reason, 500));
    if let Some(report) = run.report() {
        let _ = writeln!(text, "Quality {} of 100.", report.score);
    }
    if let Some(change) = run.change().and_then(|receipt| receipt.change) {
        let _ = writeln!(text, "Change #{change}.");
    }
    text
}

/// The word of the comment command that gives this answer.
/// The word of a comment; some answers cannot be given in one.
fn command(action: &str) -> Option<&str> {
    match action {
        "approve_anyway" => Some("approve"),
        "manual_fix" => Some("fix"),
        "modify" | "wait" => None,
        other => Some(other),
    }
}

/// How an answer is given in a terminal.
fn view_of(question: &Escalation, action: &str) -> String {
    let tasks = if action == "modify" { " --tasks FILE" } else { "" };
    format!("miyabi escalation answer {} --action {action}{tasks}", question.id)
}

fn urgency(severity: Urgency) -> &'static str {
    match severity {
        Urgency::Low => "low",
        Urgency::Medium => "medium",
        Urgency::High => "high",
    }
}
