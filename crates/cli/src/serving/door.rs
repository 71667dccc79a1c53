//! Answers that come in by the API.

use async_trait::async_trait;
use miyabi_core::event::{Answer, EventBody};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::{EscalationId, RunId};
use miyabi_core::ports::RunFilter;
use miyabi_engine::EngineError;
use miyabi_server::{Answers, Refused};

use super::Serving;

#[async_trait]
impl Answers for Serving {
    async fn answer(&self, run: &RunId, question: &EscalationId, answer: Answer) -> Result<(), Refused> {
        for site in self.sites() {
            let live = site.home.store.runs(&RunFilter { live: true, ..RunFilter::default() }).await;
            let live =
                live.map_err(|error| Refused::Failed(Failure::caused(FailureClass::Unavailable, &error)))?;
            if !live.iter().any(|row| row.id == *run && row.repo == site.home.repo) {
                continue;
            }
            let fact = EventBody::EscalationAnswered { escalation: question.clone(), answer };
            site.home.engine(None).tell(run, &[fact]).await.map_err(|error| match error {
                EngineError::Log(illegal) => Refused::NotTaken(illegal.why),
                other => Refused::Failed(Failure::caused(FailureClass::Unavailable, &other)),
            })?;
            site.drivers.drive(run);
            return Ok(());
        }
        Err(Refused::NotTaken("its run has ended, or is of a repository that is not served here".to_owned()))
    }
}
