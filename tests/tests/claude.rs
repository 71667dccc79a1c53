//! The real Claude Code, run as an agent against a scripted model.
//!
//! `tests/setup-agents.sh` installs it. Without it these tests say so and pass, except where `CI=true`.
//! With `MIYABI_RECORD=true` they write what it printed to `crates/agent/tests/recordings/`.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use miyabi_agent::{AgentOptions, AgentPrograms};
use miyabi_contain::Limits;
use miyabi_core::containment::Containment;
use miyabi_core::ports::{Agents, Boxes, Stop, never_stop};
use miyabi_core::session::{Adapter, AgentEvent, SessionEnd, SessionOutcome, SessionSpec, Usage};
use miyabi_tests::model_endpoint::{
    CACHED_TOKENS, INPUT_TOKENS, ModelEndpoint, OUTPUT_TOKENS, Turn, claude_or_say,
};
use miyabi_tests::sessions::{Watch, boxes, spec, works_below};
use serde_json::json;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");

/// Claude Code with a home of its own.
struct Bench {
    root: TempDir,
    options: AgentOptions,
    watch: Watch,
    boxes: Arc<dyn Boxes>,
}

impl Bench {
    /// `None`, and a line about it, when Claude Code is not installed.
    async fn new(endpoint: &ModelEndpoint) -> Option<Self> {
        Self::at(endpoint, Containment::Bubblewrap).await
    }

    /// The same, kept in at that containment.
    async fn at(endpoint: &ModelEndpoint, containment: Containment) -> Option<Self> {
        let program = claude_or_say()?;
        let root = tempfile::tempdir().unwrap();
        for folder in ["home", "worktree"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        let environment = [
            ("PATH", std::env::var_os("PATH").unwrap()),
            ("HOME", root.path().join("home").into()),
            ("ANTHROPIC_BASE_URL", endpoint.url().into()),
            ("ANTHROPIC_API_KEY", "no-key".into()),
            ("CLAUDE_CODE_MAX_RETRIES", "4".into()),
            ("GITHUB_TOKEN", "not to be seen".into()),
        ];
        let environment = environment.map(|(name, value)| (OsString::from(name), value));
        let mut options = AgentOptions::new(root.path(), environment);
        options.claude.program = program;
        let boxes = boxes(root.path(), PROGRAM, containment, Limits::default()).await?;
        Some(Self { root, options, watch: Watch::default(), boxes })
    }

    fn path(&self, path: &str) -> String {
        self.root.path().join(path).to_str().unwrap().to_owned()
    }

    fn spec(&self, prompt: &str) -> SessionSpec {
        spec(self.root.path(), Adapter::Claude, prompt)
    }

    async fn run(&self, spec: &SessionSpec, stop: Stop) -> SessionOutcome {
        AgentPrograms::new(self.options.clone())
            .within(Arc::clone(&self.boxes))
            .run(spec, &self.watch, stop)
            .await
    }

    /// Nothing of the session runs any more.
    async fn assert_nothing_left(&self, spec: &SessionSpec) {
        self.watch.assert_nothing_left(&self.options, spec).await;
    }

    fn record(&self, name: &str) {
        if std::env::var("MIYABI_RECORD").as_deref() == Ok("true") {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/agent/tests/recordings");
            fs::create_dir_all(&folder).unwrap();
            let text = fs::read_to_string(self.root.path().join("transcript.jsonl")).unwrap();
            let text = text.replace(&self.path(""), "/box/");
            let text = text.replace("/tmp/cc-socks/", "/box/socks/");
            let slug = self.path("worktree").replace(|c: char| !c.is_ascii_alphanumeric(), "-");
            fs::write(folder.join(name), text.replace(&slug, "-box-worktree")).unwrap();
        }
    }
}

fn write(path: String, content: &str) -> Turn {
    Turn::tool("Write", json!({ "file_path": path, "content": content }))
}

fn bash(command: &str) -> Turn {
    Turn::tool("Bash", json!({ "command": command, "description": "as asked" }))
}

#[tokio::test]
async fn writes_a_file_runs_a_command_and_ends() {
    let place = Arc::new(Mutex::new(String::new()));
    let script = Arc::clone(&place);
    let endpoint = ModelEndpoint::answering(move |asked| match asked.answers {
        0 => Turn::Use {
            text: "まず書きます。".to_owned(),
            tool: "Write".to_owned(),
            input: json!({ "file_path": *script.lock().unwrap(), "content": "こんにちは \"$(id)\"\n" }),
        },
        1 => bash("cat hello.txt"),
        2 => bash("curl http://127.0.0.1:9/$(cat hello.txt)"),
        _ => Turn::Say("書きました。".to_owned()),
    })
    .await
    .unwrap();
    // Its own rules are what keeps it in here; in a box it need not ask.
    let Some(bench) = Bench::at(&endpoint, Containment::Plain).await else { return };
    *place.lock().unwrap() = bench.path("worktree/hello.txt");
    let prompt = "「hello.txt」 を書く: \"quotes\" $(touch x) ${HOME} --help";
    let spec = bench.spec(prompt);

    let outcome = bench.run(&spec, never_stop()).await;
    bench.record("work.jsonl");
    assert_eq!(fs::read_to_string(bench.path("worktree/hello.txt")).unwrap(), "こんにちは \"$(id)\"\n");
    assert_eq!(fs::read_dir(&spec.worktree).unwrap().count(), 1);
    assert!(outcome.usage.cost_usd.is_some_and(|cost| cost > 0.0));
    assert_eq!(
        outcome,
        SessionOutcome {
            end: SessionEnd::Completed,
            usage: Usage {
                input_tokens: Some(4 * (INPUT_TOKENS + CACHED_TOKENS)),
                output_tokens: Some(4 * OUTPUT_TOKENS),
                turns: Some(4),
                ..outcome.usage
            },
            last_message: Some("書きました。".to_owned()),
            refusals: outcome.refusals.clone(),
            leftovers: 0,
            duration_ms: outcome.duration_ms,
        }
    );
    assert_eq!(outcome.refusals.len(), 1);
    assert!(outcome.refusals[0].starts_with("Bash curl http://127.0.0.1:9/$(cat hello.txt)"));
    let asked = endpoint.asked();
    assert_eq!(asked.len(), 4);
    assert!(asked[0].user_text().contains(prompt));
    assert!(asked[2].user_text().contains("こんにちは \"$(id)\""), "the command's output");
    bench.assert_nothing_left(&spec).await;
}

#[tokio::test]
async fn a_prompt_of_two_megabytes_arrives() {
    let endpoint = ModelEndpoint::start([Turn::Say("Read.".to_owned())]).await.unwrap();
    let Some(bench) = Bench::new(&endpoint).await else { return };
    let prompt = "長い話 \"$(x)\" ${y}\n".repeat(100_000);
    assert!(prompt.len() > 2_000_000);
    let outcome = bench.run(&bench.spec(&prompt), never_stop()).await;
    assert_eq!(outcome.end, SessionEnd::Completed);
    assert!(endpoint.asked()[0].user_text().contains(prompt.trim_end()));
}

#[tokio::test]
async fn waits_for_a_model_that_comes_back() {
    let turns = [Turn::Status(529), Turn::Status(429), Turn::Cut, Turn::Say("After all.".to_owned())];
    let endpoint = ModelEndpoint::start(turns).await.unwrap();
    let Some(bench) = Bench::new(&endpoint).await else { return };
    let outcome = bench.run(&bench.spec("Wait."), never_stop()).await;
    bench.record("retry.jsonl");
    assert_eq!(outcome.end, SessionEnd::Completed);
    assert_eq!(outcome.last_message.as_deref(), Some("After all."));
    assert_eq!(bench.watch.count(|event| matches!(event, AgentEvent::Waiting { .. })), 3);
}

#[tokio::test]
async fn a_model_that_fails_is_a_failed_session() {
    let endpoint = ModelEndpoint::answering(|_| Turn::Status(500)).await.unwrap();
    let Some(mut bench) = Bench::new(&endpoint).await else { return };
    bench.options.environment.retain(|(name, _)| name != "CLAUDE_CODE_MAX_RETRIES");
    bench.options.environment.push(("CLAUDE_CODE_MAX_RETRIES".into(), "1".into()));
    let outcome = bench.run(&bench.spec("Fail."), never_stop()).await;
    bench.record("api-error.jsonl");
    let SessionEnd::Failed { detail } = outcome.end else { panic!("{outcome:?}") };
    assert!(detail.starts_with("api_error: API Error: 500 scripted failure"), "{detail}");
    assert_eq!(outcome.usage.cost_usd, Some(0.0));
}

#[tokio::test]
async fn a_limit_of_its_own_is_a_failed_session() {
    let endpoint = ModelEndpoint::answering(|_| bash("ls")).await.unwrap();
    let Some(mut bench) = Bench::new(&endpoint).await else { return };
    bench.options.claude.arguments = ["--max-turns", "2"].map(str::to_owned).to_vec();
    let outcome = bench.run(&bench.spec("Go on and on."), never_stop()).await;
    bench.record("max-turns.jsonl");
    let detail = "error_max_turns: Reached maximum number of turns (2)".to_owned();
    assert_eq!(outcome.end, SessionEnd::Failed { detail });
}

#[tokio::test]
async fn a_model_that_never_answers_meets_the_deadline() {
    let endpoint = ModelEndpoint::answering(|_| Turn::Silence).await.unwrap();
    let Some(bench) = Bench::new(&endpoint).await else { return };
    let mut spec = bench.spec("Hello?");
    (spec.deadline_secs, spec.grace_secs) = (5, 5);
    let outcome = bench.run(&spec, never_stop()).await;
    bench.record("silence.jsonl");
    assert_eq!(outcome.end, SessionEnd::TimedOut);
    assert_eq!(outcome.last_message, None);
    bench.assert_nothing_left(&spec).await;
}

#[tokio::test]
async fn a_stopped_session_takes_its_tools_along() {
    let endpoint = ModelEndpoint::answering(|_| bash("./wait.sh")).await.unwrap();
    let Some(mut bench) = Bench::new(&endpoint).await else { return };
    bench.options.claude.allowed_tools.push("Bash(./wait.sh)".to_owned());
    let script = bench.path("worktree/wait.sh");
    fs::write(
        &script,
        "#!/bin/sh\ntrap '' TERM HUP INT\necho $$ > pid.new; mv pid.new pid\nexec sleep 1000\n",
    )
    .unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&script, executable).unwrap();
    let mut spec = bench.spec("Wait.");
    spec.grace_secs = 1;

    let pid = Path::new(&bench.path("worktree/pid")).to_owned();
    let stop = Box::pin(async move {
        while !pid.exists() {
            tokio::task::yield_now().await;
        }
    });
    let outcome = bench.run(&spec, stop).await;
    assert_eq!(outcome.end, SessionEnd::Stopped);
    bench.assert_nothing_left(&spec).await;
    assert!(!works_below(bench.root.path()), "its tools are gone");
}

#[tokio::test]
async fn sessions_run_side_by_side() {
    let endpoint = ModelEndpoint::answering(|asked| {
        let text = asked.user_text();
        let (_, path) = text.split_once("[[").unwrap();
        let (path, _) = path.split_once("]]").unwrap();
        match asked.answers {
            0 => write(path.to_owned(), path),
            _ => Turn::Say(format!("wrote {path}")),
        }
    })
    .await
    .unwrap();
    let mut sessions = Vec::new();
    for _ in 0..3 {
        let Some(bench) = Bench::new(&endpoint).await else { return };
        sessions.push(tokio::spawn(async move {
            let path = bench.path("worktree/並.txt");
            let outcome = bench.run(&bench.spec(&format!("Write [[{path}]].")), never_stop()).await;
            (outcome.end, outcome.last_message, fs::read_to_string(&path).unwrap(), path)
        }));
    }
    for session in sessions {
        let (end, words, content, path) = session.await.unwrap();
        assert_eq!((end, words), (SessionEnd::Completed, Some(format!("wrote {path}"))));
        assert_eq!(content, path);
    }
}
