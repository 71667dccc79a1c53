//! Agent programs as real processes: what they get, what becomes of them, and that nothing of them stays.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod bench;
mod custody;
mod input;
mod namespace;
mod scripted;
