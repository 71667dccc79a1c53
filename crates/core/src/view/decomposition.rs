//! The one comment that shows the plan of an issue and how far it is; edited in place.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use super::{counted, hours};
use crate::ids::{IssueNumber, StepId};
use crate::plain::{literal, one_line};
use crate::plan::Schedule;
use crate::status::Status;
use crate::task::Task;

/// More tasks than this are counted, not shown: comments have a limit of 65,536 characters.
const SHOWN: usize = 100;
/// The longest title in the table, in characters.
const TITLE: usize = 100;
/// The longest title in the graph, where each character may take five.
const GRAPH_TITLE: usize = 60;

/// The tasks of an issue as a Mermaid graph and a table, with the critical path and what runs in parallel.
///
/// `schedule` is that of the same tasks. With `statuses` the table says how far each task is; one that is not
/// among them is queued.
pub fn decomposition_comment(
    issue: IssueNumber,
    tasks: &[Task],
    schedule: &Schedule,
    statuses: Option<&BTreeMap<StepId, Status>>,
) -> String {
    let work = tasks.iter().map(|task| u64::from(task.estimate_minutes)).sum();
    let mut text = format!(
        "## Plan for Issue #{issue}\n\n{} in {}, about {} of work, {} on the critical path.\n\n",
        counted(count(tasks.len()), "task", "tasks"),
        counted(count(schedule.levels.len()), "level", "levels"),
        hours(work),
        hours(schedule.length),
    );
    let places: HashMap<&str, usize> =
        tasks.iter().enumerate().map(|(place, task)| (task.id.as_str(), place)).collect();
    let needs = |task: &Task| -> Vec<usize> {
        task.dependencies.iter().filter_map(|id| places.get(id.as_str()).copied()).collect()
    };
    if tasks.len() <= SHOWN {
        graph(&mut text, tasks, schedule, needs);
    }
    table(&mut text, tasks, statuses, needs);
    let path: Vec<String> = schedule.critical_path.iter().map(|place| (place + 1).to_string()).collect();
    let _ = writeln!(text, "\n**Critical path** ({}): {}\n", hours(schedule.length), bounded(&path, " → "));
    text.push_str("**In parallel**:\n");
    for (level, members) in schedule.levels.iter().enumerate().take(SHOWN) {
        let members: Vec<String> = members.iter().map(|place| (place + 1).to_string()).collect();
        let _ = writeln!(text, "- level {}: {}", level + 1, bounded(&members, ", "));
    }
    text
}

fn graph(text: &mut String, tasks: &[Task], schedule: &Schedule, needs: impl Fn(&Task) -> Vec<usize>) {
    text.push_str("```mermaid\ngraph TD\n");
    for (place, task) in tasks.iter().enumerate() {
        let label = format!(
            "{}. {} ({})",
            place + 1,
            one_line(&task.title, GRAPH_TITLE),
            hours(task.estimate_minutes.into())
        );
        let _ = writeln!(text, "    t{}[\"{}\"]", place + 1, crate::plain::mermaid(&label));
    }
    for (place, task) in tasks.iter().enumerate() {
        for need in needs(task) {
            let _ = writeln!(text, "    t{} --> t{}", need + 1, place + 1);
        }
    }
    if !schedule.critical_path.is_empty() {
        let path: Vec<String> =
            schedule.critical_path.iter().map(|place| format!("t{}", place + 1)).collect();
        let _ =
            writeln!(text, "    classDef critical stroke-width:3px\n    class {} critical", path.join(","));
    }
    text.push_str("```\n\n");
}

fn table(
    text: &mut String,
    tasks: &[Task],
    statuses: Option<&BTreeMap<StepId, Status>>,
    needs: impl Fn(&Task) -> Vec<usize>,
) {
    text.push_str("| # | Task | Kind | Agent | Estimate | After |");
    text.push_str(if statuses.is_some() { " Status |\n" } else { "\n" });
    text.push_str("|---:|---|---|---|---:|---|");
    text.push_str(if statuses.is_some() { "---|\n" } else { "\n" });
    for (place, task) in tasks.iter().enumerate().take(SHOWN) {
        let after: Vec<String> = needs(task).iter().map(|need| (need + 1).to_string()).collect();
        let _ = write!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            place + 1,
            literal(&task.title, TITLE),
            task.kind.as_str(),
            literal(&task.agent, 40),
            hours(task.estimate_minutes.into()),
            bounded(&after, ", "),
        );
        if let Some(statuses) = statuses {
            let status = statuses.get(&task.id).copied().unwrap_or(Status::Queued);
            let _ = write!(text, " {status} |");
        }
        text.push('\n');
    }
    if tasks.len() > SHOWN {
        let _ = writeln!(text, "\n… and {} more.", tasks.len() - SHOWN);
    }
}

fn bounded(words: &[String], between: &str) -> String {
    match words.len().checked_sub(SHOWN) {
        None | Some(0) => words.join(between),
        Some(more) => format!("{}{between}… {more} more", words[..SHOWN].join(between)),
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
