//! Slack by an incoming webhook.

use std::fmt;
use std::time::Duration;

use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use jiff::{SignedDuration, Timestamp};
use miyabi_core::intent::Channel;
use miyabi_core::plain::one_line;
use miyabi_core::ports::Note;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::{NotifyError, SharedClock};

/// Of an answer so much is read, in bytes.
const ANSWER: usize = 64 * 1024;
/// The longest wait that Slack may ask for, in seconds; with none said, the shortest.
const WAIT: (i64, i64) = (1, 3_600);

type Body = Full<std::io::Cursor<Vec<u8>>>;

/// One incoming webhook.
pub struct Slack {
    client: Client<HttpsConnector<HttpConnector>, Body>,
    url: SecretString,
    deadline: Duration,
    clock: SharedClock,
}

impl Slack {
    /// Makes ready without connecting.
    ///
    /// Errors: `SlackUrl`, or `Client` where the machine's certificates cannot be read.
    pub fn new(url: SecretString, deadline: Duration, clock: SharedClock) -> Result<Self, NotifyError> {
        let parsed: Uri =
            url.expose_secret().parse().map_err(|_| NotifyError::SlackUrl("it cannot be read"))?;
        if !matches!(parsed.scheme_str(), Some("https" | "http")) {
            return Err(NotifyError::SlackUrl("it does not begin with https://"));
        }
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
            .map_err(NotifyError::Client)?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(connector), url, deadline, clock })
    }

    /// Posts one message.
    pub(crate) async fn send(&self, note: Note<'_>) -> Result<(), NotifyError> {
        let exchanged = tokio::time::timeout(self.deadline, self.exchange(note)).await;
        let slow = NotifyError::Slow { channel: Channel::Slack, seconds: self.deadline.as_secs() };
        exchanged.map_err(|_| slow)?
    }

    async fn exchange(&self, note: Note<'_>) -> Result<(), NotifyError> {
        let body = json!({ "text": text(note), "unfurl_links": false }).to_string();
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.url.expose_secret())
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .body(Full::new(std::io::Cursor::new(body.into_bytes())))
            .map_err(|_| NotifyError::SlackUrl("it cannot be read"))?;
        let lost = |error: &dyn std::error::Error| NotifyError::Lost(cause(error));
        let answer = self.client.request(request).await.map_err(|error| lost(&error))?;
        let (head, body) = answer.into_parts();
        if head.status.is_success() {
            return Ok(());
        }
        if head.status == StatusCode::TOO_MANY_REQUESTS {
            let after = head.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
            return Err(NotifyError::Limited { until: until(after, self.clock.now()) });
        }
        // A refusal without a reason is still a refusal.
        let said = Limited::new(body, ANSWER).collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let said = one_line(&String::from_utf8_lossy(&said), 200);
        Err(NotifyError::Refused { status: head.status.as_u16(), said })
    }
}

impl fmt::Debug for Slack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slack").finish_non_exhaustive()
    }
}

/// The message in Slack's own markup. Nothing of what it is made of becomes a mention or a link, but the address.
fn text(note: Note<'_>) -> String {
    let subject = one_line(note.subject, 300);
    let mut text = format!("*{}*\n{}", escaped(&subject).replace('*', "∗"), escaped(note.body.trim()));
    if !note.url.is_empty() {
        let url = note.url.replace(['<', '>', '|'], "");
        text.push_str(&format!("\n<{}>", one_line(&url, 2_000)));
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn until(after: Option<&str>, now: Timestamp) -> Timestamp {
    let seconds = after.and_then(|text| text.trim().parse::<i64>().ok()).unwrap_or(WAIT.0);
    let wait = SignedDuration::from_secs(seconds.clamp(WAIT.0, WAIT.1));
    now.checked_add(wait).unwrap_or(now)
}

/// The innermost cause: the outer ones repeat the address.
fn cause(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_message_is_a_command_to_slack() {
        let note =
            Note { subject: "<!channel> *a*\nb", body: "<@U1> & <http://x|y>\n", url: "https://f/1>|<!here" };
        let expected = "*&lt;!channel&gt; ∗a∗ b*\n&lt;@U1&gt; &amp; &lt;http://x|y&gt;\n<https://f/1!here>";
        assert_eq!(text(note), expected);
        assert_eq!(text(Note { subject: "質問", body: "本文", url: "" }), "*質問*\n本文");
    }

    #[test]
    fn a_limit_ends_when_slack_says_so_and_within_reason() {
        let now = Timestamp::UNIX_EPOCH;
        for (after, seconds) in [
            (Some("30"), 30),
            (Some(" 7 "), 7),
            (None, 1),
            (Some("x"), 1),
            (Some("-5"), 1),
            (Some("999999"), 3_600),
        ] {
            assert_eq!(until(after, now).as_second(), seconds, "{after:?}");
        }
    }
}
