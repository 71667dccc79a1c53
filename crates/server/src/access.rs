//! Who may read: this machine, or whoever has a token. Webhooks prove themselves by their signatures instead.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::answer::Problem;
use crate::settings::Settings;
use crate::state::Inner;

/// Lets only those pass who may read.
pub(crate) async fn guard(State(server): State<Inner>, request: Request, next: Next) -> Response {
    match check(&server.settings, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn check(settings: &Settings, headers: &HeaderMap) -> Result<(), Problem> {
    let forbidden = |error: &str| Problem::new(StatusCode::FORBIDDEN, error);
    // A page elsewhere can point its own name at this machine; then the browser sends that name.
    let host = only(headers, HOST.as_str()).ok_or_else(|| forbidden("the request names no host"))?;
    let name = host_name(host).ok_or_else(|| forbidden("the request names no host"))?;
    if !is_known(name, &settings.hosts) {
        return Err(forbidden("the host of the request is not known here")
            .hint("add the name by which you reach the server to its hosts"));
    }
    if headers.contains_key(ORIGIN) {
        let origin = only(headers, ORIGIN.as_str());
        let from = origin.and_then(|origin| origin.split_once("://")).map(|(_, from)| from);
        if !from.is_some_and(|from| from.eq_ignore_ascii_case(host)) {
            return Err(forbidden("the request comes from a page of another origin"));
        }
    }
    if settings.token.is_empty() {
        return Ok(());
    }
    let given = only(headers, AUTHORIZATION.as_str()).and_then(bearer);
    if given.is_some_and(|token| settings.token.contains(token.as_bytes())) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::UNAUTHORIZED, "the request has no valid token")
        .hint("send `Authorization: Bearer` with the token of MIYABI_API_TOKEN"))
}

/// The value of a header that is there once, as text.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The host without its port; an IPv6 address without its brackets.
fn host_name(host: &str) -> Option<&str> {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    (!name.is_empty()).then_some(name)
}

/// Nobody can make another's page carry an address as its name, so any address will do.
fn is_known(name: &str, hosts: &[String]) -> bool {
    name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use miyabi_forge::webhook::Secrets;

    use super::*;

    fn status(settings: &Settings, headers: &[(&'static str, &str)]) -> Option<u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("a header"));
        }
        check(settings, &map).err().map(|problem| problem.status.as_u16())
    }

    #[test]
    fn a_page_of_another_name_or_origin_reads_nothing() {
        let settings = Settings { hosts: vec!["miyabi.example".to_owned()], ..Settings::default() };
        for host in ["localhost", "LOCALHOST:8095", "127.0.0.1:8095", "[::1]:8095", "Miyabi.example:443"] {
            assert_eq!(status(&settings, &[("host", host)]), None, "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "[::1", ":80"] {
            assert_eq!(status(&settings, &[("host", host)]), Some(403), "{host}");
        }
        assert_eq!(status(&settings, &[]), Some(403));
        assert_eq!(status(&settings, &[("host", "localhost"), ("host", "localhost")]), Some(403));

        let from = |origin| status(&settings, &[("host", "localhost:8095"), ("origin", origin)]);
        assert_eq!(from("http://localhost:8095"), None);
        for origin in
            ["null", "http://localhost", "http://localhost:80", "https://evil.example", "localhost:8095"]
        {
            assert_eq!(from(origin), Some(403), "{origin}");
        }
    }

    #[test]
    fn a_token_is_asked_for_when_there_is_one() {
        let settings = Settings { token: Secrets::parse("old, new"), ..Settings::default() };
        let with = |value| status(&settings, &[("host", "localhost"), ("authorization", value)]);
        assert_eq!((with("Bearer new"), with("bearer old")), (None, None));
        for wrong in ["Bearer", "Bearer ", "Bearer ne", "Bearer new old", "Basic new", "new"] {
            assert_eq!(with(wrong), Some(401), "{wrong}");
        }
        let twice = [("host", "localhost"), ("authorization", "Bearer new"), ("authorization", "Bearer new")];
        assert_eq!(status(&settings, &twice), Some(401));
        assert_eq!(status(&settings, &[("host", "localhost")]), Some(401));
    }
}
