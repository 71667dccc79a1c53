//! Estimates against what agents took.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::course::Course;
use super::figures::{ENOUGH, Evidence, RunName, Spread, around_median};
use super::work::Worked;
use crate::run::Run;
use crate::status::Status;

/// What was estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Estimated {
    /// A whole issue, by its analysis; against all work of agents in a run that succeeded.
    Issue,
    /// A task of the decomposition; against all attempts of its agent until it was accepted.
    Task,
}

impl Estimated {
    /// The word on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Issue => "issue",
            Self::Task => "task",
        }
    }
}

/// How estimates of one kind compare with what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct EstimateRow {
    /// What was estimated.
    pub of: Estimated,
    /// The kind of work.
    pub kind: String,
    /// Those that ended well and were measured from the beginning to the end.
    pub cases: u64,
    /// Estimated minutes.
    pub estimated: Option<Spread>,
    /// Minutes of agents' work.
    pub measured: Option<Spread>,
    /// Measured minutes for each estimated minute.
    pub ratio: Option<Spread>,
    /// At least so large is the median of the ratio with 95 % confidence.
    pub ratio_low: Option<f64>,
    /// At most so large.
    pub ratio_high: Option<f64>,
    /// The factor that estimates would have to be multiplied by; none: the evidence does not carry it.
    pub suggestion: Option<f64>,
    /// The numbers, or what is missing.
    pub why: String,
    /// Where this comes from.
    pub evidence: Evidence,
}

#[derive(Default)]
struct Gathered {
    estimated: Vec<f64>,
    measured: Vec<f64>,
    ratios: Vec<f64>,
    evidence: Evidence,
}

/// Estimates, as far as runs were taken.
#[derive(Default)]
pub(super) struct Book {
    rows: BTreeMap<(Estimated, String), Gathered>,
}

impl Book {
    /// Takes one run.
    pub(super) fn take(&mut self, name: &RunName, run: &Run, works: &[Worked<'_>], course: &Course) {
        let done = || works.iter().filter(|work| work.implements && work.is_accepted());
        for work in done() {
            if let (Some(estimate), Some(minutes)) = (work.estimate, work.minutes()) {
                self.add(Estimated::Task, &work.kind, estimate, minutes, name);
            }
        }
        let all: Option<f64> = works.iter().map(Worked::minutes).sum();
        let tasks = run.tasks().count();
        // Where people did a part, the rest is not the issue.
        if let (Some(rated), Some(minutes), Status::Succeeded) = (&course.rated, all, run.status())
            && tasks > 0
            && done().count() == tasks
        {
            self.add(Estimated::Issue, rated.kind.as_str(), rated.estimate, minutes, name);
        }
    }

    fn add(&mut self, of: Estimated, kind: &str, estimate: u32, minutes: f64, run: &RunName) {
        // Estimates are at least a minute; what is not compares with nothing.
        if estimate == 0 {
            return;
        }
        let row = self.rows.entry((of, kind.to_owned())).or_default();
        row.estimated.push(f64::from(estimate));
        row.measured.push(minutes);
        row.ratios.push(minutes / f64::from(estimate));
        row.evidence.add(run);
    }

    /// What it comes to.
    pub(super) fn told(self) -> Vec<EstimateRow> {
        self.rows.into_iter().map(|((of, kind), row)| row.told(of, kind)).collect()
    }
}

impl Gathered {
    /// A factor is suggested where there are at least [`ENOUGH`] cases and the interval around the median of the ratio
    /// ([`around_median`]) does not hold 1.
    fn told(self, of: Estimated, kind: String) -> EstimateRow {
        let cases = self.ratios.len() as u64;
        let ratio = Spread::of(&self.ratios);
        let around = around_median(&self.ratios);
        let differs = around.is_some_and(|(low, high)| low > 1.0 || high < 1.0);
        let median = ratio.map(|ratio| ratio.median).filter(|median| *median > 0.0);
        let suggestion = median.filter(|_| differs && cases >= ENOUGH);
        let why = match (suggestion, around) {
            _ if cases < ENOUGH => format!("not enough to tell ({cases} of {ENOUGH})"),
            (Some(_), Some((low, high))) => {
                format!("the median lies between {} and {} with 95 % confidence", plain(low), plain(high))
            }
            (None, Some((low, high))) if !differs => {
                format!("the median may be 1: it lies between {} and {}", plain(low), plain(high))
            }
            _ => "what was measured is too short to compare".to_owned(),
        };
        EstimateRow {
            of,
            kind,
            cases,
            estimated: Spread::of(&self.estimated),
            measured: Spread::of(&self.measured),
            ratio,
            ratio_low: around.map(|(low, _)| low),
            ratio_high: around.map(|(_, high)| high),
            suggestion,
            why,
            evidence: self.evidence,
        }
    }
}

/// A factor with the digits that mean something: `12`, `1.3`, `0.25`, `0.0031`.
pub fn plain(factor: f64) -> String {
    if factor <= 0.0 || !factor.is_finite() {
        return "0".to_owned();
    }
    let digits = (1 - factor.log10().floor() as i32).clamp(0, 9);
    format!("{factor:.*}", usize::try_from(digits).unwrap_or(0))
}
