//! GitHub: the forge of most teams, through octocrab.
//!
//! Reads may be repeated and are remembered by `ETag`; a write is looked up before it is sent, and sent once. A limit
//! of requests is a failure that says when to come back, never a sleep.

mod access;
mod cache;
mod change;
mod changes;
mod client;
mod error;
mod jwt;
mod limiter;
mod look;
mod marks;
mod merge;
mod options;
mod payload;
mod setup;
mod standing;
mod survey;
mod talk;
mod wire;

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use miyabi_core::facts::{Fact, Survey};
use miyabi_core::ids::{ChangeNumber, CommitId, IntentId, IssueNumber};
use miyabi_core::intent::{Receipt, Write};
use miyabi_core::issue::{Change, Comment, Issue};
use miyabi_core::ports::{Failure, Forge, NewChange};
use miyabi_core::standing::Standing;
use tokio::sync::Mutex;

pub use error::GitHubError;
pub use limiter::Limiter;
pub use look::{IssueFilter, SeenComment};
pub use options::{App, Auth, GitHubOptions, MergeMethod, RepoName};
pub use setup::LabelSync;

use client::Client;
use payload::PullPayload;

/// One repository on GitHub.
pub struct GitHubForge {
    client: Client,
    merge: Vec<MergeMethod>,
    /// Writes look first and write then; within this process nobody comes between. GitHub asks for the same.
    writing: Mutex<()>,
}

impl GitHubForge {
    /// A forge for this repository. Nothing is asked yet. To be called within a tokio runtime.
    ///
    /// Errors: an address, token or key that cannot be used, each as its own variant.
    pub fn new(options: GitHubOptions) -> Result<Self, GitHubError> {
        if options.merge.is_empty() {
            return Err(GitHubError::NoMergeMethod);
        }
        Ok(Self { client: Client::new(&options)?, merge: options.merge, writing: Mutex::new(()) })
    }

    /// The repository.
    pub fn repo(&self) -> &RepoName {
        self.client.repo()
    }
}

impl fmt::Debug for GitHubForge {
    /// Names the repository, never who we are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHubForge").field("repo", &self.repo().to_string()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Forge for GitHubForge {
    async fn issue(&self, number: IssueNumber) -> Result<Option<Issue>, Failure> {
        Ok(self.find_issue(number).await?)
    }

    async fn comments(&self, number: IssueNumber) -> Result<Vec<Comment>, Failure> {
        Ok(self.find_comments(number).await?)
    }

    async fn change(&self, number: ChangeNumber) -> Result<Option<Change>, Failure> {
        Ok(self.find_pull(number).await?.map(PullPayload::change))
    }

    async fn standing(&self, number: ChangeNumber, commit: &CommitId) -> Result<Option<Standing>, Failure> {
        Ok(self.find_standing(number, commit).await?)
    }

    async fn survey(&self, number: ChangeNumber, wanted: &[Fact]) -> Result<Option<Survey>, Failure> {
        Ok(self.find_survey(number, wanted).await?)
    }

    async fn perform(&self, id: &IntentId, write: &Write, _at: Timestamp) -> Result<Receipt, Failure> {
        let _writing = self.writing.lock().await;
        let receipt = match write {
            Write::Comment { issue, key, body } => self.put_comment(*issue, key, body).await,
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
                self.open_change(id, &change).await
            }
            Write::MergeChange { change, commit, title, .. } => {
                self.merge_change(*change, commit, title).await
            }
            Write::CommitStatus(status) => self.put_status(status).await,
            Write::CheckRun(check) => self.put_check_run(check).await,
            Write::DeleteBranch { .. } => Err(GitHubError::NotHere("a branch of a remote")),
            Write::Notify { .. } => Err(GitHubError::NotHere("a message to people")),
            Write::CloseIssue { issue } => self.close_issue(*issue).await,
        };
        Ok(receipt?)
    }
}
