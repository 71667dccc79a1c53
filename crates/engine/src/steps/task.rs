//! One attempt at a task: a worktree, an agent, a commit, and the task's own checks.
//!
//! What the agent says never counts. Git shows what changed, the checks show whether it holds.

pub(super) mod checks;
mod context;

use std::collections::BTreeMap;

use jiff::Timestamp;
use miyabi_core::event::Answer;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::CommitId;
use miyabi_core::issue::Issue;
use miyabi_core::naming::{self, CommitFacts};
use miyabi_core::plan::{Purpose, Step, TaskWork};
use miyabi_core::policy::Policy;
use miyabi_core::run::{Run, SessionState, StepState};
use miyabi_core::session::{Adapter, SessionEnd, SessionOutcome};
use miyabi_core::status::Status;
use miyabi_core::task::AgentResult;
use miyabi_core::worktree::{CommitSpec, Committed, Worktree, WorktreeSpec};

use super::past::Recall;
use super::session::Seat;
use super::{Job, Outcome, Working, stop};
use crate::World;

/// The branch that a task's step works on. A resolution works on the task's own branch.
pub(super) fn branch(run: &Run, step: &Step) -> String {
    naming::workplace(run.started.issue.number, &step.work).1
}

/// The worktree that a task's step works in.
pub(super) fn worktree_name(run: &Run, step: &Step) -> String {
    naming::workplace(run.started.issue.number, &step.work).0
}

/// Everything that an attempt needs, taken from the run when it begins.
struct Attempt {
    world: World,
    seat: Seat,
    work: TaskWork,
    issue: Issue,
    policy: Policy,
    adapter: Adapter,
    name: String,
    branch: String,
    /// What the last attempt failed with, one line each.
    findings: Vec<String>,
    /// Where the last attempt started, when its work is to be mended or gone on with.
    left_at: Option<CommitId>,
    /// A person mended it: their work is taken, no agent starts.
    by_person: Option<Answer>,
    memory: Recall,
    at: Timestamp,
}

/// Begins an attempt at a task.
pub(super) fn start(world: World, work: &TaskWork, job: &Job<'_>) -> Working {
    let (run, state) = (job.run, job.state);
    let failed = state.failure();
    let mends = failed.is_some_and(|failure| failure.class == FailureClass::ChecksFailed);
    let last = run.sessions.iter().rev().find(|session| session.step == state.step.id);
    let evidence = failed.and_then(|failure| failure.evidence.as_array().cloned()).unwrap_or_default();
    let mut findings: Vec<_> = evidence.iter().filter_map(|line| line.as_str().map(str::to_owned)).collect();
    if let Purpose::Rework { findings: found } = &work.purpose {
        findings.extend(found.iter().cloned());
    }
    let (name, branch) = naming::workplace(run.started.issue.number, &state.step.work);
    let resumes = interrupted(run, state);
    let attempt = Attempt {
        seat: Seat {
            resumes: resumes.map(|session| (session.id.clone(), session.name.clone().unwrap_or_default())),
            ..Seat::of(&world, job)
        },
        world,
        work: work.clone(),
        issue: run.started.issue.clone(),
        policy: run.policy().clone(),
        adapter: run.started.adapter.clone(),
        name,
        branch,
        findings,
        left_at: resumes.or(last.filter(|_| mends)).map(|session| session.base.clone()),
        by_person: state.answer.clone().filter(|_| mends),
        memory: Recall::of(run),
        at: state.started_at.unwrap_or(run.last_at),
    };
    Box::pin(attempt.run())
}

/// The session of the attempt before this one, when a restart ended it in the middle and its program can go on.
fn interrupted<'a>(run: &'a Run, state: &StepState) -> Option<&'a SessionState> {
    let last = run.sessions.iter().rev().find(|session| session.step == state.step.id)?;
    let was_stopped = matches!(last.end, Some((SessionEnd::Stopped, _)));
    let is_the_same = last.attempt + 1 == state.attempt && last.adapter == run.started.adapter.to_string();
    let can = run.started.adapter.capabilities().resume && last.name.is_some();
    (was_stopped && is_the_same && can).then_some(last)
}

impl Attempt {
    /// What the task is about, in words.
    fn asked(&self) -> String {
        let task = &self.work.task;
        format!("{}\n{}\n{}\n{}", task.title, self.issue.title, task.description, task.files.join("\n"))
    }

    async fn run(mut self) -> Outcome {
        let worktrees = &self.world.worktrees;
        let into = naming::integration_branch(self.issue.number);
        let gone = || Failure::new(FailureClass::Input, format!("branch `{into}` is gone"));
        let base = match &self.left_at {
            Some(base) => base.clone(),
            None => worktrees.tip(&into).await?.ok_or_else(gone)?,
        };
        let spec = WorktreeSpec {
            run: self.seat.run.clone(),
            step: self.seat.step.clone(),
            name: self.name.clone(),
            branch: self.branch.clone(),
            base: base.clone(),
            keep_work: self.left_at.is_some(),
        };
        let worktree = worktrees.open(&spec).await?;
        let mut parents = vec![base.clone()];
        let mut conflicts = Vec::new();
        if let Purpose::Resolve { theirs, files } = &self.work.purpose {
            parents.push(theirs.clone());
            conflicts = files.clone();
            if self.left_at.is_none() {
                conflicts = worktrees.begin_merge(&worktree, theirs).await?;
            }
        }
        let outcome = match &self.by_person {
            Some(_) => None,
            None => {
                let past = self.memory.like(&self.world, &self.asked()).await;
                self.seat.given.clone_from(&past.given);
                let prompt = self.prepare(&worktree, &conflicts, &past.runs).await?;
                let seat = self.seat.clone();
                let (seat, outcome) = seat.go_on(&self.world, &self.adapter, &worktree, prompt).await?;
                self.seat = seat;
                Some(outcome)
            }
        };
        let paths: Vec<_> = conflicts.iter().map(|file| file.path.clone()).collect();
        let markers = worktrees.markers_left(&worktree, &paths).await?;
        if !markers.is_empty() {
            let lines: Vec<_> =
                markers.iter().map(|place| format!("conflict marker left at {place}")).collect();
            return Err(Failure::new(FailureClass::ChecksFailed, lines.join(", ")).evidence(lines.into()));
        }
        let committed = self.commit(&worktree, parents, outcome.as_ref()).await?;
        let checked = self.check(&worktree, &base, &committed).await?;
        self.result(committed, checked, outcome)
    }

    /// Makes the commit: miyabi does, never the agent. No change is a failure of its own.
    async fn commit(
        &self,
        worktree: &Worktree,
        parents: Vec<CommitId>,
        outcome: Option<&SessionOutcome>,
    ) -> Result<Committed, Failure> {
        let facts = CommitFacts {
            task: &self.work.task,
            issue: self.issue.number,
            index: self.work.index,
            total: self.work.total,
            run: &self.seat.run,
            session: outcome.map(|_| &self.seat.session),
            files: &[],
        };
        let base = worktree.base.clone();
        let spec = CommitSpec { message: naming::commit_message(&facts), parents, at: self.at };
        if let Some(committed) = self.world.worktrees.commit(worktree, &spec).await? {
            return Ok(committed);
        }
        if matches!(self.work.purpose, Purpose::Resolve { .. }) {
            // The agent found that nothing of the task is to be added: the integration branch stays as it is.
            return self.world.worktrees.compare(&base, &base).await;
        }
        let said = outcome.and_then(|outcome| outcome.last_message.clone()).unwrap_or_default();
        let said: String = said.chars().take(400).collect();
        let refusals = outcome.map_or(&[][..], |outcome| &outcome.refusals);
        let mut evidence: Vec<String> =
            refusals.iter().map(|refused| format!("refused: {refused}")).collect();
        evidence.extend((!said.is_empty()).then(|| format!("it said: {said}")));
        let why = "the agent ended without an error, and git shows no change in its worktree";
        Err(Failure::new(FailureClass::NoChanges, why)
            .evidence(evidence.into())
            .hint(format!("its whole output is in {}", self.seat.transcript.display())))
    }

    fn result(
        &self,
        committed: Committed,
        checked: checks::TaskChecks,
        outcome: Option<SessionOutcome>,
    ) -> Outcome {
        let usage = outcome.as_ref().map(|outcome| outcome.usage).unwrap_or_default();
        let tokens = [usage.input_tokens, usage.output_tokens].into_iter().flatten().collect::<Vec<_>>();
        let mut changed = committed.changed;
        changed.extend(committed.deleted);
        let result = AgentResult {
            status: Status::Succeeded,
            session_id: self.seat.session.clone(),
            commit: committed.commit,
            files_created: committed.created,
            files_changed: changed,
            insertions: committed.insertions,
            deletions: committed.deletions,
            tests_passed: checked.tests.map(|tests| tests.passed),
            tests_failed: checked.tests.map(|tests| tests.failed),
            lint_warnings: checked.lint_warnings,
            not_measured: checked.not_measured,
            duration_ms: outcome.as_ref().map_or(0, |outcome| outcome.duration_ms),
            tokens: (!tokens.is_empty()).then(|| tokens.iter().sum()),
            cost_usd: usage.cost_usd,
            given: self.seat.given.clone(),
            last_message: outcome.and_then(|outcome| outcome.last_message),
        };
        serde_json::to_value(&result).map_err(|error| Failure::caused(FailureClass::Internal, &error))
    }

    async fn check(
        &self,
        worktree: &Worktree,
        base: &CommitId,
        committed: &Committed,
    ) -> Result<checks::TaskChecks, Failure> {
        let deadline = self.policy.check_deadline_secs;
        let job = checks::job(worktree, &self.seat.run, deadline);
        let checked = self.world.checks.run(&job, stop(self.seat.stop.clone())).await?;
        if *self.seat.stop.borrow() {
            return Err(Failure::new(FailureClass::Cancelled, "the checks were stopped"));
        }
        let added = self.world.worktrees.added_lines(base, &committed.commit, checks::LINES).await?;
        let mut lines: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for line in &added {
            lines.entry(&line.file).or_default().push(line.line);
        }
        checks::judge(&checked, &committed.created, &lines)
    }
}
