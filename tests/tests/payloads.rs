//! Rules on events: real signed deliveries begin a team's own flows on GitHub's payloads, at the commit they are about.
#![expect(clippy::unwrap_used, reason = "tests")]

use miyabi_tests::env::TestEnv;
use miyabi_tests::github::{ALICE, GitHub, MALLORY, MIYABI, SECRET, Served, eventually, is_here_or_say};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
const SETTINGS: &str = "[serve]\ndebounce_secs = 0\n[flow]\nenv = [\"REGION\"]\n";
/// Answers with what its checkout holds; hangs where that says so.
const AGENT: &str = "#!/bin/sh\nif [ \"$MIYABI_STEP\" = look ] && grep -q hang mode.txt; then tail -f /dev/null; fi\ncat mode.txt\ncat\n";
const VERIFY: &str = "
name: verify
trigger: { type: webhook, source: github, events: [pull_request, pull_request_review.submitted, push] }
steps:
  - name: look
    agent: reader
    input: ${trigger.event} by ${trigger.actor} in ${env.REGION}
  - name: after
    agent: reader
    run_condition: always
    depends_on: [look]
    input: ${trigger.source}
";

/// A repository with the flow `verify`, its agent, and the server.
fn start() -> Option<(GitHub, Served)> {
    if !is_here_or_say() {
        return None;
    }
    let mut github = GitHub::start(PROGRAM, SETTINGS).with_token();
    let agent = github.env.root().join("agent.sh");
    std::fs::write(&agent, AGENT).unwrap();
    github.env.set("MIYABI_AGENT_DEFAULT", format!("command:sh {}", agent.display()));
    github.env.set("REGION", "東京");
    github.env.write("agents/flows/verify.yaml", VERIFY);
    github.env.write("agents/reader.md", "---\ndescription: d\n---\nYou read.\n");
    let served = Served::start(&github.env);
    Some((github, served))
}

/// Pushes a commit to the branch whose `mode.txt` says this; gives its id.
fn push(github: &GitHub, branch: &str, mode: &str) -> String {
    push_to(github, &format!("refs/heads/{branch}"), mode)
}

/// The same to any ref.
fn push_to(github: &GitHub, place: &str, mode: &str) -> String {
    github.push(place, &[("mode.txt", &format!("{mode}\n"))])
}

fn sent(by: &str, mut payload: Value) -> Value {
    payload["repository"] = json!({ "id": 1, "full_name": "alice/shop" });
    payload["sender"] = json!({ "login": by, "type": "User" });
    payload
}

fn change(action: &str, number: u64, head: &str, labels: &[&str], by: &str) -> Value {
    let labels: Vec<_> = labels.iter().map(|name| json!({ "name": name })).collect();
    sent(
        by,
        json!({ "action": action, "number": number, "pull_request": {
            "number": number, "title": "Add login", "state": "open", "labels": labels, "merged": false,
            "user": { "login": by }, "html_url": "https://example.com/7",
            "head": { "ref": "topic", "sha": head }, "base": { "ref": "main", "sha": "0".repeat(40) },
        } }),
    )
}

fn pushed(branch: &str, head: &str) -> Value {
    sent(
        "alice",
        json!({ "ref": format!("refs/heads/{branch}"), "before": "0".repeat(40), "after": head,
        "deleted": false, "head_commit": { "id": head } }),
    )
}

fn runs(github: &GitHub) -> Vec<Value> {
    let status = github.env.miyabi(["status", "--json"]).expect(0).json();
    let of = |which: &str| status[which].as_array().cloned().unwrap_or_default();
    let mut runs = [of("live"), of("recent")].concat();
    runs.sort_by_key(|run| run["number"].as_u64());
    runs
}

/// Status and reason of the runs, in order.
fn ends(github: &GitHub) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    runs(github).iter().map(|run| (word(&run["status"]), word(&run["reason"]))).collect()
}

/// What each rule made of a delivery, once it is handled: rule, outcome, reason.
#[track_caller]
fn rules(github: &GitHub, id: &str) -> Vec<(String, String, String)> {
    let key = format!("github:{id}");
    eventually("the delivery is handled", || github.has_handled(id));
    let shown = github.env.miyabi(["delivery", "show", &key, "--json"]).expect(0).json();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let notes = shown["rules"].as_array().cloned().unwrap_or_default();
    notes.iter().map(|note| (word(&note["rule"]), word(&note["outcome"]), word(&note["reason"]))).collect()
}

#[track_caller]
fn of_rule(github: &GitHub, id: &str, rule: &str) -> (String, String) {
    let notes = rules(github, id);
    let found = notes.iter().find(|(name, ..)| name == rule);
    let (_, outcome, reason) = found.unwrap_or_else(|| panic!("{notes:?}")).clone();
    (outcome, reason)
}

fn is(outcome: &str, reason: &str) -> (String, String) {
    (outcome.to_owned(), reason.to_owned())
}

fn log(github: &GitHub, run: u64) -> Vec<Value> {
    let lines = github.env.miyabi(["log", &run.to_string(), "--json"]).expect(0).json_lines();
    lines.into_iter().map(|event| event["body"].clone()).collect()
}

#[test]
fn every_rule_that_fits_begins_its_flow_at_the_head_and_says_why_otherwise() {
    let Some((github, served)) = start() else { return };
    let add = |arguments: &[&str]| {
        github.env.miyabi(["trigger", "add"].iter().chain(arguments)).expect(0);
    };
    add(&["urgent", "--event", "pull_request", "--flow", "verify", "--require-label", "urgent"]);
    let prompt = "Title ${trigger.payload.pull_request.title}";
    add(&["told", "--event", "pull_request.opened", "--flow", "verify", "--anyone", "--prompt", prompt]);
    github.env.write("agents/flows/broken.yaml", "name: broken\nsteps: [{}]\n");
    let head = push(&github, "topic", "the new code");
    assert_eq!(served.deliver("pull_request", "d1", &change("opened", 7, &head, &["bug"], "alice")), 202);
    assert_eq!(of_rule(&github, "d1", "verify"), is("match", "joined run 1, which is about the same"));
    assert_eq!(of_rule(&github, "d1", "told"), is("match", "began run 1"));
    assert_eq!(of_rule(&github, "d1", "urgent"), is("skip", "label `urgent` is missing"));
    assert_eq!(of_rule(&github, "d1", "label"), is("skip", "it waits for a label"));
    let (outcome, reason) = of_rule(&github, "d1", "broken");
    assert!(outcome == "error" && reason.starts_with("agents/flows/broken.yaml: "), "{reason}");
    eventually("the end of the run", || ends(&github).iter().all(|(status, _)| status == "succeeded"));
    let told = log(&github, 1);
    let began = &told[0];
    assert_eq!((&began["base_commit"], &began["flow"]), (&json!(head), &json!("verify")));
    assert_eq!(began["subject"], json!({ "kind": "change", "number": 7, "head": head }));
    assert_eq!(began["cause"], json!({ "delivery": "github:d1", "rule": "told" }));
    assert_eq!((&began["source"], &began["event"]), (&json!("github"), &json!("pull_request.opened")));
    assert_eq!(began["payload"]["pull_request"]["head"]["ref"], "topic");
    assert_eq!(began["environment"], json!({ "REGION": "東京" }));
    let outputs: Vec<_> = told.iter().filter(|body| body["type"] == "step_succeeded").collect();
    let first = outputs[0]["output"].as_str().unwrap();
    assert!(first.starts_with("the new code\n"), "it works at the head: {first}");
    let of_input = ["pull_request.opened", "Add login", "東京"];
    assert!(of_input.iter().all(|text| first.contains(text)), "{first}");
    assert!(!outputs[1]["output"].as_str().unwrap().contains("Add login"), "only the first agents");

    // Whoever may not write starts nothing, unless a rule is for anyone.
    let by_mallory = change("opened", 8, &head, &[], "mallory");
    assert_eq!(served.deliver("pull_request", "d2", &by_mallory), 202);
    let (outcome, reason) = of_rule(&github, "d2", "verify");
    assert!(
        outcome == "skip" && reason.contains("mallory has") && reason.contains("write is needed"),
        "{reason}"
    );
    assert_eq!(of_rule(&github, "d2", "told"), is("match", "began run 2"));
    // A review is a payload of its own shape.
    let mut review = change("submitted", 9, &head, &[], "alice");
    review["review"] = json!({ "id": 1, "state": "approved", "user": { "login": "alice" },
                               "submitted_at": "2026-11-22T00:00:00Z" });
    review["pull_request"]["number"] = json!(9);
    assert_eq!(served.deliver("pull_request_review", "d3", &review), 202);
    assert_eq!(of_rule(&github, "d3", "verify"), is("match", "began run 3"));
    // A commit that nobody has is an error of its rule.
    let gone = change("opened", 10, &"a".repeat(40), &[], "alice");
    assert_eq!(served.deliver("pull_request", "d4", &gone), 202);
    let (outcome, reason) = of_rule(&github, "d4", "verify");
    assert!(outcome == "error" && reason.contains("cannot be had"), "{reason}");
    eventually("the end of all runs", || ends(&github).iter().all(|(status, _)| status == "succeeded"));
    assert_eq!(runs(&github).len(), 3);
    assert_eq!(served.stop(), Some(0));
}

#[test]
fn a_newer_push_ends_the_older_run_and_a_late_one_does_not() {
    let Some((github, served)) = start() else { return };
    let first = push(&github, "topic", "hang");
    assert_eq!(served.deliver("push", "p1", &pushed("topic", &first)), 202);
    let works = |run: u64| log(&github, run).iter().any(|body| body["type"] == "session_started");
    assert_eq!(of_rule(&github, "p1", "verify"), is("match", "began run 1"));
    eventually("the agent works", || works(1));
    let second = push(&github, "topic", "hang again");
    assert_eq!(served.deliver("push", "p2", &pushed("topic", &second)), 202);
    assert_eq!(of_rule(&github, "p2", "verify"), is("match", "began run 2 in the place of an older one"));
    eventually("the end of the first", || ends(&github)[0].0 == "superseded");
    assert!(
        ends(&github)[0].1.starts_with("run 2 takes its place: branch `topic` is at "),
        "{:?}",
        ends(&github)
    );
    let last = log(&github, 1);
    let after = last.iter().any(|body| body["type"] == "step_succeeded" && body["step"] == "after");
    assert!(after, "what always runs has run: {last:?}");
    eventually("the second agent works", || works(2));
    assert_eq!(served.deliver("push", "p3", &pushed("topic", &second)), 202);
    assert_eq!(of_rule(&github, "p3", "verify"), is("match", "joined run 2, which is about the same"));
    assert_eq!(served.deliver("push", "p4", &pushed("topic", &first)), 202);
    let (outcome, reason) = of_rule(&github, "p4", "verify");
    assert!(outcome == "skip" && reason.contains("has left"), "{reason}");
    let third = push(&github, "topic", "done");
    assert_eq!(served.deliver("push", "p5", &pushed("topic", &third)), 202);
    eventually("the end of all", || {
        let ends = ends(&github);
        ends.len() == 3 && ends[1].0 == "superseded" && ends[2].0 == "succeeded"
    });
    assert_eq!(log(&github, 3)[0]["base_commit"], json!(third));

    // The branch of an open change is left to the change's own events.
    let body = json!({ "title": "Add login", "head": "topic", "base": "main" });
    let number = github.of_repo(ALICE, "POST", "/pulls", Some(&body))["number"].clone();
    assert_eq!(served.deliver("push", "p6", &pushed("topic", &third)), 202);
    let (outcome, reason) = of_rule(&github, "p6", "verify");
    assert!(outcome == "skip" && reason.contains(&format!("change #{number}")), "{reason}");
    assert_eq!(served.stop(), Some(0));
    assert_eq!(github.env.processes(), [] as [u32; 0]);
    assert_eq!(github.env.worktrees(), [] as [&str; 0]);
}

#[test]
fn a_change_of_a_fork_is_looked_at_at_its_head() {
    let Some((github, served)) = start() else { return };
    // As an older server, which gives out nothing but what a name of its own leads to.
    github.ask(ALICE, "POST", "/_git_v0", None);
    // GitHub keeps the heads of changes where no clone fetches them by itself; no branch here leads to this one.
    let head = push_to(&github, "refs/pull/7/head", "the code of the fork");
    push_to(&github, "refs/pull/7/head", "newer code of the fork");
    let of_fork = |action: &str, head: &str, by: &str| {
        let mut payload = change(action, 7, head, &[], by);
        let fork = json!({ "id": 2, "full_name": "mallory/shop", "fork": true });
        let change = &mut payload["pull_request"];
        (change["user"]["login"], change["head"]["ref"]) = (json!("mallory"), json!("main"));
        (change["head"]["repo"], change["head"]["label"]) = (fork, json!("mallory:main"));
        change["base"]["repo"] = json!({ "id": 1, "full_name": "alice/shop" });
        payload
    };
    assert_eq!(served.deliver("pull_request", "f1", &of_fork("opened", &head, "mallory")), 202);
    assert_eq!(of_rule(&github, "f1", "verify").0, "skip", "whoever opens it may not start anything here");
    assert_eq!(served.deliver("pull_request", "f2", &of_fork("labeled", &head, "alice")), 202);
    assert_eq!(of_rule(&github, "f2", "verify"), is("match", "began run 1"));
    eventually("the end of the run", || ends(&github).iter().all(|(status, _)| status == "succeeded"));
    let told = log(&github, 1);
    assert_eq!((&told[0]["base_commit"], &told[0]["subject"]["kind"]), (&json!(head), &json!("change")));
    let output = told.iter().find(|body| body["type"] == "step_succeeded").unwrap()["output"].clone();
    assert!(output.as_str().unwrap().starts_with("the code of the fork\n"), "{output}");
    // Its branch is called as ours is, and is another one: this delivery is not about the same.
    let ours = push(&github, "main", "our own code");
    assert_eq!(served.deliver("push", "f3", &pushed("main", &ours)), 202);
    assert_eq!(of_rule(&github, "f3", "verify"), is("match", "began run 2"));
    eventually("the end of both", || ends(&github).iter().all(|(status, _)| status == "succeeded"));
    // A commit that nobody has is an error.
    assert_eq!(served.deliver("pull_request", "f4", &of_fork("labeled", &"b".repeat(40), "alice")), 202);
    let (outcome, reason) = of_rule(&github, "f4", "verify");
    assert!(outcome == "error" && reason.contains("cannot be had"), "{reason}");
    assert_eq!(served.stop(), Some(0));
    let refs = github.env.git(&["for-each-ref", "--format=%(refname)"]);
    assert!(!refs.contains("refs/pull"), "nothing of the fork is left under a name: {refs}");
    assert_eq!(github.env.worktrees(), [] as [&str; 0]);
}

#[test]
fn conditions_on_reviews_and_ci_are_asked_of_the_forge() {
    let Some((github, served)) = start() else { return };
    github.env.write(
        "agents/flows/verify.yaml",
        &VERIFY.replace("pull_request, pull_request_review.submitted, push", "release"),
    );
    for (rule, condition) in [("approved", "--require-review-approval"), ("green", "--require-ci-pass")] {
        github
            .env
            .miyabi(["trigger", "add", rule, "--event", "pull_request", "--flow", "verify", condition])
            .expect(0);
    }
    let head = push(&github, "topic", "quick");
    let body = json!({ "title": "Add login", "head": "topic", "base": "main" });
    let number = github.of_repo(ALICE, "POST", "/pulls", Some(&body))["number"].as_u64().unwrap();
    let deliver = |served: &Served, id: &str, head: &str| {
        assert_eq!(
            served.deliver("pull_request", id, &change("synchronize", number, head, &[], "alice")),
            202
        );
    };
    let skips = |id: &str, rule: &str, part: &str| {
        let (outcome, reason) = of_rule(&github, id, rule);
        assert!(outcome == "skip" && reason.contains(part), "{outcome}: {reason}");
    };
    let review = |who: &str, event: &str| {
        let review = json!({ "event": event, "body": "見た" });
        github.of_repo(who, "POST", &format!("/pulls/{number}/reviews"), Some(&review));
    };
    // Nobody said anything; then somebody who may not write did, and a check goes on.
    deliver(&served, "c1", &head);
    skips("c1", "approved", "it is not approved");
    skips("c1", "green", "its CI has not passed");
    review(MALLORY, "APPROVE");
    let goes_on = json!({ "name": "build", "head_sha": head, "status": "in_progress" });
    let check = github.of_repo(ALICE, "POST", "/check-runs", Some(&goes_on))["id"].clone();
    deliver(&served, "c2", &head);
    skips("c2", "approved", "it is not approved");
    skips("c2", "green", "its CI has not passed");
    assert_eq!(runs(&github).len(), 0);
    // Each of them holds by itself.
    review(MIYABI, "APPROVE");
    deliver(&served, "c3", &head);
    assert_eq!(of_rule(&github, "c3", "approved"), is("match", "began run 1"));
    skips("c3", "green", "its CI has not passed");
    let ended = || ends(&github).iter().all(|(status, _)| status == "succeeded");
    eventually("the end of the run", ended);
    let passed = json!({ "status": "completed", "conclusion": "success" });
    github.of_repo(ALICE, "PATCH", &format!("/check-runs/{check}"), Some(&passed));
    review(MIYABI, "REQUEST_CHANGES");
    deliver(&served, "c4", &head);
    skips("c4", "approved", "somebody asks for changes");
    assert_eq!(of_rule(&github, "c4", "green"), is("match", "began run 2"));
    eventually("the end of the run", ended);
    // Neither an approval nor a green check of an older commit counts for a newer one.
    review(MIYABI, "APPROVE");
    let newer = github.advance(number);
    deliver(&served, "c5", &newer);
    skips("c5", "approved", "it is not approved");
    skips("c5", "green", "its CI has not passed");

    // A forge that does not answer: the reason is kept, the other rule waits for nothing, and it is tried again.
    review(MIYABI, "APPROVE");
    let fault = |kind: &str, times: usize| {
        let fault = json!({ "method": "GET", "path": "/pulls/\\d+/reviews", "kind": kind });
        github.ask(ALICE, "POST", "/_faults", Some(&Value::from(vec![fault; times])));
    };
    fault("500", 1_000);
    deliver(&served, "c6", &newer);
    let shown = || github.env.miyabi(["delivery", "show", "c6", "--json"]).expect(0).json();
    let reason = || {
        let rules = shown()["rules"].as_array().cloned().unwrap_or_default();
        let of_rule = rules.into_iter().find(|note| note["rule"] == "approved" && note["outcome"] == "error");
        of_rule.map(|note| note["reason"].as_str().unwrap_or_default().to_owned())
    };
    eventually("its reason is kept", || reason().is_some());
    let why = reason().unwrap();
    assert!(why.contains("GitHub failed (500)") && why.ends_with("; it is tried again"), "{why}");
    assert!(!github.has_handled("c6"), "it is not settled");
    assert_eq!(served.stop(), Some(0));
    fault("500", 0);
    let served = Served::start(&github.env);
    assert_eq!(of_rule(&github, "c6", "approved"), is("match", "began run 3"));
    skips("c6", "green", "its CI has not passed");
    // Credentials that are refused are an error, and nothing is tried again.
    fault("401", 1_000);
    deliver(&served, "c7", &newer);
    let (outcome, why) = of_rule(&github, "c7", "approved");
    assert!(outcome == "error" && why.contains("does not accept our credentials"), "{outcome}: {why}");
    assert!(!why.contains("tried again"), "{why}");
    assert_eq!(served.stop(), Some(0));
    assert_eq!(runs(&github).len(), 3);
}

#[test]
fn a_kill_before_a_delivery_is_settled_begins_nothing_twice() {
    let Some((github, served)) = start() else { return };
    let head = push(&github, "topic", "quick");
    let payload = change("opened", 7, &head, &[], "alice");
    assert_eq!(served.deliver("pull_request", "k1", &payload), 202);
    assert_eq!(of_rule(&github, "k1", "verify"), is("match", "began run 1"));
    eventually("the end of the run", || ends(&github).iter().all(|(status, _)| status == "succeeded"));
    served.kill();
    // As it was between the two: the run is there, and the delivery is not settled.
    let database = rusqlite::Connection::open(github.env.repo().join(".miyabi/miyabi.db")).unwrap();
    let unsettled = database.execute("UPDATE deliveries SET handled_at = NULL", []).unwrap();
    assert_eq!(unsettled, 1);
    drop(database);
    let served = Served::start(&github.env);
    assert_eq!(of_rule(&github, "k1", "verify"), is("match", "had begun run 1"));
    assert_eq!(runs(&github).len(), 1);
    // Replayed on purpose it is another delivery.
    github.env.miyabi(["delivery", "replay", "k1"]).expect(0);
    assert_eq!(served.stop(), Some(0));
}

#[test]
fn rules_are_listed_tried_and_taken_away() {
    let Some((github, served)) = start() else { return };
    drop(served);
    let env = &github.env;
    env.miyabi(["trigger", "add", "mine", "--event", "push", "--source", "github", "--flow", "verify"])
        .expect(0);
    let wrong = |arguments: &[&str], why: &str| {
        let ran = env.miyabi(["trigger", "add"].iter().chain(arguments)).expect(1);
        assert!(ran.stderr.contains(why), "{why} in {}", ran.stderr);
    };
    wrong(&["mine", "--event", "push", "--flow", "verify"], "there is a rule `mine` already");
    wrong(&["verify", "--event", "push", "--flow", "verify"], "verify.yaml");
    wrong(&["x", "--event", "push", "--flow", "none"], "there is no flow `none`");
    wrong(&["x", "--event", "push"], "starts the flow `issue` with an event");
    wrong(&["x", "--event", "push", "--flow", "verify", "--prompt", "${env.HOME}"], "looks up `env`");
    wrong(&["x", "--flow", "verify"], "nothing starts the rule");
    let listed = env.miyabi(["trigger", "list"]).expect(0).stdout;
    for told in ["mine", "agents/flows/verify.yaml", ".miyabi/triggers.yaml", "built in"] {
        assert!(listed.contains(told), "{told} in {listed}");
    }
    let head = "a".repeat(40);
    env.write("p.json", &change("opened", 7, &head, &[], "mallory").to_string());
    let tried = env.miyabi(["trigger", "test", "--event", "pull_request.opened", "--payload", "p.json"]);
    let tried = tried.expect(0).stdout;
    assert!(tried.contains("flow verify about change #7, if mallory has write permission"), "{tried}");
    assert!(tried.contains("it listens to `push`, and this is `pull_request.opened`"), "{tried}");
    env.miyabi(["trigger", "remove", "mine"]).expect(0);
    env.miyabi(["trigger", "remove", "mine"]).expect(1);
    assert!(!env.miyabi(["trigger", "list"]).expect(0).stdout.contains("mine"));
}

#[test]
fn a_time_begins_a_flow_and_where_nobody_can_be_asked_people_begin_none() {
    if !is_here_or_say() {
        return;
    }
    let flow = "name: nightly\ntrigger: { type: schedule, cron: '* * * * *' }\nsteps:\n  - { name: a, agent: reader, input: \"${trigger.type} ${trigger.payload}\" }\n";
    let env = TestEnv::new(
        PROGRAM,
        &[
            ("miyabi.toml", "[agent]\ndefault = \"command:cat\"\n"),
            ("agents/reader.md", "---\ndescription: d\n---\nYou read.\n"),
            ("agents/flows/verify.yaml", VERIFY),
        ],
    )
    .variable("MIYABI_GITHUB_WEBHOOK_SECRET", SECRET);
    let served = Served::start(&env);
    // It comes while the server runs.
    env.write("agents/flows/nightly.yaml", flow);
    let mut opened = change("opened", 7, &env.git(&["rev-parse", "HEAD"]), &[], "alice");
    opened["repository"] = json!({ "id": 1, "full_name": "local/repo" });
    assert_eq!(served.deliver("pull_request", "l1", &opened), 202);
    let shown = || env.miyabi(["delivery", "show", "l1"]).expect(0).stdout;
    eventually("the delivery is handled", || shown().contains("cannot be looked up"));
    let recent = || env.miyabi(["status", "--json"]).expect(0).json()["recent"].clone();
    eventually("the end of a run", || recent()[0]["status"] == "succeeded");
    assert_eq!(served.stop(), Some(0));
    let log = env.miyabi(["log", "1", "--json"]).expect(0).json_lines();
    let began = &log[0]["body"];
    assert_eq!(
        (&began["trigger"], &began["flow"], &began["payload"]),
        (&json!("schedule"), &json!("nightly"), &json!({}))
    );
    assert!(began["cause"].is_null() && began["subject"].is_null(), "{began}");
}
