//! What an agent's step does with its checkout once the agent has answered: what it changed becomes a commit that a
//! change can be opened of, and the checks that the flow names run.

use jiff::Timestamp;
use miyabi_core::event::EventBody;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::naming;
use miyabi_core::plan::ActionKind;
use miyabi_core::ports::{CheckJob, Scope};
use miyabi_core::redact::find_secrets;
use miyabi_core::report::{Check, CheckEnd};
use miyabi_core::run::{Run, StepState};
use miyabi_core::worktree::{CommitSpec, Worktree};

use super::session::Seat;
use super::stop;
use super::task::checks::line;
use crate::World;

/// Added lines that are searched for secrets; more cannot be offered.
const LINES: usize = 200_000;

/// What the flow wants of the checkout.
pub(super) struct Offering {
    /// Names of checks.
    checks: Vec<String>,
    /// The branch of the change that is to be opened, and the message of its commit.
    change: Option<(String, String)>,
    deadline_secs: u64,
    at: Timestamp,
}

impl Offering {
    /// What the actions of the step want; `n` is its place among the steps, from 1. Errors: `Input` for a check without
    /// a name. The flow names the check, never the agent whose work it judges.
    pub(super) fn of(run: &Run, state: &StepState, seat: &Seat, n: usize) -> Result<Self, Failure> {
        let mut checks = Vec::new();
        for call in state.step.actions.iter().filter(|call| call.action == ActionKind::RunCheck) {
            let settings = run.settings(state, call);
            let name =
                settings.ok().and_then(|settings| Some(settings.get("check")?.as_str()?.trim().to_owned()));
            let why = "the action `run_check`: its `check` is no name of a check";
            checks.push(name.filter(|name| !name.is_empty()).ok_or_else(|| input(why.to_owned()))?);
        }
        let opens = state.step.actions.iter().any(|call| call.action == ActionKind::OpenChange);
        let change = opens.then(|| {
            let flow = &run.started.flow;
            let message = naming::offer_message(flow, &state.step.id, &run.id, &seat.session);
            (naming::offer_branch(flow, run.started.number, n), message)
        });
        let at = state.started_at.unwrap_or(run.last_at);
        Ok(Self { checks, change, deadline_secs: run.policy().check_deadline_secs, at })
    }

    /// Whether there is anything to do with a checkout.
    pub(super) fn is_empty(&self) -> bool {
        self.checks.is_empty() && self.change.is_none()
    }

    /// That all checks are there, before an agent works in vain. Errors: `Input`.
    pub(super) fn look(&self, world: &World, worktree: &Worktree) -> Result<(), Failure> {
        match self.checks.iter().find(|name| !world.checks.knows(&worktree.path, name)) {
            Some(name) => Err(unknown(name)),
            None => Ok(()),
        }
    }

    /// Commits what the agent changed, runs the checks, and keeps the commit on its branch.
    pub(super) async fn take(&self, world: &World, seat: &Seat, worktree: &Worktree) -> Result<(), Failure> {
        let Some((branch, message)) = &self.change else { return self.check(world, seat, worktree).await };
        let spec = CommitSpec { message: message.clone(), parents: vec![worktree.base.clone()], at: self.at };
        let Some(committed) = world.worktrees.commit(worktree, &spec).await? else {
            let why = "the agent ended without an error, and git shows no change in its worktree";
            let hint = format!("its whole output is in {}", seat.transcript.display());
            return Err(Failure::new(FailureClass::NoChanges, why).hint(hint));
        };
        let commit = committed.commit;
        let lines = world.worktrees.added_lines(&worktree.base, &commit, LINES + 1).await?;
        let secrets: Vec<String> = find_secrets(&lines).iter().map(line).collect();
        if lines.len() > LINES {
            let why =
                format!("it adds more than {LINES} lines, which are too many to be searched for secrets");
            return Err(Failure::new(FailureClass::Rejected, why));
        }
        if !secrets.is_empty() {
            let why = format!("what it changed holds secrets: {}", secrets.join("; "));
            return Err(Failure::new(FailureClass::Rejected, why).evidence(secrets.into()));
        }
        self.check(world, seat, worktree).await?;
        world.worktrees.keep_branch(branch, &commit).await?;
        let (step, attempt, branch) = (seat.step.clone(), seat.attempt, branch.clone());
        seat.progress.tell(EventBody::WorkCommitted { step, attempt, branch, commit }).await;
        Ok(())
    }

    /// Every check that the flow names must pass.
    async fn check(&self, world: &World, seat: &Seat, worktree: &Worktree) -> Result<(), Failure> {
        let job = CheckJob {
            root: worktree.path.clone(),
            scope: Scope::Full,
            touched: None,
            base: None,
            deadline_secs: self.deadline_secs,
            run: seat.run.clone(),
        };
        for name in &self.checks {
            let checks = world.checks.named(&job, name, stop(seat.stop.clone())).await?;
            if *seat.stop.borrow() {
                return Err(Failure::new(FailureClass::Cancelled, "the checks were stopped"));
            }
            let failing: Vec<String> = checks.ok_or_else(|| unknown(name))?.iter().flat_map(told).collect();
            if let Some(first) = failing.first() {
                let why = format!("the check `{name}` failed: {first}");
                return Err(Failure::new(FailureClass::ChecksFailed, why).evidence(failing.into()));
            }
        }
        Ok(())
    }
}

/// What speaks against a check, one line each; what was not measured did not pass.
fn told(check: &Check) -> Vec<String> {
    let command = check.command.join(" ");
    match &check.end {
        CheckEnd::Passed => Vec::new(),
        CheckEnd::Failed => {
            let findings = check.findings.iter().take(50).map(line);
            std::iter::once(format!("`{command}` failed")).chain(findings).collect()
        }
        CheckEnd::NotMeasured { reason } => vec![format!("`{command}`: {reason}")],
    }
}

fn input(why: String) -> Failure {
    Failure::new(FailureClass::Input, why)
}

fn unknown(name: &str) -> Failure {
    input(format!("the action `run_check`: there is no check `{name}` here"))
        .hint("it is the name of a `[[check]]`, or one of build, tests, lint, format, security, docs")
}
