//! A run on a payload, killed at every event and at every write, ends as if nothing had happened.
//!
//! Agents that work at once, one whose answer is none, a condition that does not hold, a person who is asked, labels
//! and comments: on real git, real SQLite and a real agent program. `MIYABI_SWEEP` as in `crash_sweep.rs`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests that print their figures")]

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;

use miyabi_tests::crash::Point;
use miyabi_tests::env::TestEnv;
use miyabi_tests::judge::{judge, story};
use miyabi_tests::sweep::points;
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
const CRASHING: &str = env!("CARGO_BIN_EXE_miyabi-crashing");
const FLOW: &str = r#"
name: watch
trigger: { type: webhook, source: github, event: issues.opened }
variables: { label: seen }
steps:
  - name: read
    agent: reader
    input: ${trigger.payload.issue.title}
    output_key: kind
    actions:
      - add_labels: { labels: ["${kind.label}", "${label}"] }
      - post_issue_comment: { body: "It is a ${kind.label}." }
  - name: left
    agent: writer
    depends_on: [read]
    input: ${kind}
  - name: right
    agent: writer
    depends_on: [read]
  - name: never
    agent: writer
    depends_on: [read]
    if: kind.label == 'question'
  - name: broken
    agent: reader
    depends_on: [read]
    on_failure: continue
  - name: asked
    agent: writer
    depends_on: [left, right, broken]
    run_condition: manual
  - name: 報告
    agent: writer
    depends_on: [asked, never]
    run_condition: always
    input: { left: "${steps.left.output}", broken: "${steps.broken.status}" }
    actions:
      - post_issue_comment
      - remove_labels: { labels: [old] }
"#;
const PLAYBOOK: &str = r#"
read:
  - say: '{"label": "bug"}'
left:
  - write: { path: left.md, content: "left\n" }
  - say: Left.
right:
  - say: Right.
broken:
  - say: This is no JSON.
asked:
  - say: Somebody said so.
報告:
  - say: "All is well. @everyone"
"#;

/// What somebody offers, and the flow that merges it.
const OFFER: &str = r#"
name: offer
steps:
  - { name: offer, agent: looker, actions: [{ open_change: { title: One note } }] }
"#;
const LAND: &str = r#"
name: land
steps:
  - { name: look, agent: looker, actions: [post_pr_comment, merge_change] }
"#;

struct Stage {
    env: TestEnv,
    agent: String,
    flow: &'static str,
    /// The number that its run has.
    run: u32,
}

impl Stage {
    /// Agents, a person and writes.
    fn watch() -> Self {
        let agent = |text: &str, more: &str| format!("---\ndescription: d\n{more}---\n{text}\n");
        let env = TestEnv::new(
            PROGRAM,
            &[
                ("README.md", "# Notes\n"),
                ("agents/reader.md", &agent("You read.", "output: json\n")),
                ("agents/writer.md", &agent("You write.", "")),
                ("agents/flows/watch.yaml", FLOW),
            ],
        );
        let playbook = env.root().join("playbook.yaml");
        std::fs::write(&playbook, PLAYBOOK).unwrap();
        env.miyabi(["issue", "new", "--title", "It breaks", "--body", "Look.", "--label", "old"]).expect(0);
        let payload = json!({ "issue": { "number": 1, "title": "It breaks", "body": "${label}" } });
        std::fs::write(env.root().join("payload.json"), payload.to_string()).unwrap();
        Self { agent: format!("scripted:{}", playbook.display()), env, flow: "watch", run: 1 }
    }

    /// Stories that pass, fail and are made up.
    fn stories() -> Self {
        let criteria = |text: &str| vec![text.to_owned()];
        let stories = [
            ("passes", story("passes", "", &criteria("has Notes in README.md"))),
            ("fails", story("fails", "", &criteria("has nothing in README.md"))),
            ("invents", story("invents", "", &criteria("lies about README.md"))),
        ];
        let files = stories.map(|(id, text)| (format!(".miyabi/stories/{id}.yaml"), text));
        let mut files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        files.push(("README.md", "# Notes\n"));
        // A verdict that is red fails the run; here it is only told.
        let flow = include_str!("../../agents/flows/story-ci.yaml")
            .replace("    uses: verdict\n", "    uses: verdict\n    on_failure: continue\n");
        assert!(flow.contains("continue"));
        files.push((".miyabi/flows/story-ci.yaml", &flow));
        let env = TestEnv::new(PROGRAM, &files);
        env.miyabi(["issue", "new", "--title", "Nothing"]).expect(0);
        let push = json!({ "ref": "refs/heads/main", "after": env.git(&["rev-parse", "main"]) });
        std::fs::write(env.root().join("payload.json"), push.to_string()).unwrap();
        Self { agent: judge(&env), env, flow: "story-ci", run: 1 }
    }

    /// A change that somebody offers, and a flow that merges it.
    fn merge() -> Self {
        let agent = "---\ndescription: d\n---\nYou look.\n";
        let env = TestEnv::new(
            PROGRAM,
            &[
                ("README.md", "# Notes\n"),
                ("agents/looker.md", agent),
                ("agents/flows/offer.yaml", OFFER),
                ("agents/flows/land.yaml", LAND),
            ],
        );
        env.miyabi(["issue", "new", "--title", "Nothing"]).expect(0);
        let playbook = env.root().join("playbook.yaml");
        std::fs::write(&playbook, "offer:\n  - write: { path: right.md, content: \"右\\n\" }\n  - say: One note.\nlook:\n  - say: Fine.\n").unwrap();
        let agent = format!("scripted:{}", playbook.display());
        let payload = env.root().join("payload.json");
        std::fs::write(&payload, "{}").unwrap();
        let stage = Self { agent, env, flow: "offer", run: 1 };
        assert!(!stage.go(None));
        let change = stage.env.miyabi(["change", "list", "--json"]).expect(0).json()[0].clone();
        let head = json!({ "ref": change["head"], "sha": change["head_commit"] });
        let change = json!({ "number": change["number"], "head": head, "base": { "ref": "main" } });
        std::fs::write(&payload, json!({ "pull_request": change }).to_string()).unwrap();
        Self { flow: "land", run: 2, ..stage }
    }

    /// Goes on until the point or the end; says whether it was killed.
    fn go(&self, point: Option<Point>) -> bool {
        let mut command = self.env.command(CRASHING);
        let payload = self.env.root().join("payload.json");
        command.arg(self.env.repo()).arg(self.flow).arg(&self.agent).arg(payload);
        let output = command.args(point.map(|point| point.to_string())).output().unwrap();
        match (output.status.code(), output.status.signal()) {
            (Some(0), _) => false,
            (_, Some(9)) => true,
            end => panic!("{point:?}: {end:?}\n{}", String::from_utf8_lossy(&output.stderr)),
        }
    }

    fn log(&self) -> Vec<Value> {
        self.env.miyabi(["log", &self.run.to_string(), "--json"]).expect(0).json_lines()
    }

    /// Everything that is there afterwards, without times, ids and numbers of attempts.
    fn state(&self) -> Value {
        let env = &self.env;
        let issue = env.miyabi(["issue", "show", "1", "--json"]).expect(0).json();
        let mut labels: Vec<_> = issue["issue"]["labels"].as_array().unwrap().clone();
        labels.sort_by_key(Value::to_string);
        let log = self.log();
        let run = log[0]["run"].as_str().unwrap();
        let comments = issue["comments"].as_array().unwrap().iter();
        let comments: Vec<_> = comments.map(|one| one["body"].clone()).collect();
        // The last word on each step, and the writes.
        let (mut steps, mut writes) = (BTreeMap::new(), BTreeMap::new());
        for event in &log {
            let body = &event["body"];
            let name = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
            match name("type").as_str() {
                "step_succeeded" => drop(steps.insert(name("step"), json!(["ok", body["output"]]))),
                "step_skipped" => drop(steps.insert(name("step"), json!(["skipped", body["reason"]]))),
                "step_failed" => {
                    drop(steps.insert(name("step"), json!(["failed", body["failure"]["class"]])));
                }
                "intent_recorded" => {
                    // Run, step, attempt, what.
                    let id = name("id");
                    let parts: Vec<_> = id.split('/').collect();
                    *writes.entry(format!("{} {}", parts[1], parts[3])).or_insert(0) += 1;
                }
                _ => {}
            }
        }
        let changes = env.miyabi(["change", "list", "--json"]).expect(0).json();
        let change = |row: &Value| json!([row["number"], row["state"]]);
        let changes: Vec<_> = changes.as_array().unwrap().iter().map(change).collect();
        let stories: Vec<_> = match self.flow {
            "story-ci" => {
                let rows = env.miyabi(["story", "list", "--json"]).expect(0).json();
                let row = |row: &Value| json!([row["story"]["id"], row["last"]["status"]]);
                rows.as_array().unwrap().iter().map(row).collect()
            }
            _ => Vec::new(),
        };
        let status = env.miyabi(["status", "--json"]).expect(0).json();
        let runs = [&status["live"], &status["recent"]].map(|list| list.as_array().unwrap().len());
        let files = std::fs::read_dir(env.repo().join(".miyabi/runs")).unwrap();
        let is_lock = |end: &std::ffi::OsStr| end == "lock";
        let locks = files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(is_lock));
        let state = json!({
            "stories": stories, "changes": changes, "labels": labels,
            "merges": env.git(&["rev-list", "--merges", "--count", "main"]), "comments": comments, "steps": steps, "writes": writes,
            "runs": runs, "run": status["recent"][0]["status"], "tree": env.tree("main"),
            "checkout": env.git(&["status", "--porcelain"]),
            "branches": env.git(&["branch", "--format=%(refname:short)"]),
            "worktrees": [env.worktrees(), env.git(&["worktree", "list", "--porcelain"]).matches("worktree ").count()],
            "locks": locks.count(), "processes": env.processes(),
        });
        // Every stage has a commit of its own.
        let state =
            state.to_string().replace(&env.git(&["rev-parse", "main"]), "main").replace(run, "this run");
        serde_json::from_str(&state).unwrap()
    }
}

/// What the undisturbed run leaves, and how many events and writes it has.
fn undisturbed(stage: &Stage) -> (Value, u64, u64) {
    assert!(!stage.go(None));
    let (log, state) = (stage.log(), stage.state());
    let of = |kind: &str| log.iter().filter(|event| event["body"]["type"] == kind).count() as u64;
    let writes = of("intent_recorded");
    if stage.flow == "story-ci" {
        assert_eq!((writes, of("session_started")), (2, 6), "a check run, and two agents for each story");
        assert_eq!(state["stories"], json!([["fails", "fail"], ["invents", "error"], ["passes", "pass"]]));
        return (state, log.len() as u64, writes);
    }
    if stage.flow == "land" {
        assert_eq!((writes, &state["changes"]), (2, &json!([[2, "merged"]])), "{state}");
        assert_eq!(
            (&state["merges"], stage.env.git(&["show", "main:right.md"])),
            (&json!("1"), "右".to_owned())
        );
        return (state, log.len() as u64, writes);
    }
    assert_eq!((writes, of("escalation_answered")), (6, 1), "labels, comments, and a question of its own");
    assert_eq!(state["labels"], json!(["bug", "seen"]));
    assert_eq!(state["steps"]["never"][0], "skipped");
    assert_eq!(state["steps"]["broken"], json!(["failed", "bad_answer"]));
    let comments = state["comments"].to_string();
    let said = comments.matches("It is a bug.").count() + comments.matches("All is well.").count();
    assert_eq!(said, 2, "{state}");
    (state, log.len() as u64, writes)
}

fn sweep(name: &str, stage: fn() -> Stage, choose: impl Fn(u64, u64) -> Vec<Point>) {
    let (expected, events, writes) = undisturbed(&stage());
    let points = choose(events, writes);
    let mut killed = 0_usize;
    for point in &points {
        let stage = stage();
        for point in [Some(*point), None] {
            match stage.go(point) {
                true => killed += 1,
                false => break,
            }
        }
        stage.env.miyabi(["resume"]).expect(0);
        let state = stage.state();
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(state[key], *value, "{key}, killed at {point}: MIYABI_SWEEP={point}");
        }
    }
    println!("{name}: {} points, {killed} kills, 0 losses, 0 duplicates, 0 survivors", points.len());
    assert!(points.len() < 3 || killed > 0, "the points are reached");
}

#[test]
fn killed_before_an_event_is_durable() {
    sweep("before events", Stage::watch, |events, _| points(Point::BeforeEvent, events));
}

#[test]
fn killed_after_an_event_is_durable() {
    sweep("after events", Stage::watch, |events, _| points(Point::AfterEvent, events));
}

#[test]
fn killed_around_a_write() {
    sweep("writes", Stage::watch, |_, writes| {
        [points(Point::BeforeWrite, writes), points(Point::AfterWrite, writes)].concat()
    });
}

#[test]
fn killed_around_a_merge() {
    sweep("merge", Stage::merge, |events, writes| {
        // These are few, and the point between the merge and its receipt is never left out.
        let around = |point: fn(u64) -> Point| (0..writes).map(point);
        let around = around(Point::BeforeWrite).chain(around(Point::AfterWrite));
        points(Point::AfterEvent, events).into_iter().chain(around).collect()
    });
}

#[test]
fn killed_while_stories_are_judged() {
    sweep("stories", Stage::stories, |events, writes| {
        let around = [points(Point::BeforeWrite, writes), points(Point::AfterWrite, writes)].concat();
        [points(Point::AfterEvent, events), around].concat()
    });
}
