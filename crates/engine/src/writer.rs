//! Writes to the outside world: one at a time per run, tried again when trying again may help.

use std::sync::Arc;

use miyabi_core::decide::backoff;
use miyabi_core::failure::FailureClass;
use miyabi_core::ids::RunId;
use miyabi_core::intent::Intent;
use miyabi_core::ports::{Clock, Forge};
use tokio::sync::mpsc;
use tracing::warn;

use crate::message::{Message, Written};

/// Performs one intent and sends what came of it.
pub(crate) fn spawn(
    forge: Arc<dyn Forge>,
    clock: Arc<dyn Clock>,
    run: RunId,
    intent: Intent,
    retries: u32,
    sender: mpsc::Sender<Message>,
) {
    tokio::spawn(async move {
        let mut failures = 0;
        let result = loop {
            match forge.perform(&intent.id, &intent.write, clock.now()).await {
                Err(failure) if let Some(at) = failure.retry_at() => {
                    warn!(intent = %intent.id, until = %at, "a write waits for a limit: {failure}");
                    clock.sleep_until(at).await;
                }
                Err(failure) if failure.class == FailureClass::Transient && failures < retries => {
                    failures += 1;
                    warn!(intent = %intent.id, failures, "a write failed and is tried again: {failure}");
                    clock.sleep_until(backoff(&run, &intent.step, failures, clock.now())).await;
                }
                result => break result,
            }
        };
        let _ = sender.send(Message::Written(Written { intent, result })).await;
    });
}
