//! What attempts and writes tell the one who drives the run.

use miyabi_core::event::EventBody;
use miyabi_core::failure::Failure;
use miyabi_core::ids::{Attempt, StepId};
use miyabi_core::intent::{Intent, Receipt};
use tokio::sync::oneshot;

/// What attempts and writes tell.
pub(crate) enum Message {
    /// A fact from within an attempt; answered when it is durable.
    Fact(EventBody, oneshot::Sender<()>),
    /// An attempt ended.
    Ended {
        /// The step.
        step: StepId,
        /// Which try.
        attempt: Attempt,
        /// What it came to.
        result: Result<serde_json::Value, Failure>,
    },
    /// A write ended.
    Written(Written),
}

/// A write that ended.
pub(crate) struct Written {
    /// Which.
    pub(crate) intent: Intent,
    /// What the other side answered.
    pub(crate) result: Result<Receipt, Failure>,
}
