//! Clones that are kept, for work on repositories that nobody has checked out here.
//!
//! A clone is made in a hidden sibling and renamed when it is complete, under a lock that other processes wait for:
//! what a killed one leaves behind never looks whole, and goes with the next call.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use miyabi_core::failure::Failure;

use crate::error::GitError;
use crate::folders;
use crate::lock::Locks;
use crate::remote::{Address, Place, RemoteError, RemoteOptions, Transport};
use crate::repository::{Options, Repository};
use crate::runner::{Call, Git};

/// What became of a clone that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloned {
    /// It was made.
    Made,
    /// It was there; it holds what the remote has, and its checkout stands at the newest commit of its branch.
    Current,
    /// It was there and holds what the remote has, but its checkout was left as it is: it has changes or commits of
    /// its own, is on no branch, or on one that the remote does not have.
    Behind,
}

/// Has a plain clone of the repository at that URL in the folder, up to date: `origin` is the URL, the remote's default
/// branch is checked out. Two processes at once: one clones, the other waits for it and updates.
///
/// Of the options the credentials count, and not the address. The checkout is moved forward only where it is clean.
/// Errors: `Input` when something else is in the folder or the address holds credentials; those of the remote.
pub async fn clone_into(url: &str, folder: &Path, remote: &RemoteOptions) -> Result<Cloned, Failure> {
    let (url, folder, remote) = (url.to_owned(), folder.to_owned(), remote.clone());
    crate::worktrees::carry(async move { obtain(&url, &folder, &remote).await }).await
}

async fn obtain(url: &str, folder: &Path, remote: &RemoteOptions) -> Result<Cloned, RemoteError> {
    let options = Options::default();
    let git = Git::new(&options.program, options.deadline);
    let refuse = |why| RemoteError::Occupied { path: folder.to_owned(), why };
    let folder = std::path::absolute(folder).map_err(|source| GitError::io("find", folder, source))?;
    let parent = folder.parent().ok_or_else(|| refuse("it is the root of the file system"))?;
    let name =
        folder.file_name().and_then(|name| name.to_str()).ok_or_else(|| refuse("its name is not text"))?;
    fs::create_dir_all(parent).map_err(|source| GitError::io("make", parent, source))?;
    let transport = Transport::new(&git, Address::parse(url, parent)?, remote)?;
    let locks = Locks::new(parent.to_owned());
    let _held = locks.hold(&format!(".{name}")).await?;
    remove_leftovers(parent, name)?;
    match fs::read_dir(&folder).map(|mut entries| entries.next().is_some()) {
        Ok(true) => update(&git, &transport, &folder).await,
        // An empty folder gives way.
        Ok(false) => make(&git, &transport, parent, name, &folder).await,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make(&git, &transport, parent, name, &folder).await
        }
        Err(error) if error.kind() == ErrorKind::NotADirectory => Err(refuse("it is a file")),
        Err(source) => Err(GitError::io("read", &folder, source).into()),
    }
}

fn leftover(name: &str) -> String {
    format!(".{name}.partial-")
}

/// Removes what calls that were killed left behind. The lock is held, so that nobody works in it.
fn remove_leftovers(parent: &Path, name: &str) -> Result<(), GitError> {
    let io = |source| GitError::io("read", parent, source);
    for entry in fs::read_dir(parent).map_err(io)? {
        let entry = entry.map_err(io)?;
        if entry.file_name().to_string_lossy().starts_with(&leftover(name)) {
            let path = entry.path();
            folders::remove(&path).map_err(|source| GitError::io("remove", &path, source))?;
        }
    }
    Ok(())
}

async fn make(
    git: &Git,
    transport: &Transport,
    parent: &Path,
    name: &str,
    folder: &Path,
) -> Result<Cloned, RemoteError> {
    let partial = tempfile::Builder::new()
        .prefix(&leftover(name))
        .tempdir_in(parent)
        .map_err(|source| GitError::io("make a folder in", parent, source))?;
    let checkout = partial.path().join("clone");
    let Some(path) = checkout.to_str() else {
        return Err(RemoteError::Occupied { path: checkout, why: "its path is not text" });
    };
    let arguments = ["clone", "--quiet", "--no-checkout", "--no-recurse-submodules", "--template="];
    let mut arguments: Vec<String> = arguments.map(str::to_owned).into();
    arguments
        .extend(["--origin=origin", "--no-local", "--", transport.address.url(), path].map(str::to_owned));
    let told = transport.talk(git, &Place::Nowhere, &arguments).await?;
    if !told.success {
        return Err(RemoteError::of_call(transport.address.url(), &told.said));
    }
    // The files are written as in every other checkout here, with the user's own filters.
    if git.run(Call::look(&checkout, &["rev-parse", "--verify", "-q", "HEAD^{commit}"])).await?.success() {
        git.ok(Call::write(&checkout, &["reset", "--quiet", "--hard", "HEAD"])).await?;
    }
    fs::rename(&checkout, folder).map_err(|source| GitError::io("put the clone at", folder, source))?;
    Ok(Cloned::Made)
}

async fn update(git: &Git, transport: &Transport, folder: &Path) -> Result<Cloned, RemoteError> {
    let refuse = |why| RemoteError::Occupied { path: folder.to_owned(), why };
    if !folder.join(".git").exists() {
        return Err(refuse("it is no clone"));
    }
    let repository = Repository::find(folder, Options::default())?;
    let here: PathBuf = folder.canonicalize().map_err(|source| GitError::io("find", folder, source))?;
    if repository.root != here {
        return Err(refuse("it is a worktree of another repository"));
    }
    let origin = git.run(Call::look(folder, &["config", "--local", "--get", "remote.origin.url"])).await?;
    if String::from_utf8_lossy(&origin.stdout).trim_end_matches('\n') != transport.address.url() {
        return Err(refuse("it is a clone of another repository"));
    }
    let arguments = ["fetch", "--quiet", "--prune", "--no-recurse-submodules", "--no-write-fetch-head"];
    let mut arguments: Vec<String> = arguments.map(str::to_owned).into();
    arguments.extend(["--no-auto-maintenance", "--", transport.address.url()].map(str::to_owned));
    arguments.push("+refs/heads/*:refs/remotes/origin/*".to_owned());
    let told = transport.talk(git, &repository.place(), &arguments).await?;
    if !told.success {
        return Err(RemoteError::of_call(transport.address.url(), &told.said));
    }
    Ok(if forward(git, folder).await? { Cloned::Current } else { Cloned::Behind })
}

/// Moves a clean checkout to what its branch is at the remote; whether it stands there now.
async fn forward(git: &Git, folder: &Path) -> Result<bool, GitError> {
    let branch = git.run(Call::look(folder, &["symbolic-ref", "--quiet", "HEAD"])).await?;
    let branch = String::from_utf8_lossy(&branch.stdout).trim().to_owned();
    let Some(branch) = branch.strip_prefix("refs/heads/") else { return Ok(false) };
    let newest = format!("refs/remotes/origin/{branch}");
    let look = Call::look(folder, &["status", "--porcelain", "-z", "--untracked-files=no"]);
    let clean = git.ok(look).await?.is_empty();
    if clean && git.run(Call::look(folder, &["rev-parse", "--verify", "-q", &newest])).await?.success() {
        let arguments =
            ["merge", "--ff-only", "--quiet", "--no-stat", "--no-autostash", "--no-verify-signatures"];
        // Where it cannot be moved without harm, git says so and leaves it.
        if !git.run(Call::write(folder, &arguments).arg(&newest)).await?.success() {
            return Ok(false);
        }
    }
    let both = git.run(Call::look(folder, &["rev-parse", "HEAD"]).arg(&newest)).await?;
    let text = String::from_utf8_lossy(&both.stdout);
    let mut ids = text.lines();
    Ok(clean && both.success() && ids.next() == ids.next())
}
