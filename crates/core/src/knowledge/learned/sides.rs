//! How far a threshold may move: the cases on its two sides, walked through step by step.

use schemars::JsonSchema;
use serde::Serialize;

use super::figures::{ENOUGH, Evidence, RunName, Share, in_words};

/// One threshold.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Threshold {
    /// The setting, such as `policy.open_from`.
    pub setting: &'static str,
    /// Its value now.
    pub value: f64,
    /// What was seen on its sides; a side without a case is not there.
    pub findings: Vec<Observed>,
    /// The value that the evidence speaks for; none: it does not carry another one.
    pub suggestion: Option<f64>,
    /// The numbers, or what is missing.
    pub why: String,
}

/// How often something was so.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Observed {
    /// What, in words that follow "so many of so many".
    pub what: String,
    /// How often.
    pub share: Share,
    /// Where this comes from.
    pub evidence: Evidence,
}

/// One case.
pub(super) struct Case {
    /// Where it lies on the scale of the threshold.
    pub at: f64,
    /// Whether it is what the side is about.
    pub holds: bool,
    pub run: RunName,
}

/// One side of a threshold.
pub(super) struct Side {
    /// Towards it.
    pub heading: Heading,
    /// The threshold moves no further into it.
    pub limit: f64,
    /// The share that each step has to reach with 95 % confidence.
    pub needs: f64,
    /// What holds for its cases.
    pub what: String,
    /// In the order of their runs.
    pub cases: Vec<Case>,
}

/// Where a side lies.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Heading {
    /// Below the threshold.
    Down,
    /// Above it.
    Up,
}

/// A setting on its scale.
pub(super) struct Mark {
    pub setting: &'static str,
    pub value: f64,
    /// It moves in steps of so much.
    pub step: f64,
    /// Whether what lies at the value itself belongs below it.
    pub is_above: bool,
}

/// What one side says.
enum Reach {
    /// The threshold may move to there; the share of all cases up to there.
    To(f64, Share),
    /// The step beside the threshold has so many cases.
    TooFew(u64),
    /// That step has this share.
    NotCarried(Share),
}

impl Mark {
    /// What the sides say of the threshold. Where more than one carries a move, the first one is suggested.
    pub(super) fn judge(self, sides: Vec<Side>) -> Threshold {
        let mut carried = None;
        let mut reasons: Vec<String> = Vec::new();
        for side in &sides {
            match self.reach(side) {
                Reach::To(to, share) => {
                    carried = carried.or_else(|| Some((to, format!("{} {}", in_words(&share), side.what))));
                }
                Reach::TooFew(cases) => {
                    let beside = if side.heading == Heading::Down { "below" } else { "above" };
                    reasons.push(format!("{cases} of {ENOUGH} cases just {beside} it"));
                }
                Reach::NotCarried(share) => {
                    let needs = side.needs * 100.0;
                    reasons.push(format!(
                        "{} {}, at least {needs:.0} % are needed",
                        in_words(&share),
                        side.what
                    ));
                }
            }
        }
        let (suggestion, why) = match carried {
            Some((to, why)) => (Some(to), why),
            None => (None, format!("not enough to move it: {}", reasons.join("; "))),
        };
        let findings = sides.into_iter().filter(|side| !side.cases.is_empty()).map(|side| Observed {
            share: Share::among(side.cases.iter().map(|case| case.holds)),
            evidence: Evidence::of(side.cases.iter().map(|case| &case.run)),
            what: side.what,
        });
        let findings = findings.collect();
        Threshold { setting: self.setting, value: self.value, findings, suggestion, why }
    }

    /// How far each step carries by itself: it has enough cases, and the share is large enough even at the low end of
    /// its interval. The first step that does not is the end, so none is borne by cases that lie elsewhere.
    fn reach(&self, side: &Side) -> Reach {
        let mut reached = self.value;
        let mut passed = Vec::new();
        loop {
            let (low, high) = match side.heading {
                Heading::Down => ((reached - self.step).max(side.limit), reached),
                Heading::Up => (reached, (reached + self.step).min(side.limit)),
            };
            let within =
                |at: f64| if self.is_above { low < at && at <= high } else { low <= at && at < high };
            let here = || side.cases.iter().filter(|case| within(case.at)).map(|case| case.holds);
            let share = Share::among(here());
            if low >= high || share.of < ENOUGH || share.low < side.needs {
                return match (passed.is_empty(), share.of < ENOUGH) {
                    (false, _) => Reach::To(reached, Share::among(passed)),
                    (true, true) => Reach::TooFew(share.of),
                    (true, false) => Reach::NotCarried(share),
                };
            }
            passed.extend(here());
            reached = if side.heading == Heading::Down { low } else { high };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(heading: Heading, limit: f64, cases: &[(f64, u64, u64)]) -> Side {
        let case = |at: f64, holds: bool| Case { at, holds, run: RunName { number: 1, id: "r".into() } };
        let cases =
            cases.iter().flat_map(|(at, holding, all)| (0..*all).map(move |n| case(*at, n < *holding)));
        Side { heading, limit, needs: 0.8, what: "were so".to_owned(), cases: cases.collect() }
    }

    fn open_from(sides: Vec<Side>) -> Threshold {
        Mark { setting: "policy.open_from", value: 80.0, step: 5.0, is_above: false }.judge(sides)
    }

    #[test]
    fn a_threshold_moves_as_far_as_each_step_carries() {
        for (cases, expected) in [
            (vec![], None),
            // Ten of ten are not yet surely four of five; sixteen are.
            (vec![(79.0, 10, 10)], None),
            (vec![(79.0, 15, 15)], None),
            (vec![(79.0, 16, 16)], Some(75.0)),
            (vec![(75.0, 16, 16), (74.0, 16, 16)], Some(70.0)),
            // What lies further away does not help over a gap, nor outvote what is there.
            (vec![(75.0, 16, 16), (69.0, 90, 90)], Some(75.0)),
            (vec![(75.0, 90, 90), (74.0, 10, 20)], Some(75.0)),
            (vec![(79.0, 13, 20), (74.0, 90, 90)], None),
            // A threshold itself belongs to what is above it.
            (vec![(80.0, 90, 90)], None),
            (
                vec![(79.0, 20, 20), (74.0, 20, 20), (69.0, 20, 20), (64.0, 20, 20), (59.0, 20, 20)],
                Some(60.0),
            ),
        ] {
            let told = open_from(vec![side(Heading::Down, 60.0, &cases)]);
            assert_eq!(told.suggestion, expected, "{cases:?} {}", told.why);
        }
        let up = open_from(vec![side(Heading::Up, 90.0, &[(80.0, 20, 20), (85.0, 20, 20), (90.0, 20, 20)])]);
        assert_eq!(up.suggestion, Some(90.0), "{}", up.why);
        let both = open_from(vec![
            side(Heading::Up, 90.0, &[(80.0, 20, 20)]),
            side(Heading::Down, 60.0, &[(79.0, 20, 20)]),
        ]);
        assert_eq!(both.suggestion, Some(85.0), "the first side goes before");
        let stuck = open_from(vec![side(Heading::Up, 80.0, &[(80.0, 20, 20)])]);
        assert_eq!(stuck.suggestion, None, "there is no room to move");
    }

    #[test]
    fn what_is_missing_is_said_in_numbers() {
        let few = open_from(vec![side(Heading::Down, 60.0, &[(79.0, 4, 4)])]);
        assert_eq!(few.why, "not enough to move it: 4 of 10 cases just below it");
        let some = open_from(vec![side(Heading::Down, 60.0, &[(79.0, 13, 14)])]);
        assert_eq!(some.why, "not enough to move it: 13 of 14 (69–99 %) were so, at least 80 % are needed");
        assert_eq!((some.findings.len(), some.findings[0].share.count), (1, 13));
        let carried = open_from(vec![side(Heading::Down, 60.0, &[(79.0, 20, 20)])]);
        assert_eq!(carried.why, "20 of 20 (84–100 %) were so");
        assert_eq!(open_from(vec![side(Heading::Down, 60.0, &[])]).findings, []);
    }

    #[test]
    fn above_and_below_are_kept_apart_at_the_value() {
        let approve = |cases: &[(f64, u64, u64)], heading, limit| {
            let mark = Mark { setting: "policy.approve_above", value: 7.0, step: 0.5, is_above: true };
            mark.judge(vec![side(heading, limit, cases)]).suggestion
        };
        assert_eq!(approve(&[(7.5, 20, 20)], Heading::Up, 10.0), Some(7.5));
        assert_eq!(approve(&[(7.0, 20, 20)], Heading::Up, 10.0), None);
        assert_eq!(approve(&[(7.0, 20, 20)], Heading::Down, 5.0), Some(6.5));
    }
}
