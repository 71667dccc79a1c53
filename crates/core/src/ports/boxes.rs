//! The box around untrusted programs.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;

use super::Failure;
use crate::containment::{Bounds, CommandLine, Containment, Refused};

/// A command line that keeps its program within bounds.
#[derive(Clone)]
pub struct Contained {
    /// What is to be started.
    pub command: CommandLine,
    /// How strongly the program is kept in.
    pub containment: Containment,
    /// What was refused to it so far.
    pub refused: Refused,
    /// What must be held until all of the program has ended: private folders and the like go with it.
    pub held: Arc<dyn Any + Send + Sync>,
}

impl std::fmt::Debug for Contained {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contained")
            .field("command", &self.command)
            .field("containment", &self.containment)
            .finish()
    }
}

/// Keeps untrusted programs in.
#[async_trait]
pub trait Boxes: Send + Sync {
    /// The same command within these bounds, at the strongest containment that is wanted and works here.
    ///
    /// Errors: `Unavailable` when the policy requires more than this machine has.
    async fn contain(&self, command: CommandLine, bounds: &Bounds) -> Result<Contained, Failure>;

    /// The containment that programs get here. Errors: as above.
    async fn containment(&self) -> Result<Containment, Failure>;
}

/// Keeps nobody in.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoBoxes;

#[async_trait]
impl Boxes for NoBoxes {
    async fn contain(&self, command: CommandLine, _bounds: &Bounds) -> Result<Contained, Failure> {
        let (containment, refused) = (Containment::Plain, Refused::default());
        Ok(Contained { command, containment, refused, held: Arc::new(()) })
    }

    async fn containment(&self) -> Result<Containment, Failure> {
        Ok(Containment::Plain)
    }
}
