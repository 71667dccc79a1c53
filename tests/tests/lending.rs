//! Keys of models stay with miyabi: the real programs reach their models without holding them, in a box with no other
//! network.
//!
//! `tests/setup-agents.sh` installs them. Without them these tests say so and pass, except where `CI=true`.
#![expect(clippy::unwrap_used, reason = "tests")]

use miyabi_tests::checks::PERFECT;
use miyabi_tests::env::TestEnv;
use miyabi_tests::model_endpoint::{ModelEndpoint, Turn, bridge_or_say, claude_or_say, codex_or_say};
use serde_json::json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
const KEY: &str = "sk-the-real-key-of-the-team";

async fn works_without(of: &'static str, adapter: String, settings: &str, key: &str) {
    // How often the key and its name are there.
    let look =
        format!("env | grep -c {KEY} > seen.txt; env | grep -c ^{key}= >> seen.txt; echo 雅 > note.md");
    let endpoint = ModelEndpoint::answering(move |asked| match (asked.answers, of) {
        (0, "claude") => Turn::tool("Bash", json!({ "command": look, "description": "as asked" })),
        (0, _) => Turn::tool("exec_command", json!({ "cmd": look })),
        _ => Turn::Say("Done.".to_owned()),
    })
    .await
    .unwrap();
    let settings = format!("[agent]\ndefault = \"{adapter}\"\nnetwork = []\n{settings}[policy]\n{PERFECT}");
    let env = TestEnv::new(PROGRAM, &[("README.md", "# Notes\n"), ("miyabi.toml", &settings)])
        .variable("ANTHROPIC_BASE_URL", endpoint.url())
        .variable("OPENAI_BASE_URL", format!("{}/v1", endpoint.url()))
        .variable(key, KEY);
    env.miyabi(["issue", "new", "--title", "Keep notes", "--body", "Write a note."]).expect(0);
    let ran = tokio::task::block_in_place(|| env.miyabi(["run", "issue", "1"]));
    let log = env.miyabi(["log", "1"]).stdout;
    assert_eq!(ran.code, Some(0), "{adapter}: {}{}\n{log}", ran.stdout, ran.stderr);
    assert_eq!(env.read("note.md"), "雅\n", "{adapter}");
    assert_eq!(env.read("seen.txt"), "0\n1\n", "{adapter}");
    let asked = endpoint.asked();
    assert!(asked.len() >= 2 && asked.iter().all(|asked| asked.key == KEY), "{adapter}: {asked:?}");
    let doctor = env.miyabi(["doctor", "--json"]).stdout;
    assert!(doctor.contains("\"model keys\"") && doctor.contains("\"lent\""), "{doctor}");
    assert!(!doctor.contains(KEY));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claude_holds_no_key() {
    let Some(program) = claude_or_say() else { return };
    let program = format!("claude_program = {program:?}\n");
    works_without("claude", "claude".to_owned(), &program, "ANTHROPIC_API_KEY").await;
    works_without("claude", "claude".to_owned(), &program, "ANTHROPIC_AUTH_TOKEN").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codex_holds_no_key() {
    let Some(program) = codex_or_say() else { return };
    let program = format!("codex_program = {program:?}\n");
    works_without("codex", "codex".to_owned(), &program, "OPENAI_API_KEY").await;
    works_without("codex", "codex".to_owned(), &program, "CODEX_API_KEY").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_holds_no_key() {
    let Some(program) = bridge_or_say("claude") else { return };
    works_without("claude", format!("acp:{}", program.display()), "", "ANTHROPIC_API_KEY").await;
}
