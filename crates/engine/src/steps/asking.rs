//! Asking an agent in a checkout of its own, which is gone afterwards: once, and once more where its answer is none.

use miyabi_core::cast::{Before, Given, prompt};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::CommitId;
use miyabi_core::naming;
use miyabi_core::plan::AgentWork;
use miyabi_core::session::Adapter;
use miyabi_core::worktree::{Worktree, WorktreeSpec};
use serde_json::Value;
use tracing::warn;

use super::Job;
use super::session::Seat;
use crate::World;

/// Everything that asking needs, taken from the run when an attempt begins.
pub(super) struct Asking {
    pub(super) seat: Seat,
    pub(super) adapter: Adapter,
    /// Who the agent is, with its skills.
    told: String,
    pub(super) given: Option<Given>,
    /// What its answer must fit; none: text.
    schema: Option<Value>,
    pub(super) fence: String,
    place: WorktreeSpec,
    /// What came of the attempt before.
    before: Before,
}

impl Asking {
    /// Whoever does this work is given that, at the commit. Errors: `Input` when the run began without the agent.
    pub(super) fn of(
        world: &World,
        job: &Job<'_>,
        work: &AgentWork,
        (given, fence): (Option<Given>, String),
        schema: Option<Value>,
        base: &CommitId,
    ) -> Result<Self, Failure> {
        let (run, state) = (job.run, job.state);
        let found = run.started.cast.of(work);
        let (brief, told) = found.map_err(|why| Failure::new(FailureClass::Input, why))?;
        let (name, branch) = naming::reading_place(run.started.number, place(job));
        let mut seat = Seat::of(world, job);
        if let Some(secs) = brief.timeout_secs.filter(|_| state.step.timeout_secs.is_none()) {
            seat.deadline_secs = secs;
        }
        Ok(Self {
            seat,
            adapter: brief.adapter.clone().unwrap_or_else(|| run.started.adapter.clone()),
            told,
            given,
            schema,
            fence,
            place: WorktreeSpec {
                run: run.id.clone(),
                step: state.step.id.clone(),
                name,
                branch,
                base: base.clone(),
                keep_work: false,
            },
            before: Before::of(state.failure()),
        })
    }

    /// Its checkout, as the commit is.
    pub(super) async fn open(&self, world: &World) -> Result<Worktree, Failure> {
        world.worktrees.open(&self.place).await
    }

    /// The checkout goes, whatever came of it: what the agent left in the files is no part of its answer.
    pub(super) async fn close(&self, world: &World) {
        if let Err(failure) = world.worktrees.close(&self.place.run, &self.place.name).await {
            warn!(step = %self.place.step, "its worktree stays for `miyabi gc`: {failure}");
        }
    }

    /// Asks, and once more when `read` takes the answer for none. Errors: those of the session, and `BadAnswer`.
    pub(super) async fn ask<T>(
        &self,
        world: &World,
        worktree: &Worktree,
        read: impl Fn(Value) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (adapter, schema) = (&self.adapter, self.schema.as_ref());
        let told = |before: &Before| prompt(&self.told, self.given.as_ref(), schema, before, &self.fence);
        let first = self.seat.answer(world, adapter, worktree, told(&self.before), schema).await;
        match first.and_then(&read) {
            Err(failure) if failure.class == FailureClass::BadAnswer => {
                let before = Before { answer: Some(failure.message), ..self.before.clone() };
                let seat = self.seat.clone().again(world);
                seat.answer(world, adapter, worktree, told(&before), schema).await.and_then(&read)
            }
            answer => answer,
        }
    }
}

/// The place of the step in its run, from 1.
pub(super) fn place(job: &Job<'_>) -> usize {
    let place = job.run.steps().iter().position(|other| other.step.id == job.state.step.id);
    place.unwrap_or_default() + 1
}
