//! Runs, their events and their questions.

use axum::extract::{Path, State};
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use miyabi_core::delivery::DeliveryKey;
use miyabi_core::event::EventBody;
use miyabi_core::ids::{IssueNumber, RunId};
use miyabi_core::ports::{RunFilter, RunRow, SessionRow, TaskRow};
use serde::{Deserialize, Serialize};

use super::deliveries::Shown;
use super::{Asked, asked, limit};
use crate::answer::{Problem, json};
use crate::state::{Inner, Shared};
use crate::stream;

/// The header with which a browser says what it has seen.
const LAST_EVENT: &str = "last-event-id";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunsQuery {
    live: Option<bool>,
    issue: Option<IssueNumber>,
    limit: Option<u32>,
}

/// `GET /api/v1/runs`: newest first.
pub(crate) async fn list_runs(
    State(server): State<Inner>,
    query: Asked<RunsQuery>,
) -> Result<Response, Problem> {
    let RunsQuery { live, issue, limit: wanted } = asked(query)?;
    let filter =
        RunFilter { live: live.unwrap_or(false), issue, limit: Some(limit(wanted)), ..RunFilter::default() };
    Ok(json(StatusCode::OK, &server.ports.store.runs(&filter).await?))
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RunPage {
    #[serde(flatten)]
    run: RunRow,
    sessions: Vec<SessionRow>,
    tasks: Vec<TaskRow>,
}

/// `GET /api/v1/runs/{run}`: by id, or by number where only one repo has it.
pub(crate) async fn run(State(server): State<Inner>, Path(run): Path<String>) -> Result<Response, Problem> {
    let row = find(&server, &run).await?.ok_or_else(|| Problem::not_found("such run"))?;
    let sessions = server.ports.store.sessions(&row.id).await?;
    let tasks = server.ports.store.tasks(&row.id).await?;
    Ok(json(StatusCode::OK, &RunPage { run: row, sessions, tasks }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventsQuery {
    #[serde(default)]
    from: u64,
}

/// `GET /api/v1/runs/{run}/events`: a list, or the live view where `text/event-stream` is accepted.
pub(crate) async fn events(
    State(server): State<Inner>,
    Path(run): Path<String>,
    headers: HeaderMap,
    query: Asked<EventsQuery>,
) -> Result<Response, Problem> {
    let EventsQuery { from } = asked(query)?;
    let row = find(&server, &run).await?.ok_or_else(|| Problem::not_found("such run"))?;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if !text(ACCEPT.as_str()).is_some_and(|accept| accept.contains("text/event-stream")) {
        return Ok(json(StatusCode::OK, &server.ports.store.load(&row.id, from).await?));
    }
    let seen: Option<u64> = text(LAST_EVENT).and_then(|id| id.parse().ok());
    let from = seen.map_or(from, |seen| seen.saturating_add(1));
    Ok(stream::of_run(server, row.id, from))
}

/// `GET /api/v1/live`: which runs are appended to.
pub(crate) async fn all_live(State(server): State<Inner>) -> Response {
    stream::of_all(&server)
}

/// `GET /api/v1/escalations`: open questions, oldest first.
pub(crate) async fn escalations(State(server): State<Inner>) -> Result<Response, Problem> {
    Ok(json(StatusCode::OK, &server.ports.store.open_escalations().await?))
}

/// `GET /jobs/{id}`: what became of a run, or of a delivery as its answer named it.
pub(crate) async fn job(State(server): State<Inner>, Path(id): Path<String>) -> Result<Response, Problem> {
    if let Some(key) = DeliveryKey::parse(&id) {
        let shown = Shown::find(&server, &key).await?.ok_or_else(|| Problem::not_found("such delivery"))?;
        return Ok(json(StatusCode::OK, &shown));
    }
    let row = find(&server, &id).await?.ok_or_else(|| Problem::not_found("such job"))?;
    Ok(json(StatusCode::OK, &row))
}

/// The run of that id or number.
async fn find(server: &Shared, run: &str) -> Result<Option<RunRow>, Problem> {
    let store = &server.ports.store;
    if let Ok(number) = run.parse() {
        let filter = RunFilter { number: Some(number), ..RunFilter::default() };
        let rows = store.runs(&filter).await?;
        if rows.len() > 1 {
            return Err(Problem::new(StatusCode::CONFLICT, format!("several repos have a run {number}"))
                .hint("name it by its id"));
        }
        return Ok(rows.into_iter().next());
    }
    // The store finds runs by their numbers, and the first event of a run names its number.
    let id = RunId::from(run);
    let Some(first) = store.load(&id, 0).await?.into_iter().next() else {
        return Ok(None);
    };
    let EventBody::RunStarted(started) = first.body else {
        return Ok(None);
    };
    let filter = RunFilter { number: Some(started.number), ..RunFilter::default() };
    Ok(store.runs(&filter).await?.into_iter().find(|row| row.id == id))
}
