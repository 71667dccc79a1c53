//! Stories judged because a change was opened or pushed to: signed deliveries, real check runs and statuses on the
//! stand-in of GitHub, each of which ends whatever is killed or replaced.
#![expect(clippy::unwrap_used, reason = "tests")]

use miyabi_tests::env::TestEnv;
use miyabi_tests::github::{ALICE, GitHub, Served, eventually, is_here_or_say};
use miyabi_tests::judge::{JUDGE, asked, judge, log, story};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
const SETTINGS: &str = "[serve]\ndebounce_secs = 0\n";
const NAME: &str = "miyabi/story-ci";

/// The agent that judges, by which every agent step is done.
fn judged(mut github: GitHub) -> GitHub {
    let agent = judge(&github.env);
    github.env.set("MIYABI_AGENT_DEFAULT", agent);
    github
}

/// From now on the judge looks where it would have taken for ever.
fn hurry(env: &TestEnv) {
    let looks = JUDGE.replace("hang*) tail -f /dev/null", "hang-found) verdict=pass searched=");
    assert_ne!(looks, JUDGE);
    std::fs::write(env.root().join("judge.sh"), looks).unwrap();
}

/// A change of alice's with these stories. Gives its number and its head.
fn opened(github: &GitHub, branch: &str, stories: &[(&str, &str)]) -> (u64, String) {
    let text = |id: &str, criterion: &str| story(id, "", &[criterion.to_owned()]);
    let mut files: Vec<_> = stories
        .iter()
        .map(|(id, criterion)| (format!(".miyabi/stories/{id}.yaml"), text(id, criterion)))
        .collect();
    files.push(("src/login.rs".to_owned(), "//! Log in.\n// 合言葉 check\n".to_owned()));
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let head = github.push(&format!("refs/heads/{branch}"), &files);
    let body = json!({ "title": "Add login", "head": branch, "base": "main" });
    let number = github.of_repo(ALICE, "POST", "/pulls", Some(&body))["number"].as_u64().unwrap();
    (number, head)
}

/// The check runs at a commit: name, status, conclusion.
fn checks(github: &GitHub, commit: &str) -> Vec<Value> {
    let route = format!("/commits/{commit}/check-runs?filter=all");
    let found = github.of_repo(ALICE, "GET", &route, None)["check_runs"].clone();
    let shown = |check: &Value| json!([check["name"], check["status"], check["conclusion"]]);
    found.as_array().unwrap().iter().map(shown).collect()
}

/// The statuses at a commit: context, state.
fn statuses(github: &GitHub, commit: &str) -> Vec<Value> {
    let found = github.of_repo(ALICE, "GET", &format!("/commits/{commit}/status"), None);
    let shown = |status: &Value| json!([status["context"], status["state"]]);
    found["statuses"].as_array().unwrap().iter().map(shown).collect()
}

/// How each story of a run stands: its row, as the database has it.
fn rows(env: &TestEnv, run: u64) -> Vec<(String, String)> {
    let database = rusqlite::Connection::open(env.repo().join(".miyabi/miyabi.db")).unwrap();
    let wanted = "SELECT t.story, t.status FROM story_test_results t JOIN runs r ON r.key = t.run \
                  WHERE r.number = ?1 ORDER BY t.story";
    let mut statement = database.prepare(wanted).unwrap();
    let rows = statement.query_map([run.to_string()], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

fn row(story: &str, status: &str) -> (String, String) {
    (story.to_owned(), status.to_owned())
}

/// What the rule of the flow made of a delivery, once it is handled: outcome and reason.
#[track_caller]
fn said(github: &GitHub, id: &str, rule: &str) -> (String, String) {
    eventually("the delivery is handled", || github.has_handled(id));
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let shown = github.env.miyabi(["delivery", "show", id, "--json"]).expect(0).json();
    let note = shown["rules"].as_array().unwrap().iter().find(|note| note["rule"] == rule);
    let note = note.unwrap_or_else(|| panic!("{rule} in {shown}"));
    (word(&note["outcome"]), word(&note["reason"]))
}

#[track_caller]
fn began(github: &GitHub, id: &str, rule: &str, run: &str) {
    assert_eq!(said(github, id, rule), ("match".to_owned(), format!("began run {run}")));
}

fn status(env: &TestEnv, run: u64) -> Option<String> {
    let end = log(env, run).pop()?;
    (end["type"] == "run_finished").then(|| end["status"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_newer_head_takes_the_place_of_a_run_and_every_check_run_ends() {
    if !is_here_or_say() {
        return;
    }
    let github = judged(GitHub::start(PROGRAM, SETTINGS).with_app());
    let env = &github.env;
    let events = ["--event", "pull_request.opened", "--event", "pull_request.synchronize"];
    let add = ["trigger", "add", "ours", "--flow", "story-ci"];
    env.miyabi(add.into_iter().chain(events)).expect(0);
    let stories = [("hangs", "hang check in src"), ("passes", "has check in src")];
    let (number, first) = opened(&github, "topic", &stories);
    let served = Served::start(env);

    // Who may not write has nothing judged.
    let mut stranger = github.payload_of(number, "opened");
    stranger["sender"]["login"] = json!("mallory");
    assert_eq!(served.deliver("pull_request", "s0", &stranger), 202);
    assert_eq!(said(&github, "s0", "ours").0, "skip");
    assert_eq!(checks(&github, &first), [] as [Value; 0]);

    assert_eq!(served.deliver("pull_request", "s1", &github.payload_of(number, "opened")), 202);
    began(&github, "s1", "ours", "1");
    eventually("it judges", || asked(env, 1).contains(&"story:hangs".to_owned()));
    eventually("one is judged", || rows(env, 1).contains(&row("passes", "pass")));
    assert_eq!(checks(&github, &first), [json!([NAME, "in_progress", null])]);
    assert_eq!(rows(env, 1), [row("hangs", "running"), row("passes", "pass")]);

    hurry(env);
    let second = github.advance(number);
    assert_eq!(served.deliver("pull_request", "s2", &github.payload_of(number, "synchronize")), 202);
    began(&github, "s2", "ours", "2 in the place of an older one");
    eventually("both have ended", || status(env, 1).is_some() && status(env, 2).is_some());
    assert_eq!(
        (status(env, 1).unwrap(), status(env, 2).unwrap()),
        ("superseded".to_owned(), "succeeded".to_owned())
    );
    assert_eq!(checks(&github, &first), [json!([NAME, "completed", "cancelled"])]);
    assert_eq!(rows(env, 1), [row("hangs", "skipped"), row("passes", "pass")]);
    assert_eq!(checks(&github, &second), [json!([NAME, "completed", "success"])]);
    assert_eq!(rows(env, 2), [row("hangs", "pass"), row("passes", "pass")]);
    // The older run got as far as one judgement, which the newer one takes over.
    assert_eq!(asked(env, 2), ["story:hangs"]);
    let began = log(env, 2).swap_remove(0);
    assert_eq!((&began["base_commit"], &began["subject"]["number"]), (&json!(second), &json!(number)));
    let check = github.of_repo(ALICE, "GET", &format!("/commits/{second}/check-runs"), None);
    let output = &check["check_runs"][0]["output"];
    let summary = output["summary"].as_str().unwrap();
    assert!(summary.contains("hangs") && summary.contains("passes"), "{output}");

    assert_eq!(served.stop(), Some(0));
    assert_eq!(env.processes(), [] as [u32; 0]);
    assert_eq!(env.worktrees(), [] as [&str; 0]);
}

#[test]
fn where_no_check_run_may_be_made_a_status_ends_though_the_server_is_killed() {
    if !is_here_or_say() {
        return;
    }
    let github = judged(GitHub::start(PROGRAM, SETTINGS).with_token());
    let env = &github.env;
    let refused = json!({ "method": "POST", "path": "/check-runs$", "kind": "refuse" });
    github.ask(ALICE, "POST", "/_faults", Some(&Value::from(vec![refused; 50])));
    // The flow's own trigger: changes, and pushes.
    env.write(".miyabi/flows/story-ci.yaml", include_str!("../../agents/flows/story-ci.yaml"));
    let stories = [("fails", "has nothing in src"), ("hangs", "hang 合言葉 in src")];
    let (number, head) = opened(&github, "topic", &stories);
    let served = Served::start(env);

    // The push that brought the branch is left to the change.
    let push = |branch: &str, head: &str| {
        json!({ "ref": format!("refs/heads/{branch}"), "before": "0".repeat(40), "after": head, "deleted": false,
                "head_commit": { "id": head }, "repository": { "id": 1, "full_name": "alice/shop" },
                "sender": { "login": "alice", "type": "User" } })
    };
    assert_eq!(served.deliver("push", "p1", &push("topic", &head)), 202);
    let (outcome, reason) = said(&github, "p1", "story-ci");
    assert!(outcome == "skip" && reason.contains(&format!("change #{number}")), "{reason}");
    assert_eq!(served.deliver("pull_request", "p2", &github.payload_of(number, "opened")), 202);
    began(&github, "p2", "story-ci", "1");
    eventually("it judges", || asked(env, 1).contains(&"story:hangs".to_owned()));
    eventually("one is judged", || rows(env, 1).contains(&row("fails", "fail")));
    assert_eq!((checks(&github, &head), statuses(&github, &head)), (vec![], vec![json!([NAME, "pending"])]));
    served.kill();
    assert_eq!(rows(env, 1), [row("fails", "fail"), row("hangs", "running")]);
    assert_eq!(statuses(&github, &head), [json!([NAME, "pending"])]);

    hurry(env);
    let served = Served::start(env);
    eventually("it has ended", || status(env, 1).is_some());
    assert_eq!(status(env, 1).unwrap(), "failed");
    assert_eq!(rows(env, 1), [row("fails", "fail"), row("hangs", "pass")]);
    assert_eq!((checks(&github, &head), statuses(&github, &head)), (vec![], vec![json!([NAME, "failure"])]));
    assert!(log(env, 1).iter().any(|body| body["receipt"]["as_status"] == true), "the receipt says so");

    // A push to a branch without a change is judged by itself; a story that failed there fails again without anybody.
    let pushed = github.push("refs/heads/main", &[("README.md", "# Here\n")]);
    assert_eq!(served.deliver("push", "p3", &push("main", &pushed)), 202);
    began(&github, "p3", "story-ci", "2");
    eventually("it has ended", || status(env, 2).is_some());
    assert_eq!(asked(env, 2), [] as [&str; 0]);
    assert_eq!(statuses(&github, &pushed), [json!([NAME, "failure"])]);
    assert_eq!(served.stop(), Some(0));
    assert_eq!(env.processes(), [] as [u32; 0]);
    assert_eq!(env.worktrees(), [] as [&str; 0]);
}
