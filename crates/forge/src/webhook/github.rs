//! GitHub's deliveries: which event, and what it means to us.

mod payload;

use http::HeaderMap;
use jiff::Timestamp;
use miyabi_core::delivery::{DeliveryKey, Provider};
use miyabi_core::trigger::{Actor, Happening, Notice, Occurrence, Place, Subject};

use self::payload::{
    CheckRun, CheckSuite, Comment, Commit, Installation, Issue, Label, Named, Payload, PullRequest,
    Repository, Review, User, WorkflowRun,
};
use super::{Malformed, Received, Unexpected, commit_id, header, maybe, name, part, repo_name, time, top};

/// The header with the event.
pub(super) const EVENT: &str = "x-github-event";
/// The header with the delivery's name.
pub(super) const DELIVERY: &str = "x-github-delivery";

/// Reads a delivery.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Received, Malformed> {
    let event = header(headers, EVENT)?;
    let id = header(headers, DELIVERY)?;
    let (payload, unexpected) = top::<Payload<'_>>(body)?;
    let action = maybe(payload.action).and_then(name);
    let (what, sent_at) = match unexpected {
        Some(unexpected) => (unexpected.into(), None),
        None => happening(event, action.as_deref().unwrap_or_default(), &payload)
            .unwrap_or_else(|unexpected| (unexpected.into(), None)),
    };
    let repo = maybe::<Repository>(payload.repository).and_then(|repository| repo_name(repository.full_name));
    let actor = maybe::<User>(payload.sender).and_then(User::actor);
    Ok(Received {
        key: DeliveryKey::new(Provider::Github, id),
        event: event.to_owned(),
        occurrence: Occurrence {
            provider: Provider::Github,
            repo,
            actor,
            sent_at,
            event: Occurrence::name_of(event, action.as_deref()),
            what,
        },
        action,
        headers: Default::default(),
    })
}

/// What happened, and when.
type Happened = (Happening, Option<Timestamp>);

fn happening(event: &str, action: &str, payload: &Payload<'_>) -> Result<Happened, Unexpected> {
    match (event, action) {
        ("ping", _) => Ok((Happening::Ping, None)),
        ("issues", "opened") => {
            let issue: Issue = part("issue", payload.issue)?;
            let at = time(&issue.created_at);
            Ok((Happening::Opened(issue.subject()), at))
        }
        ("issues", "labeled") => {
            let issue: Issue = part("issue", payload.issue)?;
            let label: Label = part("label", payload.label)?;
            let at = time(&issue.updated_at);
            Ok((Happening::Labeled { on: issue.subject(), label: label.name }, at))
        }
        ("issue_comment", "created") => {
            let issue: Issue = part("issue", payload.issue)?;
            let comment: Comment = part("comment", payload.comment)?;
            Ok(comment.happened(issue.subject()))
        }
        ("pull_request", "labeled") => {
            let change: PullRequest = part("pull_request", payload.pull_request)?;
            let label: Label = part("label", payload.label)?;
            let at = change.updated_at.as_deref().and_then(time);
            Ok((Happening::Labeled { on: change.subject(), label: label.name }, at))
        }
        ("pull_request_review_comment", "created") => {
            let change: PullRequest = part("pull_request", payload.pull_request)?;
            let comment: Comment = part("comment", payload.comment)?;
            Ok(comment.happened(change.subject()))
        }
        ("pull_request", "opened" | "reopened" | "synchronize" | "ready_for_review" | "closed") => {
            let change: PullRequest = part("pull_request", payload.pull_request)?;
            let action = if action == "closed" && change.merged { "merged" } else { action };
            let at = change.updated_at.as_deref().and_then(time);
            let notice = Notice::Change {
                change: change.number,
                head: Some(commit_id(change.head.sha)?),
                action: action.to_owned(),
            };
            Ok((Happening::Noticed(notice), at))
        }
        ("pull_request_review", "submitted" | "dismissed") => {
            let change: PullRequest = part("pull_request", payload.pull_request)?;
            let review: Review = part("review", payload.review)?;
            let at = review.submitted_at.as_deref().and_then(time);
            let state = review.state.to_lowercase();
            Ok((Happening::Noticed(Notice::Review { change: change.number, state }), at))
        }
        ("check_run", "completed") => {
            let run: CheckRun = part("check_run", payload.check_run)?;
            let branch = run.check_suite.and_then(|suite| suite.head_branch);
            ci(run.head_sha, branch, run.completed_at.as_deref())
        }
        ("check_suite", "completed") => {
            let suite: CheckSuite = part("check_suite", payload.check_suite)?;
            ci(suite.head_sha, suite.head_branch, suite.updated_at.as_deref())
        }
        ("workflow_run", "completed") => {
            let run: WorkflowRun = part("workflow_run", payload.workflow_run)?;
            ci(run.head_sha, run.head_branch, run.updated_at.as_deref())
        }
        ("status", _) => status(payload),
        ("push", _) => push(payload),
        ("installation" | "installation_repositories", _) => installation(action, payload),
        _ => Err(not_acted_on(event, action)),
    }
}

fn not_acted_on(event: &str, action: &str) -> Unexpected {
    let dot = if action.is_empty() { "" } else { "." };
    Unexpected(format!("nothing acts on `{event}{dot}{action}`"))
}

fn ci(commit: String, branch: Option<String>, at: Option<&str>) -> Result<Happened, Unexpected> {
    let notice = Notice::Ci { commit: commit_id(commit)?, branch };
    Ok((Happening::Noticed(notice), at.and_then(time)))
}

fn status(payload: &Payload<'_>) -> Result<Happened, Unexpected> {
    let state: String = part("state", payload.state)?;
    if state == "pending" {
        return Err(Unexpected("the status is still pending".to_owned()));
    }
    let branches: Vec<Named> = maybe(payload.branches).unwrap_or_default();
    let branch = match <[Named; 1]>::try_from(branches) {
        Ok([only]) => Some(only.name),
        Err(_) => None,
    };
    let at: Option<String> = maybe(payload.updated_at);
    ci(part("sha", payload.sha)?, branch, at.as_deref())
}

fn push(payload: &Payload<'_>) -> Result<Happened, Unexpected> {
    let name: String = part("ref", payload.git_ref)?;
    let Some(branch) = name.strip_prefix("refs/heads/") else {
        return Err(Unexpected("only pushes to branches matter".to_owned()));
    };
    if maybe(payload.deleted).unwrap_or(false) {
        return Err(Unexpected("the branch was deleted".to_owned()));
    }
    let commit = commit_id(part("after", payload.after)?)?;
    let head: Option<Commit> = maybe(payload.head_commit);
    let at = head.and_then(|head| time(&head.timestamp?));
    Ok((Happening::Noticed(Notice::Push { branch: branch.to_owned(), commit }), at))
}

/// Repos that the app was given or lost. Where a payload does not list them, `account/*` stands for all of an
/// account.
fn installation(action: &str, payload: &Payload<'_>) -> Result<Happened, Unexpected> {
    let names = |repos: Vec<Repository>| -> Vec<String> {
        repos.into_iter().filter_map(|repository| repo_name(repository.full_name)).collect()
    };
    let all = || -> Result<Vec<String>, Unexpected> {
        let listed: Vec<Repository> = maybe(payload.repositories).unwrap_or_default();
        if !listed.is_empty() {
            return Ok(names(listed));
        }
        let installation: Installation = part("installation", payload.installation)?;
        let account = name(installation.account.login);
        let account =
            account.ok_or_else(|| Unexpected("the installation's account has no name".to_owned()))?;
        Ok(vec![format!("{account}/*")])
    };
    let (added, removed) = match action {
        "created" | "unsuspend" => (all()?, Vec::new()),
        "deleted" | "suspend" => (Vec::new(), all()?),
        "added" | "removed" => {
            let added = maybe(payload.repositories_added).unwrap_or_default();
            let removed = maybe(payload.repositories_removed).unwrap_or_default();
            (names(added), names(removed))
        }
        action => return Err(not_acted_on("installation", action)),
    };
    Ok((Happening::Enrolled { added, removed }, None))
}

impl User {
    fn actor(self) -> Option<Actor> {
        let is_bot = self.kind.as_deref() == Some("Bot");
        name(self.login).map(|login| Actor { login, is_bot })
    }
}

impl Issue {
    fn subject(self) -> Subject {
        let at = match self.pull_request {
            Some(_) => Place::Change(self.number),
            None => Place::Issue(self.number),
        };
        Subject { at, open: self.state == "open", labels: Label::names(self.labels) }
    }
}

impl PullRequest {
    fn subject(self) -> Subject {
        let open = self.state == "open";
        Subject { at: Place::Change(self.number), open, labels: Label::names(self.labels) }
    }
}

impl Comment {
    fn happened(self, on: Subject) -> Happened {
        let at = time(&self.created_at);
        (Happening::Commented { on, comment: self.id, body: self.body.unwrap_or_default() }, at)
    }
}

impl Label {
    fn names(labels: Option<Vec<Self>>) -> Vec<String> {
        labels.into_iter().flatten().map(|label| label.name).collect()
    }
}
