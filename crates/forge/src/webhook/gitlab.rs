//! GitLab's deliveries: intake only, so everything is a fact to look into and nothing a command.

use http::HeaderMap;
use jiff::Timestamp;
use miyabi_core::delivery::{DeliveryKey, Provider};
use miyabi_core::trigger::{Actor, Happening, Notice, Occurrence};
use serde::Deserialize;

use super::{
    IDEMPOTENCY_KEY, Malformed, Part, Received, Unexpected, commit_id, digest, header, maybe, name, part,
    repo_name, time, top,
};

/// The header with the event.
pub(super) const EVENT: &str = "x-gitlab-event";
/// The header with the name of what caused it; what follows from a delivery has the same one.
pub(super) const EVENT_UUID: &str = "x-gitlab-event-uuid";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Payload<'a> {
    #[serde(borrow)]
    project: Part<'a>,
    #[serde(borrow)]
    user: Part<'a>,
    #[serde(borrow)]
    user_username: Part<'a>,
    #[serde(borrow)]
    object_attributes: Part<'a>,
    #[serde(borrow, rename = "ref")]
    git_ref: Part<'a>,
    #[serde(borrow)]
    after: Part<'a>,
}

#[derive(Deserialize)]
struct Project {
    path_with_namespace: String,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Deserialize)]
struct MergeRequest {
    iid: u64,
    action: Option<String>,
    last_commit: Option<Commit>,
    updated_at: Option<String>,
}

#[derive(Deserialize)]
struct Commit {
    id: String,
}

#[derive(Deserialize)]
struct Pipeline {
    sha: String,
    status: String,
    #[serde(rename = "ref")]
    git_ref: Option<String>,
    tag: Option<bool>,
    finished_at: Option<String>,
}

/// Reads a delivery.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Received, Malformed> {
    let event = header(headers, EVENT)?;
    let id = match (headers.get(IDEMPOTENCY_KEY), headers.get(EVENT_UUID)) {
        (Some(_), _) => header(headers, IDEMPOTENCY_KEY)?.to_owned(),
        // Not unique by itself: everything that follows from one event carries the same one.
        (None, Some(_)) => format!("{}-{}", header(headers, EVENT_UUID)?, digest(body)),
        (None, None) => digest(body),
    };
    let (payload, unexpected) = top::<Payload<'_>>(body)?;
    let (what, action, sent_at) = match unexpected.map_or_else(|| happening(event, &payload), Err) {
        Ok(happened) => happened,
        Err(unexpected) => (unexpected.into(), None, None),
    };
    let repo = maybe::<Project>(payload.project).and_then(|project| repo_name(project.path_with_namespace));
    let login = maybe::<User>(payload.user).map(|user| user.username);
    let login = login.or_else(|| maybe(payload.user_username)).and_then(name);
    let actor = login.map(|login| Actor { login, is_bot: false });
    Ok(Received {
        key: DeliveryKey::new(Provider::Gitlab, id),
        event: event.to_owned(),
        occurrence: Occurrence {
            provider: Provider::Gitlab,
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

type Happened = (Happening, Option<String>, Option<Timestamp>);

fn happening(event: &str, payload: &Payload<'_>) -> Result<Happened, Unexpected> {
    match event {
        "Merge Request Hook" => {
            let request: MergeRequest = part("object_attributes", payload.object_attributes)?;
            let action = request.action.and_then(name).unwrap_or_else(|| "updated".to_owned());
            let notice = Notice::Change {
                change: request.iid,
                head: request.last_commit.map(|commit| commit_id(commit.id)).transpose()?,
                action: action.clone(),
            };
            let at = request.updated_at.as_deref().and_then(time);
            Ok((Happening::Noticed(notice), Some(action), at))
        }
        "Pipeline Hook" => {
            let pipeline: Pipeline = part("object_attributes", payload.object_attributes)?;
            if !matches!(pipeline.status.as_str(), "success" | "failed" | "canceled" | "skipped") {
                return Err(Unexpected(format!("the pipeline is still `{}`", pipeline.status)));
            }
            let branch = pipeline.git_ref.filter(|_| pipeline.tag != Some(true));
            let at = pipeline.finished_at.as_deref().and_then(time);
            let notice = Notice::Ci { commit: commit_id(pipeline.sha)?, branch };
            Ok((Happening::Noticed(notice), Some(pipeline.status), at))
        }
        "Push Hook" => {
            let name: String = part("ref", payload.git_ref)?;
            let commit: String = part("after", payload.after)?;
            let Some(branch) = name.strip_prefix("refs/heads/") else {
                return Err(Unexpected("only pushes to branches matter".to_owned()));
            };
            if commit.chars().all(|digit| digit == '0') {
                return Err(Unexpected("the branch was deleted".to_owned()));
            }
            let notice = Notice::Push { branch: branch.to_owned(), commit: commit_id(commit)? };
            Ok((Happening::Noticed(notice), None, None))
        }
        event => Err(Unexpected(format!("nothing acts on `{event}`"))),
    }
}
