//! Numbers of this process for `/metrics`: facts that are counted where they happen.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use miyabi_core::delivery::Provider;

/// Counts by name and labels. The names and labels are ours, so there are few of them.
#[derive(Debug, Default)]
pub(crate) struct Counters(Mutex<BTreeMap<Counted, u64>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Counted {
    Delivery(Provider, &'static str),
    Refused(Provider, &'static str),
    Request(u16),
}

impl Counters {
    /// A delivery got this verdict.
    pub(crate) fn delivery(&self, provider: Provider, verdict: &'static str) {
        self.add(Counted::Delivery(provider, verdict));
    }

    /// A request to take a delivery was refused for this reason.
    pub(crate) fn refused(&self, provider: Provider, reason: &'static str) {
        self.add(Counted::Refused(provider, reason));
    }

    /// A request was answered with this status.
    pub(crate) fn request(&self, status: u16) {
        self.add(Counted::Request(status));
    }

    fn add(&self, counted: Counted) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(counted).or_default() += 1;
    }

    /// The counts in the text format of Prometheus.
    pub(crate) fn write(&self, page: &mut String) {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let family = |page: &mut String, name: &str, help: &str| {
            let _ = write!(page, "# HELP {name} {help}\n# TYPE {name} counter\n");
        };
        family(page, "miyabi_deliveries_total", "Genuine deliveries by verdict.");
        for (counted, count) in &counts {
            if let Counted::Delivery(provider, verdict) = counted {
                let labels = format!("provider=\"{provider}\",verdict=\"{verdict}\"");
                let _ = writeln!(page, "miyabi_deliveries_total{{{labels}}} {count}");
            }
        }
        family(page, "miyabi_deliveries_refused_total", "Deliveries that were not taken, by reason.");
        for (counted, count) in &counts {
            if let Counted::Refused(provider, reason) = counted {
                let labels = format!("provider=\"{provider}\",reason=\"{reason}\"");
                let _ = writeln!(page, "miyabi_deliveries_refused_total{{{labels}}} {count}");
            }
        }
        family(page, "miyabi_http_requests_total", "Answered requests by status.");
        for (counted, count) in &counts {
            if let Counted::Request(status) = counted {
                let _ = writeln!(page, "miyabi_http_requests_total{{status=\"{status}\"}} {count}");
            }
        }
    }
}
