//! Reading a body: not more than allowed, and not longer than allowed.

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_LENGTH, EXPECT};
use axum::http::{HeaderMap, StatusCode};
use futures::StreamExt as _;
use jiff::SignedDuration;
use tokio::sync::SemaphorePermit;

use crate::answer::Problem;
use crate::state::Shared;

/// Bodies above this take a turn of their own, in bytes.
const LARGE: usize = 1024 * 1024;
/// What is read and thrown away of a body that is too large, as a multiple of what is allowed, so that its sender
/// gets to hear why.
const HEARD: usize = 4;

/// A body with the turns that it holds until it is dropped.
pub(crate) struct Taken<'a> {
    pub(crate) bytes: Bytes,
    _turn: SemaphorePermit<'a>,
    _large: Option<SemaphorePermit<'a>>,
}

/// Reads the body. Problems: 413 too large, 408 too slow, 400 broken off.
pub(crate) async fn take<'a>(
    server: &'a Shared,
    headers: &HeaderMap,
    body: Body,
) -> Result<Taken<'a>, Problem> {
    let limits = server.settings.limits;
    let limit = limits.body_bytes;
    let declared = declared(headers);
    if declared.is_some_and(|length| {
        length > limit && (headers.contains_key(EXPECT) || length > limit.saturating_mul(HEARD))
    }) {
        return Err(too_large(limit));
    }
    let clock = &server.ports.clock;
    let wait = SignedDuration::from_secs(i64::try_from(limits.body_secs).unwrap_or(i64::MAX));
    let deadline = clock.now().checked_add(wait).unwrap_or(jiff::Timestamp::MAX);
    tokio::select! {
        biased;
        taken = read(server, declared, body, limit) => taken,
        () = clock.sleep_until(deadline) => {
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"))
        }
    }
}

async fn read(
    server: &Shared,
    declared: Option<usize>,
    body: Body,
    limit: usize,
) -> Result<Taken<'_>, Problem> {
    let closed = |_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping");
    let turn = server.turns.acquire().await.map_err(closed)?;
    let mut large = None;
    let mut parts: Vec<Bytes> = Vec::new();
    let mut length = 0;
    let mut frames = body.into_data_stream();
    while let Some(frame) = frames.next().await {
        let frame = frame.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body broke off"))?;
        length += frame.len();
        if length > limit {
            // Thrown away from here on.
            parts.clear();
            if length > limit.saturating_mul(HEARD) {
                break;
            }
            continue;
        }
        if large.is_none() && length.max(declared.unwrap_or(0)) > LARGE {
            large = Some(server.large_turns.acquire().await.map_err(closed)?);
        }
        parts.push(frame);
    }
    if length > limit {
        return Err(too_large(limit));
    }
    Ok(Taken { bytes: joined(parts, length), _turn: turn, _large: large })
}

fn declared(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn joined(parts: Vec<Bytes>, length: usize) -> Bytes {
    match <[Bytes; 1]>::try_from(parts) {
        Ok([only]) => only,
        Err(parts) => {
            let mut whole = Vec::with_capacity(length);
            parts.iter().for_each(|part| whole.extend_from_slice(part));
            whole.into()
        }
    }
}

fn too_large(limit: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {limit} bytes"))
}
