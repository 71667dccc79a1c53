//! Models without tools: they are shown files, and answer with a patch or with JSON.
//!
//! No program runs, so nothing is contained; what they write is judged before git applies it.

mod files;
mod route;
mod talk;

use std::sync::Arc;
use std::time::Duration;

use miyabi_core::model::Route;
use miyabi_core::patch::PatchRules;
use miyabi_core::ports::{Models, Patches, SessionWatch, Stop};
use miyabi_core::redact::Redactor;
use miyabi_core::session::{SessionEnd, SessionOutcome, SessionSpec};
use tokio::time::{Instant, sleep_until};

use crate::prompts::Prompts;
use crate::session::{close, elapsed_ms, no_transcript, not_started, until};
use crate::transcript::Transcript;
use talk::Talk;

/// How models are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LlmOptions {
    /// How much they are shown at once, in tokens; less when one says that it is too much.
    pub context_tokens: usize,
    /// Their longest answer, in tokens.
    pub answer_tokens: u32,
    /// What their patches may do.
    pub rules: PatchRules,
    /// The first wait before a busy model is asked again; each one is twice as long as the one before.
    pub pause: Duration,
}

/// 60,000 tokens and 16,000 back, a first wait of two seconds.
impl Default for LlmOptions {
    fn default() -> Self {
        Self {
            context_tokens: 60_000,
            answer_tokens: 16_000,
            rules: PatchRules::default(),
            pause: Duration::from_secs(2),
        }
    }
}

/// What a conversation with a model is over.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) models: Arc<dyn Models>,
    pub(crate) patches: Arc<dyn Patches>,
}

/// Holds the conversation of one session.
pub(crate) async fn run(
    spec: &SessionSpec,
    routes: &[Route],
    desk: &Desk,
    (options, prompts, redactor): (&LlmOptions, &Prompts, &Arc<Redactor>),
    watch: &dyn SessionWatch,
    stop: Stop,
) -> SessionOutcome {
    let started = Instant::now();
    let mut until = until(spec, stop);
    let mut transcript = match Transcript::open(&spec.transcript, spec.transcript_bytes, redactor).await {
        Ok(transcript) => transcript,
        Err(error) => return not_started(&no_transcript(spec, &error)),
    };
    watch.started(None, None).await;
    let mut talk = Talk::new(spec, routes, desk, options, prompts, redactor, watch);
    let end = tokio::select! {
        end = talk.hold(&mut transcript) => end,
        () = &mut until.stop => SessionEnd::Stopped,
        () = sleep_until(until.deadline) => SessionEnd::TimedOut,
    };
    let outcome = talk.outcome(end, elapsed_ms(started));
    close(transcript, spec, outcome).await
}
