//! What goes on without a person, and what does not: by label and by path. The project brings all of its checks, so
//! that nothing has to be compiled.

use miyabi_tests::checks::{self, LINT, PERFECT};
use miyabi_tests::env::TestEnv;
use miyabi_tests::github::{Served, eventually};

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
const BODY: &str = "- [ ] Write the left note\n- [ ] Write the right note\n";

/// A repository under this policy with one issue, and an agent that writes a note for each task.
fn stage(policy: &str, labels: &[&str]) -> (TestEnv, String) {
    let settings = format!("[policy]\nsimple_below = 0.0\n{policy}{PERFECT}");
    let env = TestEnv::new(PROGRAM, &[("README.md", "# Notes\n"), ("miyabi.toml", &settings)]);
    let mut new = vec!["issue", "new", "--title", "Keep notes", "--body", BODY];
    new.extend(labels.iter().flat_map(|label| ["--label", label]));
    env.miyabi(new).expect(0);
    let path = env.root().join("agent.sh");
    std::fs::write(&path, "mkdir -p notes && echo done > notes/\"$MIYABI_STEP\".md\n").expect("a script");
    let agent = format!("command:sh {}", path.display());
    (env, agent)
}

fn notes(env: &TestEnv) -> Vec<String> {
    let tree = env.git(&["ls-tree", "-r", "--name-only", "main", "notes"]);
    tree.lines().map(str::to_owned).collect()
}

#[test]
fn without_labels_and_paths_nobody_is_asked() {
    let (env, agent) = stage("", &[]);
    env.miyabi(["run", "issue", "1", "--agent", &agent]).expect(0);
    assert_eq!(notes(&env), ["notes/task-1-1.md", "notes/task-1-2.md"]);
}

#[test]
fn a_label_has_the_plan_wait_for_a_person() {
    let (env, agent) = stage("approve_labels = [\"security\"]\n", &["Security"]);
    let ran = env.miyabi(["run", "issue", "1", "--agent", &agent]).expect(11);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("issues labelled `Security` wait for approval"), "{said}");
    assert_eq!(notes(&env), Vec::<String>::new());
    env.miyabi(["escalation", "answer", "1-1", "--action", "approve_anyway"]).expect(0);
    assert_eq!(notes(&env).len(), 2);
}

#[test]
fn a_path_has_a_person_merge_whatever_the_score() {
    let (env, agent) = stage("approve_paths = [\"notes/\"]\n", &[]);
    let ran = env.miyabi(["run", "issue", "1", "--agent", &agent]).expect(11);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("it touches what only a person lets in"), "{said}");
    let asked = env.miyabi(["escalation", "show", "1-1", "--json"]).expect(0).json();
    assert!(asked.to_string().contains("[\"notes/task-1-1.md\",\"notes/task-1-2.md\"]"), "{asked:#}");
    assert_eq!(notes(&env), Vec::<String>::new());
    env.miyabi(["escalation", "answer", "1-1", "--action", "approve_anyway"]).expect(0);
    assert_eq!(notes(&env).len(), 2);
}

/// The score is too low; a person mends the integration branch in the editor, and the same gate looks at it.
#[test]
fn a_worktree_is_handed_over_to_a_person_and_comes_back_through_the_gate() {
    let checks = checks::with(&[(
        LINT,
        "kind = \"lint\"\ncommand = [\"cat\", \"warnings\"]\nformat = \"files\"\nweight = 30\n",
    )]);
    let settings = format!("[policy]\nsimple_below = 0.0\nrework_attempts = 0\nreview_from = 80\n{checks}");
    let env = TestEnv::new(
        PROGRAM,
        &[("README.md", "# Notes\n"), ("warnings", "雅.md\n"), ("miyabi.toml", &settings)],
    );
    env.miyabi(["issue", "new", "--title", "Keep notes", "--body", BODY]).expect(0);
    let write = |name: &str, script: &str| {
        let path = env.root().join(name);
        std::fs::write(&path, script).expect("a script");
        path.display().to_string()
    };
    let agent = write("agent.sh", "mkdir -p notes && echo done > notes/\"$MIYABI_STEP\".md\n");
    let ran = env.miyabi(["run", "issue", "1", "--agent", &format!("command:sh {agent}")]).expect(11);
    assert!(format!("{ran:?}").contains("miyabi escalation open 1-1"), "{ran:?}");

    // Without an editor, the place is told.
    let told = env.miyabi(["escalation", "open", "1-1", "--json"]).expect(0).json();
    assert_eq!(told["branch"], "feature/issue-1", "{told:#}");
    let editor = write(
        "editor.sh",
        "set -eu\ncd \"$1\"\n: > warnings\necho 人 > by-hand.md\ngit add --all\ngit commit --quiet --message 'Mend it by hand'\n",
    );
    let set = format!("sh,{editor}");
    let open = |editor: &str| {
        env.command(PROGRAM)
            .args(["escalation", "open", "1-1"])
            .env("MIYABI_RUN_EDITOR", editor)
            .current_dir(env.repo())
            .output()
    };
    let broken = open("no-such-editor").expect("it starts");
    assert!(
        String::from_utf8_lossy(&broken.stderr).contains("start the editor `no-such-editor`"),
        "{broken:?}"
    );
    let opened = open(&set).expect("it starts");
    assert!(opened.status.success(), "{opened:?}");
    env.miyabi(["escalation", "answer", "1-1", "--action", "manual_fix"]).expect(0);
    assert_eq!(env.read("by-hand.md"), "人\n");
    assert_eq!(notes(&env).len(), 2);
    assert!(env.git(&["log", "--format=%s", "main"]).contains("Mend it by hand"));
}

#[test]
fn a_hotfix_is_one_task_and_waits_for_nobody_to_object() {
    let policy = "notify_from = 0.0\napprove_above = 10.0\n";
    let (env, agent) = stage(policy, &["priority:P0-Critical"]);
    env.miyabi(["run", "issue", "1", "--agent", &agent]).expect(0);
    assert_eq!(notes(&env), ["notes/task-1-1.md"]);
    let explained = env.miyabi(["explain", "1", "--step", "decompose"]).expect(0).stdout;
    assert!(explained.contains("a hotfix waits for nobody to object"), "{explained}");
}

/// One place, four runs that may go on, and the oldest of them is the hotfix: a queue would have it last.
#[test]
fn a_hotfix_goes_before_all_that_wait_for_a_place() {
    let (env, agent) = stage(
        // Whoever came first writes so beside the repository.
        "approve_above = 0.0\nnotify_from = 0.0\n[agent]\nwritable = [\"..\"]\n",
        &["priority:P0-Critical"],
    );
    for n in 2..=4 {
        env.miyabi(["issue", "new", "--title", &format!("Note {n}"), "--body", "Write it."]).expect(0);
    }
    let done = env.root().join("done");
    let script = format!(
        "mkdir -p notes; echo x > notes/\"$MIYABI_STEP\".md; echo \"$MIYABI_STEP\" >> {}\n",
        done.display()
    );
    std::fs::write(env.root().join("agent.sh"), script).expect("a script");
    for n in 1..=4 {
        env.miyabi(["run", "issue", &n.to_string(), "--agent", &agent]).expect(11);
        let question = format!("{n}-1");
        env.miyabi(["escalation", "answer", &question, "--action", "approve_anyway", "--no-resume"])
            .expect(0);
    }
    let mut served = env;
    served.set("MIYABI_SERVE_MAX_RUNS", "1");
    let env = served;
    let served = Served::start(&env);
    let order = || std::fs::read_to_string(&done).unwrap_or_default();
    eventually("all four", || order().lines().count() >= 4);
    assert_eq!(served.stop(), Some(0));
    let order = order();
    let place = order.lines().position(|step| step.starts_with("task-1-"));
    assert!(place.is_some_and(|place| place <= 1), "one was under way already: {order}");
}
