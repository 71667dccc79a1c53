//! The pulse of a connection: whether something still moves on it, and for whom.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::lease::Session;

/// A connection on which nothing moves for so long is closed. Models think for minutes before they say a word.
pub(super) const PATIENCE: Duration = Duration::from_mins(15);

/// Beats with each request and with each piece of a body.
#[derive(Clone, Debug)]
pub(super) struct Pulse(watch::Sender<Option<Session>>);

impl Pulse {
    /// The pulse of a connection on which nothing was asked yet.
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// From now on the connection serves this session.
    pub(super) fn serve(&self, session: Session) {
        self.0.send_replace(Some(session));
    }

    /// Something moved.
    pub(super) fn beat(&self) {
        self.0.send_modify(|_| {});
    }

    /// Returns when the session that is served is over, or nothing has moved for too long.
    pub(super) async fn stopped(&self) {
        let mut beats = self.0.subscribe();
        loop {
            let session = beats.borrow_and_update().clone();
            tokio::select! {
                () = over(session) => return,
                beat = timeout(PATIENCE, beats.changed()) => if !matches!(beat, Ok(Ok(()))) { return },
            }
        }
    }
}

/// Never returns for no session.
async fn over(session: Option<Session>) {
    match session {
        Some(session) => session.ended().await,
        None => std::future::pending().await,
    }
}
