//! The state of a run: what its events add up to.
//!
//! [`Run::start`] takes the first event and [`Run::apply`] each further one; that is the one table of legal
//! transitions. Restarting is nothing but reading the log again. Folding is incremental: an event costs what it
//! touches, never what has finished before it.

mod condition;
mod extend;
mod fold;
mod offer;
pub(crate) mod reminding;
mod sessions;
mod spending;
mod step;
mod waking;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

pub use fold::{Illegal, fold};
pub use spending::{Spending, Streak};
pub use step::{Phase, StepState};

use crate::analysis::Analysis;
use crate::event::{Escalation, RunStarted};
use crate::ids::{ChangeNumber, CommitId, EscalationId, IntentId, RunId, RunNumber, SessionId, StepId};
use crate::intent::{Intent, Receipt};
use crate::plan::{Uses, Work};
use crate::policy::Policy;
use crate::report::Report;
use crate::session::{ProcessMark, SessionEnd, Usage};
use crate::status::Status;
use crate::task::{Decomposition, Task};

/// A run, as its events tell it.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The first event. Its plan has no steps here: they are below.
    pub started: RunStarted,
    /// When it began.
    pub started_at: Timestamp,
    /// When its last event was appended.
    pub last_at: Timestamp,
    /// The `seq` of the next event.
    pub next_seq: u64,
    /// How it ended, in one word and one sentence.
    pub ended: Option<(Status, String)>,
    /// Who asked for its end.
    pub cancelled_by: Option<String>,
    /// The number of the run that takes its place, if that is why it is to end.
    pub superseded_by: Option<RunNumber>,
    /// Sessions in order of start.
    pub sessions: Vec<SessionState>,
    /// Questions without an answer.
    pub questions: BTreeMap<EscalationId, Escalation>,
    /// When each of them was asked.
    asked_at: BTreeMap<EscalationId, Timestamp>,
    /// How many questions there were.
    pub questions_raised: u32,
    /// How many of them a person answered.
    pub answers_by_people: u32,
    /// Writes that are not done, in the order in which they were recorded.
    pub open_intents: Vec<Intent>,
    /// What holds its agents up or lets them go.
    pub spending: Spending,
    /// Every write that was ever recorded, with what became of it.
    pub intents: HashMap<IntentId, Option<Receipt>>,
    steps: Vec<StepState>,
    index: HashMap<StepId, usize>,
    /// Steps by their `output_key`.
    output_keys: HashMap<String, usize>,
    /// What expressions find under `trigger`.
    trigger: Arc<Value>,
    /// Steps that may start, by what limits them.
    ready: Ready,
    running: BTreeSet<usize>,
    judging: BTreeSet<usize>,
    timed: BTreeSet<(Timestamp, usize)>,
    unfinished: usize,
}

/// Steps whose needs have all ended, in plan order.
#[derive(Clone, Debug, Default, PartialEq)]
struct Ready {
    /// Their condition does not hold: to be skipped.
    doomed: BTreeSet<usize>,
    /// They take a place among the parallel ones.
    heavy: BTreeSet<usize>,
    /// They grow the integration branch: one at a time.
    lane: BTreeSet<usize>,
    /// Nothing limits them.
    light: BTreeSet<usize>,
}

/// An agent program that worked for the run.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionState {
    /// Its id.
    pub id: SessionId,
    /// Its step.
    pub step: StepId,
    /// Which try.
    pub attempt: u32,
    /// How it is driven.
    pub adapter: String,
    /// What the program calls it.
    pub name: Option<String>,
    /// How to recognise its process.
    pub process: Option<ProcessMark>,
    /// The commit that its worktree started from.
    pub base: CommitId,
    /// Where its raw output is.
    pub transcript: PathBuf,
    /// When it began.
    pub started_at: Timestamp,
    /// How and when it ended.
    pub end: Option<(SessionEnd, Timestamp)>,
    /// What it used.
    pub usage: Usage,
}

/// What limits a step's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// One of `max_parallel` places.
    Heavy,
    /// The integration branch.
    Lane,
    /// Nothing.
    Light,
}

pub(crate) fn weight(work: &Work) -> Weight {
    match work {
        Work::Task(_) | Work::Agent(_) | Work::Uses(Uses::Review) => Weight::Heavy,
        Work::Story(work) if work.asks() => Weight::Heavy,
        Work::Story(_) => Weight::Light,
        Work::Integrate(_) | Work::Uses(Uses::Update) => Weight::Lane,
        Work::Uses(_) => Weight::Light,
    }
}

impl Run {
    /// The steps in plan order: the flow's first, then those that were added.
    pub fn steps(&self) -> &[StepState] {
        &self.steps
    }

    /// The step of that id.
    pub fn step(&self, id: &StepId) -> Option<&StepState> {
        self.index.get(id).map(|&ix| &self.steps[ix])
    }

    /// The numbers behind the decisions.
    pub fn policy(&self) -> &Policy {
        &self.started.policy
    }

    /// Where it is in its life. `Running` says that it has not ended and waits for nobody; whether a process
    /// executes it is not known here.
    pub fn status(&self) -> Status {
        match &self.ended {
            Some((status, _)) => *status,
            None if self.is_at_rest() && !(self.questions.is_empty() && self.timed.is_empty()) => {
                Status::Waiting
            }
            None => Status::Running,
        }
    }

    /// Whether nothing moves: no attempt, no write, nothing to judge and nothing that may start.
    pub fn is_at_rest(&self) -> bool {
        let Ready { doomed, heavy, lane, light } = &self.ready;
        let held = || self.asks_for_budget() && heavy.iter().all(|&ix| self.steps[ix].is_agents());
        self.running.is_empty()
            && self.judging.is_empty()
            && self.open_intents.is_empty()
            && doomed.is_empty()
            && (heavy.is_empty() || held())
            && lane.is_empty()
            && light.is_empty()
    }

    /// When to decide again although nothing happened: the next retry, the end of a notice, a question's reminder
    /// or deadline.
    pub fn next_wake(&self) -> Option<Timestamp> {
        let timed = self.next_timer();
        let deadline = self.questions.values().map(|question| question.deadline).min();
        timed.into_iter().chain(deadline).chain(self.next_reminder()).min()
    }

    /// The next time that something happens by itself, questions left aside.
    pub fn next_timer(&self) -> Option<Timestamp> {
        let holds = self.asks_for_budget();
        let mut moves = self.timed.iter().filter(|&&(_, ix)| !(holds && self.steps[ix].is_agents()));
        moves.next().map(|(at, _)| *at)
    }

    /// Whether a person is asked for budget: until then no agent starts.
    pub fn asks_for_budget(&self) -> bool {
        self.questions.values().filter_map(|question| self.step(&question.step)).any(StepState::lacks_budget)
    }

    /// Whether everything that will happen by itself is another look at something elsewhere.
    pub fn only_waits(&self) -> bool {
        !self.timed.is_empty() && self.timed.iter().all(|&(_, ix)| self.steps[ix].waits())
    }

    /// Steps with an attempt under way, in plan order.
    pub fn running(&self) -> impl Iterator<Item = &StepState> {
        self.running.iter().map(|&ix| &self.steps[ix])
    }

    /// The analyst's answer, once there is one.
    pub fn analysis(&self) -> Option<Analysis> {
        self.last_output(Uses::Analyse)
    }

    /// The coordinator's answer, once there is one.
    pub fn decomposition(&self) -> Option<Decomposition> {
        self.last_output(Uses::Decompose)
    }

    /// The newest quality report.
    pub fn report(&self) -> Option<Report> {
        self.last_output(Uses::Review)
    }

    /// What the forge answered when the change was opened.
    pub fn change(&self) -> Option<Receipt> {
        self.last_output(Uses::Change)
    }

    /// The change that is meant where none is named: the one that the payload speaks of, or that the run opened.
    pub fn change_meant(&self) -> Option<ChangeNumber> {
        self.started.change_told().or_else(|| self.change()?.change).filter(|number| *number > 0)
    }

    /// The tasks of the decomposition that joined the plan, in order.
    pub fn tasks(&self) -> impl Iterator<Item = (&StepState, &Task)> {
        self.steps.iter().filter_map(|state| match &state.step.work {
            Work::Task(work) if work.purpose == crate::plan::Purpose::Implement => Some((state, &work.task)),
            _ => None,
        })
    }

    /// What all sessions used together; figures that no session told stay `None`.
    pub fn usage(&self) -> Usage {
        fn add<T: std::ops::Add<Output = T>>(sum: Option<T>, one: Option<T>) -> Option<T> {
            match (sum, one) {
                (Some(sum), Some(one)) => Some(sum + one),
                (sum, one) => sum.or(one),
            }
        }
        self.sessions.iter().fold(Usage::default(), |sum, session| Usage {
            input_tokens: add(sum.input_tokens, session.usage.input_tokens),
            output_tokens: add(sum.output_tokens, session.usage.output_tokens),
            cost_usd: add(sum.cost_usd, session.usage.cost_usd),
            turns: add(sum.turns, session.usage.turns),
        })
    }

    fn all_needs_pass(&self, state: &StepState) -> bool {
        state.step.needs.iter().all(|need| self.step(need).is_none_or(StepState::lets_pass))
    }

    pub(crate) fn last_output<T: serde::de::DeserializeOwned>(&self, uses: Uses) -> Option<T> {
        let state = self
            .steps
            .iter()
            .rev()
            .find(|state| state.step.work == Work::Uses(uses) && matches!(&state.result, Some(Ok(_))))?;
        let Some(Ok(output)) = &state.result else { return None };
        T::deserialize(output).ok()
    }
}

// What `decide` looks at.
impl Run {
    /// Steps whose ended attempt waits for a decision, and steps whose notice is over.
    pub(crate) fn to_judge(&self, now: Timestamp) -> impl Iterator<Item = &StepState> {
        let noticed = self.due(now).filter(|&ix| matches!(self.steps[ix].phase, Phase::ProceedAt(_)));
        self.judging.iter().copied().chain(noticed).map(|ix| &self.steps[ix])
    }

    /// Whether every step has ended.
    pub(crate) fn is_complete(&self) -> bool {
        self.unfinished == 0
    }

    /// Steps whose condition does not hold.
    pub(crate) fn doomed(&self) -> impl Iterator<Item = &StepState> {
        self.ready.doomed.iter().map(|&ix| &self.steps[ix])
    }

    /// Steps that may start as far as needs and times go; due retries first, each group in plan order.
    pub(crate) fn startable(&self, now: Timestamp) -> impl Iterator<Item = &StepState> {
        let retries = self.due(now).filter(|&ix| matches!(self.steps[ix].phase, Phase::RetryAt(_)));
        // Of the limited ones no more are looked at than could ever start at once.
        let places = self.policy().max_parallel.max(1) as usize;
        let Ready { heavy, lane, light, .. } = &self.ready;
        let fresh = light.iter().chain(lane.iter().take(1)).chain(heavy.iter().take(places)).copied();
        retries.chain(fresh).map(|ix| &self.steps[ix])
    }

    fn due(&self, now: Timestamp) -> impl Iterator<Item = usize> {
        self.timed.iter().take_while(move |(at, _)| *at <= now).map(|(_, ix)| *ix)
    }
}
