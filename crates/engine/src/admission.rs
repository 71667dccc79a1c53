//! Whether further work may begin: there must be room on the machine, and budget left for the day.
//!
//! What works already is left alone. Shared by all engines of a process over one log.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use miyabi_core::budget::{self, Amounts};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::{Attempt, RunId, StepId};
use miyabi_core::plan::{Uses, Work};
use miyabi_core::ports::{Clock, Machine, Store};
use miyabi_core::run::{Run, StepState};

/// How long until a machine that is short of something is looked at again.
const SHORT: SignedDuration = SignedDuration::from_secs(60);

/// An attempt with an agent.
type Place = (RunId, StepId, Attempt);

/// The door that heavy work goes through.
#[derive(Default)]
pub struct Admission {
    /// None: there is always room.
    machine: Option<Arc<dyn Machine>>,
    /// One asks at a time.
    door: tokio::sync::Mutex<()>,
    /// Agents that were let in and whose session the log does not know yet: nobody else gets what they will use.
    inside: Mutex<BTreeSet<Place>>,
}

/// What is asked for an attempt that begins.
pub(crate) struct Entry {
    /// The limits of the day and the place, where there are any.
    day: Option<(Amounts, Place)>,
    raised_until: Option<Timestamp>,
}

impl Entry {
    /// The question for this attempt; `None` where nothing limits it.
    pub(crate) fn of(run: &Run, state: &StepState) -> Option<Self> {
        let limits = budget::of_day(run.policy());
        let is_limited = state.is_agents() && limits != Amounts::default();
        let place = || (run.id.clone(), state.step.id.clone(), state.attempt);
        let is_heavy = state.is_agents() || state.step.work == Work::Uses(Uses::Review);
        is_heavy.then(|| Self {
            day: is_limited.then(|| (limits, place())),
            raised_until: run.spending.day_raised_until,
        })
    }
}

impl Admission {
    /// A door that also looks at this machine.
    pub fn on(machine: Arc<dyn Machine>) -> Self {
        Self { machine: Some(machine), ..Self::default() }
    }

    /// Lets the attempt begin and sets aside what it may use, or says why not.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        entry: Entry,
        store: &dyn Store,
        clock: &dyn Clock,
    ) -> Result<Option<Inside>, Failure> {
        let now = clock.now();
        if let Some(machine) = &self.machine
            && let Some(shortage) = machine.shortage().await
        {
            let retry_at = now.saturating_add(SHORT).unwrap_or(now);
            let evidence = serde_json::json!({ "retry_at": retry_at });
            return Err(Failure::new(FailureClass::Transient, shortage)
                .evidence(evidence)
                .hint("it begins by itself when there is room again"));
        }
        let Some((limits, place)) = entry.day else { return Ok(None) };
        // Held while the log is asked: who comes next sees this one.
        let _one = self.door.lock().await;
        let (morning, next_day) = budget::day_of(now);
        if entry.raised_until.is_none_or(|until| until <= now) {
            let since = store.used_since(morning).await.map_err(|error| {
                Failure::caused(FailureClass::Exhausted, &error).hint("the budget of the day is not known")
            })?;
            let inside = self.inside().len();
            if let Some(resource) = budget::out_of(limits, since.used, since.largest, since.open, inside) {
                return Err(budget::day_is_over(since.used, limits, resource, next_day));
            }
        }
        self.inside().insert(place.clone());
        Ok(Some(Inside { admission: Arc::clone(self), place }))
    }

    /// The log knows the session of this attempt now, or it ended without one.
    pub(crate) fn leave(&self, place: &Place) {
        self.inside().remove(place);
    }

    fn inside(&self) -> MutexGuard<'_, BTreeSet<Place>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place inside, which is left when the work ends in whatever way.
pub(crate) struct Inside {
    admission: Arc<Admission>,
    place: Place,
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.admission.leave(&self.place);
    }
}
