//! Every route, once: the table is what is served, and what a test holds against `openapi.json`.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use miyabi_core::delivery::Provider;

use crate::answer::{Problem, typed};
use crate::intake::{Door, receive};
use crate::state::{Inner, Server};
use crate::{access, api, health};

/// The server without a socket.
pub fn app(server: &Server) -> Router {
    let server = server.inner();
    let mut open = Router::new();
    for (path, method) in open_routes() {
        open = open.route(path, method);
    }
    let mut guarded = Router::new();
    for (path, method) in guarded_routes() {
        guarded = guarded.route(path, method);
    }
    // The guard stands before the choice of the route, so that nobody learns which ones there are.
    let guarded = guarded
        .fallback(nowhere)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(server.clone(), access::guard));
    open.method_not_allowed_fallback(wrong_method)
        .fallback_service(guarded.with_state(server.clone()))
        .layer(from_fn_with_state(server.clone(), finish))
        .with_state(server.clone())
}

type Route = (&'static str, MethodRouter<Inner>);

/// Routes that everybody reaches: deliveries prove themselves, health says nothing.
pub(crate) fn open_routes() -> Vec<Route> {
    let door = |provider, refused| {
        post(move |state: State<Inner>, request: Request| receive(state, Door { provider, refused }, request))
    };
    vec![
        ("/webhook", door(Provider::Github, StatusCode::UNAUTHORIZED)),
        ("/api/webhooks/github", door(Provider::Github, StatusCode::FORBIDDEN)),
        ("/api/webhooks/gitlab", door(Provider::Gitlab, StatusCode::FORBIDDEN)),
        ("/api/webhooks/ci", door(Provider::Ci, StatusCode::FORBIDDEN)),
        ("/healthz", get(health::healthz)),
        ("/readyz", get(health::readyz)),
    ]
}

/// Routes for those who may read.
pub(crate) fn guarded_routes() -> Vec<Route> {
    vec![
        ("/metrics", get(health::metrics)),
        ("/jobs/{id}", get(api::job)),
        ("/api/v1/openapi.json", get(openapi)),
        ("/api/v1/runs", get(api::list_runs)),
        ("/api/v1/runs/{run}", get(api::run)),
        ("/api/v1/runs/{run}/events", get(api::events)),
        ("/api/v1/live", get(api::all_live)),
        ("/api/v1/escalations", get(api::escalations)),
        ("/api/v1/escalations/{id}/answer", post(api::answer)),
        ("/api/v1/issues", get(api::list_issues)),
        ("/api/v1/issues/{number}", get(api::issue)),
        ("/api/v1/changes", get(api::list_changes)),
        ("/api/v1/deliveries", get(api::list_deliveries)),
        ("/api/v1/deliveries/{id}", get(api::delivery)),
        ("/api/v1/deliveries/{id}/body", get(api::delivery_body)),
    ]
}

async fn openapi() -> Response {
    typed(StatusCode::OK, "application/json", api::OPENAPI)
}

async fn nowhere() -> Response {
    Problem::not_found("such page").hint("`/api/v1/openapi.json` lists all of them").into_response()
}

async fn wrong_method() -> Response {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this page does not take that method").into_response()
}

/// What every answer has: it is counted, nobody keeps it, and nobody takes it for another type.
async fn finish(State(server): State<Inner>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    server.counters.request(response.status().as_u16());
    response
}
