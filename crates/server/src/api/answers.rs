//! Answering a question: the one thing that the API changes.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use miyabi_core::event::Answer;
use miyabi_core::ids::{EscalationId, RunId};
use miyabi_core::ports::EscalationRow;
use miyabi_core::task::Task;
use serde::{Deserialize, Serialize};

use crate::answer::{Problem, json};
use crate::state::{Inner, Refused, Shared};

/// Who answers by the API, as logs and `policy.approvers` name them: a token does not say whose hand it is in.
const BY: &str = "api";
/// The largest answer, in bytes; one with a changed plan is the longest.
const LARGEST: usize = 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Given {
    /// The id of one of the question's actions.
    action: String,
    /// What is added for those who read it, or for the agent that does it.
    #[serde(default)]
    note: String,
    /// The tasks of `modify`.
    #[serde(default)]
    tasks: Vec<Task>,
    /// The run that asks, where several repos have such a question.
    #[serde(default)]
    run: Option<RunId>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Taken {
    /// The run, which goes on.
    run: RunId,
    /// The question.
    question: EscalationId,
    /// What was answered.
    action: String,
}

/// `POST /api/v1/escalations/{id}/answer`: answers an open question and has its run go on.
pub(crate) async fn answer(
    State(server): State<Inner>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    if server.settings.token.is_empty() {
        // Without one every program of this machine could approve, agents too.
        return Err(Problem::new(StatusCode::FORBIDDEN, "answers need a token, and this server has none")
            .hint("start it with MIYABI_API_TOKEN, or answer with `miyabi escalation answer`"));
    }
    let given = read(&headers, &body)?;
    let row = find(&server, &id, given.run.as_ref()).await?;
    let answer = Answer {
        action: given.action.clone(),
        by: BY.to_owned(),
        from: BY.to_owned(),
        note: given.note,
        tasks: given.tasks,
    };
    server.ports.answers.answer(&row.run, &row.id, answer).await.map_err(|refused| match refused {
        Refused::NotTaken(why) => Problem::new(StatusCode::CONFLICT, why)
            .hint("`GET /api/v1/escalations` lists the open questions and what they take"),
        Refused::Failed(failure) => failure.into(),
    })?;
    Ok(json(StatusCode::OK, &Taken { run: row.run, question: row.id, action: given.action }))
}

fn read(headers: &HeaderMap, body: &Bytes) -> Result<Given, Problem> {
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !media.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json")) {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "an answer is JSON")
            .hint("send `Content-Type: application/json`"));
    }
    if body.len() > LARGEST {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("an answer is above {LARGEST} bytes"),
        ));
    }
    serde_json::from_slice(body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("the answer cannot be read: {error}"))
            .hint("send `{\"action\": \"approve_anyway\", \"note\": \"…\"}`")
    })
}

async fn find(server: &Shared, id: &str, run: Option<&RunId>) -> Result<EscalationRow, Problem> {
    let open = server.ports.store.open_escalations().await?;
    let mut named =
        open.into_iter().filter(|row| row.id.as_str() == id && run.is_none_or(|run| row.run == *run));
    let row = named.next().ok_or_else(|| Problem::not_found("such open question"))?;
    match named.next() {
        None => Ok(row),
        Some(_) => Err(Problem::new(StatusCode::CONFLICT, format!("several repos have a question {id}"))
            .hint("name the run as well: `\"run\": \"<id>\"`")),
    }
}
