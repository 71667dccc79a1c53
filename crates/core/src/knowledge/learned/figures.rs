//! Shares, spreads and what they are made of. A figure is never shown without how often it was measured.

use schemars::JsonSchema;
use serde::Serialize;

use crate::ids::{RunId, RunNumber};

/// Below so many cases on any side nothing is suggested.
pub const ENOUGH: u64 = 10;
/// The quantile of the normal distribution that leaves 2.5 % on each side.
const Z: f64 = 1.959_963_984_540_054;
/// Of so many values on, the ranks around a median are those of the normal distribution.
const MANY: u64 = 1000;
/// So many runs are named beside a figure.
const NAMED: usize = 20;

/// So many cases of so many, and between which shares the true one lies with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Share {
    /// Cases in which it was so.
    pub count: u64,
    /// All cases.
    pub of: u64,
    /// The smallest share that fits them, from 0 to 1.
    pub low: f64,
    /// The largest share that fits them, from 0 to 1.
    pub high: f64,
}

impl Share {
    /// The share with its interval; of nothing everything fits.
    ///
    /// Source: the score interval of E. B. Wilson, "Probable inference, the law of succession, and statistical
    /// inference", Journal of the American Statistical Association 22 (1927), 209–212. It stays within 0 and 1 and holds
    /// for few cases, too.
    pub fn new(count: u64, of: u64) -> Self {
        let count = count.min(of);
        if of == 0 {
            return Self { count, of, low: 0.0, high: 1.0 };
        }
        let (n, p, z2) = (of as f64, count as f64 / of as f64, Z * Z);
        let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt() / (1.0 + z2 / n);
        // At the ends the formula gives exactly 0 and 1, which rounding may miss.
        let low = if count == 0 { 0.0 } else { (middle - half).clamp(0.0, p) };
        let high = if count == of { 1.0 } else { (middle + half).clamp(p, 1.0) };
        Self { count, of, low, high }
    }

    /// The share of those for which it is so.
    pub fn among(cases: impl IntoIterator<Item = bool>) -> Self {
        let (mut count, mut of) = (0, 0);
        for is_so in cases {
            of += 1;
            count += u64::from(is_so);
        }
        Self::new(count, of)
    }

    /// The share as it was seen; 0 of nothing.
    pub fn seen(&self) -> f64 {
        if self.of == 0 { 0.0 } else { self.count as f64 / self.of as f64 }
    }

    /// By how much this share is larger than another one: as it was seen, at least, and at most, with 95 % confidence.
    ///
    /// Source: method 10 of R. G. Newcombe, "Interval estimation for the difference between independent proportions:
    /// comparison of eleven methods", Statistics in Medicine 17 (1998), 873–890; it is made of both Wilson intervals.
    pub fn above(&self, other: &Self) -> (f64, f64, f64) {
        let (p, q) = (self.seen(), other.seen());
        let seen = p - q;
        let low = seen - ((p - self.low).powi(2) + (other.high - q).powi(2)).sqrt();
        let high = seen + ((self.high - p).powi(2) + (q - other.low).powi(2)).sqrt();
        (seen, low, high)
    }
}

/// How measured values lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Spread {
    /// How many values there are.
    pub measured: u64,
    /// A quarter of them is not above it.
    pub lower_quartile: f64,
    /// Half of them is not above it; of an even number the mean of the two in the middle.
    pub median: f64,
    /// Three quarters of them are not above it.
    pub upper_quartile: f64,
}

impl Spread {
    /// How these values lie; nothing where there is none.
    ///
    /// Source: definition 7 of R. J. Hyndman and Y. Fan, "Sample quantiles in statistical packages", The American
    /// Statistician 50 (1996), 361–365.
    pub fn of(values: &[f64]) -> Option<Self> {
        let sorted = sorted(values);
        Some(Self {
            measured: sorted.len() as u64,
            lower_quartile: quantile(&sorted, 0.25)?,
            median: quantile(&sorted, 0.5)?,
            upper_quartile: quantile(&sorted, 0.75)?,
        })
    }
}

/// Between which values the true median lies with at least 95 % confidence; nothing for fewer than six values.
///
/// Source: the interval between order statistics that belongs to the sign test, W. J. Conover, "Practical Nonparametric
/// Statistics", 3rd edition (1999), section 3.2. Nothing is supposed about how the values are distributed.
pub fn around_median(values: &[f64]) -> Option<(f64, f64)> {
    let sorted = sorted(values);
    let n = sorted.len() as u64;
    // The largest number of values that can be left out at each end.
    let left_out = if n > MANY {
        let n = n as f64;
        ((n - Z * n.sqrt()) / 2.0).floor() as u64
    } else {
        let mut chance = 0.5_f64.powi(n as i32);
        let (mut below, mut left_out) = (chance, 0);
        while below <= 0.025 {
            left_out += 1;
            chance *= (n - left_out + 1) as f64 / left_out as f64;
            below += chance;
        }
        left_out
    };
    let rank = usize::try_from(left_out.checked_sub(1)?).ok()?;
    Some((*sorted.get(rank)?, *sorted.get(sorted.len().checked_sub(rank + 1)?)?))
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted.get(place.floor() as usize)?, sorted.get(place.ceil() as usize)?);
    Some(below + (above - below) * place.fract())
}

/// A run, as people and programs name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RunName {
    /// Its number in the repo.
    pub number: RunNumber,
    /// Its id.
    pub id: RunId,
}

/// The runs that a figure comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Evidence {
    /// How many there are.
    pub runs: u64,
    /// The newest of them, at most 20, the newest first.
    pub newest: Vec<RunName>,
    #[serde(skip)]
    last: Option<RunId>,
}

impl Evidence {
    /// Adds a run once, however often it is said. Runs come one after the other.
    pub(super) fn add(&mut self, run: &RunName) {
        if self.last.as_ref() == Some(&run.id) {
            return;
        }
        self.last = Some(run.id.clone());
        self.runs += 1;
        if self.newest.len() < NAMED {
            self.newest.push(run.clone());
        }
    }

    /// The runs of these cases, which come in the order of their runs.
    pub(super) fn of<'a>(runs: impl IntoIterator<Item = &'a RunName>) -> Self {
        let mut evidence = Self::default();
        runs.into_iter().for_each(|run| evidence.add(run));
        evidence
    }
}

/// A share as people read it: `9 of 12 (47–91 %)`.
pub fn in_words(share: &Share) -> String {
    match share.of {
        0 => "none".to_owned(),
        of => format!("{} of {of} ({:.0}–{:.0} %)", share.count, share.low * 100.0, share.high * 100.0),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shares_have_the_intervals_of_the_books() {
        // The first two and the difference stand in Newcombe (1998), tables I and II.
        for (count, of, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
            (10, 10, 0.7225, 1.0),
            (0, 0, 0.0, 1.0),
        ] {
            let share = Share::new(count, of);
            assert!((share.low - low).abs() < 5e-5 && (share.high - high).abs() < 5e-5, "{share:?}");
        }
        let (seen, low, high) = Share::new(56, 70).above(&Share::new(48, 80));
        assert!((seen - 0.2).abs() < 1e-9, "{seen}");
        assert!((low - 0.0524).abs() < 5e-5 && (high - 0.3339).abs() < 5e-5, "{low} {high}");
    }

    #[test]
    fn spreads_of_even_odd_and_no_values() {
        let of = |values: &[f64]| {
            Spread::of(values).map(|it| (it.measured, it.lower_quartile, it.median, it.upper_quartile))
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[f64::NAN]), None);
        assert_eq!(of(&[3.0]), Some((1, 3.0, 3.0, 3.0)));
        assert_eq!(of(&[4.0, 1.0]), Some((2, 1.75, 2.5, 3.25)));
        assert_eq!(of(&[5.0, 1.0, 3.0]), Some((3, 2.0, 3.0, 4.0)));
        assert_eq!(of(&[4.0, 1.0, 3.0, 2.0]), Some((4, 1.75, 2.5, 3.25)));
    }

    #[test]
    fn ranks_around_a_median_are_those_of_the_sign_test() {
        let upto = |n: u32| (1..=n).map(f64::from).collect::<Vec<_>>();
        for (n, expected) in [
            (0, None),
            (5, None),
            (6, Some((1.0, 6.0))),
            (8, Some((1.0, 8.0))),
            (9, Some((2.0, 8.0))),
            (10, Some((2.0, 9.0))),
            (20, Some((6.0, 15.0))),
            (100, Some((40.0, 61.0))),
        ] {
            assert_eq!(around_median(&upto(n)), expected, "{n}");
        }
        let (low, high) = around_median(&upto(2000)).unwrap();
        assert!((950.0..=960.0).contains(&low) && (1041.0..=1051.0).contains(&high), "{low} {high}");
    }

    #[test]
    fn a_run_is_named_once_and_many_are_counted() {
        let run = |n: u64| RunName { number: n, id: format!("run-{n}").into() };
        let runs: Vec<RunName> = (0..30).rev().flat_map(|n| [run(n), run(n)]).collect();
        let evidence = Evidence::of(&runs);
        assert_eq!((evidence.runs, evidence.newest.len()), (30, 20));
        assert_eq!((evidence.newest[0].number, evidence.newest[19].number), (29, 10));
    }

    proptest! {
        #[test]
        fn an_interval_holds_what_was_seen(of in 0..5_000_u64, part in 0.0..=1.0_f64) {
            let count = (of as f64 * part) as u64;
            let share = Share::new(count, of);
            prop_assert!(0.0 <= share.low && share.low <= share.high && share.high <= 1.0, "{share:?}");
            prop_assert!(of == 0 || (share.low <= share.seen() && share.seen() <= share.high), "{share:?}");
            // Turned round it is the same interval, and more cases of the same share make it narrower.
            let turned = Share::new(of - count, of);
            prop_assert!((turned.low - (1.0 - share.high)).abs() < 1e-9, "{share:?} {turned:?}");
            if of > 0 {
                let more = Share::new(count * 4, of * 4);
                prop_assert!(more.high - more.low < share.high - share.low, "{share:?} {more:?}");
            }
        }

        #[test]
        fn an_interval_of_a_median_holds_it(values in prop::collection::vec(0.0..1e6_f64, 0..60)) {
            let spread = Spread::of(&values);
            if let (Some((low, high)), Some(spread)) = (around_median(&values), spread) {
                prop_assert!(low <= spread.median && spread.median <= high);
                prop_assert!(spread.lower_quartile <= spread.median && spread.median <= spread.upper_quartile);
            }
        }
    }
}
