//! What became of changes and issues, counted between the thresholds that hold now.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::course::{Rated, Word};
use super::figures::{Evidence, RunName};
use super::thresholds::Measured;
use crate::policy::Policy;

/// What people said, by word; what nobody said is not there.
pub type Words = BTreeMap<Word, u64>;

/// Changes whose scores lie between two thresholds. A change that was reviewed again counts at each review.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct ScoreBand {
    /// From this score on.
    pub from: u32,
    /// Up to this one, itself included.
    pub to: u32,
    /// Reviews.
    pub reviews: u64,
    /// Those for which a hard gate closed.
    pub gate_closed: u64,
    /// Those after which an agent was to mend the change.
    pub reworked: u64,
    /// What people said who were asked whether the change is opened.
    pub asked: Words,
    /// Those after which the change was opened or brought up to date.
    pub opened: u64,
    /// What people said who were asked whether it is merged.
    pub merge_asked: Words,
    /// Merged.
    pub merged: u64,
    /// The forge's CI failed on it.
    pub ci_red: u64,
    /// Reviewers at the forge asked for changes.
    pub changes_wanted: u64,
    /// Closed without being merged.
    pub closed: u64,
    /// Where this comes from.
    pub evidence: Evidence,
}

/// Issues whose complexity lies between two thresholds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct ComplexityBand {
    /// From this complexity on.
    pub from: f64,
    /// Up to this one. What lies exactly between two bands belongs to the upper one, unless that says `above`.
    pub to: f64,
    /// Whether only what lies above `from` belongs to it.
    pub above: bool,
    /// Issues that were rated.
    pub issues: u64,
    /// Those that became one task.
    pub one_task: u64,
    /// Those that people were told of before the work began.
    pub told: u64,
    /// What people said who were asked about the plan because of it.
    pub asked: Words,
    /// Those whose run a person ended.
    pub ended_by_people: u64,
    /// Where this comes from.
    pub evidence: Evidence,
}

fn say(words: &mut Words, word: Option<Word>) {
    if let Some(word) = word {
        *words.entry(word).or_default() += 1;
    }
}

/// Reviews by score; bands without room or without a review are left out.
pub(super) fn scores(policy: &Policy, reviews: &[Measured]) -> Vec<ScoreBand> {
    let borders = [0, policy.review_from, policy.open_from, policy.merge_from, 101];
    let bands = borders.windows(2).filter_map(|border| {
        let &[from, below] = border else { return None };
        let mut band = ScoreBand { from, to: below.saturating_sub(1), ..ScoreBand::default() };
        for (run, review, _) in reviews.iter().filter(|(_, it, _)| (from..below).contains(&it.score)) {
            band.reviews += 1;
            band.gate_closed += u64::from(!review.is_clean);
            band.reworked += u64::from(review.is_reworked);
            say(&mut band.asked, review.asked);
            band.opened += u64::from(review.is_opened);
            say(&mut band.merge_asked, review.merge_asked);
            band.merged += u64::from(review.is_merged);
            band.ci_red += u64::from(review.is_red);
            band.changes_wanted += u64::from(review.is_objected);
            band.closed += u64::from(review.is_closed);
            band.evidence.add(run);
        }
        (band.reviews > 0).then_some(band)
    });
    bands.collect()
}

/// Issues by complexity; bands without an issue are left out.
pub(super) fn complexity(policy: &Policy, rated: &[(RunName, Rated)]) -> Vec<ComplexityBand> {
    let Policy { simple_below, notify_from, approve_above, .. } = *policy;
    // Told is from, approved is above: a plan exactly there needs no approval.
    let place = |complexity: f64| match complexity {
        it if it > approve_above => 3,
        it if it >= notify_from => 2,
        it if it >= simple_below => 1,
        _ => 0,
    };
    let borders = [0.0, simple_below, notify_from, approve_above, 10.0];
    let bands = borders.windows(2).enumerate().filter_map(|(ix, border)| {
        let &[from, to] = border else { return None };
        let mut band = ComplexityBand { from, to, above: ix == 3, ..ComplexityBand::default() };
        for (run, issue) in rated.iter().filter(|(_, issue)| place(issue.complexity) == ix) {
            band.issues += 1;
            band.one_task += u64::from(issue.tasks == Some(1));
            band.told += u64::from(issue.is_told);
            say(&mut band.asked, issue.asked);
            band.ended_by_people += u64::from(issue.is_ended_by_people);
            band.evidence.add(run);
        }
        (band.issues > 0).then_some(band)
    });
    bands.collect()
}
