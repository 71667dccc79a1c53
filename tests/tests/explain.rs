//! That a run can say why it did what it did.

use miyabi_tests::env::TestEnv;

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");

#[test]
fn every_decision_is_explained_by_its_rule_its_numbers_and_who_answered() {
    let env = TestEnv::with_crate(PROGRAM);
    // A person merges: without a tool for coverage the score stays below 95.
    env.write("miyabi.toml", "[policy]\nsimple_below = 0.0\nmerge_from = 95\nbudget_run_sessions = 1\n");
    env.git(&["add", "miyabi.toml"]);
    env.git(&["commit", "--quiet", "--message", "Settle the policy"]);
    let body = "- [ ] Write the left note\n- [ ] Write the right note (depends on 1)\n";
    env.miyabi(["issue", "new", "--title", "Keep notes", "--body", body]).expect(0);
    let path = env.root().join("agent.sh");
    std::fs::write(&path, "mkdir -p notes && echo done > notes/\"$MIYABI_STEP\".md\n").unwrap();
    let agent = format!("command:sh {}", path.display());
    env.miyabi(["run", "issue", "1", "--agent", &agent]).expect(11);
    env.miyabi(["budget", "raise", "1", "--note", "まだ要る"]).expect(11);
    env.miyabi(["escalation", "answer", "1-2", "--action", "approve_anyway"]).expect(0);

    let told = env.miyabi(["explain", "1", "--json"]).expect(0).json();
    let decisions = told["decisions"].as_array().unwrap();
    let log = env.miyabi(["log", "1", "--json"]).expect(0).json_lines();
    let gates = log.iter().filter(|event| event["body"]["type"] == "gate_decided").count();
    assert_eq!(decisions.len(), gates, "every one of them");
    let of = |step: &str| decisions.iter().filter(|decision| decision["step"] == step).collect::<Vec<_>>();
    let second = of("task-1-2");
    assert_eq!((&second[0]["decision"], &second[0]["question"]), (&"escalate".into(), &"1-1".into()));
    assert_eq!(second[0]["failure"], "the budget of the run is used up: 1 of 1 sessions");
    assert_eq!((&second[1]["decision"], &second[1]["answer"]["note"]), (&"retry".into(), &"まだ要る".into()));
    let change = of("change");
    assert_eq!(change[0]["numbers"]["merge_from"], 95.0);
    assert!(change[0]["numbers"]["score"].as_f64().unwrap() < 95.0);
    assert_eq!(change[1]["answer"]["from"], "cli");
    let keys: Vec<_> =
        told["policy"].as_array().unwrap().iter().map(|changed| changed["key"].clone()).collect();
    assert_eq!(keys, ["budget_run_sessions", "merge_from", "simple_below"]);

    let shown = env.miyabi(["explain", "1", "--step", "change"]).expect(0).stdout;
    assert!(shown.contains("merge_from 95") && shown.contains("approve_anyway by"), "{shown}");
    assert!(!shown.contains("task-1-2,"), "{shown}");
    assert!(shown.contains("merge_from = 95 (usually 90)"), "{shown}");
    let ran = env.miyabi(["explain", "1", "--step", "nowhere"]).expect(1);
    assert!(ran.stderr.contains("there are decisions about analyse"), "{}", ran.stderr);
    env.miyabi(["explain", "7"]).expect(1);
}
