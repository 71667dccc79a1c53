//! Work that an agent left in a worktree that is gone: found, brought back, and let go when a branch holds it.

use miyabi_tests::env::TestEnv;

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
/// It writes something, and fails before anybody commits it.
const PLAYBOOK: &str =
    "task-1:\n  - write: { path: notes/雅.md, content: \"half a note\\n\" }\n  - fail: not today\n";

#[test]
fn what_a_failed_agent_left_comes_back_as_a_branch() {
    let env = TestEnv::with_crate(PROGRAM);
    let playbook = env.root().join("playbook.yaml");
    std::fs::write(&playbook, PLAYBOOK).unwrap();
    env.miyabi(["issue", "new", "--title", "Write a note"]).expect(0);
    let agent = format!("scripted:{}", playbook.display());
    env.miyabi(["run", "issue", "1", "--agent", &agent]).expect(10);
    env.miyabi(["recover", "list"]).expect(0);
    env.miyabi(["worktree", "prune", "--yes"]).expect(0);

    let kept = env.miyabi(["recover", "list", "--json"]).expect(0).json();
    let name = kept[0]["name"].as_str().unwrap().strip_prefix("refs/miyabi/keep/").unwrap().to_owned();
    assert!(name.contains("/task-1-1/"), "{kept:#}");
    let shown = env.miyabi(["recover", "show", &name]).expect(0).stdout;
    assert!(shown.contains("notes/雅.md"), "{shown}");
    assert!(env.miyabi(["recover", "show", "nothing/1"]).expect(1).stderr.contains("nothing is kept under"));

    let nothing = env.miyabi(["gc", "--yes"]).expect(0);
    assert!(nothing.stderr.contains("may still be needed"), "{}", nothing.stderr);
    env.miyabi(["recover", "restore", &name, "--branch", "found"]).expect(0);
    assert_eq!(env.git(&["show", "found:notes/雅.md"]), "half a note");
    assert_eq!(env.git(&["status", "--porcelain"]), "", "nothing is checked out");
    assert!(
        env.miyabi(["recover", "restore", &name, "--branch", "found"])
            .expect(1)
            .stderr
            .contains("branch already")
    );

    let would = env.miyabi(["gc", "--dry-run"]).expect(0).stdout;
    assert!(would.contains("branch `found` holds all of it"), "{would}");
    assert_eq!(env.miyabi(["recover", "list", "--json"]).expect(0).json(), kept_with(&kept, "found"));
    env.miyabi(["gc", "--yes"]).expect(0);
    assert_eq!(env.miyabi(["recover", "list", "--json"]).expect(0).json(), serde_json::json!([]));
    // Transcripts are younger than the days that were given, until they are not.
    let folders = || {
        std::fs::read_dir(env.repo().join(".miyabi/runs"))
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().path().is_dir())
            .count()
    };
    assert_eq!(folders(), 1);
    env.miyabi(["gc", "--days", "0", "--yes"]).expect(0);
    assert_eq!(folders(), 0);
    env.miyabi(["report", "1"]).expect(0);
}

fn kept_with(kept: &serde_json::Value, branch: &str) -> serde_json::Value {
    let mut kept = kept.clone();
    kept[0]["held_by"] = branch.into();
    kept
}
