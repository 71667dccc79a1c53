//! What an evaluator answers, as far as its form goes.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::StoryDecomposition;

/// What an evaluator found: one judgement for each assertion that it was asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evaluation {
    /// In any order.
    pub assertions: Vec<Judgement>,
}

/// The judgement of one assertion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Judgement {
    /// The number of its step.
    pub step: u32,
    /// Its number in the step.
    pub assertion: u32,
    /// What was found.
    pub verdict: Finding,
    /// Why, in a sentence or two.
    pub explanation: String,
    /// The lines that show it, each as `path:start-end` from the root of the repository; lines count from 1.
    #[serde(default)]
    pub evidence: Vec<String>,
    /// Where something was looked for and not found: paths or patterns such as `src` or `docs/**/*.md`.
    #[serde(default)]
    pub searched: Vec<String>,
}

/// What an evaluator can find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// It cannot be told.
    Error,
}

impl Evaluation {
    /// Whether it judges each assertion of these steps once and nothing else. Errors: in words, what it does not.
    pub fn check(&self, decomposition: &StoryDecomposition, steps: &[u32]) -> Result<(), String> {
        let asked: BTreeSet<(u32, u32)> = decomposition
            .requirements()
            .filter(|(step, ..)| steps.contains(step))
            .flat_map(|(step, _, assertions)| (1..).zip(assertions).map(move |(n, _)| (step, n)))
            .collect();
        let mut wrong = Vec::new();
        let mut judged = BTreeSet::new();
        for Judgement { step, assertion, explanation, .. } in &self.assertions {
            if !asked.contains(&(*step, *assertion)) {
                wrong.push(format!("nobody asked about assertion {assertion} of step {step}"));
            } else if !judged.insert((*step, *assertion)) {
                wrong.push(format!("assertion {assertion} of step {step} is judged twice"));
            } else if explanation.trim().is_empty() {
                wrong.push(format!("assertion {assertion} of step {step} has no explanation"));
            }
        }
        let missing = asked.difference(&judged);
        wrong.extend(missing.map(|(step, n)| format!("assertion {n} of step {step} is not judged")));
        wrong.truncate(20);
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
    }
}
