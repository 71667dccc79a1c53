//! A person changes the plan before any agent starts.

use miyabi_tests::env::TestEnv;

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
const SETTINGS: &str =
    "[policy]\nsimple_below = 0.0\nnotify_from = 0.0\napprove_above = 0.0\nmerge_from = 80\n";

/// A run that asks whether its plan of two tasks is good.
fn asking() -> (TestEnv, String) {
    let env = TestEnv::with_crate(PROGRAM);
    env.write("miyabi.toml", SETTINGS);
    env.git(&["add", "miyabi.toml"]);
    env.git(&["commit", "--quiet", "--message", "Settle the policy"]);
    let body = "- [ ] Write the left note\n- [ ] Write the right note\n";
    env.miyabi(["issue", "new", "--title", "Keep notes", "--body", body]).expect(0);
    let path = env.root().join("agent.sh");
    std::fs::write(&path, "mkdir -p notes && echo done > notes/\"$MIYABI_STEP\".md\n").expect("a script");
    let agent = format!("command:sh {}", path.display());
    let ran = env.miyabi(["run", "issue", "1", "--agent", &agent]).expect(11);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(
        said.contains("miyabi escalation plan 1-1") && said.contains("--action modify --tasks FILE"),
        "{said}"
    );
    (env, agent)
}

fn answer(env: &TestEnv, plan: &str, code: i32) -> String {
    let path = env.root().join("plan.yaml");
    std::fs::write(&path, plan).expect("a plan");
    let path = path.display().to_string();
    let ran =
        env.miyabi(["escalation", "answer", "1-1", "--action", "modify", "--tasks", &path]).expect(code);
    ran.stderr
}

#[test]
fn the_plan_that_a_person_gives_is_the_one_that_is_done() {
    let (env, _) = asking();
    let plan = env.miyabi(["escalation", "plan", "1-1"]).expect(0).stdout;
    assert!(plan.contains("Write the left note") && plan.contains("--action modify --tasks FILE"), "{plan}");
    // One is dropped, one is worded anew, one is added after it.
    let (first, _) = plan.split_once("- id: task-1-2").unwrap_or_else(|| panic!("{plan}"));
    let third = "- id: task-1-3\n  title: Sign the note\n  kind: feature\n  estimate_minutes: 5\n  dependencies: [task-1-1]\n";
    let indent = first.rsplit('\n').next().unwrap_or_default();
    let third: String = third.lines().map(|line| format!("{indent}{line}\n")).collect();
    let first = first.trim_end_matches(' ').replace("Write the left note", "Write the 左 note");
    answer(&env, &format!("{first}{third}"), 0);
    assert_eq!(env.read("notes/task-1-1.md"), "done\n");
    assert_eq!(env.read("notes/task-1-3.md"), "done\n");
    assert!(!env.repo().join("notes/task-1-2.md").exists());
    let comments = env.miyabi(["issue", "show", "1", "--json"]).expect(0).json()["comments"].to_string();
    assert!(comments.contains("左") && comments.contains("Sign the note"), "the comment shows the new plan");
    assert_eq!(comments.matches("## Plan for Issue").count(), 1, "in the place of the old one");
    let explained = env.miyabi(["explain", "1", "--step", "decompose"]).expect(0).stdout;
    assert!(explained.contains("modify by"), "{explained}");
    assert!(env.git(&["log", "--format=%s", "main"]).contains("左"));
}

#[test]
fn a_plan_that_is_none_is_refused_with_all_that_is_wrong_and_the_question_stays_open() {
    let (env, _) = asking();
    let said = answer(
        &env,
        "tasks:\n  - id: task-1-1\n    title: A\n    kind: feature\n    estimate_minutes: 5\n    dependencies: [task-1-2, task-1-9]\n  - id: task-1-2\n    title: B\n    kind: feature\n    estimate_minutes: 5\n    dependencies: [task-1-1]\n",
        1,
    );
    assert!(said.contains("task-1-9") && said.contains("wait for each other"), "all of it: {said}");
    let said = answer(&env, "tasks:\n  - id: task-1-1\n    colour: blue\n", 1);
    assert!(said.contains("colour") && said.contains("line 3"), "{said}");
    answer(&env, "tasks: []\n", 1);
    let ran = env.miyabi(["escalation", "answer", "1-1", "--action", "modify"]).expect(1);
    assert!(ran.stderr.contains("needs the tasks"), "{}", ran.stderr);
    let path = env.root().join("plan.yaml").display().to_string();
    env.miyabi(["escalation", "answer", "1-1", "--action", "approve_anyway", "--tasks", &path]).expect(1);
    assert_eq!(env.worktrees(), ["issue-1"], "no task was begun");
    // The plan as it was is still there to be approved.
    env.miyabi(["escalation", "answer", "1-1", "--action", "approve_anyway"]).expect(0);
    assert_eq!(env.read("notes/task-1-2.md"), "done\n");
}
