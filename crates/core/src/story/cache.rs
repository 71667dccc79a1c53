//! Whether an earlier judgement still holds: only if everything that it rests on is the same.

use std::collections::{BTreeMap, BTreeSet};

use super::{Evaluation, StepOutcome, StoryDecomposition, StoryOutcome, Verdict};
use crate::evidence::Evidence;
use crate::ids::RunId;

/// An outcome that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The run that kept it.
    pub run: RunId,
    /// What the story came to.
    pub outcome: StoryOutcome,
}

/// How a commit looks where somebody asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Present {
    /// SHA-256 of lines; those that are not there are not here.
    pub lines: BTreeMap<Evidence, String>,
    /// [`super::Tree::scope`] of patterns.
    pub scopes: BTreeMap<Vec<String>, String>,
}

/// What follows from what was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheDecision {
    /// All of it still holds; each step with the run that judged it.
    Reuse(Vec<StepOutcome>),
    /// Somebody has to look again.
    Reevaluate {
        /// At these steps.
        steps: Vec<u32>,
        /// What still holds.
        reused: Vec<StepOutcome>,
    },
}

/// Decides which steps of an earlier judgement still hold at a commit that looks like this.
///
/// A step holds if it passed or failed, and every line and every scope that it rests on is as it was. Nothing holds once
/// the text of the story or its decomposition is another one.
pub fn decide_cache(
    text_hash: &str,
    decomposition: &StoryDecomposition,
    kept: Option<&Kept>,
    present: &Present,
) -> CacheDecision {
    let is_same = |kept: &&Kept| {
        kept.outcome.text_hash == text_hash && kept.outcome.decomposition_hash == decomposition.hash()
    };
    let kept = kept.filter(is_same);
    let (mut steps, mut reused) = (Vec::new(), Vec::new());
    for (step, _, assertions) in decomposition.requirements() {
        let known = kept.and_then(|kept| Some((kept, kept.outcome.step(step)?)));
        match known.filter(|(_, known)| known.assertions.len() == assertions.len() && holds(known, present)) {
            Some((kept, known)) => {
                // Through however many runs it is handed on, the one that judged it is named.
                let from = known.cached_from_run.clone().unwrap_or_else(|| kept.run.clone());
                reused.push(StepOutcome { cached_from_run: Some(from), ..known.clone() });
            }
            None => steps.push(step),
        }
    }
    if steps.is_empty() { CacheDecision::Reuse(reused) } else { CacheDecision::Reevaluate { steps, reused } }
}

fn holds(known: &StepOutcome, present: &Present) -> bool {
    known.assertions.iter().all(|assertion| {
        let lines = || {
            let mut cited = assertion.evidence.iter();
            cited.all(|cited| present.lines.get(&cited.at) == Some(&cited.sha256))
        };
        let scope = || match &assertion.scope {
            Some(scope) => present.scopes.get(&assertion.searched) == Some(scope),
            // Without a scope there must be lines, and what fails always has one.
            None => assertion.verdict == Verdict::Pass && !assertion.evidence.is_empty(),
        };
        matches!(assertion.verdict, Verdict::Pass | Verdict::Fail) && lines() && scope()
    })
}

/// The lines that these outcomes rest on.
pub fn evidence_of<'o>(outcomes: impl IntoIterator<Item = &'o StoryOutcome>) -> BTreeSet<Evidence> {
    let steps = outcomes.into_iter().flat_map(|outcome| &outcome.steps);
    let assertions = steps.flat_map(|step| &step.assertions);
    assertions.flat_map(|assertion| assertion.evidence.iter().map(|cited| cited.at.clone())).collect()
}

/// The scopes that these outcomes rest on.
pub fn scopes_of<'o>(outcomes: impl IntoIterator<Item = &'o StoryOutcome>) -> BTreeSet<Vec<String>> {
    let steps = outcomes.into_iter().flat_map(|outcome| &outcome.steps);
    let assertions = steps.flat_map(|step| &step.assertions);
    let bound = assertions.filter(|assertion| assertion.scope.is_some());
    bound.map(|assertion| assertion.searched.clone()).collect()
}

impl Evaluation {
    /// The lines and scopes that an answer names, as far as they can be read.
    pub fn names(&self) -> (BTreeSet<Evidence>, BTreeSet<Vec<String>>) {
        let named = self.assertions.iter().flat_map(|judgement| &judgement.evidence);
        let lines = named.filter_map(|text| text.parse().ok()).collect();
        let searched = |judgement: &super::Judgement| {
            judgement.searched.iter().take(super::outcome::MAX_CITED).cloned().collect()
        };
        (lines, self.assertions.iter().map(searched).collect())
    }
}
