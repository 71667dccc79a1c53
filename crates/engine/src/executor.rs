//! The loop: append, fold, decide, act, wait for an outcome.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use miyabi_core::event::EventBody;
use miyabi_core::ids::{EscalationId, RunId};
use miyabi_core::ports::{
    Agents, Clock, Forge, Knowledge, NoKnowledge, Notify, Stop, Store, StoreError, Worktrees,
};
use miyabi_core::redact::Redactor;
use miyabi_core::run::{Run, fold};
use miyabi_core::status::Status;
use tokio::sync::mpsc;
use tracing::warn;

use crate::admission::Admission;
use crate::drive::{Drive, next_event};
use crate::remember::{AT_REST, remember, within};
use crate::steps::StepRunner;
use crate::{EngineError, Observer, writer};

/// Facts that arrive together are appended together, up to this many.
const BATCH: usize = 512;
/// How often the log is looked at for what other processes appended, while nothing happens here.
const SWEEP: SignedDuration = SignedDuration::from_secs(1);

/// How a run came to rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rest {
    /// It ended.
    Ended(Status),
    /// Only people can go on: these questions are open.
    Asking(Vec<EscalationId>),
    /// Something elsewhere is waited for, such as CI: at that time it is worth another look, earlier when the log grew.
    Waiting(Timestamp),
    /// It was told to stop; the log says what was lost, and driving it again goes on from there.
    Interrupted,
}

/// Drives runs.
pub struct Engine {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) forge: Arc<dyn Forge>,
    pub(crate) notify: Arc<dyn Notify>,
    pub(crate) worktrees: Option<Arc<dyn Worktrees>>,
    pub(crate) knowledge: Arc<dyn Knowledge>,
    pub(crate) agents: Arc<dyn Agents>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) runner: Arc<dyn StepRunner>,
    pub(crate) observers: Vec<Arc<dyn Observer>>,
    pub(crate) redactor: Arc<Redactor>,
    pub(crate) admission: Arc<Admission>,
}

impl Engine {
    /// An engine over this world whose steps are run by `runner`.
    pub fn new(store: Arc<dyn Store>, world: &crate::World, runner: Arc<dyn StepRunner>) -> Self {
        let (forge, agents, clock) =
            (Arc::clone(&world.forge), Arc::clone(&world.agents), Arc::clone(&world.clock));
        let (notify, worktrees) = (Arc::clone(&world.notify), Some(Arc::clone(&world.worktrees)));
        let knowledge = Arc::clone(&world.knowledge);
        Self { notify, worktrees, knowledge, ..Self::over(store, forge, agents, clock, runner) }
    }

    /// An engine over the ports that it uses itself; it tells nobody anything beside the forge.
    pub fn over(
        store: Arc<dyn Store>,
        forge: Arc<dyn Forge>,
        agents: Arc<dyn Agents>,
        clock: Arc<dyn Clock>,
        runner: Arc<dyn StepRunner>,
    ) -> Self {
        let redactor = Arc::new(Redactor::new([]));
        let notify = Arc::new(writer::Silent);
        Self {
            store,
            forge,
            notify,
            worktrees: None,
            knowledge: Arc::new(NoKnowledge),
            agents,
            clock,
            runner,
            observers: Vec::new(),
            redactor,
            admission: Arc::default(),
        }
    }

    /// Takes these secrets out of whatever becomes an event, besides those that are known by their shape.
    pub fn redact(&mut self, redactor: Arc<Redactor>) {
        self.redactor = redactor;
    }

    /// Shares the door that heavy work goes through with other engines over the same log.
    pub fn admit(&mut self, admission: Arc<Admission>) {
        self.admission = admission;
    }

    /// Remembers what is to be learned from runs here.
    pub fn remember_in(&mut self, knowledge: Arc<dyn Knowledge>) {
        self.knowledge = knowledge;
    }

    /// Lets someone look on.
    pub fn observe(&mut self, observer: Arc<dyn Observer>) {
        self.observers.push(observer);
    }

    /// The state of a run as its log tells it; `None` if there is no such run.
    pub async fn read(&self, run: &RunId) -> Result<Option<Run>, EngineError> {
        Ok(fold(&self.store.load(run, 0).await?)?)
    }

    /// Appends facts from outside, such as an answer or a cancel request, whoever drives the run.
    /// The facts are checked against the state first; an illegal one is an error and nothing is appended.
    pub async fn tell(&self, run: &RunId, facts: &[EventBody]) -> Result<(), EngineError> {
        loop {
            let events = self.store.load(run, 0).await?;
            let Some(mut state) = fold(&events)? else { return Err(StoreError::NoRun(run.clone()).into()) };
            let from = state.next_seq;
            let mut batch = Vec::new();
            for fact in facts {
                let event = next_event(&state, fact.clone(), self.clock.now());
                state.apply(&event)?;
                batch.push(event);
            }
            match self.store.append(from, &batch).await {
                Err(StoreError::Behind { .. }) => continue,
                result => return Ok(result?),
            }
        }
    }

    /// Drives a run until it ends, waits for people only, or `stop` asks for an end.
    ///
    /// The caller holds the run's lock: nobody else drives it. Attempts of an earlier process are recorded as lost,
    /// their processes ended, and open writes are looked up and done.
    /// What is to be learned from it is remembered when it ends or asks; that it cannot be, or not soon, keeps nothing
    /// back.
    pub async fn drive(&self, run: &RunId, stop: Stop) -> Result<Rest, EngineError> {
        let rest = self.to_rest(run, stop).await?;
        let remembering = remember(self.store.as_ref(), self.knowledge.as_ref(), run);
        if matches!(rest, Rest::Ended(_) | Rest::Asking(_))
            && let Err(failure) = within(self.clock.as_ref(), AT_REST, remembering).await
        {
            warn!(run.id = %run, %failure, "what is to be learned from the run could not be remembered yet");
        }
        Ok(rest)
    }

    async fn to_rest(&self, run: &RunId, mut stop: Stop) -> Result<Rest, EngineError> {
        let Some(state) = self.read(run).await? else { return Err(StoreError::NoRun(run.clone()).into()) };
        let (sender, mut messages) = mpsc::channel(1024);
        let mut drive = Drive::new(self, state, sender);
        drive.recover().await?;
        loop {
            if let Some((status, _)) = &drive.run.ended {
                return Ok(Rest::Ended(*status));
            }
            let idle = drive.is_idle();
            if idle && drive.run.next_timer().is_none() && !drive.run.questions.is_empty() {
                return Ok(Rest::Asking(drive.run.questions.keys().cloned().collect()));
            }
            if idle
                && drive.run.is_at_rest()
                && drive.run.only_waits()
                && let Some(at) = drive.run.next_wake()
                && at > self.clock.now()
            {
                return Ok(Rest::Waiting(at));
            }
            if idle && drive.run.is_at_rest() && drive.run.next_wake().is_none() {
                return Err(EngineError::Stuck(run.clone()));
            }
            let sweep = self.clock.now().saturating_add(SWEEP).unwrap_or(Timestamp::MAX);
            // A time that was decided upon already waits for something else, such as a free place.
            let wake =
                drive.run.next_wake().filter(|at| *at > drive.decided_at).map_or(sweep, |at| at.min(sweep));
            tokio::select! {
                biased;
                () = &mut stop => return drive.interrupt(&mut messages).await,
                Some(first) = messages.recv() => {
                    let mut facts = drive.facts(first);
                    while facts.len() < BATCH && let Ok(message) = messages.try_recv() {
                        facts.extend(drive.facts(message));
                    }
                    drive.settle(facts).await?;
                }
                () = self.clock.sleep_until(wake) => {
                    drive.catch_up().await?;
                    drive.settle(Vec::new()).await?;
                }
            }
        }
    }
}
