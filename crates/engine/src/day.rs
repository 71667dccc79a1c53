//! The budget of the day, over all runs that this process drives and all that the log knows.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use miyabi_core::budget;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::{Attempt, RunId, StepId};
use miyabi_core::policy::Policy;
use miyabi_core::ports::{Clock, Store};
use miyabi_core::run::Run;

/// An attempt with an agent.
pub(crate) type Place = (RunId, StepId, Attempt);

/// Attempts that were let in and whose session the log does not know yet: nobody else gets what they will use.
#[derive(Clone, Default)]
pub(crate) struct Day {
    /// One asks at a time.
    door: Arc<tokio::sync::Mutex<()>>,
    inside: Arc<Mutex<BTreeSet<Place>>>,
}

/// What the question needs of a run.
pub(crate) struct Ask {
    policy: Policy,
    raised_until: Option<jiff::Timestamp>,
    pub(crate) place: Place,
}

impl Ask {
    /// The question whether this attempt may begin; `None` where no limit is set.
    pub(crate) fn of(run: &Run, step: &StepId, attempt: Attempt) -> Option<Self> {
        let is_limited = budget::of_day(run.policy()) != budget::Amounts::default();
        is_limited.then(|| Self {
            policy: run.policy().clone(),
            raised_until: run.spending.day_raised_until,
            place: (run.id.clone(), step.clone(), attempt),
        })
    }
}

impl Day {
    /// Lets the attempt begin and sets aside what it may use, or says why not.
    pub(crate) async fn enter(&self, ask: Ask, store: &dyn Store, clock: &dyn Clock) -> Result<(), Failure> {
        // Held while the log is asked: who comes next sees this one.
        let _one = self.door.lock().await;
        let now = clock.now();
        let (morning, next_day) = budget::day_of(now);
        if ask.raised_until.is_none_or(|until| until <= now) {
            let since = store.used_since(morning).await.map_err(|error| {
                Failure::caused(FailureClass::Exhausted, &error).hint("the budget of the day is not known")
            })?;
            let limits = budget::of_day(&ask.policy);
            if let Some(resource) =
                budget::out_of(limits, since.used, since.largest, since.open, self.inside().len())
            {
                return Err(budget::day_is_over(since.used, limits, resource, next_day));
            }
        }
        self.inside().insert(ask.place);
        Ok(())
    }

    /// The log knows its session now, or it ended without one.
    pub(crate) fn leave(&self, place: &Place) {
        self.inside().remove(place);
    }

    fn inside(&self) -> MutexGuard<'_, BTreeSet<Place>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
