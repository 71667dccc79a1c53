//! One story: an agent takes it apart, another one judges it in a checkout of the commit.

use miyabi_core::cast::Given;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::plan::AgentWork;
use miyabi_core::run::Run;
use miyabi_core::story::{
    Decomposed, Evaluation, Planned, Present, StoryDecomposition, StoryPart, StoryWork, Tree, conclude,
    decompose_id, for_decomposition, for_evaluation,
};
use schemars::{JsonSchema, schema_for};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::asking::Asking;
use super::stories::{look, to_value};
use super::{Job, Working, ready};
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
    let asking = match asking::<StoryDecomposition>(&world, work, job, given, fence) {
        Ok(asking) => asking,
        Err(failure) => return ready(Err(failure)),
    };
    let commit = work.commit.clone();
    Box::pin(async move {
        let check = |parts: &StoryDecomposition| parts.check();
        let decomposition = asked(&asking, &world, check).await?;
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
    let asking = match asking::<Evaluation>(&world, work, job, given, fence) {
        Ok(asking) => asking,
        Err(failure) => return ready(Err(failure)),
    };
    let commit = work.commit.clone();
    Box::pin(async move {
        let answer = asked(&asking, &world, |answer: &Evaluation| answer.check(&parts, &steps)).await?;
        // What the answer names is looked up in the commit, not in the checkout that the agent had.
        let tree = Tree::new(world.contents.files(&commit).await?);
        let (lines, scopes) = answer.names();
        let present = look(&world, &tree, lines, scopes).await?;
        to_value(&conclude(&story, &parts, &commit, Some(&answer), &reused, &present))
    })
}

/// Asks whoever does this part of the work, in a checkout of the commit.
fn asking<T: JsonSchema>(
    world: &World,
    work: &StoryWork,
    job: &Job<'_>,
    given: Given,
    fence: String,
) -> Result<Asking, Failure> {
    let agent = AgentWork { agent: work.agent().to_owned(), skills: Vec::new() };
    // Whoever is asked: the answer is always of this form.
    let schema = Some(schema_for!(T).to_value());
    Asking::of(world, job, &agent, (Some(given), fence), schema, &work.commit)
}

/// The answer as what it is, once it holds.
async fn asked<T: DeserializeOwned>(
    asking: &Asking,
    world: &World,
    check: impl Fn(&T) -> Result<(), String>,
) -> Result<T, Failure> {
    let read = |answer: Value| -> Result<T, Failure> {
        let bad = |why: String| Failure::new(FailureClass::BadAnswer, why);
        let answer = serde_json::from_value::<T>(answer).map_err(|error| bad(error.to_string()))?;
        check(&answer).map_err(bad)?;
        Ok(answer)
    };
    let worktree = asking.open(world).await?;
    let answer = asking.ask(world, &worktree, read).await;
    asking.close(world).await;
    answer
}
