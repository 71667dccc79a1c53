//! One call to a remote, with a fresh login; what it says is data, and redacted.

use std::path::Path;

use miyabi_core::redact::Redactor;
use secrecy::ExposeSecret;

use super::address::Address;
use super::error::{RemoteError, Trouble};
use super::room::{Format, Room};
use super::{Login, RemoteOptions};
use crate::error::GitError;
use crate::runner::{Call, Git};

/// The longest that a remote's words may be, in characters.
const LONGEST: usize = 2_000;

/// Settings of the call itself: an answer that stalls for a minute is given up.
const SETTINGS: &str = "[http]\n\tfollowRedirects = initial\n\tlowSpeedLimit = 1\n\tlowSpeedTime = 60\n\
                        [credential]\n\thelper =\n[transfer]\n\tcredentialsInUrl = die\n\
                        [fetch]\n\trecurseSubmodules = false\n\twriteCommitGraph = false\n\
                        [push]\n\trecurseSubmodules = no\n\tgpgSign = false\n\tfollowTags = false\n\
                        [clone]\n\trejectShallow = false\n";

/// Settings of the user's, not of a repository's, without which some networks are not left.
const NEEDED_FOR_HTTP: [&str; 5] =
    ["http.proxy", "http.sslcainfo", "http.sslcapath", "http.proxysslcainfo", "http.sslbackend"];

/// Where the remote is and how it is talked to.
#[derive(Debug)]
pub(crate) struct Transport {
    pub(crate) address: Address,
    pub(crate) options: RemoteOptions,
    /// All settings that hold for a call, as a file of git's.
    pub(crate) settings: String,
}

/// What a call works on.
#[derive(Debug)]
pub(crate) enum Place<'a> {
    /// A repository's objects and refs.
    Repository {
        /// Its git directory.
        common: &'a Path,
        /// How it stores them.
        format: Format,
    },
    /// No repository: one is made.
    Nowhere,
}

/// How a call went.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    /// Standard error without secrets and control characters.
    pub(crate) said: String,
    /// What git noted about what it fetched.
    pub(crate) fetched: String,
}

impl Transport {
    /// The way to an address. Starts git once for the user's proxy and certificates.
    pub(crate) fn new(git: &Git, address: Address, options: &RemoteOptions) -> Result<Self, GitError> {
        let mut settings = SETTINGS.to_owned();
        if address.is_http() {
            let asked = Call::look(Path::new("/"), &["config", "--null", "--get-urlmatch", "http"]);
            let output = git.run_blocking(&asked.arg(address.url()))?;
            let text = String::from_utf8_lossy(&output.stdout);
            for (name, value) in text.split('\0').filter_map(|setting| setting.split_once('\n')) {
                if NEEDED_FOR_HTTP.contains(&name.to_ascii_lowercase().as_str()) {
                    settings += &setting(name, value);
                }
            }
        } else if address.is_ssh() {
            let asked = Call::look(Path::new("/"), &["config", "--null", "--get", "core.sshCommand"]);
            let output = git.run_blocking(&asked)?;
            let command = String::from_utf8_lossy(&output.stdout);
            let command = Some(command.trim_end_matches('\0')).filter(|command| !command.is_empty());
            // Nobody is there to be asked for a passphrase.
            settings += &setting("core.sshCommand", command.unwrap_or("ssh -o BatchMode=yes"));
        }
        Ok(Self { address, options: options.clone(), settings })
    }

    /// Runs a call to its end. A login that the remote refuses is asked for once more, as it may have expired.
    ///
    /// Errors: git cannot be started or takes too long, or there is no login.
    pub(crate) async fn talk(
        &self,
        git: &Git,
        place: &Place<'_>,
        arguments: &[String],
    ) -> Result<Told, RemoteError> {
        let first = self.login().await?;
        let named = first.is_some();
        let told = self.once(git, place, arguments, first).await?;
        if named && !told.success && Trouble::of(&told.said) == Some(Trouble::LoginRefused) {
            let again = self.login().await?;
            return self.once(git, place, arguments, again).await;
        }
        Ok(told)
    }

    async fn once(
        &self,
        git: &Git,
        place: &Place<'_>,
        arguments: &[String],
        login: Option<Login>,
    ) -> Result<Told, RemoteError> {
        let redactor = Redactor::new(login.iter().map(|login| login.secret.expose_secret().to_owned()));
        let room = Room::open(self, place, login).map_err(RemoteError::Room)?;
        let output = git.run(room.call(self, arguments)).await?;
        let fetched = match room.fetch_head() {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(RemoteError::Room(error));
            }
            fetched => fetched.unwrap_or_default(),
        };
        Ok(Told {
            success: output.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            said: plain(&redactor.redact(&output.stderr)),
            fetched,
        })
    }

    /// The login for the next call; none where it would travel in the open.
    async fn login(&self) -> Result<Option<Login>, RemoteError> {
        if self.address.origin_for_login().is_none() {
            return Ok(None);
        }
        let login = self.options.credentials.login(self.address.url()).await.map_err(RemoteError::Login)?;
        let one_line = |text: &str| !text.chars().any(char::is_control);
        match login {
            Some(login) if !one_line(&login.user) || !one_line(login.secret.expose_secret()) => {
                Err(RemoteError::LoginShape)
            }
            login => Ok(login),
        }
    }
}

/// The end of a text, without progress, colours and other control characters.
fn plain(text: &str) -> String {
    let lines = text.lines().map(|line| line.rsplit('\r').find(|part| !part.is_empty()).unwrap_or_default());
    let text: Vec<String> =
        lines.map(|line| line.chars().filter(|c| !c.is_control()).collect::<String>()).collect();
    let text = text.join("\n").trim().to_owned();
    let surplus = text.chars().count().saturating_sub(LONGEST);
    text.chars().skip(surplus).collect()
}

/// A setting as git's files write it.
fn setting(name: &str, value: &str) -> String {
    let (section, key) = name.split_once('.').unwrap_or((name, ""));
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("[{section}]\n\t{key} = \"{value}\"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_remote_lose_what_terminals_would_obey() {
        assert_eq!(plain("  5%\r 50%\rdone\r\n\u{1b}[31mremote: 拒否\u{7}\n"), "done\n[31mremote: 拒否");
        let long = plain(&format!("{}end", "あ".repeat(3_000)));
        assert_eq!((long.chars().count(), long.ends_with("end")), (LONGEST, true));
    }

    #[test]
    fn settings_are_quoted() {
        assert_eq!(setting("http.proxy", "a\"b\\c\nd # e"), "[http]\n\tproxy = \"a\\\"b\\\\c\\nd # e\"\n");
    }
}
