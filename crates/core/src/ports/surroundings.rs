//! Time, chance and the daily log.

use async_trait::async_trait;
use jiff::Timestamp;

use super::Failure;

/// Time.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
    /// Returns when that time has come; at once when it has passed.
    async fn sleep_until(&self, at: Timestamp);
}

/// What the machine has left for more work.
#[async_trait]
pub trait Machine: Send + Sync {
    /// Why no further work should begin now, in words for a person; `None`: there is room.
    async fn shortage(&self) -> Option<String>;
}

/// Names that nobody else has.
pub trait Ids: Send + Sync {
    /// A new UUID (version 7) as text.
    fn new_id(&self) -> String;
}

/// The daily log of executions, `.ai/logs/YYYY-MM-DD.md`.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Adds the entry to the log of the day of `at` (UTC); one with the same key there is left as it is.
    async fn record(&self, at: Timestamp, key: &str, entry: &str) -> Result<(), Failure>;
}
