//! Webhooks as forges and CI send them: whether they are genuine, and what they say.
//!
//! The order is fixed: [`verify`] over the raw bytes first, then [`read`]. Nothing here answers requests, keeps
//! deliveries or decides what follows from them.

mod ci;
mod github;
mod gitlab;
mod secrets;
mod signature;

use std::collections::BTreeMap;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use miyabi_core::delivery::{Delivery, DeliveryKey, Provider};
use miyabi_core::trigger::{Happening, Occurrence};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

pub use secrets::Secrets;
pub use signature::{Refusal, verify};

/// What a genuine delivery says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What makes it the same one when it comes again.
    pub key: DeliveryKey,
    /// What happened, in the provider's word.
    pub event: String,
    /// Which kind of it.
    pub action: Option<String>,
    /// What it means, in our words.
    pub occurrence: Occurrence,
    /// The headers that are worth keeping, by lower-case name; none that proves anything.
    pub headers: BTreeMap<String, String>,
}

/// Why a delivery cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// A header that every delivery has.
    #[error("read the delivery: header `{0}` is missing or not plain text")]
    Header(&'static str),
    /// A form instead of JSON.
    #[error("read the delivery: the body is a form; set the webhook's content type to `application/json`")]
    Form,
    /// No JSON.
    #[error("read the delivery: the body is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// JSON, but no object.
    #[error("read the delivery: the body is not a JSON object")]
    NotAnObject,
}

/// Reads a delivery whose signature was right.
///
/// Whatever is valid JSON is read: events that nobody acts on and payloads of an unexpected shape become
/// [`Happening::Nothing`] with the reason. Errors: only what no provider sends.
pub fn read(provider: Provider, headers: &HeaderMap, body: &[u8]) -> Result<Received, Malformed> {
    let content_type = headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes).unwrap_or_default();
    if content_type.to_ascii_lowercase().starts_with(b"application/x-www-form-urlencoded") {
        return Err(Malformed::Form);
    }
    if body.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
        // `[` would be taken for an object whose fields stand in order.
        return Err(match serde_json::from_slice::<serde::de::IgnoredAny>(body) {
            Ok(_) => Malformed::NotAnObject,
            Err(error) => Malformed::NotJson(error),
        });
    }
    let mut received = match provider {
        Provider::Github => github::read(headers, body),
        Provider::Gitlab => gitlab::read(headers, body),
        Provider::Ci => ci::read(headers, body),
    }?;
    received.headers = kept(headers);
    Ok(received)
}

/// The headers that say what a delivery is. Never one that proves who sent it, nor a cookie or a token.
const KEPT: [&str; 12] = [
    "content-type",
    "user-agent",
    github::EVENT,
    github::DELIVERY,
    "x-github-hook-id",
    "x-github-hook-installation-target-id",
    "x-github-hook-installation-target-type",
    "x-github-enterprise-host",
    gitlab::EVENT,
    gitlab::EVENT_UUID,
    "x-gitlab-instance",
    IDEMPOTENCY_KEY,
];
/// The name that a sender keeps when it tries again.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The longest header that is kept, in characters, and the longest name of a delivery.
const LONGEST: usize = 200;

fn kept(headers: &HeaderMap) -> BTreeMap<String, String> {
    let text = |name: &&str| {
        let value = headers.get(*name)?.to_str().ok()?;
        Some(((*name).to_owned(), value.chars().take(LONGEST).collect()))
    };
    KEPT.iter().filter_map(text).collect()
}

/// The headers that were kept of a delivery, as [`read`] takes them.
pub fn headers_of(delivery: &Delivery) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &delivery.headers {
        if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(name), http::HeaderValue::try_from(value))
        {
            headers.insert(name, value);
        }
    }
    headers
}

/// The one value of a header, if it is visible text of a length that names have.
fn header<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, Malformed> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Malformed::Header(name));
    };
    let text = value.to_str().ok().map(str::trim).filter(|text| !text.is_empty() && text.len() <= LONGEST);
    text.ok_or(Malformed::Header(name))
}

/// A name for a delivery that has none: equal bodies are one delivery.
fn digest(body: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut name = String::from("sha256-");
    for byte in Sha256::digest(body) {
        write!(name, "{byte:02x}").expect("writing to a string cannot fail");
    }
    name
}

/// A part of a payload that is looked at only by the events that need it.
type Part<'a> = Option<&'a RawValue>;

/// A part is missing or not of the shape that its event needs.
struct Unexpected(String);

impl From<Unexpected> for Happening {
    fn from(Unexpected(reason): Unexpected) -> Self {
        // It may quote the payload.
        Self::Nothing { reason: reason.chars().take(2 * LONGEST).collect() }
    }
}

/// Reads the top of a payload; valid JSON of another shape is told apart from what is no JSON.
fn top<'a, T: Deserialize<'a> + Default>(body: &'a [u8]) -> Result<(T, Option<Unexpected>), Malformed> {
    let error = match serde_json::from_slice(body) {
        Ok(top) => return Ok((top, None)),
        Err(error) => error,
    };
    if !error.is_data() {
        return Err(Malformed::NotJson(error));
    }
    match serde_json::from_slice::<serde::de::IgnoredAny>(body) {
        Ok(_) => Ok((T::default(), Some(Unexpected(format!("the payload is not as expected: {error}"))))),
        Err(error) => Err(Malformed::NotJson(error)),
    }
}

/// The part as the event needs it.
fn part<'a, T: Deserialize<'a>>(name: &str, part: Part<'a>) -> Result<T, Unexpected> {
    let Some(part) = part else {
        return Err(Unexpected(format!("the payload has no `{name}`")));
    };
    serde_json::from_str(part.get())
        .map_err(|error| Unexpected(format!("`{name}` of the payload is not as expected: {error}")))
}

/// The same where its absence, or another shape, is no obstacle.
fn maybe<'a, T: Deserialize<'a>>(part: Part<'a>) -> Option<T> {
    serde_json::from_str(part?.get()).ok()
}

/// A short text that can be shown, such as an action or an account's name.
fn name(text: String) -> Option<String> {
    (!text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control)).then_some(text)
}

/// The name of a repo, if it is one: path segments of plain letters.
fn repo_name(text: String) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let segment = |part: &str| !part.is_empty() && part != "." && part != ".." && part.chars().all(plain);
    let is_path = text.contains('/') && text.split('/').all(segment);
    name(text).filter(|_| is_path)
}

/// The id of a commit as git writes it.
fn commit_id(text: String) -> Result<String, Unexpected> {
    let hex = text.chars().all(|c| c.is_ascii_hexdigit());
    if hex && matches!(text.len(), 40 | 64) {
        Ok(text)
    } else {
        Err(Unexpected("a commit id is not one".to_owned()))
    }
}

/// A time in one of the ways in which providers write it.
fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.parse().ok().or_else(|| {
        let civil = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S UTC", text).ok()?;
        civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })
}

#[cfg(test)]
mod tests;
