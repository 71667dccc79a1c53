//! What happened, in words that all providers share.

use jiff::Timestamp;

use super::order::{Notice, Place};
use crate::delivery::Provider;

/// Something that happened at a provider, in words that all of them share. All text in it is untrusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// Where it comes from.
    pub provider: Provider,
    /// In which repo, as `owner/name`.
    pub repo: Option<String>,
    /// Who did it.
    pub actor: Option<Actor>,
    /// When, by the provider's clock.
    pub sent_at: Option<Timestamp>,
    /// The event as rules name it: `pull_request.opened`, `push`.
    pub event: String,
    /// What.
    pub what: Happening,
}

impl Occurrence {
    /// The name by which rules know an event: GitHub's own; GitLab's `Merge Request Hook` is `merge_request`.
    pub fn name_of(event: &str, action: Option<&str>) -> String {
        let event = event.strip_suffix(" Hook").unwrap_or(event);
        let event = event.to_lowercase().replace(' ', "_");
        match action {
            Some(action) => format!("{event}.{action}"),
            None => event,
        }
    }
}

/// Who did something, as the provider signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The account's name.
    pub login: String,
    /// Whether the provider says that it is no person.
    pub is_bot: bool,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The provider tries whether we are there.
    Ping,
    /// An issue was filed.
    Opened(Subject),
    /// An issue or change got a label.
    Labeled {
        /// What got it; its labels include the new one.
        on: Subject,
        /// The label's name.
        label: String,
    },
    /// Somebody wrote a comment.
    Commented {
        /// On what.
        on: Subject,
        /// The comment's number at the provider.
        comment: u64,
        /// Markdown.
        body: String,
    },
    /// A fact that a waiting run may be waiting for.
    Noticed(Notice),
    /// Repos came to us or left us.
    Enrolled {
        /// Those that came.
        added: Vec<String>,
        /// Those that left.
        removed: Vec<String>,
    },
    /// Nothing that anybody here could want.
    Nothing {
        /// Why not.
        reason: String,
    },
}

/// An issue or change that something happened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Which.
    pub at: Place,
    /// Whether it is still open.
    pub open: bool,
    /// Label names.
    pub labels: Vec<String>,
}
