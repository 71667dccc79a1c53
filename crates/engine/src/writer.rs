//! Writes to the outside world: one at a time per run, tried again when trying again may help.

use std::sync::Arc;

use async_trait::async_trait;
use miyabi_core::decide::backoff;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::{ChangeNumber, CommitId, IntentId, RunId};
use miyabi_core::intent::{Channel, Intent, Receipt, Write};
use miyabi_core::issue::ChangeState;
use miyabi_core::plain::one_line;
use miyabi_core::ports::{Clock, Forge, Note, Notify, Worktrees};
use tokio::sync::mpsc;
use tracing::warn;

use crate::message::{Message, Written};

/// Whoever does the writes of a run.
pub(crate) struct Writer {
    pub(crate) forge: Arc<dyn Forge>,
    pub(crate) notify: Arc<dyn Notify>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Where the branches of changes stand here; none: nobody takes them away.
    pub(crate) worktrees: Option<Arc<dyn Worktrees>>,
    /// How often a write is tried again after a failure that may pass.
    pub(crate) retries: u32,
}

impl Writer {
    /// Performs one intent and sends what came of it.
    pub(crate) fn spawn(self, run: RunId, intent: Intent, sender: mpsc::Sender<Message>) {
        tokio::spawn(async move {
            let result = self.persist(&run, &intent).await;
            if result.is_ok() {
                self.tidy(&run, &intent).await;
            }
            let _ = sender.send(Message::Written(Written { intent, result })).await;
        });
    }

    async fn persist(&self, run: &RunId, intent: &Intent) -> Result<Receipt, Failure> {
        let mut failures = 0;
        loop {
            match self.perform(intent).await {
                Err(failure) if let Some(at) = failure.retry_at() => {
                    warn!(intent = %intent.id, until = %at, "a write waits for a limit: {failure}");
                    self.clock.sleep_until(at).await;
                }
                Err(failure) if failure.class == FailureClass::Transient && failures < self.retries => {
                    failures += 1;
                    warn!(intent = %intent.id, failures, "a write failed and is tried again: {failure}");
                    let at = backoff(run, &intent.step, failures, self.clock.now());
                    self.clock.sleep_until(at).await;
                }
                result => return result,
            }
        }
    }

    /// The branch of a change that an action of a flow opened has done its work here once it stands at the forge. It is
    /// taken away before the write counts as done, so that a kill in between does it again.
    async fn tidy(&self, run: &RunId, intent: &Intent) {
        let Some(worktrees) = self.worktrees.as_ref().filter(|_| !intent.ends_step) else { return };
        let Write::OpenChange { head, commit, .. } = &intent.write else { return };
        if let Err(failure) = worktrees.drop_branch(run, &intent.step, head, commit).await {
            warn!(intent = %intent.id, "the branch `{head}` stays: {failure}");
        }
    }

    async fn perform(&self, intent: &Intent) -> Result<Receipt, Failure> {
        match &intent.write {
            Write::Notify { channel, subject, body, url } => {
                self.notify.tell(*channel, &intent.id, Note { subject, body, url }).await?;
                Ok(Receipt::default())
            }
            Write::MergeChange { change, commit, only_if_ready: true, .. } => {
                self.ready(*change, commit).await?;
                self.forge.perform(&intent.id, &intent.write, self.clock.now()).await
            }
            write => self.forge.perform(&intent.id, write, self.clock.now()).await,
        }
    }
}

impl Writer {
    /// That nothing at the forge speaks against merging the change. Whether it is open and at this commit is seen by
    /// the merge itself, which finds one that was done before, too.
    async fn ready(&self, change: ChangeNumber, commit: &CommitId) -> Result<(), Failure> {
        let Some(standing) = self.forge.standing(change, commit).await? else { return Ok(()) };
        let asks = standing.state == ChangeState::Open && standing.head == *commit;
        let Some(why) = standing.hindrance().filter(|_| asks) else { return Ok(()) };
        let message = format!("merge change #{change}: {}", one_line(&why, 500));
        let failure = Failure::new(FailureClass::Rejected, message);
        Err(failure.hint("a later run of the flow merges it once its checks and its reviewers agree"))
    }
}

/// Where no mail and no chat is configured.
pub(crate) struct Silent;

#[async_trait]
impl Notify for Silent {
    async fn tell(&self, channel: Channel, _: &IntentId, _: Note<'_>) -> Result<(), Failure> {
        let message = format!("nobody can be told by {} here", channel.as_str());
        Err(Failure::new(FailureClass::Unavailable, message))
    }
}
