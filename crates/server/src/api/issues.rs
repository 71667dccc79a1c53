//! Issues and changes of the local forge.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use miyabi_core::ids::IssueNumber;
use miyabi_core::issue::{Comment, Issue};
use serde::{Deserialize, Serialize};

use super::{Asked, asked};
use crate::answer::{Problem, json};
use crate::state::Inner;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IssuesQuery {
    all: Option<bool>,
}

/// `GET /api/v1/issues`: newest first, open ones unless `all`.
pub(crate) async fn list_issues(
    State(server): State<Inner>,
    query: Asked<IssuesQuery>,
) -> Result<Response, Problem> {
    let IssuesQuery { all } = asked(query)?;
    Ok(json(StatusCode::OK, &server.ports.issues.local_issues(all.unwrap_or(false)).await?))
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct IssuePage {
    #[serde(flatten)]
    issue: Issue,
    comments: Vec<Comment>,
}

/// `GET /api/v1/issues/{number}`: with its comments, oldest first.
pub(crate) async fn issue(
    State(server): State<Inner>,
    Path(number): Path<String>,
) -> Result<Response, Problem> {
    let none = || Problem::not_found("such issue");
    let number: IssueNumber = number.parse().map_err(|_| none())?;
    let issue = server.ports.issues.local_issue(number).await?.ok_or_else(none)?;
    let comments = server.ports.issues.local_comments(number).await?;
    Ok(json(StatusCode::OK, &IssuePage { issue, comments }))
}

/// `GET /api/v1/changes`: newest first.
pub(crate) async fn list_changes(State(server): State<Inner>) -> Result<Response, Problem> {
    Ok(json(StatusCode::OK, &server.ports.issues.local_changes().await?))
}
