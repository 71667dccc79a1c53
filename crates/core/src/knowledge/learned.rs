//! What outcomes teach of agents, estimates and thresholds, from the logs of runs, with the evidence of each figure.
//!
//! Nothing of it is applied here: people read it and set what is to hold. Runs are taken one after the other and only a
//! few numbers of each attempt and review are kept, so a long history needs little memory.

mod agents;
mod bands;
mod course;
mod estimates;
mod figures;
mod sides;
mod thresholds;
mod work;

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::event::Event;
use crate::policy::Policy;
use crate::run::{Illegal, fold};

pub use agents::{AgentRow, Agents, Choice};
pub use bands::{ComplexityBand, ScoreBand, Words};
pub use course::Word;
pub use estimates::{EstimateRow, Estimated, plain};
pub use figures::{ENOUGH, Evidence, RunName, Share, Spread, around_median, in_words};
pub use sides::{Observed, Threshold};
pub use thresholds::Thresholds;
pub use work::{Fault, LeftOut};

/// What outcomes teach. Every share says of how many, every spread how many values it has, and both come with the runs
/// that they were counted in.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Learned {
    /// The repo.
    pub repo: String,
    /// Only runs that began then or later were taken; none: all.
    pub since: Option<Timestamp>,
    /// Runs that were taken.
    pub runs: u64,
    /// Those of them that have not ended; they count as far as they went.
    pub not_ended: u64,
    /// Runs whose logs cannot be read or make no sense; nothing of them is taken.
    pub unread: u64,
    /// Always false: nothing of this holds before somebody sets it.
    pub applied: bool,
    /// How agents fared, by kind of task.
    pub agents: Agents,
    /// How estimates compare with what was measured.
    pub estimates: Vec<EstimateRow>,
    /// What speaks for and against thresholds.
    pub thresholds: Thresholds,
}

/// Learns from runs, one after the other.
pub struct Learner {
    runs: u64,
    not_ended: u64,
    agents: agents::Book,
    estimates: estimates::Book,
    thresholds: thresholds::Book,
}

impl Learner {
    /// `policy` holds the thresholds that are asked about: those that hold now.
    pub fn new(policy: &Policy) -> Self {
        Self {
            runs: 0,
            not_ended: 0,
            agents: agents::Book::default(),
            estimates: estimates::Book::default(),
            thresholds: thresholds::Book::new(policy),
        }
    }

    /// Takes the log of one run, as far as it goes; the newest run first, each once. An empty log teaches nothing.
    ///
    /// Errors: the log holds what cannot have happened; nothing of it is taken then.
    pub fn take(&mut self, events: &[Event]) -> Result<(), Illegal> {
        let Some(run) = fold(events)? else { return Ok(()) };
        let name = RunName { number: run.started.number, id: run.id.clone() };
        let (works, left_out) = work::worked(&run, events);
        let course = course::course(&run, events);
        self.runs += 1;
        self.not_ended += u64::from(run.ended.is_none());
        self.agents.take(&name, &works, &left_out, &course);
        self.estimates.take(&name, &run, &works, &course);
        self.thresholds.take(&name, course);
        Ok(())
    }

    /// What it comes to. `unread`: how many runs could not be taken.
    pub fn learned(self, repo: String, since: Option<Timestamp>, unread: u64) -> Learned {
        Learned {
            repo,
            since,
            runs: self.runs,
            not_ended: self.not_ended,
            unread,
            applied: false,
            agents: self.agents.told(),
            estimates: self.estimates.told(),
            thresholds: self.thresholds.told(),
        }
    }
}

/// Counts by what they count, as people read them: `2 stopped, 1 vanished with miyabi`.
pub fn counted<T>(counts: &BTreeMap<T, u64>, word: impl Fn(&T) -> &'static str) -> String {
    let parts: Vec<String> = counts.iter().map(|(what, count)| format!("{count} {}", word(what))).collect();
    parts.join(", ")
}
