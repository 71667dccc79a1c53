//! Keys of models, lent to programs that must not have them.

use std::any::Any;
use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::Failure;
use crate::containment::Refused;

/// Lends keys of models without giving them away.
#[async_trait]
pub trait Keys: Send + Sync {
    /// Takes the environment that a program would get, and says with which it gets the same models without their
    /// keys. `None`: there is no key in it. What the program then asks for and may not have is added to `refused`.
    ///
    /// Errors: `Input` when a key or the address of its service cannot be used; `Unavailable` when nothing can be lent
    /// on this machine.
    async fn lend(
        &self,
        environment: &[(OsString, OsString)],
        refused: &Refused,
    ) -> Result<Option<Lent>, Failure>;
}

/// What was lent, until it is dropped.
#[derive(Clone)]
pub struct Lent {
    /// All of the program's environment, in which nothing is a key.
    pub environment: Vec<(OsString, OsString)>,
    /// Where the models are asked: the program must be able to connect to this host.
    pub host: String,
    /// And to this port.
    pub port: u16,
    /// What must be held until all of the program has ended: with it everything that was lent ends.
    pub held: Arc<dyn Any + Send + Sync>,
}

impl fmt::Debug for Lent {
    /// Says where, never what: an environment holds more secrets than keys of models.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// Lends nothing: programs get the keys that are in their environment.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoKeys;

#[async_trait]
impl Keys for NoKeys {
    async fn lend(
        &self,
        _environment: &[(OsString, OsString)],
        _refused: &Refused,
    ) -> Result<Option<Lent>, Failure> {
        Ok(None)
    }
}
