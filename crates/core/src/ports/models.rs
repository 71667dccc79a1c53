//! Models behind an endpoint.

use async_trait::async_trait;

use super::Failure;
use crate::model::{Ask, ModelFault, Route, Said};

/// Asks models. One question, one answer: who asks decides what is tried again.
#[async_trait]
pub trait Models: Send + Sync {
    /// Asks once, and waits for the whole answer as long as pieces of it keep coming.
    async fn ask(&self, route: &Route, ask: &Ask) -> Result<Said, ModelFault>;

    /// What is missing before this model can be asked, with what to do about it; `None`: ready, as far as can be told
    /// without asking.
    fn missing(&self, route: &Route) -> Option<Failure>;
}
