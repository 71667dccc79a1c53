//! The ports: what the engine needs from the world. Each says what is true afterwards.
//!
//! Fallible methods answer with [`Failure`], because a failure is recorded and judged; adapters make it from
//! their own error types.

mod agents;
mod boxes;
mod checks;
mod contents;
mod deliveries;
mod embedder;
mod forge;
mod keepsakes;
mod keys;
mod knowledge;
mod models;
mod notify;
mod patches;
mod remote;
mod store;
mod stories;
mod surroundings;
mod worktrees;

use std::pin::Pin;

pub use agents::{Agents, SessionWatch};
pub use boxes::{Boxes, Contained, NoBoxes};
pub use checks::{CheckJob, Checked, Checks, Scope, Touched};
pub use contents::Contents;
pub use deliveries::{Deliveries, DeliveryFilter, DeliveryRow, Recorded};
pub use embedder::{Embedder, Maker};
pub use forge::{Forge, LocalRecords, NewChange};
pub use keepsakes::Keepsakes;
pub use keys::{Keys, Lent, NoKeys};
pub use knowledge::{Knowledge, NoKnowledge};
pub use models::Models;
pub use notify::{Note, Notify};
pub use patches::Patches;
pub use remote::{PushSpec, Pushed, Remote};
pub use store::{
    Created, EscalationRow, NewRun, RunFilter, RunRow, SessionRow, Store, StoreError, TaskRow, UsedSince,
};
pub use stories::{ResultFilter, ResultRow, Stories, StoryRow};
pub use surroundings::{Clock, Ids, Journal, Machine};
pub use worktrees::{AddedLine, Worktrees};

pub use crate::failure::Failure;

/// Becomes ready when the work that it was given to must stop: ask, wait for the grace, kill, then return.
pub type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A [`Stop`] that never asks.
pub fn never_stop() -> Stop {
    Box::pin(std::future::pending())
}
