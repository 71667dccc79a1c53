//! Whole runs on real repositories: what is in main afterwards, and what is left behind.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests that say what they leave out")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;

use miyabi_tests::env::{Ran, TestEnv};
use miyabi_tests::github::eventually;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");

/// A small crate whose changes are merged without a person: no coverage tool is needed for 80 points.
fn env(settings: &str) -> TestEnv {
    let env = TestEnv::with_crate(PROGRAM);
    env.write("miyabi.toml", &format!("[policy]\nmerge_from = 80\n{settings}"));
    env.git(&["add", "miyabi.toml"]);
    env.git(&["commit", "--quiet", "--message", "Settle the policy"]);
    env
}

#[track_caller]
fn file_issue(env: &TestEnv, title: &str, body: &str) -> u64 {
    let ran = env.miyabi(["issue", "new", "--title", title, "--body", body, "--json"]).expect(0);
    ran.json()["number"].as_u64().unwrap()
}

/// Runs an issue with a playbook and gives what was printed.
fn run(env: &TestEnv, issue: u64, playbook: &str) -> Ran {
    let path = env.root().join("playbook.yaml");
    std::fs::write(&path, playbook).unwrap();
    let agent = format!("scripted:{}", path.display());
    env.miyabi(["run", "issue", &issue.to_string(), "--agent", &agent])
}

/// The bodies of all events of a run.
#[track_caller]
fn log(env: &TestEnv, run: u64) -> Vec<Value> {
    let lines = env.miyabi(["log", &run.to_string(), "--json"]).expect(0).json_lines();
    lines.into_iter().map(|event| event["body"].clone()).collect()
}

fn position(log: &[Value], kind: &str, step: &str) -> usize {
    let found = log.iter().position(|body| body["type"] == kind && body["step"] == step);
    found.unwrap_or_else(|| panic!("no `{kind}` of `{step}`"))
}

/// What a finished run must leave: nothing.
#[track_caller]
fn nothing_is_left(env: &TestEnv) {
    assert_eq!(env.worktrees(), Vec::<String>::new());
    assert_eq!(env.git(&["worktree", "list", "--porcelain"]).matches("worktree ").count(), 1);
    assert_eq!(env.git(&["branch", "--format=%(refname:short)"]), "main");
    assert_eq!(env.git(&["status", "--porcelain"]), "");
    assert_eq!(env.processes(), Vec::<u32>::new());
}

const THREE: &str =
    "- [ ] Write the left note\n- [ ] Write the right note\n- [ ] Join the notes (depends on 1, 2)\n";
const THREE_NOTES: &str = r#"
task-1:
  - write: { path: notes/left.md, content: "left\n" }
task-2:
  - write: { path: notes/right.md, content: "right\n" }
task-3:
  - run: [sh, -c, "cat notes/left.md notes/right.md > notes/both.md"]
"#;

#[test]
fn independent_tasks_run_side_by_side_and_a_dependant_sees_their_merged_work() {
    let env = env("simple_below = 0.0\n");
    let before = env.tree("main");
    let issue = file_issue(&env, "Keep notes", THREE);
    let ran = run(&env, issue, THREE_NOTES).expect(0);
    let log = log(&env, 1);
    let started = |step: &str| position(&log, "step_started", step);
    let succeeded = |step: &str| position(&log, "step_succeeded", step);
    let (one, two, three) = (format!("task-{issue}-1"), format!("task-{issue}-2"), format!("task-{issue}-3"));
    assert!(started(&two) < succeeded(&one) && started(&one) < succeeded(&two), "side by side");
    for merge in [format!("{one}.merge"), format!("{two}.merge")] {
        assert!(succeeded(&merge) < started(&three), "`{three}` starts when `{merge}` has ended");
    }

    let mut expected = before;
    for (path, text) in
        [("notes/left.md", "left\n"), ("notes/right.md", "right\n"), ("notes/both.md", "left\nright\n")]
    {
        assert_eq!(env.read(path), text, "the main checkout follows");
        expected.push(format!("100644 blob {}\t{path}", env.git(&["rev-parse", &format!("main:{path}")])));
    }
    expected.sort_by(|a, b| a.split('\t').nth(1).cmp(&b.split('\t').nth(1)));
    assert_eq!(env.tree("main"), expected, "exactly the expected tree");
    nothing_is_left(&env);

    let messages = env.git(&["log", "--format=%B%x00", "main"]);
    for trailer in ["Miyabi-Run: ", "Miyabi-Task: ", "Miyabi-Session: "] {
        assert!(messages.matches(trailer).count() >= 3, "{trailer} in\n{messages}");
    }
    assert!(messages.contains(&format!("Refs #{issue} (task 1/3)")), "{messages}");

    let shown = env.miyabi(["issue", "show", &issue.to_string(), "--json"]).expect(0).json();
    let text = shown.to_string();
    assert_eq!(shown["issue"]["open"], false, "{text}");
    let labels: Vec<_> =
        shown["issue"]["labels"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(labels.contains(&"state:done"), "{labels:?}");
    assert!(!labels.contains(&"state:implementing"), "{labels:?}");
    let comments = shown["comments"].as_array().unwrap();
    for expected in ["```mermaid", &format!("Quality Report #{issue}"), "Timeline"] {
        let found =
            comments.iter().filter(|comment| comment["body"].as_str().unwrap().contains(expected)).count();
        assert_eq!(found, 1, "one comment with {expected}: {text}");
    }
    assert!(ran.stdout.contains("85"), "the score is shown: {}", ran.stdout);
    let entries = std::fs::read_dir(env.repo().join(".ai/logs")).unwrap().map(|entry| entry.unwrap().path());
    let journal: String = entries.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    assert_eq!(journal.matches(" - Task Execution").count(), 3, "{journal}");
}

#[test]
fn a_crate_is_checked_where_the_kernel_alone_keeps_programs_in() {
    let mut env = env("simple_below = 0.0\n");
    // A bubblewrap that cannot make a box stands before the real one.
    let programs = env.root().join("programs");
    std::fs::create_dir(&programs).unwrap();
    std::fs::write(programs.join("bwrap"), "#!/bin/sh\nexit 1\n").unwrap();
    std::fs::set_permissions(programs.join("bwrap"), PermissionsExt::from_mode(0o755)).unwrap();
    let search = std::env::var("PATH").unwrap();
    env.set("PATH", format!("{}:{search}", programs.display()));
    // The checkout above the worktree has a manifest, too: cargo looks there for a workspace.
    let issue = file_issue(&env, "Keep notes", "- [ ] Write the left note\n");
    run(&env, issue, "task-1:\n  - write: { path: notes/left.md, content: \"left\\n\" }\n").expect(0);
    let log = log(&env, 1);
    let session = &log[position(&log, "session_started", &format!("task-{issue}-1"))];
    assert_eq!(session["containment"], "landlock", "{session}");
    nothing_is_left(&env);
}

#[test]
fn an_agent_that_says_done_and_changed_nothing_fails_as_that() {
    let env = env("simple_below = 0.0\n");
    let issue = file_issue(&env, "Keep notes", "- [ ] Write the left note\n- [ ] Write the right note\n");
    let playbook = r#"
task-1:
  - say: All done, every test passes, the file is written.
task-2:
  - write: { path: notes/right.md, content: "right\n" }
"#;
    let ran = run(&env, issue, playbook).expect(10);
    assert!(
        ran.stderr.contains("git shows no change") || ran.stdout.contains("git shows no change"),
        "{ran:?}"
    );
    let log = log(&env, 1);
    let failed = &log[position(&log, "step_failed", &format!("task-{issue}-1"))];
    assert_eq!(failed["failure"]["class"], "no_changes");
    position(&log, "step_succeeded", &format!("task-{issue}-2.merge"));
    assert!(
        env.worktrees().contains(&format!("issue-{issue}-task1")),
        "kept to look at: {:?}",
        env.worktrees()
    );
    assert_eq!(env.git(&["log", "--format=%s", "main"]).lines().count(), 2, "nothing was merged");
    assert_eq!(env.processes(), Vec::<u32>::new());
}

#[test]
fn an_agent_that_never_ends_is_stopped_with_everything_it_started() {
    let env = env("simple_below = 0.0\nagent_deadline_secs = 1\ngrace_secs = 1\n");
    let issue = file_issue(&env, "Keep notes", "Write a note.");
    // It ignores the request to end, and starts a grandchild in a session of its own.
    let agent = env.root().join("agent.sh");
    std::fs::write(&agent, "trap '' TERM\nsetsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' &\nwhile :; do sleep 1; done\n").unwrap();
    let agent = format!("command:sh {}", agent.display());
    let ran = env.miyabi(["run", "issue", &issue.to_string(), "--agent", &agent]).expect(10);
    assert!(format!("{ran:?}").contains("did not end within 1 s"), "{ran:?}");
    assert_eq!(env.processes(), Vec::<u32>::new(), "nothing is left running");
}

const BOTH_WRITE: &str = r#"
task-1:
  - write: { path: motto.md, content: "slow and steady\n" }
task-2:
  - write: { path: motto.md, content: "fast and bold\n" }
"#;
const TWO: &str = "- [ ] Write a calm motto\n- [ ] Write a bold motto\n";

/// The id of the resolution step: whichever of the two was merged second.
fn resolution(issue: u64, n: u32) -> String {
    format!("task-{issue}-{n}.resolve-1")
}

#[test]
fn a_conflict_is_brought_together_by_an_agent_that_sees_both_sides() {
    let env = env("simple_below = 0.0\n");
    let issue = file_issue(&env, "Find a motto", TWO);
    let resolve: String = (1..=2)
        .map(|n| {
            let step = resolution(issue, n);
            format!("{step}:\n  - run: [sh, -c, \"grep -q '<<<<<<<' motto.md\"]\n  - write: {{ path: motto.md, content: \"slow and bold\\n\" }}\n")
        })
        .collect();
    run(&env, issue, &format!("{BOTH_WRITE}{resolve}")).expect(0);
    assert_eq!(env.read("motto.md"), "slow and bold\n");
    let log = log(&env, 1);
    let conflict = log.iter().find(|body| body["failure"]["class"] == "conflict").unwrap();
    let both = conflict["failure"]["evidence"]["files"][0]["text"].as_str().unwrap();
    assert!(both.contains("slow and steady") && both.contains("fast and bold"), "both sides: {both}");
    nothing_is_left(&env);
}

#[test]
fn a_conflict_that_no_agent_resolves_goes_to_a_person() {
    let env = env("simple_below = 0.0\n");
    let issue = file_issue(&env, "Find a motto", TWO);
    let leave: String =
        (1..=2).map(|n| format!("{}:\n  - say: It is fine as it is.\n", resolution(issue, n))).collect();
    let ran = run(&env, issue, &format!("{BOTH_WRITE}{leave}")).expect(11);
    assert!(format!("{ran:?}").contains("escalation answer"), "it says how to answer: {ran:?}");
    let open = env.miyabi(["escalation", "list", "--json"]).expect(0).stdout;
    assert!(open.contains("1-1"), "{open}");
    assert_eq!(env.processes(), Vec::<u32>::new(), "waiting costs no process");
    env.miyabi(["escalation", "answer", "1-1", "--action", "shrug"]).expect(1);
    let name = env.worktrees().into_iter().find(|name| name.contains("task")).unwrap();
    assert!(name.starts_with(&format!("issue-{issue}-task")));
    // The person mends it in the worktree; the same checks look at it, and no agent is asked again.
    let sessions = log(&env, 1).iter().filter(|body| body["type"] == "session_started").count();
    for name in env.worktrees().iter().filter(|name| name.contains("task")) {
        let path = format!(".worktrees/{name}/motto.md");
        if env.read(&path).contains("<<<<<<<") {
            env.write(&path, "slow, steady and bold\n");
        }
    }
    env.miyabi(["escalation", "answer", "1-1", "--action", "manual_fix"]).expect(0);
    assert_eq!(log(&env, 1).iter().filter(|body| body["type"] == "session_started").count(), sessions);
    assert_eq!(env.read("motto.md"), "slow, steady and bold\n");
    nothing_is_left(&env);
}

#[test]
fn three_issues_at_once_on_one_repository() {
    let env = env("");
    let issues: Vec<_> = (1..=3).map(|n| file_issue(&env, &format!("Write note {n}"), "One note.")).collect();
    let playbook: String = issues
        .iter()
        .map(|issue| {
            format!(
                "task-{issue}-1:\n  - write: {{ path: notes/{issue}.md, content: \"note {issue}\\n\" }}\n"
            )
        })
        .collect();
    let path = env.root().join("playbook.yaml");
    std::fs::write(&path, playbook).unwrap();
    let agent = format!("scripted:{}", path.display());
    // Two in one process, the third in another, at the same time.
    let third = env.start(["run", "issue", &issues[2].to_string(), "--agent", &agent]);
    let both =
        env.miyabi(["run", "issue", &issues[0].to_string(), &issues[1].to_string(), "--agent", &agent]);
    let third = third.wait_with_output().unwrap();
    both.expect(0);
    assert_eq!(third.status.code(), Some(0), "{}", String::from_utf8_lossy(&third.stderr));
    let updates = (1..=3).flat_map(|run| log(&env, run)).filter(|body| {
        body["type"] == "step_succeeded" && body["step"].as_str().unwrap().starts_with("update-")
    });
    assert!(updates.count() >= 2, "whoever merges second measures what the others brought, too");
    for issue in &issues {
        assert_eq!(env.read(&format!("notes/{issue}.md")), format!("note {issue}\n"));
    }
    nothing_is_left(&env);
}

#[test]
fn a_second_request_joins_the_live_run() {
    let env = env("");
    let issue = file_issue(&env, "Write a note", "One note.");
    let playbook = "default:\n  - attempt: 1\n  - hang:\n  - attempt: 2\n  - write: { path: note.md, content: \"note\\n\" }\n";
    let path = env.root().join("playbook.yaml");
    std::fs::write(&path, playbook).unwrap();
    let agent = format!("scripted:{}", path.display());
    let arguments = ["run", "issue", &issue.to_string(), "--agent", &agent, "--json"];
    let mut first = env.start(arguments);
    let mut lines = BufReader::new(first.stdout.take().unwrap()).lines();
    lines.find(|line| line.as_ref().unwrap().contains("session_started")).unwrap().unwrap();
    let second = env.miyabi(["run", "issue", &issue.to_string(), "--agent", &agent]).expect(0);
    assert!(format!("{second:?}").contains("run 1"), "it names the live run: {second:?}");
    first.kill().unwrap();
    first.wait().unwrap();
    // After the kill nobody drives it: a third request takes it up where it stands.
    env.miyabi(["run", "issue", &issue.to_string(), "--agent", &agent]).expect(0);
    assert_eq!(env.read("note.md"), "note\n");
    let runs = log(&env, 1).iter().filter(|body| body["type"] == "run_started").count();
    assert_eq!(runs, 1);
    env.miyabi(["log", "2"]).expect(1);
}

#[test]
fn an_agent_ends_with_the_miyabi_that_is_killed() {
    let env = env("");
    let doctor = env.miyabi(["doctor", "--json"]).stdout;
    let findings: Vec<Value> = serde_json::from_str(&doctor).unwrap();
    if !findings.iter().any(|finding| finding["what"] == "containment" && finding["detail"] == "bubblewrap") {
        println!("left out: bubblewrap is not here or cannot make boxes (tests/setup-box.sh)");
        assert!(std::env::var_os("CI").is_none(), "CI has bubblewrap");
        return;
    }
    let issue = file_issue(&env, "Keep notes", "Write a note.");
    let agent = env.root().join("agent.sh");
    // In a session of its own, deaf to requests.
    std::fs::write(&agent, "trap '' TERM HUP\nsetsid sh -c 'trap \"\" TERM HUP; touch begun; while :; do sleep 1; done' &\nwait\n").unwrap();
    let agent = format!("command:sh {}", agent.display());
    let mut child = env.start(["run", "issue", &issue.to_string(), "--agent", &agent]);
    let begun = env.repo().join(format!(".worktrees/issue-{issue}-task1/begun"));
    eventually("the agent works", || begun.exists());
    assert!(env.processes().len() > 2);
    child.kill().unwrap();
    child.wait().unwrap();
    eventually("nothing of it is left, and nobody had to look for it", || env.processes().is_empty());
}

#[test]
fn killed_in_the_middle_it_ends_as_if_it_had_not_been() {
    let undisturbed = env("simple_below = 0.0\n");
    let issue = file_issue(&undisturbed, "Keep notes", THREE);
    run(&undisturbed, issue, THREE_NOTES).expect(0);

    // Without a box, in which nothing would outlive miyabi.
    let env = env("simple_below = 0.0\ncontainment = \"off\"\n");
    assert_eq!(file_issue(&env, "Keep notes", THREE), issue);
    let playbook = THREE_NOTES.replace("task-3:\n", "task-3:\n  - attempt: 1\n  - run: [sh, -c, \"echo half > notes/half.md; touch notes/begun; exec sleep 1000\"]\n  - attempt: 2\n");
    let path = env.root().join("playbook.yaml");
    std::fs::write(&path, playbook).unwrap();
    let agent = format!("scripted:{}", path.display());
    let mut child = env.start(["run", "issue", &issue.to_string(), "--agent", &agent, "--json"]);
    let step = format!("task-{issue}-3");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    lines.find(|line| line.contains("session_started") && line.contains(&step)).unwrap();
    // The agent's own program is under way when miyabi dies.
    let begun = env.repo().join(format!(".worktrees/issue-{issue}-task3/notes/begun"));
    while !begun.exists() {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        !env.processes().is_empty(),
        "the program outlives miyabi's death, so there is something to clean up"
    );
    let status = env.miyabi(["status"]).expect(0);
    assert!(status.stdout.contains("interrupted"), "true status: {}", status.stdout);

    env.miyabi(["resume"]).expect(0);
    let files = |env: &TestEnv| {
        env.tree("main").into_iter().filter(|line| !line.ends_with("miyabi.toml")).collect::<Vec<_>>()
    };
    assert_eq!(files(&env), files(&undisturbed), "the same tree");
    nothing_is_left(&env);
    let comments = |env: &TestEnv| {
        let shown = env.miyabi(["issue", "show", &issue.to_string(), "--json"]).expect(0).json();
        shown["comments"].as_array().unwrap().len()
    };
    assert_eq!(comments(&env), comments(&undisturbed), "no comment twice");
    let mut attempts: BTreeMap<String, u64> = BTreeMap::new();
    for body in log(&env, 1).iter().filter(|body| body["type"] == "step_started") {
        *attempts.entry(body["step"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let more: Vec<_> = attempts.into_iter().filter(|(_, attempts)| *attempts > 1).collect();
    assert_eq!(more, [(step, 2)], "only what was under way is done again");
    // What the lost attempt had written is pinned, not gone.
    let kept = env.git(&["for-each-ref", "--format=%(refname)", "refs/miyabi/keep/"]);
    let half =
        kept.lines().any(|name| env.git(&["ls-tree", "-r", "--name-only", name]).contains("notes/half.md"));
    assert!(half, "kept: {kept}");
    assert!(env.miyabi(["resume"]).expect(0).stderr.len() < 400, "nothing to do is said shortly");
}
