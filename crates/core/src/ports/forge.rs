//! Where issues and changes live.

use async_trait::async_trait;
use jiff::Timestamp;

use super::Failure;
use crate::commit_mark::CommitMark;
use crate::facts::{Fact, Survey};
use crate::ids::{ChangeNumber, CommitId, IntentId, IssueNumber};
use crate::intent::{Receipt, Write};
use crate::issue::{Change, ChangeState, Comment, Issue, NewIssue};
use crate::standing::{Ci, Standing};

/// Where issues and changes live.
#[async_trait]
pub trait Forge: Send + Sync {
    /// The issue, if there is one of that number.
    async fn issue(&self, number: IssueNumber) -> Result<Option<Issue>, Failure>;

    /// Its comments, oldest first.
    async fn comments(&self, number: IssueNumber) -> Result<Vec<Comment>, Failure>;

    /// The change, if there is one of that number.
    async fn change(&self, number: ChangeNumber) -> Result<Option<Change>, Failure>;

    /// How a change stands, with what CI and reviewers say of this commit; `None` if there is no such change.
    ///
    /// What is here fits a forge without CI and without reviews.
    async fn standing(&self, number: ChangeNumber, _commit: &CommitId) -> Result<Option<Standing>, Failure> {
        let change = self.change(number).await?;
        Ok(change.map(|Change { state, merge_commit, head_commit, .. }| Standing {
            state,
            by: None,
            merge_commit,
            head: head_commit,
            ci: Ci::NotConfigured,
            remarks: Vec::new(),
        }))
    }

    /// What there is to see of a change, at its head as it is now; `None` if there is no such change. Only what is `wanted`
    /// is looked up.
    ///
    /// What is here fits a forge without CI and without reviews.
    async fn survey(&self, number: ChangeNumber, _wanted: &[Fact]) -> Result<Option<Survey>, Failure> {
        Ok(self.change(number).await?.map(Survey::of))
    }

    /// Does the write, unless the forge shows that it was done already; either way it is done once.
    ///
    /// `id` goes into the hidden marker of bodies. Errors: `BaseMoved`, `Conflict` or `DirtyCheckout` when a change cannot be
    /// merged as it is; `Input` when what is written to does not exist; `Transient` when trying again may help.
    async fn perform(&self, id: &IntentId, write: &Write, at: Timestamp) -> Result<Receipt, Failure>;
}

/// What a change is opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewChange {
    /// The issue it answers; 0: none.
    pub issue: IssueNumber,
    /// One line.
    pub title: String,
    /// Markdown.
    pub body: String,
    /// The branch with the work.
    pub head: String,
    /// The branch it goes into.
    pub base: String,
    /// The reviewed commit.
    pub commit: CommitId,
}

/// The memory of the local forge: plain facts without rules.
#[async_trait]
pub trait LocalRecords: Send + Sync {
    /// Files an issue under the wanted or the next free number; issues and changes share their numbers.
    /// Errors: `Input` when the wanted number is taken.
    async fn create_issue(&self, issue: &NewIssue, at: Timestamp) -> Result<Issue, Failure>;
    /// The issue, if there is one of that number.
    async fn local_issue(&self, number: IssueNumber) -> Result<Option<Issue>, Failure>;
    /// All issues, newest first; open ones only unless `all`.
    async fn local_issues(&self, all: bool) -> Result<Vec<Issue>, Failure>;
    /// Replaces the labels of an issue or change and whether the issue is open. Errors: `Input` if there is none.
    async fn set_issue(&self, number: IssueNumber, labels: &[String], open: bool) -> Result<(), Failure>;
    /// Comments of an issue or change, oldest first.
    async fn local_comments(&self, number: IssueNumber) -> Result<Vec<Comment>, Failure>;
    /// Adds the comment; one with the same key on the same issue is replaced instead. Says whether it was replaced.
    async fn put_comment(&self, comment: &Comment) -> Result<bool, Failure>;
    /// Opens a change, or brings the open change of the same head up to date. Says whether it was there.
    async fn put_change(&self, change: &NewChange, at: Timestamp) -> Result<(Change, bool), Failure>;
    /// The change, if there is one of that number.
    async fn local_change(&self, number: ChangeNumber) -> Result<Option<Change>, Failure>;
    /// All changes, newest first.
    async fn local_changes(&self) -> Result<Vec<Change>, Failure>;
    /// What is said at the commit, in the order in which it was said first.
    async fn local_marks(&self, commit: &CommitId) -> Result<Vec<CommitMark>, Failure>;
    /// Says it at its commit; one of the same kind and key there is replaced instead. Says whether it was replaced.
    async fn put_mark(&self, mark: &CommitMark, at: Timestamp) -> Result<bool, Failure>;
    /// Sets how far a change is.
    async fn set_change(
        &self,
        number: ChangeNumber,
        state: ChangeState,
        merge_commit: Option<&CommitId>,
    ) -> Result<(), Failure>;
}
