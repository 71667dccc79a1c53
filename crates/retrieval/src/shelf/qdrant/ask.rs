//! Asking the server: again if that may help, and in words that say what to do if not.

use std::time::{Duration, Instant};

use http::Uri;
use miyabi_core::failure::{Failure, FailureClass};
use qdrant_client::{Qdrant, QdrantError};
use secrecy::{ExposeSecret, SecretString};

/// The port of Qdrant's gRPC where an address names none.
const PORT: u16 = 6334;
/// How long is waited before each further try of what may pass.
const WAITS: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(400), Duration::from_millis(1500)];
/// What the server may ask to be left alone for before it is given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// Characters of a server's answer that are shown.
const SHOWN: usize = 500;

/// The codes of gRPC that mean something here.
mod code {
    pub(super) const CANCELLED: i32 = 1;
    /// Also what the client says of a connection that broke.
    pub(super) const UNKNOWN: i32 = 2;
    pub(super) const INVALID_ARGUMENT: i32 = 3;
    pub(super) const DEADLINE_EXCEEDED: i32 = 4;
    pub(super) const NOT_FOUND: i32 = 5;
    pub(super) const PERMISSION_DENIED: i32 = 7;
    pub(super) const RESOURCE_EXHAUSTED: i32 = 8;
    pub(super) const ABORTED: i32 = 10;
    pub(super) const UNIMPLEMENTED: i32 = 12;
    pub(super) const INTERNAL: i32 = 13;
    pub(super) const UNAVAILABLE: i32 = 14;
    pub(super) const UNAUTHENTICATED: i32 = 16;
}

/// A server, and what it is called.
pub(super) struct Server {
    pub(super) client: Qdrant,
    pub(super) url: String,
    timeout: Duration,
}

/// What did not work.
pub(super) struct Failed {
    failure: Failure,
    /// Whether the collection is not there.
    pub(super) missing: bool,
    /// Whether it may work if it is tried again, and after which wait, where the server says so.
    again: Option<Option<Duration>>,
}

impl From<Failed> for Failure {
    fn from(failed: Failed) -> Self {
        failed.failure
    }
}

impl Server {
    /// Nothing is sent yet.
    pub(super) fn new(url: &str, key: Option<&SecretString>, timeout: Duration) -> Result<Self, Failure> {
        let url = address(url)?;
        let key = key.map(|key| key.expose_secret()).filter(|key| !key.is_empty());
        // The client would quote such a key in its error.
        if key.is_some_and(|key| !key.chars().all(|it| it.is_ascii_graphic())) {
            let message =
                format!("the API key for Qdrant at {url} holds characters that no header can carry");
            return Err(Failure::new(FailureClass::Input, message)
                .hint("give the key as the server has it, without spaces or line breaks"));
        }
        let mut builder = Qdrant::from_url(&url)
            .timeout(timeout)
            .connect_timeout(timeout)
            // It would ask on another thread and print what it found; the version is asked for here.
            .skip_compatibility_check();
        builder.api_key = key.map(str::to_owned);
        let client = builder.build().map_err(|error| {
            Failure::new(FailureClass::Input, format!("cannot use the address of Qdrant `{url}`: {error}"))
        })?;
        Ok(Self { client, url, timeout })
    }

    /// Sends a request until it is answered, refused, or given up: a server that is slow to say nothing is not asked as
    /// often as one that turns us away at once. All requests here can be sent twice.
    pub(super) async fn ask<T, F>(
        &self,
        what: &str,
        request: impl Fn() -> F + Send + Sync,
    ) -> Result<T, Failed>
    where
        F: Future<Output = Result<T, QdrantError>> + Send,
    {
        let mut waits = WAITS.into_iter();
        let begun = Instant::now();
        loop {
            let failed = match request().await {
                Ok(answer) => return Ok(answer),
                Err(error) => self.failed(what, error),
            };
            match (failed.again, waits.next()) {
                (Some(asked), Some(ours))
                    if asked.is_none_or(|asked| asked <= PATIENCE) && begun.elapsed() < self.timeout =>
                {
                    pause(asked.unwrap_or_default().max(ours)).await;
                }
                _ => return Err(failed),
            }
        }
    }

    fn failed(&self, what: &str, error: QdrantError) -> Failed {
        let url = &self.url;
        let (code, told, wait) = match error {
            QdrantError::ResponseError { status } => {
                (status.code() as i32, status.message().to_owned(), None)
            }
            QdrantError::ResourceExhaustedError { status, retry_after_seconds } => (
                code::RESOURCE_EXHAUSTED,
                status.message().to_owned(),
                Some(Duration::from_secs(retry_after_seconds)),
            ),
            other => (code::INTERNAL, other.to_string(), None),
        };
        let told = shown(&told);
        let failed = |class, message: String, hint: &str, again| Failed {
            failure: Failure::new(class, message).hint(hint),
            missing: code == code::NOT_FOUND,
            again,
        };
        let gone = "see that Qdrant runs, and that the address is that of its gRPC: port 6334 unless it was changed, `https` if it speaks TLS";
        match code {
            code::INTERNAL if told.contains("Failed to connect") || told.contains("TLS") => {
                let why = unreached(&told);
                if why.contains("certificate") {
                    let hint = "the system's own list of authorities is used: add the one that signed the server's certificate";
                    return failed(
                        FailureClass::Input,
                        format!("cannot trust Qdrant at {url}: {why}"),
                        hint,
                        None,
                    );
                }
                failed(
                    FailureClass::Unavailable,
                    format!("cannot reach Qdrant at {url}: {why}"),
                    gone,
                    Some(None),
                )
            }
            code::UNAVAILABLE | code::UNKNOWN | code::CANCELLED | code::DEADLINE_EXCEEDED | code::ABORTED => {
                let message = format!("Qdrant at {url} does not answer (to {what}): {told}");
                failed(FailureClass::Unavailable, message, gone, Some(wait))
            }
            code::RESOURCE_EXHAUSTED => {
                let message = format!("Qdrant at {url} has too much to do (to {what}): {told}");
                failed(
                    FailureClass::Unavailable,
                    message,
                    "it is tried again later; give the server more room",
                    Some(wait),
                )
            }
            code::UNAUTHENTICATED | code::PERMISSION_DENIED => {
                let message = format!("Qdrant at {url} does not let us {what}: {told}");
                failed(
                    FailureClass::Input,
                    message,
                    "set the API key that this server takes, with the right to write",
                    None,
                )
            }
            code::UNIMPLEMENTED => {
                let message =
                    format!("what answers at {url} is not the gRPC of a Qdrant that can {what}: {told}");
                failed(FailureClass::Input, message, gone, None)
            }
            code::INVALID_ARGUMENT | code::NOT_FOUND => {
                let message = format!("Qdrant at {url} refuses to {what}: {told}");
                failed(
                    FailureClass::Permanent,
                    message,
                    "if the collection was changed by hand, delete it and run `miyabi knowledge index --rebuild`",
                    None,
                )
            }
            _ => {
                let message = format!("Qdrant at {url} failed to {what}: {told}");
                failed(FailureClass::Permanent, message, "the server's own log says more", None)
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a server that is busy is left alone for a moment; nothing is decided by it"
)]
async fn pause(wait: Duration) {
    tokio::time::sleep(wait).await;
}

/// The address with its port; only where it can be asked.
fn address(given: &str) -> Result<String, Failure> {
    let wrong = |why: &str| {
        Err(Failure::new(FailureClass::Input, format!("cannot use the address of Qdrant: {why}"))
            .hint("give it as `http://host:6334` or `https://host:6334`"))
    };
    let Ok(uri) = given.trim().parse::<Uri>() else { return wrong("it is no URL") };
    let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return wrong("it does not begin with `http://` or `https://` and a host");
    };
    // What is before the `@` may be a password, and is not repeated.
    if authority.as_str().contains('@') {
        return wrong("it holds a user; the key is a setting of its own");
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return wrong("it has a path; gRPC has none");
    }
    let port = authority.port_u16().unwrap_or(PORT);
    Ok(format!("{scheme}://{}:{port}", authority.host()))
}

/// Why a connection could not be made, without the innards of the error.
fn unreached(told: &str) -> &str {
    for (sign, why) in [
        ("ConnectionRefused", "nothing listens there (connection refused)"),
        ("UnknownIssuer", "its certificate is signed by an authority that is not known here"),
        ("NotValidForName", "its certificate is for another name"),
        ("Expired", "its certificate is out of date"),
        ("CaUsedAsEndEntity", "its certificate is that of an authority"),
        ("InvalidCertificate", "its certificate is not one that the authorities known here have signed"),
        ("InvalidContentType", "it does not speak TLS there, or only TLS"),
        ("dns error", "its name is not known"),
        ("TimedOut", "it does not answer in time"),
        ("deadline has elapsed", "it does not answer in time"),
    ] {
        if told.contains(sign) {
            return why;
        }
    }
    told
}

/// What a server says, as far as it is shown: one line, not too long.
fn shown(told: &str) -> String {
    told.chars().map(|it| if it.is_control() { ' ' } else { it }).take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_scheme_and_a_host() {
        assert_eq!(address("http://localhost").unwrap(), "http://localhost:6334");
        assert_eq!(address(" https://qdrant.example:443/ ").unwrap(), "https://qdrant.example:443");
        assert_eq!(address("http://[::1]:7000").unwrap(), "http://[::1]:7000");
        for wrong in
            ["", "localhost:6334", "ftp://host", "http://host/path", "http://h?k=v", "http://", "http://a b"]
        {
            let failure = address(wrong).expect_err(wrong);
            assert_eq!(failure.class, FailureClass::Input, "{wrong}");
        }
        let failure = address("http://me:hunter2@host").unwrap_err();
        assert!(!failure.message.contains("hunter2"), "{failure}");
    }

    #[test]
    fn no_key_is_in_an_error() {
        let key = SecretString::from("geheim\nschlüssel".to_owned());
        let Err(failure) = Server::new("http://localhost", Some(&key), PATIENCE) else {
            panic!("it was taken")
        };
        assert_eq!(failure.class, FailureClass::Input);
        assert!(!format!("{failure:?}").contains("geheim"), "{failure:?}");
    }
}
