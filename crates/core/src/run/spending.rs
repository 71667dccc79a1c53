//! What people allowed a run to spend, and the failure that its agents keep running into.

use jiff::Timestamp;

use super::{SessionState, StepState};
use crate::budget::{self, Amounts};
use crate::event::Answer;
use crate::failure::{Failure, FailureClass};
use crate::ids::StepId;
use crate::plan::Work;

/// What agents used, what holds them up and what lets them go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spending {
    /// What all sessions used: that it is one counts from its start, the rest from its end.
    pub used: Amounts,
    /// The most that one of them used.
    pub largest: Amounts,
    /// Sessions that have not ended.
    pub open: usize,
    /// How often people raised the run's budget.
    pub raises: u32,
    /// Until then the budget of the day does not hold the run up: a person said so.
    pub day_raised_until: Option<Timestamp>,
    /// What the newest agents failed of, all in the same way.
    pub streak: Option<Streak>,
}

/// Agents that failed one after the other in the same way.
#[derive(Clone, Debug, PartialEq)]
pub struct Streak {
    /// The way.
    pub class: FailureClass,
    /// Its words.
    pub message: String,
    /// The steps that they worked on, each once.
    pub steps: Vec<StepId>,
}

impl Spending {
    /// A session began.
    pub(super) fn session_started(&mut self) {
        self.used.sessions += 1.0;
        self.largest.sessions = 1.0;
        self.open += 1;
    }

    /// A session ended.
    pub(super) fn session_ended(&mut self, session: &SessionState) {
        let mut one = budget::of_session(session);
        self.largest = self.largest.max(one);
        one.sessions = 0.0;
        self.used = self.used.plus(one);
        self.open = self.open.saturating_sub(1);
    }

    /// An agent ended.
    pub(super) fn agent_ended(&mut self, step: &StepId, failure: Option<&Failure>) {
        let Some(failure) = failure else {
            self.streak = None;
            return;
        };
        // Neither says anything about the agent.
        if failure.class == FailureClass::Cancelled || !failure.counts() {
            return;
        }
        match &mut self.streak {
            Some(streak) if (streak.class, &streak.message) == (failure.class, &failure.message) => {
                if !streak.steps.contains(step) {
                    streak.steps.push(step.clone());
                }
            }
            streak => {
                let (class, message) = (failure.class, failure.message.clone());
                *streak = Some(Streak { class, message, steps: vec![step.clone()] });
            }
        }
    }

    /// A person let agents go on that were held up for this failure.
    pub(super) fn raised(&mut self, failure: &Failure) {
        match failure.retry_at() {
            Some(next_day) => self.day_raised_until = Some(next_day),
            None if budget::is_breaker(failure) => self.streak = None,
            None => self.raises += 1,
        }
    }
}

impl StepState {
    /// Whether its work is an agent's, and not what is looked up instead.
    pub fn is_agents(&self) -> bool {
        match &self.step.work {
            Work::Task(_) | Work::Agent(_) => !self.is_looked_up,
            Work::Story(work) => work.asks(),
            Work::Uses(_) | Work::Integrate(_) => false,
        }
    }

    /// Whether its newest attempt was held up for want of budget.
    pub fn lacks_budget(&self) -> bool {
        self.failure().is_some_and(|failure| failure.class == FailureClass::Budget)
    }

    /// Whether this answer lets agents go on.
    pub(super) fn is_raised_by(&self, answer: &Answer) -> bool {
        self.lacks_budget() && answer.action == crate::decide::APPROVE
    }
}
