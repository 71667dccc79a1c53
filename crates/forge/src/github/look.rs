//! What the forge knows beside issues and changes: permissions, lists of issues, who we are.

use jiff::Timestamp;
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

impl GitHubForge {
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
