//! Where a repository's issues and changes live: on GitHub when it is configured and the remote leads there, otherwise
//! here. The one place that reads GitHub's credentials.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use async_trait::async_trait;
use miyabi_core::failure::Failure;
use miyabi_forge::{App, Auth, GitHubForge, GitHubOptions, MergeMethod as Method, RepoName};
use miyabi_git::{Credentials, Login, RemoteOptions};
use secrecy::SecretString;

use crate::context::Context;
use crate::error::CliError;
use crate::exit;
use crate::settings::{ForgeKind, MergeMethod, Settings};
use crate::surroundings::SystemClock;

const API_URL: &str = "MIYABI_GITHUB_API_URL";
const APP_ID: &str = "MIYABI_GITHUB_APP_ID";
const APP_KEY: &str = "MIYABI_GITHUB_APP_PRIVATE_KEY_FILE";
const TOKENS: [&str; 3] = ["MIYABI_GITHUB_TOKEN", "GITHUB_TOKEN", "GH_TOKEN"];

/// What a forge on GitHub is made of; `None` when the repository's issues are kept here.
///
/// Errors: `forge.kind` is `github` and something that it needs is missing or cannot be read.
pub fn github(
    context: &Context,
    settings: &Settings,
    root: &Path,
) -> Result<Option<GitHubOptions>, CliError> {
    if settings.forge.kind == ForgeKind::Local {
        return Ok(None);
    }
    let wanted = settings.forge.kind == ForgeKind::Github;
    let Some(auth) = auth(context)? else {
        return if wanted { Err(no_credentials("`forge.kind` is `github`")) } else { Ok(None) };
    };
    let api = api(context);
    let named = if settings.forge.repo.is_empty() {
        let url = remote_url(root, &settings.forge.remote);
        url.as_deref().and_then(repo_of).filter(|(host, _)| wanted || serves(api, host)).map(|(_, repo)| repo)
    } else {
        Some(settings.forge.repo.clone())
    };
    let Some(named) = named else {
        return if wanted { Err(no_repo(&settings.forge.remote)) } else { Ok(None) };
    };
    let repo: RepoName = named.parse().map_err(Failure::from)?;
    let mut options = options(api, repo, auth);
    match settings.forge.merge_method {
        MergeMethod::Auto => {}
        MergeMethod::Merge => options.merge = vec![Method::Merge],
        MergeMethod::Squash => options.merge = vec![Method::Squash],
        MergeMethod::Rebase => options.merge = vec![Method::Rebase],
    }
    Ok(Some(options))
}

/// What a forge on GitHub is made of for a repository that was named.
///
/// Errors: no credentials.
pub fn named(context: &Context, repo: &RepoName) -> Result<GitHubOptions, CliError> {
    let auth = auth(context)?.ok_or_else(|| no_credentials(&format!("{repo} is on GitHub")))?;
    Ok(options(api(context), repo.clone(), auth))
}

/// The host of the forge, as a folder may be called.
pub fn host(context: &Context) -> String {
    let host = host_of(api(context));
    host.strip_prefix("api.").unwrap_or(&host).to_owned()
}

fn api(context: &Context) -> &str {
    context.var(API_URL).unwrap_or("https://api.github.com")
}

fn options(api: &str, repo: RepoName, auth: Auth) -> GitHubOptions {
    let mut options = GitHubOptions::new(repo, auth, Arc::new(SystemClock));
    api.clone_into(&mut options.api_url);
    options
}

/// The git remote of a repository on GitHub: whoever speaks to the API logs in there, too.
pub fn remote(settings: &Settings, github: &Arc<GitHubForge>) -> Result<RemoteOptions, CliError> {
    let askpass = own_program().map_err(|error| {
        CliError::new(exit::UNAVAILABLE, "find miyabi's own program").because(error.to_string())
    })?;
    let credentials = Arc::new(GitLogin(Arc::clone(github)));
    Ok(RemoteOptions { name_or_url: settings.forge.remote.clone(), credentials, askpass })
}

/// The program that runs here, by a path that stays good when its file is replaced by a newer one meanwhile: git asks
/// the same program that started it.
pub(crate) fn own_program() -> std::io::Result<PathBuf> {
    let own = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
    if own.exists() { Ok(own) } else { std::env::current_exe() }
}

/// Logs git in with the token of the API.
struct GitLogin(Arc<GitHubForge>);

#[async_trait]
impl Credentials for GitLogin {
    async fn login(&self, _: &str) -> Result<Option<Login>, Failure> {
        // The name that GitHub wants beside any token.
        Ok(Some(Login { user: "x-access-token".to_owned(), secret: self.0.token().await? }))
    }
}

/// An App counts more than a token: whoever sets one up means it.
fn auth(context: &Context) -> Result<Option<Auth>, CliError> {
    if let Some(id) = context.var(APP_ID) {
        let id = id.trim().parse().map_err(|_| {
            CliError::input(format!("`{APP_ID}` is not a number"))
                .hint("the App's settings page on GitHub shows its id")
        })?;
        let path = context.var(APP_KEY).ok_or_else(|| {
            CliError::input(format!("`{APP_ID}` is set and `{APP_KEY}` is not"))
                .hint("set it to the PEM file that GitHub gave out for the App")
        })?;
        let path = context.cwd.join(path);
        let key = std::fs::read_to_string(&path)
            .map_err(|error| CliError::file("read the App's private key", &path, &error))?;
        return Ok(Some(Auth::App(App { id, private_key: key.into(), installation: None })));
    }
    let token = TOKENS.into_iter().find_map(|name| context.var(name));
    Ok(token.map(|token| Auth::Token(SecretString::from(token.to_owned()))))
}

fn no_credentials(why: &str) -> CliError {
    CliError::input(format!("{why}, and no credentials are set"))
        .hint(format!("set {} to a token, or {APP_ID} and {APP_KEY} to an App", TOKENS[0]))
}

fn no_repo(remote: &str) -> CliError {
    CliError::input(format!("the remote `{remote}` does not say which repository on GitHub this is"))
        .hint("set `forge.repo` to `owner/name` in miyabi.toml")
}

/// The address of a remote of that repository, as git resolves it.
fn remote_url(root: &Path, remote: &str) -> Option<String> {
    let output = Command::new("git")
        .args(["remote", "get-url", "--", remote])
        .current_dir(root)
        .env_remove("GIT_DIR")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let url = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !url.is_empty()).then_some(url)
}

/// Host and `owner/name` of an address such as `git@github.com:acme/shop.git`.
pub fn repo_of(url: &str) -> Option<(String, String)> {
    let (host, path) = match url.split_once("://") {
        Some((_, rest)) => {
            let (host, path) = rest.split_once('/')?;
            (host.rsplit_once('@').map_or(host, |(_, host)| host), path)
        }
        None => {
            let (host, path) = url.split_once(':')?;
            (host.rsplit_once('@').map_or(host, |(_, host)| host), path)
        }
    };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let host = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let repo: RepoName = path.parse().ok()?;
    (!host.is_empty() && !host.contains('/')).then(|| (host, repo.to_string()))
}

/// Whether the API at that address is the one of the forge on that host.
fn serves(api: &str, host: &str) -> bool {
    let of_api = host_of(api);
    of_api == host || of_api.strip_prefix("api.").is_some_and(|rest| rest == host)
}

/// The host in an address with a scheme.
fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', ':']).next().unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_that_runs_here_is_found_by_what_runs() {
        let metadata = |path: &Path| std::fs::metadata(path).expect("it runs");
        let (own, file) =
            (metadata(&own_program().expect("it runs")), std::env::current_exe().expect("it runs"));
        assert_eq!(
            std::os::unix::fs::MetadataExt::ino(&own),
            std::os::unix::fs::MetadataExt::ino(&metadata(&file))
        );
    }

    #[test]
    fn addresses_say_which_repository_it_is() {
        let of = |url| repo_of(url).map(|(host, repo)| format!("{host} {repo}"));
        for url in [
            "https://github.com/acme/shop.git",
            "https://x-access-token:secret@github.com/acme/shop",
            "git@github.com:acme/shop.git",
            "ssh://git@github.com:22/acme/shop.git/",
            "https://GitHub.com/acme/shop/",
        ] {
            assert_eq!(of(url).as_deref(), Some("github.com acme/shop"), "{url}");
        }
        for url in [
            "",
            "/srv/git/shop.git",
            "../shop",
            "file:///srv/acme/shop.git/x",
            "https://github.com/acme",
            "C:x",
        ] {
            assert_eq!(of(url), None, "{url}");
        }
    }

    #[test]
    fn an_api_serves_its_own_host() {
        for (api, host, yes) in [
            ("https://api.github.com", "github.com", true),
            ("https://git.example/api/v3", "git.example", true),
            ("http://127.0.0.1:4100", "127.0.0.1", true),
            ("https://api.github.com", "gitlab.com", false),
            ("https://api.github.com", "evil-github.com", false),
        ] {
            assert_eq!(serves(api, host), yes, "{api} {host}");
        }
    }
}
