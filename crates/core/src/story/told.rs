//! What agents are given of a story. Its words stand between marks: whoever wrote the repository wrote them.

use super::{Part, Story, StoryDecomposition};
use crate::cast::{Given, without};

/// The input of the agent that takes a story apart.
pub fn for_decomposition(story: &Story, fence: &str) -> Given {
    Given { text: story_text(story, fence), notes: Vec::new(), is_fenced: true }
}

/// The input of the agent that judges these steps of a story.
pub fn for_evaluation(
    story: &Story,
    decomposition: &StoryDecomposition,
    steps: &[u32],
    fence: &str,
) -> Given {
    let mut text = story_text(story, fence);
    let mut told = String::new();
    for (part, n) in decomposition.steps.iter().zip(1..) {
        match part {
            Part::Given { text } => told.push_str(&format!("step {n}, given: {text}\n")),
            Part::Requirement { goal, assertions } if steps.contains(&n) => {
                told.push_str(&format!("step {n}, requirement: {goal}\n"));
                for (assertion, m) in assertions.iter().zip(1..) {
                    told.push_str(&format!("step {n}, assertion {m}: {assertion}\n"));
                }
            }
            // What is known already would only cost time.
            Part::Requirement { .. } => {}
        }
    }
    text.push_str(&format!(
        "\n### What to judge\n\n<{fence}>\n{}\n</{fence}>\n",
        without(fence, told.trim_end())
    ));
    Given { text, notes: Vec::new(), is_fenced: true }
}

fn story_text(story: &Story, fence: &str) -> String {
    let mut told = format!("title: {}\n\n{}\n", story.title, story.story.trim_end());
    if !story.acceptance_criteria.is_empty() {
        told.push_str("\nacceptance criteria:\n");
    }
    story.acceptance_criteria.iter().for_each(|line| told.push_str(&format!("- {line}\n")));
    format!("### Story\n\n<{fence}>\n{}\n</{fence}>\n", without(fence, told.trim_end()))
}
