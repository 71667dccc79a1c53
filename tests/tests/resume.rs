//! A restart in the middle of an agent's work: the real programs go on with the session that they were in, with what they
//! had left in their folder, and know what they were asked.
//!
//! `tests/setup-agents.sh` installs them. Without them these tests say so and pass, except where `CI=true`.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use miyabi_tests::checks::PERFECT;
use miyabi_tests::env::TestEnv;
use miyabi_tests::model_endpoint::{ModelEndpoint, Turn, bridge_or_say, claude_or_say, codex_or_say};
use serde_json::json;
use tokio::sync::Notify;

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
const AGAIN: &str = "miyabi was restarted, and you were ended in the middle";

fn command(of: &str, line: &str) -> Turn {
    match of {
        "claude" => Turn::tool("Bash", json!({ "command": line, "description": "as asked" })),
        _ => Turn::tool("exec_command", json!({ "cmd": line })),
    }
}

/// What one program does: it leaves a file, is killed while its model thinks, and goes on after the restart.
async fn goes_on(of: &'static str, adapter: String, settings: &str) {
    let thinks = Arc::new(Notify::new());
    let (heard, after) = (Arc::clone(&thinks), AtomicUsize::new(0));
    let endpoint =
        ModelEndpoint::answering(move |asked| match (asked.user_text().contains(AGAIN), asked.answers) {
            (false, 0) => command(of, "echo half > half.md"),
            (false, _) => {
                heard.notify_one();
                Turn::Silence
            }
            (true, _) => match after.fetch_add(1, Ordering::Relaxed) {
                0 => command(of, "cat half.md > whole.md"),
                _ => Turn::Say("Done.".to_owned()),
            },
        })
        .await
        .unwrap();
    let settings = format!("[agent]\ndefault = \"{adapter}\"\n{settings}[policy]\n{PERFECT}");
    let env = TestEnv::new(PROGRAM, &[("README.md", "# Notes\n"), ("miyabi.toml", &settings)])
        .variable("ANTHROPIC_BASE_URL", endpoint.url())
        .variable("ANTHROPIC_API_KEY", "no-key")
        .variable("OPENAI_API_KEY", "no-key");
    std::fs::create_dir_all(env.home().join(".codex")).unwrap();
    std::fs::write(env.home().join(".codex/config.toml"), endpoint.codex_config()).unwrap();
    env.miyabi(["issue", "new", "--title", "Keep notes", "--body", "Write the whole of the note."]).expect(0);

    kill_in_the_middle(&env, &thinks).await;
    let went_on = tokio::task::block_in_place(|| env.miyabi(["resume", "1"]));
    let log = env.miyabi(["log", "1"]).stdout;
    assert_eq!(went_on.code, Some(0), "{adapter}: {}{}\n{log}", went_on.stdout, went_on.stderr);
    assert!(log.contains("goes on in"), "{adapter}: {log}");
    assert_eq!(env.read("whole.md"), "half\n", "{adapter}: {log}");
    let asked = endpoint.asked();
    let last = asked.last().unwrap();
    assert!(last.user_text().contains("Write the whole of the note."), "{adapter}: it knows the task");
    assert!(last.answers >= 2, "{adapter}: it knows what it did: {}", last.body);
    assert_eq!(env.processes(), Vec::<u32>::new(), "{adapter}");
    let left: Vec<PathBuf> = walk(&env.repo().join(".miyabi/runs"));
    assert!(!left.iter().any(|path| path.ends_with("task-1-1.state")), "{adapter}: {left:?}");
}

/// Begins the run, and kills miyabi when the model thinks.
async fn kill_in_the_middle(env: &TestEnv, thinks: &Notify) {
    let mut first = env.start(["run", "issue", "1"]);
    let mut errors = first.stderr.take().unwrap();
    let ended = tokio::task::spawn_blocking(move || std::io::read_to_string(&mut errors));
    tokio::select! {
        () = thinks.notified() => {}
        said = ended => panic!("it ended before: {said:?}"),
    }
    first.kill().unwrap();
    first.wait().unwrap();
}

fn walk(folder: &std::path::Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries
        .flat_map(|path| if path.is_dir() { [walk(&path), vec![path]].concat() } else { vec![path] })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claude_goes_on() {
    let Some(program) = claude_or_say() else { return };
    goes_on("claude", "claude".to_owned(), &format!("claude_program = {program:?}\n")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codex_goes_on() {
    let Some(program) = codex_or_say() else { return };
    goes_on("codex", "codex".to_owned(), &format!("codex_program = {program:?}\n")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bridges_go_on() {
    for of in ["claude", "codex"] {
        let Some(program) = bridge_or_say(of) else { return };
        goes_on(of, format!("acp:{}", program.display()), "").await;
    }
}

/// A program that does not find its session is given the whole task once more, in the same attempt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_gone_begins_anew() {
    let Some(program) = claude_or_say() else { return };
    let (thinks, silences) = (Arc::new(Notify::new()), AtomicUsize::new(0));
    let heard = Arc::clone(&thinks);
    let endpoint = ModelEndpoint::answering(move |asked| match asked.answers {
        0 => command("claude", "echo half >> half.md"),
        _ if silences.fetch_add(1, Ordering::Relaxed) == 0 => {
            heard.notify_one();
            Turn::Silence
        }
        _ => Turn::Say("Done.".to_owned()),
    })
    .await
    .unwrap();
    let settings = format!("[agent]\nclaude_program = {program:?}\n[policy]\n{PERFECT}");
    let env = TestEnv::new(PROGRAM, &[("README.md", "# Notes\n"), ("miyabi.toml", &settings)])
        .variable("ANTHROPIC_BASE_URL", endpoint.url())
        .variable("ANTHROPIC_API_KEY", "no-key");
    env.miyabi(["issue", "new", "--title", "Keep notes", "--body", "Write a note."]).expect(0);
    kill_in_the_middle(&env, &thinks).await;
    let runs = walk(&env.repo().join(".miyabi/runs"));
    let state = runs.iter().find(|path| path.ends_with("task-1-1.state")).unwrap();
    std::fs::remove_dir_all(state).unwrap();
    let went_on = tokio::task::block_in_place(|| env.miyabi(["resume", "1"]));
    assert_eq!(went_on.code, Some(0), "{}{}", went_on.stdout, went_on.stderr);
    // What it had left is still there.
    assert_eq!(env.read("half.md"), "half\nhalf\n");
    let log = env.miyabi(["log", "1"]).stdout;
    assert_eq!((log.matches(" goes on in").count(), log.matches(" works in").count()), (1, 2), "{log}");
}
