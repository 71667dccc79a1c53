//! What flows write beside comments and labels: statuses, check runs and merges, each once, none where the agent wants it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use miyabi_tests::env::TestEnv;
use miyabi_tests::github::{ALICE, GitHub, MIYABI, eventually, is_here_or_say};
use miyabi_tests::people::Inboxes;
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
const JUDGE: &str = "---\ndescription: d\noutput: json\n---\nYou judge.\n";
const MARKS: &str = r#"
name: marks
steps:
  - name: judge
    agent: judge
    actions:
      - set_commit_status: { context: 判定, description: "${steps.judge.output.word}" }
      - create_check_run: { name: stories }
"#;
/// It tries to choose another change and another commit.
const ANSWER: &str = r#"{"state": "failure", "conclusion": "neutral", "summary": "| 表 | Closes #1 |",
    "word": "3 件", "change": 9, "number": 9, "commit": "2222222222222222222222222222222222222222",
    "pull_request": {"number": 9}}"#;

fn playbook(env: &TestEnv, text: &str) -> String {
    let path = env.root().join("playbook.yaml");
    fs::write(&path, text).unwrap();
    format!("scripted:{}", path.display())
}

fn judges(env: &TestEnv) -> String {
    playbook(env, &format!("judge:\n  - say: '{}'\n", ANSWER.replace('\n', " ")))
}

/// The bodies of all events of the first run that are of this kind.
#[track_caller]
fn events(env: &TestEnv, kind: &str) -> Vec<Value> {
    let lines = env.miyabi(["log", "1", "--json"]).expect(0).json_lines();
    lines.into_iter().map(|event| event["body"].clone()).filter(|body| body["type"] == kind).collect()
}

fn local(flow: &str) -> TestEnv {
    let env = TestEnv::new(PROGRAM, &[("agents/judge.md", JUDGE), ("agents/flows/marks.yaml", flow)]);
    env.write("p.json", "{}");
    env
}

fn on_github(flow: &str) -> GitHub {
    let github = GitHub::start(PROGRAM, "").with_token();
    for (path, text) in [("agents/judge.md", JUDGE), ("agents/flows/marks.yaml", flow), ("p.json", "{}")] {
        github.env.write(path, text);
    }
    github
}

/// What is said at the head of the base branch: check runs, then statuses.
fn marks(github: &GitHub) -> (Vec<Value>, Vec<Value>) {
    let head = github.env.git(&["rev-parse", "origin/main"]);
    let checks = github.of_repo(ALICE, "GET", &format!("/commits/{head}/check-runs?filter=all"), None);
    let statuses = github.of_repo(ALICE, "GET", &format!("/commits/{head}/status"), None);
    (checks["check_runs"].as_array().unwrap().clone(), statuses["statuses"].as_array().unwrap().clone())
}

#[test]
fn what_is_said_at_a_commit_is_about_the_runs_own() {
    let env = local(MARKS);
    let agent = judges(&env);
    env.miyabi(["flow", "run", "marks", "--payload", "p.json", "--agent", &agent]).expect(0);
    let head = env.git(&["rev-parse", "HEAD"]);
    let writes = events(&env, "intent_recorded");
    assert_eq!(writes.len(), 2, "{writes:?}");
    assert!(writes.iter().all(|intent| intent["write"]["commit"] == head.as_str()), "{writes:?}");
    assert_eq!(events(&env, "intent_done").len(), 2);
    let shown = env.miyabi(["log", "1"]).expect(0).stdout;
    assert!(shown.contains("status `判定` of") && shown.contains("check run `stories` at"), "{shown}");
}

#[test]
fn a_status_that_is_none_fails_the_step_in_words_and_nothing_is_written() {
    let env = local(&MARKS.replace("context: 判定", "state: green"));
    let agent = judges(&env);
    env.miyabi(["flow", "run", "marks", "--payload", "p.json", "--agent", &agent]).expect(10);
    let shown = env.miyabi(["log", "1"]).expect(0).stdout;
    assert!(shown.contains("\"green\" is no state"), "{shown}");
    assert_eq!(events(&env, "intent_recorded"), Vec::<Value>::new());
}

#[test]
fn on_github_they_are_there_once_though_answers_were_lost() {
    if !is_here_or_say() {
        return;
    }
    let github = on_github(MARKS);
    let lost = |path: &str| json!({ "method": "POST", "path": path, "kind": "lost" });
    github.ask(ALICE, "POST", "/_faults", Some(&json!([lost("/check-runs$"), lost("/statuses/")])));
    let agent = judges(&github.env);
    github.env.miyabi(["flow", "run", "marks", "--payload", "p.json", "--agent", &agent]).expect(0);
    assert_eq!(github.ask(ALICE, "GET", "/_requests", None).1["faults"], json!([]), "both were disturbed");
    let (checks, statuses) = marks(&github);
    assert_eq!((checks.len(), statuses.len()), (1, 1), "{checks:?} {statuses:?}");
    assert_eq!((&checks[0]["name"], &checks[0]["conclusion"]), (&json!("stories"), &json!("neutral")));
    assert_eq!(checks[0]["external_id"], "flow/marks/judge/2");
    assert_eq!((&statuses[0]["context"], &statuses[0]["state"]), (&json!("判定"), &json!("failure")));
    assert_eq!(statuses[0]["description"], "3 件");
    assert!(events(&github.env, "intent_done").iter().all(|done| done["receipt"]["found"] == true));
}

#[test]
fn a_run_that_is_killed_before_it_hears_the_answer_makes_no_second_one() {
    if !is_here_or_say() {
        return;
    }
    let github = on_github(MARKS);
    let lost = json!([{ "method": "POST", "path": "/check-runs$", "kind": "lost" }]);
    github.ask(ALICE, "POST", "/_faults", Some(&lost));
    let agent = judges(&github.env);
    let mut first = github.env.start(["flow", "run", "marks", "--payload", "p.json", "--agent", &agent]);
    eventually("the check run is there", || marks(&github).0.len() == 1);
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(events(&github.env, "run_finished"), Vec::<Value>::new(), "it was killed before the end");
    github.env.miyabi(["resume", "1"]).expect(0);
    let (checks, statuses) = marks(&github);
    assert_eq!((checks.len(), statuses.len()), (1, 1), "{checks:?} {statuses:?}");
    assert_eq!(events(&github.env, "intent_recorded").len(), 2);
}

#[test]
fn who_may_create_no_check_runs_sets_a_status_and_says_so() {
    if !is_here_or_say() {
        return;
    }
    let github = on_github(MARKS);
    let refused = json!([{ "method": "POST", "path": "/check-runs$", "kind": "refuse" }]);
    github.ask(ALICE, "POST", "/_faults", Some(&refused));
    let agent = judges(&github.env);
    github.env.miyabi(["flow", "run", "marks", "--payload", "p.json", "--agent", &agent]).expect(0);
    let (checks, statuses) = marks(&github);
    assert_eq!(checks, Vec::<Value>::new());
    let said: Vec<_> = statuses.iter().map(|status| (&status["context"], &status["state"])).collect();
    let (failure, success) = (json!("failure"), json!("success"));
    assert_eq!(said, [(&json!("stories"), &success), (&json!("判定"), &failure)]);
    assert_eq!(statuses[0]["description"], "neutral: marks: judge");
    let receipts = events(&github.env, "intent_done");
    assert!(receipts.iter().any(|done| done["receipt"]["as_status"] == true), "{receipts:?}");
}

#[test]
fn a_change_whose_head_is_not_the_runs_commit_is_not_merged() {
    if !is_here_or_say() {
        return;
    }
    let github =
        on_github(&MARKS.replace("      - create_check_run: { name: stories }", "      - merge_change"));
    let login = github.git.replacen("://", "://x:tok_alice@", 1);
    github.env.git(&["switch", "--quiet", "--create", "theirs"]);
    github.env.git(&["commit", "--quiet", "--allow-empty", "--message", "Theirs"]);
    github.env.git(&["push", "--quiet", &login, "theirs"]);
    github.env.git(&["switch", "--quiet", "main"]);
    let open = json!({ "title": "Theirs", "head": "theirs", "base": "main", "body": "" });
    let change = github.of_repo(ALICE, "POST", "/pulls", Some(&open))["number"].clone();
    github.env.write("p.json", &json!({ "pull_request": { "number": change } }).to_string());
    let agent = judges(&github.env);
    github.env.miyabi(["flow", "run", "marks", "--payload", "p.json", "--agent", &agent]).expect(0);
    let writes = events(&github.env, "intent_recorded");
    let merges: Vec<_> = writes.iter().filter(|intent| intent["write"]["write"] == "merge_change").collect();
    assert_eq!(merges.len(), 1);
    assert_eq!(merges[0]["write"]["change"], change, "the answer chooses no change");
    let now = github.of_repo(ALICE, "GET", &format!("/pulls/{change}"), None);
    assert_eq!(now["merged_at"], Value::Null, "{now}");
}

#[test]
fn people_are_told_once() {
    if !is_here_or_say() {
        return;
    }
    let flow = "name: marks\nsteps:\n  - name: judge\n    agent: judge\n    actions: [{ notify: { body: \"${steps.judge.output.word}\" } }]\n";
    let mut env = local(flow);
    env.write("miyabi.toml", "[notify]\nto = [\"team@example.com\"]\nfrom = \"ci@example.com\"\n");
    env.git(&["add", "miyabi.toml"]);
    env.git(&["commit", "--quiet", "--message", "Settings"]);
    let inboxes = Inboxes::start();
    env.set("MIYABI_SMTP_URL", &inboxes.smtp);
    let agent = judges(&env);
    env.miyabi(["flow", "run", "marks", "--payload", "p.json", "--agent", &agent]).expect(0);
    let arrived = inboxes.arrived();
    let mails = arrived["mails"].as_array().unwrap();
    let ours = mails.iter().filter(|mail| mail["text"].as_str().unwrap().contains("3 件")).count();
    assert_eq!(ours, 1, "{arrived:#}");
}

#[test]
fn an_agent_that_takes_too_long_fails_its_step() {
    let env = local(&MARKS.replace("    agent: judge\n", "    agent: judge\n    timeout: 1\n"));
    let agent = playbook(&env, "judge:\n  - hang\n");
    env.miyabi(["flow", "run", "marks", "--payload", "p.json", "--agent", &agent]).expect(10);
    assert_eq!(events(&env, "intent_recorded"), Vec::<Value>::new());
    assert_eq!(env.processes(), Vec::<u32>::new());
}

const TIDY: &str = r#"
name: Tidy 上げ
steps:
  - name: tidy
    agent: judge
    actions:
      - run_check: { check: right note }
      - open_change: { title: "Tidy: ${steps.tidy.output.word}", body: "It asks: ${steps.tidy.output.summary}" }
"#;
const CHECK: &str =
    "[[check]]\nname = \"right note\"\nkind = \"tests\"\ncommand = [\"test\", \"-f\", \"notes/right.md\"]\n";

fn tidy() -> TestEnv {
    let env = TestEnv::new(
        PROGRAM,
        &[("agents/judge.md", JUDGE), ("agents/flows/marks.yaml", TIDY), ("miyabi.toml", CHECK)],
    );
    env.write("p.json", "{}");
    env
}

fn tidies(env: &TestEnv, path: &str, content: &str) -> String {
    let (content, answer) = (json!(content), ANSWER.replace('\n', " "));
    playbook(env, &format!("tidy:\n  - write: {{ path: {path}, content: {content} }}\n  - say: '{answer}'\n"))
}

#[test]
fn what_an_agent_changed_is_checked_and_offered_as_a_change() {
    let env = tidy();
    let agent = tidies(&env, "notes/right.md", "右\n");
    env.miyabi(["flow", "run", "marks", "--payload", "p.json", "--agent", &agent]).expect(0);
    let change = env.miyabi(["change", "list", "--json"]).expect(0).json()[0].clone();
    assert_eq!((&change["title"], &change["head"]), (&json!("Tidy: 3 件"), &json!("miyabi/tidy-1-1")));
    assert_eq!((&change["base"], &change["issue"]), (&json!("main"), &json!(0)));
    let body = change["body"].as_str().unwrap();
    assert!(body.starts_with("It asks: | 表 |") && !body.contains("Closes #1"), "{body}");
    assert_eq!(env.git(&["show", "miyabi/tidy-1-1:notes/right.md"]), "右");
    let message = env.git(&["log", "-1", "--format=%B", "miyabi/tidy-1-1"]);
    assert!(
        message.starts_with("chore: tidy (Tidy 上げ)") && message.contains("Miyabi-Session: "),
        "{message}"
    );
    assert_eq!(
        events(&env, "step_succeeded")[0]["output"]["word"],
        "3 件",
        "the output is the agent's answer"
    );
    assert_eq!(env.worktrees(), Vec::<String>::new());
    env.miyabi(["change", "merge", &change["number"].to_string()]).expect(0);
    assert_eq!(env.git(&["show", "main:notes/right.md"]), "右");
}

#[test]
fn nothing_is_offered_that_changes_nothing_fails_its_check_or_holds_a_secret() {
    let token = ["ghp_", "16C7e42F292c6912", "E7710c838347Ae178B4a"].concat();
    for (path, content, class) in [
        ("README.md", "", "no_changes"),
        ("notes/left.md", "左\n", "checks_failed"),
        ("notes/right.md", &*format!("token = \"{token}\"\n"), "rejected"),
    ] {
        let env = tidy();
        let agent = match class {
            "no_changes" => playbook(&env, &format!("tidy:\n  - say: '{}'\n", ANSWER.replace('\n', " "))),
            _ => tidies(&env, path, content),
        };
        env.miyabi(["flow", "run", "marks", "--payload", "p.json", "--agent", &agent]).expect(10);
        let failed = events(&env, "step_failed");
        assert_eq!(failed[0]["failure"]["class"], class, "{failed:?}");
        assert!(!failed[0].to_string().contains(&token), "{failed:?}");
        assert_eq!(events(&env, "intent_recorded"), Vec::<Value>::new(), "{class}");
        assert_eq!(env.git(&["branch", "--format=%(refname:short)"]), "main");
    }
}

#[test]
fn a_check_that_is_none_is_told_before_an_agent_begins() {
    let env = tidy();
    env.write("agents/flows/marks.yaml", &TIDY.replace("check: right note", "check: wrong note"));
    env.git(&["commit", "--quiet", "--all", "--message", "Ask for another"]);
    let agent = tidies(&env, "notes/right.md", "右\n");
    env.miyabi(["flow", "run", "marks", "--payload", "p.json", "--agent", &agent]).expect(10);
    let failed = events(&env, "step_failed");
    let why = failed[0]["failure"]["message"].as_str().unwrap();
    assert!(why.contains("there is no check `wrong note` here"), "{why}");
    assert_eq!(events(&env, "session_started"), Vec::<Value>::new());
}

#[test]
fn a_change_is_offered_on_github_once_though_the_answer_was_lost() {
    if !is_here_or_say() {
        return;
    }
    let github = on_github(TIDY);
    let tell = "  - name: tell\n    agent: judge\n    if: steps.tidy.output.change.number != 9\n    actions:\n      - post_pr_comment: { body: \"${steps.tidy.output.word}: ${steps.tidy.output.change.url}\" }\n";
    let flow = TIDY.replace("      - run_check: { check: right note }\n", "") + tell;
    github.env.write("agents/flows/marks.yaml", &flow);
    let lost = json!([{ "method": "POST", "path": "/pulls$", "kind": "lost" }]);
    github.ask(ALICE, "POST", "/_faults", Some(&lost));
    let agent = tidies(&github.env, "notes/right.md", "右\n");
    let playbook = github.env.root().join("playbook.yaml");
    let both = fs::read_to_string(&playbook).unwrap() + "tell:\n  - say: '{}'\n";
    fs::write(&playbook, both).unwrap();
    github.env.miyabi(["flow", "run", "marks", "--payload", "p.json", "--agent", &agent]).expect(0);
    let pulls = github.of_repo(ALICE, "GET", "/pulls?state=all", None);
    assert_eq!(pulls.as_array().unwrap().len(), 1, "{pulls}");
    assert_eq!((&pulls[0]["title"], &pulls[0]["state"]), (&json!("Tidy: 3 件"), &json!("open")));
    assert_eq!(github.branches(), ["main", "miyabi/tidy-1-1"]);
    let (number, url) = (pulls[0]["number"].as_u64().unwrap(), pulls[0]["html_url"].as_str().unwrap());
    let comments = github.comments(number);
    assert_eq!(comments.len(), 1, "{comments:?}");
    assert!(comments[0].1.contains(&format!("3 件: {url}")), "later steps know it: {comments:?}");
    // Its branch has done its work here, and what it held is at the remote.
    assert_eq!(github.env.git(&["branch", "--format=%(refname:short)"]), "main");
    let head = pulls[0]["head"]["sha"].as_str().unwrap();
    assert_eq!(github.env.git(&["show", &format!("{head}:notes/right.md")]), "右");
}

const LAND: &str = "
name: marks
steps:
  - { name: judge, agent: judge, actions: [merge_change] }
";

/// The payload about a change, as a delivery has it.
fn about(change: &Value, branch: &Value, head: &Value) -> String {
    let side = |name: &Value, sha: &Value| json!({ "ref": name, "sha": sha });
    let base = side(&json!("main"), &json!("0".repeat(40)));
    json!({ "pull_request": { "number": change, "head": side(branch, head), "base": base } }).to_string()
}

/// How the merges of a run ended: whether it was found done, or why it was not done.
#[track_caller]
fn merges(env: &TestEnv, run: u32) -> Vec<Value> {
    let lines = env.miyabi(["log", &run.to_string(), "--json"]).expect(0).json_lines();
    let bodies = lines.into_iter().map(|event| event["body"].clone());
    let ends = bodies.filter_map(|body| match body["type"].as_str()? {
        "intent_done" => Some(body["receipt"]["found"].as_bool().unwrap_or_default().into()),
        "intent_failed" => Some(body["failure"]["message"].clone()),
        _ => None,
    });
    ends.collect()
}

#[test]
fn a_change_is_merged_once_at_the_commit_that_the_run_is_about() {
    let env = tidy();
    env.write("agents/flows/land.yaml", &LAND.replace("marks", "land"));
    env.git(&["add", "agents"]);
    env.git(&["commit", "--quiet", "--message", "Merge what is judged well"]);
    let agent = tidies(&env, "notes/right.md", "右\n");
    env.miyabi(["flow", "run", "marks", "--payload", "p.json", "--agent", &agent]).expect(0);
    let change = env.miyabi(["change", "list", "--json"]).expect(0).json()[0].clone();
    let before = env.git(&["rev-parse", "main"]);
    env.write("p.json", &about(&change["number"], &change["head"], &change["head_commit"]));
    let agent = judges(&env);
    let land = ["flow", "run", "land", "--payload", "p.json", "--agent", &agent];
    env.miyabi(land).expect(0);
    let merged = || env.miyabi(["change", "list", "--json"]).expect(0).json()[0].clone();
    assert_eq!(merges(&env, 2), [json!(false)]);
    assert_eq!(
        (&merged()["state"], merged()["merge_commit"].as_str()),
        (&json!("merged"), Some(&*env.git(&["rev-parse", "main"])))
    );
    assert_eq!(env.git(&["show", "main:notes/right.md"]), "右");
    assert_eq!(env.git(&["rev-list", "--merges", "--count", &format!("{before}..main")]), "1");
    // It is merged: another run on the same finds that.
    let tip = env.git(&["rev-parse", "main"]);
    env.miyabi(land).expect(0);
    assert_eq!((merges(&env, 3), env.git(&["rev-parse", "main"])), (vec![json!(true)], tip));
    assert_eq!(env.worktrees(), Vec::<String>::new());
}

/// A change of alice's on GitHub, a flow that merges it, and its payload. Gives the change and its head.
fn offered(flow: &str) -> (GitHub, Value, String) {
    let github = on_github(flow);
    let login = github.git.replacen("://", "://x:tok_alice@", 1);
    github.env.git(&["switch", "--quiet", "--create", "theirs"]);
    github.env.write("notes/right.md", "右\n");
    github.env.git(&["add", "notes"]);
    github.env.git(&["commit", "--quiet", "--message", "Theirs"]);
    github.env.git(&["push", "--quiet", &login, "theirs"]);
    let head = github.env.git(&["rev-parse", "HEAD"]);
    github.env.git(&["switch", "--quiet", "main"]);
    let open = json!({ "title": "Theirs", "head": "theirs", "base": "main", "body": "" });
    let change = github.of_repo(ALICE, "POST", "/pulls", Some(&open))["number"].clone();
    github.env.write("p.json", &about(&change, &json!("theirs"), &json!(head)));
    (github, change, head)
}

/// How often a merge reached GitHub.
fn asked_to_merge(github: &GitHub) -> usize {
    let (_, told) = github.ask(ALICE, "GET", "/_requests", None);
    let requests = told["requests"].as_array().unwrap().iter();
    requests.filter(|request| request.as_str().unwrap().ends_with("/merge")).count()
}

#[test]
fn on_github_a_change_is_merged_once_nothing_speaks_against_it() {
    if !is_here_or_say() {
        return;
    }
    let (github, change, head) = offered(LAND);
    let agent = judges(&github.env);
    let land =
        || github.env.miyabi(["flow", "run", "marks", "--payload", "p.json", "--agent", &agent]).expect(0);
    let goes_on = json!({ "name": "build", "head_sha": head, "status": "in_progress" });
    let check = github.of_repo(ALICE, "POST", "/check-runs", Some(&goes_on))["id"].clone();
    land();
    let checked = |conclusion: &str| {
        let end = json!({ "status": "completed", "conclusion": conclusion });
        github.of_repo(ALICE, "PATCH", &format!("/check-runs/{check}"), Some(&end));
    };
    checked("failure");
    land();
    checked("success");
    let review = |event: &str| {
        let review = json!({ "event": event, "body": "名前を直す" });
        github.of_repo(MIYABI, "POST", &format!("/pulls/{change}/reviews"), Some(&review));
    };
    review("REQUEST_CHANGES");
    land();
    assert_eq!(asked_to_merge(&github), 0, "GitHub was asked, and not to merge");
    review("APPROVE");
    land();
    let ends: Vec<_> = (1..=4).flat_map(|run| merges(&github.env, run)).collect();
    let whys = [
        "these checks have not ended: build",
        "CI check build failed",
        "a reviewer asks for changes: 名前を直す (miyabi-bot)",
    ];
    assert_eq!(ends.len(), 4, "{ends:?}");
    for (end, why) in ends.iter().zip(whys) {
        let said = end.as_str().unwrap_or_default();
        assert!(said.starts_with(&format!("merge change #{change}: {why}")), "{said}");
    }
    assert_eq!((&ends[3], asked_to_merge(&github)), (&json!(false), 1));
    let now = github.of_repo(ALICE, "GET", &format!("/pulls/{change}"), None);
    assert!(!now["merged_at"].is_null() && now["head"]["sha"] == head.as_str(), "{now}");
}

#[test]
fn a_merge_that_nobody_heard_of_is_found_after_a_kill() {
    if !is_here_or_say() {
        return;
    }
    let (github, change, _) = offered(LAND);
    let lost = json!([{ "method": "PUT", "path": "/merge$", "kind": "lost" }]);
    github.ask(ALICE, "POST", "/_faults", Some(&lost));
    let agent = judges(&github.env);
    let mut first = github.env.start(["flow", "run", "marks", "--payload", "p.json", "--agent", &agent]);
    eventually("the merge reached GitHub", || asked_to_merge(&github) == 1);
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(
        events(&github.env, "intent_done"),
        Vec::<Value>::new(),
        "it was killed before it heard of it"
    );
    github.env.miyabi(["resume", "1"]).expect(0);
    assert_eq!((merges(&github.env, 1), asked_to_merge(&github)), (vec![json!(true)], 1));
    let now = github.of_repo(ALICE, "GET", &format!("/pulls/{change}"), None);
    assert!(!now["merged_at"].is_null(), "{now}");
    assert_eq!(events(&github.env, "run_finished")[0]["status"], "succeeded");
}

#[test]
fn a_change_that_nobody_heard_of_is_found_after_a_kill() {
    if !is_here_or_say() {
        return;
    }
    let github = on_github(&TIDY.replace("      - run_check: { check: right note }\n", ""));
    let lost = json!([{ "method": "POST", "path": "/pulls$", "kind": "lost" }]);
    github.ask(ALICE, "POST", "/_faults", Some(&lost));
    let agent = tidies(&github.env, "notes/right.md", "右\n");
    let mut first = github.env.start(["flow", "run", "marks", "--payload", "p.json", "--agent", &agent]);
    let pulls = || github.of_repo(ALICE, "GET", "/pulls?state=all", None).as_array().unwrap().len();
    eventually("the change is there", || pulls() == 1);
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(events(&github.env, "intent_done"), Vec::<Value>::new(), "it was killed before that");
    github.env.miyabi(["resume", "1"]).expect(0);
    assert_eq!((pulls(), events(&github.env, "session_started").len()), (1, 1));
    assert_eq!(events(&github.env, "intent_done")[0]["receipt"]["found"], true);
    assert_eq!(github.env.git(&["branch", "--format=%(refname:short)"]), "main");
}
