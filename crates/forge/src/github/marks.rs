//! What we say at a commit: statuses, and check runs where our credentials may create them.

use http::{Method, StatusCode};
use miyabi_core::commit_mark::{CheckRun, CommitStatus};
use miyabi_core::ids::CommitId;
use miyabi_core::intent::Receipt;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::encoded_ref;
use super::talk::same;
use super::wire::parse;
use super::{GitHubError, GitHubForge};
use crate::text::{excerpt, fit_bytes, one_line};

/// The longest description of a status, in characters.
const MAX_DESCRIPTION: usize = 140;
/// The longest context, name or title, in characters.
const MAX_NAME: usize = 200;
/// The longest summary or text of a check run, in bytes.
const MAX_TEXT: usize = 65_535;

#[derive(Deserialize)]
struct Statuses {
    statuses: Vec<StatusPayload>,
}

#[derive(Deserialize)]
struct StatusPayload {
    context: String,
    state: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    target_url: Option<String>,
}

#[derive(Deserialize)]
struct CheckRuns {
    check_runs: Vec<CheckRunPayload>,
}

#[derive(Deserialize)]
struct CheckRunPayload {
    id: u64,
    name: String,
    status: String,
    conclusion: Option<String>,
    external_id: Option<String>,
    #[serde(default)]
    html_url: Option<String>,
    #[serde(default)]
    details_url: Option<String>,
    #[serde(default)]
    output: OutputPayload,
}

#[derive(Default, Deserialize)]
struct OutputPayload {
    title: Option<String>,
    summary: Option<String>,
    text: Option<String>,
}

impl CheckRunPayload {
    /// Whether it says all of this already.
    fn says(&self, wanted: &Value) -> bool {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let output = &wanted["output"];
        let as_wanted = |there: &Option<String>, wanted: &Value| {
            same(there.as_deref().unwrap_or_default(), wanted.as_str().unwrap_or_default())
        };
        // Without an address of ours GitHub puts one of its own there.
        let address = wanted["details_url"].is_null() || self.details_url == text(&wanted["details_url"]);
        address
            && wanted["name"].as_str() == Some(self.name.as_str())
            && wanted["status"].as_str() == Some(self.status.as_str())
            && self.conclusion == text(&wanted["conclusion"])
            && as_wanted(&self.output.title, &output["title"])
            && as_wanted(&self.output.summary, &output["summary"])
            && as_wanted(&self.output.text, &output["text"])
    }
}

impl GitHubForge {
    /// Sets the status of the commit, unless that is how it stands in this context.
    pub(super) async fn put_status(&self, status: &CommitStatus) -> Result<Receipt, GitHubError> {
        let commit = encoded_ref(status.commit.as_str()).to_string();
        let context = short(&status.context, MAX_NAME);
        let description = short(&status.description, MAX_DESCRIPTION);
        let mut newest = None;
        let rest = format!("/commits/{commit}/status?per_page=100");
        let pages = self.client.pages(&rest, |request, body| {
            let Statuses { statuses } = parse(request, body)?;
            // GitHub holds contexts that differ in case alone for one.
            let ours = |found: &StatusPayload| found.context.to_lowercase() == context.to_lowercase();
            newest = newest.take().or_else(|| statuses.into_iter().find(ours));
            Ok(())
        });
        pages.await?;
        let stands = newest.is_some_and(|there| {
            there.state == status.state.as_str()
                && there.description.unwrap_or_default() == description
                && there.target_url == address(status.url.as_ref())
        });
        if !stands {
            let mut body = json!({
                "state": status.state.as_str(),
                "context": context,
                "description": description,
            });
            if let Some(url) = address(status.url.as_ref()) {
                body["target_url"] = json!(url);
            }
            let sent = self.client.write(Method::POST, &format!("/statuses/{commit}"), Some(body)).await;
            sent.map_err(|error| of_commit(error, &status.commit))?;
        }
        Ok(Receipt { url: address(status.url.as_ref()), found: stands, ..Receipt::default() })
    }

    /// Creates the check run with this key, or brings it up to date; a status where we may create none.
    pub(super) async fn put_check_run(&self, check: &CheckRun) -> Result<Receipt, GitHubError> {
        match self.as_check_run(check).await {
            // 403 says so; 404 is what some tokens get. Whatever else it was, the status says it again.
            Err(error) if matches!(error, GitHubError::Forbidden { .. }) || error.is_absent() => {
                let receipt = self.put_status(&check.as_status()).await?;
                Ok(Receipt { as_status: true, ..receipt })
            }
            answer => answer,
        }
    }

    async fn as_check_run(&self, check: &CheckRun) -> Result<Receipt, GitHubError> {
        let mut ours: Option<CheckRunPayload> = None;
        let commit = encoded_ref(check.commit.as_str());
        let rest = format!("/commits/{commit}/check-runs?filter=all&per_page=100");
        let pages = self.client.pages(&rest, |request, body| {
            let CheckRuns { check_runs } = parse(request, body)?;
            let with_key = |found: &CheckRunPayload| found.external_id.as_deref() == Some(&check.key);
            // The oldest, should there ever be two.
            ours = check_runs.into_iter().filter(with_key).chain(ours.take()).min_by_key(|found| found.id);
            Ok(())
        });
        pages.await?;
        let wanted = wanted(check);
        let found = ours.as_ref().is_some_and(|ours| ours.says(&wanted));
        let there = match ours {
            Some(ours) if found => ours,
            Some(CheckRunPayload { id, .. }) => {
                let answer =
                    self.client.write(Method::PATCH, &format!("/check-runs/{id}"), Some(wanted)).await?;
                answer.read()?
            }
            None => {
                let mut body = wanted;
                body["head_sha"] = json!(check.commit);
                body["external_id"] = json!(check.key);
                let answer = self.client.write(Method::POST, "/check-runs", Some(body)).await;
                answer.map_err(|error| of_commit(error, &check.commit))?.read()?
            }
        };
        let url = there.html_url.or(there.details_url);
        Ok(Receipt { url, found, ..Receipt::default() })
    }
}

/// What the check run is to say.
fn wanted(check: &CheckRun) -> Value {
    let mut body = json!({
        "name": short(&check.name, MAX_NAME),
        "status": if check.conclusion.is_some() { "completed" } else { "in_progress" },
        "output": {
            "title": short(&check.title, MAX_NAME),
            "summary": fit_bytes(&check.summary, MAX_TEXT),
        },
    });
    if let Some(conclusion) = check.conclusion {
        body["conclusion"] = json!(conclusion.as_str());
    }
    if let Some(text) = &check.text {
        body["output"]["text"] = json!(fit_bytes(text, MAX_TEXT));
    }
    if let Some(url) = address(check.url.as_ref()) {
        body["details_url"] = json!(url);
    }
    body
}

/// One line of at most `limit` characters.
fn short(text: &str, limit: usize) -> String {
    // One less: what is cut ends with a sign that says so.
    let line = one_line(text);
    if line.chars().count() <= limit { line } else { excerpt(&line, limit - 1) }
}

/// An address that GitHub takes: one of the web. Runs here are read with a command.
fn address(url: Option<&String>) -> Option<String> {
    url.filter(|url| url.starts_with("https://") || url.starts_with("http://")).cloned()
}

/// A refusal that speaks of the commit.
fn of_commit(error: GitHubError, commit: &CommitId) -> GitHubError {
    match error {
        GitHubError::Refused { status: StatusCode::UNPROCESSABLE_ENTITY, said, .. }
            if said.to_lowercase().contains("no commit found") =>
        {
            GitHubError::NoCommit(commit.clone())
        }
        error => error,
    }
}
