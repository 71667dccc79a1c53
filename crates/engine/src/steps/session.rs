//! One agent session, told to the log from start to end.

use std::path::PathBuf;
use std::sync::OnceLock;

use async_trait::async_trait;
use miyabi_core::containment::Containment;
use miyabi_core::event::{EventBody, SessionEnded, SessionStarted};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::{Attempt, RunId, SessionId, StepId};
use miyabi_core::knowledge::RecordId;
use miyabi_core::ports::SessionWatch;
use miyabi_core::run::Run;
use miyabi_core::session::{
    Adapter, AgentEvent, ProcessMark, Resume, SessionEnd, SessionOutcome, SessionSpec, Wanted,
};
use miyabi_core::worktree::Worktree;
use schemars::{JsonSchema, schema_for};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::json;
use tokio::sync::{mpsc, watch};

use super::{Job, Progress, stop};
use crate::World;

/// So many refusals are told of one session, each so long in characters.
const TOLD: usize = 20;
const LONGEST: usize = 300;

fn short(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// What a session needs to know of its run, taken when the attempt begins.
#[derive(Clone)]
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
    /// What the program keeps for itself, for a later miyabi that goes on.
    pub state: PathBuf,
    /// The session that was ended in the middle, and what its program called it.
    pub resumes: Option<(SessionId, String)>,
    /// Records of past runs that its prompt shows.
    pub given: Vec<RecordId>,
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
            state: world.transcripts.join(run.id.as_str()).join(format!("{}.state", state.step.id)),
            resumes: None,
            given: Vec::new(),
            progress: job.progress.clone(),
            stop: job.stop.clone(),
        }
    }

    /// A further session of the same attempt.
    pub(super) fn again(self, world: &World) -> Self {
        let transcript = self.transcript.with_extension("again.log");
        Self { session: SessionId::new(world.ids.new_id()), transcript, resumes: None, ..self }
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
        let answer = self.answer(world, adapter, worktree, prompt, Some(&schema)).await?;
        serde_json::from_value(answer).map_err(|error| Failure::caused(FailureClass::BadAnswer, &error))
    }

    /// Runs a session for its answer: JSON that fits the schema, or without one its last message as text.
    pub(super) async fn answer(
        &self,
        world: &World,
        adapter: &Adapter,
        worktree: &Worktree,
        prompt: String,
        schema: Option<&Value>,
    ) -> Result<Value, Failure> {
        let outcome = self
            .run(
                world,
                adapter,
                worktree,
                prompt,
                schema.map_or(Wanted::Words, |schema| Wanted::Json(schema.clone())),
            )
            .await?;
        let said = outcome.last_message.unwrap_or_default();
        match schema {
            Some(schema) => world.agents.answer(schema, &said),
            None if said.trim().is_empty() => {
                Err(Failure::new(FailureClass::BadAnswer, "the agent ended without an answer"))
            }
            None => Ok(Value::String(said)),
        }
    }

    /// Goes on with the session that ended in the middle, if there is one and its program can, or runs one from the
    /// beginning.
    pub(super) async fn go_on(
        self,
        world: &World,
        adapter: &Adapter,
        worktree: &Worktree,
        prompt: String,
    ) -> Result<(Self, SessionOutcome), Failure> {
        let outcome = self.hold(world, adapter, worktree, prompt.clone(), Wanted::Work).await?;
        let failed = matches!(outcome.end, SessionEnd::Failed { .. });
        // It did not find the session, or not so that anything came of it.
        if self.resumes.is_some() && failed && outcome.usage.output_tokens.unwrap_or_default() == 0 {
            let seat = self.again(world);
            let outcome = seat.run(world, adapter, worktree, prompt, Wanted::Work).await?;
            return Ok((seat, outcome));
        }
        let outcome = self.judge(outcome)?;
        Ok((self, outcome))
    }

    /// Runs the session in a worktree. A program that did not end well is a failure of the attempt.
    pub(super) async fn run(
        &self,
        world: &World,
        adapter: &Adapter,
        worktree: &Worktree,
        prompt: String,
        wanted: Wanted,
    ) -> Result<SessionOutcome, Failure> {
        self.judge(self.hold(world, adapter, worktree, prompt, wanted).await?)
    }

    /// Runs the session in a worktree, whatever it comes to.
    async fn hold(
        &self,
        world: &World,
        adapter: &Adapter,
        worktree: &Worktree,
        prompt: String,
        wanted: Wanted,
    ) -> Result<SessionOutcome, Failure> {
        let resume = match &self.resumes {
            Some((_, name)) => {
                let fence = json!({ "fence": world.ids.new_id() });
                Some(Resume { name: name.clone(), prompt: world.agents.prompt("resume", &fence)? })
            }
            None => None,
        };
        let spec = SessionSpec {
            session: self.session.clone(),
            run: self.run.clone(),
            step: self.step.clone(),
            attempt: self.attempt,
            adapter: adapter.clone(),
            worktree: worktree.path.clone(),
            prompt,
            wanted,
            resume,
            state: self.state.clone(),
            transcript: self.transcript.clone(),
            deadline_secs: self.deadline_secs,
            grace_secs: self.grace_secs,
            stall_secs: self.stall_secs,
            transcript_bytes: self.transcript_bytes,
        };
        let (name, mut names) = mpsc::unbounded_channel();
        let watch = Watch { seat: self, adapter, worktree, told: OnceLock::new(), name };
        let before = world.worktrees.seal(&self.base_branch).await?;
        let mut running = world.agents.run(&spec, &watch, stop(self.stop.clone()));
        let outcome = loop {
            tokio::select! {
                biased;
                Some(name) = names.recv() => {
                    let session = self.session.clone();
                    self.progress.tell(EventBody::SessionNamed { session, name }).await;
                }
                outcome = &mut running => break outcome,
            }
        };
        drop(running);
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
        Ok(outcome)
    }

    /// What an outcome is for the attempt.
    fn judge(&self, outcome: SessionOutcome) -> Result<SessionOutcome, Failure> {
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
    name: mpsc::UnboundedSender<String>,
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
            resumes: self.seat.resumes.as_ref().map(|(session, _)| session.clone()),
            transcript: self.seat.transcript.clone(),
            given: self.seat.given.clone(),
        };
        if self.told.set(()).is_ok() {
            self.seat.progress.tell(EventBody::SessionStarted(Box::new(started))).await;
        }
    }

    fn event(&self, event: &AgentEvent) {
        if let AgentEvent::Named { session } = event {
            // Whoever ran the session is there as long as it runs.
            let _listened_to = self.name.send(session.clone());
        }
        self.seat.progress.saw(event);
    }
}
