//! An agent that reads the finished change: what it says goes to people and to agents that mend, and is no point.

use miyabi_tests::checks::{self, LINT};
use miyabi_tests::env::{Ran, TestEnv};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");

fn remark(severity: &str, confidence: u32) -> Value {
    json!({ "severity": severity, "confidence": confidence, "file": "notes.md", "line": 1,
            "message": "the note forgets the 雅\nand `$(more)`" })
}

/// A repository with one issue; the agent writes a note, `reader` is the playbook of the one that reads.
struct Stage {
    env: TestEnv,
    agent: String,
}

impl Stage {
    fn new(reader: &str, policy: &str, warnings: &str) -> Self {
        let env = TestEnv::new(PROGRAM, &[("README.md", "# Notes\n"), ("warnings", warnings)]);
        let write = |name: &str, text: &str| {
            let path = env.root().join(name);
            std::fs::write(&path, text).expect("a file");
            path.display().to_string()
        };
        let reader = write("reader.yaml", reader);
        let lint = "kind = \"lint\"\ncommand = [\"cat\", \"warnings\"]\nformat = \"files\"\nweight = 25\n";
        let checks = checks::with(&[(LINT, lint)]);
        let settings = format!("[agent]\nreviewer = \"scripted:{reader}\"\n\n[policy]\n{policy}{checks}");
        std::fs::write(env.repo().join("miyabi.toml"), settings).expect("a file");
        env.git(&["add", "--all"]);
        env.git(&["commit", "--quiet", "--message", "Settings"]);
        env.miyabi(["issue", "new", "--title", "Keep notes", "--body", "Write a note."]).expect(0);
        let agent = write("agent.sh", "echo \"$MIYABI_STEP\" >> notes.md; : > warnings\n");
        Self { env, agent: format!("command:sh {agent}") }
    }

    fn run(&self) -> Ran {
        self.env.miyabi(["run", "issue", "1", "--agent", &self.agent])
    }

    fn log(&self) -> Vec<Value> {
        self.env.miyabi(["log", "1", "--json"]).expect(0).json_lines()
    }

    /// The sessions of steps whose name begins like this.
    fn sessions(&self, step: &str) -> usize {
        let is_one = |event: &&Value| {
            let body = &event["body"];
            body["type"] == "session_started" && body["step"].as_str().is_some_and(|id| id.starts_with(step))
        };
        self.log().iter().filter(is_one).count()
    }

    fn quality(&self) -> String {
        let issue = self.env.miyabi(["issue", "show", "1", "--json"]).expect(0).json();
        let comments = issue["comments"].as_array().expect("a list").iter();
        let mut bodies = comments.map(|comment| comment["body"].as_str().unwrap_or_default().to_owned());
        bodies.rfind(|body| body.starts_with("## Quality Report")).expect("a quality report")
    }
}

fn says(value: &Value) -> String {
    format!("  - say: {:?}\n", value.to_string())
}

#[test]
fn a_serious_remark_has_a_person_merge_whatever_the_score() {
    let answer = json!({ "remarks": [remark("low", 100), remark("high", 90)] });
    let reader =
        format!("review:\n  - write: {{ path: by-the-reader.md, content: \"x\" }}\n{}", says(&answer));
    let stage = Stage::new(&reader, "simple_below = 0.0\n", "");
    let ran = stage.run().expect(11);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("made a serious remark"), "{said}");
    let asked = stage.env.miyabi(["escalation", "show", "1-1", "--json"]).expect(0).json();
    let failing = &asked["escalation"]["context"]["failing_checks"];
    assert_eq!(failing, &json!(["notes.md:1: the note forgets the 雅 [remark, 90 % sure]"]), "{asked:#}");
    let quality = stage.quality();
    assert!(quality.contains("**100 / 100**"), "no point is lost: {quality}");
    assert!(quality.contains("high notes.md:1: the note forgets the 雅 [remark, 90 % sure]"), "{quality}");
    stage.env.miyabi(["escalation", "answer", "1-1", "--action", "approve_anyway"]).expect(0);
    let tree = stage.env.git(&["ls-tree", "-r", "--name-only", "main"]);
    assert!(tree.contains("notes.md") && !tree.contains("by-the-reader.md"), "it only reads: {tree}");
    let why = stage.env.miyabi(["explain", "1"]).expect(0).stdout;
    assert!(why.contains("a serious remark"), "{why}");
}

#[test]
fn what_is_not_serious_or_not_sure_is_told_and_merged() {
    let answer = json!({ "remarks": [remark("medium", 100), remark("critical", 79)] });
    let stage = Stage::new(&format!("review:\n{}", says(&answer)), "simple_below = 0.0\n", "");
    stage.run().expect(0);
    let quality = stage.quality();
    assert!(quality.contains("[remark, 79 % sure]") && quality.contains("medium notes.md:1"), "{quality}");
}

/// M65.
#[test]
fn what_is_simple_and_good_is_not_read() {
    let stage = Stage::new("review:\n  - fail: nobody asks\n", "", "");
    stage.run().expect(0);
    assert_eq!(stage.sessions("review"), 0);
    let quality = stage.quality();
    assert!(quality.contains("no agent read it: score 100 is above 90"), "{quality}");
}

#[test]
fn remarks_go_to_the_agent_that_mends() {
    let answer = json!({ "remarks": [remark("medium", 60)] });
    let nothing = json!({ "remarks": [] });
    let reader = format!("review:\n{}review-2:\n{}", says(&answer), says(&nothing));
    // The change brings a warning of 25 points and takes it away again when it is mended.
    let stage =
        Stage::new(&reader, "simple_below = 0.0\nreview_from = 79\ncount_old_findings = true\n", "雅.md\n");
    std::fs::write(
        stage.env.root().join("agent.sh"),
        "echo \"$MIYABI_STEP\" >> notes.md; case $MIYABI_STEP in rework*) cp .agent-context.json seen.json; : > warnings;; esac\n",
    )
    .expect("a script");
    stage.run().expect(0);
    let seen = std::fs::read_to_string(stage.env.repo().join("seen.json")).expect("the rework was done");
    assert!(seen.contains("notes.md:1: the note forgets the 雅 [remark, 60 % sure]"), "{seen}");
    assert_eq!(stage.sessions("review"), 2);
}

#[test]
fn a_reader_that_cannot_read_loses_nothing_and_a_person_merges() {
    for (reader, sessions, why) in [
        ("review:\n  - say: it looks fine to me\n", 2, "find JSON in the agent's answer"),
        ("review:\n  - fail: out of luck\n", 1, "out of luck"),
    ] {
        let stage = Stage::new(reader, "simple_below = 0.0\n", "");
        let ran = stage.run().expect(11);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains("could not read it"), "{said}");
        let asked = stage.env.miyabi(["escalation", "show", "1-1", "--json"]).expect(0).json();
        assert!(asked["escalation"]["context"]["failing_checks"].to_string().contains(why), "{asked:#}");
        assert_eq!(stage.sessions("review"), sessions, "{reader}");
        stage.env.miyabi(["escalation", "answer", "1-1", "--action", "approve_anyway"]).expect(0);
    }
}
