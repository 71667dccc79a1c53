//! What a story came to at a commit, with everything that it rests on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Evaluation, Finding, Judgement, Present, Story, StoryDecomposition, Verdict};
use crate::evidence::Evidence;
use crate::ids::{CommitId, RunId};
use crate::plain::shortened;

/// So many pieces of evidence and patterns of a judgement are kept.
pub(super) const MAX_CITED: usize = 100;
/// The longest explanation, in characters.
const MAX_EXPLANATION: usize = 1_000;

/// What a story came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoryOutcome {
    /// Its id.
    pub story: String,
    /// Where it was judged.
    pub commit: CommitId,
    /// [`Story::text_hash`] of what was judged.
    pub text_hash: String,
    /// [`StoryDecomposition::hash`] of what was judged.
    pub decomposition_hash: String,
    /// What its steps come to.
    pub verdict: Verdict,
    /// Why, in a sentence or two.
    pub explanation: String,
    /// What is required, in order.
    pub steps: Vec<StepOutcome>,
    /// The run whose judgement it is, where this run asked nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_from_run: Option<RunId>,
}

/// What a requirement came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepOutcome {
    /// Its number in the decomposition.
    pub step: u32,
    /// What must hold.
    pub goal: String,
    /// What its assertions come to.
    pub verdict: Verdict,
    /// Its assertions, in order.
    pub assertions: Vec<AssertionOutcome>,
    /// The run that judged it, where it was an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_from_run: Option<RunId>,
}

/// What an assertion came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AssertionOutcome {
    /// Its number in the step.
    pub assertion: u32,
    /// What is asserted.
    pub text: String,
    /// What was found.
    pub verdict: Verdict,
    /// Why.
    pub explanation: String,
    /// The lines that show it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Cited>,
    /// Where something was looked for; with a scope and nothing here: everywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub searched: Vec<String>,
    /// [`super::Tree::scope`] of that, where the judgement rests on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// Lines, and what stood in them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cited {
    /// Where.
    pub at: Evidence,
    /// SHA-256 of the lines.
    pub sha256: String,
}

impl StoryOutcome {
    /// How many pieces of evidence there are.
    pub fn evidence_count(&self) -> usize {
        let assertions = self.steps.iter().flat_map(|step| &step.assertions);
        assertions.map(|assertion| assertion.evidence.len()).sum()
    }

    /// What later runs may use of it: the steps that passed or failed; none: there is none.
    pub fn to_keep(&self) -> Option<Self> {
        let mut kept = self.clone();
        kept.steps.retain(|step| matches!(step.verdict, Verdict::Pass | Verdict::Fail));
        (!kept.steps.is_empty()).then_some(kept)
    }

    /// The step of that number.
    pub fn step(&self, number: u32) -> Option<&StepOutcome> {
        self.steps.iter().find(|step| step.step == number)
    }
}

/// Brings together what an evaluator found and what was known already.
///
/// `present`: the lines and scopes that the answer names, as the commit has them. What names lines that are not there,
/// or rests on nothing, is an error of that assertion.
pub fn conclude(
    story: &Story,
    decomposition: &StoryDecomposition,
    commit: &CommitId,
    evaluation: Option<&Evaluation>,
    reused: &[StepOutcome],
    present: &Present,
) -> StoryOutcome {
    let mut steps = Vec::new();
    for (step, goal, assertions) in decomposition.requirements() {
        if let Some(known) = reused.iter().find(|known| known.step == step) {
            steps.push(known.clone());
            continue;
        }
        let judged = |n: u32| {
            let all = evaluation.into_iter().flat_map(|evaluation| &evaluation.assertions);
            all.into_iter().find(|judgement| (judgement.step, judgement.assertion) == (step, n))
        };
        let assertions: Vec<_> =
            (1..).zip(assertions).map(|(n, text)| assertion(n, text, judged(n), present)).collect();
        let verdict = Verdict::of(assertions.iter().map(|assertion| assertion.verdict));
        steps.push(StepOutcome { step, goal: goal.to_owned(), verdict, assertions, cached_from_run: None });
    }
    let verdict = Verdict::of(steps.iter().map(|step| step.verdict));
    // Of several runs the last one counts: ids sort by time.
    let all_known = !steps.is_empty() && steps.iter().all(|step| step.cached_from_run.is_some());
    let last = steps.iter().filter_map(|step| step.cached_from_run.clone()).max();
    StoryOutcome {
        story: story.id.clone(),
        commit: commit.clone(),
        text_hash: story.text_hash(),
        decomposition_hash: decomposition.hash(),
        verdict,
        explanation: why(verdict, &steps),
        cached_from_run: last.filter(|_| all_known),
        steps,
    }
}

/// The explanation of the first assertion that makes the verdict what it is.
fn why(verdict: Verdict, steps: &[StepOutcome]) -> String {
    let mut assertions = steps.iter().flat_map(|step| &step.assertions);
    match assertions.find(|assertion| assertion.verdict == verdict && verdict != Verdict::Pass) {
        Some(found) => format!("{}: {}", shortened(&found.text, 200), found.explanation),
        None if steps.len() == 1 => "its requirement holds".to_owned(),
        None => format!("its {} requirements hold", steps.len()),
    }
}

fn assertion(n: u32, text: &str, judgement: Option<&Judgement>, present: &Present) -> AssertionOutcome {
    let mut outcome = AssertionOutcome {
        assertion: n,
        text: text.to_owned(),
        verdict: Verdict::Error,
        explanation: String::new(),
        evidence: Vec::new(),
        searched: Vec::new(),
        scope: None,
    };
    let Some(judgement) = judgement else {
        outcome.explanation = "it was not judged".to_owned();
        return outcome;
    };
    let (evidence, mut wrong) = cited(&judgement.evidence, present);
    let named = judgement.evidence.len().max(judgement.searched.len());
    if named > MAX_CITED {
        wrong.push(format!("it names {named} places; at most {MAX_CITED} can be looked at"));
    }
    outcome.evidence = evidence;
    outcome.searched = judgement.searched.iter().take(MAX_CITED).cloned().collect();
    outcome.explanation = shortened(judgement.explanation.trim(), MAX_EXPLANATION).into_owned();
    outcome.verdict = match judgement.verdict {
        Finding::Pass => Verdict::Pass,
        Finding::Fail => Verdict::Fail,
        Finding::Error => Verdict::Error,
    };
    let rests_on_nothing = outcome.evidence.is_empty() && outcome.searched.is_empty();
    let refused = match wrong.is_empty() {
        false => Some(wrong.join("; ")),
        true if outcome.verdict == Verdict::Pass && rests_on_nothing => {
            Some("it names neither lines that show it nor where was searched".to_owned())
        }
        true => None,
    };
    if let Some(refused) = refused {
        let said = std::mem::take(&mut outcome.explanation);
        outcome.explanation = format!("{refused} (the evaluator said {}: {said})", outcome.verdict.as_str());
        outcome.verdict = Verdict::Error;
    }
    // What fails may hold once anything changes where it was looked for; where that is not said, anywhere.
    if outcome.verdict == Verdict::Fail || (outcome.verdict == Verdict::Pass && !outcome.searched.is_empty())
    {
        outcome.scope = present.scopes.get(&outcome.searched).cloned();
    }
    outcome
}

/// The lines that are there, and in words which are not.
fn cited(named: &[String], present: &Present) -> (Vec<Cited>, Vec<String>) {
    let (mut found, mut wrong): (Vec<Cited>, Vec<String>) = (Vec::new(), Vec::new());
    for text in named.iter().take(MAX_CITED) {
        let shown = shortened(text, 100);
        match text.parse::<Evidence>() {
            Err(why) => wrong.push(format!("the evidence `{shown}` cannot be read: {why}")),
            Ok(at) => match present.lines.get(&at) {
                None => wrong.push(format!("the evidence `{shown}` is not there at this commit")),
                Some(_) if found.iter().any(|known| known.at == at) => {}
                Some(sha256) => found.push(Cited { at, sha256: sha256.clone() }),
            },
        }
    }
    wrong.truncate(5);
    (found, wrong)
}
