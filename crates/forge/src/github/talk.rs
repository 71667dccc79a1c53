//! Issues: their text, comments and labels, and closing them.

use http::Method;
use miyabi_core::ids::IssueNumber;
use miyabi_core::intent::Receipt;
use miyabi_core::issue::{Comment, Issue};
use serde_json::json;

use super::client::encoded;
use super::payload::{CommentPayload, IssuePayload, PullPayload};
use super::{GitHubError, GitHubForge};
use crate::text::fit;
use crate::{labels, marker};

/// The longest body that GitHub takes, in characters, with room for a marker.
pub(super) const MAX_BODY: usize = 65_000;

/// What has a number, issue or change, as far as comments and labels need to know it.
struct Target {
    url: String,
    labels: Vec<String>,
}

impl GitHubForge {
    /// The issue, if there is one of that number; a change is none.
    pub(super) async fn find_issue(&self, number: IssueNumber) -> Result<Option<Issue>, GitHubError> {
        let found: Option<IssuePayload> = self.client.find(&format!("/issues/{number}")).await?;
        Ok(found.filter(|found| !found.is_change()).map(IssuePayload::issue))
    }

    /// Comments with GitHub's own ids, oldest first. Errors: `NoIssue`.
    async fn comments_of(&self, number: IssueNumber) -> Result<Vec<CommentPayload>, GitHubError> {
        let comments = self.client.list(&format!("/issues/{number}/comments?per_page=100")).await?;
        comments.ok_or(GitHubError::NoIssue(number))
    }

    pub(super) async fn find_comments(&self, number: IssueNumber) -> Result<Vec<Comment>, GitHubError> {
        let comments = self.comments_of(number).await?;
        if comments.is_empty() {
            return Ok(Vec::new());
        }
        let us = self.client.login().await?;
        Ok(comments.into_iter().map(|comment| comment.comment(number, us)).collect())
    }

    /// Writes the comment with this key, or replaces its text.
    pub(super) async fn put_comment(
        &self,
        number: IssueNumber,
        key: &str,
        body: &str,
    ) -> Result<Receipt, GitHubError> {
        let body = marker::marked(&fit(&marker::neutral(body), MAX_BODY), key);
        let us = self.client.login().await?;
        let ours = self.comments_of(number).await?.into_iter().find_map(|found| {
            let (id, url) = (found.id, found.html_url.clone());
            let comment = found.comment(number, us);
            (comment.key.as_deref() == Some(key)).then_some((id, url, comment.body))
        });
        match ours {
            Some((_, url, there)) if same(&there, &body) => {
                Ok(Receipt { url: Some(url), found: true, ..Receipt::default() })
            }
            Some((id, url, _)) => {
                let rest = format!("/issues/comments/{id}");
                self.client.write(Method::PATCH, &rest, Some(json!({ "body": body }))).await?;
                Ok(Receipt { url: Some(url), ..Receipt::default() })
            }
            None => {
                let rest = format!("/issues/{number}/comments");
                let answer = self.client.write(Method::POST, &rest, Some(json!({ "body": body }))).await?;
                let url = answer.read::<CommentPayload>()?.html_url;
                Ok(Receipt { url: Some(url), ..Receipt::default() })
            }
        }
    }

    /// Adds and removes labels one by one; others are left alone. GitHub knows no difference between upper and lower
    /// case here.
    pub(super) async fn put_labels(
        &self,
        number: IssueNumber,
        add: &[String],
        remove: &[String],
    ) -> Result<Receipt, GitHubError> {
        let target = self.target(number).await?;
        let folded = |names: &[String]| names.iter().map(|name| name.to_lowercase()).collect::<Vec<_>>();
        let there = folded(&target.labels);
        let wanted = folded(add);
        let mut new: Vec<&String> = Vec::new();
        for (name, folded) in add.iter().zip(&wanted) {
            let known = there.contains(folded) || new.iter().any(|other| other.to_lowercase() == *folded);
            if !name.trim().is_empty() && !known {
                new.push(name);
            }
        }
        let patterns = folded(remove);
        let covered = |folded: &String| {
            !wanted.contains(folded) && patterns.iter().any(|pattern| labels::covers(pattern, folded))
        };
        let old = target.labels.iter().zip(&there).filter(|(_, folded)| covered(folded));
        let old: Vec<&String> = old.map(|(name, _)| name).collect();

        if !new.is_empty() {
            let rest = format!("/issues/{number}/labels");
            self.client.write(Method::POST, &rest, Some(json!({ "labels": new }))).await?;
        }
        for name in &old {
            let rest = format!("/issues/{number}/labels/{}", encoded(name));
            match self.client.write(Method::DELETE, &rest, None).await {
                // Somebody else took it off in the meantime.
                Err(error) if error.is_absent() => {}
                answer => {
                    answer?;
                }
            }
        }
        let found = new.is_empty() && old.is_empty();
        Ok(Receipt { url: Some(target.url), found, ..Receipt::default() })
    }

    /// Closes the issue as completed.
    pub(super) async fn close_issue(&self, number: IssueNumber) -> Result<Receipt, GitHubError> {
        let issue = self.find_issue(number).await?.ok_or(GitHubError::NoIssue(number))?;
        if issue.open {
            let body = json!({ "state": "closed", "state_reason": "completed" });
            self.client.write(Method::PATCH, &format!("/issues/{number}"), Some(body)).await?;
        }
        Ok(Receipt { url: Some(issue.url), found: !issue.open, ..Receipt::default() })
    }

    async fn target(&self, number: IssueNumber) -> Result<Target, GitHubError> {
        let issue: Option<IssuePayload> = self.client.find(&format!("/issues/{number}")).await?;
        if let Some(issue) = issue.map(IssuePayload::issue) {
            return Ok(Target { url: issue.url, labels: issue.labels });
        }
        let change: Option<PullPayload> = self.client.find(&format!("/pulls/{number}")).await?;
        let change = change.ok_or(GitHubError::NoIssue(number))?.change();
        Ok(Target { url: change.url, labels: change.labels })
    }
}

/// Whether two bodies are the same text; GitHub keeps line ends and what follows the last line in its own way.
pub(super) fn same(one: &str, other: &str) -> bool {
    let plain = |text: &str| text.replace("\r\n", "\n").trim_end().to_owned();
    plain(one) == plain(other)
}
