//! Ids that are the same in every run of a test.

use std::sync::atomic::{AtomicU64, Ordering};

use miyabi_core::ports::Ids;

/// Gives `00000000-0000-7000-8000-000000000001`, then `…2`, and so on, in decimal.
#[derive(Debug, Default)]
pub struct SeqIds(AtomicU64);

impl SeqIds {
    /// Ids from 1.
    pub fn new() -> Self {
        Self::default()
    }

    /// The n-th id that any `SeqIds` gives, n from 1.
    pub fn nth(n: u64) -> String {
        format!("00000000-0000-7000-8000-{n:012}")
    }
}

impl Ids for SeqIds {
    fn new_id(&self) -> String {
        Self::nth(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_count_up_from_one() {
        let ids = SeqIds::new();
        let first_three = [ids.new_id(), ids.new_id(), ids.new_id()];
        assert_eq!(
            first_three,
            [
                "00000000-0000-7000-8000-000000000001",
                "00000000-0000-7000-8000-000000000002",
                "00000000-0000-7000-8000-000000000003",
            ]
        );
    }
}
