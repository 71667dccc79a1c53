//! `miyabi serve` on GitHub: labels, comments, CI and people steer runs; outsiders do not; a restart goes on.

use miyabi_tests::env::TestEnv;
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
        let github = GitHub::start(PROGRAM, &settings(more)).with_token();
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
    // Labelled and said while nobody listens: no delivery will ever tell.
    let missed = github.file(ALICE, "Write it once more", "- [ ] Write the right note\n");
    label(&github, missed);
    let asked = github.file(ALICE, "Write it a third time", "- [ ] Write the right note\n");
    say(&github, ALICE, asked, "@miyabi please");
    say(&github, MALLORY, asked, "/miyabi stop");
    let served = Served::start(&github.env);
    eventually("all changes", || {
        github.of_repo(ALICE, "GET", "/pulls?state=all", None).as_array().is_some_and(|all| all.len() == 3)
    });
    let refusals = || {
        let comments = github.comments(asked);
        comments.iter().filter(|(_, body)| body.starts_with("Not done: mallory has")).count()
    };
    eventually("a reply", || refusals() == 1);
    assert_eq!(served.stop(), Some(0));
    // What was found once is not found again.
    let again = Served::start(&github.env);
    let late = github.file(ALICE, "Not this one", "");
    say(&github, ALICE, late, "/miyabi status");
    assert_eq!(again.stop(), Some(0));
    let status =
        |issue: u64| github.comments(issue).iter().filter(|(_, body)| body.starts_with("## Status")).count();
    assert_eq!((status(issue), status(missed), status(asked), refusals()), (1, 1, 1, 1));
    let runs = runs(&github);
    assert_eq!(runs.len(), 3);
    assert_eq!(github.env.processes(), [] as [u32; 0]);
}

#[test]
fn an_issue_that_is_asked_for_twice_at_once_gets_one_run() {
    let Some(github) = start("") else { return };
    let served = Served::start(&github.env);
    let issue = github.file(ALICE, "Write the right note", "- [ ] Write the right note\n");
    label(&github, issue);
    let labelled = |id: &str| {
        let delivery = json!({
            "action": "labeled",
            "issue": {
                "number": issue, "state": "open", "labels": [{ "name": "miyabi" }],
                "created_at": jiff::Timestamp::now(), "updated_at": jiff::Timestamp::now(),
            },
            "label": { "name": "miyabi" },
            "repository": { "full_name": "alice/shop" },
            "sender": { "login": "alice", "type": "User" },
        });
        served.deliver("issues", id, &delivery)
    };
    let answers = std::thread::scope(|scope| {
        let at_once: Vec<_> =
            ["one", "two", "three"].map(|id| scope.spawn(move || labelled(id))).into_iter().collect();
        at_once.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(answers, [202; 3]);
    eventually("a change", || change(&github).is_some());
    let unhandled = || github.env.miyabi(["delivery", "list", "--unhandled", "--json"]).expect(0).json();
    eventually("the end of all deliveries", || unhandled() == json!([]));
    assert_eq!(runs(&github).len(), 1);
    assert_eq!(served.stop(), Some(0));
}

#[test]
fn a_time_begins_runs_of_the_issues_with_its_label() {
    let env = TestEnv::with_crate(PROGRAM);
    env.write("playbook.yaml", PLAYBOOK);
    env.write("miyabi.toml", &settings(""));
    env.miyabi(["trigger", "add", "nightly", "--at", "* * * * *", "--label", "nightly"]).expect(0);
    let wrong = env.miyabi(["trigger", "add", "never", "--at", "61 * * * *", "--label", "x"]).expect(1);
    assert!(wrong.stderr.contains("is no time of a schedule"), "{}", wrong.stderr);
    env.git(&["add", "--all"]);
    env.git(&["commit", "--quiet", "--message", "Rules"]);
    env.miyabi(["issue", "new", "--title", "Write the right note", "--label", "nightly"]).expect(0);
    env.miyabi(["issue", "new", "--title", "Not this one"]).expect(0);
    let served = Served::start(&env);
    let recent = || env.miyabi(["status", "--json"]).expect(0).json()["recent"].clone();
    eventually("the end of the run", || recent()[0]["status"] == "succeeded");
    assert_eq!((recent()[0]["issue"].as_u64(), recent().as_array().map(Vec::len)), (Some(1), Some(1)));
    let log = env.miyabi(["log", "1", "--json"]).expect(0).json_lines();
    assert_eq!(log[0]["body"]["trigger"], "nightly");
    assert_eq!(served.stop(), Some(0));
}

#[test]
fn repositories_that_the_app_is_given_are_served_until_they_are_taken_away() {
    if !is_here_or_say() {
        return;
    }
    let mut github = GitHub::start(PROGRAM, &settings("")).with_app();
    github.env.set("MIYABI_SERVE_ENROL", "true");
    // Each run has something of its own to add.
    let agent = github.env.root().join("agent.sh");
    std::fs::write(&agent, "mkdir -p notes && date +%s%N > notes/$(date +%s%N).md\n").unwrap();
    github.env.set("MIYABI_AGENT_DEFAULT", format!("command:sh {}", agent.display()));
    github.env.set("MIYABI_POLICY_CI_GRACE_SECS", "0");
    let served = Served::start(&github.env);
    let web = |method: &str, rest: &str, body: Option<&Value>| {
        let (status, answer) = github.ask(ALICE, method, &format!("/repos/alice/web{rest}"), body);
        assert!(status < 300, "{method} {rest}: {status} {answer}");
        answer
    };
    let verdict = |id: &str| {
        let all = github.env.miyabi(["delivery", "list", "--json"]).expect(0).json();
        let named = |row: &&Value| row["id"] == format!("github:{id}");
        let reason =
            all.as_array().into_iter().flatten().find(named).map(|row| row["verdict"]["reason"].clone());
        reason.and_then(|reason| reason.as_str().map(str::to_owned)).unwrap_or_default()
    };
    let moved = |action: &str| {
        let list =
            |wanted: &str| if action == wanted { json!([{ "full_name": "alice/web" }]) } else { json!([]) };
        json!({
            "action": action,
            "installation": { "id": 70, "account": { "login": "alice" } },
            "repositories_added": list("added"),
            "repositories_removed": list("removed"),
            "sender": { "login": "alice", "type": "User" },
        })
    };
    let labelled = |issue: u64| {
        web("POST", &format!("/issues/{issue}/labels"), Some(&json!({ "labels": ["miyabi"] })));
        json!({
            "action": "labeled",
            "issue": {
                "number": issue, "state": "open", "labels": [{ "name": "miyabi" }],
                "created_at": jiff::Timestamp::now(), "updated_at": jiff::Timestamp::now(),
            },
            "label": { "name": "miyabi" },
            "repository": { "full_name": "alice/web" },
            "sender": { "login": "alice", "type": "User" },
        })
    };
    let file = || {
        web("POST", "/issues", Some(&json!({ "title": "Write the right note" })))["number"].as_u64().unwrap()
    };
    let closed = |issue: u64| web("GET", &format!("/issues/{issue}"), None)["state"] == "closed";

    let early = file();
    assert_eq!(served.deliver("issues", "early", &labelled(early)), 202);
    eventually("a verdict", || verdict("early").contains("does not work for that repository"));
    assert_eq!(served.deliver("installation_repositories", "comes", &moved("added")), 202);
    eventually("the enrolment", || verdict("comes").contains("enrolled: alice/web"));
    // Labelled while it was not served: the sweep of a restarted server finds it.
    served.kill();
    let served = Served::start(&github.env);
    eventually("the end of the first issue", || closed(early));
    let late = file();
    assert_eq!(served.deliver("issues", "late", &labelled(late)), 202);
    eventually("the end of the second issue", || closed(late));
    assert_eq!(served.deliver("installation_repositories", "goes", &moved("removed")), 202);
    eventually("the removal", || verdict("goes").contains("removed: alice/web"));
    let after = file();
    assert_eq!(served.deliver("issues", "after", &labelled(after)), 202);
    eventually("a verdict", || verdict("after").contains("does not work for that repository"));
    assert_eq!(served.stop(), Some(0));
    assert_eq!(runs(&github), [] as [Value; 0], "nothing was done in the first repository");
    assert_eq!(github.env.processes(), [] as [u32; 0]);
}
