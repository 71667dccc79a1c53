#![doc = include_str!("../README.md")]

pub mod contract;
pub mod dice;
pub mod fixtures;

mod clock;
mod doubles;
mod ids;
mod journal;
mod memory;

pub use clock::ManualClock;
pub use doubles::{IdleAgents, RecordingForge, SilentKnowledge};
pub use ids::SeqIds;
pub use journal::{JournalEntry, MemoryJournal};
pub use memory::MemoryStore;
