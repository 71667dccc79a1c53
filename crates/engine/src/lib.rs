#![doc = include_str!("../README.md")]

mod admission;
mod capture;
mod drive;
mod executor;
mod measure;
mod message;
mod remember;
mod steps;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

use miyabi_core::event::Event;
use miyabi_core::ids::StepId;
use miyabi_core::ports::{
    Agents, Checks, Clock, Contents, Forge, Ids, Journal, Knowledge, Notify, StoreError, Stories, Worktrees,
};
use miyabi_core::run::{Illegal, Run};
use miyabi_core::session::AgentEvent;
use miyabi_core::status::Status;

pub use admission::Admission;
pub use executor::{Engine, Rest};
pub use measure::Measuring;
pub use remember::{CaughtUp, catch_up};
pub use steps::{BuiltIn, Job, Outcome, Progress, StepRunner, Working};

/// The world as the built-in steps need it.
#[derive(Clone)]
pub struct World {
    /// Issues and changes.
    pub forge: Arc<dyn Forge>,
    /// Checkouts and merges.
    pub worktrees: Arc<dyn Worktrees>,
    /// What is in commits.
    pub contents: Arc<dyn Contents>,
    /// The memory of stories.
    pub stories: Arc<dyn Stories>,
    /// Coding programs.
    pub agents: Arc<dyn Agents>,
    /// What is remembered of past runs.
    pub knowledge: Arc<dyn Knowledge>,
    /// Tools that measure.
    pub checks: Arc<dyn Checks>,
    /// Mail and chat.
    pub notify: Arc<dyn Notify>,
    /// The daily log.
    pub journal: Arc<dyn Journal>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Names that nobody else has.
    pub ids: Arc<dyn Ids>,
    /// Folder for transcripts: one folder per run in it.
    pub transcripts: PathBuf,
}

/// Who looks on. Called in order, from one task; must not block.
pub trait Observer: Send + Sync {
    /// An event was appended; `run` is the state with it.
    fn event(&self, run: &Run, event: &Event);
    /// Something was seen in the output of an agent.
    fn agent(&self, _step: &StepId, _event: &AgentEvent) {}
}

/// Why a run cannot be driven on. Its log is whole in every case.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The store cannot be read or written.
    #[error("use the log")]
    Store(#[from] StoreError),
    /// The log holds what cannot have happened.
    #[error("read the log")]
    Log(#[from] Illegal),
    /// Nothing moves and nothing will: a bug.
    #[error("go on with run `{0}`: nothing follows from its log")]
    Stuck(miyabi_core::ids::RunId),
    /// A decision does not fit the state it was made from: a bug.
    #[error("decide in status {status}")]
    Decision {
        /// The run's status.
        status: Status,
        /// What does not fit.
        #[source]
        source: Illegal,
    },
}
