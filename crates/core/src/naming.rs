//! Names that other people's tools see: branches, worktree folders, commit messages, titles.
//!
//! Titles and criteria come from issues and agents: whatever they hold, a message keeps its shape, its trailers are
//! ours alone, and it mentions nobody and closes nothing.

mod scope;

use std::fmt::Write as _;

use crate::analysis::Kind;
use crate::ids::{IssueNumber, RunId, RunNumber, SessionId, StepId};
use crate::plain::{one_line, quiet};
use crate::plan::{Purpose, Work};
use crate::task::Task;

/// The longest first line of a commit message, in characters.
pub const SUBJECT_LIMIT: usize = 72;
/// The longest title of a change, in characters, without the issue's number.
pub const TITLE_LIMIT: usize = 200;
/// What the branches of changes that steps of flows offer begin with.
const OFFERED: &str = "miyabi/";
/// The longest part of such a branch that names its flow.
const MAX_OFFERED: usize = 40;
/// The most bullets in a commit message.
const MAX_BULLETS: usize = 8;
/// The longest bullet, in characters.
const BULLET_LIMIT: usize = 100;

/// The branch that grows by the tasks of an issue: `feature/issue-500`.
pub fn integration_branch(issue: IssueNumber) -> String {
    format!("feature/{}", integration_worktree(issue))
}

/// Whether a branch is named as those that are made for issues and for steps of flows are.
pub fn is_made(branch: &str) -> bool {
    let made = ["feature/issue-", "feature/run-", OFFERED];
    made.iter().any(|start| branch.starts_with(start))
}

/// The branch of one task, `n` from 1: `feature/issue-500-task2`.
pub fn task_branch(issue: IssueNumber, n: u32) -> String {
    format!("feature/{}", task_worktree(issue, n))
}

/// The branch of one rework of the whole change, `n` from 1: `feature/issue-500-rework1`.
pub fn rework_branch(issue: IssueNumber, n: u32) -> String {
    format!("feature/{}", rework_worktree(issue, n))
}

/// The folder of the integration branch below `.worktrees/`: `issue-500`.
pub fn integration_worktree(issue: IssueNumber) -> String {
    format!("issue-{issue}")
}

/// The folder of one task below `.worktrees/`: `issue-500-task2`.
pub fn task_worktree(issue: IssueNumber, n: u32) -> String {
    format!("issue-{issue}-task{n}")
}

/// The folder of one rework below `.worktrees/`: `issue-500-rework1`.
pub fn rework_worktree(issue: IssueNumber, n: u32) -> String {
    format!("issue-{issue}-rework{n}")
}

/// The folder below `.worktrees/` where an agent answers the `n`th step of a run, from 1, and its branch:
/// `run-7-step2`, `feature/run-7-step2`.
pub fn reading_place(run: RunNumber, n: usize) -> (String, String) {
    (format!("run-{run}-step{n}"), format!("feature/run-{run}-step{n}"))
}

/// The branch of the change that the `n`th step of a run offers, from 1: `miyabi/tidy-up-7-2`.
pub fn offer_branch(flow: &str, run: RunNumber, n: usize) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let words: String = flow.chars().map(plain).collect();
    let words: Vec<&str> = words.split('-').filter(|word| !word.is_empty()).collect();
    let name: String = words.join("-").chars().take(MAX_OFFERED).collect();
    let name = name.trim_end_matches('-');
    format!("{OFFERED}{}-{run}-{n}", if name.is_empty() { "flow" } else { name })
}

/// The message of the commit that a step of a flow offers.
pub fn offer_message(flow: &str, step: &StepId, run: &RunId, session: &SessionId) -> String {
    let subject =
        format!("chore: {} ({})", quiet_line(step.as_str(), SUBJECT_LIMIT), quiet_line(flow, SUBJECT_LIMIT));
    let mut message = format!("{}\n", one_subject(&subject));
    trailers(&mut message, run, None, Some(session));
    message
}

/// The worktree that a step works in, and the branch that it works on. A resolution works where its task did.
pub fn workplace(issue: IssueNumber, work: &Work) -> (String, String) {
    match work {
        Work::Task(work) => match work.purpose {
            Purpose::Rework { .. } => (rework_worktree(issue, work.index), rework_branch(issue, work.index)),
            Purpose::Implement | Purpose::Resolve { .. } => {
                (task_worktree(issue, work.index), task_branch(issue, work.index))
            }
        },
        _ => (integration_worktree(issue), integration_branch(issue)),
    }
}

/// What the message of a task's commit is made of.
#[derive(Clone, Copy, Debug)]
pub struct CommitFacts<'a> {
    /// The task; its title and criteria are untrusted.
    pub task: &'a Task,
    /// Its issue.
    pub issue: IssueNumber,
    /// Its place among the tasks, from 1.
    pub index: u32,
    /// How many tasks there are.
    pub total: u32,
    /// The run.
    pub run: &'a RunId,
    /// The session whose work is committed; none where no agent worked.
    pub session: Option<&'a SessionId>,
    /// Paths that the commit changes, where they are known; otherwise those that the task expects are looked at.
    pub files: &'a [String],
}

/// The message of a task's commit: conventional subject of at most [`SUBJECT_LIMIT`] characters, bullets (the task's
/// criteria, or else its files), `Refs`, and the trailers by which the commit is attributed.
///
/// The message ends with a line break. No line begins with `#`, so `git commit` keeps all of them.
pub fn commit_message(facts: &CommitFacts<'_>) -> String {
    let CommitFacts { task, issue, index, total, .. } = facts;
    let files = if facts.files.is_empty() { &task.files } else { facts.files };
    let mut message = subject(task.kind, &task.title, files);
    message.push_str("\n\n");
    for bullet in bullets(task, files) {
        let _ = writeln!(message, "- {bullet}");
    }
    if !message.ends_with("\n\n") {
        message.push('\n');
    }
    let _ = writeln!(message, "Refs #{issue} (task {index}/{total})");
    trailers(&mut message, facts.run, Some(task), facts.session);
    message
}

/// What the message of a merge into the integration branch is made of.
#[derive(Clone, Copy, Debug)]
pub struct MergeFacts<'a> {
    /// The task whose commit goes in.
    pub task: &'a Task,
    /// Its issue.
    pub issue: IssueNumber,
    /// Its place among the tasks, from 1.
    pub index: u32,
    /// How many tasks there are.
    pub total: u32,
    /// The run.
    pub run: &'a RunId,
}

/// The message of a merge of one task's commit into the integration branch.
pub fn merge_message(facts: &MergeFacts<'_>) -> String {
    let MergeFacts { task, issue, index, total, .. } = facts;
    let subject = format!("Merge task {index}/{total}: {}", quiet_line(&task.title, SUBJECT_LIMIT));
    let mut message = format!("{}\n\nRefs #{issue} (task {index}/{total})\n", one_subject(&subject));
    trailers(&mut message, facts.run, Some(task), None);
    message
}

/// The message of a merge of the base branch into the integration branch, because it moved.
pub fn update_message(base: &str, issue: IssueNumber, run: &RunId) -> String {
    let subject = format!("Merge {} into {}", quiet_line(base, SUBJECT_LIMIT), integration_branch(issue));
    let mut message = format!("{}\n\nRefs #{issue}\n", one_subject(&subject));
    trailers(&mut message, run, None, None);
    message
}

/// The title of a change, and the first line of its merge: `feat: Add user authentication (#500)`.
///
/// A conventional type that the issue's title already begins with is kept.
pub fn change_title(kind: Kind, title: &str, issue: IssueNumber) -> String {
    let title = quiet_line(title, TITLE_LIMIT);
    let named = if scope::conventional(&title).is_some() {
        title
    } else if title.is_empty() {
        format!("{}: Resolve the issue", kind.commit_type())
    } else {
        format!("{}: {title}", kind.commit_type())
    };
    format!("{named} (#{issue})")
}

/// `feat(types): add User model`.
fn subject(kind: Kind, title: &str, files: &[String]) -> String {
    let title = quiet_line(title, SUBJECT_LIMIT * 2);
    let conventional = scope::conventional(&title);
    let (word, scope, description) = match &conventional {
        Some(named) => (named.word, named.scope.map(str::to_owned), named.description),
        None => (kind.commit_type(), None, title.as_str()),
    };
    let scope = scope.or_else(|| scope::of_files(files));
    let description = description.trim_end_matches(['.', '。', ' ']);
    let description =
        if description.is_empty() { "work on the task".to_owned() } else { lowered(description) };
    match scope {
        Some(scope) => one_subject(&format!("{word}({scope}): {description}")),
        None => one_subject(&format!("{word}: {description}")),
    }
}

/// The text with a small first letter, unless the first word is an acronym or an identifier.
fn lowered(text: &str) -> String {
    let first_word = text.split_whitespace().next().unwrap_or_default();
    let word = first_word.trim_end_matches(|c: char| !c.is_alphanumeric());
    let plain = word.chars().skip(1).all(char::is_lowercase) && word.chars().count() > 1;
    let article = word == "A";
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if plain || article => first.to_lowercase().chain(letters).collect(),
        _ => text.to_owned(),
    }
}

fn bullets(task: &Task, files: &[String]) -> Vec<String> {
    let source = if task.acceptance.is_empty() { files } else { &task.acceptance };
    let mut bullets: Vec<String> =
        source.iter().map(|line| quiet_line(line, BULLET_LIMIT)).filter(|line| !line.is_empty()).collect();
    if bullets.len() > MAX_BULLETS {
        let more = bullets.len() - (MAX_BULLETS - 1);
        bullets.truncate(MAX_BULLETS - 1);
        bullets.push(format!("and {more} more"));
    }
    bullets
}

/// The last paragraph: nothing untrusted stands in it, and nothing after it.
fn trailers(message: &mut String, run: &RunId, task: Option<&Task>, session: Option<&SessionId>) {
    let _ = write!(message, "\nMiyabi-Run: {}\n", one_line(run.as_str(), 100));
    if let Some(task) = task {
        let _ = writeln!(message, "Miyabi-Task: {}", one_line(task.id.as_str(), 100));
    }
    if let Some(session) = session {
        let _ = writeln!(message, "Miyabi-Session: {}", one_line(session.as_str(), 100));
    }
}

fn quiet_line(text: &str, limit: usize) -> String {
    quiet(&one_line(text, limit))
}

/// Cut to the limit; the breaks that keep it quiet are kept, which `one_line` would remove.
fn one_subject(subject: &str) -> String {
    if subject.chars().count() <= SUBJECT_LIMIT {
        return subject.to_owned();
    }
    let mut cut: String = subject.chars().take(SUBJECT_LIMIT - 1).collect();
    cut.truncate(cut.trim_end().len());
    cut.push('…');
    cut
}

#[cfg(test)]
#[path = "naming/tests.rs"]
mod tests;
