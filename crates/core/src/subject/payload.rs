//! What a payload is about: read where GitHub, GitLab and any CI say it, and nothing that is not as expected.

use serde_json::Value;

use super::{About, RunSubject};
use crate::ids::CommitId;

/// What the runs on this payload are about; none: nothing that they share.
///
/// A commit of another repository (a fork's) is never taken for a branch of this one.
pub fn subject_of(payload: &Value) -> Option<RunSubject> {
    of_change(payload)
        .or_else(|| of_merge_request(payload))
        .or_else(|| of_issue(payload))
        .or_else(|| of_push(payload))
        .or_else(|| of_ci(payload))
        .or_else(|| of_status(payload))
}

fn of_change(payload: &Value) -> Option<RunSubject> {
    let change = &payload["pull_request"];
    let number = change["number"].as_u64()?;
    Some(RunSubject::new(About::Change { number }, commit(&change["head"]["sha"])))
}

/// GitLab's merge requests, and its pipelines.
fn of_merge_request(payload: &Value) -> Option<RunSubject> {
    let attributes = &payload["object_attributes"];
    match payload["object_kind"].as_str()? {
        "merge_request" => {
            let number = attributes["iid"].as_u64()?;
            Some(RunSubject::new(About::Change { number }, commit(&attributes["last_commit"]["id"])))
        }
        "pipeline" => {
            let head = commit(&attributes["sha"])?;
            let request = &payload["merge_request"];
            let of_fork = request["source_project_id"] != request["target_project_id"];
            let about = match (request["iid"].as_u64(), attributes["ref"].as_str()) {
                (Some(number), _) if !of_fork => About::Change { number },
                (None, Some(name)) if attributes["tag"] != true => About::Branch { name: name.to_owned() },
                _ => About::Commit { id: head.clone() },
            };
            Some(RunSubject::new(about, Some(head)))
        }
        _ => None,
    }
}

fn of_issue(payload: &Value) -> Option<RunSubject> {
    let issue = &payload["issue"];
    let number = issue["number"].as_u64()?;
    let about = match issue["pull_request"].is_object() {
        true => About::Change { number },
        false => About::Issue { number },
    };
    Some(RunSubject::new(about, None))
}

fn of_push(payload: &Value) -> Option<RunSubject> {
    let name = payload["ref"].as_str()?.strip_prefix("refs/heads/")?.to_owned();
    let head = commit(&payload["after"])?;
    Some(RunSubject::new(About::Branch { name }, Some(head)))
}

fn of_ci(payload: &Value) -> Option<RunSubject> {
    let run = ["workflow_run", "check_suite", "check_run"].into_iter().map(|name| &payload[name]);
    let run = run.into_iter().find(|run| run.is_object())?;
    let head = commit(&run["head_sha"])?;
    let here = &payload["repository"]["full_name"];
    let of_fork =
        run["head_repository"]["full_name"].is_string() && run["head_repository"]["full_name"] != *here;
    let suite = &run["check_suite"];
    let changes = |run: &Value| {
        let changes = run["pull_requests"].as_array().cloned().unwrap_or_default();
        // Changes of other repositories have this commit, too.
        let ours = |change: &&Value| {
            let base = &change["base"]["repo"]["id"];
            base.is_null() || *base == payload["repository"]["id"]
        };
        changes.iter().filter(ours).filter_map(|change| change["number"].as_u64()).collect::<Vec<_>>()
    };
    let branch = run["head_branch"].as_str().or_else(|| suite["head_branch"].as_str());
    let about = match (changes(run).as_slice(), branch) {
        (&[number], _) if !of_fork => About::Change { number },
        (_, Some(name)) if !of_fork => About::Branch { name: name.to_owned() },
        _ => About::Commit { id: head.clone() },
    };
    Some(RunSubject::new(about, Some(head)))
}

/// GitHub's commit statuses, and what any CI posts.
fn of_status(payload: &Value) -> Option<RunSubject> {
    let head = commit(&payload["sha"]).or_else(|| commit(&payload["commit"]))?;
    let branches = payload["branches"].as_array().map(Vec::as_slice).unwrap_or_default();
    let name = match branches {
        [only] => only["name"].as_str(),
        [] => payload["branch"].as_str(),
        _ => None,
    };
    let about = match name {
        Some(name) => About::Branch { name: name.to_owned() },
        None => About::Commit { id: head.clone() },
    };
    Some(RunSubject::new(about, Some(head)))
}

/// The full id of a commit; a branch that was deleted has only zeros.
fn commit(value: &Value) -> Option<CommitId> {
    let text = value.as_str()?;
    let is_full = matches!(text.len(), 40 | 64) && text.chars().all(|c| c.is_ascii_hexdigit());
    (is_full && text.chars().any(|c| c != '0')).then(|| CommitId::from(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn payloads_say_what_they_are_about() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let repository = json!({ "id": 1, "full_name": "acme/shop" });
        let table = [
            (json!({ "pull_request": { "number": 7, "head": { "sha": a } } }), Some(("change:7", Some(&a)))),
            (json!({ "pull_request": { "number": 7, "head": { "sha": "main" } } }), Some(("change:7", None))),
            (json!({ "issue": { "number": 7 } }), Some(("issue:7", None))),
            (json!({ "issue": { "number": 7, "pull_request": {} } }), Some(("change:7", None))),
            (json!({ "ref": "refs/heads/機能/x", "after": a }), Some(("branch:機能/x", Some(&a)))),
            (json!({ "ref": "refs/heads/x", "after": "0".repeat(40) }), None),
            (json!({ "ref": "refs/tags/v1", "after": a }), None),
            (
                json!({ "check_suite": { "head_sha": a, "head_branch": "x", "pull_requests": [
                    { "number": 7, "base": { "repo": { "id": 1 } } }, { "number": 8, "base": { "repo": { "id": 2 } } }
                ] }, "repository": repository }),
                Some(("change:7", Some(&a))),
            ),
            (
                json!({ "check_run": { "head_sha": b, "check_suite": { "head_branch": "x" } } }),
                Some(("branch:x", Some(&b))),
            ),
            (
                json!({ "workflow_run": { "head_sha": a, "head_branch": "main",
                        "head_repository": { "full_name": "mallory/shop" } }, "repository": repository }),
                Some(("commit", Some(&a))),
            ),
            (
                json!({ "workflow_run": { "head_sha": a, "head_branch": "main", "pull_requests": [{ "number": 7 }],
                        "head_repository": { "full_name": "mallory/shop" } }, "repository": repository }),
                Some(("commit", Some(&a))),
            ),
            (
                json!({ "object_kind": "pipeline", "object_attributes": { "sha": a, "ref": "x" },
                        "merge_request": { "iid": 3, "source_project_id": 1, "target_project_id": 1 } }),
                Some(("change:3", Some(&a))),
            ),
            (
                json!({ "object_kind": "pipeline", "object_attributes": { "sha": a, "ref": "x" },
                        "merge_request": { "iid": 3, "source_project_id": 2, "target_project_id": 1 } }),
                Some(("commit", Some(&a))),
            ),
            (json!({ "sha": a, "branches": [{ "name": "x" }] }), Some(("branch:x", Some(&a)))),
            (json!({ "sha": a, "branches": [{ "name": "x" }, { "name": "y" }] }), Some(("commit", Some(&a)))),
            (json!({ "commit": a, "branch": "x", "status": "failed" }), Some(("branch:x", Some(&a)))),
            (
                json!({ "object_kind": "merge_request",
                        "object_attributes": { "iid": 3, "last_commit": { "id": a } } }),
                Some(("change:3", Some(&a))),
            ),
            (
                json!({ "object_kind": "pipeline", "object_attributes": { "sha": a, "ref": "x", "tag": false } }),
                Some(("branch:x", Some(&a))),
            ),
            (json!({ "release": { "tag_name": "v1" } }), None),
            (json!([1, "a"]), None),
        ];
        for (payload, expected) in table {
            let found = subject_of(&payload);
            let told = found.as_ref().map(|found| {
                let about = match &found.about {
                    About::Commit { .. } => "commit".to_owned(),
                    about => about.to_string(),
                };
                (about, found.head.as_ref().map(|head| head.as_str().to_owned()))
            });
            let expected = expected.map(|(about, head)| (about.to_owned(), head.cloned()));
            assert_eq!(told, expected, "{payload}");
        }
    }
}
