//! One run being driven: what is under way here, and how facts become events.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use miyabi_core::decide::decide;
use miyabi_core::event::{Event, EventBody, SessionEnded};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::{Attempt, StepId};
use miyabi_core::intent::{Intent, Write};
use miyabi_core::plan::{Uses, Work};
use miyabi_core::ports::{Clock, StoreError};
use miyabi_core::run::{Phase, Run, fold};
use miyabi_core::session::SessionEnd;
use tokio::sync::{mpsc, watch};
use tracing::{debug, info, warn};

use crate::admission::Entry;
use crate::executor::{Engine, Rest};
use crate::message::{Message, Written};
use crate::steps::{Job, Outcome, Progress, Working};
use crate::writer::Writer;
use crate::{EngineError, capture};

/// A fact, and who waits until it is durable.
pub(crate) type Fact = (EventBody, Option<tokio::sync::oneshot::Sender<()>>);

/// One run being driven.
pub(crate) struct Drive<'a> {
    engine: &'a Engine,
    pub(crate) run: Run,
    sender: mpsc::Sender<Message>,
    /// Attempts under way here, and how to stop them.
    stops: HashMap<(StepId, Attempt), watch::Sender<bool>>,
    /// Writes to be done, one after the other.
    writes: VecDeque<Intent>,
    writing: bool,
    /// The time of the newest decision.
    pub(crate) decided_at: Timestamp,
}

impl<'a> Drive<'a> {
    /// A run of which nothing is under way here.
    pub(crate) fn new(engine: &'a Engine, run: Run, sender: mpsc::Sender<Message>) -> Self {
        Self {
            engine,
            run,
            sender,
            stops: HashMap::new(),
            writes: VecDeque::new(),
            writing: false,
            decided_at: Timestamp::MIN,
        }
    }

    /// Whether no attempt and no write is under way here.
    pub(crate) fn is_idle(&self) -> bool {
        self.stops.is_empty() && !self.writing
    }

    /// Says what an earlier process lost, ends what it left running, and takes up its open writes.
    pub(crate) async fn recover(&mut self) -> Result<(), EngineError> {
        let open = self.run.sessions.iter().filter(|session| session.end.is_none());
        let (sessions, marks): (Vec<_>, Vec<_>) =
            open.map(|session| (session.id.clone(), session.process)).unzip();
        let marks: Vec<_> = marks.into_iter().flatten().collect();
        // Whoever waits has no process, and a look at all processes costs more than reading the log.
        let may_run = !sessions.is_empty() || self.run.running().next().is_some();
        let ended = if self.run.ended.is_none() && may_run {
            self.engine.agents.reap(&self.run.id, &marks).await
        } else {
            0
        };
        if ended > 0 {
            info!(run.id = %self.run.id, processes = ended, "ended processes that an earlier miyabi left running");
        }
        let mut facts: Vec<Fact> = Vec::new();
        for session in sessions {
            let ended = SessionEnded {
                session,
                end: SessionEnd::Stopped,
                usage: Default::default(),
                leftovers: 0,
                refused: Vec::new(),
                changed_outside: Vec::new(),
            };
            facts.push((EventBody::SessionEnded(Box::new(ended)), None));
        }
        for state in self.run.running() {
            let writes = |intent: &Intent| intent.ends_step && intent.step == state.step.id;
            if !self.run.open_intents.iter().any(writes) {
                let (step, attempt) = (state.step.id.clone(), state.attempt);
                facts.push((EventBody::AttemptLost { step, attempt }, None));
            }
        }
        self.writes = self.run.open_intents.iter().cloned().collect();
        self.settle(facts).await?;
        self.write_next();
        Ok(())
    }

    /// Appends facts and all decisions that follow from them in one transaction, then acts on what was appended.
    pub(crate) async fn settle(&mut self, facts: Vec<Fact>) -> Result<(), EngineError> {
        let (facts, waiting): (Vec<_>, Vec<_>) = facts.into_iter().unzip();
        loop {
            let from = self.run.next_seq;
            let now = self.engine.clock.now();
            let mut batch = Vec::new();
            for fact in &facts {
                let event = next_event(&self.run, fact.clone(), now);
                match self.run.apply(&event) {
                    Ok(()) => batch.push(event),
                    // What an older attempt still says, after another one took its place.
                    Err(illegal) => warn!(run.id = %self.run.id, why = illegal.why, "refused a late fact"),
                }
            }
            self.decided_at = now;
            loop {
                let decisions = decide(&self.run, now);
                if decisions.is_empty() {
                    break;
                }
                for body in decisions {
                    let event = next_event(&self.run, body, now);
                    let status = self.run.status();
                    self.run.apply(&event).map_err(|source| EngineError::Decision { status, source })?;
                    batch.push(event);
                }
            }
            if batch.is_empty() {
                break;
            }
            match self.engine.store.append(from, &batch).await {
                Ok(()) => {
                    for event in &batch {
                        self.act(event);
                    }
                    break;
                }
                // Someone told the run something meanwhile: read it, then judge the same facts again.
                Err(StoreError::Behind { .. }) => self.reload(from).await?,
                Err(error) => return Err(error.into()),
            }
        }
        for waiter in waiting.into_iter().flatten() {
            // A session that is gone does not wait any more.
            let _ = waiter.send(());
        }
        Ok(())
    }

    /// Goes back to what the log says; `from` is the first event that may be new to us.
    async fn reload(&mut self, from: u64) -> Result<(), EngineError> {
        let events = self.engine.store.load(&self.run.id, 0).await?;
        if let Some(run) = fold(&events)? {
            self.run = run;
        }
        for event in events.iter().filter(|event| event.seq >= from) {
            self.hear(event);
        }
        Ok(())
    }

    /// Takes in what other processes appended.
    pub(crate) async fn catch_up(&mut self) -> Result<(), EngineError> {
        for event in self.engine.store.load(&self.run.id, self.run.next_seq).await? {
            self.run.apply(&event)?;
            self.hear(&event);
        }
        Ok(())
    }

    /// Takes in an event that somebody else appended: what it begins is begun there.
    fn hear(&mut self, event: &Event) {
        for observer in &self.engine.observers {
            observer.event(&self.run, event);
        }
        match &event.body {
            EventBody::CancelRequested { .. } => self.stop_all(),
            EventBody::SessionStarted(started) => {
                self.engine.admission.leave(&(self.run.id.clone(), started.step.clone(), started.attempt));
            }
            _ => {}
        }
    }

    /// Does what an event asks for that was appended here.
    fn act(&mut self, event: &Event) {
        self.hear(event);
        match &event.body {
            EventBody::StepStarted { step, attempt } => self.start(step, *attempt),
            EventBody::IntentRecorded(intent) => {
                self.writes.push_back((**intent).clone());
                self.write_next();
            }
            _ => {}
        }
    }

    fn start(&mut self, step: &StepId, attempt: Attempt) {
        let Some(state) = self.run.step(step) else { return };
        if state.attempt != attempt || state.phase != Phase::Running {
            return; // it ended in the same breath
        }
        if matches!(state.step.work, Work::Uses(Uses::Change | Uses::Merge | Uses::Close)) {
            return; // ends with its intent
        }
        let (stop, stopped) = watch::channel(false);
        self.stops.insert((step.clone(), attempt), stop);
        let progress = Progress::new(self.sender.clone(), self.engine.observers.clone(), step.clone());
        let work = self.engine.runner.start(Job { run: &self.run, state, progress, stop: stopped.clone() });
        let work = admitted(work, Entry::of(&self.run, state), self.engine);
        let deadline = state.step.timeout_secs.map(|secs| {
            let wait = SignedDuration::from_secs(i64::try_from(secs).unwrap_or(i64::MAX));
            self.engine.clock.now().saturating_add(wait).unwrap_or(Timestamp::MAX)
        });
        let (clock, sender, step) = (Arc::clone(&self.engine.clock), self.sender.clone(), step.clone());
        let stop = self.stops[&(step.clone(), attempt)].clone();
        // The task under the task makes a panic of a step an outcome instead of a silence.
        let work = tokio::spawn(work);
        tokio::spawn(async move {
            let result = within(work, deadline, clock, stop).await;
            let _ = sender.send(Message::Ended { step, attempt, result }).await;
        });
    }

    fn stop_all(&self) {
        for stop in self.stops.values() {
            stop.send_replace(true);
        }
    }

    fn write_next(&mut self) {
        if self.writing {
            return;
        }
        // A mail server that takes its time holds up nothing else.
        let first = self.writes.iter().position(|intent| !matches!(intent.write, Write::Notify { .. }));
        if let Some(intent) = self.writes.remove(first.unwrap_or(0)) {
            self.writing = true;
            let retries = self.run.policy().transient_retries;
            let (forge, notify) = (Arc::clone(&self.engine.forge), Arc::clone(&self.engine.notify));
            // Where the forge is kept here, the branch is the change.
            let worktrees = self.engine.worktrees.clone().filter(|_| self.run.started.hosted);
            let clock = Arc::clone(&self.engine.clock);
            let writer = Writer { forge, notify, clock, worktrees, retries };
            writer.spawn(self.run.id.clone(), intent, self.sender.clone());
        }
    }

    /// The facts in a message.
    pub(crate) fn facts(&mut self, message: Message) -> Vec<Fact> {
        match message {
            Message::Fact(body, durable) => vec![(capture::fact(&self.engine.redactor, body), Some(durable))],
            Message::Ended { step, attempt, result } => {
                let result = capture::outcome(&self.engine.redactor, result);
                self.stops.remove(&(step.clone(), attempt));
                debug!(run.id = %self.run.id, step = %step, attempt, ok = result.is_ok(), "attempt ended");
                let body = match result {
                    Ok(output) => EventBody::StepSucceeded { step, attempt, output },
                    Err(failure) => EventBody::StepFailed { step, attempt, failure },
                };
                vec![(body, None)]
            }
            Message::Written(Written { intent, result }) => {
                self.writing = false;
                self.write_next();
                let attempt = self.run.step(&intent.step).map_or(0, |state| state.attempt);
                let (id, step) = (intent.id, intent.step);
                match result {
                    Ok(receipt) => {
                        let output = serde_json::to_value(&receipt).unwrap_or_default();
                        let done = EventBody::IntentDone { intent: id, receipt };
                        let ended = EventBody::StepSucceeded { step, attempt, output };
                        pair(done, intent.ends_step.then_some(ended))
                    }
                    Err(failure) => {
                        let failure = capture::failure(&self.engine.redactor, failure);
                        let failed = EventBody::IntentFailed { intent: id, failure: failure.clone() };
                        let ended = EventBody::StepFailed { step, attempt, failure };
                        pair(failed, intent.ends_step.then_some(ended))
                    }
                }
            }
        }
    }

    /// Stops everything here and says what was lost, so that driving the run again goes on from there.
    pub(crate) async fn interrupt(
        &mut self,
        messages: &mut mpsc::Receiver<Message>,
    ) -> Result<Rest, EngineError> {
        self.stop_all();
        let mut lost = Vec::new();
        while !self.stops.is_empty() {
            let Some(message) = messages.recv().await else { break };
            match message {
                Message::Ended { step, attempt, .. } => {
                    self.stops.remove(&(step.clone(), attempt));
                    lost.push((EventBody::AttemptLost { step, attempt }, None));
                }
                // A session that says that it ended; nothing new is decided while we leave.
                Message::Fact(body, durable) => {
                    self.record(vec![body]).await?;
                    let _ = durable.send(());
                }
                // The write stays open and is looked up next time.
                Message::Written(_) => {}
            }
        }
        self.record(lost.into_iter().map(|(body, _): Fact| body).collect()).await?;
        Ok(Rest::Interrupted)
    }

    /// Appends facts without deciding anything.
    async fn record(&mut self, facts: Vec<EventBody>) -> Result<(), EngineError> {
        loop {
            let from = self.run.next_seq;
            let mut batch = Vec::new();
            for fact in &facts {
                let event = next_event(&self.run, fact.clone(), self.engine.clock.now());
                if self.run.apply(&event).is_ok() {
                    batch.push(event);
                }
            }
            if batch.is_empty() {
                return Ok(());
            }
            match self.engine.store.append(from, &batch).await {
                Ok(()) => {
                    for observer in &self.engine.observers {
                        batch.iter().for_each(|event| observer.event(&self.run, event));
                    }
                    return Ok(());
                }
                Err(StoreError::Behind { .. }) => self.reload(u64::MAX).await?,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn pair(first: EventBody, second: Option<EventBody>) -> Vec<Fact> {
    std::iter::once(first).chain(second).map(|body| (body, None)).collect()
}

/// The next event of a run; time never goes back in a log.
pub(crate) fn next_event(run: &Run, body: EventBody, now: Timestamp) -> Event {
    Event { run: run.id.clone(), seq: run.next_seq, at: now.max(run.last_at), body }
}

/// The work, once it is let in.
fn admitted(work: Working, entry: Option<Entry>, engine: &Engine) -> Working {
    let Some(entry) = entry else { return work };
    let (admission, store) = (Arc::clone(&engine.admission), Arc::clone(&engine.store));
    let clock = Arc::clone(&engine.clock);
    Box::pin(async move {
        let _inside = admission.enter(entry, store.as_ref(), clock.as_ref()).await?;
        work.await
    })
}

/// The outcome of a step's work; past its deadline it is asked to stop and counts as timed out.
async fn within(
    mut work: tokio::task::JoinHandle<Outcome>,
    deadline: Option<Timestamp>,
    clock: Arc<dyn Clock>,
    stop: watch::Sender<bool>,
) -> Outcome {
    let flat = |joined: Result<Outcome, tokio::task::JoinError>| {
        joined.unwrap_or_else(|error| {
            Err(Failure::new(FailureClass::Internal, format!("the step broke off: {error}")))
        })
    };
    let Some(deadline) = deadline else { return flat(work.await) };
    tokio::select! {
        joined = &mut work => flat(joined),
        () = clock.sleep_until(deadline) => {
            stop.send_replace(true);
            let _ = work.await;
            Err(Failure::new(FailureClass::TimedOut, "the step's `timeout` passed"))
        }
    }
}
