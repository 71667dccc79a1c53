//! Real programs that speak the Agent Client Protocol, run as agents against a scripted model: the bridge of Claude Code
//! and the one of Codex.
//!
//! `tests/setup-agents.sh` installs them. Without them these tests say so and pass, except where `CI=true`.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use miyabi_agent::{AgentOptions, AgentPrograms};
use miyabi_contain::Limits;
use miyabi_core::containment::Containment;
use miyabi_core::ports::{Agents, Boxes, Stop, never_stop};
use miyabi_core::session::{Adapter, AgentEvent, SessionEnd, SessionOutcome, SessionSpec};
use miyabi_tests::checks::PERFECT;
use miyabi_tests::env::TestEnv;
use miyabi_tests::model_endpoint::{ModelEndpoint, Turn, bridge_or_say};
use miyabi_tests::sessions::{Watch, boxes, spec, stage, works_below};
use serde_json::json;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");

/// A bridge with a home of its own.
struct Bench {
    root: TempDir,
    options: AgentOptions,
    adapter: Adapter,
    boxes: Arc<dyn Boxes>,
    watch: Watch,
}

impl Bench {
    /// `None`, and a line about it, when the bridge is not installed.
    async fn new(bridge: &str, endpoint: &ModelEndpoint, containment: Containment) -> Option<Self> {
        let program = bridge_or_say(bridge)?;
        let (root, options) = stage(endpoint);
        let boxes = boxes(root.path(), PROGRAM, containment, Limits::default()).await?;
        let adapter = Adapter::Acp(vec![program.display().to_string()]);
        Some(Self { root, options, adapter, boxes, watch: Watch::default() })
    }

    fn path(&self, path: &str) -> String {
        self.root.path().join(path).to_str().unwrap().to_owned()
    }

    fn spec(&self, prompt: &str) -> SessionSpec {
        spec(self.root.path(), self.adapter.clone(), prompt)
    }

    async fn run(&self, spec: &SessionSpec, stop: Stop) -> SessionOutcome {
        let agents = AgentPrograms::new(self.options.clone()).within(Arc::clone(&self.boxes));
        let outcome = agents.run(spec, &self.watch, stop).await;
        assert!(!works_below(self.root.path()), "nothing of it is left running");
        outcome
    }

    fn transcript(&self) -> String {
        fs::read_to_string(self.root.path().join("transcript.jsonl")).unwrap_or_default()
    }
}

fn command(bridge: &str, line: &str) -> Turn {
    match bridge {
        "claude" => Turn::tool("Bash", json!({ "command": line, "description": "as asked" })),
        _ => Turn::tool("exec_command", json!({ "cmd": line })),
    }
}

/// Runs a command and ends; what it would have to ask about is allowed in a box.
#[tokio::test]
async fn works_in_a_box_and_ends() {
    for bridge in ["claude", "codex"] {
        let endpoint = ModelEndpoint::answering(move |asked| match asked.answers {
            0 => command(bridge, "printf '雅\\n' > note.md; echo \"token: $GITHUB_TOKEN.\""),
            _ => Turn::Say("書きました。".to_owned()),
        })
        .await
        .unwrap();
        let Some(bench) = Bench::new(bridge, &endpoint, Containment::Bubblewrap).await else { return };
        let prompt = "「note.md」 を書く: \"quotes\" $(touch x) ${HOME} --help";
        let outcome = bench.run(&bench.spec(prompt), never_stop()).await;
        let said = bench.transcript();
        assert_eq!(outcome.end, SessionEnd::Completed, "{bridge}: {outcome:?}\n{said}");
        assert_eq!(fs::read_to_string(bench.path("worktree/note.md")).unwrap(), "雅\n", "{bridge}: {said}");
        assert_eq!(outcome.last_message.as_deref(), Some("書きました。"), "{bridge}");
        assert!(endpoint.asked()[0].user_text().contains(prompt), "{bridge}");
        assert!(endpoint.asked().last().unwrap().user_text().contains("token: ."), "{bridge}");
        assert_eq!(bench.watch.count(|event| matches!(event, AgentEvent::Named { .. })), 1);
        let began = bench.watch.count(|event| matches!(event, AgentEvent::ToolStarted { .. }));
        let ended = bench.watch.count(|event| matches!(event, AgentEvent::ToolEnded { ok: true }));
        assert_eq!((began, ended), (1, 1), "{bridge}: {said}");
    }
}

/// Without a box its commands are refused, and it says itself that all is well.
#[tokio::test]
async fn without_a_box_commands_are_refused() {
    let endpoint = ModelEndpoint::answering(|asked| match asked.answers {
        0 => command("claude", "echo x > ../outside.txt"),
        _ => Turn::Say("Done.".to_owned()),
    })
    .await
    .unwrap();
    let Some(bench) = Bench::new("claude", &endpoint, Containment::Plain).await else { return };
    let outcome = bench.run(&bench.spec("Write."), never_stop()).await;
    assert_eq!(outcome.end, SessionEnd::Completed, "{outcome:?}\n{}", bench.transcript());
    assert!(!Path::new(&bench.path("outside.txt")).exists());
    assert_eq!(outcome.refusals.len(), 1, "{outcome:?}");
}

#[tokio::test]
async fn a_model_that_fails_is_a_failed_session() {
    for bridge in ["claude", "codex"] {
        let endpoint = ModelEndpoint::answering(move |_| Turn::Status(401)).await.unwrap();
        let Some(bench) = Bench::new(bridge, &endpoint, Containment::Bubblewrap).await else { return };
        let outcome = bench.run(&bench.spec("Write."), never_stop()).await;
        assert!(
            matches!(outcome.end, SessionEnd::Failed { .. }),
            "{bridge}: {outcome:?}\n{}",
            bench.transcript()
        );
    }
}

#[tokio::test]
async fn a_stopped_session_takes_its_tools_along() {
    for bridge in ["claude", "codex"] {
        let line = "trap '' TERM HUP INT; touch begun; exec sleep 1000";
        let endpoint = ModelEndpoint::answering(move |_| command(bridge, line)).await.unwrap();
        let Some(bench) = Bench::new(bridge, &endpoint, Containment::Bubblewrap).await else { return };
        let mut spec = bench.spec("Wait.");
        spec.grace_secs = 1;
        let begun = Path::new(&bench.path("worktree/begun")).to_owned();
        let stop = Box::pin(async move {
            while !begun.exists() {
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(bench.run(&spec, stop).await.end, SessionEnd::Stopped, "{bridge}: {}", bench.transcript());
    }
}

/// An issue from its task to its merge by a program that speaks the protocol.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issue_is_carried_out() {
    let endpoint = ModelEndpoint::answering(|asked| match asked.answers {
        0 => command("codex", "echo 雅 > note.md"),
        _ => Turn::Say("Done.".to_owned()),
    })
    .await
    .unwrap();
    let Some(bench) = Bench::new("codex", &endpoint, Containment::Bubblewrap).await else { return };
    let settings = format!("[agent]\ndefault = \"{}\"\n[policy]\n{PERFECT}", bench.adapter);
    let env = TestEnv::new(PROGRAM, &[("README.md", "# Notes\n"), ("miyabi.toml", &settings)])
        .variable("CODEX_HOME", bench.path("codex"))
        .variable("OPENAI_API_KEY", "no-key");
    env.miyabi(["issue", "new", "--title", "Keep notes", "--body", "Write a note."]).expect(0);
    let ran = tokio::task::block_in_place(|| env.miyabi(["run", "issue", "1"]));
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(env.read("note.md"), "雅\n");
    assert_eq!(env.processes(), Vec::<u32>::new());
}
