//! What we read of GitHub's answers, and nothing else, so that nothing else can break us.

use jiff::Timestamp;
use miyabi_core::facts::ReviewState;
use miyabi_core::ids::{CommitId, IssueNumber};
use miyabi_core::issue::{Change, ChangeState, Comment, Issue};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::marker;

/// Who wrote what belongs to an account that was deleted.
const GHOST: &str = "ghost";

#[derive(Deserialize)]
pub(super) struct User {
    login: String,
}

#[derive(Deserialize)]
struct Label {
    name: Option<String>,
}

/// An issue; with `pull_request` it is the issue side of a change.
#[derive(Deserialize)]
pub(super) struct IssuePayload {
    number: IssueNumber,
    title: String,
    body: Option<String>,
    labels: Vec<Label>,
    user: Option<User>,
    state: String,
    html_url: String,
    created_at: Timestamp,
    pull_request: Option<IgnoredAny>,
}

impl IssuePayload {
    /// Whether it is a change.
    pub(super) fn is_change(&self) -> bool {
        self.pull_request.is_some()
    }

    pub(super) fn issue(self) -> Issue {
        Issue {
            number: self.number,
            title: self.title,
            body: self.body.unwrap_or_default(),
            labels: names(self.labels),
            author: login(self.user),
            open: self.state == "open",
            url: self.html_url,
            created_at: self.created_at,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct CommentPayload {
    pub(super) id: u64,
    user: Option<User>,
    body: Option<String>,
    pub(super) html_url: String,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl CommentPayload {
    /// The comment; its key counts only if it was written by `us`, because anybody can write a marker.
    pub(super) fn comment(self, issue: IssueNumber, us: &str) -> Comment {
        let author = login(self.user);
        let body = self.body.unwrap_or_default();
        let key = if author.eq_ignore_ascii_case(us) { marker::key_of(&body) } else { None };
        Comment { issue, author, body, key, created_at: self.created_at, updated_at: self.updated_at }
    }
}

#[derive(Deserialize)]
pub(super) struct Side {
    #[serde(rename = "ref")]
    pub(super) branch: String,
    pub(super) sha: CommitId,
}

#[derive(Deserialize)]
struct Team {
    slug: String,
}

#[derive(Deserialize)]
pub(super) struct PullPayload {
    pub(super) number: u64,
    pub(super) title: String,
    pub(super) body: Option<String>,
    labels: Vec<Label>,
    pub(super) state: String,
    merged_at: Option<Timestamp>,
    merge_commit_sha: Option<CommitId>,
    pub(super) head: Side,
    pub(super) base: Side,
    /// Unknown while GitHub works it out.
    pub(super) mergeable: Option<bool>,
    pub(super) html_url: String,
    created_at: Timestamp,
    #[serde(default)]
    merged_by: Option<User>,
    #[serde(default)]
    user: Option<User>,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    requested_reviewers: Vec<User>,
    #[serde(default)]
    requested_teams: Vec<Team>,
}

impl PullPayload {
    /// Who merged it.
    pub(super) fn merged_by(&self) -> Option<String> {
        self.merged_by.as_ref().map(|user| user.login.clone())
    }

    /// Who opened it.
    pub(super) fn author(&self) -> String {
        self.user.as_ref().map_or_else(|| GHOST.to_owned(), |user| user.login.clone())
    }

    /// Whether it is not meant to be merged yet.
    pub(super) fn is_draft(&self) -> bool {
        self.draft
    }

    /// People and teams that were asked for a review and have not given one.
    pub(super) fn requested(&self) -> Vec<String> {
        let people = self.requested_reviewers.iter().map(|user| user.login.clone());
        people.chain(self.requested_teams.iter().map(|team| team.slug.clone())).collect()
    }

    pub(super) fn state(&self) -> ChangeState {
        match (self.merged_at, self.state.as_str()) {
            (Some(_), _) => ChangeState::Merged,
            (None, "open") => ChangeState::Open,
            (None, _) => ChangeState::Closed,
        }
    }

    /// The commit on the base branch; of an open change GitHub tells one that only tries the merge.
    pub(super) fn merge_commit(&self) -> Option<CommitId> {
        self.merge_commit_sha.clone().filter(|_| self.merged_at.is_some())
    }

    /// The issue that it answers, by what it closes or else by the name of its branch; 0 if it answers none.
    pub(super) fn issue(&self) -> IssueNumber {
        let body = self.body.as_deref().unwrap_or_default();
        closes(body).or_else(|| self.head.branch.strip_prefix("feature/issue-")?.parse().ok()).unwrap_or(0)
    }

    pub(super) fn change(self) -> Change {
        Change {
            number: self.number,
            issue: self.issue(),
            state: self.state(),
            merge_commit: self.merge_commit(),
            title: self.title,
            body: self.body.unwrap_or_default(),
            head: self.head.branch,
            base: self.base.branch,
            head_commit: self.head.sha,
            labels: names(self.labels),
            url: self.html_url,
            created_at: self.created_at,
        }
    }
}

/// A review of a change.
#[derive(Deserialize)]
pub(super) struct ReviewPayload {
    pub(super) id: u64,
    user: Option<User>,
    pub(super) body: Option<String>,
    state: String,
    pub(super) commit_id: Option<CommitId>,
}

impl ReviewPayload {
    /// Whether it says yes or no, or takes that back; a mere comment does not.
    pub(super) fn judges(&self) -> bool {
        matches!(self.state.as_str(), "APPROVED" | "CHANGES_REQUESTED" | "DISMISSED")
    }

    /// What it says; none: it is not handed in yet, or says what we do not know.
    pub(super) fn says(&self) -> Option<ReviewState> {
        Some(match self.state.as_str() {
            "APPROVED" => ReviewState::Approved,
            "CHANGES_REQUESTED" => ReviewState::ChangesRequested,
            "COMMENTED" => ReviewState::Commented,
            "DISMISSED" => ReviewState::Dismissed,
            _ => return None,
        })
    }

    pub(super) fn asks_for_changes(&self) -> bool {
        self.state == "CHANGES_REQUESTED"
    }

    pub(super) fn author(&self) -> String {
        self.user.as_ref().map_or_else(|| GHOST.to_owned(), |user| user.login.clone())
    }
}

/// A comment on a line of a change.
#[derive(Deserialize)]
pub(super) struct ReviewComment {
    #[serde(default)]
    pub(super) pull_request_review_id: Option<u64>,
    path: String,
    #[serde(default)]
    line: Option<u64>,
    #[serde(default)]
    original_line: Option<u64>,
    pub(super) body: String,
}

impl ReviewComment {
    /// `path:line`, or the path alone where the line is gone.
    pub(super) fn place(&self) -> String {
        match self.line.or(self.original_line) {
            Some(line) => format!("{}:{line}", self.path),
            None => self.path.clone(),
        }
    }
}

fn names(labels: Vec<Label>) -> Vec<String> {
    labels.into_iter().filter_map(|label| label.name).collect()
}

fn login(user: Option<User>) -> String {
    user.map_or_else(|| GHOST.to_owned(), |user| user.login)
}

/// The first issue that a text closes, in the words that GitHub knows.
fn closes(text: &str) -> Option<IssueNumber> {
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let word = word.trim_end_matches(':').to_ascii_lowercase();
        let closing =
            ["close", "closes", "closed", "fix", "fixes", "fixed", "resolve", "resolves", "resolved"];
        if closing.contains(&word.as_str())
            && let Some(number) = words.peek().and_then(|next| next.strip_prefix('#'))
        {
            let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
            if let Ok(number) = digits.parse() {
                return Some(number);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::closes;

    #[test]
    fn what_a_change_closes_is_read() {
        for (text, issue) in [
            ("## Summary\n\nCloses #500", Some(500)),
            ("fixes: #7.", Some(7)),
            ("Refs #1\nResolved #2 と #3", Some(2)),
            ("closes #x, closes 5, #6", None),
            ("認証を足す", None),
            ("closes #99999999999999999999999", None),
        ] {
            assert_eq!(closes(text), issue, "{text}");
        }
    }
}
