//! Deliveries of any CI that can post JSON: `{"repo", "commit", "status"}`, and `"branch"`, `"timestamp"` if known.

use http::HeaderMap;
use miyabi_core::delivery::{DeliveryKey, Provider};
use miyabi_core::trigger::{Happening, Notice, Occurrence};
use serde::Deserialize;

use super::{
    IDEMPOTENCY_KEY, Malformed, Part, Received, Unexpected, commit_id, digest, header, maybe, name, part,
    repo_name, time, top,
};

/// Words for what has not ended yet.
const UNFINISHED: [&str; 6] = ["created", "queued", "pending", "waiting", "running", "in_progress"];

#[derive(Default, Deserialize)]
#[serde(default)]
struct Payload<'a> {
    #[serde(borrow)]
    repo: Part<'a>,
    #[serde(borrow)]
    commit: Part<'a>,
    #[serde(borrow)]
    status: Part<'a>,
    #[serde(borrow)]
    branch: Part<'a>,
    #[serde(borrow)]
    timestamp: Part<'a>,
}

/// Reads a delivery. Without an `Idempotency-Key`, equal bodies are one delivery.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Received, Malformed> {
    let id = match headers.get(IDEMPOTENCY_KEY) {
        Some(_) => header(headers, IDEMPOTENCY_KEY)?.to_owned(),
        None => digest(body),
    };
    let (payload, unexpected) = top::<Payload<'_>>(body)?;
    let what = unexpected.map_or_else(|| happening(&payload), Err).unwrap_or_else(Happening::from);
    let sent_at = maybe::<String>(payload.timestamp).and_then(|text| time(&text));
    let repo = maybe(payload.repo).and_then(repo_name);
    let action = maybe(payload.status).and_then(name);
    Ok(Received {
        key: DeliveryKey::new(Provider::Ci, id),
        event: "ci_run".to_owned(),
        occurrence: Occurrence {
            provider: Provider::Ci,
            repo,
            actor: None,
            sent_at,
            event: Occurrence::name_of("ci_run", action.as_deref()),
            what,
        },
        action,
        headers: Default::default(),
    })
}

fn happening(payload: &Payload<'_>) -> Result<Happening, Unexpected> {
    let commit = commit_id(part("commit", payload.commit)?)?;
    let status: String = part("status", payload.status)?;
    if UNFINISHED.contains(&status.as_str()) {
        return Err(Unexpected(format!("the CI run is still `{status}`")));
    }
    Ok(Happening::Noticed(Notice::Ci { commit, branch: maybe(payload.branch) }))
}
