//! The issue flow on GitHub, killed before each write and between each write and its record, ends as if nothing had
//! happened: same comments, labels, changes, branches, each once.
//!
//! `MIYABI_SWEEP` as for `crash_sweep`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests that print their figures")]

use std::os::unix::process::ExitStatusExt;

use miyabi_tests::crash::Point;
use miyabi_tests::github::{ALICE, GitHub, is_here_or_say};
use miyabi_tests::seen::{differences, seen};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
const CRASHING: &str = env!("CARGO_BIN_EXE_miyabi-crashing");
const SETTINGS: &str = "[policy]\nsimple_below = 0.0\nmerge_from = 80\nci_grace_secs = 0\nci_poll_secs = 1\n";
const PLAYBOOK: &str = r#"
task-1:
  - write: { path: notes/left.md, content: "左\n" }
  - write: { path: reworked.md, content: "better\n" }
task-2:
  - write: { path: notes/right.md, content: "右\n" }
"#;

struct Stage {
    github: GitHub,
    issue: u64,
    agent: String,
}

impl Stage {
    fn new() -> Self {
        let github = GitHub::start(PROGRAM, SETTINGS).with_token();
        let body = "- [ ] Write the left note\n- [ ] Write the right note (depends on 1)\n";
        let issue = github.file(ALICE, "Write both notes", body);
        let path = github.env.root().join("playbook.yaml");
        std::fs::write(&path, PLAYBOOK).unwrap();
        Self { agent: format!("scripted:{}", path.display()), issue, github }
    }

    /// Goes on until the point or the end; says whether it was killed.
    fn go(&self, point: Option<Point>) -> bool {
        let mut command = self.github.env.command(CRASHING);
        command.arg(self.github.env.repo()).args([&self.issue.to_string(), &self.agent]);
        let output = command.args(point.map(|point| point.to_string())).output().unwrap();
        match (output.status.code(), output.status.signal()) {
            (Some(0), _) => false,
            (_, Some(9)) => true,
            end => panic!("{point:?}: {end:?}\n{}", String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// What is there afterwards, on GitHub and here.
    fn state(&self) -> Value {
        let env = &self.github.env;
        let labels = self.github.of_repo(ALICE, "GET", "/pulls?state=all", None);
        let labels = labels[0]["labels"].as_array().unwrap().iter().map(|label| label["name"].clone());
        let mut labels: Vec<_> = labels.map(|name| name.to_string()).collect();
        labels.sort();
        json!({
            "seen": seen(&self.github, self.issue), "labels": labels,
            "worktrees": env.worktrees(), "branches": env.git(&["branch", "--format=%(refname:short)"]),
            "status": env.git(&["status", "--porcelain"]), "processes": env.processes(),
        })
    }
}

fn sweep(name: &str, kind: fn(u64) -> Point) {
    if !is_here_or_say() {
        return;
    }
    let stage = Stage::new();
    assert!(!stage.go(None));
    let expected = stage.state();
    assert_eq!(expected["seen"]["state"], "closed");
    let log = stage.github.env.miyabi(["log", "1", "--json"]).expect(0).json_lines();
    let writes = log.iter().filter(|event| event["body"]["type"] == "intent_recorded").count() as u64;
    let asked = std::env::var("MIYABI_SWEEP").unwrap_or_default();
    let today = jiff::Timestamp::now().as_second().unsigned_abs() / 86_400;
    let wanted = |n: &u64| match Point::parse(&asked) {
        Some(point) => point == kind(*n),
        None => asked == "all" || n % 7 == today % 7,
    };
    let (mut points, mut killed) = (0, 0);
    for n in (0..writes).filter(wanted) {
        let stage = Stage::new();
        points += 1;
        if stage.go(Some(kind(n))) {
            killed += 1;
            assert!(!stage.go(None));
        }
        let differences = differences(&expected, &stage.state());
        assert!(differences.is_empty(), "MIYABI_SWEEP={}:\n{differences}", kind(n));
    }
    println!("GitHub, {name}: {points} points, {killed} kills, 0 losses, 0 duplicates, 0 survivors");
    assert!(points < 3 || killed > 0, "the points are reached");
}

#[test]
fn killed_before_a_write_is_done() {
    sweep("before writes", Point::BeforeWrite);
}

#[test]
fn killed_between_a_write_and_its_record() {
    sweep("after writes", Point::AfterWrite);
}
