//! Heads of requests and answers: the credentials in them, and what is passed on of the rest.

use http::header::{AUTHORIZATION, CONNECTION, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use http::request::Parts;

use super::provider::{X_API_KEY, X_GOOG_API_KEY};

/// Headers that are for one connection and not for who stands behind it, and what the next connection says anew.
const OF_CONNECTIONS: [&str; 13] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers by which somebody says who he is.
const CREDENTIALS: [&str; 5] = ["authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie"];

/// Headers by which some services let a request mean another method or path than the one that was looked at.
const OVERRIDES: [&str; 5] =
    ["x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"];

/// Everything in a request that may be a token.
pub(super) fn tokens(head: &Parts) -> impl Iterator<Item = &str> {
    let of = |name| head.headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let bearers = of(AUTHORIZATION).filter_map(bearer);
    let in_query =
        head.uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.strip_prefix("key="));
    of(X_API_KEY).chain(bearers).chain(of(X_GOOG_API_KEY)).chain(in_query)
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The query without keys; none, if nothing is left.
pub(super) fn query(query: Option<&str>) -> Option<String> {
    let is_key = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        percent_encoding::percent_decode_str(name).eq(b"key".iter().copied())
    };
    let kept: Vec<&str> = query?.split('&').filter(|pair| !is_key(pair)).collect();
    let kept = kept.join("&");
    (!kept.is_empty()).then_some(kept)
}

/// Whether a WebSocket is asked for.
pub(super) fn wants_socket(headers: &HeaderMap) -> bool {
    words(headers, &UPGRADE).any(|word| word == "websocket")
}

/// What the service gets of a request's headers, without those whose value `is_hidden`.
pub(super) fn of_request(headers: &HeaderMap, is_hidden: impl Fn(&str) -> bool) -> HeaderMap {
    let is_ours = |name: &str| CREDENTIALS.contains(&name) || OVERRIDES.contains(&name);
    passed(headers, |name, value| !is_ours(name) && !is_hidden(value))
}

/// What the program gets of an answer's headers, without those whose value `is_hidden`.
pub(super) fn of_answer(headers: &HeaderMap, is_hidden: impl Fn(&str) -> bool) -> HeaderMap {
    passed(headers, |_, value| !is_hidden(value))
}

fn passed(headers: &HeaderMap, may_pass: impl Fn(&str, &str) -> bool) -> HeaderMap {
    let named: Vec<String> = words(headers, &CONNECTION).collect();
    let is_of_connection =
        |name: &str| OF_CONNECTIONS.contains(&name) || named.iter().any(|named| named == name);
    let may_pass = |(name, value): &(&HeaderName, &HeaderValue)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        !is_of_connection(name.as_str()) && may_pass(name.as_str(), &value)
    };
    headers.iter().filter(may_pass).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The words of a header that is a list of them, in small letters.
fn words(headers: &HeaderMap, name: &HeaderName) -> impl Iterator<Item = String> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|word| word.trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(uri: &str, headers: &[(&'static str, &'static str)]) -> Parts {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn tokens_are_found_wherever_a_program_may_put_them() {
        let headers = [
            ("x-api-key", "a"),
            ("authorization", "Basic x"),
            ("authorization", "bearer  b"),
            ("x-goog-api-key", "c"),
            ("cookie", "key=x"),
        ];
        let head = head("/p?alt=sse&key=d&akey=x&key=e", &headers);
        assert_eq!(tokens(&head).collect::<Vec<_>>(), ["a", "b", "c", "d", "e"]);
    }

    #[test]
    fn queries_lose_their_keys_and_nothing_else() {
        for (given, kept) in [
            (None, None),
            (Some(""), None),
            (Some("key=x"), None),
            (Some("alt=sse&key=x&b=%20"), Some("alt=sse&b=%20")),
            (Some("%6Bey=x&monkey=1&key"), Some("monkey=1")),
        ] {
            assert_eq!(query(given).as_deref(), kept, "{given:?}");
        }
    }

    #[test]
    fn headers_of_a_connection_and_credentials_stay_here() {
        let given = [
            ("connection", "close, X-Mine"),
            ("x-mine", "1"),
            ("keep-alive", "1"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("host", "127.0.0.1"),
            ("authorization", "Bearer x"),
            ("x-api-key", "x"),
            ("cookie", "x"),
            ("x-http-method-override", "DELETE"),
            ("x-note", "it is hidden here"),
            ("accept", "a"),
            ("accept", "b"),
        ];
        let head = head("/", &given);
        let is_hidden = |value: &str| value.contains("hidden");
        let passed = of_request(&head.headers, is_hidden);
        let names: Vec<&str> = passed.keys().map(HeaderName::as_str).collect();
        assert_eq!((names, passed.len()), (vec!["accept"], 2), "{passed:?}");
        assert_eq!(of_answer(&head.headers, is_hidden).len(), 6, "an answer keeps what only a request hides");
        assert!(!wants_socket(&head.headers), "another protocol is not asked for in vain: HTTP/1.1 goes on");
    }
}
