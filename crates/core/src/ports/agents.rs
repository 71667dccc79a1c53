//! Agent programs.

use async_trait::async_trait;

use super::{Failure, Stop};
use crate::containment::Containment;
use crate::ids::RunId;
use crate::session::{AgentEvent, ProcessMark, SessionOutcome, SessionSpec};

/// Runs coding programs, and leaves none of their processes behind.
#[async_trait]
pub trait Agents: Send + Sync {
    /// Renders the template `prompts/<name>.md` with these values; each value is data and never expanded again.
    /// Errors: `Input` for an unknown template or a missing value.
    fn prompt(&self, template: &str, values: &serde_json::Value) -> Result<String, Failure>;

    /// Finds the JSON in an agent's last message and checks it against a JSON Schema.
    /// Errors: `BadAnswer` that names every violation with its place.
    fn answer(&self, schema: &serde_json::Value, last_message: &str) -> Result<serde_json::Value, Failure>;

    /// Runs one session to its end, its deadline or `stop`, whichever comes first.
    ///
    /// Afterwards the program and everything that it started in its process group or with its marks in the
    /// environment is gone, and the raw output is on disk in `spec.transcript`. Failures of the program are
    /// outcomes, not errors; so is a program that cannot be started.
    async fn run(&self, spec: &SessionSpec, watch: &dyn SessionWatch, stop: Stop) -> SessionOutcome;

    /// Ends every process that an earlier, killed miyabi started for this run and says how many there were.
    /// Processes are recognised by their marks and by `MIYABI_RUN` in their environment, never by number alone.
    async fn reap(&self, run: &RunId, marks: &[ProcessMark]) -> u32;

    /// What is missing before this adapter can be used, with what to do about it; `None`: ready.
    async fn missing(&self, adapter: &crate::session::Adapter) -> Option<Failure>;
}

/// Who looks on while a session runs.
#[async_trait]
pub trait SessionWatch: Send + Sync {
    /// The program runs, and is kept in like this (`None`: none does); returns when that is durable, so that a restart finds it.
    async fn started(&self, process: Option<ProcessMark>, containment: Option<Containment>);
    /// Something was seen in its output. Must not block.
    fn event(&self, event: &AgentEvent);
}
