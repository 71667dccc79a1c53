//! `miyabi serve` at work: deliveries become runs and answers, runs are driven, and what was missed is found again.
//!
//! Each repository is a [`Site`]; the first one is the one that the server was started for, and keeps the deliveries.

mod answers;
mod door;
mod drivers;
mod enrolment;
mod flows;
mod missed;
mod orders;
mod places;
mod replies;
mod schedule;
mod site;
mod sweep;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use miyabi_core::delivery::{Delivery, Verdict};
use miyabi_core::trigger::{Matched, Order, RuleNote};
use miyabi_server::Arrivals;
use tokio::sync::Notify;
use tracing::{error, info, warn};

use crate::context::Context;
use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::triggers::Book;
use crate::wiring::Home;
use enrolment::Enrolment;
use places::Places;
use site::{Shared, Site};

/// So many deliveries are looked at together.
const BATCH: u32 = 100;
/// How often the files of rules are looked at for new times, in seconds. Times are of whole minutes.
const LOOK_SECS: i64 = 20;
/// How long after a failure that may pass a delivery is tried again.
const AFTER_FAILURE: SignedDuration = SignedDuration::from_secs(30);

/// The repositories that are served.
pub struct Serving {
    first: Arc<Site>,
    enrolment: Enrolment,
    shared: Shared,
}

/// What became of a delivery.
enum Done {
    /// It is handled.
    Settled(Verdict),
    /// It is handled, and this is what each rule made of it.
    Noted(Verdict, Vec<RuleNote>),
    /// A rule could not be looked at, which may pass: this is what each made of it so far.
    Again(Vec<RuleNote>),
    /// It is handled at that time.
    Later(Timestamp),
}

impl Done {
    fn no(reason: impl Into<String>) -> Self {
        Self::Settled(Verdict::rejected(reason))
    }
}

impl Serving {
    /// Serves this repository, and those that are enrolled, until it is to stop; at most `serve.max_runs` runs work at
    /// once.
    pub fn new(context: &Context, home: Arc<Home>, book: Arc<Book>, interrupt: &Arc<Interrupt>) -> Self {
        let shared = Shared {
            context: context.clone(),
            book,
            interrupt: Arc::clone(interrupt),
            places: Places::new(home.settings.serve.max_runs.max(1) as usize),
            rested: Arc::new(Notify::new()),
        };
        let enrolment = Enrolment::new(&home);
        Self { first: Arc::new(Site::new(home, &shared)), enrolment, shared }
    }

    /// Goes on with every run that has not ended, then handles what comes in until it is to stop. Returns when no run
    /// is driven here any more; what was begun goes on with the next start.
    pub async fn work(&self, mut arrivals: Arrivals) -> Result<(), CliError> {
        let home = &self.first.home;
        self.first.go_on().await?;
        self.enrolment.open_all(&self.shared, &self.first).await;
        let mut next_sweep = home.clock.now();
        let mut is_fed = true;
        while !self.shared.interrupt.is_asked() {
            let now = home.clock.now();
            if now >= next_sweep {
                for site in self.sites() {
                    if let Err(error) = site.sweep().await {
                        warn!(
                            repo = site.home.repo,
                            "{} was not asked for what was missed: {}",
                            site.home.repo,
                            error.render()
                        );
                    }
                }
                next_sweep = self.after(i64::try_from(home.settings.serve.sweep_secs).unwrap_or(i64::MAX));
            }
            let due = self.handle_all().await;
            // Flow files and rules may change meanwhile, and with them what is due.
            let mut wake = next_sweep.min(self.after(LOOK_SECS));
            for site in self.sites() {
                site.keep_time(now).await;
                wake = [site.next_wake(), due].into_iter().flatten().fold(wake, Timestamp::min);
            }
            tokio::select! {
                biased;
                () = self.shared.interrupt.stop() => {}
                more = arrivals.next(), if is_fed => is_fed = more,
                () = self.shared.rested.notified() => {}
                () = home.clock.sleep_until(wake) => {}
            }
        }
        for site in self.sites() {
            site.idle().await;
        }
        Ok(())
    }

    fn sites(&self) -> Vec<Arc<Site>> {
        std::iter::once(Arc::clone(&self.first)).chain(self.enrolment.sites()).collect()
    }

    /// Handles every delivery that waits; says when the next one that cannot be handled yet is due.
    async fn handle_all(&self) -> Option<Timestamp> {
        let waiting = match self.first.home.deliveries.unhandled(BATCH).await {
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
            Ok(Done::Noted(verdict, rules)) => {
                if !self.note(delivery, &rules).await {
                    return Some(self.after(AFTER_FAILURE.as_secs()));
                }
                verdict
            }
            Ok(Done::Again(rules)) => {
                self.note(delivery, &rules).await;
                return Some(self.after(AFTER_FAILURE.as_secs()));
            }
            Ok(Done::Later(at)) => return Some(at),
            Err(error) => {
                warn!(delivery.key = %delivery.key, "a delivery is tried again: {}", error.render());
                return Some(self.after(AFTER_FAILURE.as_secs()));
            }
        };
        info!(delivery.key = %delivery.key, verdict = verdict.as_str(), "handled a delivery");
        let home = &self.first.home;
        match home.deliveries.settle(&delivery.key, &verdict, home.clock.now()).await {
            Ok(_) => None,
            Err(failure) => {
                error!(delivery.key = %delivery.key, "a delivery cannot be settled: {failure}");
                Some(self.after(AFTER_FAILURE.as_secs()))
            }
        }
    }

    /// Keeps with the delivery what each rule made of it; says whether that could be done.
    async fn note(&self, delivery: &Delivery, rules: &[RuleNote]) -> bool {
        let noted = self.first.home.deliveries.note(&delivery.key, rules).await;
        if let Err(failure) = &noted {
            error!(delivery.key = %delivery.key, "what rules made of it cannot be noted: {failure}");
        }
        noted.is_ok()
    }

    /// Gives the delivery to the site that it is for.
    async fn carry_out(&self, delivery: &Delivery, matched: &Matched) -> Result<Done, CliError> {
        if let Order::Enrol { added, removed } = &matched.order {
            return self.enrolment.change(&self.shared, &self.first, added, removed).await;
        }
        let named = matched.repo.as_deref();
        let of_first = named.is_none_or(|repo| repo.eq_ignore_ascii_case(&self.first.home.repo));
        let site = if of_first {
            Some(Arc::clone(&self.first))
        } else {
            named.and_then(|repo| self.enrolment.site(repo))
        };
        match site {
            Some(site) => site.carry_out(delivery, matched).await,
            None => Ok(Done::no("this server does not work for that repository")),
        }
    }

    fn after(&self, secs: i64) -> Timestamp {
        self.first.home.clock.now().checked_add(SignedDuration::from_secs(secs)).unwrap_or(Timestamp::MAX)
    }
}
