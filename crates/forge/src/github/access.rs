//! Who we are to GitHub: a given token, or an App whose installation tokens are renewed in time.

use http::Method;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{Mutex, OnceCell};

use super::jwt::Signer;
use super::wire::{Ask, Wire};
use super::{Auth, GitHubError, RepoName};

/// A token that ends sooner than this is renewed before it is used.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);

/// The right to ask.
pub(super) enum Access {
    /// A token that we cannot renew.
    Token(SecretString),
    /// An App.
    App(Box<AppAccess>),
}

/// An App with the token that it holds just now.
pub(super) struct AppAccess {
    signer: Signer,
    repo: RepoName,
    installation: OnceCell<u64>,
    /// Locked while a new one is fetched, so that many askers fetch one.
    held: Mutex<Option<Held>>,
}

struct Held {
    token: SecretString,
    expires_at: Timestamp,
}

#[derive(Deserialize)]
struct Issued {
    token: String,
    expires_at: Timestamp,
}

impl Access {
    /// Checks what it is given. Errors: `BadToken`, `BadKey`.
    pub(super) fn new(auth: &Auth, repo: &RepoName) -> Result<Self, GitHubError> {
        match auth {
            Auth::Token(token) => {
                let text = token.expose_secret().trim();
                if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err(GitHubError::BadToken);
                }
                Ok(Self::Token(text.to_owned().into()))
            }
            Auth::App(app) => Ok(Self::App(Box::new(AppAccess {
                signer: Signer::new(app)?,
                repo: repo.clone(),
                installation: OnceCell::new_with(app.installation),
                held: Mutex::new(None),
            }))),
        }
    }

    /// A token that is good for some minutes.
    pub(super) async fn token(&self, wire: &Wire) -> Result<SecretString, GitHubError> {
        match self {
            Self::Token(token) => Ok(token.clone()),
            Self::App(app) => app.token(wire, None).await,
        }
    }

    /// Another token after this one was refused; `None` if there can be no other.
    pub(super) async fn renew(
        &self,
        wire: &Wire,
        refused: &SecretString,
    ) -> Result<Option<SecretString>, GitHubError> {
        match self {
            Self::Token(_) => Ok(None),
            Self::App(app) => app.token(wire, Some(refused)).await.map(Some),
        }
    }
}

impl AppAccess {
    /// The held token, unless it ends soon or is the refused one; a new one then.
    async fn token(&self, wire: &Wire, refused: Option<&SecretString>) -> Result<SecretString, GitHubError> {
        let mut held = self.held.lock().await;
        let good = held.as_ref().filter(|held| {
            let other = refused.is_none_or(|token| token.expose_secret() != held.token.expose_secret());
            other && held.expires_at.duration_since(wire.now()) > MARGIN
        });
        if let Some(good) = good {
            return Ok(good.token.clone());
        }
        let installation = *self.installation.get_or_try_init(|| self.installation(wire)).await?;
        let route = format!("/app/installations/{installation}/access_tokens");
        // Good for this repository only, whatever else the App is installed on.
        let body = json!({ "repositories": [self.repo.name()] });
        let ask = Ask { method: Method::POST, route: &route, body: Some(&body), unless: None };
        let Issued { token, expires_at } = match wire.ask(&ask, &self.signer.token(wire.now())?).await {
            Ok(answer) => answer.read()?,
            Err(error) if error.is_absent() => return Err(self.not_installed()),
            Err(error) => return Err(error),
        };
        let token = SecretString::from(token);
        *held = Some(Held { token: token.clone(), expires_at });
        Ok(token)
    }

    async fn installation(&self, wire: &Wire) -> Result<u64, GitHubError> {
        #[derive(Deserialize)]
        struct Installation {
            id: u64,
        }
        let route = format!("/repos/{}/installation", self.repo);
        match self.ask(wire, &route).await {
            Ok(answer) => Ok(answer.read::<Installation>()?.id),
            Err(error) if error.is_absent() => Err(self.not_installed()),
            Err(error) => Err(error),
        }
    }

    /// The name under which the App writes: `<slug>[bot]`.
    pub(super) async fn login(&self, wire: &Wire) -> Result<String, GitHubError> {
        #[derive(Deserialize)]
        struct Own {
            slug: String,
        }
        let own: Own = self.ask(wire, "/app").await?.read()?;
        Ok(format!("{}[bot]", own.slug))
    }

    async fn ask(&self, wire: &Wire, route: &str) -> Result<super::wire::Answer, GitHubError> {
        let ask = Ask { method: Method::GET, route, body: None, unless: None };
        wire.ask(&ask, &self.signer.token(wire.now())?).await
    }

    fn not_installed(&self) -> GitHubError {
        GitHubError::NotInstalled { app: self.signer.app(), repo: self.repo.to_string() }
    }
}
