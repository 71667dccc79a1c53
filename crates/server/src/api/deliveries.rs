//! What was received, and what became of it.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use miyabi_core::delivery::{Delivery, DeliveryKey, Provider, Verdict};
use miyabi_core::ports::{DeliveryFilter, DeliveryRow};
use miyabi_core::trigger::RuleNote;
use serde::{Deserialize, Serialize};

use super::{Asked, asked, limit};
use crate::answer::{Problem, json, typed};
use crate::state::{Inner, Shared};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeliveriesQuery {
    provider: Option<String>,
    repo: Option<String>,
    verdict: Option<String>,
    unhandled: Option<bool>,
    limit: Option<u32>,
}

/// A delivery in a list.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Row {
    id: String,
    event: String,
    action: Option<String>,
    repo: Option<String>,
    sent_at: Option<Timestamp>,
    received_at: Timestamp,
    bytes: u64,
    #[serde(flatten)]
    verdict: Verdict,
    handled_at: Option<Timestamp>,
    rules: Vec<RuleNote>,
}

impl From<DeliveryRow> for Row {
    fn from(row: DeliveryRow) -> Self {
        let DeliveryRow { key, event, action, repo, sent_at, received_at, bytes, verdict, handled_at, rules } =
            row;
        Self {
            id: key.to_string(),
            event,
            action,
            repo,
            sent_at,
            received_at,
            bytes,
            verdict,
            handled_at,
            rules,
        }
    }
}

/// `GET /api/v1/deliveries`: newest first, without bodies.
pub(crate) async fn list_deliveries(
    State(server): State<Inner>,
    query: Asked<DeliveriesQuery>,
) -> Result<Response, Problem> {
    let DeliveriesQuery { provider, repo, verdict, unhandled, limit: wanted } = asked(query)?;
    let provider = provider.map(|word| parse_provider(&word)).transpose()?;
    if let Some(word) = &verdict
        && !Verdict::WORDS.contains(&word.as_str())
    {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "there is no such verdict")
            .hint(format!("verdicts are {}", Verdict::WORDS.join(", "))));
    }
    let unhandled = unhandled.unwrap_or(false);
    let filter = DeliveryFilter { provider, repo, verdict, unhandled, limit: Some(limit(wanted)) };
    let rows = server.ports.deliveries.deliveries(&filter).await?;
    Ok(json(StatusCode::OK, &rows.into_iter().map(Row::from).collect::<Vec<Row>>()))
}

fn parse_provider(word: &str) -> Result<Provider, Problem> {
    Provider::parse(word).ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "there is no such provider")
            .hint(format!("providers are {}", Provider::ALL.map(Provider::as_str).join(", ")))
    })
}

/// A delivery with its headers; the body is asked for by itself.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Shown {
    id: String,
    event: String,
    action: Option<String>,
    repo: Option<String>,
    sent_at: Option<Timestamp>,
    received_at: Timestamp,
    bytes: usize,
    headers: BTreeMap<String, String>,
    #[serde(flatten)]
    verdict: Verdict,
    rules: Vec<RuleNote>,
}

impl Shown {
    /// The delivery of that name, if there is one.
    pub(super) async fn find(server: &Shared, key: &DeliveryKey) -> Result<Option<Self>, Problem> {
        Ok(server.ports.deliveries.delivery(key).await?.map(Self::from))
    }
}

impl From<Delivery> for Shown {
    fn from(delivery: Delivery) -> Self {
        let Delivery { key, event, action, repo, sent_at, received_at, headers, body, verdict, rules } =
            delivery;
        let (id, bytes) = (key.to_string(), body.len());
        Self { id, event, action, repo, sent_at, received_at, bytes, headers, verdict, rules }
    }
}

/// `GET /api/v1/deliveries/{id}`: by the name that its answer gave, `github:<delivery id>`.
pub(crate) async fn delivery(
    State(server): State<Inner>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let shown = match DeliveryKey::parse(&id) {
        Some(key) => Shown::find(&server, &key).await?,
        None => None,
    };
    Ok(json(StatusCode::OK, &shown.ok_or_else(|| Problem::not_found("such delivery"))?))
}

/// `GET /api/v1/deliveries/{id}/body`: byte for byte.
pub(crate) async fn delivery_body(
    State(server): State<Inner>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let none = || Problem::not_found("such delivery");
    let key = DeliveryKey::parse(&id).ok_or_else(none)?;
    let delivery = server.ports.deliveries.delivery(&key).await?.ok_or_else(none)?;
    Ok(typed(StatusCode::OK, "application/json", delivery.body.to_vec()))
}
