//! One memory of when GitHub wants to hear from us again. A limit is a state with a wake time; nobody sleeps here.

use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};

/// How long to wait when GitHub says that there is a limit and not when it ends: what its documentation asks for.
const UNKNOWN: SignedDuration = SignedDuration::from_secs(60);
/// The longest wait that is believed.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

/// Until when nothing may be asked, shared by everybody with the same credentials.
#[derive(Clone, Debug, Default)]
pub struct Limiter(Arc<Mutex<Option<Timestamp>>>);

impl Limiter {
    /// When asking may begin again; `None`: now.
    pub fn until(&self, now: Timestamp) -> Option<Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).filter(|until| *until > now)
    }

    /// Nothing is asked before that time. A later time that is known already stays.
    fn wait(&self, until: Timestamp) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Some(held.map_or(until, |known| known.max(until)));
    }

    /// Learns from an answer. `Some(time)`: it was refused because of a limit, and may be tried again then.
    pub(super) fn learn(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &str,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let refused = refusal(status, headers, body, now);
        if let Some(until) = refused {
            self.wait(until);
        } else if status.as_u16() < 400
            && let Some(reset) = spent(headers)
        {
            // This was the last one: the next would be refused, so it is not even asked.
            self.wait(reset.min(now.saturating_add(LONGEST).unwrap_or(now)));
        }
        refused
    }
}

fn refusal(status: StatusCode, headers: &HeaderMap, body: &str, now: Timestamp) -> Option<Timestamp> {
    let after = retry_after(headers, now);
    let reset = match status {
        StatusCode::TOO_MANY_REQUESTS => after.or_else(|| spent(headers)).unwrap_or(later(now, UNKNOWN)),
        StatusCode::FORBIDDEN => {
            let body = body.to_ascii_lowercase();
            let said = body.contains("rate limit") || body.contains("abuse detection");
            match after.or_else(|| spent(headers)) {
                Some(until) => until,
                None if said => later(now, UNKNOWN),
                None => return None,
            }
        }
        StatusCode::SERVICE_UNAVAILABLE => after?,
        _ => return None,
    };
    // A time that has passed already would make us ask again at once, and again.
    Some(reset.clamp(later(now, SignedDuration::from_secs(1)), later(now, LONGEST)))
}

/// When the primary limit ends, if it is used up. Limits of other resources, such as search, are not ours.
fn spent(headers: &HeaderMap) -> Option<Timestamp> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let ours = matches!(text("x-ratelimit-resource"), None | Some("core"));
    if text("x-ratelimit-remaining") != Some("0") || !ours {
        return None;
    }
    Timestamp::from_second(text("x-ratelimit-reset")?.parse().ok()?).ok()
}

/// `Retry-After`, in seconds or as a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let text = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse::<u32>() {
        Ok(seconds) => Some(later(now, SignedDuration::from_secs(i64::from(seconds)))),
        Err(_) => jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp()),
    }
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000;

    fn now() -> Timestamp {
        Timestamp::from_second(NOW).unwrap()
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    /// Seconds until the answer may be asked for again, and until anything may be asked at all.
    fn learn(status: u16, pairs: &[(&'static str, &str)], body: &str) -> (Option<i64>, Option<i64>) {
        let limiter = Limiter::default();
        let status = StatusCode::from_u16(status).unwrap();
        let seconds = |until: Timestamp| until.as_second() - NOW;
        let refused = limiter.learn(status, &headers(pairs), body, now()).map(seconds);
        (refused, limiter.until(now()).map(seconds))
    }

    #[test]
    fn limits_are_recognised() {
        let both = |seconds| (Some(seconds), Some(seconds));
        let reset = (NOW + 90).to_string();
        let spent = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", reset.as_str())];
        assert_eq!(learn(403, &spent, "API rate limit exceeded"), both(90));
        assert_eq!(learn(429, &spent, ""), both(90));
        assert_eq!(learn(403, &[("retry-after", "7")], "You have exceeded a secondary rate limit"), both(7));
        assert_eq!(learn(403, &[], "You have exceeded a secondary rate limit"), both(60));
        assert_eq!(learn(429, &[], ""), both(60));
        assert_eq!(learn(503, &[("retry-after", "Mon, 21 Sep 2026 14:13:50 GMT")], ""), both(30));
        assert_eq!(learn(429, &[("retry-after", "0")], ""), both(1));
        assert_eq!(learn(429, &[("retry-after", "4294967295")], ""), both(24 * 3600));
        assert_eq!(learn(429, &[("retry-after", "すぐ")], ""), both(60));
    }

    #[test]
    fn other_refusals_are_no_limits() {
        assert_eq!(learn(403, &[], "Resource not accessible by integration"), (None, None));
        assert_eq!(learn(403, &[("x-ratelimit-remaining", "4999")], "Must have admin rights"), (None, None));
        assert_eq!(learn(404, &[("retry-after", "7")], ""), (None, None));
        assert_eq!(learn(503, &[], ""), (None, None));
    }

    #[test]
    fn the_last_good_answer_is_known_to_be_the_last() {
        let reset = (NOW + 90).to_string();
        let spent = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", reset.as_str())];
        assert_eq!(learn(200, &spent, ""), (None, Some(90)));
        let search = [spent[0], spent[1], ("x-ratelimit-resource", "search")];
        assert_eq!(learn(200, &search, ""), (None, None));
        assert_eq!(learn(200, &[("x-ratelimit-remaining", "1")], ""), (None, None));
    }

    #[test]
    fn the_latest_end_counts_and_passes() {
        let limiter = Limiter::default();
        let other = limiter.clone();
        limiter.learn(StatusCode::TOO_MANY_REQUESTS, &headers(&[("retry-after", "60")]), "", now());
        other.learn(StatusCode::TOO_MANY_REQUESTS, &headers(&[("retry-after", "5")]), "", now());
        assert_eq!(other.until(now()), Some(Timestamp::from_second(NOW + 60).unwrap()));
        assert_eq!(limiter.until(Timestamp::from_second(NOW + 60).unwrap()), None);
    }
}
