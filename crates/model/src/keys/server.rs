//! The listener: connections of programs on this machine, as many as there may be.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::door::Door;
use super::lease::Leases;
use super::pulse::Pulse;
use super::{HOST, KeysError};

/// So many connections are served at once; further ones wait.
const CONNECTIONS: usize = 256;
/// The longest head of a request, in bytes; also what of a body waits for a slow reader.
const LONGEST_HEAD: usize = 64 * 1024;
const MOST_HEADERS: usize = 128;
/// How long a head may take to come, and a connection stand idle between two requests.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait when the machine gives no connection: it is out of something.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until it is dropped, with all its connections.
#[derive(Debug)]
pub(super) struct Server {
    port: u16,
    task: JoinHandle<()>,
}

impl Server {
    /// Begins to listen.
    pub(super) async fn start(leases: Arc<Leases>) -> Result<Self, KeysError> {
        let door = Arc::new(Door::new(leases)?);
        let listener = TcpListener::bind((HOST, 0)).await.map_err(KeysError::Listen)?;
        let port = listener.local_addr().map_err(KeysError::Listen)?.port();
        Ok(Self { port, task: tokio::spawn(listen(listener, door)) })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(listener: TcpListener, door: Arc<Door>) {
    let mut open = JoinSet::new();
    loop {
        if open.len() >= CONNECTIONS {
            open.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _)) => drop(open.spawn(serve(stream, Arc::clone(&door)))),
            Err(_) => drop(timeout(PAUSE, std::future::pending::<()>()).await),
        }
        while open.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, door: Arc<Door>) {
    // Each word of a model is sent when it is there. Where that cannot be had, words come later.
    let _late = stream.set_nodelay(true);
    let pulse = Pulse::new();
    let answer = |request| {
        let (door, pulse) = (Arc::clone(&door), pulse.clone());
        async move { Ok::<_, Infallible>(door.answer(request, pulse).await) }
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_headers(MOST_HEADERS)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service_fn(answer));
    tokio::select! {
        _served = connection => {}
        () = pulse.stopped() => {}
    }
}
