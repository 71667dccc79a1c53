//! `miyabi serve` on GitHub: labels, comments, CI and people steer runs; outsiders do not; a restart goes on.

use miyabi_tests::github::{ALICE, GitHub, MALLORY, Served, eventually, is_here_or_say};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
const PLAYBOOK: &str = "task-1:\n  - write: { path: notes/right.md, content: \"右\\n\" }\n";

/// The settings of a team whose CI has to say something; only a delivery can wake a run in time.
fn settings(more: &str) -> String {
    format!(
        "[agent]\ndefault = \"scripted:playbook.yaml\"\n[serve]\ndebounce_secs = 0\n[policy]\nmerge_from = 80\nci_grace_secs = 86400\nci_poll_secs = 300\n{more}"
    )
}

fn start(more: &str) -> Option<GitHub> {
    is_here_or_say().then(|| {
        let github = GitHub::start(PROGRAM, "", &settings(more)).with_token();
        github.env.write("playbook.yaml", PLAYBOOK);
        github
    })
}

fn label(github: &GitHub, issue: u64) {
    let labels = json!({ "labels": ["miyabi"] });
    github.of_repo(ALICE, "POST", &format!("/issues/{issue}/labels"), Some(&labels));
}

fn say(github: &GitHub, who: &str, issue: u64, text: &str) {
    let body = json!({ "body": text });
    github.of_repo(who, "POST", &format!("/issues/{issue}/comments"), Some(&body));
}

fn comment(github: &GitHub, issue: u64, start: &str) -> Option<String> {
    github.comments(issue).into_iter().map(|(_, body)| body).find(|body| body.starts_with(start))
}

fn runs(github: &GitHub) -> Vec<Value> {
    let status = github.env.miyabi(["status", "--json"]).expect(0).json();
    let of = |which: &str| status[which].as_array().cloned().unwrap_or_default();
    [of("live"), of("recent")].concat()
}

fn change(github: &GitHub) -> Option<Value> {
    github.of_repo(ALICE, "GET", "/pulls?state=all", None).as_array().and_then(|all| all.first().cloned())
}

fn is_closed(github: &GitHub, issue: u64) -> bool {
    github.of_repo(ALICE, "GET", &format!("/issues/{issue}"), None)["state"] == "closed"
}

#[test]
fn a_label_starts_it_ci_lets_it_pass_and_the_merged_change_ends_it() {
    let Some(github) = start("") else { return };
    let served = Served::hooked(&github);
    let issue = github.file(ALICE, "Write the right note", "- [ ] Write the right note\n");
    label(&github, issue);
    eventually("a change", || change(&github).is_some());
    let open = change(&github).unwrap();
    assert!(open["merged_at"].is_null(), "it waits for CI: {open}");
    let head = open["head"]["sha"].as_str().unwrap().to_owned();
    github.check(&head, "build", "success");
    // The stand-in keeps checks and tells nobody of them.
    let delivery = json!({
        "action": "completed",
        "check_run": { "head_sha": head, "status": "completed", "check_suite": { "head_branch": null } },
        "repository": { "full_name": "alice/shop" },
        "sender": { "login": "alice", "type": "User" },
    });
    assert_eq!(served.deliver("check_run", "of-the-test-1", &delivery), 202);
    assert_eq!(served.deliver("check_run", "of-the-test-1", &delivery), 200, "the same once more");
    eventually("the end of the issue", || is_closed(&github, issue));
    assert!(!change(&github).unwrap()["merged_at"].is_null());
    eventually("the end of the run", || runs(&github).iter().all(|run| run["status"] == "succeeded"));
    assert_eq!(github.branches(), ["main"]);
    assert_eq!(runs(&github).len(), 1);
    assert_eq!(served.stop(), Some(0));
    assert_eq!(github.env.processes(), [] as [u32; 0]);
    let log = github.env.miyabi(["log", "1", "--json"]).expect(0).json_lines();
    assert_eq!(
        (log[0]["body"]["trigger"].as_str(), log[0]["body"]["actor"].as_str()),
        (Some("label"), Some("alice"))
    );
    assert!(log.iter().any(|event| event["body"]["type"] == "signalled"), "a delivery woke it");
}

#[test]
fn an_outsider_is_told_why_nothing_happens_and_a_person_approves() {
    let Some(github) = start("approve_above = 0.0\nnotify_from = 0.0\nsimple_below = 0.0\n") else { return };
    let _served = Served::hooked(&github);
    let issue = github.file(MALLORY, "Write the right note", "- [ ] Write the right note\n");
    say(&github, MALLORY, issue, "/miyabi run");
    eventually("a reply", || comment(&github, issue, "Not done: mallory has").is_some());
    assert_eq!(runs(&github), [] as [Value; 0]);

    say(&github, ALICE, issue, "@miyabi please");
    eventually("a question", || comment(&github, issue, "## Question 1-1").is_some());
    say(&github, MALLORY, issue, "/miyabi approve");
    eventually("another reply", || {
        github.comments(issue).iter().filter(|(_, body)| body.starts_with("Not done: mallory has")).count()
            == 2
    });
    assert!(change(&github).is_none());
    say(&github, ALICE, issue, "/miyabi approve 1-1 いいね");
    eventually("a change", || change(&github).is_some());
    let asked = comment(&github, issue, "## Question 1-1").unwrap();
    assert!(
        asked.contains("**`approve_anyway`** by alice, from comment") && asked.contains("いいね"),
        "{asked}"
    );

    say(&github, ALICE, issue, "/miyabi stop");
    eventually("the end of the run", || runs(&github).iter().all(|run| run["status"] == "cancelled"));
    say(&github, ALICE, issue, "/miyabi approve");
    eventually("a last reply", || comment(&github, issue, "Not done: no run of it has not ended").is_some());
}

#[test]
fn a_person_merges_and_the_run_ends() {
    let Some(github) = start("") else { return };
    github.env.write("miyabi.toml", &settings("").replace("merge_from = 80", "merge_from = 100"));
    let _served = Served::hooked(&github);
    let issue = github.file(ALICE, "Write the right note", "- [ ] Write the right note\n");
    label(&github, issue);
    eventually("a question", || comment(&github, issue, "## Question 1-1").is_some());
    let number = change(&github).unwrap()["number"].as_u64().unwrap();
    github.of_repo(ALICE, "PUT", &format!("/pulls/{number}/merge"), Some(&json!({})));
    eventually("the end of the issue", || is_closed(&github, issue));
    eventually("the end of the run", || runs(&github).iter().all(|run| run["status"] == "succeeded"));
    let asked = comment(&github, issue, "## Question 1-1").unwrap();
    assert!(asked.contains("**`approve_anyway`** by alice, from change merged"), "{asked}");
}

#[test]
fn a_killed_server_goes_on_and_finds_what_it_missed() {
    let Some(github) = start("") else { return };
    let first = Served::hooked(&github);
    let issue = github.file(ALICE, "Write the right note", "- [ ] Write the right note\n");
    label(&github, issue);
    eventually("a run", || !runs(&github).is_empty());
    first.kill();
    // Labelled while nobody listens: no delivery will ever tell.
    let missed = github.file(ALICE, "Write it once more", "- [ ] Write the right note\n");
    label(&github, missed);
    let served = Served::start(&github.env);
    eventually("both changes", || {
        github.of_repo(ALICE, "GET", "/pulls?state=all", None).as_array().is_some_and(|all| all.len() == 2)
    });
    assert_eq!(served.stop(), Some(0));
    let status =
        |issue: u64| github.comments(issue).iter().filter(|(_, body)| body.starts_with("## Status")).count();
    assert_eq!((status(issue), status(missed)), (1, 1));
    let runs = runs(&github);
    assert_eq!(runs.len(), 2);
    assert_eq!(github.env.processes(), [] as [u32; 0]);
}
