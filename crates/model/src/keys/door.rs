//! The door: one request in, one answer out, and the real key only on the other side.

use std::error::Error;
use std::sync::Arc;

use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue, UPGRADE};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::TokioExecutor;
use serde_json::json;

use super::lease::{Lease, Leases};
use super::pulse::Pulse;
use super::{KeysError, head, path};
use crate::connector::{Connector, connector};

/// A body on its way, either way.
pub(super) type Passing = BoxBody<Bytes, hyper::Error>;

/// Passes requests on to services.
pub(super) struct Door {
    leases: Arc<Leases>,
    client: Client<Connector, Passing>,
}

/// Why a request was not passed on.
#[derive(Debug)]
enum Refusal {
    /// No token, or one that stands for nothing (any more).
    Unknown,
    /// Only HTTP is spoken here; programs that would rather have a WebSocket go on without it.
    Socket,
    /// It is not what the key was lent for.
    Forbidden(&'static str),
    /// The service gives no answer.
    Unreachable(&'static str, String),
}

impl Door {
    /// Makes ready without connecting.
    pub(super) fn new(leases: Arc<Leases>) -> Result<Self, KeysError> {
        let connector = connector().map_err(KeysError::Certificates)?;
        Ok(Self { leases, client: Client::builder(TokioExecutor::new()).build(connector) })
    }

    /// Answers one request of a program.
    pub(super) async fn answer(&self, request: Request<Incoming>, pulse: Pulse) -> Response<Passing> {
        self.pass(request, pulse).await.unwrap_or_else(|refusal| refusal.answer())
    }

    async fn pass(&self, request: Request<Incoming>, pulse: Pulse) -> Result<Response<Passing>, Refusal> {
        let (head, body) = request.into_parts();
        let lease = head::tokens(&head).find_map(|token| self.leases.find(token));
        let lease = lease.ok_or(Refusal::Unknown)?;
        pulse.serve(lease.session.clone());
        if head::wants_socket(&head.headers) {
            return Err(Refusal::Socket);
        }
        let Some(to) = address(&head, &lease) else {
            lease.refuse(&head.method, head.uri.path());
            return Err(Refusal::Forbidden(lease.provider.name));
        };
        let request = with_key(head, to, passing(body, pulse.clone()), &lease);
        let answer = self.client.request(request).await;
        let answer = answer.map_err(|error| Refusal::unreachable(&error, &lease))?;
        Ok(without_key(answer, pulse, &lease))
    }
}

/// Where a request goes. `None`: it may not be asked.
fn address(head: &Parts, lease: &Lease) -> Option<Uri> {
    if head.method != Method::GET && head.method != Method::POST {
        return None;
    }
    let asked = path::below(head.uri.path(), lease.provider, lease.base.path())?;
    lease.base.join(asked, head::query(head.uri.query()).as_deref()).ok()
}

fn with_key(head: Parts, to: Uri, body: Passing, lease: &Lease) -> Request<Passing> {
    let mut request = Request::new(body);
    *request.headers_mut() = head::of_request(&head.headers, |value| lease.is_named_by(value));
    request.headers_mut().extend(lease.credential());
    *request.method_mut() = head.method;
    *request.uri_mut() = to;
    request
}

/// The answer in its own words but for the key. Only what is named here goes on: the words beside a status are the
/// service's own as well.
fn without_key(answer: Response<Incoming>, pulse: Pulse, lease: &Lease) -> Response<Passing> {
    let (head, body) = answer.into_parts();
    let mut answer = Response::new(passing(body, pulse));
    *answer.headers_mut() = head::of_answer(&head.headers, |value| lease.is_told_by(value));
    *answer.status_mut() = head.status;
    answer
}

/// The body as it comes, piece by piece.
fn passing(body: Incoming, pulse: Pulse) -> Passing {
    body.inspect_frame(move |_| pulse.beat()).boxed()
}

impl Refusal {
    fn unreachable(error: &legacy::Error, lease: &Lease) -> Self {
        let why = cause(error);
        let why = if lease.is_told_by(&why) { "it cannot be said without the key".to_owned() } else { why };
        Self::Unreachable(lease.provider.name, why)
    }

    fn answer(self) -> Response<Passing> {
        let (status, kind, message) = match self {
            Self::Unknown => {
                let message = "miyabi: this token stands for no key (any more)".to_owned();
                (StatusCode::UNAUTHORIZED, "authentication_error", message)
            }
            Self::Socket => {
                let message = "miyabi: only HTTP is spoken here".to_owned();
                (StatusCode::UPGRADE_REQUIRED, "invalid_request_error", message)
            }
            Self::Forbidden(service) => {
                let message =
                    format!("miyabi: the key of {service} is lent for asking models, and not for this");
                (StatusCode::FORBIDDEN, "permission_error", message)
            }
            Self::Unreachable(service, why) => {
                (StatusCode::BAD_GATEWAY, "api_error", format!("miyabi: {service} cannot be reached: {why}"))
            }
        };
        // The shape that the clients of all services read.
        let text = json!({ "type": "error", "error": { "type": kind, "message": message } }).to_string();
        let mut answer = Response::new(Full::from(text).map_err(|never| match never {}).boxed());
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if status == StatusCode::UPGRADE_REQUIRED {
            answer.headers_mut().insert(UPGRADE, HeaderValue::from_static("HTTP/1.1"));
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        }
        *answer.status_mut() = status;
        answer
    }
}

/// The innermost cause: the outer ones say no more than that something failed.
fn cause(error: &dyn Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
