//! Extensions: the steps that a decision adds to the plan.

use std::collections::BTreeMap;

use crate::analysis::Kind;
use crate::event::Gate;
use crate::failure::Failure;
use crate::ids::{CommitId, StepId};
use crate::plan::{Extension, Integrate, Purpose, RunCondition, Step, TaskWork, Uses, Work};
use crate::report::{CheckEnd, Reading, Remark, Report, Severity};
use crate::run::{Phase, Run, StepState};
use crate::task::Task;
use crate::worktree::ConflictFile;

/// The step that merges the commit of a task.
fn merge_id(task: &StepId) -> StepId {
    StepId::new(format!("{task}.merge"))
}

fn integrate(of: &StepId, id: StepId, resolutions: u32) -> Step {
    Step::new(id, Work::Integrate(Integrate { of: of.clone(), resolutions })).needs([of.clone()])
}

/// Each task, its merge, and the execute step waiting for all merges. A task starts when those that it stands on
/// are merged.
pub(super) fn tasks(run: &Run, by: &StepState, tasks: &[Task]) -> Extension {
    let total = tasks.len() as u32;
    let mut extension = Extension::default();
    for (task, index) in tasks.iter().zip(1..) {
        let work = TaskWork { task: task.clone(), index, total, purpose: Purpose::Implement };
        let mut needs: Vec<_> = task.dependencies.iter().map(merge_id).collect();
        needs.push(by.step.id.clone());
        extension.steps.push(Step::new(task.id.clone(), Work::Task(Box::new(work))).needs(needs));
        extension.steps.push(integrate(&task.id, merge_id(&task.id), 0));
    }
    let merges: Vec<_> = tasks.iter().map(|task| merge_id(&task.id)).collect();
    let execute = run.steps().iter().filter(|state| {
        state.step.work == Work::Uses(Uses::Execute) && state.step.needs.contains(&by.step.id)
    });
    extension.joins =
        execute.map(|state| (state.step.id.clone(), merges.clone())).collect::<BTreeMap<_, _>>();
    extension
}

/// A conflict's both sides as the failed merge recorded them.
pub(super) fn conflict_files(failure: &Failure) -> Vec<ConflictFile> {
    serde_json::from_value(failure.evidence["files"].clone()).unwrap_or_default()
}

/// An agent brings both sides together, then the merge is tried again in place of the failed one.
pub(super) fn resolution(
    run: &Run,
    failed: &StepState,
    integrate_work: &Integrate,
    failure: &Failure,
) -> Option<Extension> {
    let Work::Task(original) = &run.step(&integrate_work.of)?.step.work else { return None };
    let theirs: CommitId = serde_json::from_value(failure.evidence["theirs"].clone()).ok()?;
    let n = integrate_work.resolutions + 1;
    let resolve = free_id(run, &format!("{}.resolve", original.task.id), n);
    let work = TaskWork {
        purpose: Purpose::Resolve { theirs, files: conflict_files(failure) },
        ..TaskWork::clone(original)
    };
    let merge = free_id(run, &format!("{}.merge", original.task.id), n + 1);
    Some(Extension {
        steps: vec![
            Step::new(resolve.clone(), Work::Task(Box::new(work))).needs([integrate_work.of.clone()]),
            integrate(&resolve, merge.clone(), n),
        ],
        joins: BTreeMap::new(),
        supersedes: Some((failed.step.id.clone(), merge)),
    })
}

/// The same for a base branch that does not fit: an agent works on a branch of its own, whose merge takes the place of
/// the failed update.
pub(super) fn base_resolution(run: &Run, update: &StepState, failure: &Failure) -> Option<Extension> {
    let theirs: CommitId = serde_json::from_value(failure.evidence["theirs"].clone()).ok()?;
    let total = run.tasks().count() as u32;
    let id = StepId::new(format!("{}.resolve-1", update.step.id));
    let files = conflict_files(failure);
    let task = Task {
        id: id.clone(),
        title: format!("Bring {} and the change together", run.started.base_branch),
        description: String::new(),
        kind: Kind::Bug,
        agent: "codegen".to_owned(),
        estimate_minutes: 15,
        dependencies: Vec::new(),
        acceptance: vec!["what both sides meant still holds".to_owned()],
        files: files.iter().map(|file| file.path.clone()).collect(),
    };
    // Numbered behind the tasks, so that its branch and worktree are its own.
    let index = total + count_uses(run, Uses::Update);
    let work = TaskWork { task, index, total, purpose: Purpose::Resolve { theirs, files } };
    let merge = merge_id(&id);
    let resolve = Step::new(id.clone(), Work::Task(Box::new(work))).needs([update.step.id.clone()]);
    Some(Extension {
        steps: vec![resolve, integrate(&id, merge.clone(), 1)],
        joins: BTreeMap::new(),
        supersedes: Some((update.step.id.clone(), merge)),
    })
}

/// The first id `<stem>-<n>` from this number on that no step of the run has.
fn free_id(run: &Run, stem: &str, n: u32) -> StepId {
    let ids = (n..).map(|n| StepId::new(format!("{stem}-{n}")));
    ids.into_iter().find(|id| run.step(id).is_none()).unwrap_or_else(|| StepId::new(stem))
}

/// How many steps of that kind the plan holds.
pub(super) fn count_uses(run: &Run, uses: Uses) -> u32 {
    run.steps().iter().filter(|state| state.step.work == Work::Uses(uses)).count() as u32
}

/// `1 rework`, `3 reworks`.
pub(super) fn times(reworks: u32) -> String {
    format!("{reworks} rework{}", if reworks == 1 { "" } else { "s" })
}

/// How often the whole change was reworked.
pub(super) fn count_reworks(run: &Run) -> u32 {
    let rework = |state: &&StepState| matches!(&state.step.work, Work::Task(work) if matches!(work.purpose, Purpose::Rework { .. }));
    run.steps().iter().filter(rework).count() as u32
}

/// A further step of that kind. Its condition was computed for the step that it follows, whose output stands for its
/// own; what that one was to write is written by the one that takes its place.
fn next(run: &Run, uses: Uses, like: &StepState) -> Step {
    let n = count_uses(run, uses) + 1;
    let takes_its_place = like.step.work == Work::Uses(uses);
    Step {
        id: StepId::new(format!("{}-{n}", uses.as_str())),
        needs: Vec::new(),
        work: Work::Uses(uses),
        condition: None,
        run_condition: match like.step.run_condition {
            RunCondition::Manual => RunCondition::OnSuccess,
            other => other,
        },
        input: None,
        output_key: None,
        actions: if takes_its_place { like.step.actions.clone() } else { Vec::new() },
        ..like.step.clone()
    }
}

/// These steps, then one of each kind after the other, the last one in place of the step that ended.
fn chain(run: &Run, ended: &StepState, mut steps: Vec<Step>, through: &[Uses]) -> Extension {
    for &uses in through {
        let before = steps.last().map_or(&ended.step.id, |step| &step.id).clone();
        steps.push(next(run, uses, ended).needs([before]));
    }
    let supersedes = steps.last().map(|last| (ended.step.id.clone(), last.id.clone()));
    Extension { steps, joins: BTreeMap::new(), supersedes }
}

/// The base branch goes in; then review, change and merge once more, in place of the failed merge.
pub(super) fn update(run: &Run, merge: &StepState, n: u32) -> Extension {
    let update = Step::new(format!("update-{n}"), Work::Uses(Uses::Update)).needs([merge.step.id.clone()]);
    let through = match count_uses(run, Uses::Ci) {
        0 => &[Uses::Review, Uses::Change, Uses::Merge][..],
        _ => &[Uses::Review, Uses::Change, Uses::Ci, Uses::Merge],
    };
    chain(run, merge, vec![update], through)
}

/// The same review once more, in place of the one that ended.
pub(super) fn another_review(run: &Run, review: &StepState) -> Extension {
    chain(run, review, Vec::new(), &[Uses::Review])
}

/// The change that a person mended is measured and opened once more.
pub(super) fn another_change(run: &Run, change: &StepState) -> Extension {
    chain(run, change, Vec::new(), &[Uses::Review, Uses::Change])
}

/// An agent mends the whole change, its commit goes in, and the review is made again.
pub(super) fn rework(run: &Run, review: &StepState, report: &Report, n: u32) -> Extension {
    let title = format!("Mend what the review found (score {})", report.score);
    let steps = mend(run, review, title, findings(report), n);
    chain(run, review, steps, &[Uses::Review])
}

/// The same for an open change: it is measured and brought up to date before the step looks again.
///
/// `ended`: the step that opened the change, or the one that waits for CI.
pub(super) fn mend_change(
    run: &Run,
    ended: &StepState,
    title: &str,
    findings: Vec<String>,
    n: u32,
) -> Extension {
    let steps = mend(run, ended, title.to_owned(), findings, n);
    match ended.step.work {
        Work::Uses(Uses::Ci) => chain(run, ended, steps, &[Uses::Review, Uses::Change, Uses::Ci]),
        _ => chain(run, ended, steps, &[Uses::Review, Uses::Change]),
    }
}

/// An agent's work on the whole change, and the merge of its commit.
fn mend(run: &Run, ended: &StepState, title: String, findings: Vec<String>, n: u32) -> Vec<Step> {
    let id = StepId::new(format!("rework-{n}"));
    let task = Task {
        id: id.clone(),
        title,
        description: String::new(),
        kind: Kind::Bug,
        agent: "codegen".to_owned(),
        estimate_minutes: 30,
        dependencies: Vec::new(),
        acceptance: findings.iter().take(20).map(|finding| format!("no longer found: {finding}")).collect(),
        files: Vec::new(),
    };
    let total = run.tasks().count() as u32;
    let work = TaskWork { task, index: n, total, purpose: Purpose::Rework { findings } };
    let merge = integrate(&id, merge_id(&id), 0);
    vec![Step::new(id, Work::Task(Box::new(work))).needs([ended.step.id.clone()]), merge]
}

/// What a failure brought along, one line each.
pub(super) fn evidence_lines(failure: &Failure) -> Vec<String> {
    let lines = failure.evidence.as_array().into_iter().flatten().filter_map(|line| line.as_str());
    lines.map(str::to_owned).collect()
}

/// What a report found, one line each: closed gates, failed checks, findings that cost points, then remarks.
pub(super) fn findings(report: &Report) -> Vec<String> {
    let failed = report.checks.iter().filter(|check| check.end == CheckEnd::Failed);
    let failed = failed.map(|check| format!("`{}` failed", check.command.join(" ")));
    let found =
        report.issues.iter().filter(|finding| finding.severity > Severity::Info).take(100).map(|finding| {
            let place = match (&finding.file, finding.line) {
                (Some(file), Some(line)) => format!("{file}:{line}: "),
                (Some(file), None) => format!("{file}: "),
                _ => String::new(),
            };
            let first = finding.message.lines().next().unwrap_or_default();
            format!("{place}{first} [{}]", finding.rule)
        });
    let remarks = report.reading.iter().flat_map(Reading::remarks);
    let remarks = remarks.filter(|remark| remark.severity > Severity::Low).map(Remark::line_of);
    report.gates.iter().cloned().chain(failed).chain(found).chain(remarks).collect()
}

/// Whether so many reviews in a row as the policy allows, this one the last, found the very same: then another rework
/// would cost the same and end the same.
pub(super) fn is_stuck(run: &Run, review: &StepState, report: &Report) -> bool {
    let allowed = run.policy().same_failures as usize;
    let found = findings(report);
    let earlier = run
        .steps()
        .iter()
        .rev()
        .filter(|state| state.step.work == Work::Uses(Uses::Review) && state.step.id != review.step.id);
    let earlier = earlier.filter_map(|state| serde_json::from_value(state.output()?.clone()).ok());
    let same = earlier.take_while(|earlier| findings(earlier) == found).count() + 1;
    allowed > 0 && same >= allowed
}

/// Who approved an earlier change of this run, and the report that it had then.
pub(super) fn earlier_approval(run: &Run, change: &StepState) -> Option<(String, Report)> {
    let earlier = run.steps().iter().rev().find(|state| {
        state.step.id != change.step.id
            && state.step.work == Work::Uses(Uses::Change)
            && matches!(state.phase, Phase::Ended(_))
            && matches!(state.gate, Some((Gate::Proceed, _)))
    })?;
    let answer = earlier.answer.as_ref()?;
    let reports = run.steps().iter().filter(|state| state.step.work == Work::Uses(Uses::Review));
    // The newest report is the one being judged; the approval spoke of the one before it.
    let reports: Vec<_> = reports.filter_map(StepState::output).collect();
    let before = reports.into_iter().rev().nth(1)?;
    Some((answer.by.clone(), serde_json::from_value(before.clone()).ok()?))
}
