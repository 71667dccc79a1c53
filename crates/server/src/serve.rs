//! Listening, and stopping in good order.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;

use axum::serve::ListenerExt as _;
use jiff::SignedDuration;
use miyabi_core::failure::{Failure, FailureClass};
use tokio::net::TcpListener;

use crate::routes::app;
use crate::state::{Server, Shared};

/// Why the server does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Whoever reaches the address could read everything.
    #[error("serve on {0}: the address is not loopback and no token is set")]
    NeedsToken(SocketAddr),
    /// The socket failed.
    #[error("serve")]
    Socket(#[source] io::Error),
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        let (class, hint) = match &error {
            ServeError::NeedsToken(_) => {
                (FailureClass::Input, "set MIYABI_API_TOKEN, or listen on 127.0.0.1 behind a proxy")
            }
            ServeError::Socket(_) => {
                (FailureClass::Unavailable, "check the address that the server listens on")
            }
        };
        Self::caused(class, &error).hint(hint)
    }
}

/// Serves until `shutdown` is ready: then no connection is taken any more, live views end, requests under way are
/// answered, and after the grace whatever still hangs is left behind. Every delivery that was answered is on the
/// disk.
///
/// Errors: see [`ServeError`]; `NeedsToken` before anything is answered.
pub async fn run(
    server: Server,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let inner = server.inner();
    let address = listener.local_addr().map_err(ServeError::Socket)?;
    if !address.ip().is_loopback() && inner.settings.token.is_empty() {
        return Err(ServeError::NeedsToken(address));
    }
    tracing::info!(server.address = %address, "serving on {address}");
    let asked = {
        let inner = inner.clone();
        async move {
            shutdown.await;
            inner.stop();
        }
    };
    // Answers are small: waiting to fill a packet would only delay them.
    let listener = listener.tap_io(|socket| {
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!("failed to send small answers at once: {error}");
        }
    });
    let serving = axum::serve(listener, app(&server)).with_graceful_shutdown(asked);
    let mut serving = pin!(serving.into_future());
    tokio::select! {
        biased;
        ended = &mut serving => ended.map_err(ServeError::Socket),
        () = grace(inner) => {
            tracing::warn!("left connections behind that did not end in time");
            Ok(())
        }
    }
}

/// Returns when the server was asked to stop and the time for that is over.
async fn grace(server: &Shared) {
    let mut stopping = server.stopping();
    if stopping.wait_for(|stopping| *stopping).await.is_err() {
        return std::future::pending().await;
    }
    let grace = i64::try_from(server.settings.limits.grace_secs).unwrap_or(i64::MAX);
    let clock = &server.ports.clock;
    let until = clock.now().checked_add(SignedDuration::from_secs(grace)).unwrap_or(jiff::Timestamp::MAX);
    clock.sleep_until(until).await;
}
