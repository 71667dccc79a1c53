//! What a forge on GitHub needs to know, read once into types that cannot be wrong.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use miyabi_core::ports::Clock;
use secrecy::SecretString;

use super::{GitHubError, Limiter};

/// Where GitHub's own API is.
pub(super) const API_URL: &str = "https://api.github.com";

/// What a [`GitHubForge`](super::GitHubForge) is made of.
#[derive(Clone)]
pub struct GitHubOptions {
    /// Where the API is: `https://api.github.com`, or `https://<host>/api/v3` for a GitHub Enterprise Server. Plain
    /// `http` is accepted for this machine only, because the token travels with every request.
    pub api_url: String,
    /// The repository.
    pub repo: RepoName,
    /// Who we are.
    pub auth: Auth,
    /// Time: for tokens that expire and limits that end.
    pub clock: Arc<dyn Clock>,
    /// The longest that one request may take, from the connection to the last byte.
    pub deadline: Duration,
    /// Ways to merge, the preferred one first. The first one that the repository allows is taken.
    pub merge: Vec<MergeMethod>,
    /// Shared by all forges that use the same credentials: when one of them is told to wait, all do.
    pub limiter: Limiter,
}

impl GitHubOptions {
    /// For a repository on github.com: 30 seconds for a request; a merge commit is preferred, because it alone keeps
    /// the commits of the tasks, with their trailers, in the history of the base branch.
    pub fn new(repo: RepoName, auth: Auth, clock: Arc<dyn Clock>) -> Self {
        Self {
            api_url: API_URL.to_owned(),
            repo,
            auth,
            clock,
            deadline: Duration::from_secs(30),
            merge: vec![MergeMethod::Merge, MergeMethod::Squash, MergeMethod::Rebase],
            limiter: Limiter::default(),
        }
    }
}

/// Who we are on GitHub. Secrets do not show in `Debug`.
#[derive(Clone, Debug)]
pub enum Auth {
    /// A personal token, or any other token that is given ready-made.
    Token(SecretString),
    /// A GitHub App, which makes its own tokens.
    App(App),
}

/// A GitHub App.
#[derive(Clone, Debug)]
pub struct App {
    /// Its id.
    pub id: u64,
    /// Its private key, as the PEM that GitHub gave out.
    pub private_key: SecretString,
    /// Its installation; looked up by repository if not given.
    pub installation: Option<u64>,
}

/// How a change is brought into its base branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeMethod {
    /// By a merge commit.
    Merge,
    /// As one commit.
    Squash,
    /// Commit by commit.
    Rebase,
}

impl MergeMethod {
    /// GitHub's word.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Squash => "squash",
            Self::Rebase => "rebase",
        }
    }
}

/// A repository on a forge: `owner/name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RepoName {
    owner: String,
    name: String,
}

impl RepoName {
    /// The user or organisation.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The name within it.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for RepoName {
    type Err = GitHubError;

    /// Letters, digits, `-`, `_` and `.` on both sides of one `/`, as GitHub names them.
    fn from_str(text: &str) -> Result<Self, GitHubError> {
        let plain = |part: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            !part.is_empty() && part.len() <= 100 && part != "." && part != ".." && part.chars().all(known)
        };
        match text.split_once('/') {
            Some((owner, name)) if plain(owner) && plain(name) => {
                Ok(Self { owner: owner.to_owned(), name: name.to_owned() })
            }
            _ => Err(GitHubError::BadRepo(text.to_owned())),
        }
    }
}

impl fmt::Display for RepoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

/// The address of an API, checked: `(scheme and host, path before every route)`.
pub(super) fn api_base(url: &str) -> Result<(http::Uri, String), GitHubError> {
    let bad = |why: &'static str| GitHubError::BadUrl { why };
    let uri = url.trim().trim_end_matches('/').parse::<http::Uri>().map_err(|_| bad("it cannot be read"))?;
    let host = uri.host().unwrap_or_default().to_owned();
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(bad("it holds credentials"));
    }
    if uri.query().is_some() {
        return Err(bad("it holds a query"));
    }
    let here = matches!(host.as_str(), "localhost" | "[::1]") || host.starts_with("127.");
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if here => {}
        Some("http") => return Err(bad("the token would travel in the clear; use https")),
        _ => return Err(bad("it does not begin with https://")),
    }
    let path = uri.path().trim_end_matches('/').to_owned();
    Ok((uri, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_have_two_plain_names() {
        let name: RepoName = "my-org/repo_1.rs".parse().unwrap();
        assert_eq!(
            (name.owner(), name.name(), name.to_string().as_str()),
            ("my-org", "repo_1.rs", "my-org/repo_1.rs")
        );
        for text in
            ["", "a", "a/", "/b", "a/b/c", "a/..", "../b", "a b/c", "所有者/b", "a/b?x", "a/$(id)", "a/b#1"]
        {
            assert!(matches!(text.parse::<RepoName>(), Err(GitHubError::BadRepo(_))), "{text}");
        }
    }

    #[test]
    fn addresses_are_checked() {
        let path = |url: &str| api_base(url).map(|(_, path)| path).map_err(|error| error.to_string());
        assert_eq!(path("https://api.github.com"), Ok(String::new()));
        assert_eq!(path("https://git.example/api/v3/"), Ok("/api/v3".to_owned()));
        assert_eq!(path("http://127.0.0.1:4100"), Ok(String::new()));
        for url in [
            "",
            "api.github.com",
            "ftp://x",
            "http://git.example",
            "https://me:secret@git.example",
            "https://x/?a",
            "雅",
        ] {
            let message = path(url).unwrap_err();
            assert!(message.starts_with("the address of GitHub's API cannot be used: "), "{url}: {message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }
}
