//! The scripted agent: plays what a playbook says for its step. For demonstrations, tests and simulations; it works
//! in a real worktree with real files and real programs, but asks no model.

mod file;
mod place;
mod playbook;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use miyabi_core::containment::Containment;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ports::{SessionWatch, Stop};
use miyabi_core::redact::Redactor;
use miyabi_core::session::{AgentEvent, SessionEnd, SessionOutcome, SessionSpec, Usage};
use tokio::time::{Instant, sleep};

pub use playbook::{Action, Content, FilePath, Playbook, PlaybookError, Replacement, read, schema};

use crate::process::{self, Channel, Ended, Launch, Until};
use crate::seen::said;
use crate::session::{close, elapsed_ms, no_transcript, not_started, until};
use crate::transcript::Transcript;

/// A launch that is being made.
pub(crate) type Launching<'a> = Pin<Box<dyn Future<Output = Result<Launch, Failure>> + Send + 'a>>;

/// Makes the launch of one of its programs, or says why there is none.
pub(crate) type MakeLaunch<'a> = &'a (dyn Fn(Vec<String>) -> Launching<'a> + Send + Sync);

/// Plays the step's part of the playbook.
pub(crate) async fn run(
    spec: &SessionSpec,
    playbook: &Path,
    containment: Containment,
    launch: MakeLaunch<'_>,
    redactor: &Arc<Redactor>,
    watch: &dyn SessionWatch,
    stop: Stop,
) -> SessionOutcome {
    let started = Instant::now();
    let until = until(spec, stop);
    let (path, step, attempt) = (PathBuf::from(playbook), spec.step.clone(), spec.attempt);
    let chosen = tokio::task::spawn_blocking(move || actions(&path, &step, attempt)).await;
    let actions = match chosen.unwrap_or_else(|_| Err(Failure::new(FailureClass::Internal, "read playbook")))
    {
        Ok(actions) => actions,
        Err(failure) => return not_started(&failure),
    };
    let transcript = match Transcript::open(&spec.transcript, spec.transcript_bytes, redactor).await {
        Ok(transcript) => transcript,
        Err(error) => return not_started(&no_transcript(spec, &error)),
    };
    watch.started(None, Some(containment)).await;

    let mut play = Play { spec, launch, watch, until, transcript, last_message: None, leftovers: 0 };
    let mut end = SessionEnd::Completed;
    for action in &actions {
        if let Err(early) = play.act(action).await {
            end = early;
            break;
        }
    }
    let outcome = SessionOutcome {
        end,
        usage: Usage::default(),
        last_message: play.last_message,
        refusals: Vec::new(),
        leftovers: play.leftovers,
        duration_ms: elapsed_ms(started),
    };
    close(play.transcript, spec, outcome).await
}

fn actions(
    path: &Path,
    step: &miyabi_core::ids::StepId,
    attempt: miyabi_core::ids::Attempt,
) -> Result<Vec<Action>, Failure> {
    let playbook = read(path)?;
    match playbook.actions(step, attempt) {
        Some(actions) => Ok(actions.into_iter().cloned().collect()),
        None => Err(Failure::new(
            FailureClass::Input,
            format!("playbook `{}` has nothing for step `{step}`", path.display()),
        )
        .hint(format!("add the step or `default`; it has: {}", playbook.keys().join(", ")))),
    }
}

/// A session that plays.
struct Play<'a, 'l> {
    spec: &'a SessionSpec,
    launch: MakeLaunch<'l>,
    watch: &'a dyn SessionWatch,
    until: Until,
    transcript: Transcript,
    last_message: Option<String>,
    leftovers: u32,
}

impl Play<'_, '_> {
    /// Does one thing. Errors: how the session ends, when it ends here.
    async fn act(&mut self, action: &Action) -> Result<(), SessionEnd> {
        match action {
            Action::Write(_) | Action::Append(_) | Action::Replace(_) | Action::Delete(_) => {
                let (worktree, action) = (self.spec.worktree.clone(), action.clone());
                let done = tokio::task::spawn_blocking(move || file::change(&worktree, &action)).await;
                match done {
                    Ok(Ok(line)) => self.note("file", &line).await,
                    Ok(Err(error)) => return self.failed(Failure::from(error).message).await,
                    Err(_) => return self.failed("change a file: broke off".to_owned()).await,
                }
                self.rest(Duration::ZERO).await
            }
            Action::Run(argv) => self.program(&argv.value).await,
            Action::Say(text) => {
                self.transcript.write(format!("{text}\n").as_bytes()).await;
                self.watch.event(&AgentEvent::Message { text: text.clone() });
                self.last_message = Some(text.clone());
                Ok(())
            }
            Action::Delay(ms) => self.rest(Duration::from_millis(*ms)).await,
            Action::Exit(0) => Err(SessionEnd::Completed),
            Action::Exit(code) => self.failed(format!("the program ended with exit code {code}")).await,
            Action::Hang => {
                let until_stopped = Duration::from_secs(u64::from(u32::MAX));
                self.rest(until_stopped).await
            }
            Action::Fail(text) => self.failed(text.clone()).await,
            Action::Attempt(_) => Ok(()),
        }
    }

    async fn failed(&mut self, detail: String) -> Result<(), SessionEnd> {
        self.transcript.write(format!("failed: {detail}\n").as_bytes()).await;
        Err(SessionEnd::Failed { detail })
    }

    async fn note(&mut self, tool: &str, detail: &str) {
        self.transcript.write(format!("{detail}\n").as_bytes()).await;
        self.watch.event(&AgentEvent::ToolStarted { tool: tool.to_owned(), detail: detail.to_owned() });
        self.watch.event(&AgentEvent::ToolEnded { ok: true });
    }

    /// Waits, unless the session ends before.
    async fn rest(&mut self, time: Duration) -> Result<(), SessionEnd> {
        tokio::select! {
            biased;
            () = &mut self.until.stop => Err(SessionEnd::Stopped),
            () = tokio::time::sleep_until(self.until.deadline) => Err(SessionEnd::TimedOut),
            () = sleep(time) => Ok(()),
        }
    }

    async fn program(&mut self, argv: &[String]) -> Result<(), SessionEnd> {
        let command = argv.join(" ");
        self.transcript.write(format!("$ {command}\n").as_bytes()).await;
        self.watch.event(&AgentEvent::ToolStarted { tool: "run".to_owned(), detail: command.clone() });
        let running = match (self.launch)(argv.to_vec()).await {
            Ok(launch) => process::start(launch).await.map_err(Failure::from),
            Err(failure) => Err(failure),
        };
        let running = match running {
            Ok(running) => running,
            Err(failure) => return self.failed(failure.message).await,
        };
        let mut last_error = None;
        let watch = self.watch;
        let each = |channel, line: &str| {
            if channel == Channel::Errors && !line.trim().is_empty() {
                last_error = Some(line.to_owned());
            }
            watch.event(&AgentEvent::Raw { line: line.to_owned() });
        };
        let gone = running.attend(&mut self.until, &mut self.transcript, each).await;
        self.leftovers = self.leftovers.saturating_add(gone.leftovers);
        match gone.ended {
            Ended::TimedOut => Err(SessionEnd::TimedOut),
            Ended::Stalled => Err(SessionEnd::Stalled),
            Ended::Stopped => Err(SessionEnd::Stopped),
            Ended::ByItself(status) => {
                self.watch.event(&AgentEvent::ToolEnded { ok: status.success() });
                if status.success() {
                    return Ok(());
                }
                let last_error = last_error.map(|line| format!(": {line}")).unwrap_or_default();
                self.failed(format!("run `{command}`: {}{last_error}", said(status))).await
            }
        }
    }
}

/// The program of a `run` action and its arguments.
pub(crate) fn split(argv: &[String]) -> (OsString, Vec<OsString>) {
    let mut words = argv.iter().map(OsString::from);
    (words.next().unwrap_or_default(), words.collect())
}
