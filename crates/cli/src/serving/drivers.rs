//! The runs of a server: each is driven while there is something to do, and costs nothing while it waits.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use miyabi_core::autonomy;
use miyabi_core::ids::RunId;
use miyabi_engine::Rest;
use tokio::sync::Notify;
use tracing::{error, info, warn};

use super::places::Places;
use super::site::Shared;
use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::lock::RunLock;
use crate::wiring::Home;

/// How long after an error a run is tried again.
const AFTER_ERROR: SignedDuration = SignedDuration::from_secs(60);
/// How long after it was found driven by another process a run is looked at again.
const ELSEWHERE: SignedDuration = SignedDuration::from_secs(10);

/// The runs of a server.
pub(super) struct Drivers {
    home: Arc<Home>,
    interrupt: Arc<Interrupt>,
    /// Runs that work at once.
    places: Arc<Places>,
    state: Mutex<State>,
    /// Told when a driver ended.
    ended: Arc<Notify>,
}

#[derive(Default)]
struct State {
    /// Driven here; true when somebody told the run something meanwhile.
    driven: HashMap<RunId, bool>,
    /// When a resting run is worth another look.
    wakes: BTreeSet<(Timestamp, RunId)>,
}

impl Drivers {
    /// No run is driven yet; places are shared with other repositories.
    pub(super) fn new(home: Arc<Home>, shared: &Shared) -> Arc<Self> {
        let (interrupt, places) = (Arc::clone(&shared.interrupt), Arc::clone(&shared.places));
        let ended = Arc::clone(&shared.rested);
        Arc::new(Self { home, interrupt, places, state: Mutex::default(), ended })
    }

    /// Drives the run, now or when a place is free; one that is driven looks at its log again before it rests.
    pub(super) fn drive(self: &Arc<Self>, run: &RunId) {
        {
            let mut state = self.state();
            state.wakes.retain(|(_, waiting)| waiting != run);
            if let Some(again) = state.driven.get_mut(run) {
                *again = true;
                return;
            }
            state.driven.insert(run.clone(), false);
        }
        let (drivers, run) = (Arc::clone(self), run.clone());
        tokio::spawn(async move {
            loop {
                let wake = drivers.once(&run).await;
                let mut state = drivers.state();
                let again = state.driven.get_mut(&run).is_some_and(std::mem::take);
                if again && !drivers.interrupt.is_asked() {
                    continue;
                }
                state.driven.remove(&run);
                state.wakes.extend(wake.map(|at| (at, run.clone())));
                break;
            }
            drivers.ended.notify_one();
        });
    }

    /// Drives the runs whose time has come.
    pub(super) fn wake(self: &Arc<Self>, now: Timestamp) {
        let due: Vec<RunId> =
            self.state().wakes.iter().take_while(|(at, _)| *at <= now).map(|(_, run)| run.clone()).collect();
        due.iter().for_each(|run| self.drive(run));
    }

    /// When [`wake`](Self::wake) is worth calling.
    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        self.state().wakes.first().map(|(at, _)| *at)
    }

    /// Returns when nothing is driven any more.
    pub(super) async fn idle(&self) {
        while !self.state().driven.is_empty() {
            self.ended.notified().await;
        }
    }

    /// Drives the run until it rests; says when it is worth another look.
    async fn once(&self, run: &RunId) -> Option<Timestamp> {
        // One that cannot be read is told of below.
        let known = self.home.engine(None).read(run).await.ok().flatten();
        let is_urgent = known.is_some_and(|run| autonomy::is_hotfix(&run.started.issue));
        let _place = tokio::select! {
            place = self.places.take(is_urgent) => place,
            () = self.interrupt.stop() => return None,
        };
        match self.locked(run).await {
            Ok(wake) => wake,
            Err(error) => {
                error!(run.id = %run, "a run cannot be driven on: {}", error.render());
                self.after(AFTER_ERROR)
            }
        }
    }

    async fn locked(&self, run: &RunId) -> Result<Option<Timestamp>, CliError> {
        let folder = self.home.runs_folder();
        let lock = RunLock::take(&folder, run).await;
        let Some(lock) = lock.map_err(|error| CliError::file("lock the run in", &folder, &error))? else {
            warn!(run.id = %run, "another process drives the run");
            return Ok(self.after(ELSEWHERE));
        };
        let engine = self.home.engine(None);
        let rest = engine.drive(run, self.interrupt.stop()).await?;
        info!(run.id = %run, ?rest, "a run rests");
        Ok(match rest {
            Rest::Ended(_) => {
                lock.retire();
                None
            }
            Rest::Interrupted => None,
            Rest::Waiting(at) => Some(at),
            // Its questions have deadlines.
            Rest::Asking(_) => engine.read(run).await?.and_then(|run| run.next_wake()),
        })
    }

    fn after(&self, pause: SignedDuration) -> Option<Timestamp> {
        self.home.clock.now().checked_add(pause).ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
