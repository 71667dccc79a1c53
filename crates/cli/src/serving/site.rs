//! One repository that is served: its home, its runs, its times.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use miyabi_core::ports::RunFilter;
use tokio::sync::Notify;
use tracing::{info, warn};

use super::drivers::Drivers;
use super::places::Places;
use super::schedule::Schedule;
use crate::context::Context;
use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::lock;
use crate::triggers::Book;
use crate::wiring::Home;

/// What all sites of a server share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) context: Context,
    /// What may start what.
    pub(super) book: Arc<Book>,
    pub(super) interrupt: Arc<Interrupt>,
    /// Runs that work at once.
    pub(super) places: Arc<Places>,
    /// Told when a run came to rest.
    pub(super) rested: Arc<Notify>,
}

/// One repository that is served.
pub(super) struct Site {
    pub(super) context: Context,
    pub(super) home: Arc<Home>,
    pub(super) book: Arc<Book>,
    pub(super) drivers: Arc<Drivers>,
    schedule: Mutex<Schedule>,
}

impl Site {
    /// Nothing is done yet.
    pub(super) fn new(home: Arc<Home>, shared: &Shared) -> Self {
        let site = Self {
            context: shared.context.clone(),
            drivers: Drivers::new(Arc::clone(&home), shared),
            book: Arc::clone(&shared.book),
            schedule: Mutex::default(),
            home,
        };
        site.look_at_rules(site.home.clock.now());
        site
    }

    /// Takes times from the rules as their files are now; what is wrong with them is told once.
    fn look_at_rules(&self, now: Timestamp) {
        let rules = self.book.of(Some(&self.home.repo));
        let told = self.schedule.lock().unwrap_or_else(PoisonError::into_inner).take(&rules, now);
        for why in told {
            warn!(repo = self.home.repo, "a rule of {} cannot be used: {why}", self.home.repo);
        }
    }

    /// Goes on with every run that has not ended.
    pub(super) async fn go_on(&self) -> Result<(), CliError> {
        let live = self.home.store.runs(&RunFilter { live: true, ..RunFilter::default() }).await?;
        let ids: Vec<_> = live.iter().map(|row| row.id.clone()).collect();
        lock::tidy(&self.home.runs_folder(), &ids);
        for row in live {
            if row.repo == self.home.repo {
                info!(run.id = %row.id, "goes on with run {} of {}", row.number, row.repo);
                self.drivers.drive(&row.id);
            }
        }
        Ok(())
    }

    /// Does what the time asks for.
    pub(super) async fn keep_time(&self, now: Timestamp) {
        self.look_at_rules(now);
        let due = self.schedule.lock().unwrap_or_else(PoisonError::into_inner).due(now);
        for rule in due {
            if let Err(error) = self.on_time(&rule).await {
                warn!(rule = rule.name, "a rule's time passed without effect: {}", error.render());
            }
        }
        self.drivers.wake(now);
    }

    /// When [`keep_time`](Self::keep_time) is worth calling.
    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        let schedule = self.schedule.lock().unwrap_or_else(PoisonError::into_inner).next();
        schedule.into_iter().chain(self.drivers.next_wake()).min()
    }

    /// Returns when no run is driven any more.
    pub(super) async fn idle(&self) {
        self.drivers.idle().await;
    }
}
