//! Deliveries: webhooks as they were received, and the verdict on each. How a payload is read is the forge's part,
//! what it starts is decided in [`trigger`](crate::trigger).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::trigger::{Matched, RuleNote};

/// Who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// GitHub, or an Enterprise Server.
    Github,
    /// GitLab.
    Gitlab,
    /// Any CI that reports what became of a commit.
    Ci,
}

impl Provider {
    /// Every provider.
    pub const ALL: [Self; 3] = [Self::Github, Self::Gitlab, Self::Ci];

    /// The word in columns, JSON and routes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Ci => "ci",
        }
    }

    /// The provider of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == word)
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What makes a delivery the same one when it comes again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct DeliveryKey {
    /// Who sent it.
    pub provider: Provider,
    /// What the provider calls it.
    pub id: String,
}

impl DeliveryKey {
    /// The key of that name.
    pub fn new(provider: Provider, id: impl Into<String>) -> Self {
        Self { provider, id: id.into() }
    }

    /// Reads what [`Display`](fmt::Display) writes: `github:72d3162e-cc78-11e3-81ab-4c9367dc0958`.
    pub fn parse(text: &str) -> Option<Self> {
        let (provider, id) = text.split_once(':')?;
        (!id.is_empty()).then_some(Self::new(Provider::parse(provider)?, id))
    }
}

impl fmt::Display for DeliveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.provider, self.id)
    }
}

/// One received webhook whose signature was right.
#[derive(Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Who sent it and under which name.
    pub key: DeliveryKey,
    /// What happened, in the provider's word: `issues`, `Merge Request Hook`.
    pub event: String,
    /// Which kind of it: `labeled`.
    pub action: Option<String>,
    /// Where: `owner/name`.
    pub repo: Option<String>,
    /// When it happened, by the provider's clock.
    pub sent_at: Option<Timestamp>,
    /// When it was received.
    pub received_at: Timestamp,
    /// The headers that are kept, by lower-case name; never one that proves who sent it.
    pub headers: BTreeMap<String, String>,
    /// The body, byte for byte.
    pub body: Arc<[u8]>,
    /// What is to become of it, as far as it is known.
    pub verdict: Verdict,
    /// What each rule made of it.
    pub rules: Vec<RuleNote>,
}

/// Bodies are long and belong to others: their length is enough in a log.
impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("key", &self.key)
            .field("event", &self.event)
            .field("action", &self.action)
            .field("repo", &self.repo)
            .field("received_at", &self.received_at)
            .field("bytes", &self.body.len())
            .field("verdict", &self.verdict)
            .finish_non_exhaustive()
    }
}

/// What becomes of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It asks for something, which is done after the answer.
    Accepted {
        /// For what, and by which rule.
        trigger: Box<Matched>,
    },
    /// It asks for nothing.
    Ignored {
        /// Why, in one sentence without a period.
        reason: String,
    },
    /// The same delivery was there before. Never stored: the first one keeps its own verdict.
    Duplicate,
    /// It asks for something that its sender may not have.
    Rejected {
        /// Why, in one sentence without a period.
        reason: String,
    },
}

impl Verdict {
    /// The words of all verdicts.
    pub const WORDS: [&str; 4] = ["accepted", "ignored", "duplicate", "rejected"];

    /// An [`Ignored`](Self::Ignored) for that reason.
    pub fn ignored(reason: impl Into<String>) -> Self {
        Self::Ignored { reason: reason.into() }
    }

    /// A [`Rejected`](Self::Rejected) for that reason.
    pub fn rejected(reason: impl Into<String>) -> Self {
        Self::Rejected { reason: reason.into() }
    }

    /// The word in columns, JSON and on screen.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Ignored { .. } => "ignored",
            Self::Duplicate => "duplicate",
            Self::Rejected { .. } => "rejected",
        }
    }

    /// Whether something is still to be done.
    pub fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written() {
        for text in ["github:72d3162e-cc78", "gitlab:a:b", "ci:配達"] {
            assert_eq!(DeliveryKey::parse(text).map(|key| key.to_string()).as_deref(), Some(text));
        }
        for text in ["", "github", "github:", "GitHub:1", "mail:1", ":1"] {
            assert_eq!(DeliveryKey::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_body_stays_out_of_logs() {
        let delivery = Delivery {
            key: DeliveryKey::new(Provider::Github, "1"),
            event: "issues".to_owned(),
            action: None,
            repo: None,
            sent_at: None,
            received_at: Timestamp::UNIX_EPOCH,
            headers: BTreeMap::from([("user-agent".to_owned(), "secret".to_owned())]),
            body: Arc::from(&b"secret"[..]),
            verdict: Verdict::ignored("for a test"),
            rules: Vec::new(),
        };
        let shown = format!("{delivery:?}");
        assert!(shown.contains("bytes: 6") && !shown.contains("secret"), "{shown}");
    }

    #[test]
    fn a_verdict_has_one_word() {
        let verdicts = [Verdict::ignored("a"), Verdict::Duplicate, Verdict::rejected("b")];
        for verdict in verdicts {
            let json = serde_json::to_value(&verdict).expect("it is plain data");
            assert_eq!(json["verdict"], verdict.as_str());
            assert!(Verdict::WORDS.contains(&verdict.as_str()));
            assert_eq!(serde_json::from_value::<Verdict>(json).ok(), Some(verdict));
        }
    }
}
