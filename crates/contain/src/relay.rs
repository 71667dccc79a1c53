//! Inside a box without a network: a port that leads to the proxy's socket, and the program beside it.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, UnixStream};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

/// Where programs in such a box find the proxy. The box has a network of its own, so nobody else is there.
pub(crate) const PORT: u16 = 3128;

/// Runs the program to its end while its way out is open; its exit code is ours.
pub(crate) fn run(socket: &Path, words: Vec<OsString>) -> Result<ExitCode, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("open the way out: {error}"))?;
    let ended = runtime.block_on(beside(socket.to_owned(), words));
    ended.map(exit_code).map_err(|error| format!("run beside the way out: {error}"))
}

async fn beside(socket: PathBuf, words: Vec<OsString>) -> io::Result<ExitStatus> {
    // The program is asked to end by itself, and may use the way out until it has.
    let _deaf = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
    let listener = TcpListener::bind(("127.0.0.1", PORT)).await?;
    let mut words = words.into_iter();
    let program = words.next().ok_or(io::ErrorKind::InvalidInput)?;
    let mut child = Command::new(program).args(words).spawn()?;
    loop {
        tokio::select! {
            status = child.wait() => return status,
            accepted = listener.accept() => {
                let (mut inner, _) = accepted?;
                let socket = socket.clone();
                tokio::spawn(async move {
                    if let Ok(mut outer) = UnixStream::connect(socket).await {
                        let _ended = copy_bidirectional(&mut inner, &mut outer).await;
                    }
                });
            }
        }
    }
}

fn exit_code(status: ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}
