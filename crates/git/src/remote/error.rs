//! What can go wrong with a remote, read from what git says about it.

use std::io;

use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::CommitId;
use serde_json::json;

use crate::error::GitError;

/// Why a remote did not take or give what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// An address that is not used.
    #[error("the remote's address {why}")]
    Address {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The address holds a user name or password.
    #[error("the remote's URL holds credentials")]
    CredentialsInUrl,
    /// The repository has no remote of that name.
    #[error("the repository has no remote `{name}`")]
    NoSuchRemote {
        /// The name.
        name: String,
    },
    /// No login could be had.
    #[error("log in at the remote: {0}")]
    Login(Failure),
    /// A login that is not one line each.
    #[error("the login for the remote holds control characters")]
    LoginShape,
    /// The remote knows neither the address nor why, or refuses, or is not there.
    #[error("{trouble} at `{url}`: {said}")]
    Trouble {
        /// What kind of trouble.
        trouble: Trouble,
        /// The remote.
        url: String,
        /// What git and the remote said.
        said: String,
    },
    /// The remote's rules for the branch.
    #[error("the remote protects the branch `{branch}`: {said}")]
    Protected {
        /// The branch.
        branch: String,
        /// What it said.
        said: String,
    },
    /// The remote does not take the branch for another reason.
    #[error("the remote refuses the branch `{branch}`: {said}")]
    Rejected {
        /// The branch.
        branch: String,
        /// What it said.
        said: String,
    },
    /// Somebody else's commit stands there.
    #[error(
        "the remote's branch `{branch}` holds `{there}`, which is not in `{wanted}` and was not pushed from here"
    )]
    Foreign {
        /// The branch.
        branch: String,
        /// What stands there.
        there: CommitId,
        /// What was to be put there.
        wanted: CommitId,
    },
    /// The branch to be deleted stands elsewhere.
    #[error("the remote's branch `{branch}` holds `{there}` and not `{expected}`")]
    Moved {
        /// The branch.
        branch: String,
        /// What stands there.
        there: CommitId,
        /// What was expected there.
        expected: CommitId,
    },
    /// The folder for a clone holds something else.
    #[error("`{}` is in the way of the clone: {why}", path.display())]
    Occupied {
        /// The folder.
        path: std::path::PathBuf,
        /// What it is.
        why: &'static str,
    },
    /// Our own folder for the call.
    #[error("prepare the call to the remote")]
    Room(#[source] io::Error),
    /// Git itself.
    #[error(transparent)]
    Git(#[from] GitError),
}

/// Kinds of trouble with a remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// 401, or a key that is not taken.
    #[error("the login is refused")]
    LoginRefused,
    /// The remote wants a login, and there is none.
    #[error("a login is needed")]
    LoginNeeded,
    /// 403.
    #[error("the login has no right to this")]
    Forbidden,
    /// No such repository, or none that the login may see.
    #[error("there is no repository that this login may see")]
    NotFound,
    /// No way there.
    #[error("the remote is not reached")]
    Unreachable,
    /// Its certificate or host key is not trusted.
    #[error("the remote is not trusted")]
    Untrusted,
    /// 429, 5xx, or a connection that broke.
    #[error("the remote broke off")]
    BrokeOff,
    /// No room there.
    #[error("the remote's disk is full")]
    RemoteFull,
    /// Anything else.
    #[error("git failed")]
    Unknown,
}

impl Trouble {
    /// What git's words mean, in the C locale; none if they are not known.
    ///
    /// Lines that the remote chose itself begin with `remote:`, and count for its own disk only.
    pub(crate) fn of(said: &str) -> Option<Self> {
        let (theirs, ours): (Vec<&str>, Vec<&str>) =
            said.lines().partition(|line| line.starts_with("remote:"));
        let has = |lines: &[&str], words: &[&str]| {
            lines.iter().any(|line| words.iter().any(|words| line.contains(words)))
        };
        if has(&theirs, &["No space left on device", "Disk quota exceeded"]) {
            return Some(Self::RemoteFull);
        }
        let known: [(Self, &[&str]); 7] = [
            (
                Self::LoginRefused,
                &["Authentication failed for", "Permission denied (", "returned error: 401", "HTTP 401"],
            ),
            (Self::LoginNeeded, &["could not read Username", "could not read Password"]),
            (Self::Forbidden, &["returned error: 403", "HTTP 403"]),
            (
                Self::NotFound,
                &[
                    "returned error: 404",
                    "HTTP 404",
                    "does not appear to be a git repository",
                    "epository not found",
                ],
            ),
            (Self::Untrusted, &["certificate", "Host key verification failed", "SSL peer"]),
            (
                Self::Unreachable,
                &[
                    "Could not resolve",
                    "Failed to connect",
                    "Couldn't connect",
                    "Could not connect",
                    "Connection refused",
                    "Connection timed out",
                    "timed out after",
                    "Network is unreachable",
                    "No route to host",
                ],
            ),
            (
                Self::BrokeOff,
                &[
                    "returned error: 5",
                    "HTTP 5",
                    "returned error: 429",
                    "HTTP 429",
                    "Empty reply",
                    "hung up",
                    "Connection reset",
                    "Recv failure",
                    "Send failure",
                    "early EOF",
                    "transfer closed",
                    "unexpected disconnect",
                    "too slow",
                    "remote failure",
                ],
            ),
        ];
        let found = known.into_iter().find(|(_, words)| has(&ours, words)).map(|(trouble, _)| trouble);
        // `fatal: repository 'http://…' not found`
        let missing = |line: &&str| {
            line.contains("repository '")
                && ["' not found", "' does not exist"].iter().any(|end| line.ends_with(end))
        };
        found.or_else(|| ours.iter().any(missing).then_some(Self::NotFound))
    }
}

impl RemoteError {
    /// The error of a call that ended badly.
    pub(crate) fn of_call(url: &str, said: &str) -> Self {
        if let error @ (GitError::DiskFull { .. } | GitError::Locked { .. }) =
            GitError::of_call("git".to_owned(), None, &without_remote(said))
        {
            return Self::Git(error);
        }
        let trouble = Trouble::of(said).unwrap_or(Trouble::Unknown);
        Self::Trouble { trouble, url: url.to_owned(), said: said.to_owned() }
    }
}

impl From<RemoteError> for Failure {
    fn from(error: RemoteError) -> Self {
        let error = match error {
            RemoteError::Git(error) => return error.into(),
            RemoteError::Login(failure) => {
                return Self { message: format!("log in at the remote: {}", failure.message), ..failure };
            }
            error => error,
        };
        let failure = Failure::caused(class(&error), &error).hint(hint(&error));
        match error {
            RemoteError::Foreign { branch, there, wanted } => {
                failure.evidence(json!({ "branch": branch, "there": there, "wanted": wanted }))
            }
            RemoteError::Moved { branch, there, expected } => {
                failure.evidence(json!({ "branch": branch, "there": there, "expected": expected }))
            }
            RemoteError::Protected { branch, said } | RemoteError::Rejected { branch, said } => {
                failure.evidence(json!({ "branch": branch, "said": said }))
            }
            _ => failure,
        }
    }
}

fn class(error: &RemoteError) -> FailureClass {
    use RemoteError as E;
    match error {
        E::Trouble { trouble, .. } => match trouble {
            Trouble::LoginRefused | Trouble::LoginNeeded | Trouble::Forbidden | Trouble::NotFound => {
                FailureClass::Input
            }
            Trouble::Unreachable | Trouble::Untrusted => FailureClass::Unavailable,
            Trouble::BrokeOff => FailureClass::Transient,
            Trouble::RemoteFull => FailureClass::Exhausted,
            Trouble::Unknown => FailureClass::Permanent,
        },
        E::Protected { .. } | E::Rejected { .. } | E::Foreign { .. } | E::Moved { .. } => {
            FailureClass::Permanent
        }
        E::Room(source) if source.kind() == io::ErrorKind::StorageFull => FailureClass::Exhausted,
        E::Room(_) | E::Git(_) => FailureClass::Permanent,
        E::Address { .. }
        | E::CredentialsInUrl
        | E::NoSuchRemote { .. }
        | E::Login(_)
        | E::LoginShape
        | E::Occupied { .. } => FailureClass::Input,
    }
}

fn hint(error: &RemoteError) -> &'static str {
    use RemoteError as E;
    match error {
        E::Address { .. } => "give an `https://` or SSH address, or the path of a repository",
        E::CredentialsInUrl => {
            "take them out with `git remote set-url`, and give the token to miyabi by its setting instead; \
             as it stood in a file, renew it"
        }
        E::NoSuchRemote { .. } => {
            "`git remote -v` shows those there are; `git remote add origin <url>` adds one"
        }
        E::Login(_) | E::LoginShape => "check the token that miyabi was given",
        E::Trouble { trouble, .. } => match trouble {
            Trouble::LoginRefused => {
                "check that the token has not expired, or that the SSH key is known there"
            }
            Trouble::LoginNeeded => "give miyabi a token for this host; logins are sent over `https://` only",
            Trouble::Forbidden => "give the token the right to write the repository's contents",
            Trouble::NotFound => "check the address, and that the token may see this repository",
            Trouble::Unreachable => "check the network, the proxy and the host's name",
            Trouble::Untrusted => "have the host's certificate or key trusted by git on this machine",
            Trouble::BrokeOff => "it will be tried again",
            Trouble::RemoteFull => "free some space on the remote",
            Trouble::Unknown => "try the same with git by hand",
        },
        E::Protected { .. } => "allow miyabi's account to push there, or choose another branch prefix",
        E::Rejected { .. } => "see what the remote says; its hooks and rules decide",
        E::Foreign { .. } => {
            "look at what was pushed there; merge it into the work, or delete that branch at the remote"
        }
        E::Moved { .. } => "look at what was pushed there before it is deleted",
        E::Occupied { .. } => "move it away, or choose another folder",
        E::Room(_) => "check that the folder for temporary files can be written",
        E::Git(_) => "see what git says",
    }
}

fn without_remote(said: &str) -> String {
    said.lines().filter(|line| !line.starts_with("remote:")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_says_decides_the_class() {
        let class_of = |said: &str| {
            let failure = Failure::from(RemoteError::of_call("https://a.example/r", said));
            assert!(failure.hint.is_some(), "{said}");
            failure.class
        };
        for (said, class) in [
            ("fatal: Authentication failed for 'https://a.example/r/'", FailureClass::Input),
            ("fatal: unable to access 'x': The requested URL returned error: 403", FailureClass::Input),
            (
                "fatal: could not read Username for 'https://a': terminal prompts disabled",
                FailureClass::Input,
            ),
            ("fatal: repository 'https://a.example/日本/' not found", FailureClass::Input),
            ("fatal: unable to access 'x': Could not resolve host: a.example", FailureClass::Unavailable),
            (
                "fatal: unable to access 'x': server certificate verification failed.",
                FailureClass::Unavailable,
            ),
            (
                "error: RPC failed; HTTP 502 curl 22 The requested URL returned error: 502",
                FailureClass::Transient,
            ),
            ("fatal: the remote end hung up unexpectedly", FailureClass::Transient),
            ("remote: fatal: write error: No space left on device", FailureClass::Exhausted),
            ("fatal: write error: No space left on device", FailureClass::Exhausted),
            ("fatal: 壊れた", FailureClass::Permanent),
            ("remote: Authentication failed for your peace of mind", FailureClass::Permanent),
        ] {
            assert_eq!(class_of(said), class, "{said}");
        }
    }
}
