//! What a run has to do about stories, as its log keeps it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{StepOutcome, Story, StoryDecomposition};
use crate::ids::{CommitId, StepId};
use crate::plan::Plan;

/// Steps that judge stories are named so, and no step of a flow file is.
const PREFIX: &str = "story:";

/// The agents that steps about stories ask: who takes them apart, and who judges them.
pub const STORY_AGENTS: [&str; 2] = ["story-decomposer", "story-evaluator"];

/// The step that judges a story.
pub fn evaluate_id(story: &str) -> StepId {
    StepId::new(format!("{PREFIX}{story}"))
}

/// The step that takes a story apart.
pub fn decompose_id(story: &str) -> StepId {
    StepId::new(format!("{PREFIX}{story}:decompose"))
}

/// Whether a step of that name belongs to a story.
pub fn is_story_step(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// What the stories of a commit are, and what has to be done about them: the output of the step `stories`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stories {
    /// The commit whose files were read.
    pub commit: CommitId,
    /// The stories to be looked at, in order of their ids.
    pub planned: Vec<Planned>,
    /// How many others there are.
    pub others: usize,
    /// What is wrong with files: `path:line:column: …`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// A story to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Planned {
    /// It.
    pub story: Story,
    /// What it consists of; none: that has to be found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decomposition: Option<StoryDecomposition>,
    /// Steps that an earlier judgement of still holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reused: Vec<StepOutcome>,
    /// Steps that have to be looked at; all where there is no decomposition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<u32>,
    /// Whether it is only taken apart.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_decompose: bool,
}

/// A step about a story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoryWork {
    /// The story, and what is known of it.
    pub planned: Planned,
    /// Where it is judged.
    pub commit: CommitId,
    /// What is done.
    pub part: StoryPart,
}

/// What a step does about a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoryPart {
    /// An agent takes it apart.
    Decompose,
    /// An agent judges it, unless everything is known.
    Evaluate,
}

impl StoryWork {
    /// Whether an agent is asked.
    pub fn asks(&self) -> bool {
        self.part == StoryPart::Decompose
            || self.planned.decomposition.is_none()
            || !self.planned.steps.is_empty()
    }

    /// The agent that is asked.
    pub fn agent(&self) -> &'static str {
        match self.part {
            StoryPart::Decompose => STORY_AGENTS[0],
            StoryPart::Evaluate => STORY_AGENTS[1],
        }
    }
}

/// A story that was taken apart: the output of the step that did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decomposed {
    /// Its id.
    pub story: String,
    /// Where its repository was looked at.
    pub commit: CommitId,
    /// [`Story::text_hash`] of what was taken apart.
    pub text_hash: String,
    /// What it consists of.
    pub decomposition: StoryDecomposition,
}

/// What a flow says about stories in its variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Only these; none: all that are active.
    pub only: Vec<String>,
    /// Whether earlier judgements may be used.
    pub cache: bool,
    /// Whether they are judged, or only taken apart.
    pub evaluate: bool,
}

impl Wanted {
    /// From the variables `stories`, `cache` and `evaluate` of a plan; what is left out is the usual.
    pub fn of(plan: &Plan) -> Self {
        let variable = |name: &str| plan.variables.get(name);
        let word = |value: &Value| value.as_str().map(str::to_owned);
        let only = match variable("stories") {
            Some(Value::Array(ids)) => ids.iter().filter_map(word).collect(),
            Some(id) => word(id).into_iter().collect(),
            None => Vec::new(),
        };
        let switch = |name: &str| variable(name).and_then(Value::as_bool).unwrap_or(true);
        Self { only, cache: switch("cache"), evaluate: switch("evaluate") }
    }
}
