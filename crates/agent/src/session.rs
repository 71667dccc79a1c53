//! One session of an outside program, from its prompt to its outcome.

use std::sync::Arc;
use std::time::Duration;

use miyabi_core::containment::Refused;
use miyabi_core::failure::Failure;
use miyabi_core::ports::{SessionWatch, Stop};
use miyabi_core::redact::Redactor;
use miyabi_core::session::{AgentEvent, SessionEnd, SessionOutcome, SessionSpec, Usage};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::process::{self, Channel, Launch, Until};
use crate::seen::{Protocol, Seen};
use crate::transcript::Transcript;
use crate::{acp, claude, codex, command};

/// Reads the lines of a program's standard output in their order.
pub(crate) enum Reader {
    Claude(claude::Reader),
    Codex(codex::Reader),
    Acp(Box<acp::Client>),
    Command,
}

impl Reader {
    /// What a line means, and the lines that are answered.
    fn read(&mut self, channel: Channel, line: &str) -> (Vec<AgentEvent>, Vec<String>) {
        let events = match (channel, self) {
            (Channel::Errors, _) => vec![AgentEvent::Raw { line: line.to_owned() }],
            (Channel::Output, Self::Claude(reader)) => reader.read(line),
            (Channel::Output, Self::Codex(reader)) => reader.read(line),
            (Channel::Output, Self::Acp(client)) => return client.line(line),
            (Channel::Output, Self::Command) => command::normalize(line),
        };
        (events, Vec::new())
    }

    /// Whether nothing more will be answered.
    fn is_over(&self) -> bool {
        matches!(self, Self::Acp(client) if client.is_over())
    }

    fn protocol(&self) -> Protocol {
        match self {
            Self::Claude(_) | Self::Codex(_) => Protocol::Report,
            Self::Acp(_) => Protocol::Conversation,
            Self::Command => Protocol::ExitCode,
        }
    }
}

/// The moment, the grace and the request that end a session.
pub(crate) fn until(spec: &SessionSpec, stop: Stop) -> Until {
    // A deadline beyond what the clock can tell is none; thirty years are as good.
    let longest = Duration::from_secs(30 * 365 * 24 * 3600);
    let deadline = Duration::from_secs(spec.deadline_secs).min(longest);
    Until {
        deadline: Instant::now() + deadline,
        grace: Duration::from_secs(spec.grace_secs).min(longest),
        stall: if spec.stall_secs == 0 { longest } else { Duration::from_secs(spec.stall_secs).min(longest) },
        stop,
    }
}

/// Runs a program to its end, its deadline or the request to stop.
pub(crate) async fn run(
    spec: &SessionSpec,
    mut launch: Launch,
    mut reader: Reader,
    redactor: &Arc<Redactor>,
    watch: &dyn SessionWatch,
    stop: Stop,
) -> SessionOutcome {
    let started = Instant::now();
    let mut until = until(spec, stop);
    let mut transcript = match Transcript::open(&spec.transcript, spec.transcript_bytes, redactor).await {
        Ok(transcript) => transcript,
        Err(error) => return not_started(&no_transcript(spec, &error)),
    };
    let (say, answers) = mpsc::unbounded_channel();
    let mut say = Some(say);
    if let Reader::Acp(client) = &reader {
        launch.input = line_of(&client.greeting());
        launch.answers = Some(answers);
    }
    let running = match process::start(launch).await {
        Ok(running) => running,
        Err(error) => return not_started(&error.into()),
    };
    // The program gets its prompt only after a restart would find it.
    watch.started(Some(running.mark()), Some(running.containment())).await;

    let mut seen = Seen::new(reader.protocol());
    let each = |channel, line: &str| {
        seen.line(channel, line);
        let (events, answers) = reader.read(channel, line);
        for event in events {
            seen.event(&event);
            watch.event(&event);
        }
        for answer in answers {
            // Nobody listens any more to who has ended.
            let _ended = say.as_ref().map(|say| say.send(line_of(&answer)));
        }
        if reader.is_over() {
            say = None;
        }
    };
    let refused = running.refused();
    let gone = running.attend(&mut until, &mut transcript, each).await;
    let mut outcome = seen.outcome(gone, elapsed_ms(started));
    outcome.refusals.extend(refused.iter().flat_map(Refused::list));
    close(transcript, spec, outcome).await
}

fn line_of(text: &str) -> Vec<u8> {
    format!("{text}\n").into_bytes()
}

/// Closes the transcript. Output that is not on disk makes a completed session a failed one.
pub(crate) async fn close(
    transcript: Transcript,
    spec: &SessionSpec,
    mut outcome: SessionOutcome,
) -> SessionOutcome {
    if let Err(error) = transcript.close().await
        && outcome.end == SessionEnd::Completed
    {
        outcome.end = SessionEnd::Failed { detail: no_transcript(spec, &error).message };
    }
    outcome
}

/// The failure of a transcript that cannot be written.
pub(crate) fn no_transcript(spec: &SessionSpec, error: &std::io::Error) -> Failure {
    let message = format!("write transcript `{}`: {error}", spec.transcript.display());
    Failure::new(miyabi_core::failure::FailureClass::Exhausted, message)
        .hint("make room on the disk, or make the folder writable")
}

/// The outcome of a session whose program never ran.
pub(crate) fn not_started(failure: &Failure) -> SessionOutcome {
    SessionOutcome {
        end: SessionEnd::NotStarted {
            detail: failure.message.clone(),
            hint: failure.hint.clone().unwrap_or_default(),
        },
        usage: Usage::default(),
        last_message: None,
        refusals: Vec::new(),
        leftovers: 0,
        duration_ms: 0,
    }
}

/// Milliseconds since then.
pub(crate) fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
