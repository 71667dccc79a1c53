//! The whole flow on published crates: an issue is filed, agents work, and main holds exactly the expected tree.
//!
//! The crates come from the registry when a test runs. Three kinds of agents work on them: programs, playbooks, and the
//! real Claude Code against a scripted model.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "real_crates/claude.rs"]
mod claude;
#[path = "real_crates/common.rs"]
mod common;
#[path = "real_crates/planner.rs"]
mod planner;
#[path = "real_crates/programs.rs"]
mod programs;

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
