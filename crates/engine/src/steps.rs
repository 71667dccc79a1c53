//! What a started step does: the built-in steps over the ports.

mod answering;
mod asking;
mod ci;
mod facts;
mod finish;
mod merge;
mod offering;
mod past;
mod planning;
mod reading;
mod review;
mod session;
mod stories;
mod story;
mod task;

use std::pin::Pin;
use std::sync::Arc;

use miyabi_core::event::EventBody;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::StepId;
use miyabi_core::plan::{Uses, Work};
use miyabi_core::ports::Stop;
use miyabi_core::run::{Run, StepState};
use miyabi_core::session::AgentEvent;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};

use crate::message::Message;
use crate::{Observer, World};

/// The outcome of a step.
pub type Outcome = Result<Value, Failure>;
/// The work of a step under way.
pub type Working = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Runs steps.
pub trait StepRunner: Send + Sync {
    /// Begins an attempt. What the work needs of the run is taken from it here; the returned work stands alone.
    /// It ends soon after `job.stop` asks, with nothing left running.
    fn start(&self, job: Job<'_>) -> Working;
}

/// An attempt that begins.
pub struct Job<'a> {
    /// The run as it is now.
    pub run: &'a Run,
    /// The step; its `attempt` is the one that begins.
    pub state: &'a StepState,
    /// Where facts go while the work goes on.
    pub progress: Progress,
    /// Becomes true when the work is to stop.
    pub stop: watch::Receiver<bool>,
}

/// A [`Stop`] for a port, from the switch of an attempt.
pub(crate) fn stop(mut switch: watch::Receiver<bool>) -> Stop {
    Box::pin(async move {
        if switch.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

/// How an attempt tells facts while it goes on.
#[derive(Clone)]
pub struct Progress {
    sender: mpsc::Sender<Message>,
    observers: Vec<Arc<dyn Observer>>,
    step: StepId,
}

impl Progress {
    pub(crate) fn new(
        sender: mpsc::Sender<Message>,
        observers: Vec<Arc<dyn Observer>>,
        step: StepId,
    ) -> Self {
        Self { sender, observers, step }
    }

    /// Appends a fact; returns when it is durable, or when the run is not driven any more.
    pub async fn tell(&self, fact: EventBody) {
        let (durable, is_durable) = oneshot::channel();
        if self.sender.send(Message::Fact(fact, durable)).await.is_ok() {
            let _ = is_durable.await;
        }
    }

    /// Shows what was seen in an agent's output.
    pub fn saw(&self, event: &AgentEvent) {
        for observer in &self.observers {
            observer.agent(&self.step, event);
        }
    }
}

/// The built-in steps.
pub struct BuiltIn {
    world: World,
}

impl BuiltIn {
    /// The built-in steps over this world.
    pub fn new(world: World) -> Self {
        Self { world }
    }
}

impl StepRunner for BuiltIn {
    fn start(&self, job: Job<'_>) -> Working {
        let world = self.world.clone();
        match &job.state.step.work {
            Work::Task(work) => task::start(world, work, &job),
            Work::Story(work) => story::start(world, work, &job),
            Work::Agent(work) => answering::start(world, work, &job),
            Work::Integrate(integrate) => merge::integrate(world, integrate, &job),
            Work::Uses(Uses::Analyse) => planning::analyse(world, &job),
            Work::Uses(Uses::Decompose) => planning::decompose(world, &job),
            Work::Uses(Uses::Execute) => finish::execute(&job),
            Work::Uses(Uses::Update) => merge::update(world, &job),
            Work::Uses(Uses::Review) => review::review(world, &job),
            Work::Uses(Uses::Ci) => ci::ci(world, &job),
            Work::Uses(Uses::Stories) => stories::read(world, &job),
            Work::Uses(Uses::Verdict) => stories::verdict(&job),
            Work::Uses(Uses::Deploy) => {
                ready(Ok(json!({ "deployment": "not configured: no `deploy.toml` is read by this version" })))
            }
            Work::Uses(Uses::Record) => finish::record(world, &job),
            Work::Uses(Uses::Cleanup) => finish::cleanup(world, &job),
            Work::Uses(uses @ (Uses::Change | Uses::Merge | Uses::Close)) => {
                let why = format!("`{}` ends with its write and is not run", uses.as_str());
                ready(Err(Failure::new(FailureClass::Internal, why)))
            }
        }
    }
}

fn ready(outcome: Outcome) -> Working {
    Box::pin(std::future::ready(outcome))
}
