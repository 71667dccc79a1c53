//! Changes: found by their head branch, opened once, and brought up to date.

use http::{Method, StatusCode};
use miyabi_core::ids::{ChangeNumber, IntentId};
use miyabi_core::intent::Receipt;
use miyabi_core::issue::ChangeState;
use miyabi_core::ports::NewChange;
use serde_json::json;

use super::client::encoded;
use super::payload::PullPayload;
use super::talk::{MAX_BODY, same};
use super::{GitHubError, GitHubForge};
use crate::marker;
use crate::text::{excerpt, fit, one_line};

/// The longest title that GitHub takes, in characters.
const MAX_TITLE: usize = 255;

impl GitHubForge {
    pub(super) async fn find_pull(&self, number: ChangeNumber) -> Result<Option<PullPayload>, GitHubError> {
        self.client.find(&format!("/pulls/{number}")).await
    }

    /// Opens the change of this head branch, or finds it and brings its text and base up to date.
    pub(super) async fn open_change(
        &self,
        id: &IntentId,
        change: &NewChange,
    ) -> Result<Receipt, GitHubError> {
        let title = excerpt(&one_line(&change.title), MAX_TITLE);
        if title.is_empty() {
            return Err(GitHubError::BlankTitle);
        }
        if change.issue > 0 && self.find_issue(change.issue).await?.is_none() {
            return Err(GitHubError::NoIssue(change.issue));
        }
        let body = marker::marked(&fit(&marker::neutral(&change.body), MAX_BODY), id.as_str());
        if let Some(receipt) = self.settle_known(change, &title, &body).await? {
            return Ok(receipt);
        }
        let new = json!({ "title": title, "body": body, "head": change.head, "base": change.base });
        match self.client.write(Method::POST, "/pulls", Some(new)).await {
            Ok(answer) => Ok(opened(&answer.read()?, false)),
            // Somebody opened one since we looked, or our view of the list was an old one.
            Err(error) if error.status() == Some(StatusCode::UNPROCESSABLE_ENTITY) => {
                self.settle_known(change, &title, &body).await?.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// The change of this head branch that is open, brought up to date, or was merged at this very commit already.
    async fn settle_known(
        &self,
        change: &NewChange,
        title: &str,
        body: &str,
    ) -> Result<Option<Receipt>, GitHubError> {
        let owner = self.client.repo().owner();
        let head = encoded(&format!("{owner}:{}", change.head)).to_string();
        let rest = format!("/pulls?state=all&head={head}&per_page=100");
        let known: Vec<PullPayload> = self.client.list(&rest).await?.unwrap_or_default();
        let ours = |pull: &&PullPayload| pull.head.branch == change.head;
        let merged = known.iter().filter(ours).find(|pull| {
            pull.state() == ChangeState::Merged
                && pull.base.branch == change.base
                && pull.head.sha == change.commit
        });
        if let Some(merged) = merged {
            // An answer may have been lost for so long that a person merged the change in the meantime.
            return Ok(Some(opened(merged, true)));
        }
        let open = || known.iter().filter(ours).filter(|pull| pull.state() == ChangeState::Open);
        let Some(there) = open().find(|pull| pull.base.branch == change.base).or_else(|| open().next())
        else {
            return Ok(None);
        };
        let current = there.title == title
            && there.base.branch == change.base
            && same(there.body.as_deref().unwrap_or_default(), body);
        if !current {
            let text = json!({ "title": title, "body": body, "base": change.base });
            self.client.write(Method::PATCH, &format!("/pulls/{}", there.number), Some(text)).await?;
        }
        Ok(Some(opened(there, true)))
    }
}

fn opened(pull: &PullPayload, found: bool) -> Receipt {
    Receipt {
        change: Some(pull.number),
        merge_commit: pull.merge_commit(),
        url: Some(pull.html_url.clone()),
        found,
        ..Receipt::default()
    }
}
