//! One agent session, told to the log from start to end.

use std::path::PathBuf;
use std::sync::OnceLock;

use async_trait::async_trait;
use miyabi_core::containment::Containment;
use miyabi_core::event::{EventBody, SessionEnded, SessionStarted};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::{Attempt, RunId, SessionId, StepId};
use miyabi_core::ports::SessionWatch;
use miyabi_core::run::Run;
use miyabi_core::session::{Adapter, AgentEvent, ProcessMark, SessionEnd, SessionOutcome, SessionSpec};
use miyabi_core::worktree::Worktree;
use schemars::{JsonSchema, schema_for};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::watch;

use super::{Job, Progress, stop};
use crate::World;

/// So many refusals are told of one session, each so long in characters.
const TOLD: usize = 20;
const LONGEST: usize = 300;

fn short(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// What a session needs to know of its run, taken when the attempt begins.
pub(super) struct Seat {
    pub run: RunId,
    pub step: StepId,
    pub attempt: Attempt,
    pub session: SessionId,
    pub base_branch: String,
    pub deadline_secs: u64,
    pub grace_secs: u64,
    pub stall_secs: u64,
    pub transcript_bytes: u64,
    pub transcript: PathBuf,
    pub progress: Progress,
    pub stop: watch::Receiver<bool>,
}

impl Seat {
    /// The seat of the attempt that begins.
    pub(super) fn of(world: &World, job: &Job<'_>) -> Self {
        let (run, state): (&Run, _) = (job.run, job.state);
        let file = format!("{}.{}.log", state.step.id, state.attempt);
        Self {
            run: run.id.clone(),
            step: state.step.id.clone(),
            attempt: state.attempt,
            session: SessionId::new(world.ids.new_id()),
            base_branch: run.started.base_branch.clone(),
            deadline_secs: state.step.timeout_secs.unwrap_or(run.policy().agent_deadline_secs),
            grace_secs: run.policy().grace_secs,
            stall_secs: run.policy().stall_secs,
            transcript_bytes: u64::from(run.policy().transcript_mb) * 1_000_000,
            transcript: world.transcripts.join(run.id.as_str()).join(file),
            progress: job.progress.clone(),
            stop: job.stop.clone(),
        }
    }

    /// A further session of the same attempt.
    pub(super) fn again(self, world: &World) -> Self {
        let transcript = self.transcript.with_extension("again.log");
        Self { session: SessionId::new(world.ids.new_id()), transcript, ..self }
    }

    /// Asks an agent for JSON of the shape `T`, in a checkout that it may read.
    pub(super) async fn ask<T: JsonSchema + DeserializeOwned>(
        &self,
        world: &World,
        adapter: &Adapter,
        worktree: &Worktree,
        template: &str,
        mut values: Value,
    ) -> Result<T, Failure> {
        let schema = schema_for!(T).to_value();
        values["schema"] = schema.clone();
        values["fence"] = Value::String(world.ids.new_id());
        let prompt = world.agents.prompt(template, &values)?;
        let outcome = self.run(world, adapter, worktree, prompt, Some(schema.clone())).await?;
        let answer = world.agents.answer(&schema, outcome.last_message.as_deref().unwrap_or_default())?;
        serde_json::from_value(answer).map_err(|error| Failure::caused(FailureClass::BadAnswer, &error))
    }

    /// Runs the session in a worktree. A program that did not end well is a failure of the attempt.
    pub(super) async fn run(
        &self,
        world: &World,
        adapter: &Adapter,
        worktree: &Worktree,
        prompt: String,
        answer: Option<Value>,
    ) -> Result<SessionOutcome, Failure> {
        let spec = SessionSpec {
            session: self.session.clone(),
            run: self.run.clone(),
            step: self.step.clone(),
            attempt: self.attempt,
            adapter: adapter.clone(),
            worktree: worktree.path.clone(),
            prompt,
            answer,
            transcript: self.transcript.clone(),
            deadline_secs: self.deadline_secs,
            grace_secs: self.grace_secs,
            stall_secs: self.stall_secs,
            transcript_bytes: self.transcript_bytes,
        };
        let watch = Watch { seat: self, adapter, worktree, told: OnceLock::new() };
        let before = world.worktrees.seal(&self.base_branch).await?;
        let outcome = world.agents.run(&spec, &watch, stop(self.stop.clone())).await;
        let after = world.worktrees.seal(&self.base_branch).await?;
        let settings = before.other_settings(&after);
        // A program that could not be started was never told of; its end is the attempt's failure alone.
        if watch.told.get().is_some() {
            let ended = SessionEnded {
                session: self.session.clone(),
                end: outcome.end.clone(),
                usage: outcome.usage,
                leftovers: outcome.leftovers,
                refused: outcome.refusals.iter().take(TOLD).map(|what| short(what)).collect(),
                changed_outside: settings.iter().cloned().chain(before.other_work(&after)).collect(),
            };
            self.progress.tell(EventBody::SessionEnded(Box::new(ended))).await;
        }
        if !settings.is_empty() {
            let names = settings.join(", ");
            return Err(Failure::new(
                FailureClass::Permanent,
                format!("settings or hooks of the repository changed while the agent worked: {names}"),
            )
            .hint(format!(
                "look at them before you use git in the main checkout, put them back, then resume; its whole output is in {}",
                self.transcript.display()
            )));
        }
        match outcome.end.clone() {
            SessionEnd::Completed => Ok(outcome),
            SessionEnd::Failed { detail } => Err(Failure::new(
                FailureClass::AgentFailed,
                format!("the agent ended with an error: {detail}"),
            )
            .hint(format!("its whole output is in {}", self.transcript.display()))),
            SessionEnd::TimedOut => Err(Failure::new(
                FailureClass::TimedOut,
                format!("the agent did not end within {} s and was stopped", self.deadline_secs),
            )
            .hint("raise `policy.agent_deadline_secs`, or make the task smaller")),
            SessionEnd::Stalled => Err(Failure::new(
                FailureClass::Transient,
                format!("the agent gave no sign of life for {} s and was stopped", self.stall_secs),
            )
            .hint("raise `policy.stall_secs` if it works without printing anything")),
            SessionEnd::Stopped => Err(Failure::new(FailureClass::Cancelled, "the session was stopped")),
            SessionEnd::NotStarted { detail, hint } => {
                Err(Failure::new(FailureClass::Unavailable, detail).hint(hint))
            }
        }
    }
}

struct Watch<'a> {
    seat: &'a Seat,
    adapter: &'a Adapter,
    worktree: &'a Worktree,
    told: OnceLock<()>,
}

#[async_trait]
impl SessionWatch for Watch<'_> {
    async fn started(&self, process: Option<ProcessMark>, containment: Option<Containment>) {
        let started = SessionStarted {
            session: self.seat.session.clone(),
            step: self.seat.step.clone(),
            attempt: self.seat.attempt,
            adapter: self.adapter.to_string(),
            process,
            containment,
            worktree: self.worktree.path.clone(),
            base: self.worktree.base.clone(),
            transcript: self.seat.transcript.clone(),
        };
        if self.told.set(()).is_ok() {
            self.seat.progress.tell(EventBody::SessionStarted(Box::new(started))).await;
        }
    }

    fn event(&self, event: &AgentEvent) {
        self.seat.progress.saw(event);
    }
}
