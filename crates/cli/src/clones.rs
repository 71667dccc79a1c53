//! Repositories on GitHub that nobody checked out here: one clone for each, kept in the data folder.

use std::path::PathBuf;
use std::sync::Arc;

use miyabi_core::failure::Failure;
use miyabi_forge::{GitHubForge, RepoName};
use miyabi_git::{Cloned, clone_into};

use crate::context::Context;
use crate::error::CliError;
use crate::hosting;

/// Where the clone of that repository is, made or not.
///
/// Errors: nobody says where data is kept.
pub fn folder(context: &Context, repo: &RepoName) -> Result<PathBuf, CliError> {
    let data = context.data_folder().ok_or_else(|| {
        CliError::input("neither HOME nor XDG_DATA_HOME says where clones are kept").hint("set one of them")
    })?;
    Ok(data.join("repos").join(hosting::host(context)).join(repo.owner()).join(repo.name()))
}

/// Has the clone there, with what the remote has by now.
///
/// Errors: no credentials, no such repository, or the remote cannot be reached.
pub async fn obtain(context: &Context, repo: &RepoName) -> Result<PathBuf, CliError> {
    let folder = folder(context, repo)?;
    let settings = context.settings(None, Vec::new())?;
    let github = GitHubForge::new(hosting::named(context, repo)?).map_err(Failure::from)?;
    let github = Arc::new(github);
    let url = github.clone_url().await?;
    let remote = hosting::remote(&settings, &github)?;
    match clone_into(&url, &folder, &remote).await? {
        Cloned::Made => {
            context.output.note(&format!("cloned {repo} into {}", folder.display()));
        }
        Cloned::Current => {}
        Cloned::Behind => context.output.note(&format!(
            "note: {} has changes of its own; it was left as it is, and runs start from the remote's branch",
            folder.display()
        )),
    }
    context.output.note(&format!("other commands reach this clone with `--repo {repo}`"));
    Ok(folder)
}
