//! The daily log, kept in memory.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use miyabi_core::ports::{Failure, Journal};

/// One entry of the daily log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// Its day, in UTC.
    pub day: Date,
    /// What makes it recognisable on that day.
    pub key: String,
    /// Its text.
    pub entry: String,
}

/// The daily log, to be looked at.
#[derive(Debug, Default)]
pub struct MemoryJournal(Mutex<Vec<JournalEntry>>);

impl MemoryJournal {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was recorded, in order.
    pub fn entries(&self) -> Vec<JournalEntry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn record(&self, at: Timestamp, key: &str, entry: &str) -> Result<(), Failure> {
        let day = at.to_zoned(TimeZone::UTC).date();
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !entries.iter().any(|known| known.day == day && known.key == key) {
            entries.push(JournalEntry { day, key: key.to_owned(), entry: entry.to_owned() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[tokio::test]
    async fn a_key_is_recorded_once_a_day() {
        let journal = MemoryJournal::new();
        let evening: Timestamp = "2026-01-05T23:59:59Z".parse().expect("a time");
        let next_day: Timestamp = "2026-01-06T00:00:00Z".parse().expect("a time");
        for (at, entry) in [(evening, "first"), (evening, "again"), (next_day, "翌日")] {
            assert_eq!(journal.record(at, "run/task", entry).await, Ok(()));
        }
        let entry =
            |day, entry: &str| JournalEntry { day, key: "run/task".to_owned(), entry: entry.to_owned() };
        assert_eq!(journal.entries(), [entry(date(2026, 1, 5), "first"), entry(date(2026, 1, 6), "翌日")]);
    }
}
