//! The routes behind the guard: runs, questions, issues and deliveries as the store has them, and answers.

mod answers;
mod deliveries;
mod issues;
mod runs;

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;

pub(crate) use answers::answer;
pub(crate) use deliveries::{delivery, delivery_body, list_deliveries};
pub(crate) use issues::{issue, list_changes, list_issues};
pub(crate) use runs::{all_live, escalations, events, job, list_runs, run};

use crate::answer::Problem;

/// The description of every route.
pub(crate) const OPENAPI: &str = include_str!("../openapi.json");

/// So many entries of a list unless more or fewer are asked for.
const USUAL: u32 = 100;
/// Never more than this.
const MOST: u32 = 1000;

/// Parameters behind the `?`, or what is wrong with them.
type Asked<T> = Result<Query<T>, QueryRejection>;

fn asked<T>(query: Asked<T>) -> Result<T, Problem> {
    match query {
        Ok(Query(parameters)) => Ok(parameters),
        Err(error) => Err(Problem::new(StatusCode::BAD_REQUEST, error.body_text())
            .hint("`/api/v1/openapi.json` names the parameters")),
    }
}

fn limit(wanted: Option<u32>) -> u32 {
    wanted.unwrap_or(USUAL).min(MOST)
}

/// What is answered, for its description.
#[cfg(test)]
pub(crate) mod schemas {
    pub(crate) use super::answers::{Given as AnswerGiven, Taken as AnswerTaken};
    pub(crate) use super::deliveries::{Row as DeliveryRow, Shown as DeliveryPage};
    pub(crate) use super::issues::IssuePage;
    pub(crate) use super::runs::RunPage;
}
