//! Keys of models, lent by a proxy on this machine that adds them to requests.

mod door;
mod environment;
mod error;
mod head;
mod lease;
mod path;
mod provider;
mod pulse;
mod server;

use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use miyabi_core::containment::Refused;
use miyabi_core::failure::Failure;
use miyabi_core::ports::{Keys, Lent};
use tokio::sync::OnceCell;

pub use error::KeysError;

use lease::{Held, Lease, Leases};
use server::Server;

/// Nobody but this machine can connect to it.
const HOST: &str = "127.0.0.1";

/// Lends keys until it is dropped. Listens from the first key on that is lent.
#[derive(Default)]
pub struct KeyProxy {
    leases: Arc<Leases>,
    server: OnceCell<Server>,
}

impl KeyProxy {
    /// A proxy that does not listen yet.
    pub fn new() -> Self {
        Self::default()
    }

    async fn port(&self) -> Result<u16, KeysError> {
        let start = || Server::start(Arc::clone(&self.leases));
        Ok(self.server.get_or_try_init(start).await?.port())
    }

    async fn replace(
        &self,
        environment: &[(OsString, OsString)],
        refused: &Refused,
    ) -> Result<Option<Lent>, KeysError> {
        let found = environment::find(environment)?;
        if found.is_empty() {
            return Ok(None);
        }
        let port = self.port().await?;
        let (mut held, session) = Held::new(Arc::clone(&self.leases));
        let mut tokens = Vec::with_capacity(found.len());
        for key in &found {
            let token = lease::token()?;
            held.add(Lease::new(key, token.clone(), session.clone(), refused.clone()));
            tokens.push(token);
        }
        let environment = environment::replaced(environment, &found, &tokens, port);
        Ok(Some(Lent { environment, host: HOST.to_owned(), port, held: Arc::new(held) }))
    }
}

#[async_trait]
impl Keys for KeyProxy {
    async fn lend(
        &self,
        environment: &[(OsString, OsString)],
        refused: &Refused,
    ) -> Result<Option<Lent>, Failure> {
        Ok(self.replace(environment, refused).await?)
    }
}

impl fmt::Debug for KeyProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.server.get().map(Server::port);
        f.debug_struct("KeyProxy").field("port", &port).finish_non_exhaustive()
    }
}
