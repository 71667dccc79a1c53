//! Places for runs that work at once: whoever waits longest is next, and hotfixes before all others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// The places of a server.
pub(super) struct Places(Mutex<State>);

struct State {
    free: usize,
    /// By turn: those that may wait, and the order in which they came.
    waiting: BTreeMap<(bool, u64), oneshot::Sender<Place>>,
    came: u64,
}

/// A place, until it is dropped.
pub(super) struct Place(Arc<Places>);

impl Places {
    /// So many places.
    pub(super) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { free: count, waiting: BTreeMap::new(), came: 0 })))
    }

    /// Waits for a place; what is urgent before what is not.
    pub(super) async fn take(self: &Arc<Self>, is_urgent: bool) -> Place {
        let turn = {
            let mut state = self.state();
            if state.free > 0 {
                state.free -= 1;
                return Place(Arc::clone(self));
            }
            let (sender, turn) = oneshot::channel();
            state.came += 1;
            let came = state.came;
            state.waiting.insert((!is_urgent, came), sender);
            turn
        };
        match turn.await {
            Ok(place) => place,
            // Senders are only dropped after they sent.
            Err(_) => std::future::pending().await,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.0.state();
        // Those who no longer wait are passed over.
        while let Some((_, next)) = state.waiting.pop_first() {
            if !next.is_closed() {
                drop(state);
                // Should it be gone just now, the place comes back here, and its end hands it on.
                drop(next.send(Place(Arc::clone(&self.0))));
                return;
            }
        }
        state.free += 1;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn urgent_ones_are_next_and_all_others_keep_their_order() {
        let places = Places::new(1);
        let place = places.take(false).await;
        let wait = |name: &'static str, is_urgent| {
            let places = Arc::clone(&places);
            Box::pin(async move { (name, places.take(is_urgent).await) })
        };
        let mut waiting =
            [wait("first", false), wait("second", false), wait("hot", true), wait("gone", true)];
        assert!(waiting.iter_mut().all(|one| one.as_mut().now_or_never().is_none()));
        let [first, second, hot, gone] = waiting;
        drop(gone);
        drop(place);
        let (name, place) = hot.await;
        assert_eq!(name, "hot");
        let (mut first, mut second) = (first, second);
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        drop(place);
        let (_, place) = first.await;
        assert!(second.as_mut().now_or_never().is_none());
        // A place that was handed over and never looked at is not lost.
        drop(place);
        drop(second);
        assert!(places.take(false).now_or_never().is_some());
    }
}
