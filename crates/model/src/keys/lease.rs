//! Leases: which token stands for which key, and until when.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use miyabi_core::containment::Refused;
use miyabi_core::plain::one_line;
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;

use super::KeysError;
use super::environment::{Found, holds};
use super::provider::{Base, Credential, Provider};

/// So many random bytes are in a token: nobody guesses one.
const RANDOM: usize = 32;
/// Longer requests are remembered by their beginning, in characters.
const REMEMBERED: usize = 200;

/// A new token.
pub(super) fn token() -> Result<String, KeysError> {
    let mut bytes = [0; RANDOM];
    SystemRandom::new().fill(&mut bytes).map_err(|_| KeysError::Chance)?;
    Ok(format!("miyabi-lent-{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// The life of what was lent at once.
#[derive(Clone, Debug)]
pub(super) struct Session(watch::Receiver<()>);

impl Session {
    /// Returns when it is over.
    pub(super) async fn ended(mut self) {
        // Nothing is ever sent: there is an answer only when the sender is gone.
        while self.0.changed().await.is_ok() {}
    }
}

/// What a token stands for.
pub(super) struct Lease {
    token: String,
    key: SecretString,
    credential: Credential,
    refused: Refused,
    pub(super) provider: &'static Provider,
    pub(super) base: Base,
    pub(super) session: Session,
}

impl Lease {
    pub(super) fn new(found: &Found, token: String, session: Session, refused: Refused) -> Self {
        let (key, credential) = (found.key.clone(), found.credential);
        Self { token, key, credential, refused, provider: found.provider, base: found.base.clone(), session }
    }

    /// Whether the text gives the key away.
    pub(super) fn is_told_by(&self, text: &str) -> bool {
        holds(text, self.key.expose_secret())
    }

    /// Whether the text names the token.
    pub(super) fn is_named_by(&self, text: &str) -> bool {
        text.contains(&self.token)
    }

    /// The header by which the service knows us. `None`: no header can hold the key.
    pub(super) fn credential(&self) -> Option<(http::HeaderName, http::HeaderValue)> {
        self.credential.header(&self.key)
    }

    /// Remembers for the session what was asked for in vain, in words without secrets.
    pub(super) fn refuse(&self, method: &http::Method, path: &str) {
        let asked = format!("ask {} for {method} {path}", self.provider.name);
        let told =
            if self.is_told_by(&asked) { asked.replace(self.key.expose_secret(), "…") } else { asked };
        self.refused.add(one_line(&told.replace(&self.token, "…"), REMEMBERED));
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("provider", &self.provider.name).finish_non_exhaustive()
    }
}

/// All leases that have not ended.
#[derive(Default)]
pub(super) struct Leases(Mutex<HashMap<String, Arc<Lease>>>);

impl Leases {
    /// What this token stands for.
    pub(super) fn find(&self, token: &str) -> Option<Arc<Lease>> {
        self.lock().get(token).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Lease>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leases that end when it is dropped, together with what they are used for then.
pub(super) struct Held {
    leases: Arc<Leases>,
    tokens: Vec<String>,
    _session: watch::Sender<()>,
}

impl Held {
    /// Holds nothing so far; the second answer is the life of what is added.
    pub(super) fn new(leases: Arc<Leases>) -> (Self, Session) {
        let (sender, receiver) = watch::channel(());
        (Self { leases, tokens: Vec::new(), _session: sender }, Session(receiver))
    }

    /// From now on its token works.
    pub(super) fn add(&mut self, lease: Lease) {
        self.tokens.push(lease.token.clone());
        self.leases.lock().insert(lease.token.clone(), Arc::new(lease));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut leases = self.leases.lock();
        self.tokens.iter().for_each(|token| drop(leases.remove(token)));
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::keys::environment;

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let (one, two) = (token().unwrap(), token().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.len(), "miyabi-lent-".len() + 43);
    }

    #[test]
    fn what_is_refused_or_shown_holds_no_secret() {
        let environment = [(OsString::from("OPENAI_API_KEY"), OsString::from("sk-geheim-1"))];
        let found = environment::find(&environment).unwrap();
        let (refused, leases) = (Refused::default(), Arc::<Leases>::default());
        let (mut held, session) = Held::new(Arc::clone(&leases));
        held.add(Lease::new(&found[0], "the-token".to_owned(), session, refused.clone()));
        let lease = leases.find("the-token").unwrap();
        lease.refuse(&http::Method::POST, "/openai/sk-geheim-1/the-token\n");
        assert_eq!(refused.list(), ["ask openai for POST /openai/…/…"]);
        let shown = format!("{lease:?} {found:?} {:?}", lease.credential());
        assert!(!shown.contains("geheim") && !shown.contains("the-token"), "{shown}");
    }
}
