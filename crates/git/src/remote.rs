//! The remote: where it is, who logs in there, and what may be said to it.

mod address;
mod branches;
mod error;
mod records;
mod room;
mod talk;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use miyabi_core::failure::Failure;
use miyabi_core::ids::CommitId;
use miyabi_core::ports::{PushSpec, Pushed, Remote};
use secrecy::SecretString;

pub use error::{RemoteError, Trouble};

pub(crate) use address::Address;
pub(crate) use room::Format;
pub(crate) use talk::{Place, Transport};

use crate::error::GitError;
use crate::repository::Repository;
use crate::worktrees::carry;

/// A remote, and how to log in there.
#[derive(Clone)]
pub struct RemoteOptions {
    /// A URL, the path of a repository, or the name of a remote of the local repository. A URL holds no credentials.
    pub name_or_url: String,
    /// Asked before each call that talks to the remote over HTTP.
    pub credentials: Arc<dyn Credentials>,
    /// The program that git asks for the login: it hands over to [`askpass::answer`](crate::askpass::answer).
    pub askpass: PathBuf,
}

impl fmt::Debug for RemoteOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As nothing has looked at it yet, the address may hold a secret.
        f.debug_struct("RemoteOptions").field("askpass", &self.askpass).finish_non_exhaustive()
    }
}

/// Who logs in at a remote.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// A login that is good now; `None`: nobody in particular. Asked again when the remote refuses an answer, which
    /// may have expired: what is handed out twice in a row was not renewed.
    async fn login(&self, url: &str) -> Result<Option<Login>, Failure>;
}

/// A user name and what proves it.
#[derive(Clone, Debug)]
pub struct Login {
    /// Such as `x-access-token`.
    pub user: String,
    /// A token or password; one line.
    pub secret: SecretString,
}

/// The remote of a repository: the port [`Remote`].
///
/// Cheap to clone. What is begun is carried to its end even if the caller stops waiting for it.
#[derive(Clone, Debug)]
pub struct GitRemote {
    repository: Arc<Repository>,
    transport: Arc<Transport>,
}

impl GitRemote {
    pub(crate) fn of(repository: &Arc<Repository>) -> Option<Self> {
        let transport = repository.transport.clone()?;
        Some(Self { repository: Arc::clone(repository), transport })
    }

    /// The same, once no git of a dead process writes there any more.
    async fn settled(&self) -> Result<Self, GitError> {
        self.repository.settle().await?;
        Ok(self.clone())
    }
}

#[async_trait]
impl Remote for GitRemote {
    async fn fetch(&self, branch: &str) -> Result<Option<CommitId>, Failure> {
        let (own, branch) = (self.settled().await?, branch.to_owned());
        carry(async move { own.repository.fetch_branch(&own.transport, &branch).await }).await
    }

    async fn push(&self, spec: &PushSpec) -> Result<Pushed, Failure> {
        let (own, spec) = (self.settled().await?, spec.clone());
        carry(async move { own.repository.push_branch(&own.transport, &spec).await }).await
    }

    async fn delete(&self, branch: &str, expected: &CommitId) -> Result<bool, Failure> {
        let (own, branch, expected) = (self.settled().await?, branch.to_owned(), expected.clone());
        carry(async move { own.repository.delete_branch(&own.transport, &branch, &expected).await }).await
    }
}
