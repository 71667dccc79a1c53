//! The contract of every forge, and doubles for the tests of the local one.

pub(crate) mod contract;
pub(crate) mod local;
pub(crate) mod records;
pub(crate) mod worktrees;

use jiff::Timestamp;

/// A moment, as seconds of the day that all tests happen on.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}
