//! What is in the commits of a repository, without a checkout.

use async_trait::async_trait;

use super::Failure;
use crate::evidence::Lines;
use crate::ids::CommitId;
use crate::story::TreeFile;

/// Reads commits. Each method costs one or two processes, however much is asked for.
#[async_trait]
pub trait Contents: Send + Sync {
    /// The commit and those before it, newest first, at most so many. Errors: there is no such commit.
    async fn ancestors(&self, commit: &CommitId, limit: u32) -> Result<Vec<CommitId>, Failure>;

    /// Every file of a commit, with the id of its content. Errors: there is no such commit.
    async fn files(&self, commit: &CommitId) -> Result<Vec<TreeFile>, Failure>;

    /// SHA-256 of lines of contents, given as `(content, lines)`, in the order asked for; `None` where the content or
    /// its lines are not there. Contents pass by and are not kept.
    async fn digests(&self, wanted: &[(String, Lines)]) -> Result<Vec<Option<String>>, Failure>;

    /// These contents in the order asked for; `None` for what is not there or has more than `limit` bytes.
    async fn contents(&self, blobs: &[String], limit: usize) -> Result<Vec<Option<Vec<u8>>>, Failure>;
}
