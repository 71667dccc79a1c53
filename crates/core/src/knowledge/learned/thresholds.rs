//! Thresholds of the policy: what became of changes and issues on both sides of each, and what that says of it.
//!
//! Thresholds say who decides. Hard gates are no thresholds: what one closed for counts on no side, so nothing that is
//! suggested here can open one.

use std::ops::Range;

use schemars::JsonSchema;
use serde::Serialize;

use super::bands::{self, ComplexityBand, ScoreBand};
use super::course::{Course, Rated, Reviewed, Word};
use super::figures::RunName;
use super::sides::{Case, Heading, Mark, Side, Threshold};
use crate::policy::Policy;
use crate::report::Recommendation;

/// So large must a share be at least, with 95 % confidence, for a threshold to move to where less is asked of people.
const NEARLY_ALL: f64 = 0.8;
/// So large must the share of what turned out badly be at least for it to move to where more is asked of them.
const TOO_MANY: f64 = 0.2;
/// Thresholds of the score move in steps of so many points, those of the complexity in halves.
const POINTS: f64 = 5.0;
const HALF: f64 = 0.5;

/// What outcomes say of thresholds.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Thresholds {
    /// What became of reviewed changes, by score, between the thresholds that hold now.
    pub scores: Vec<ScoreBand>,
    /// What became of issues, by complexity, the same way.
    pub complexity: Vec<ComplexityBand>,
    /// Each threshold with what speaks for and against it.
    pub each: Vec<Threshold>,
}

/// A review of a run, with the score of the next one.
pub(super) type Measured = (RunName, Reviewed, Option<u32>);

/// Thresholds, as far as runs were taken.
pub(super) struct Book {
    policy: Policy,
    reviews: Vec<Measured>,
    rated: Vec<(RunName, Rated)>,
}

impl Book {
    /// For the thresholds that hold now.
    pub(super) fn new(policy: &Policy) -> Self {
        Self { policy: policy.clone(), reviews: Vec::new(), rated: Vec::new() }
    }

    /// Takes one run.
    pub(super) fn take(&mut self, run: &RunName, course: Course) {
        let scores: Vec<u32> = course.reviews.iter().map(|review| review.score).collect();
        for (review, place) in course.reviews.into_iter().zip(1..) {
            self.reviews.push((run.clone(), review, scores.get(place).copied()));
        }
        self.rated.extend(course.rated.map(|rated| (run.clone(), rated)));
    }

    /// What it comes to.
    pub(super) fn told(self) -> Thresholds {
        Thresholds {
            each: vec![
                self.open_from(),
                self.review_from(),
                self.merge_from(),
                self.approve_above(),
                self.simple_below(),
            ],
            scores: bands::scores(&self.policy, &self.reviews),
            complexity: bands::complexity(&self.policy, &self.rated),
        }
    }

    /// From here on a change is opened; below, a person is asked.
    fn open_from(&self) -> Threshold {
        let Policy { review_from, open_from, merge_from, .. } = self.policy;
        let opened = |review: &Reviewed, _| {
            let sent_back = review.merge_asked.is_some_and(|word| word.is_said() && word != Word::Approved);
            let alone = review.is_opened && review.asked.is_none();
            alone.then(|| sent_back || review.turned_out_badly())
        };
        let asked = |review: &Reviewed, _| {
            let word = asked_about_score(review)?;
            Some(word == Word::Approved && !review.turned_out_badly())
        };
        let more = Side {
            heading: Heading::Up,
            limit: f64::from(merge_from),
            needs: TOO_MANY,
            what: format!(
                "changes scored {} that were opened without a person turned out badly",
                between(open_from, merge_from)
            ),
            cases: self.reviewed(open_from..merge_from, opened),
        };
        let less = Side {
            heading: Heading::Down,
            limit: f64::from(review_from),
            needs: NEARLY_ALL,
            what: format!(
                "changes scored {} that people were asked about were approved as they were, and nothing spoke against them since",
                between(review_from, open_from)
            ),
            cases: self.reviewed(review_from..open_from, asked),
        };
        points("policy.open_from", open_from).judge(vec![more, less])
    }

    /// From here on a person is asked; below, an agent mends.
    fn review_from(&self) -> Threshold {
        let Policy { review_from, open_from, .. } = self.policy;
        let refused = |review: &Reviewed, _| Some(asked_about_score(review)? != Word::Approved);
        let unmended = |review: &Reviewed, next: Option<u32>| {
            let mended = review.is_reworked && review.recommendation == Recommendation::Rework;
            next.filter(|_| mended).map(|next| next < open_from)
        };
        let up = Side {
            heading: Heading::Up,
            limit: f64::from(open_from),
            needs: NEARLY_ALL,
            what: format!(
                "changes scored {} that people were asked about were not approved as they were",
                between(review_from, open_from)
            ),
            cases: self.reviewed(review_from..open_from, refused),
        };
        let down = Side {
            heading: Heading::Down,
            limit: 0.0,
            needs: NEARLY_ALL,
            what: format!(
                "changes scored below {review_from} that an agent was to mend stayed below {open_from} at the next review"
            ),
            cases: self.reviewed(0..review_from, unmended),
        };
        points("policy.review_from", review_from).judge(vec![up, down])
    }

    /// From here on a change is merged without a person.
    fn merge_from(&self) -> Threshold {
        let Policy { open_from, merge_from, .. } = self.policy;
        let alone = |review: &Reviewed, _| {
            let went_on = review.merges_itself && review.is_opened && review.merge_asked.is_none();
            went_on.then(|| review.turned_out_badly())
        };
        let asked = |review: &Reviewed, _| {
            let for_score = review.recommendation == Recommendation::Approve && !review.is_held;
            let word = review.merge_asked.filter(|word| for_score && word.is_said())?;
            Some(word == Word::Approved && !review.turned_out_badly())
        };
        let more = Side {
            heading: Heading::Up,
            limit: 100.0,
            needs: TOO_MANY,
            what: format!("changes scored {merge_from} or more that needed no person turned out badly"),
            cases: self.reviewed(merge_from..101, alone),
        };
        let less = Side {
            heading: Heading::Down,
            limit: f64::from(open_from),
            needs: NEARLY_ALL,
            what: format!(
                "changes scored {} that a person was to merge were approved as they were, and nothing spoke against them since",
                between(open_from, merge_from)
            ),
            cases: self.reviewed(open_from..merge_from, asked),
        };
        points("policy.merge_from", merge_from).judge(vec![more, less])
    }

    /// Above it plans wait for approval.
    fn approve_above(&self) -> Threshold {
        let Policy { notify_from, approve_above, .. } = self.policy;
        let alone = |rated: &Rated| {
            let told = rated.asked.is_none() && (notify_from..=approve_above).contains(&rated.complexity);
            (told && rated.is_begun).then_some(rated.is_ended_by_people)
        };
        let asked = |rated: &Rated| {
            let word = rated.asked.filter(|word| word.is_said() && rated.complexity > approve_above)?;
            Some(word == Word::Approved)
        };
        let more = Side {
            heading: Heading::Down,
            limit: notify_from,
            needs: TOO_MANY,
            what: format!(
                "issues rated {notify_from:.1} to {approve_above:.1} that began without approval were ended by a person"
            ),
            cases: self.issues(alone),
        };
        let less = Side {
            heading: Heading::Up,
            limit: 10.0,
            needs: NEARLY_ALL,
            what: format!(
                "plans of issues rated above {approve_above:.1} that people were asked about were approved as they were"
            ),
            cases: self.issues(asked),
        };
        let mark = Mark { setting: "policy.approve_above", value: approve_above, step: HALF, is_above: true };
        mark.judge(vec![more, less])
    }

    /// Below it an issue is one task. That one task was too much for an agent shows in nothing that is measured, so it
    /// has one side.
    fn simple_below(&self) -> Threshold {
        let Policy { notify_from, simple_below, .. } = self.policy;
        let is_one = |rated: &Rated| {
            let free = !rated.is_hotfix && (simple_below..notify_from).contains(&rated.complexity);
            rated.tasks.filter(|_| free).map(|tasks| tasks == 1)
        };
        let less = Side {
            heading: Heading::Up,
            limit: notify_from,
            needs: NEARLY_ALL,
            what: format!("issues rated {simple_below:.1} to {notify_from:.1} became one task anyway"),
            cases: self.issues(is_one),
        };
        let mark = Mark { setting: "policy.simple_below", value: simple_below, step: HALF, is_above: false };
        mark.judge(vec![less])
    }

    /// Reviews in that range for which no hard gate closed, and whether it holds for them.
    fn reviewed(
        &self,
        range: Range<u32>,
        holds: impl Fn(&Reviewed, Option<u32>) -> Option<bool>,
    ) -> Vec<Case> {
        let within = self.reviews.iter().filter(|(_, it, _)| it.is_clean && range.contains(&it.score));
        let case = |(run, review, next): &Measured| {
            Some(Case { at: f64::from(review.score), holds: holds(review, *next)?, run: run.clone() })
        };
        within.filter_map(case).collect()
    }

    fn issues(&self, holds: impl Fn(&Rated) -> Option<bool>) -> Vec<Case> {
        let case = |(run, rated): &(RunName, Rated)| {
            Some(Case { at: rated.complexity, holds: holds(rated)?, run: run.clone() })
        };
        self.rated.iter().filter_map(case).collect()
    }
}

/// What a person said who was asked because the score lies between rework and opening.
fn asked_about_score(review: &Reviewed) -> Option<Word> {
    review.asked.filter(|word| word.is_said() && review.recommendation == Recommendation::Review)
}

fn points(setting: &'static str, value: u32) -> Mark {
    Mark { setting, value: f64::from(value), step: POINTS, is_above: false }
}

/// `60–79`.
fn between(from: u32, below: u32) -> String {
    format!("{from}–{}", below.saturating_sub(1))
}
