//! What the forge knows beside issues and changes: the state of CI, permissions, lists of issues.

use jiff::Timestamp;
use miyabi_core::ids::CommitId;
use miyabi_core::issue::Issue;
use miyabi_core::ports::Failure;
use secrecy::SecretString;
use serde::Deserialize;

use super::GitHubForge;
use super::client::{encoded, encoded_ref};
use super::payload::IssuePayload;
use super::wire::parse;

/// What CI says of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CiState {
    /// Nobody has said anything: no CI, or one that has not begun yet.
    None,
    /// Not all have ended, and none of those that have failed.
    Pending {
        /// What is awaited, in order of name.
        waiting: Vec<String>,
    },
    /// All have ended well, were skipped or do not judge.
    Success,
    /// At least one has not ended well.
    Failure {
        /// Which, in order of name.
        failing: Vec<String>,
    },
}

/// What somebody may do to a repository; more is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Nothing, or what anybody may.
    None,
    /// Look.
    Read,
    /// Sort issues.
    Triage,
    /// Push.
    Write,
    /// Push, and change settings.
    Maintain,
    /// Everything.
    Admin,
}

impl Permission {
    /// Whether it is enough to start, approve and stop runs.
    pub fn can_write(self) -> bool {
        self >= Self::Write
    }
}

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

    /// What CI says of a commit: its check runs and its statuses together.
    pub async fn ci_state(&self, commit: &CommitId) -> Result<CiState, Failure> {
        let commit = encoded_ref(commit.as_str()).to_string();
        let mut seen = Vec::new();
        let rest = format!("/commits/{commit}/check-runs?per_page=100");
        let checks = self.client.pages(&rest, |request, body| {
            let CheckRuns { check_runs } = parse(request, body)?;
            seen.extend(check_runs.into_iter().map(|run| (verdict_of_check(&run), run.name)));
            Ok(())
        });
        checks.await?;
        let rest = format!("/commits/{commit}/status?per_page=100");
        let statuses = self.client.pages(&rest, |request, body| {
            let Combined { statuses } = parse(request, body)?;
            seen.extend(
                statuses.into_iter().map(|status| (verdict_of_status(&status.state), status.context)),
            );
            Ok(())
        });
        statuses.await?;
        Ok(state_of(seen))
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    Pending,
    Bad,
}

#[derive(Deserialize)]
struct CheckRuns {
    check_runs: Vec<CheckRun>,
}

#[derive(Deserialize)]
struct CheckRun {
    name: String,
    status: String,
    conclusion: Option<String>,
}

#[derive(Deserialize)]
struct Combined {
    statuses: Vec<Status>,
}

#[derive(Deserialize)]
struct Status {
    context: String,
    state: String,
}

fn verdict_of_check(run: &CheckRun) -> Verdict {
    match (run.status.as_str(), run.conclusion.as_deref()) {
        ("completed", Some("success" | "neutral" | "skipped")) => Verdict::Good,
        // Also what GitHub may call a bad end one day.
        ("completed", Some(_)) => Verdict::Bad,
        _ => Verdict::Pending,
    }
}

fn verdict_of_status(state: &str) -> Verdict {
    match state {
        "success" => Verdict::Good,
        "pending" => Verdict::Pending,
        _ => Verdict::Bad,
    }
}

fn state_of(seen: Vec<(Verdict, String)>) -> CiState {
    let named = |wanted: Verdict| {
        let mut names: Vec<String> =
            seen.iter().filter(|(verdict, _)| *verdict == wanted).map(|(_, name)| name.clone()).collect();
        names.sort();
        names.dedup();
        names
    };
    let (failing, waiting) = (named(Verdict::Bad), named(Verdict::Pending));
    if !failing.is_empty() {
        CiState::Failure { failing }
    } else if !waiting.is_empty() {
        CiState::Pending { waiting }
    } else if seen.is_empty() {
        CiState::None
    } else {
        CiState::Success
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
