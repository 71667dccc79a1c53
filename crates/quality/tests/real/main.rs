//! Real crates, checked by real tools.
#![expect(clippy::unwrap_used, reason = "tests")]

mod broken;
mod clean;
mod common;
mod slots;
mod stopping;
mod tools;
