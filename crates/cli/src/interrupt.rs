//! Ctrl-C and SIGTERM: the first asks, the second ends at once.

use miyabi_core::ports::Stop;
use tokio::sync::watch;

use crate::exit;
use crate::output::Output;

/// The wish to stop, from whoever has it.
#[derive(Debug, Clone)]
pub struct Interrupt {
    wish: watch::Sender<bool>,
}

impl Interrupt {
    /// Listens for the signals from now on.
    pub fn listen(output: Output) -> Self {
        let (wish, _) = watch::channel(false);
        let asked = wish.clone();
        tokio::spawn(async move {
            signal().await;
            asked.send_replace(true);
            output.note("stopping: what runs is ended and recorded; press Ctrl-C again to leave at once");
            signal().await;
            std::process::exit(i32::from(exit::INTERRUPTED.code));
        });
        Self { wish }
    }

    /// Asks for an end.
    pub fn ask(&self) {
        self.wish.send_replace(true);
    }

    /// Whether somebody asked.
    pub fn is_asked(&self) -> bool {
        *self.wish.borrow()
    }

    /// Becomes ready when somebody asks.
    pub fn stop(&self) -> Stop {
        let mut wish = self.wish.subscribe();
        Box::pin(async move {
            if wish.wait_for(|asked| *asked).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

/// Ends with the next signal that asks for an end.
async fn signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut term) = signal(SignalKind::terminate()) else { return pending_or_ctrl_c().await };
        tokio::select! {
            () = pending_or_ctrl_c() => {}
            _ = term.recv() => {}
        }
    }
    #[cfg(not(unix))]
    pending_or_ctrl_c().await;
}

async fn pending_or_ctrl_c() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
