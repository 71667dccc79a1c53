//! The memory of what was received.

use async_trait::async_trait;
use jiff::Timestamp;

use super::Failure;
use crate::delivery::{Delivery, DeliveryKey, Provider, Verdict};
use crate::trigger::RuleNote;

/// Keeps every delivery once, from before it is answered until it is forgotten on purpose.
#[async_trait]
pub trait Deliveries: Send + Sync {
    /// Keeps the delivery, unless one of the same key is there; that one stays as it is. Durable when it returns,
    /// whichever of the two it says.
    ///
    /// An accepted delivery is unhandled from now on; any other is handled with its recording.
    /// Errors: `Internal` for the verdict `Duplicate`, which is never stored.
    async fn record(&self, delivery: &Delivery) -> Result<Recorded, Failure>;

    /// Deliveries without their bodies, newest first.
    async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<DeliveryRow>, Failure>;

    /// The delivery as it was recorded, with the verdict that it has now.
    async fn delivery(&self, key: &DeliveryKey) -> Result<Option<Delivery>, Failure>;

    /// Accepted deliveries that nobody has handled, oldest first, at most so many.
    async fn unhandled(&self, limit: u32) -> Result<Vec<Delivery>, Failure>;

    /// What each rule made of the delivery, in the place of what is known of that, whether it was handled or not.
    /// Errors: `Input` if there is no such delivery.
    async fn note(&self, key: &DeliveryKey, rules: &[RuleNote]) -> Result<(), Failure>;

    /// The delivery was handled, and this is what became of it. The first settling stays; says whether it is this
    /// one. Errors: `Input` if there is no such delivery, `Internal` for the verdict `Duplicate`.
    async fn settle(&self, key: &DeliveryKey, verdict: &Verdict, at: Timestamp) -> Result<bool, Failure>;

    /// Forgets handled deliveries that were received before that time, and says how many. A delivery that is
    /// forgotten is new when it comes again.
    async fn forget(&self, before: Timestamp) -> Result<u64, Failure>;
}

/// What became of a request to keep a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is kept.
    New,
    /// It was there.
    Duplicate,
}

/// Which deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Only those of this provider.
    pub provider: Option<Provider>,
    /// Only those of this repo.
    pub repo: Option<String>,
    /// Only those with this verdict, by its word.
    pub verdict: Option<String>,
    /// Only those that nobody has handled.
    pub unhandled: bool,
    /// At most this many; none: all.
    pub limit: Option<u32>,
}

/// A delivery as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Who sent it and under which name.
    pub key: DeliveryKey,
    /// What happened, in the provider's word.
    pub event: String,
    /// Which kind of it.
    pub action: Option<String>,
    /// Where.
    pub repo: Option<String>,
    /// When it happened, by the provider's clock.
    pub sent_at: Option<Timestamp>,
    /// When it was received.
    pub received_at: Timestamp,
    /// The length of the body in bytes.
    pub bytes: u64,
    /// What became of it.
    pub verdict: Verdict,
    /// When that was settled; none: still to be done.
    pub handled_at: Option<Timestamp>,
    /// What each rule made of it.
    pub rules: Vec<RuleNote>,
}
