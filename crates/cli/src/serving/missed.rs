//! Comments that no delivery told of: they are asked for, and recorded as the deliveries that they would have been.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use miyabi_core::delivery::{Delivery, DeliveryKey, Provider};
use miyabi_core::ports::DeliveryFilter;
use miyabi_core::trigger::{is_addressed, weigh};
use miyabi_forge::{GitHubForge, SeenComment, webhook};
use serde_json::{Value, json};
use tracing::info;

use super::Site;
use crate::error::CliError;

/// Clocks differ, and a delivery takes its time: so much is looked at twice.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);
/// The event that a comment would have come with.
const EVENT: &str = "issue_comment";
/// How deliveries are called that never came.
const MISSED: &str = "missed-comment-";

impl Site {
    /// Records what people said to us since the last look and nobody delivered. Without an earlier look nothing is:
    /// what was said before we came was not said to us.
    pub(super) async fn hear_missed(&self, github: &GitHubForge) -> Result<(), CliError> {
        let now = self.home.clock.now();
        let rules = self.book.of(Some(&self.home.repo));
        if let Some(last) = self.last_look() {
            let since = last.saturating_sub(OVERLAP).unwrap_or(last);
            let told = self.told_since(since.saturating_sub(OVERLAP).unwrap_or(since)).await?;
            for comment in github.comments_since(since).await? {
                let is_new = comment.created_at >= since && !told.contains(&comment.id);
                if is_new && is_addressed(&comment.body, &rules) {
                    self.hear(github, &comment, now).await?;
                }
            }
        }
        let path = self.look_file();
        let new = path.with_extension("new");
        let written = std::fs::create_dir_all(self.home.runs_folder())
            .and_then(|()| std::fs::write(&new, now.to_string()))
            .and_then(|()| std::fs::rename(&new, &path));
        written.map_err(|error| CliError::file("remember the last look in", &path, &error))
    }

    /// Records one comment; under this name it is recorded once.
    async fn hear(
        &self,
        github: &GitHubForge,
        comment: &SeenComment,
        now: Timestamp,
    ) -> Result<(), CliError> {
        let id = format!("{MISSED}{}", comment.id);
        let Some((issue, is_change)) = github.subject(comment.issue).await? else { return Ok(()) };
        let body = payload(&self.home.repo, comment, &issue, is_change).to_string();
        let mut headers = http::HeaderMap::new();
        for (name, value) in [("x-github-event", EVENT), ("x-github-delivery", &id)] {
            headers.insert(name, value.parse().map_err(|_| CliError::input("the id is no header"))?);
        }
        let received = webhook::read(Provider::Github, &headers, body.as_bytes())
            .map_err(|error| CliError::input("a comment cannot be read").because(error.to_string()))?;
        let (decision, rules) = weigh(&received.occurrence, &self.book.of(Some(&self.home.repo)), now);
        let delivery = Delivery {
            key: DeliveryKey::new(Provider::Github, &id),
            event: received.event,
            action: received.action,
            repo: received.occurrence.repo.clone(),
            sent_at: received.occurrence.sent_at,
            received_at: now,
            headers: received.headers,
            body: Arc::from(body.as_bytes()),
            verdict: decision.into(),
            rules,
        };
        self.home.deliveries.record(&delivery).await?;
        info!(delivery.key = %delivery.key, "took in a comment that no delivery told of");
        Ok(())
    }

    /// Whether the comment of this delivery was found, and taken in, before the delivery came.
    pub(super) async fn was_heard(&self, delivery: &Delivery) -> Result<bool, CliError> {
        if delivery.event != EVENT || delivery.key.id.starts_with(MISSED) {
            return Ok(false);
        }
        let body: Value = serde_json::from_slice(&delivery.body).unwrap_or_default();
        let Some(comment) = body["comment"]["id"].as_u64() else { return Ok(false) };
        let key = DeliveryKey::new(Provider::Github, format!("{MISSED}{comment}"));
        Ok(self.home.deliveries.delivery(&key).await?.is_some())
    }

    /// Ids of the comments that deliveries told of.
    async fn told_since(&self, since: Timestamp) -> Result<BTreeSet<u64>, CliError> {
        let mut ids = BTreeSet::new();
        let filter = DeliveryFilter { repo: Some(self.home.repo.clone()), ..DeliveryFilter::default() };
        for row in self.home.deliveries.deliveries(&filter).await? {
            if row.received_at < since {
                break;
            }
            if row.event == EVENT
                && let Some(delivery) = self.home.deliveries.delivery(&row.key).await?
            {
                let body: Value = serde_json::from_slice(&delivery.body).unwrap_or_default();
                ids.extend(body["comment"]["id"].as_u64());
            }
        }
        Ok(ids)
    }

    fn look_file(&self) -> PathBuf {
        self.home.runs_folder().join("last-look")
    }

    fn last_look(&self) -> Option<Timestamp> {
        std::fs::read_to_string(self.look_file()).ok()?.trim().parse().ok()
    }
}

/// The payload of a delivery that never came.
fn payload(repo: &str, comment: &SeenComment, issue: &miyabi_core::issue::Issue, is_change: bool) -> Value {
    let user = json!({ "login": comment.author, "type": if comment.is_bot { "Bot" } else { "User" } });
    let mut subject = json!({
        "number": issue.number,
        "state": if issue.open { "open" } else { "closed" },
        "labels": issue.labels.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>(),
        "created_at": issue.created_at,
        "updated_at": comment.created_at,
    });
    if is_change {
        subject["pull_request"] = json!({});
    }
    json!({
        "action": "created",
        "issue": subject,
        "comment": {
            "id": comment.id, "body": comment.body, "user": user,
            "created_at": comment.created_at, "updated_at": comment.created_at,
        },
        "repository": { "full_name": repo },
        "sender": user,
    })
}
