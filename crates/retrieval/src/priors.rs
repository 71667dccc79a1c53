//! What speaks for a record besides its text: mildly, so that a better text always wins.

use std::collections::HashMap;

use jiff::Timestamp;
use miyabi_core::knowledge::{Record, RecordId};
use miyabi_core::status::Status;

/// After so many days half of being new is gone.
const HALF_DAYS: f64 = 180.0;
/// So much can being new, a good end, and having helped add, each as a part of the score.
const NEW: f64 = 0.04;
const GOOD: f64 = 0.03;
const HELPED: f64 = 0.06;
/// Bounds of what a score is multiplied by.
pub(crate) const MOST: f64 = 1.0 + NEW + GOOD + HELPED;
pub(crate) const LEAST: f64 = 1.0 - HELPED;

/// How often a record was given to an agent, and how often that one succeeded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Given {
    pub times: u32,
    pub succeeded: u32,
}

/// How records that were given did, from the records of the attempts that they were given to.
pub(crate) fn given(attempts: &[Record]) -> HashMap<RecordId, Given> {
    let mut given: HashMap<RecordId, Given> = HashMap::new();
    for attempt in attempts {
        for id in &attempt.given {
            let entry = given.entry(id.clone()).or_default();
            entry.times += 1;
            entry.succeeded += u32::from(attempt.outcome == Status::Succeeded);
        }
    }
    given
}

/// What the score of a record is multiplied by, and why.
pub(crate) fn prior(record: &Record, now: Timestamp, given: Given) -> (f64, Vec<String>) {
    let mut because = Vec::new();
    #[expect(clippy::cast_precision_loss, reason = "days of a lifetime")]
    let days = (now.as_second() - record.at.as_second()).max(0) as f64 / 86_400.0;
    let new = NEW * (-days / HALF_DAYS).exp2();
    if new > NEW / 2.0 {
        because.push("recent".to_owned());
    }
    let good = if record.outcome == Status::Succeeded {
        because.push("it went well".to_owned());
        GOOD
    } else {
        0.0
    };
    // As if it had been given twice before, once to good: one lucky attempt proves little.
    let rate = f64::from(given.succeeded + 1) / f64::from(given.times + 2);
    let helped = HELPED * (2.0 * rate - 1.0);
    if given.times > 0 {
        because.push(format!("given to {} attempts, {} of which succeeded", given.times, given.succeeded));
    }
    (1.0 + new + good + helped, because)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use miyabi_core::ids::RunId;
    use miyabi_core::knowledge::RecordKind;
    use miyabi_testkit::fixtures;

    use super::*;

    #[test]
    fn the_bounds_hold_whatever_is_known() {
        let now = Timestamp::UNIX_EPOCH;
        let mut seen = (f64::MAX, f64::MIN);
        let ages = [-1, 0, 1, 4_320, 43_800, 438_000].map(SignedDuration::from_hours);
        let givens = [(0, 0), (1, 0), (1, 1), (1_000_000, 0), (1_000_000, 1_000_000)];
        for (age, outcome) in ages.iter().flat_map(|age| Status::ALL.iter().map(move |it| (age, *it))) {
            for (times, succeeded) in givens {
                let record = fixtures::record(RunId::new("a"), RecordKind::Issue);
                let record = Record { outcome, at: now - *age, ..record };
                let (factor, _) = prior(&record, now, Given { times, succeeded });
                assert!((LEAST..=MOST).contains(&factor), "{age} {outcome:?} {times} {succeeded}: {factor}");
                seen = (seen.0.min(factor), seen.1.max(factor));
            }
        }
        assert!(seen.0 < LEAST + 0.01 && seen.1 > MOST - 0.01, "no wider than they need be: {seen:?}");
    }
}
