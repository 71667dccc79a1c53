//! How a secret gets to git without an argument, a variable, a file or a setting: git asks a program, the program asks
//! us over a socket, and we answer from memory.
//!
//! The socket lies in a private folder and is served during one call. It answers a peer of our own user that knows a
//! nonce, and only questions about the host that the call is for.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream as Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::geteuid;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::remote::Login;

/// The variable that names the socket; where it is set, the program was started to answer git.
pub const SOCKET: &str = "MIYABI_ASKPASS_SOCKET";
/// The variable with the nonce.
pub const NONCE: &str = "MIYABI_ASKPASS_NONCE";

/// The longest question, in bytes.
const LONGEST: u64 = 8 * 1024;
/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why git gets no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskpassError {
    /// Nobody listens, or not any more.
    #[error("ask for the login of a git remote")]
    Socket(#[source] std::io::Error),
    /// The question is about another host, or the nonce is wrong.
    #[error("the login is not for what git asks for")]
    Refused,
}

/// Answers git, where this program was started as its `GIT_ASKPASS`: the first argument is the prompt, the answer
/// belongs on standard output with a line end behind it. `None` where it was not.
///
/// Errors: it has no answer; the program ends with a code other than 0 then.
pub fn answer(
    prompt: &str,
    env: impl Fn(&str) -> Option<OsString>,
) -> Option<Result<SecretString, AskpassError>> {
    let socket = PathBuf::from(env(SOCKET)?);
    let nonce = env(NONCE).unwrap_or_default();
    let asked = ask(&socket, &nonce.to_string_lossy(), prompt).map_err(AskpassError::Socket);
    Some(asked.and_then(|answer| answer.ok_or(AskpassError::Refused)))
}

fn ask(socket: &Path, nonce: &str, prompt: &str) -> std::io::Result<Option<SecretString>> {
    let mut connection = Connection::connect(socket)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    connection.write_all(format!("{nonce}\n{prompt}").as_bytes())?;
    connection.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    connection.take(LONGEST).read_to_string(&mut answer)?;
    Ok(answer.strip_prefix('=').map(SecretString::from))
}

/// Whom the answers go to: one socket for one call, closed when this is dropped.
#[derive(Debug)]
pub(crate) struct Desk {
    socket: PathBuf,
    nonce: String,
    server: JoinHandle<()>,
}

/// What the desk knows.
struct Knowledge {
    login: Login,
    /// `scheme://host[:port]` that the login is for.
    origin: String,
    nonce: String,
}

impl Desk {
    /// Begins to answer on a socket in that folder, which nobody else may enter.
    pub(crate) fn open(folder: &Path, login: Login, origin: &str) -> std::io::Result<Self> {
        let socket = folder.join("askpass");
        let listener = UnixListener::bind(&socket)?;
        let nonce = nonce()?;
        let knowledge = Arc::new(Knowledge { login, origin: origin.to_owned(), nonce: nonce.clone() });
        Ok(Self { socket, nonce, server: tokio::spawn(serve(listener, knowledge)) })
    }

    /// The variables for git that lead to this desk.
    pub(crate) fn variables(&self) -> [(&'static str, OsString); 2] {
        [(SOCKET, self.socket.clone().into()), (NONCE, self.nonce.clone().into())]
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: UnixListener, knowledge: Arc<Knowledge>) {
    // Connections live in a set, so that they end together with the desk; a silent one does not stop the others.
    let mut connections = JoinSet::new();
    while let Ok((connection, _)) = listener.accept().await {
        let knowledge = Arc::clone(&knowledge);
        connections.spawn(async move {
            let _ = tokio::time::timeout(PATIENCE, attend(connection, &knowledge)).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn attend(mut connection: UnixStream, knowledge: &Knowledge) -> std::io::Result<()> {
    if connection.peer_cred()?.uid() != geteuid().as_raw() {
        return Ok(());
    }
    let (read, mut write) = connection.split();
    let mut question = String::new();
    read.take(LONGEST).read_to_string(&mut question).await?;
    let Some((nonce, prompt)) = question.split_once('\n') else { return Ok(()) };
    if !same(nonce.as_bytes(), knowledge.nonce.as_bytes()) {
        return Ok(());
    }
    let answer = match Question::parse(prompt, &knowledge.origin) {
        Some(Question::User) => knowledge.login.user.as_str(),
        Some(Question::Secret) => knowledge.login.secret.expose_secret(),
        None => return Ok(()),
    };
    write.write_all(b"=").await?;
    write.write_all(answer.as_bytes()).await
}

/// What git wants to know.
#[derive(Debug, PartialEq)]
enum Question {
    User,
    Secret,
}

impl Question {
    /// Reads `Password for 'https://user@host':`; none if it is about another origin.
    fn parse(prompt: &str, origin: &str) -> Option<Self> {
        let (kind, rest) = prompt.split_once(" for '")?;
        let (url, end) = rest.rsplit_once('\'')?;
        let (scheme, rest) = url.split_once("://")?;
        // In a user name `@` is escaped.
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host).trim_end_matches('/');
        let theirs = format!("{scheme}://{host}");
        match (kind, end.trim(), theirs.eq_ignore_ascii_case(origin)) {
            ("Username", ":", true) => Some(Self::User),
            ("Password", ":", true) => Some(Self::Secret),
            _ => None,
        }
    }
}

/// 128 random bits as text.
fn nonce() -> std::io::Result<String> {
    let mut bytes = [0_u8; 16];
    let got = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    if got != bytes.len() {
        return Err(std::io::Error::other("too little randomness"));
    }
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Compares in a time that does not tell where they differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Login {
        Login { user: "x-access-token".to_owned(), secret: SecretString::from("s3cr3t-秘密") }
    }

    #[test]
    fn only_questions_about_the_host_are_understood() {
        let parse = |prompt| Question::parse(prompt, "https://host.example:8443");
        assert_eq!(parse("Username for 'https://host.example:8443': "), Some(Question::User));
        assert_eq!(parse("Password for 'https://a%40b@HOST.example:8443': "), Some(Question::Secret));
        for other in [
            "Password for 'https://x@other.example:8443': ",
            "Password for 'https://host.example:8443@other.example': ",
            "Password for 'http://x@host.example:8443': ",
            "Password for 'https://x@host.example': ",
            "Enter passphrase for key '/home/x/.ssh/id': ",
            "Password for '",
            "日本",
            "",
            "Password for ''",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_answer_needs_the_nonce_and_ends_with_the_desk() {
        let folder = tempfile::tempdir().unwrap();
        let desk = Desk::open(folder.path(), login(), "https://host").unwrap();
        let [(_, socket), (_, nonce)] = desk.variables();
        let ask = |nonce: OsString, prompt: &'static str| {
            let socket = socket.clone();
            let env = move |name: &str| match name {
                SOCKET => Some(socket.clone()),
                NONCE => Some(nonce.clone()),
                _ => None,
            };
            tokio::task::spawn_blocking(move || answer(prompt, env).unwrap())
        };
        // One that says nothing is in nobody's way.
        let _silent = Connection::connect(Path::new(&socket)).unwrap();
        let user = ask(nonce.clone(), "Username for 'https://host': ").await.unwrap().unwrap();
        assert_eq!(user.expose_secret(), "x-access-token");
        let secret = ask(nonce.clone(), "Password for 'https://x-access-token@host': ").await.unwrap();
        assert_eq!(secret.unwrap().expose_secret(), "s3cr3t-秘密");
        let wrong = ask("0".repeat(32).into(), "Password for 'https://x@host': ").await.unwrap();
        assert!(matches!(wrong, Err(AskpassError::Refused)));
        let other = ask(nonce.clone(), "Password for 'https://x@other': ").await.unwrap();
        assert!(matches!(other, Err(AskpassError::Refused)));
        assert!(!format!("{desk:?}").contains("s3cr3t"));
        drop(desk);
        folder.close().unwrap();
        let late = ask(nonce.clone(), "Password for 'https://x@host': ").await.unwrap();
        assert!(matches!(late, Err(AskpassError::Socket(_))));
        assert!(answer("Password for 'https://x@host': ", |_| None).is_none());
    }
}
