//! The local forge: issues, comments, labels, changes and merges of a repository that needs no remote.
//!
//! The rules are here; the memory is behind `LocalRecords`, the merge behind `Worktrees`.

mod error;
mod merge;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use miyabi_core::commit_mark::CommitMark;
use miyabi_core::ids::{ChangeNumber, CommitId, IntentId, IssueNumber};
use miyabi_core::intent::{Receipt, Write};
use miyabi_core::issue::{Change, ChangeState, Comment, Issue, NewIssue};
use miyabi_core::ports::{Failure, Forge, LocalRecords, NewChange, Worktrees};
use tokio::sync::Mutex;

pub use error::ForgeError;

use crate::text::one_line;
use crate::{labels, marker};

/// Who writes what miyabi writes.
const AUTHOR: &str = "miyabi";

/// The forge of a repository that has none: its memory is the store, its merges are local.
pub struct LocalForge {
    records: Arc<dyn LocalRecords>,
    worktrees: Arc<dyn Worktrees>,
    /// Writes look first and write then; within this process nobody comes between.
    writing: Mutex<()>,
}

impl LocalForge {
    /// A forge over this memory and this repository.
    pub fn new(records: Arc<dyn LocalRecords>, worktrees: Arc<dyn Worktrees>) -> Self {
        Self { records, worktrees, writing: Mutex::new(()) }
    }

    /// Files an issue for a person. The title becomes one line; the body is kept byte by byte.
    /// Errors: `Input` when the title is blank or the wanted number is taken.
    pub async fn file_issue(&self, issue: &NewIssue, at: Timestamp) -> Result<Issue, Failure> {
        let title = one_line(&issue.title);
        if title.is_empty() {
            return Err(ForgeError::BlankTitle.into());
        }
        let issue = NewIssue { title, labels: labels::apply(&[], &issue.labels, &[]), ..issue.clone() };
        let _writing = self.writing.lock().await;
        self.records.create_issue(&issue, at).await
    }

    /// Adds a person's comment to an issue or change. Two comments with the same text are two comments.
    /// Errors: `Input` when there is no such issue or change, or the text is blank.
    pub async fn comment(
        &self,
        number: IssueNumber,
        author: &str,
        body: &str,
        at: Timestamp,
    ) -> Result<Comment, Failure> {
        if body.trim().is_empty() {
            return Err(ForgeError::BlankComment.into());
        }
        let _writing = self.writing.lock().await;
        self.target(number).await?;
        let comment = Comment {
            issue: number,
            author: author.to_owned(),
            body: marker::neutral(body),
            key: None,
            created_at: at,
            updated_at: at,
        };
        self.records.put_comment(&comment).await?;
        Ok(comment)
    }

    /// Issues, newest first; open ones only unless `all`.
    pub async fn issues(&self, all: bool) -> Result<Vec<Issue>, Failure> {
        self.records.local_issues(all).await
    }

    /// Changes, newest first, whatever came of them.
    pub async fn changes(&self) -> Result<Vec<Change>, Failure> {
        self.records.local_changes().await
    }

    /// What was said at the commit, in the order in which it was said first.
    pub async fn marks(&self, commit: &CommitId) -> Result<Vec<CommitMark>, Failure> {
        self.records.local_marks(commit).await
    }

    async fn put_comment(
        &self,
        number: IssueNumber,
        key: &str,
        body: &str,
        at: Timestamp,
    ) -> Result<Receipt, Failure> {
        let target = self.target(number).await?;
        let body = marker::marked(body, key);
        let there = self.records.local_comments(number).await?;
        let there = there.into_iter().find(|comment| comment.key.as_deref() == Some(key));
        let receipt = Receipt { url: Some(target.url), ..Receipt::default() };
        if there.as_ref().is_some_and(|comment| comment.body == body) {
            return Ok(Receipt { found: true, ..receipt });
        }
        let comment = Comment {
            issue: number,
            author: AUTHOR.to_owned(),
            body,
            key: Some(key.to_owned()),
            created_at: there.map_or(at, |comment| comment.created_at),
            updated_at: at,
        };
        self.records.put_comment(&comment).await?;
        Ok(receipt)
    }

    /// Says it at the commit, unless it says so already. Nothing here waits for it: what runs said is for people.
    async fn put_mark(&self, mark: CommitMark, at: Timestamp) -> Result<Receipt, Failure> {
        let url = match &mark {
            CommitMark::Status(status) => status.url.clone(),
            CommitMark::CheckRun(check) => check.url.clone(),
        };
        let found = self.records.local_marks(mark.commit()).await?.contains(&mark);
        if !found {
            self.records.put_mark(&mark, at).await?;
        }
        Ok(Receipt { url, found, ..Receipt::default() })
    }

    async fn put_labels(
        &self,
        number: IssueNumber,
        add: &[String],
        remove: &[String],
    ) -> Result<Receipt, Failure> {
        let target = self.target(number).await?;
        let labels = labels::apply(&target.labels, add, remove);
        let found = labels == target.labels;
        if !found {
            self.records.set_issue(number, &labels, target.open).await?;
        }
        Ok(Receipt { url: Some(target.url), found, ..Receipt::default() })
    }

    async fn open_change(&self, id: &IntentId, change: NewChange, at: Timestamp) -> Result<Receipt, Failure> {
        if change.issue > 0 && self.records.local_issue(change.issue).await?.is_none() {
            return Err(ForgeError::NoIssue(change.issue).into());
        }
        // An answer may have been lost for so long that a person merged the change in the meantime.
        let merged = self.records.local_changes().await?.into_iter().find(|known| {
            known.state == ChangeState::Merged
                && known.head == change.head
                && known.base == change.base
                && known.head_commit == change.commit
        });
        if let Some(merged) = merged {
            return Ok(opened(merged, true));
        }
        let title = one_line(&change.title);
        if title.is_empty() {
            return Err(ForgeError::BlankTitle.into());
        }
        let change = NewChange { title, body: marker::marked(&change.body, id.as_str()), ..change };
        let (change, found) = self.records.put_change(&change, at).await?;
        Ok(opened(change, found))
    }

    async fn close_issue(&self, number: IssueNumber) -> Result<Receipt, Failure> {
        let Some(issue) = self.records.local_issue(number).await? else {
            return Err(ForgeError::NoIssue(number).into());
        };
        if issue.open {
            self.records.set_issue(number, &issue.labels, false).await?;
        }
        Ok(Receipt { url: Some(issue.url), found: !issue.open, ..Receipt::default() })
    }

    /// What has this number, issue or change, as far as comments and labels need to know it.
    async fn target(&self, number: IssueNumber) -> Result<Target, Failure> {
        if let Some(issue) = self.records.local_issue(number).await? {
            return Ok(Target { url: issue.url, labels: issue.labels, open: issue.open });
        }
        match self.records.local_change(number).await? {
            Some(change) => {
                let open = change.state == ChangeState::Open;
                Ok(Target { url: change.url, labels: change.labels, open })
            }
            None => Err(ForgeError::NoIssue(number).into()),
        }
    }
}

struct Target {
    url: String,
    labels: Vec<String>,
    open: bool,
}

#[async_trait]
impl Forge for LocalForge {
    async fn issue(&self, number: IssueNumber) -> Result<Option<Issue>, Failure> {
        self.records.local_issue(number).await
    }

    async fn comments(&self, number: IssueNumber) -> Result<Vec<Comment>, Failure> {
        self.records.local_comments(number).await
    }

    async fn change(&self, number: ChangeNumber) -> Result<Option<Change>, Failure> {
        self.records.local_change(number).await
    }

    async fn perform(&self, id: &IntentId, write: &Write, at: Timestamp) -> Result<Receipt, Failure> {
        let _writing = self.writing.lock().await;
        match write {
            Write::Comment { issue, key, body } => self.put_comment(*issue, key, body, at).await,
            Write::Labels { issue, add, remove } => self.put_labels(*issue, add, remove).await,
            Write::OpenChange { issue, title, body, head, base, commit } => {
                let change = NewChange {
                    issue: *issue,
                    title: title.clone(),
                    body: body.clone(),
                    head: head.clone(),
                    base: base.clone(),
                    commit: commit.clone(),
                };
                self.open_change(id, change, at).await
            }
            Write::MergeChange { change, commit, title, .. } => {
                self.merge_change(*change, commit, title, at).await
            }
            Write::CommitStatus(status) => self.put_mark(CommitMark::Status(status.clone()), at).await,
            Write::CheckRun(check) => self.put_mark(CommitMark::CheckRun(check.clone()), at).await,
            Write::DeleteBranch { .. } => Err(ForgeError::NotHere("a branch of a remote").into()),
            Write::Notify { .. } => Err(ForgeError::NotHere("a message to people").into()),
            Write::CloseIssue { issue } => self.close_issue(*issue).await,
        }
    }
}

fn opened(change: Change, found: bool) -> Receipt {
    Receipt {
        change: Some(change.number),
        merge_commit: change.merge_commit,
        url: Some(change.url),
        found,
        ..Receipt::default()
    }
}
