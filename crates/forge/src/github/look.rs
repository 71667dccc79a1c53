//! What the forge knows beside issues and changes: permissions, lists of issues, who we are.

use jiff::{Timestamp, Unit};
use miyabi_core::ids::IssueNumber;
use miyabi_core::issue::Issue;
use miyabi_core::ports::Failure;
use miyabi_core::trigger::Permission;
use secrecy::SecretString;
use serde::Deserialize;

use super::client::encoded;
use super::payload::IssuePayload;
use super::{GitHubError, GitHubForge};

/// Which issues. Changes are never among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssueFilter {
    /// Closed ones too.
    pub all: bool,
    /// Only those with all of these labels.
    pub labels: Vec<String>,
    /// Only those that changed at that time or later.
    pub since: Option<Timestamp>,
}

/// A comment, wherever in the repository it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenComment {
    /// Its number at GitHub.
    pub id: u64,
    /// The issue or change.
    pub issue: IssueNumber,
    /// Who wrote it.
    pub author: String,
    /// Whether GitHub says that this is no person.
    pub is_bot: bool,
    /// Markdown.
    pub body: String,
    /// When it was written.
    pub created_at: Timestamp,
}

impl GitHubForge {
    /// Comments on issues and changes that were written or edited at that time or later, oldest first.
    pub async fn comments_since(&self, since: Timestamp) -> Result<Vec<SeenComment>, Failure> {
        #[derive(Deserialize)]
        struct Comment {
            id: u64,
            issue_url: String,
            user: Option<Author>,
            body: Option<String>,
            created_at: Timestamp,
        }
        #[derive(Deserialize)]
        struct Author {
            login: String,
            #[serde(rename = "type")]
            kind: Option<String>,
        }
        let since = since.round(Unit::Second).unwrap_or(since).to_string();
        let since = encoded(&since);
        let rest = format!("/issues/comments?since={since}&sort=created&direction=asc&per_page=100");
        let found: Vec<Comment> = self.client.list(&rest).await?.unwrap_or_default();
        let seen = found.into_iter().filter_map(|comment| {
            let author = comment.user?;
            Some(SeenComment {
                id: comment.id,
                issue: comment.issue_url.rsplit('/').next()?.parse().ok()?,
                is_bot: author.kind.is_some_and(|kind| kind == "Bot"),
                author: author.login,
                body: comment.body.unwrap_or_default(),
                created_at: comment.created_at,
            })
        });
        Ok(seen.collect())
    }

    /// The issue of that number, and whether it is the issue side of a change.
    pub async fn subject(&self, number: IssueNumber) -> Result<Option<(Issue, bool)>, Failure> {
        let found: Option<IssuePayload> = self.client.find(&format!("/issues/{number}")).await?;
        Ok(found.map(|found| {
            let is_change = found.is_change();
            (found.issue(), is_change)
        }))
    }

    /// Issues, newest first, however many pages they fill.
    pub async fn issues(&self, filter: &IssueFilter) -> Result<Vec<Issue>, Failure> {
        let state = if filter.all { "all" } else { "open" };
        let mut rest = format!("/issues?state={state}&per_page=100");
        if !filter.labels.is_empty() {
            rest.push_str(&format!("&labels={}", encoded(&filter.labels.join(","))));
        }
        if let Some(since) = filter.since {
            rest.push_str(&format!("&since={}", encoded(&since.to_string())));
        }
        let found: Option<Vec<IssuePayload>> = self.client.list(&rest).await?;
        let found = found.unwrap_or_default().into_iter();
        Ok(found.filter(|found| !found.is_change()).map(IssuePayload::issue).collect())
    }

    /// What somebody may do here, as GitHub says; never guessed from a name. Who is unknown may do nothing.
    pub async fn permission(&self, actor: &str) -> Result<Permission, Failure> {
        Ok(self.find_permission(actor).await?)
    }

    pub(super) async fn find_permission(&self, actor: &str) -> Result<Permission, GitHubError> {
        #[derive(Deserialize)]
        struct Granted {
            permission: String,
            role_name: Option<String>,
        }
        if actor.trim().is_empty() || matches!(actor, "." | "..") {
            return Ok(Permission::None);
        }
        let rest = format!("/collaborators/{}/permission", encoded(actor));
        let granted: Option<Granted> = self.client.find(&rest).await?;
        let Some(Granted { permission, role_name }) = granted else { return Ok(Permission::None) };
        // A role that an organisation made up has a name of its own; what it is made from is still told.
        let role = role_name.as_deref().and_then(permission_of);
        Ok(role.or_else(|| permission_of(&permission)).unwrap_or(Permission::None))
    }

    /// Who put that label on the issue the last time; `None` if nobody is known to have.
    pub async fn labelled_by(&self, number: IssueNumber, label: &str) -> Result<Option<String>, Failure> {
        #[derive(Deserialize)]
        struct Event {
            event: String,
            actor: Option<User>,
            label: Option<Named>,
        }
        #[derive(Deserialize)]
        struct User {
            login: String,
        }
        #[derive(Deserialize)]
        struct Named {
            name: String,
        }
        let rest = format!("/issues/{number}/events?per_page=100");
        let events: Vec<Event> = self.client.list(&rest).await?.unwrap_or_default();
        let put = |event: &Event| {
            event.event == "labeled"
                && event.label.as_ref().is_some_and(|put| put.name.eq_ignore_ascii_case(label))
        };
        Ok(events.into_iter().rev().find(put).and_then(|event| event.actor).map(|actor| actor.login))
    }

    /// Where git clones the repository from, without credentials. Errors: there is no such repository.
    pub async fn clone_url(&self) -> Result<String, Failure> {
        #[derive(Deserialize)]
        struct Repository {
            clone_url: String,
        }
        let found: Option<Repository> = self.client.find("").await?;
        let found = found.ok_or_else(|| GitHubError::NoRepo(self.repo().to_string()))?;
        Ok(found.clone_url)
    }

    /// The name under which this forge writes, such as `octocat` or `miyabi[bot]`.
    pub async fn login(&self) -> Result<String, Failure> {
        Ok(self.client.login().await?.to_owned())
    }

    /// A token for git's own transport, good for at least five minutes if an App made it.
    pub async fn token(&self) -> Result<SecretString, Failure> {
        Ok(self.client.token().await?)
    }
}

fn permission_of(word: &str) -> Option<Permission> {
    Some(match word {
        "none" => Permission::None,
        "read" | "pull" => Permission::Read,
        "triage" => Permission::Triage,
        "write" | "push" => Permission::Write,
        "maintain" => Permission::Maintain,
        "admin" => Permission::Admin,
        _ => return None,
    })
}
