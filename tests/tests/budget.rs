//! Spending on agents that stops in time, and goes on where it stopped.
#![expect(clippy::unwrap_used, reason = "tests")]

use miyabi_tests::env::{Ran, TestEnv};
use miyabi_tests::github::eventually;

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
const TWO: &str = "- [ ] Write the left note\n- [ ] Write the right note (depends on 1)\n";
/// Writes one file that is named like its task.
const AGENT: &str = "mkdir -p notes && echo done > notes/\"$MIYABI_STEP\".md\n";

/// A repository with one issue, and the agent that does it.
fn env(settings: &str) -> (TestEnv, u64, String) {
    let env = TestEnv::with_crate(PROGRAM);
    env.write("miyabi.toml", &format!("[policy]\nmerge_from = 80\nsimple_below = 0.0\n{settings}"));
    env.git(&["add", "miyabi.toml"]);
    env.git(&["commit", "--quiet", "--message", "Settle the policy"]);
    let issue = file(&env);
    let path = env.root().join("agent.sh");
    std::fs::write(&path, AGENT).unwrap();
    let agent = format!("command:sh {}", path.display());
    (env, issue, agent)
}

fn file(env: &TestEnv) -> u64 {
    let ran = env.miyabi(["issue", "new", "--title", "Keep notes", "--body", TWO, "--json"]).expect(0);
    ran.json()["number"].as_u64().unwrap()
}

fn run(env: &TestEnv, issue: u64, agent: &str) -> Ran {
    env.miyabi(["run", "issue", &issue.to_string(), "--agent", agent])
}

fn status(env: &TestEnv, run: u64) -> String {
    let ran = env.miyabi(["status", "--json"]).expect(0).json();
    let rows = ["live", "recent"].into_iter().flat_map(|list| ran[list].as_array().unwrap());
    let row = rows.into_iter().find(|row| row["number"] == run).unwrap();
    let word = if row["state"] == "ended" { &row["status"] } else { &row["state"] };
    word.as_str().unwrap().to_owned()
}

#[test]
fn a_run_that_used_up_its_budget_waits_and_goes_on_in_the_same_worktree_when_it_is_raised() {
    let (env, issue, agent) = env("budget_run_sessions = 1\n");
    let ran = run(&env, issue, &agent).expect(11);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("budget reached") && said.contains("1 of 1 sessions"), "{said}");
    assert_eq!(status(&env, 1), "waiting_for_person");
    assert_eq!(env.processes(), Vec::<u32>::new(), "waiting costs no process");
    let shown = env.miyabi(["budget", "show", "1"]).expect(0).stdout;
    assert!(shown.contains("used up"), "{shown}");
    assert!(env.worktrees().contains(&format!("issue-{issue}")), "{:?}", env.worktrees());
    env.miyabi(["budget", "raise", "1", "--note", "まだ要る"]).expect(0);
    for n in 1..=2 {
        assert_eq!(env.read(&format!("notes/task-{issue}-{n}.md")), "done\n");
    }
    assert_eq!(env.worktrees(), Vec::<String>::new());
    // There is nothing to raise any more, and it says so.
    let ran = env.miyabi(["budget", "raise", "1"]).expect(1);
    assert!(ran.stderr.contains("does not wait for budget"), "{}", ran.stderr);
    env.miyabi(["budget", "raise", "9"]).expect(1);
}

#[test]
fn the_budget_of_the_day_holds_up_every_run_of_the_repository() {
    let (env, issue, agent) = env("budget_day_sessions = 3\n");
    run(&env, issue, &agent).expect(0);
    // The first run used two; the second one may use one more.
    let second = file(&env);
    let ran = run(&env, second, &agent).expect(11);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("budget of the day reached") && said.contains("3 of 3 sessions"), "{said}");
    assert_eq!(status(&env, 2), "waiting_for_person");
    let shown = env.miyabi(["budget", "show", "--json"]).expect(0).json();
    assert_eq!(
        (&shown[0]["of"], &shown[0]["used"], &shown[0]["limit"]),
        (&"day".into(), &3.0.into(), &3.0.into())
    );
    let asked = env.miyabi(["escalation", "list", "--json"]).expect(0).json();
    assert_eq!(asked.as_array().unwrap().len(), 1);
    assert_eq!(asked[0]["escalation"]["default_action"], "wait");
    env.miyabi(["budget", "raise", "2"]).expect(0);
    assert_eq!(status(&env, 2), "succeeded");
}

#[test]
fn an_agent_that_cannot_work_at_all_is_not_paid_for_every_task() {
    let (env, _, _) = env("breaker_tasks = 2\n[run]\nmax_parallel = 1\n[agent]\nwritable = [\"..\"]\n");
    let many: String = (1..=6).map(|n| format!("- [ ] Write note {n}\n")).collect();
    let ran = env.miyabi(["issue", "new", "--title", "Keep notes", "--body", &many, "--json"]).expect(0);
    let issue = ran.json()["number"].as_u64().unwrap();
    let agent = env.root().join("agent.sh");
    std::fs::write(
        &agent,
        "echo started >> \"$(dirname \"$0\")/started\"\necho 'not logged in' >&2\nexit 1\n",
    )
    .unwrap();
    let agent = format!("command:sh {}", agent.display());
    let ran = run(&env, issue, &agent).expect(11);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("agents keep failing in the same way") && said.contains("not logged in"), "{said}");
    let started = || std::fs::read_to_string(env.root().join("started")).unwrap().lines().count();
    assert_eq!(started(), 2);
    env.miyabi(["escalation", "answer", "1-1", "--action", "reject"]).expect(10);
    assert_eq!(started(), 2);
}

#[test]
fn limits_that_make_no_sense_are_refused_before_anything_begins() {
    let (env, issue, agent) = env("");
    env.write("miyabi.toml", "[policy]\nbudget_day_usd = -1.0\n");
    let ran = run(&env, issue, &agent).expect(1);
    assert!(ran.stderr.contains("miyabi.toml:2: `policy.budget_day_usd` is -1"), "{}", ran.stderr);
}

/// Starts the run, and ends it when its first task was not let in.
#[track_caller]
fn not_let_in(env: &TestEnv, issue: u64, agent: &str, words: &str) {
    let mut child = env.start(["run", "issue", &issue.to_string(), "--agent", agent]);
    eventually(words, || env.miyabi(["log", "1"]).stdout.contains(words));
    let status = env.miyabi(["status"]).expect(0).stdout;
    assert!(
        status.contains("run 1 waits until") && status.contains(words),
        "it does not say `running`: {status}"
    );
    env.miyabi(["cancel", "1"]).expect(0);
    child.wait().unwrap();
    assert!(!env.miyabi(["log", "1", "--json"]).expect(0).stdout.contains("session_started"));
}

#[test]
fn a_full_disk_and_a_crowd_of_worktrees_hold_up_new_work() {
    let (env, issue, agent) = env("[run]\nmin_free_disk_mb = 1000000000\n");
    not_let_in(&env, issue, &agent, "`run.min_free_disk_mb` asks for");
    let (env, issue, agent) = self::env("[worktree]\nquota = 1\n");
    not_let_in(&env, issue, &agent, "`worktree.quota` allows 1");
    let (env, issue, agent) = self::env("[run]\nmin_free_memory_mb = 1000000000\n");
    not_let_in(&env, issue, &agent, "`run.min_free_memory_mb` asks for");
}
