//! GitLab's hooks begin flows: its own payloads and token through the server, on a repository without a forge.
#![expect(clippy::unwrap_used, reason = "tests")]

use miyabi_tests::env::TestEnv;
use miyabi_tests::github::{Served, eventually};
use miyabi_tests::http::raw;
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
const TOKEN: &str = "token-of-the-test";
const VERIFY: &str = "
name: verify
trigger: { type: webhook, source: gitlab, events: [pipeline.success, push] }
steps:
  - { name: look, agent: reader, input: '${trigger.source} ${trigger.event} ${trigger.actor}: ${trigger.payload.object_attributes.title}' }
";

fn env() -> TestEnv {
    let env = TestEnv::new(
        PROGRAM,
        &[
            ("miyabi.toml", "[agent]\ndefault = \"command:cat mode.txt -\"\n"),
            ("agents/reader.md", "---\ndescription: d\n---\nYou read.\n"),
            ("agents/flows/verify.yaml", VERIFY),
            ("mode.txt", "main\n"),
        ],
    );
    env.variable("MIYABI_GITLAB_WEBHOOK_TOKEN", TOKEN)
}

/// Commits to a branch of its own, which the checkout does not stay on; gives the commit.
fn commit(env: &TestEnv, branch: &str) -> String {
    env.git(&["switch", "--quiet", "--create", branch]);
    env.write("mode.txt", &format!("{branch}\n"));
    env.git(&["commit", "--quiet", "--all", "--message", "Change the mode"]);
    let head = env.git(&["rev-parse", "HEAD"]);
    env.git(&["switch", "--quiet", "main"]);
    head
}

/// Delivers as GitLab does; gives the status.
fn deliver(served: &Served, event: &str, id: &str, token: &str, payload: &Value) -> u16 {
    let body = payload.to_string();
    let head = format!(
        "POST /api/webhooks/gitlab HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         x-gitlab-event: {event}\r\nx-gitlab-event-uuid: {id}\r\nidempotency-key: {id}\r\nx-gitlab-token: {token}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    raw(&served.url, format!("{head}{body}").as_bytes()).0
}

fn project() -> Value {
    json!({ "id": 1, "name": "repo", "path_with_namespace": "local/repo", "web_url": "https://gitlab.example/local/repo" })
}

/// A merge request, as GitLab's documentation shows its hook.
fn request(action: &str, head: &str, labels: &[&str]) -> Value {
    let labels: Vec<_> =
        labels.iter().map(|title| json!({ "id": 206, "title": title, "type": "ProjectLabel" })).collect();
    json!({
        "object_kind": "merge_request", "event_type": "merge_request", "project": project(),
        "user": { "id": 1, "name": "山田", "username": "yamada" }, "labels": labels,
        "object_attributes": {
            "id": 99, "iid": 3, "title": "認証を足す", "action": action, "state": "opened",
            "source_branch": "topic", "target_branch": "main", "source_project_id": 1, "target_project_id": 1,
            "last_commit": { "id": head, "message": "Change the mode" }, "updated_at": "2026-11-22 05:00:00 UTC",
            "url": "https://gitlab.example/local/repo/-/merge_requests/3",
        },
    })
}

fn pipeline(status: &str, branch: &str, head: &str) -> Value {
    json!({
        "object_kind": "pipeline", "project": project(), "user": { "username": "yamada" },
        "object_attributes": { "id": 31, "ref": branch, "tag": false, "sha": head, "status": status,
                               "finished_at": "2026-11-22 05:00:00 UTC" },
    })
}

/// What a rule made of a delivery, once it is handled: outcome and reason.
#[track_caller]
fn of_rule(env: &TestEnv, id: &str, rule: &str) -> (String, String) {
    let key = format!("gitlab:{id}");
    let handled = || {
        let rows = env.miyabi(["delivery", "list", "--json"]).expect(0).json();
        rows.as_array().unwrap().iter().any(|row| row["id"] == key && !row["handled_at"].is_null())
    };
    eventually("the delivery is handled", handled);
    let shown = env.miyabi(["delivery", "show", &key, "--json"]).expect(0).json();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let note = shown["rules"].as_array().unwrap().iter().find(|note| note["rule"] == rule);
    let note = note.unwrap_or_else(|| panic!("{rule} in {shown}"));
    (word(&note["outcome"]), word(&note["reason"]))
}

fn is(outcome: &str, reason: &str) -> (String, String) {
    (outcome.to_owned(), reason.to_owned())
}

fn log(env: &TestEnv, run: u64) -> Vec<Value> {
    let lines = env.miyabi(["log", &run.to_string(), "--json"]).expect(0).json_lines();
    lines.into_iter().map(|event| event["body"].clone()).collect()
}

#[track_caller]
fn ends_well(env: &TestEnv, run: u64) -> Vec<Value> {
    eventually("the end of the run", || {
        log(env, run).last().is_some_and(|body| body["type"] == "run_finished")
    });
    let log = log(env, run);
    assert_eq!(log[log.len() - 1]["status"], "succeeded", "{}", log[log.len() - 1]);
    log
}

#[test]
fn a_merge_request_and_a_pipeline_begin_runs_at_their_commits() {
    let env = env();
    let add = [
        "trigger",
        "add",
        "asked",
        "--flow",
        "verify",
        "--source",
        "gitlab",
        "--event",
        "merge_request",
        "--require-label",
        "verify",
    ];
    env.miyabi(add.into_iter().chain(["--anyone"])).expect(0);
    let members =
        ["trigger", "add", "members", "--flow", "verify", "--source", "gitlab", "--event", "merge_request"];
    env.miyabi(members).expect(0);
    let head = commit(&env, "topic");
    let served = Served::start(&env);
    let hook = "Merge Request Hook";

    // Without the token nothing is kept.
    for token in ["", "another", "token-of-the-tes"] {
        assert_eq!(deliver(&served, hook, "m0", token, &request("open", &head, &["verify"])), 403, "{token}");
    }
    assert_eq!(env.miyabi(["delivery", "list", "--json"]).expect(0).json(), json!([]));

    assert_eq!(deliver(&served, hook, "m1", TOKEN, &request("open", &head, &["bug"])), 202);
    assert_eq!(of_rule(&env, "m1", "asked"), is("skip", "label `verify` is missing"));
    let (outcome, reason) = of_rule(&env, "m1", "members");
    assert!(outcome == "skip" && reason.contains("cannot be looked up"), "{reason}");

    let labelled = request("update", &head, &["bug", "verify"]);
    assert_eq!(deliver(&served, hook, "m2", TOKEN, &labelled), 202);
    assert_eq!(of_rule(&env, "m2", "asked"), is("match", "began run 1"));
    assert_eq!(deliver(&served, hook, "m2", TOKEN, &labelled), 200, "it was delivered already");
    let told = ends_well(&env, 1);
    let began = &told[0];
    assert_eq!((&began["source"], &began["event"]), (&json!("gitlab"), &json!("merge_request.update")));
    assert_eq!(began["subject"], json!({ "kind": "change", "number": 3, "head": head }));
    assert_eq!((&began["base_commit"], &began["actor"]), (&json!(head), &json!("yamada")));
    assert_eq!(began["cause"], json!({ "delivery": "gitlab:m2", "rule": "asked" }));
    let output = told.iter().find(|body| body["type"] == "step_succeeded").unwrap()["output"].clone();
    let output = output.as_str().unwrap();
    assert!(output.starts_with("topic\n"), "it works at the head: {output}");
    assert!(output.contains("merge_request.update") && output.contains("認証を足す"), "{output}");
    // A head that nobody has, as that of a fork may be here, is an error of the rule.
    assert_eq!(deliver(&served, hook, "m3", TOKEN, &request("update", &"a".repeat(40), &["verify"])), 202);
    let (outcome, reason) = of_rule(&env, "m3", "asked");
    assert!(outcome == "error" && reason.contains("cannot be had"), "{reason}");

    // What CI says of a branch here, and pushes, need nobody who is looked up.
    let hook = "Pipeline Hook";
    assert_eq!(deliver(&served, hook, "c1", TOKEN, &pipeline("running", "topic", &head)), 200);
    assert_eq!(deliver(&served, hook, "c2", TOKEN, &pipeline("failed", "topic", &head)), 202);
    assert_eq!(of_rule(&env, "c2", "verify").0, "skip", "the flow waits for a success");
    assert_eq!(deliver(&served, hook, "c3", TOKEN, &pipeline("success", "topic", &head)), 202);
    assert_eq!(of_rule(&env, "c3", "verify"), is("match", "began run 2"));
    let began = ends_well(&env, 2).swap_remove(0);
    assert_eq!(began["subject"], json!({ "kind": "branch", "name": "topic", "head": head }));
    let push = json!({ "object_kind": "push", "ref": "refs/heads/topic", "before": "0".repeat(40), "after": head,
                       "user_username": "yamada", "project": project() });
    assert_eq!(deliver(&served, "Push Hook", "c4", TOKEN, &push), 202);
    assert_eq!(of_rule(&env, "c4", "verify"), is("match", "began run 3"));
    ends_well(&env, 3);
    assert_eq!(served.stop(), Some(0));
    assert_eq!(env.worktrees(), [] as [&str; 0]);
}
