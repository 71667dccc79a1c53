//! What follows once the stories of a commit were read, and once all of them came to something.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::block;
use crate::decide::{gate, write};
use crate::event::{EventBody, Gate};
use crate::ids::{CommitId, StepId};
use crate::plan::{Extension, OnFailure, Step, Uses, Work};
use crate::run::{Phase, Run, StepState};
use crate::story::{Planned, Stories, StoryPart, StoryWork, Summary, Verdict, decompose_id, evaluate_id};

/// Each story joins the plan, and the check run begins.
pub(super) fn judge(run: &Run, state: &StepState, events: &mut Vec<EventBody>) {
    let Some(stories) = state.output().and_then(|output| Stories::deserialize(output).ok()) else {
        return block(state, "its output names no stories", events);
    };
    let extension = extension(run, &stories);
    let count = stories.planned.len() as f64;
    if waiting(run).next().is_some() {
        write::of_check_begin(run, state, &stories, events);
    }
    if !extension.steps.is_empty() {
        events.push(EventBody::PlanExtended { by: state.step.id.clone(), extension: Box::new(extension) });
    }
    gate(events, &state.step.id, Gate::Proceed, "the stories were read", &[("stories", count)]);
}

fn extension(run: &Run, stories: &Stories) -> Extension {
    let mut extension = Extension::default();
    let mut ends: Vec<StepId> = Vec::new();
    for planned in &stories.planned {
        let steps = steps(planned, &stories.commit);
        ends.extend(steps.last().map(|step| step.id.clone()));
        extension.steps.extend(steps);
    }
    if !ends.is_empty() {
        let joins = waiting(run).map(|state| (state.step.id.clone(), ends.clone()));
        extension.joins = joins.collect::<BTreeMap<_, _>>();
    }
    extension
}

/// Steps that bring together what the stories come to.
fn waiting(run: &Run) -> impl Iterator<Item = &StepState> {
    run.steps().iter().filter(|state| {
        state.step.work == Work::Uses(Uses::Verdict) && state.phase == Phase::Queued && state.attempt == 0
    })
}

/// The steps of a story: it is taken apart where that is not done, and judged.
fn steps(planned: &Planned, commit: &CommitId) -> Vec<Step> {
    let story = &planned.story.id;
    let work = |part: StoryPart| {
        let mut planned = planned.clone();
        if part == StoryPart::Decompose {
            // What was judged is of no use to whoever takes it apart.
            planned.reused.clear();
        }
        Work::Story(Box::new(StoryWork { planned, commit: commit.clone(), part }))
    };
    let mut steps = Vec::new();
    if planned.decomposition.is_none() {
        steps.push(Step::new(decompose_id(story), work(StoryPart::Decompose)));
    }
    if !planned.only_decompose {
        let needs = steps.first().map(|step: &Step| step.id.clone());
        let evaluate = Step::new(evaluate_id(story), work(StoryPart::Evaluate)).needs(needs);
        // What became of it is the verdict's to say.
        steps.push(Step { on_failure: OnFailure::Continue, ..evaluate });
    }
    steps
}

/// The check run is completed; a verdict that is no pass fails its step, and the run with it.
pub(super) fn judge_verdict(run: &Run, state: &StepState, output: &Value, events: &mut Vec<EventBody>) {
    let Ok(summary) = Summary::deserialize(output) else {
        return block(state, "its output is no verdict", events);
    };
    write::of_check_end(run, state, &summary, events);
    match summary.verdict {
        Verdict::Pass | Verdict::Skipped => gate(events, &state.step.id, Gate::Proceed, summary.title, &[]),
        Verdict::Fail | Verdict::Error => block(state, summary.title, events),
    }
}
