//! Who learns at once that something was appended to a log.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use miyabi_core::event::Event;
use miyabi_core::ids::RunId;
use miyabi_core::ports::{
    Created, EscalationRow, NewRun, RunFilter, RunRow, SessionRow, Store, StoreError, TaskRow, UsedSince,
};
use tokio::sync::broadcast;

/// So many appends may be behind before a live view looks at everything again.
const BEHIND: usize = 1024;

/// Tells live views which run was appended to. The log itself stays the only source of what they show.
#[derive(Clone, Debug)]
pub struct Live(broadcast::Sender<RunId>);

impl Live {
    /// Nobody appends, nobody looks.
    pub fn new() -> Self {
        Self(broadcast::Sender::new(BEHIND))
    }

    /// The same store; what is appended through it is told to live views.
    pub fn watch(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(Watched { store, live: self.clone() })
    }

    pub(crate) fn look(&self) -> broadcast::Receiver<RunId> {
        self.0.subscribe()
    }

    fn tell(&self, run: &RunId) {
        // Nobody looks: nobody needs to know.
        let _ = self.0.send(run.clone());
    }
}

impl Default for Live {
    fn default() -> Self {
        Self::new()
    }
}

struct Watched {
    store: Arc<dyn Store>,
    live: Live,
}

#[async_trait]
impl Store for Watched {
    async fn create_run(&self, new: &NewRun, at: Timestamp) -> Result<Created, StoreError> {
        let created = self.store.create_run(new, at).await?;
        match &created {
            Created::New(_) => self.live.tell(&new.id),
            Created::Replaced(_, older) => {
                self.live.tell(older);
                self.live.tell(&new.id);
            }
            Created::Joined(..) | Created::Again(..) => {}
        }
        Ok(created)
    }

    async fn append(&self, expected_seq: u64, events: &[Event]) -> Result<(), StoreError> {
        self.store.append(expected_seq, events).await?;
        if let Some(event) = events.first() {
            self.live.tell(&event.run);
        }
        Ok(())
    }

    async fn load(&self, run: &RunId, from_seq: u64) -> Result<Vec<Event>, StoreError> {
        self.store.load(run, from_seq).await
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, StoreError> {
        self.store.runs(filter).await
    }

    async fn sessions(&self, run: &RunId) -> Result<Vec<SessionRow>, StoreError> {
        self.store.sessions(run).await
    }

    async fn tasks(&self, run: &RunId) -> Result<Vec<TaskRow>, StoreError> {
        self.store.tasks(run).await
    }

    async fn used_since(&self, since: Timestamp) -> Result<UsedSince, StoreError> {
        self.store.used_since(since).await
    }

    async fn open_escalations(&self) -> Result<Vec<EscalationRow>, StoreError> {
        self.store.open_escalations().await
    }
}
