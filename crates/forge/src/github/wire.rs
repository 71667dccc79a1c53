//! One request and its answer: octocrab underneath, a deadline, the limiter, and no retry of any kind.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use miyabi_core::ports::Clock;
use octocrab::service::middleware::base_uri::BaseUriLayer;
use octocrab::service::middleware::extra_headers::ExtraHeadersLayer;
use octocrab::{AuthState, OctoBody, Octocrab, OctocrabBuilder};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::said;
use super::options::api_base;
use super::{GitHubError, GitHubOptions, Limiter};

/// How we name ourselves; GitHub turns away who has no name.
const AGENT: &str = concat!("miyabi/", env!("CARGO_PKG_VERSION"));

/// What is asked. The route begins with `/` and is encoded already; it may have a query.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) route: &'a str,
    pub(super) body: Option<&'a Value>,
    /// Only if the content has another name by now.
    pub(super) unless: Option<&'a str>,
}

/// An answer that is no refusal: 2xx, or 304 when it was asked for.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) request: String,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Answer {
    /// The body as a value. Errors: `Unreadable`.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, GitHubError> {
        parse(&self.request, &self.body)
    }
}

/// Reads a body. Errors: `Unreadable`.
pub(super) fn parse<T: DeserializeOwned>(request: &str, body: &str) -> Result<T, GitHubError> {
    serde_json::from_str(body)
        .map_err(|source| GitHubError::Unreadable { request: request.to_owned(), source })
}

/// The way to the API.
pub(super) struct Wire {
    crab: Octocrab,
    /// What stands before every route, such as `/api/v3`.
    base: String,
    deadline: Duration,
    limiter: Limiter,
    clock: Arc<dyn Clock>,
}

impl Wire {
    /// Makes ready, without asking anything. Within a tokio runtime only.
    pub(super) fn new(options: &GitHubOptions) -> Result<Self, GitHubError> {
        tokio::runtime::Handle::try_current().map_err(|error| GitHubError::Client(error.into()))?;
        let (url, base) = api_base(&options.api_url)?;
        let crab = crab(url)?;
        Ok(Self {
            crab,
            base,
            deadline: options.deadline,
            limiter: options.limiter.clone(),
            clock: options.clock.clone(),
        })
    }

    /// Now.
    pub(super) fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    /// What stands before every route.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Asks once. Errors: every answer that is a refusal, by its status; `Limited` without asking while GitHub wants
    /// us to wait.
    pub(super) async fn ask(&self, ask: &Ask<'_>, token: &SecretString) -> Result<Answer, GitHubError> {
        if let Some(until) = self.limiter.until(self.now()) {
            return Err(GitHubError::Limited { until });
        }
        let path = ask.route.split('?').next().unwrap_or_default();
        let request = format!("{} {path}", ask.method);
        let answer = tokio::time::timeout(self.deadline, self.exchange(ask, token, &request)).await;
        let answer = answer.map_err(|_| GitHubError::Slow {
            request: request.clone(),
            seconds: self.deadline.as_secs_f64(),
        })??;
        let now = self.now();
        if let Some(until) = self.limiter.learn(answer.status, &answer.headers, &answer.body, now) {
            return Err(GitHubError::Limited { until });
        }
        judge(answer)
    }

    async fn exchange(
        &self,
        ask: &Ask<'_>,
        token: &SecretString,
        request: &str,
    ) -> Result<Answer, GitHubError> {
        let lost = |error| GitHubError::Lost { request: request.to_owned(), source: cause(error) };
        let crab = self.crab.user_access_token(token.clone()).map_err(lost)?;
        let mut builder = Request::builder().method(ask.method.clone()).uri(ask.route);
        if let Some(etag) = ask.unless {
            builder = builder.header(header::IF_NONE_MATCH, etag);
        }
        let answer =
            crab.execute(crab.build_request(builder, ask.body).map_err(lost)?).await.map_err(lost)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = crab.body_to_string(answer).await.map_err(lost)?;
        Ok(Answer { request: request.to_owned(), status, headers, body })
    }
}

/// octocrab over one connector with one TLS stack, and without the layers that repeat, redirect or remember.
fn crab(url: Uri) -> Result<Octocrab, GitHubError> {
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
        .map_err(|error| GitHubError::Client(error.into()))?
        .https_or_http()
        .enable_http1()
        .build();
    let client = legacy::Client::builder(TokioExecutor::new()).build::<_, OctoBody>(connector);
    let fixed = [(header::USER_AGENT, AGENT), (header::ACCEPT, "application/vnd.github+json")];
    let fixed = fixed.map(|(name, value)| (name, HeaderValue::from_static(value)));
    let crab = OctocrabBuilder::new_empty()
        .with_service(client)
        .with_layer(&ExtraHeadersLayer::new(Arc::new(fixed.into())))
        .with_layer(&BaseUriLayer::new(url))
        .with_auth(AuthState::None)
        .build();
    Ok(crab.unwrap_or_else(|never| match never {}))
}

/// What a status means.
fn judge(answer: Answer) -> Result<Answer, GitHubError> {
    let Answer { request, status, headers, body } = answer;
    let said = || said(&body);
    match status.as_u16() {
        200..=299 | 304 => Ok(Answer { request, status, headers, body }),
        301 | 302 | 307 | 308 => Err(GitHubError::Moved { request }),
        401 => Err(GitHubError::Unauthorized { said: said(), request }),
        403 => {
            let needs = headers.get("x-accepted-github-permissions").and_then(|value| value.to_str().ok());
            Err(GitHubError::Forbidden { said: said(), request, needs: needs.map(str::to_owned) })
        }
        500.. => Err(GitHubError::Broken { said: said(), request, status }),
        _ => Err(GitHubError::Refused { said: said(), request, status }),
    }
}

/// What lies under octocrab's error, whose own text is a backtrace.
fn cause(error: octocrab::Error) -> Box<dyn Error + Send + Sync> {
    match error {
        octocrab::Error::Service { source, .. } | octocrab::Error::Other { source, .. } => source,
        octocrab::Error::Hyper { source, .. } => source.into(),
        octocrab::Error::Http { source, .. } => source.into(),
        octocrab::Error::InvalidUtf8 { source, .. } => source.into(),
        // Its first line; what follows is a backtrace.
        other => other.to_string().lines().next().unwrap_or_default().into(),
    }
}
