//! Live events: server-sent events that are read from the log, so that none is missing and none comes twice.

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream};
use jiff::SignedDuration;
use miyabi_core::event::{Event, EventBody};
use miyabi_core::ids::RunId;
use tokio::sync::{broadcast, watch};

use crate::state::{Inner, Shared};

/// The events of a run from that number on: those that are there, and then those that come. Ends with the run.
pub(crate) fn of_run(server: Inner, run: RunId, from_seq: u64) -> Response {
    let (look, stopping) = (server.live.look(), server.stopping());
    let events = Events { server, run, next: from_seq, ready: VecDeque::new(), over: false, look, stopping };
    answer(stream::unfold(events, |mut events| async move { Some((events.next().await?, events)) }))
}

/// A word for every run that was appended to, from now on.
pub(crate) fn of_all(server: &Shared) -> Response {
    let state = (server.live.look(), server.stopping());
    answer(stream::unfold(state, |(mut look, mut stopping)| async move {
        let sent = tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => return None,
            told = look.recv() => match told {
                Ok(run) => Sent::default().event("run").data(run.as_str()),
                Err(broadcast::error::RecvError::Lagged(_)) => Sent::default().event("behind").data("look at all runs"),
                Err(broadcast::error::RecvError::Closed) => return None,
            },
        };
        Some((Ok(sent), (look, stopping)))
    }))
}

fn answer(events: impl Stream<Item = Result<Sent, Infallible>> + Send + 'static) -> Response {
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

struct Events {
    server: Inner,
    run: RunId,
    next: u64,
    ready: VecDeque<Event>,
    over: bool,
    look: broadcast::Receiver<RunId>,
    stopping: watch::Receiver<bool>,
}

impl Events {
    async fn next(&mut self) -> Option<Result<Sent, Infallible>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.next = event.seq + 1;
                self.over = matches!(event.body, EventBody::RunFinished { .. });
                // The log was made of such texts, so they can be written again.
                let data = serde_json::to_string(&event).unwrap_or_default();
                return Some(Ok(Sent::default().id(event.seq.to_string()).event("event").data(data)));
            }
            if self.over {
                return None;
            }
            match self.server.ports.store.load(&self.run, self.next).await {
                Ok(events) if events.is_empty() => self.wait().await?,
                Ok(events) => self.ready.extend(events),
                Err(error) => {
                    tracing::warn!(run.id = %self.run, "failed to read the log for a live view: {error}");
                    return None;
                }
            }
        }
    }

    /// Returns when there may be more; `None` when the server stops.
    async fn wait(&mut self) -> Option<()> {
        let clock = &self.server.ports.clock;
        let sweep = i64::try_from(self.server.settings.limits.sweep_secs).unwrap_or(i64::MAX);
        let sweep = clock.now().checked_add(SignedDuration::from_secs(sweep)).unwrap_or(jiff::Timestamp::MAX);
        let ours = async {
            // Whoever fell behind looks, too.
            while self.look.recv().await.is_ok_and(|run| run != self.run) {}
        };
        tokio::select! {
            biased;
            _ = self.stopping.wait_for(|stopping| *stopping) => None,
            () = ours => Some(()),
            () = clock.sleep_until(sweep) => Some(()),
        }
    }
}
