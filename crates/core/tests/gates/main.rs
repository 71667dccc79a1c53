//! Decisions: what follows from the state of a run.
#![expect(clippy::unwrap_used, reason = "tests")]

mod actions;
mod borders;
mod budget;
mod conditions;
mod elsewhere;
mod learned;
mod people;
mod play;
mod tries;
