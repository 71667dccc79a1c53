//! Real crates, checked by real tools.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests that say what they leave out")]

mod broken;
mod clean;
mod common;
mod languages;
mod own;
mod slots;
mod stopping;
mod tools;
