//! One story: an agent takes it apart, another one judges it in a checkout of the commit.

use miyabi_core::cast::{Given, prompt};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::naming;
use miyabi_core::plan::AgentWork;
use miyabi_core::run::Run;
use miyabi_core::session::Adapter;
use miyabi_core::story::{
    Decomposed, Evaluation, Planned, Present, StoryDecomposition, StoryPart, StoryWork, Tree, conclude,
    decompose_id, for_decomposition, for_evaluation,
};
use miyabi_core::worktree::{Worktree, WorktreeSpec};
use schemars::{JsonSchema, schema_for};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::warn;

use super::session::Seat;
use super::stories::{look, to_value};
use super::{Job, Outcome, Working, ready};
use crate::World;

/// Begins an attempt.
pub(super) fn start(world: World, work: &StoryWork, job: &Job<'_>) -> Working {
    if work.part == StoryPart::Decompose {
        return decompose(world, work, job);
    }
    let planned = work.planned.clone();
    let Some(parts) = planned.decomposition.clone().or_else(|| found_out(job.run, &planned)) else {
        let why = format!("story `{}` was not taken apart", planned.story.id);
        return ready(Err(Failure::new(FailureClass::Internal, why)));
    };
    if !work.asks() {
        // Nothing that it rests on is another one.
        let (commit, none) = (&work.commit, Present::default());
        return ready(to_value(&conclude(&planned.story, &parts, commit, None, &planned.reused, &none)));
    }
    let steps: Vec<u32> = match planned.decomposition {
        Some(_) => planned.steps.clone(),
        None => parts.requirements().map(|(step, ..)| step).collect(),
    };
    evaluate(world, work, job, parts, steps)
}

/// What the step before it found out.
fn found_out(run: &Run, planned: &Planned) -> Option<StoryDecomposition> {
    let output = run.step(&decompose_id(&planned.story.id))?.output()?;
    Some(Decomposed::deserialize(output).ok()?.decomposition)
}

fn decompose(world: World, work: &StoryWork, job: &Job<'_>) -> Working {
    let story = work.planned.story.clone();
    let fence = world.ids.new_id();
    let given = for_decomposition(&story, &fence);
    let asking = match Asking::of::<StoryDecomposition>(&world, work, job, given, fence) {
        Ok(asking) => asking,
        Err(failure) => return ready(Err(failure)),
    };
    let commit = work.commit.clone();
    Box::pin(async move {
        let check = |parts: &StoryDecomposition| parts.check();
        let decomposition = asking.run(&world, check).await?;
        let text_hash = story.text_hash();
        to_value(&Decomposed { story: story.id, commit, text_hash, decomposition })
    })
}

fn evaluate(
    world: World,
    work: &StoryWork,
    job: &Job<'_>,
    parts: StoryDecomposition,
    steps: Vec<u32>,
) -> Working {
    let Planned { story, reused, .. } = work.planned.clone();
    let fence = world.ids.new_id();
    let given = for_evaluation(&story, &parts, &steps, &fence);
    let asking = match Asking::of::<Evaluation>(&world, work, job, given, fence) {
        Ok(asking) => asking,
        Err(failure) => return ready(Err(failure)),
    };
    let commit = work.commit.clone();
    Box::pin(async move {
        let answer = asking.run(&world, |answer: &Evaluation| answer.check(&parts, &steps)).await?;
        // What the answer names is looked up in the commit, not in the checkout that the agent had.
        let tree = Tree::new(world.contents.files(&commit).await?);
        let (lines, scopes) = answer.names();
        let present = look(&world, &tree, lines, scopes).await?;
        to_value(&conclude(&story, &parts, &commit, Some(&answer), &reused, &present))
    })
}

/// Everything that an attempt needs, taken from the run when it begins.
struct Asking {
    seat: Seat,
    adapter: Adapter,
    told: String,
    given: Given,
    schema: Value,
    fence: String,
    place: WorktreeSpec,
    /// What was wrong with the answer of the last attempt.
    wrong: Option<String>,
}

impl Asking {
    fn of<T: JsonSchema>(
        world: &World,
        work: &StoryWork,
        job: &Job<'_>,
        given: Given,
        fence: String,
    ) -> Result<Self, Failure> {
        let (run, state) = (job.run, job.state);
        let agent = AgentWork { agent: work.agent().to_owned(), skills: Vec::new() };
        let found = run.started.cast.of(&agent);
        let (brief, told) = found.map_err(|why| Failure::new(FailureClass::Input, why))?;
        let place = run.steps().iter().position(|other| other.step.id == state.step.id).unwrap_or_default();
        let (name, branch) = naming::reading_place(run.started.number, place + 1);
        let bad = state.failure().filter(|failure| failure.class == FailureClass::BadAnswer);
        let mut seat = Seat::of(world, job);
        if let Some(secs) = brief.timeout_secs {
            seat.deadline_secs = secs;
        }
        Ok(Self {
            seat,
            adapter: brief.adapter.clone().unwrap_or_else(|| run.started.adapter.clone()),
            told,
            given,
            // Whoever is asked: the answer is always of this form.
            schema: schema_for!(T).to_value(),
            fence,
            place: WorktreeSpec {
                run: run.id.clone(),
                step: state.step.id.clone(),
                name,
                branch,
                base: work.commit.clone(),
                keep_work: false,
            },
            wrong: bad.map(|failure| failure.message.clone()),
        })
    }

    /// Asks in a checkout of the commit, which is gone afterwards whatever came of it.
    async fn run<T: DeserializeOwned>(
        self,
        world: &World,
        check: impl Fn(&T) -> Result<(), String>,
    ) -> Result<T, Failure> {
        let place = self.place.clone();
        let worktree = world.worktrees.open(&place).await?;
        let answer = self.ask(world, &worktree, check).await;
        if let Err(failure) = world.worktrees.close(&place.run, &place.name).await {
            warn!(step = %place.step, "its worktree stays for `miyabi gc`: {failure}");
        }
        answer
    }

    /// Asks, and once more when the answer is no answer.
    async fn ask<T: DeserializeOwned>(
        self,
        world: &World,
        worktree: &Worktree,
        check: impl Fn(&T) -> Result<(), String>,
    ) -> Result<T, Failure> {
        let told = |wrong: Option<&str>| {
            prompt(&self.told, Some(&self.given), Some(&self.schema), wrong, &self.fence)
        };
        let read = |answer: Outcome| -> Result<T, Failure> {
            let bad = |why: String| Failure::new(FailureClass::BadAnswer, why);
            let answer = serde_json::from_value::<T>(answer?).map_err(|error| bad(error.to_string()))?;
            check(&answer).map_err(bad)?;
            Ok(answer)
        };
        let (adapter, schema) = (&self.adapter, Some(&self.schema));
        let first = told(self.wrong.as_deref());
        match read(self.seat.answer(world, adapter, worktree, first, schema).await) {
            Err(failure) if failure.class == FailureClass::BadAnswer => {
                let again = told(Some(&failure.message));
                read(self.seat.clone().again(world).answer(world, adapter, worktree, again, schema).await)
            }
            answer => answer,
        }
    }
}
