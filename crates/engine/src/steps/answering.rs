//! A step of a flow that an agent answers, in a checkout of its own that it may read.

use miyabi_core::cast::{AnswerKind, with_facts};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::plan::AgentWork;
use miyabi_core::session::Adapter;
use miyabi_core::worktree::Worktree;
use tracing::warn;

use super::asking::{Asking, place};
use super::facts::{Sift, Wanted};
use super::offering::Offering;
use super::{Job, Outcome, Working, ready};
use crate::World;

/// Everything that an attempt needs, taken from the run when it begins.
struct Attempt {
    asking: Asking,
    wanted: Wanted,
    sift: Sift,
    offering: Offering,
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
        let (brief, _) = run.started.cast.of(work).map_err(input)?;
        let fence = world.ids.new_id();
        let given = run.given(state, &fence).transpose();
        let given = given.map_err(|problem| input(format!("fill in its input: {problem}")))?;
        let schema = brief.answer.map(AnswerKind::schema);
        let asking = Asking::of(world, job, work, (given, fence), schema, &run.started.base_commit)?;
        let offering = Offering::of(run, state, &asking.seat, place(job))?;
        if asking.adapter == Adapter::Facts && !offering.is_empty() {
            return Err(input("an agent that answers with facts alone has no checkout".to_owned()));
        }
        let (wanted, sift) = (Wanted::of(run, state, brief), Sift::of(run, state, &work.agent, brief));
        Ok(Self { asking, wanted, sift, offering })
    }

    async fn run(mut self, world: World) -> Outcome {
        let facts = self.wanted.look_up(&world).await?;
        let asking = &mut self.asking;
        let answer = match asking.adapter {
            Adapter::Facts => None,
            _ => {
                asking.given = with_facts(asking.given.take(), &facts, &asking.fence);
                match self.asked(&world).await {
                    Ok(answer) => Some(answer),
                    Err(failure) if self.offering.is_empty() => {
                        warn!(step = %self.asking.seat.step, "its agent came to nothing: {failure}");
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
        let worktree = self.asking.open(world).await?;
        let answer = self.answered(world, &worktree).await;
        // What is offered stands on a branch of its own.
        self.asking.close(world).await;
        answer
    }

    async fn answered(&self, world: &World, worktree: &Worktree) -> Outcome {
        self.offering.look(world, worktree)?;
        let answer = self.asking.ask(world, worktree, Ok).await?;
        if !self.offering.is_empty() {
            self.offering.take(world, &self.asking.seat, worktree).await?;
        }
        Ok(answer)
    }
}
