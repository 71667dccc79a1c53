//! The shapes of secrets.

use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// A secret by its shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hit<'a> {
    /// What stands in the mark: `github-token`.
    pub kind: &'static str,
    /// Where the secret part is, in bytes; the words around it (`Authorization: Bearer`) stay.
    pub span: Range<usize>,
    /// The secret part.
    pub value: &'a str,
}

/// Kinds with their names for people and their patterns. The part of the group of that name is secret.
///
/// The first alternative that matches at a place wins, so the more telling ones come first.
///
/// Where a word begins is told by ASCII alone: a secret that stands right after Japanese text is one, and asking Unicode
/// would have the search of every text that is not ASCII fall back to its slowest way.
const KINDS: &[(&str, &str, &str)] = &[
    (
        "private-key",
        "a private key",
        r"(?P<private_key>-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:\s*(?:Proc-Type|DEK-Info|Version|Comment):[^\r\n]*)*[A-Za-z0-9+/=\s\\]*(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?)",
    ),
    (
        "github-token",
        "a GitHub token",
        r"(?-u:\b)(?P<github_token>gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{20,255})",
    ),
    (
        "gitlab-token",
        "a GitLab token",
        r"(?-u:\b)(?P<gitlab_token>gl(?:pat|ptt|dt|rt)-[A-Za-z0-9_-]{20,255})",
    ),
    ("anthropic-key", "an Anthropic key", r"(?-u:\b)(?P<anthropic_key>sk-ant-[A-Za-z0-9_-]{16,255})"),
    (
        "openai-key",
        "an OpenAI key",
        r"(?-u:\b)(?P<openai_key>sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,255})",
    ),
    ("stripe-key", "a Stripe key", r"(?-u:\b)(?P<stripe_key>[rs]k_live_[A-Za-z0-9]{16,255})"),
    ("aws-key", "an AWS access key", r"(?-u:\b)(?P<aws_key>(?:AKIA|ASIA)[A-Z0-9]{16})(?-u:\b)"),
    ("google-key", "a Google API key", r"(?-u:\b)(?P<google_key>AIza[A-Za-z0-9_-]{35})"),
    (
        "slack-token",
        "a Slack token",
        r"(?-u:\b)(?P<slack_token>xox[abeoprs]-[A-Za-z0-9-]{10,255}|xapp-[A-Za-z0-9-]{10,255})",
    ),
    (
        "slack-webhook",
        "a Slack webhook",
        r"https://hooks\.slack\.com/(?:services|workflows)/(?P<slack_webhook>[A-Za-z0-9/_-]{20,255})",
    ),
    ("npm-token", "an npm token", r"(?-u:\b)(?P<npm_token>npm_[A-Za-z0-9]{36})(?-u:\b)"),
    (
        "jwt",
        "a JSON web token",
        r"(?-u:\b)(?P<jwt>eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})",
    ),
    (
        "authorization",
        "an authorization header",
        r#"(?i:(?-u:\b)authorization["']?\s*[:=]\s*["']?(?:bearer|basic|token)\s+)(?P<authorization>[A-Za-z0-9._~+/=-]{8,})"#,
    ),
    ("bearer", "a bearer token", r"(?i:(?-u:\b)bearer\s+)(?P<bearer>[A-Za-z0-9._~+/=-]{20,})"),
    (
        "url-password",
        "a password in an address",
        r#"(?-u:\b)[a-zA-Z][a-zA-Z0-9+.-]{1,20}://[^\s/:@"'<>\[\]]{0,100}:(?P<url_password>[^\s/@"'<>]{3,200})@"#,
    ),
    (
        "assigned",
        "a secret in an assignment",
        r#"(?i:(?-u:\b)[a-z0-9_.-]{0,40}(?:api[_-]?key|secret|token|passw(?:or)?d|pwd|access[_-]?key|private[_-]?key|credentials?)[a-z0-9_]{0,20}["']?\s*(?::=|=>|[:=])\s*)(?:"(?P<quoted>[^"\s]{8,200})"|'(?P<single>[^'\s]{8,200})'|(?P<bare>[A-Za-z0-9+/_=.~-]{16,200}))"#,
    ),
];

static SHAPES: LazyLock<Regex> = LazyLock::new(|| {
    let all: Vec<&str> = KINDS.iter().map(|(_, _, pattern)| *pattern).collect();
    Regex::new(&all.join("|")).expect("the patterns are constant and each is tested")
});

/// What a kind is called in a sentence.
pub(super) fn name(kind: &str) -> &'static str {
    KINDS.iter().find(|(known, ..)| *known == kind).map_or("a secret", |(_, name, _)| name)
}

/// Every secret that can be told by its shape, from left to right.
pub(super) fn hits(text: &str) -> impl Iterator<Item = Hit<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let found = SHAPES.captures_at(text, at)?;
            at = found.get_match().end();
            if let Some(hit) = hit(&found) {
                at = hit.span.end;
                return Some(hit);
            }
        }
    })
}

fn hit<'a>(found: &Captures<'a>) -> Option<Hit<'a>> {
    for (kind, ..) in KINDS {
        let group = match *kind {
            "assigned" => {
                let quoted = found.name("quoted").or_else(|| found.name("single"));
                let bare = found.name("bare").filter(|value| is_random(value.as_str()));
                quoted.filter(|value| is_telling(value.as_str())).or(bare)
            }
            _ => found.name(&kind.replace('-', "_")),
        };
        // What holds a mark was redacted before, as far as it could be.
        if let Some(group) = group.filter(|group| !group.as_str().contains("[redacted:")) {
            return Some(Hit { kind, span: group.range(), value: group.as_str() });
        }
    }
    None
}

/// Whether a quoted value can be a secret rather than a reference to one or a word.
fn is_telling(value: &str) -> bool {
    let refers =
        ["${", "$(", "{{", "<", "%("].iter().any(|mark| value.contains(mark)) || value.starts_with('$');
    !refers && (is_random(value) || value.chars().any(|c| c.is_ascii_digit() || !c.is_alphanumeric()))
}

/// Letters and digits mixed as no word mixes them.
pub(super) fn is_random(value: &str) -> bool {
    let has = |wanted: fn(&char) -> bool| value.chars().any(|c| wanted(&c));
    has(char::is_ascii_digit) && has(char::is_ascii_alphabetic) && entropy(value) >= 3.0
}

/// Bits for each character, by how often each one occurs.
pub(super) fn entropy(value: &str) -> f64 {
    let mut counts = std::collections::BTreeMap::new();
    for character in value.chars() {
        *counts.entry(character).or_insert(0_u32) += 1;
    }
    let total: f64 = counts.values().map(|&count| f64::from(count)).sum();
    counts.values().map(|&count| f64::from(count) / total).map(|share| -share * share.log2()).sum()
}

/// A part of a text.
pub(super) enum Piece<'a> {
    /// A mark that redaction left.
    Mark(&'a str),
    /// Anything else.
    Text(&'a str),
}

/// The marks in a text, and what stands between them.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    static MARK: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\[redacted:[a-z-]{1,20}\]").expect("the pattern is constant and tested")
    });
    let mut marks = MARK.find_iter(text);
    let mut at = 0;
    let mut mark = None;
    let mut ended = false;
    std::iter::from_fn(move || {
        if let Some(mark) = mark.take() {
            return Some(Piece::Mark(mark));
        }
        if ended {
            return None;
        }
        let rest = text.split_at(at).1;
        Some(Piece::Text(match marks.next() {
            Some(found) => {
                let (before, _) = rest.split_at(found.start() - at);
                at = found.end();
                mark = Some(found.as_str());
                before
            }
            None => {
                ended = true;
                rest
            }
        }))
    })
}
