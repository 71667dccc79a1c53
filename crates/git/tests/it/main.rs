//! The port `Worktrees` on real repositories, with the real git program.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;

mod apply;
mod close;
mod commit;
mod contents;
mod failures;
mod land;
mod leftovers;
mod looking;
mod many;
mod merge;
mod never_lost;
mod open;
mod pool;
mod recover;
mod remote;
mod resolve;
mod wild;
