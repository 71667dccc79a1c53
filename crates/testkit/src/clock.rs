//! Time that moves only when a test says so.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use miyabi_core::ports::Clock;
use tokio::sync::watch;

/// A clock that stands still until it is advanced.
///
/// Who sleeps on it wakes when its time comes, and never before. A test that must know that someone sleeps asks
/// [`next_wake`](Self::next_wake) instead of waiting a while.
#[derive(Debug)]
pub struct ManualClock {
    state: Mutex<State>,
    /// Sends whenever time moves or someone falls asleep or wakes.
    moved: watch::Sender<()>,
}

#[derive(Debug)]
struct State {
    now: Timestamp,
    /// When the sleepers want to wake, by number of the sleeper.
    sleepers: BTreeMap<u64, Timestamp>,
    next_sleeper: u64,
}

impl ManualClock {
    /// A clock that stands at this time.
    pub fn new(now: Timestamp) -> Self {
        let state = State { now, sleepers: BTreeMap::new(), next_sleeper: 0 };
        Self { state: Mutex::new(state), moved: watch::Sender::new(()) }
    }

    /// Moves time forward (or back, with a negative duration) and wakes whoever's time has come.
    ///
    /// # Panics
    /// If that leaves the years that a timestamp can hold.
    pub fn advance(&self, by: SignedDuration) {
        let mut state = self.state();
        state.now = state.now.checked_add(by).expect("a test stays within the years of a timestamp");
        drop(state);
        self.moved.send_replace(());
    }

    /// Waits until someone sleeps and says when the first of them wants to wake. Time does not move.
    pub async fn next_wake(&self) -> Timestamp {
        let mut moved = self.moved.subscribe();
        loop {
            if let Some(first) = self.state().sleepers.values().min() {
                return *first;
            }
            moved.changed().await.expect("the sender lives as long as this clock");
        }
    }

    /// Waits until someone sleeps, then moves time to when the first of them wakes. Says which time that is.
    pub async fn advance_to_next_wake(&self) -> Timestamp {
        let wake = self.next_wake().await;
        let mut state = self.state();
        state.now = state.now.max(wake);
        drop(state);
        self.moved.send_replace(());
        wake
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.state().now
    }

    async fn sleep_until(&self, at: Timestamp) {
        let mut moved = self.moved.subscribe();
        if self.now() >= at {
            return;
        }
        let _sleeper = Sleeper::new(self, at);
        while self.now() < at {
            moved.changed().await.expect("the sender lives as long as this clock");
        }
    }
}

/// Is in the clock's list as long as it lives, so that a dropped sleep is no sleep.
struct Sleeper<'a> {
    clock: &'a ManualClock,
    number: u64,
}

impl<'a> Sleeper<'a> {
    fn new(clock: &'a ManualClock, at: Timestamp) -> Self {
        let mut state = clock.state();
        let number = state.next_sleeper;
        state.next_sleeper += 1;
        state.sleepers.insert(number, at);
        drop(state);
        clock.moved.send_replace(());
        Self { clock, number }
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.clock.state().sleepers.remove(&self.number);
        self.clock.moved.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fixtures::at;

    #[tokio::test]
    async fn a_sleeper_wakes_when_its_time_has_come_and_not_before() {
        let clock = Arc::new(ManualClock::new(at(0)));
        let sleeper = tokio::spawn({
            let clock = Arc::clone(&clock);
            async move {
                clock.sleep_until(at(10)).await;
                clock.now()
            }
        });
        assert_eq!(clock.next_wake().await, at(10));
        clock.advance(SignedDuration::from_secs(9));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(SignedDuration::from_secs(1));
        assert_eq!(sleeper.await.expect("the sleeper ends"), at(10));
    }

    #[tokio::test]
    async fn a_time_that_has_passed_is_not_waited_for() {
        let clock = ManualClock::new(at(10));
        clock.sleep_until(at(10)).await;
        clock.sleep_until(at(3)).await;
        assert_eq!(clock.now(), at(10));
    }

    #[tokio::test]
    async fn time_goes_to_the_first_of_several_sleepers() {
        let clock = ManualClock::new(at(0));
        let (_, _, wakes) = tokio::join!(clock.sleep_until(at(20)), clock.sleep_until(at(5)), async {
            [clock.advance_to_next_wake().await, {
                tokio::task::yield_now().await;
                clock.advance_to_next_wake().await
            }]
        });
        assert_eq!(wakes, [at(5), at(20)]);
    }

    #[tokio::test]
    async fn a_sleep_that_was_given_up_is_forgotten() {
        let clock = ManualClock::new(at(0));
        tokio::select! {
            biased;
            () = clock.sleep_until(at(5)) => unreachable!("nobody moves the time"),
            wake = clock.next_wake() => assert_eq!(wake, at(5)),
        }
        let (_, wake) = tokio::join!(clock.sleep_until(at(7)), clock.advance_to_next_wake());
        assert_eq!(wake, at(7));
    }
}
