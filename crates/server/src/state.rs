//! What every request shares.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use miyabi_core::event::Answer;
use miyabi_core::failure::Failure;
use miyabi_core::ids::{EscalationId, RunId};
use miyabi_core::ports::{Clock, Deliveries, LocalRecords, Store};
use tokio::sync::{Semaphore, watch};

use crate::counters::Counters;
use crate::live::Live;
use crate::settings::Settings;

/// Takes answers to questions, and has the runs go on that asked.
#[async_trait]
pub trait Answers: Send + Sync {
    /// Records the answer, if the question takes it and whoever gives it may.
    async fn answer(&self, run: &RunId, question: &EscalationId, answer: Answer) -> Result<(), Refused>;
}

/// Why an answer was not taken.
#[derive(Debug)]
pub enum Refused {
    /// It is answered already, takes another answer, or somebody else has to approve; in words.
    NotTaken(String),
    /// It could not be recorded.
    Failed(Failure),
}

/// What the server needs from the world.
#[derive(Clone)]
pub struct Ports {
    /// The log and the facts; for live views the one that [`Live::watch`] gave.
    pub store: Arc<dyn Store>,
    /// The memory of what was received.
    pub deliveries: Arc<dyn Deliveries>,
    /// Issues and changes of the local forge.
    pub issues: Arc<dyn LocalRecords>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Who takes answers.
    pub answers: Arc<dyn Answers>,
}

/// The server: what every request shares. Clones are the same server.
#[derive(Clone)]
pub struct Server(Inner);

/// What handlers hold.
pub(crate) type Inner = Arc<Shared>;

/// The inside of a [`Server`].
pub(crate) struct Shared {
    pub(crate) ports: Ports,
    pub(crate) settings: Settings,
    pub(crate) live: Live,
    pub(crate) counters: Counters,
    /// Turns of intake.
    pub(crate) turns: Semaphore,
    /// Turns of large bodies.
    pub(crate) large_turns: Semaphore,
    arrived: watch::Sender<u64>,
    stopping: watch::Sender<bool>,
}

impl Server {
    /// A server that is not listening yet.
    pub fn new(ports: Ports, settings: Settings, live: Live) -> Self {
        let limits = settings.limits;
        Self(Arc::new(Shared {
            ports,
            settings,
            live,
            counters: Counters::default(),
            turns: Semaphore::new(limits.at_once.clamp(1, Semaphore::MAX_PERMITS)),
            large_turns: Semaphore::new(limits.large_at_once.clamp(1, Semaphore::MAX_PERMITS)),
            arrived: watch::Sender::new(0),
            stopping: watch::Sender::new(false),
        }))
    }

    /// Tells whoever handles deliveries that one was accepted.
    pub fn arrivals(&self) -> Arrivals {
        Arrivals(self.0.arrived.subscribe())
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }
}

impl Shared {
    /// An accepted delivery is on the disk.
    pub(crate) fn arrived(&self) {
        self.arrived.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// No request is to last longer than it must.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Becomes ready when the server stops.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

/// Wakes whoever handles accepted deliveries. What was accepted before is found in the store, not here.
#[derive(Debug)]
pub struct Arrivals(watch::Receiver<u64>);

impl Arrivals {
    /// Returns when a delivery was accepted since the last time, however many; `false` when the server is gone and
    /// nothing more can come.
    pub async fn next(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }
}
