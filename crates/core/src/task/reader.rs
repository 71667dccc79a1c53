//! The coordinator that needs no model: one task for each item of the issue's checklist.
//!
//! Items are independent unless they say otherwise (`(depends on 1, 2)`, `(after #2)`), with one exception: tests and
//! documentation that say nothing come after everything else, because they speak of the result. What must be true of
//! the whole issue is asked of the tasks that nothing waits for, documentation aside.

use std::collections::{BTreeMap, BTreeSet};

use super::{Decomposition, MAX_TITLE, Task, codegen};
use crate::analysis::{Analysis, DETERMINISTIC_READER, Kind, usual_minutes};
use crate::autonomy::is_hotfix;
use crate::ids::{IssueNumber, StepId};
use crate::issue::Issue;
use crate::plain::one_line;
use crate::policy::Policy;
use crate::reading::item::{self, Work};
use crate::reading::lexicon;
use crate::reading::outline::{Outline, visible};

/// The shortest estimate that is made up for an item, in minutes.
const LEAST_MINUTES: u32 = 5;

/// Decomposes an issue without any model; the same text always gives the same tasks.
///
/// Below `policy.simple_below`, for a hotfix, and without any list of open items, there is exactly one task for the whole issue, with
/// the items as its criteria. Nothing is left out because it is too much or does not fit together: that is for
/// [`check_tasks`](super::check_tasks) to refuse. Ticked items are done and give no task.
pub fn read_tasks(issue: &Issue, analysis: &Analysis, policy: &Policy) -> Decomposition {
    let outline = Outline::read(&issue.body);
    let acceptance: Vec<String> = outline.acceptance().map(str::to_owned).collect();
    let all = outline.work();
    let open: Vec<Entry> = all
        .iter()
        .enumerate()
        .filter(|(_, item)| item.ticked != Some(true))
        .map(|(place, item)| Entry { place, work: item::read(item) })
        .filter(|entry| !entry.work.title.is_empty())
        .collect();
    let one = analysis.complexity < policy.simple_below || is_hotfix(issue);
    let tasks = if open.is_empty() || one {
        vec![whole(issue, analysis, open, acceptance)]
    } else {
        let numbers: Vec<Option<u32>> = all.iter().map(|item| item.number).collect();
        several(issue.number, analysis, open, &numbers, &acceptance)
    };
    Decomposition { tasks, coordinator: DETERMINISTIC_READER.to_owned() }
}

/// An open item and its place among all items, from 0.
struct Entry {
    place: usize,
    work: Work,
}

fn task_id(issue: IssueNumber, index: usize) -> StepId {
    format!("task-{issue}-{}", index + 1).into()
}

/// One task for everything.
fn whole(issue: &Issue, analysis: &Analysis, open: Vec<Entry>, acceptance: Vec<String>) -> Task {
    let mut criteria = Vec::new();
    let mut files: Vec<String> = Vec::new();
    for Entry { work, .. } in open {
        criteria.push(work.title);
        criteria.extend(work.criteria);
        files.extend(work.files);
    }
    criteria.extend(acceptance);
    let mut known = BTreeSet::new();
    files.retain(|file| known.insert(file.clone()));
    let title = one_line(&issue.title, MAX_TITLE);
    Task {
        id: task_id(issue.number, 0),
        title: if title.is_empty() { format!("Resolve issue {}", issue.number) } else { title },
        description: visible(&issue.body),
        kind: analysis.kind,
        agent: codegen(),
        estimate_minutes: analysis.estimate_minutes.max(1),
        dependencies: Vec::new(),
        acceptance: criteria,
        files,
    }
}

fn several(
    issue: IssueNumber,
    analysis: &Analysis,
    open: Vec<Entry>,
    numbers: &[Option<u32>],
    acceptance: &[String],
) -> Vec<Task> {
    let kinds: Vec<Kind> = open.iter().map(|entry| kind(&entry.work, analysis.kind)).collect();
    let minutes = estimates(&open, &kinds, analysis.estimate_minutes);
    let needs = needs(issue, &open, &kinds, numbers);
    let needed: BTreeSet<&StepId> = needs.iter().flatten().collect();

    let mut tasks: Vec<Task> = Vec::with_capacity(open.len());
    let mut last = Vec::new();
    for (index, Entry { work, .. }) in open.into_iter().enumerate() {
        let id = task_id(issue, index);
        if !needed.contains(&id) {
            last.push(index);
        }
        tasks.push(Task {
            id,
            title: work.title,
            description: work.description,
            kind: kinds[index],
            agent: codegen(),
            estimate_minutes: minutes[index],
            dependencies: needs[index].clone(),
            acceptance: work.criteria,
            files: work.files,
        });
    }
    // Only if documentation is all that there is at the end is it asked for what must be true of the whole.
    if last.iter().any(|&index| kinds[index] != Kind::Docs) {
        last.retain(|&index| kinds[index] != Kind::Docs);
    }
    for index in last {
        tasks[index].acceptance.extend_from_slice(acceptance);
    }
    tasks
}

fn kind(work: &Work, issue: Kind) -> Kind {
    work.kind.or_else(|| lexicon::kind_of_title(&work.title).map(|(kind, _)| kind)).unwrap_or(issue)
}

/// Own estimates where items state them; the others share what is left of the whole, by what is usual for their kind.
fn estimates(open: &[Entry], kinds: &[Kind], whole: u32) -> Vec<u32> {
    let own: u64 = open.iter().filter_map(|entry| entry.work.minutes).map(u64::from).sum();
    let left = u64::from(whole).saturating_sub(own);
    let usual = |index: usize| u64::from(usual_minutes(kinds[index]));
    let shares: u64 = (0..open.len()).filter(|&i| open[i].work.minutes.is_none()).map(usual).sum();
    open.iter()
        .enumerate()
        .map(|(index, entry)| {
            entry.work.minutes.unwrap_or_else(|| {
                let share = left * usual(index) / shares.max(1);
                u32::try_from(share).unwrap_or(u32::MAX).max(LEAST_MINUTES)
            })
        })
        .collect()
}

/// Ids of the tasks that each item waits for.
///
/// Numbers are those of the list if every item has its own, otherwise places from 1. A ticked item is waited for no
/// more. `#7` that is no item is another issue and stays text; a plain number that is no item becomes a dependency
/// that does not exist, so that it is refused rather than overlooked.
fn needs(issue: IssueNumber, open: &[Entry], kinds: &[Kind], numbers: &[Option<u32>]) -> Vec<Vec<StepId>> {
    let by_number = places(numbers);
    let index_of: BTreeMap<usize, usize> =
        open.iter().enumerate().map(|(i, entry)| (entry.place, i)).collect();
    let mut needs: Vec<Vec<StepId>> = Vec::with_capacity(open.len());
    let mut named: BTreeSet<usize> = BTreeSet::new();
    for entry in open {
        let mut ids = Vec::new();
        for reference in &entry.work.after {
            let id = match by_number.get(&reference.number) {
                Some(place) => index_of.get(place).map(|&index| {
                    named.insert(index);
                    task_id(issue, index)
                }),
                None if reference.hash => None,
                None => Some(format!("task-{issue}-{}", reference.number.max(unused(open.len()))).into()),
            };
            ids.extend(id.filter(|id| !ids.contains(id)));
        }
        needs.push(ids);
    }

    // Tests and documentation that say nothing, and that nobody waits for, come last.
    let comes_last = |index: usize| {
        matches!(kinds[index], Kind::Test | Kind::Docs)
            && open[index].work.after.is_empty()
            && !named.contains(&index)
    };
    let before: Vec<StepId> = (0..open.len())
        .filter(|&index| !comes_last(index) && !named.contains(&index))
        .filter(|&index| !matches!(kinds[index], Kind::Test | Kind::Docs))
        .map(|index| task_id(issue, index))
        .collect();
    for index in (0..open.len()).filter(|&index| comes_last(index)) {
        needs[index].clone_from(&before);
    }
    needs
}

/// The place of each number that may be written.
fn places(numbers: &[Option<u32>]) -> BTreeMap<u32, usize> {
    let own: BTreeMap<u32, usize> =
        numbers.iter().enumerate().filter_map(|(place, number)| Some(((*number)?, place))).collect();
    if own.len() == numbers.len() {
        return own;
    }
    (1..).zip(0..numbers.len()).collect()
}

/// The smallest number that no task has.
fn unused(tasks: usize) -> u32 {
    u32::try_from(tasks).unwrap_or(u32::MAX).saturating_add(1)
}

#[cfg(test)]
#[path = "reader/tests.rs"]
mod tests;
