//! A step of a flow that an agent answers, in a checkout of its own that it may read.

use miyabi_core::cast::{AnswerKind, Given, prompt, with_facts};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::naming;
use miyabi_core::plan::AgentWork;
use miyabi_core::session::Adapter;
use miyabi_core::worktree::{Worktree, WorktreeSpec};
use serde_json::Value;
use tracing::warn;

use super::facts::{Sift, Wanted};
use super::offering::Offering;
use super::session::Seat;
use super::{Job, Outcome, Working, ready};
use crate::World;

/// Everything that an attempt needs, taken from the run when it begins.
struct Attempt {
    seat: Seat,
    adapter: Adapter,
    /// Who the agent is, with its skills.
    told: String,
    given: Option<Given>,
    wanted: Wanted,
    sift: Sift,
    schema: Option<Value>,
    fence: String,
    place: WorktreeSpec,
    offering: Offering,
    /// What was wrong with the answer of the last attempt.
    wrong: Option<String>,
}

/// Begins an attempt at an answer.
pub(super) fn start(world: World, work: &AgentWork, job: &Job<'_>) -> Working {
    match Attempt::of(&world, work, job) {
        Ok(attempt) => Box::pin(attempt.run(world)),
        Err(failure) => ready(Err(failure)),
    }
}

impl Attempt {
    fn of(world: &World, work: &AgentWork, job: &Job<'_>) -> Result<Self, Failure> {
        let (run, state) = (job.run, job.state);
        let input = |why: String| Failure::new(FailureClass::Input, why);
        let (brief, told) = run.started.cast.of(work).map_err(input)?;
        let fence = world.ids.new_id();
        let given = run.given(state, &fence).transpose();
        let given = given.map_err(|problem| input(format!("fill in its input: {problem}")))?;
        let place = run.steps().iter().position(|other| other.step.id == state.step.id).unwrap_or_default();
        let (name, branch) = naming::reading_place(run.started.number, place + 1);
        let bad = state.failure().filter(|failure| failure.class == FailureClass::BadAnswer);
        let mut seat = Seat::of(world, job);
        if let Some(secs) = brief.timeout_secs.filter(|_| state.step.timeout_secs.is_none()) {
            seat.deadline_secs = secs;
        }
        let offering = Offering::of(run, state, &seat, place + 1)?;
        let adapter = brief.adapter.clone().unwrap_or_else(|| run.started.adapter.clone());
        if adapter == Adapter::Facts && !offering.is_empty() {
            return Err(input("an agent that answers with facts alone has no checkout".to_owned()));
        }
        Ok(Self {
            seat,
            offering,
            adapter,
            told,
            given,
            wanted: Wanted::of(run, state, brief),
            sift: Sift::of(run, state, &work.agent, brief),
            schema: brief.answer.map(AnswerKind::schema),
            fence,
            place: WorktreeSpec {
                run: run.id.clone(),
                step: state.step.id.clone(),
                name,
                branch,
                base: run.started.base_commit.clone(),
                keep_work: false,
            },
            wrong: bad.map(|failure| failure.message.clone()),
        })
    }

    async fn run(mut self, world: World) -> Outcome {
        let facts = self.wanted.look_up(&world).await?;
        let answer = match self.adapter {
            Adapter::Facts => None,
            _ => {
                self.given = with_facts(self.given.take(), &facts, &self.fence);
                match self.asked(&world).await {
                    Ok(answer) => Some(answer),
                    Err(failure) if self.offering.is_empty() => {
                        warn!(step = %self.place.step, "its agent came to nothing: {failure}");
                        self.sift.without_words(failure)?;
                        None
                    }
                    Err(failure) => return Err(failure),
                }
            }
        };
        self.sift.output(&world, answer, facts).await
    }

    async fn asked(&self, world: &World) -> Outcome {
        let place = &self.place;
        let worktree = world.worktrees.open(place).await?;
        let answer = self.answered(world, &worktree).await;
        // What it left in the files is no part of its answer, and what is offered stands on a branch of its own.
        if let Err(failure) = world.worktrees.close(&place.run, &place.name).await {
            warn!(step = %place.step, "its worktree stays for `miyabi gc`: {failure}");
        }
        answer
    }

    async fn answered(&self, world: &World, worktree: &Worktree) -> Outcome {
        self.offering.look(world, worktree)?;
        let answer = self.ask(world, worktree).await?;
        if !self.offering.is_empty() {
            self.offering.take(world, &self.seat, worktree).await?;
        }
        Ok(answer)
    }

    /// Asks, and once more when the answer is no answer.
    async fn ask(&self, world: &World, worktree: &Worktree) -> Outcome {
        let told = |wrong: Option<&str>| {
            prompt(&self.told, self.given.as_ref(), self.schema.as_ref(), wrong, &self.fence)
        };
        let schema = self.schema.as_ref();
        let first = told(self.wrong.as_deref());
        match self.seat.answer(world, &self.adapter, worktree, first, schema).await {
            Err(failure) if failure.class == FailureClass::BadAnswer => {
                let again = told(Some(&failure.message));
                self.seat.clone().again(world).answer(world, &self.adapter, worktree, again, schema).await
            }
            answer => answer,
        }
    }
}
