//! The local forge as a place of the contracts, and doubles for the tests of it.

pub(crate) mod local;
pub(crate) mod records;
pub(crate) mod worktrees;

pub(crate) use miyabi_testkit::fixtures::at;
