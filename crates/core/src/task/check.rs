//! Whether tasks can be worked on: every rule, and everything that breaks one at once.

use std::collections::HashMap;
use std::fmt;

use crate::failure::{Failure, FailureClass};
use crate::ids::{IssueNumber, StepId};
use crate::plain::one_line;
use crate::plan::{self, Problem, Schedule};
use crate::policy::Policy;
use crate::task::Task;

/// The longest title of a task, in characters.
pub const MAX_TITLE: usize = 200;
/// The longest estimate of a task, in minutes: a year.
pub const MAX_ESTIMATE: u32 = 365 * 24 * 60;

/// One thing that is wrong with the tasks of an issue. Names from outside are shown shortened, on one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaskProblem {
    /// There is nothing to do.
    #[error("there is no task")]
    None,
    /// More tasks than the policy allows.
    #[error("there are {count} tasks, at most {max} are allowed")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: u32,
    },
    /// An id that is not `task-<issue>-<n>`.
    #[error("`{}` is not an id of the form `task-{issue}-<n>`", shown(id))]
    Id {
        /// The id.
        id: StepId,
        /// The issue it should name.
        issue: IssueNumber,
    },
    /// Two tasks have one id.
    #[error("`{}` is the id of more than one task", shown(id))]
    Duplicate {
        /// The id.
        id: StepId,
    },
    /// A dependency that is no task here.
    #[error("`{}` depends on `{}`, which is no task of this issue", shown(task), shown(dependency))]
    Unknown {
        /// The task.
        task: StepId,
        /// What it depends on.
        dependency: StepId,
    },
    /// Tasks that wait for each other.
    #[error("the tasks wait for each other: {}", Path(path))]
    Cycle {
        /// The tasks in order of dependency; the first one is not repeated.
        path: Vec<StepId>,
    },
    /// A title that says nothing.
    #[error("`{}` has no title", shown(task))]
    NoTitle {
        /// The task.
        task: StepId,
    },
    /// A title that is a text.
    #[error("the title of `{}` has {characters} characters, at most {MAX_TITLE} are allowed", shown(task))]
    LongTitle {
        /// The task.
        task: StepId,
        /// How long it is.
        characters: usize,
    },
    /// A title with line breaks or control characters.
    #[error("the title of `{}` is not one line of text", shown(task))]
    OddTitle {
        /// The task.
        task: StepId,
    },
    /// An estimate of nothing or of more than a year.
    #[error(
        "the estimate of `{}` is {minutes} minutes, which is not between 1 and {MAX_ESTIMATE}",
        shown(task)
    )]
    Estimate {
        /// The task.
        task: StepId,
        /// The estimate.
        minutes: u32,
    },
    /// A name that no agent can have.
    #[error(
        "`{}` names the agent {agent:?}, which is not a name of lower-case letters, digits and `-`",
        shown(task)
    )]
    Agent {
        /// The task.
        task: StepId,
        /// The name, shortened.
        agent: String,
    },
    /// An expected file outside the repository.
    #[error("`{}` expects the file {file:?}, which {why}", shown(task))]
    File {
        /// The task.
        task: StepId,
        /// The path, shortened.
        file: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Checks the tasks of an issue and schedules them by their estimates in minutes.
///
/// Errors: everything that is wrong, in the order of the tasks, then of their dependencies.
pub fn check_tasks(
    tasks: &[Task],
    issue: IssueNumber,
    policy: &Policy,
) -> Result<Schedule, Vec<TaskProblem>> {
    let mut problems = Vec::new();
    if tasks.is_empty() {
        problems.push(TaskProblem::None);
    }
    if u32::try_from(tasks.len()).map_or(true, |count| count > policy.max_tasks) {
        problems.push(TaskProblem::TooMany { count: tasks.len(), max: policy.max_tasks });
    }
    for task in tasks {
        check_one(task, issue, &mut problems);
    }

    let nodes: Vec<(&str, Vec<&str>)> = tasks
        .iter()
        .map(|task| (task.id.as_str(), task.dependencies.iter().map(StepId::as_str).collect()))
        .collect();
    problems.extend(plan::check(&nodes).into_iter().map(|problem| match problem {
        Problem::Duplicate { node } => TaskProblem::Duplicate { id: tasks[node].id.clone() },
        Problem::Unknown { node, need } => TaskProblem::Unknown {
            task: tasks[node].id.clone(),
            dependency: tasks[node].dependencies[need].clone(),
        },
        Problem::Cycle { path } => {
            TaskProblem::Cycle { path: path.into_iter().map(|node| tasks[node].id.clone()).collect() }
        }
    }));
    if !problems.is_empty() {
        return Err(problems);
    }

    let places: HashMap<&str, usize> = nodes.iter().enumerate().map(|(at, (name, _))| (*name, at)).collect();
    let place = |id: &StepId| places.get(id.as_str()).copied();
    let estimates: Vec<(Vec<usize>, u64)> = tasks
        .iter()
        .map(|task| (task.dependencies.iter().filter_map(place).collect(), u64::from(task.estimate_minutes)))
        .collect();
    Ok(plan::schedule(&estimates))
}

fn check_one(task: &Task, issue: IssueNumber, problems: &mut Vec<TaskProblem>) {
    let id = || task.id.clone();
    if !is_task_id(task.id.as_str(), issue) {
        problems.push(TaskProblem::Id { id: id(), issue });
    }
    let characters = task.title.chars().count();
    if task.title.trim().is_empty() {
        problems.push(TaskProblem::NoTitle { task: id() });
    } else if characters > MAX_TITLE {
        problems.push(TaskProblem::LongTitle { task: id(), characters });
    }
    if task.title.chars().any(char::is_control) {
        problems.push(TaskProblem::OddTitle { task: id() });
    }
    if task.estimate_minutes == 0 || task.estimate_minutes > MAX_ESTIMATE {
        problems.push(TaskProblem::Estimate { task: id(), minutes: task.estimate_minutes });
    }
    if !is_agent_name(&task.agent) {
        problems.push(TaskProblem::Agent { task: id(), agent: one_line(&task.agent, 60) });
    }
    for file in &task.files {
        if let Some(why) = leaves_repository(file) {
            problems.push(TaskProblem::File { task: id(), file: one_line(file, 120), why });
        }
    }
}

/// `task-<issue>-<n>` with n from 1, written without leading zeros.
fn is_task_id(id: &str, issue: IssueNumber) -> bool {
    let Some(n) = id.strip_prefix("task-").and_then(|rest| rest.strip_prefix(&format!("{issue}-"))) else {
        return false;
    };
    n.parse::<u32>().is_ok_and(|number| number > 0 && number.to_string() == n)
}

fn is_agent_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn leaves_repository(file: &str) -> Option<&'static str> {
    let drive = file.chars().nth(1) == Some(':') && file.starts_with(|c: char| c.is_ascii_alphabetic());
    if file.trim().is_empty() {
        Some("is empty")
    } else if file.chars().any(char::is_control) {
        Some("holds control characters")
    } else if file.starts_with(['/', '\\', '~']) || drive {
        Some("is not relative to the repository")
    } else if file.split(['/', '\\']).any(|part| part == "..") {
        Some("climbs out with `..`")
    } else if file.split(['/', '\\']).any(|part| part.eq_ignore_ascii_case(".git")) {
        Some("is inside `.git`")
    } else {
        None
    }
}

/// `task-1 → task-3 → task-1`; the middle of a long path is left out.
struct Path<'a>(&'a [StepId]);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ENDS: usize = 10;
        let skipped = self.0.len().saturating_sub(2 * ENDS);
        for (at, id) in self.0.iter().enumerate() {
            if skipped > 1 && at == ENDS {
                write!(f, "… {skipped} more … → ")?;
            }
            if skipped <= 1 || at < ENDS || at >= ENDS + skipped {
                write!(f, "{} → ", shown(id))?;
            }
        }
        self.0.first().map_or(Ok(()), |first| f.write_str(&shown(first)))
    }
}

fn shown(id: &StepId) -> String {
    one_line(id.as_str(), 60)
}

impl From<Vec<TaskProblem>> for Failure {
    fn from(problems: Vec<TaskProblem>) -> Self {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Self::new(FailureClass::Input, format!("the tasks cannot be worked on: {}", lines.join("; ")))
            .hint("change the checklist of the issue so that it names at least one task, no unknown or circular dependency, and not too many tasks; then run it again")
            .evidence(lines.into())
    }
}

#[cfg(test)]
#[path = "check/tests.rs"]
mod tests;
