//! Changes that come as text.

use std::path::Path;

use async_trait::async_trait;

use super::Failure;
use crate::patch::{PatchRules, Patched};

/// Reads a worktree for those who cannot, and puts their patches into it. Follows no link.
#[async_trait]
pub trait Patches: Send + Sync {
    /// The paths of all files that are part of the work, in their order; ignored ones are not.
    async fn files(&self, worktree: &Path) -> Result<Vec<String>, Failure>;

    /// The text of a file of the worktree; `None` for what is not there, no plain file, no UTF-8 or above 1 MiB.
    async fn text(&self, worktree: &Path, path: &str) -> Option<String>;

    /// Puts a unified diff into the worktree, all of it or nothing.
    async fn apply(&self, worktree: &Path, diff: &str, rules: &PatchRules) -> Result<Patched, Failure>;
}
