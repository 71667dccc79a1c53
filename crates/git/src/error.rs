//! What can go wrong around the git program, and what people can do about each of it.

use std::io;
use std::path::{Path, PathBuf};

use miyabi_core::failure::{Failure, FailureClass};
use serde_json::json;

use crate::remote::RemoteError;

/// Why git, or the file system below it, did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The program is not there.
    #[error("start the git program `{}`", program.display())]
    Missing {
        /// What was started.
        program: PathBuf,
        /// Why it did not start.
        #[source]
        source: io::Error,
    },
    /// The program lacks `merge-tree --write-tree`.
    #[error("git {found} is older than {needed}")]
    TooOld {
        /// What it calls itself.
        found: String,
        /// The oldest that can be used.
        needed: &'static str,
    },
    /// No repository holds this folder.
    #[error("`{}` is not in a git repository", path.display())]
    NotARepository {
        /// The folder.
        path: PathBuf,
    },
    /// Git does not trust the owner of the folder.
    #[error("git refuses `{}`, because somebody else owns it", path.display())]
    Distrusted {
        /// The folder.
        path: PathBuf,
    },
    /// The repository has no checkout.
    #[error("`{}` is a bare repository", path.display())]
    Bare {
        /// The repository.
        path: PathBuf,
    },
    /// The repository has no commit.
    #[error("`{}` has no commit", path.display())]
    NoCommit {
        /// The main checkout.
        path: PathBuf,
    },
    /// The main checkout is on no branch.
    #[error("the checkout `{}` is on no branch", path.display())]
    NoBranch {
        /// The main checkout.
        path: PathBuf,
    },
    /// A name that cannot be a folder, branch, commit or file.
    #[error("{what} `{name}` {why}")]
    Name {
        /// Which kind of name.
        what: &'static str,
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is no such commit or branch.
    #[error("there is no {what} `{name}`")]
    Unknown {
        /// `commit` or `branch`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Something that is not ours is where a worktree is to be.
    #[error("`{}` is in the way: {why}", path.display())]
    Occupied {
        /// Where.
        path: PathBuf,
        /// What it is.
        why: &'static str,
    },
    /// No worktree of ours has this name.
    #[error("`{name}` is no worktree of miyabi")]
    NotOurs {
        /// The name.
        name: String,
    },
    /// Someone has the branch checked out.
    #[error("the branch `{branch}` is checked out at `{}`", path.display())]
    BranchBusy {
        /// The branch.
        branch: String,
        /// Where.
        path: PathBuf,
    },
    /// Another branch's name is a folder of this one's, or the other way round.
    #[error("the branch `{branch}` cannot exist beside `{other}`")]
    BranchClash {
        /// The branch that was wanted.
        branch: String,
        /// The one that is there.
        other: String,
    },
    /// A branch was moved by others each time it was about to be moved.
    #[error("the branch `{branch}` keeps moving")]
    Moved {
        /// The branch.
        branch: String,
    },
    /// Repositories inside a worktree, whose content git does not take.
    #[error("the worktree `{worktree}` holds repositories of its own: {}", list(paths))]
    Nested {
        /// The worktree.
        worktree: String,
        /// Their paths in it.
        paths: Vec<String>,
        /// Whether they were found while committing an agent's work.
        committing: bool,
    },
    /// Uncommitted changes are in the way.
    #[error("uncommitted changes in `{}` are in the way: {}", path.display(), list(files))]
    Dirty {
        /// The checkout.
        path: PathBuf,
        /// The files, or what is in progress there.
        files: Vec<String>,
    },
    /// The disk is full.
    #[error("no space left on the disk: {detail}")]
    DiskFull {
        /// What was being written.
        detail: String,
    },
    /// A lock file of git's is there.
    #[error("git is locked: {detail}")]
    Locked {
        /// What git says.
        detail: String,
    },
    /// Git read its books about worktrees while another git had begun to write about a new one.
    #[error("git met a worktree that is just being made: {detail}")]
    HalfMade {
        /// What git says.
        detail: String,
    },
    /// A call took too long and was stopped.
    #[error("`{call}` took longer than {seconds} s")]
    TimedOut {
        /// The call.
        call: String,
        /// The limit.
        seconds: u64,
    },
    /// A call failed for another reason.
    #[error("`{call}` ended with {code}: {stderr}")]
    Failed {
        /// The call.
        call: String,
        /// The exit code, or `a signal`.
        code: String,
        /// What it said.
        stderr: String,
    },
    /// A file or folder could not be read or written.
    #[error("{what} `{}`", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// An answer that this version does not understand.
    #[error("git answered `{call}` in an unknown form")]
    Answer {
        /// The call.
        call: &'static str,
    },
    /// The remote.
    #[error(transparent)]
    Remote(Box<RemoteError>),
    /// Our own task broke.
    #[error("the work on the repository broke off")]
    BrokeOff {
        /// How.
        #[source]
        source: tokio::task::JoinError,
    },
}

impl GitError {
    pub(crate) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { what, path: path.to_owned(), source }
    }

    /// The error of a call that ended badly, by what it said. Messages are in the C locale.
    pub(crate) fn of_call(call: String, code: Option<i32>, stderr: &str) -> Self {
        let stderr: String = stderr.trim().chars().take(2000).collect();
        // Checkouts do not say why they could not write a file that they could open: the disk is what is left.
        let full =
            ["No space left on device", "Out of diskspace", "Disk quota exceeded", "unable to write file"];
        if full.iter().any(|words| stderr.contains(words)) {
            let said = stderr.lines().next().unwrap_or_default();
            return Self::DiskFull { detail: format!("`{call}`: {said}") };
        }
        if stderr.contains(".lock': File exists") {
            return Self::Locked { detail: stderr };
        }
        if stderr.contains("failed to read") && stderr.contains("commondir") {
            return Self::HalfMade { detail: stderr };
        }
        let code = code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        Self::Failed { call, code, stderr }
    }
}

impl From<RemoteError> for GitError {
    fn from(error: RemoteError) -> Self {
        Self::Remote(Box::new(error))
    }
}

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        let error = match error {
            GitError::Remote(error) => return (*error).into(),
            error => error,
        };
        let class = class(&error);
        let failure = Failure::caused(class, &error);
        let failure = match hint(&error) {
            Some(hint) => failure.hint(hint),
            None => failure,
        };
        match error {
            GitError::Nested { paths, .. } => failure.evidence(json!({ "nested_repositories": paths })),
            GitError::Dirty { files, .. } => failure.evidence(json!({ "files": files })),
            _ => failure,
        }
    }
}

fn class(error: &GitError) -> FailureClass {
    use GitError as E;
    match error {
        E::Missing { .. } | E::TooOld { .. } => FailureClass::Unavailable,
        E::Nested { committing: true, .. } => FailureClass::AgentFailed,
        E::NotARepository { .. }
        | E::Distrusted { .. }
        | E::Bare { .. }
        | E::NoCommit { .. }
        | E::NoBranch { .. }
        | E::Name { .. }
        | E::Unknown { .. }
        | E::Occupied { .. }
        | E::NotOurs { .. }
        | E::BranchBusy { .. }
        | E::BranchClash { .. }
        | E::Nested { .. } => FailureClass::Input,
        E::Dirty { .. } => FailureClass::DirtyCheckout,
        E::DiskFull { .. } => FailureClass::Exhausted,
        E::Io { source, .. } if is_full(source) => FailureClass::Exhausted,
        E::Moved { .. } | E::Locked { .. } | E::HalfMade { .. } | E::TimedOut { .. } => {
            FailureClass::Transient
        }
        E::Failed { .. } | E::Io { .. } | E::Remote(_) => FailureClass::Permanent,
        E::Answer { .. } | E::BrokeOff { .. } => FailureClass::Internal,
    }
}

fn hint(error: &GitError) -> Option<String> {
    use GitError as E;
    let text = match error {
        E::Missing { .. } => "install git 2.38 or newer and have it in PATH",
        E::TooOld { .. } => "install a newer git; `git merge-tree --write-tree` is needed",
        E::NotARepository { .. } => "go to a repository, or make one with `git init` and a first commit",
        E::Distrusted { .. } => {
            "tell git that you trust it: `git config --global --add safe.directory <path>`"
        }
        E::Bare { .. } => "clone it and work in the clone: `git clone <path>`",
        E::NoCommit { .. } => "make a first commit: `git add -A` and `git commit -m 'Begin'`",
        E::NoBranch { .. } => "check out the branch that changes go into: `git switch main`",
        E::Occupied { .. } => "move it away, or remove it if nothing in it is needed",
        E::NotOurs { .. } => "`miyabi worktree list` shows the ones there are",
        E::BranchBusy { .. } => "check out another branch there",
        E::BranchClash { .. } => "rename the branch that is there: `git branch -m <old> <new>`",
        E::Moved { .. } => "something else moves it at the same time; try again when that has ended",
        E::Nested { committing: true, .. } => {
            "remove the `.git` folder in each, so that their files belong to the task"
        }
        E::Nested { .. } => "move them out of the worktree, so that nothing in them is lost",
        E::Dirty { .. } => "commit or stash them first",
        E::DiskFull { .. } => {
            "free some space; `miyabi worktree prune` removes worktrees that are no longer needed"
        }
        E::Io { source, .. } if is_full(source) => "free some space; `miyabi worktree prune` helps",
        E::Locked { .. } => {
            "another git program works there; if none does, remove the lock file that is named"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn list(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(10).map(|name| format!("`{}`", name.escape_debug())).collect();
    let more = names.len().saturating_sub(shown.len());
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    shown.join(", ") + &tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_says_decides_the_class() {
        let class_of = |stderr: &str| {
            let failure = Failure::from(GitError::of_call("git checkout".into(), Some(128), stderr));
            (failure.class, failure.hint.is_some())
        };
        assert_eq!(
            class_of("error: unable to write file a.rs: No space left on device"),
            (FailureClass::Exhausted, true)
        );
        assert_eq!(
            class_of("fatal: Unable to create '/r/.git/index.lock': File exists."),
            (FailureClass::Transient, true)
        );
        assert_eq!(class_of("fatal: 壊れた"), (FailureClass::Permanent, false));
    }

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<String> = (0..12).map(|n| format!("f{n}\n")).collect();
        assert!(list(&names).ends_with("`f9\\n` and 2 more"));
    }
}
