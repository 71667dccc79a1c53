//! `miyabi serve` at work: deliveries become runs and answers, runs are driven, and what was missed is found again.

mod answers;
mod drivers;
mod missed;
mod orders;
mod replies;
mod schedule;
mod sweep;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use miyabi_core::delivery::{Delivery, Verdict};
use miyabi_core::ports::RunFilter;
use miyabi_core::trigger::TriggerSettings;
use miyabi_server::Arrivals;
use tracing::{error, info, warn};

use crate::context::Context;
use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::wiring::Home;
use drivers::Drivers;
use schedule::Schedule;

/// So many deliveries are looked at together.
const BATCH: u32 = 100;
/// How long after a failure that may pass a delivery is tried again.
const AFTER_FAILURE: SignedDuration = SignedDuration::from_secs(30);

/// A repository that is served.
pub struct Serving {
    context: Context,
    home: Arc<Home>,
    rules: TriggerSettings,
    drivers: Arc<Drivers>,
}

/// What became of a delivery.
enum Done {
    /// It is handled.
    Settled(Verdict),
    /// It is handled at that time.
    Later(Timestamp),
}

impl Done {
    fn no(reason: impl Into<String>) -> Self {
        Self::Settled(Verdict::rejected(reason))
    }
}

impl Serving {
    /// Serves this repository until it is to stop; at most so many runs work at once.
    pub fn new(
        context: &Context,
        home: Arc<Home>,
        rules: TriggerSettings,
        interrupt: &Arc<Interrupt>,
    ) -> Self {
        let at_once = home.settings.serve.max_runs;
        let drivers = Drivers::new(Arc::clone(&home), Arc::clone(interrupt), at_once);
        Self { context: context.clone(), home, rules, drivers }
    }

    /// Goes on with every run that has not ended, then handles what comes in until it is to stop. Returns when no run
    /// is driven here any more; what was begun goes on with the next start.
    pub async fn work(&self, mut arrivals: Arrivals, interrupt: &Interrupt) -> Result<(), CliError> {
        for row in self.home.store.runs(&RunFilter { live: true, ..RunFilter::default() }).await? {
            if row.repo == self.home.repo {
                info!(run.id = %row.id, "goes on with run {}", row.number);
                self.drivers.drive(&row.id);
            }
        }
        let mut schedule = Schedule::of(&self.rules.rules, self.home.clock.now())?;
        let mut next_sweep = self.home.clock.now();
        let mut is_fed = true;
        while !interrupt.is_asked() {
            let now = self.home.clock.now();
            if now >= next_sweep {
                if let Err(error) = self.sweep().await {
                    warn!("the forge could not be asked for what was missed: {}", error.render());
                }
                next_sweep =
                    self.after(i64::try_from(self.home.settings.serve.sweep_secs).unwrap_or(i64::MAX));
            }
            for rule in schedule.due(now) {
                if let Err(error) = self.on_time(&rule).await {
                    warn!(rule = rule.name, "a rule's time passed without effect: {}", error.render());
                }
            }
            self.drivers.wake(now);
            let due = self.handle_all().await;
            let wake = [self.drivers.next_wake(), due, schedule.next()]
                .into_iter()
                .flatten()
                .fold(next_sweep, Timestamp::min);
            tokio::select! {
                biased;
                () = interrupt.stop() => {}
                more = arrivals.next(), if is_fed => is_fed = more,
                () = self.drivers.changed() => {}
                () = self.home.clock.sleep_until(wake) => {}
            }
        }
        self.drivers.idle().await;
        Ok(())
    }

    /// Handles every delivery that waits; says when the next one that cannot be handled yet is due.
    async fn handle_all(&self) -> Option<Timestamp> {
        let waiting = match self.home.deliveries.unhandled(BATCH).await {
            Ok(waiting) => waiting,
            Err(failure) => {
                error!("deliveries cannot be read: {failure}");
                return Some(self.after(AFTER_FAILURE.as_secs()));
            }
        };
        let mut due = None;
        for delivery in &waiting {
            let later = self.handle(delivery).await;
            due = due.into_iter().chain(later).min();
        }
        due
    }

    /// Handles one delivery, or says when to try.
    async fn handle(&self, delivery: &Delivery) -> Option<Timestamp> {
        let Verdict::Accepted { trigger } = &delivery.verdict else { return None };
        let verdict = match self.carry_out(delivery, trigger).await {
            Ok(Done::Settled(verdict)) => verdict,
            Ok(Done::Later(at)) => return Some(at),
            Err(error) => {
                warn!(delivery.key = %delivery.key, "a delivery is tried again: {}", error.render());
                return Some(self.after(AFTER_FAILURE.as_secs()));
            }
        };
        info!(delivery.key = %delivery.key, verdict = verdict.as_str(), "handled a delivery");
        match self.home.deliveries.settle(&delivery.key, &verdict, self.home.clock.now()).await {
            Ok(_) => None,
            Err(failure) => {
                error!(delivery.key = %delivery.key, "a delivery cannot be settled: {failure}");
                Some(self.after(AFTER_FAILURE.as_secs()))
            }
        }
    }

    fn after(&self, secs: i64) -> Timestamp {
        self.home.clock.now().checked_add(SignedDuration::from_secs(secs)).unwrap_or(Timestamp::MAX)
    }
}
