//! Merging a change: only at the commit that was reviewed, only once, whatever crashed in between.

use jiff::Timestamp;
use miyabi_core::ids::{ChangeNumber, CommitId};
use miyabi_core::intent::Receipt;
use miyabi_core::issue::{Change, ChangeState};
use miyabi_core::ports::Failure;
use miyabi_core::worktree::{LandSpec, Landed};

use super::{ForgeError, LocalForge};
use crate::text::one_line;

impl LocalForge {
    /// Brings the reviewed commit of a change into its base branch and records it.
    ///
    /// Landing comes before recording: a crash between the two is found by the next try, which sees the commit on
    /// the base branch and only records it.
    pub(super) async fn merge_change(
        &self,
        number: ChangeNumber,
        commit: &CommitId,
        title: &str,
        at: Timestamp,
    ) -> Result<Receipt, Failure> {
        let Some(change) = self.records.local_change(number).await? else {
            return Err(ForgeError::NoChange(number).into());
        };
        if change.head_commit != *commit {
            let found = Some(change.head_commit.clone());
            return Err(head_moved(&change, commit, found).into());
        }
        match change.state {
            ChangeState::Merged => return Ok(merged(&change, change.merge_commit.clone(), true)),
            ChangeState::Closed => return Err(ForgeError::Closed(number).into()),
            ChangeState::Open => {}
        }
        let tip = self.worktrees.tip(&change.head).await?;
        if tip.as_ref() != Some(commit) {
            return Err(head_moved(&change, commit, tip).into());
        }
        let spec = LandSpec {
            base: change.base.clone(),
            head: commit.clone(),
            message: message(&change, title),
            at,
        };
        match self.worktrees.land(&spec).await? {
            Landed::Done { commit: tip, already } => {
                self.records.set_change(number, ChangeState::Merged, Some(&tip)).await?;
                Ok(merged(&change, Some(tip), already))
            }
            Landed::BaseMoved { base } => {
                Err(ForgeError::BaseMoved { change: number, branch: change.base, base }.into())
            }
        }
    }
}

fn head_moved(change: &Change, reviewed: &CommitId, found: Option<CommitId>) -> ForgeError {
    ForgeError::HeadMoved {
        change: change.number,
        head: change.head.clone(),
        reviewed: reviewed.clone(),
        found,
    }
}

fn merged(change: &Change, merge_commit: Option<CommitId>, found: bool) -> Receipt {
    Receipt {
        change: Some(change.number),
        merge_commit,
        url: Some(change.url.clone()),
        found,
        ..Receipt::default()
    }
}

/// The message of the merge commit. The title is untrusted and stays on its line.
fn message(change: &Change, title: &str) -> String {
    let title = one_line(title);
    let title = if title.is_empty() { one_line(&change.title) } else { title };
    format!("{title}\n\nCloses #{}\n", change.issue)
}
