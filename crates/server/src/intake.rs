//! Taking deliveries in: limit, signature, meaning, verdict, disk, answer. What follows is done by others, later.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use miyabi_core::delivery::{Delivery, Provider, Verdict};
use miyabi_core::ports::Recorded;
use miyabi_core::trigger;
use miyabi_forge::webhook::{self, Malformed, Refusal};
use serde::Serialize;

use crate::answer::{Problem, json};
use crate::body;
use crate::state::{Inner, Shared};

/// Bodies above this are checked beside the threads that answer requests, in bytes.
const LONG: usize = 256 * 1024;

/// Where a delivery comes in.
#[derive(Clone, Copy)]
pub(crate) struct Door {
    pub(crate) provider: Provider,
    /// The answer to who is not genuine.
    pub(crate) refused: StatusCode,
}

/// What a delivery is answered with.
#[derive(Serialize)]
struct Answer<'a> {
    delivery: String,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// Takes a delivery in.
pub(crate) async fn receive(State(server): State<Inner>, door: Door, request: Request) -> Response {
    match accept(&server, door, request).await {
        Ok(response) => response,
        Err((reason, problem)) => {
            server.counters.refused(door.provider, reason);
            tracing::info!(
                delivery.provider = door.provider.as_str(),
                status = problem.status.as_u16(),
                "refused a delivery: {reason}"
            );
            problem.into_response()
        }
    }
}

/// A problem with its word for the metrics.
type Refused = (&'static str, Problem);

async fn accept(server: &Inner, door: Door, request: Request) -> Result<Response, Refused> {
    let (head, body) = request.into_parts();
    let received_at = server.ports.clock.now();
    let taken = body::take(server, &head.headers, body).await.map_err(|problem| ("body", problem))?;
    let delivery = if taken.bytes.len() > LONG {
        let (server, bytes) = (Inner::clone(server), taken.bytes.clone());
        let judging =
            tokio::task::spawn_blocking(move || judge(&server, door, &head.headers, &bytes, received_at));
        judging.await.map_err(|_| ("panic", internal()))?
    } else {
        judge(server, door, &head.headers, &taken.bytes, received_at)
    }?;
    let recorded = server.ports.deliveries.record(&delivery).await;
    let verdict = match recorded.map_err(|failure| ("store", unavailable(failure)))? {
        Recorded::New => &delivery.verdict,
        Recorded::Duplicate => &Verdict::Duplicate,
    };
    server.counters.delivery(door.provider, verdict.as_str());
    let key = &delivery.key;
    tracing::debug!(delivery.key = %key, verdict = verdict.as_str(), "took in delivery `{key}`");
    let (status, reason) = match verdict {
        Verdict::Accepted { .. } => {
            server.arrived();
            (StatusCode::ACCEPTED, None)
        }
        Verdict::Duplicate => (StatusCode::OK, None),
        Verdict::Ignored { reason } | Verdict::Rejected { reason } => (StatusCode::OK, Some(reason.as_str())),
    };
    Ok(json(status, &Answer { delivery: key.to_string(), verdict: verdict.as_str(), reason }))
}

/// Who sent it, what it says and what is to become of it.
fn judge(
    server: &Shared,
    door: Door,
    headers: &HeaderMap,
    body: &Bytes,
    received_at: Timestamp,
) -> Result<Delivery, Refused> {
    let settings = &server.settings;
    webhook::verify(door.provider, headers, body, settings.secrets(door.provider))
        .map_err(|refusal| (refusal.as_str(), refused(door, refusal)))?;
    let received =
        webhook::read(door.provider, headers, body).map_err(|error| ("malformed", malformed(&error)))?;
    let rules = settings.triggers.rules(received.occurrence.repo.as_deref());
    let (decision, rules) = trigger::weigh(&received.occurrence, &rules, received_at);
    Ok(Delivery {
        key: received.key,
        event: received.event,
        action: received.action,
        repo: received.occurrence.repo,
        sent_at: received.occurrence.sent_at,
        received_at,
        headers: received.headers,
        body: Arc::from(&body[..]),
        verdict: decision.into(),
        rules,
    })
}

fn refused(door: Door, refusal: Refusal) -> Problem {
    match refusal {
        Refusal::NotConfigured(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, refusal.to_string())
            .hint("set the secret of the webhook where the server runs"),
        Refusal::Missing(_) | Refusal::Repeated(_) | Refusal::NotASignature(_) | Refusal::Wrong(_) => {
            Problem::new(door.refused, refusal.to_string())
                .hint("the webhook and the server must have the same secret")
        }
    }
}

fn malformed(error: &Malformed) -> Problem {
    let cause = std::error::Error::source(error);
    let text = cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
    Problem::new(StatusCode::BAD_REQUEST, text)
}

/// Whatever the store says, the sender can only come again; what went wrong is for those who run the server.
fn unavailable(failure: miyabi_core::failure::Failure) -> Problem {
    tracing::error!(class = ?failure.class, "failed to record a delivery: {failure}");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the delivery could not be recorded")
        .hint("deliver it again later")
}

fn internal() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "reading the delivery failed")
}
