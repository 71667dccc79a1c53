//! Whether the server lives, whether it can work, and its numbers.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use miyabi_core::ports::{DeliveryFilter, RunFilter};
use serde::Serialize;

use crate::answer::{Problem, json, typed};
use crate::state::Inner;

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

/// `GET /healthz`: the process answers.
pub(crate) async fn healthz() -> Response {
    json(StatusCode::OK, &Health { status: "ok" })
}

/// `GET /readyz`: it takes work: the store answers, and nobody asked it to stop.
pub(crate) async fn readyz(State(server): State<Inner>) -> Response {
    if server.is_stopping() {
        return json(StatusCode::SERVICE_UNAVAILABLE, &Health { status: "stopping" });
    }
    let filter = DeliveryFilter { limit: Some(1), ..DeliveryFilter::default() };
    match server.ports.deliveries.deliveries(&filter).await {
        Ok(_) => json(StatusCode::OK, &Health { status: "ready" }),
        Err(failure) => {
            tracing::error!(class = ?failure.class, "the store does not answer: {failure}");
            json(StatusCode::SERVICE_UNAVAILABLE, &Health { status: "store unavailable" })
        }
    }
}

/// `GET /metrics`: counts of this process, and what the store holds, in the text format of Prometheus.
pub(crate) async fn metrics(State(server): State<Inner>) -> Result<Response, Problem> {
    let live = RunFilter { live: true, ..RunFilter::default() };
    let mut stages: BTreeMap<(String, String), u64> = BTreeMap::new();
    for row in server.ports.store.runs(&live).await? {
        *stages.entry((row.flow, row.stage)).or_default() += 1;
    }
    let questions = server.ports.store.open_escalations().await?.len();
    let unhandled = DeliveryFilter { unhandled: true, ..DeliveryFilter::default() };
    let unhandled = server.ports.deliveries.deliveries(&unhandled).await?.len();

    let mut page = String::new();
    server.counters.write(&mut page);
    page.push_str("# HELP miyabi_runs_live Runs that have not ended, by the step that started last.\n");
    page.push_str("# TYPE miyabi_runs_live gauge\n");
    for ((flow, stage), count) in &stages {
        let (flow, stage) = (escaped(flow), escaped(stage));
        let _ = writeln!(page, "miyabi_runs_live{{flow=\"{flow}\",stage=\"{stage}\"}} {count}");
    }
    for (name, help, value) in [
        ("miyabi_escalations_open", "Questions that wait for a person.", questions),
        ("miyabi_deliveries_unhandled", "Accepted deliveries that nobody has handled.", unhandled),
    ] {
        let _ = write!(page, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
    }
    Ok(typed(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", page))
}

/// A label's value as the format wants it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
