//! `miyabi demo`: the first thing that a new user sees.

use std::fs;

use miyabi_tests::env::{TestEnv, run};

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");

#[test]
fn an_issue_becomes_six_tasks_a_score_and_a_merge() {
    let env = TestEnv::bare(PROGRAM);
    let folder = env.root().join("demo");
    let ran = env.miyabi(["demo", "--keep", "--dir", folder.to_str().unwrap()]).expect(0);
    for shown in ["task-500-1", "task-500-6", "Add user authentication", "merged"] {
        assert!(
            ran.stdout.contains(shown) || ran.stderr.contains(shown),
            "{shown}\n{}\n{}",
            ran.stdout,
            ran.stderr
        );
    }
    let git = |arguments: &[&str]| {
        let ran = run(env.command("git").current_dir(&folder).args(arguments)).expect(0);
        ran.stdout.trim_end().to_owned()
    };
    let messages = git(&["log", "--format=%B", "main"]);
    for n in 1..=6 {
        assert!(messages.contains(&format!("Refs #500 (task {n}/6)")), "{messages}");
        assert!(messages.contains(&format!("Miyabi-Task: task-500-{n}")), "{messages}");
    }
    assert!(messages.contains("Closes #500"), "{messages}");
    assert_eq!(
        git(&["worktree", "list", "--porcelain"]).matches("worktree ").count(),
        1,
        "no worktree is left"
    );
    assert_eq!(git(&["branch", "--format=%(refname:short)"]), "main", "no branch is left");
    assert_eq!(git(&["status", "--porcelain"]), "");

    // What was merged is real: its own tests pass in a fresh checkout.
    let fresh = env.root().join("fresh");
    run(env.command("git").args(["clone", "--quiet"]).arg(&folder).arg(&fresh)).expect(0);
    let tests = run(env.command("cargo").current_dir(&fresh).args(["test", "--quiet"])).expect(0);
    assert!(tests.stdout.contains("test result: ok."), "{}", tests.stdout);

    let miyabi = |arguments: &[&str]| run(env.program(arguments).current_dir(&folder)).expect(0);
    let issue = miyabi(&["issue", "show", "500", "--json"]).json();
    assert_eq!(issue["issue"]["open"], false);
    let changes = miyabi(&["change", "list", "--json"]).stdout;
    assert!(changes.contains("merged") && changes.contains("(#500)"), "{changes}");
    let report = miyabi(&["report", "1", "--json"]).json();
    let score = report["quality"]["score"].as_u64().or_else(|| report["score"].as_u64()).unwrap();
    assert!((80..=100).contains(&score), "{report}");
    let text = miyabi(&["report", "1"]).stdout;
    for figure in ["task-500-3", "coverage"] {
        assert!(text.to_lowercase().contains(figure), "{text}");
    }
}

#[test]
fn without_keep_nothing_stays_behind() {
    let env = TestEnv::bare(PROGRAM).variable("TMPDIR", "");
    let temp = env.root().join("tmp");
    fs::create_dir(&temp).unwrap();
    let env = env.variable("TMPDIR", temp.to_str().unwrap());
    env.miyabi(["demo"]).expect(0);
    let left: Vec<_> = fs::read_dir(&temp).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, Vec::<std::ffi::OsString>::new());
    assert_eq!(env.processes(), Vec::<u32>::new());
}
