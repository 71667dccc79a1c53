//! What it means when there is no answer.

use std::error::Error;
use std::time::Duration;

use miyabi_core::model::ModelFault;
use miyabi_core::plain::one_line;

use crate::stream::TooLong;

/// How much of what the other side said is told, in characters.
const TOLD: usize = 300;

/// How providers say that a question is too long.
const TOO_LONG: [&str; 7] = [
    "context_length_exceeded",
    "maximum context length",
    "prompt is too long",
    "context window",
    "too many tokens",
    "request_too_large",
    "input is too long",
];

/// How they say that nothing is paid for.
const UNPAID: [&str; 3] = ["insufficient_quota", "credit balance", "billing"];

/// What an error says, with all that caused it.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut causes = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    one_line(&causes.join(": "), TOLD)
}

impl From<TooLong> for ModelFault {
    fn from(_: TooLong) -> Self {
        Self::Wrong("a piece of the answer is longer than answers are".to_owned())
    }
}

/// What the status of an answer means.
pub(crate) fn of_status(status: u16, body: &str, after: Option<Duration>) -> ModelFault {
    let said = body.to_lowercase();
    let detail = format!("status {status}: {}", one_line(&message(body), TOLD));
    let names = |words: &[&str]| words.iter().any(|word| said.contains(word));
    match status {
        413 => ModelFault::TooLong(detail),
        401..=403 => ModelFault::Denied(detail),
        429 if names(&UNPAID) => ModelFault::Denied(detail),
        429 | 503 | 529 => ModelFault::Busy { after, detail },
        408 | 409 | 425 | 500..=599 => ModelFault::Broken(detail),
        _ if names(&TOO_LONG) => ModelFault::TooLong(detail),
        _ => ModelFault::Wrong(detail),
    }
}

/// An error that comes in the middle of a stream.
pub(crate) fn of_event(body: &str) -> ModelFault {
    let detail = one_line(&message(body), TOLD);
    if body.contains("overloaded") || body.contains("rate_limit") {
        ModelFault::Busy { after: None, detail }
    } else {
        ModelFault::Broken(detail)
    }
}

/// What people are to read of an error's body.
fn message(body: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let places = [&json["error"]["message"], &json["message"], &json["error"], &json["detail"]];
    places.into_iter().find_map(|place| place.as_str()).unwrap_or(body).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_what_can_be_done() {
        let second = Some(Duration::from_secs(1));
        let kind = |status, body| match of_status(status, body, second) {
            ModelFault::Busy { after, .. } => format!("busy {after:?}"),
            ModelFault::Broken(_) => "broken".to_owned(),
            ModelFault::TooLong(_) => "too long".to_owned(),
            ModelFault::Denied(_) => "denied".to_owned(),
            ModelFault::Wrong(detail) => detail,
        };
        assert_eq!(kind(429, ""), "busy Some(1s)");
        assert_eq!(kind(529, "{}"), "busy Some(1s)");
        assert_eq!(kind(429, r#"{"error": {"code": "insufficient_quota"}}"#), "denied");
        assert_eq!(
            kind(400, r#"{"error": {"message": "prompt is too long: 210000 tokens > 200000"}}"#),
            "too long"
        );
        assert_eq!(kind(413, "<html>"), "too long");
        assert_eq!(kind(502, "<html>"), "broken");
        assert_eq!(kind(401, ""), "denied");
        let unknown = r#"{"error": {"message": "model `雅` does not exist\nat all"}}"#;
        assert_eq!(kind(404, unknown), "status 404: model `雅` does not exist at all");
    }
}
