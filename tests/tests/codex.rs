//! The real Codex, run as an agent against a scripted model.
//!
//! `tests/setup-agents.sh` installs it. Without it these tests say so and pass, except where `CI=true`.
//! With `MIYABI_RECORD=true` they write what it printed to `crates/agent/tests/recordings/`.
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
use miyabi_tests::model_endpoint::{
    CACHED_TOKENS, INPUT_TOKENS, ModelEndpoint, OUTPUT_TOKENS, Turn, codex_or_say,
};
use miyabi_tests::sessions::{Watch, boxes, spec, stage, works_below};
use serde_json::json;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");

/// Codex with a home of its own.
struct Bench {
    root: TempDir,
    options: AgentOptions,
    watch: Watch,
    boxes: Arc<dyn Boxes>,
}

impl Bench {
    /// `None`, and a line about it, when Codex is not installed.
    async fn new(endpoint: &ModelEndpoint, containment: Containment) -> Option<Self> {
        let program = codex_or_say()?;
        let (root, mut options) = stage(endpoint);
        options.codex.program = program;
        let boxes = boxes(root.path(), PROGRAM, containment, Limits::default()).await?;
        Some(Self { root, options, watch: Watch::default(), boxes })
    }

    fn path(&self, path: &str) -> String {
        self.root.path().join(path).to_str().unwrap().to_owned()
    }

    fn spec(&self, prompt: &str) -> SessionSpec {
        spec(self.root.path(), Adapter::Codex, prompt)
    }

    async fn run(&self, spec: &SessionSpec, stop: Stop) -> SessionOutcome {
        let agents = AgentPrograms::new(self.options.clone()).within(Arc::clone(&self.boxes));
        let outcome = agents.run(spec, &self.watch, stop).await;
        self.watch.assert_nothing_left(&self.options, spec).await;
        outcome
    }

    fn record(&self, name: &str) {
        if std::env::var("MIYABI_RECORD").as_deref() == Ok("true") {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/agent/tests/recordings");
            let text = fs::read_to_string(self.root.path().join("transcript.jsonl")).unwrap();
            fs::write(folder.join(name), text.replace(&self.path(""), "/box/")).unwrap();
        }
    }
}

fn command(line: &str) -> Turn {
    Turn::tool("exec_command", json!({ "cmd": line }))
}

/// Writes, looks, is refused what lies outside, and ends; in a box of ours as well, which its own sandbox is then in.
#[tokio::test]
async fn writes_a_file_runs_a_command_and_ends() {
    for containment in [Containment::Plain, Containment::Bubblewrap] {
        let endpoint = ModelEndpoint::answering(|asked| match asked.answers {
            0 => Turn::Use {
                text: "まず書きます。".to_owned(),
                tool: "exec_command".to_owned(),
                input: json!({ "cmd": "printf 'こんにちは\\n' > hello.txt" }),
            },
            2 => command("cat hello.txt; echo \"token: $GITHUB_TOKEN.\""),
            3 => command("echo no > ../outside.txt"),
            _ => Turn::Say("書きました。".to_owned()),
        })
        .await
        .unwrap();
        let Some(bench) = Bench::new(&endpoint, containment).await else { return };
        let prompt = "「hello.txt」 を書く: \"quotes\" $(touch x) ${HOME} --help";
        let spec = bench.spec(prompt);
        let outcome = bench.run(&spec, never_stop()).await;
        bench.record("codex-work.jsonl");
        assert_eq!(outcome.end, SessionEnd::Completed, "{outcome:?}");
        assert_eq!(fs::read_to_string(bench.path("worktree/hello.txt")).unwrap(), "こんにちは\n");
        assert!(!Path::new(&bench.path("outside.txt")).exists(), "its own sandbox holds");
        assert_eq!(outcome.last_message.as_deref(), Some("書きました。"));
        let asked = endpoint.asked();
        assert_eq!(outcome.usage.input_tokens, Some(asked.len() as u64 * (INPUT_TOKENS + CACHED_TOKENS)));
        assert_eq!(outcome.usage.output_tokens, Some(asked.len() as u64 * OUTPUT_TOKENS));
        assert_eq!(outcome.usage.cost_usd, None, "it tells no cost");
        assert!(asked[0].user_text().contains(prompt));
        let seen = asked.last().unwrap().user_text();
        assert!(seen.contains("こんにちは") && seen.contains("token: ."), "{seen}");
    }
}

#[tokio::test]
async fn a_prompt_of_one_megabyte_arrives() {
    let endpoint = ModelEndpoint::start([Turn::Say("Read.".to_owned())]).await.unwrap();
    let Some(bench) = Bench::new(&endpoint, Containment::Plain).await else { return };
    let prompt = "長い話 \"$(x)\" ${y}\n".repeat(30_000);
    let outcome = bench.run(&bench.spec(&prompt), never_stop()).await;
    assert_eq!(outcome.end, SessionEnd::Completed, "{outcome:?}");
    assert!(endpoint.asked()[0].user_text().contains(prompt.trim_end()));
}

#[tokio::test]
async fn a_model_that_fails_is_a_failed_session() {
    for (status, recording) in [(429, Some("codex-limit.jsonl")), (500, None), (401, None)] {
        let endpoint = ModelEndpoint::answering(move |_| Turn::Status(status)).await.unwrap();
        let Some(bench) = Bench::new(&endpoint, Containment::Plain).await else { return };
        let outcome = bench.run(&bench.spec("Fail."), never_stop()).await;
        recording.into_iter().for_each(|name| bench.record(name));
        let SessionEnd::Failed { detail } = outcome.end else { panic!("{status}: {outcome:?}") };
        assert!(detail.starts_with("turn failed: "), "{detail}");
    }
}

#[tokio::test]
async fn waits_for_a_model_that_comes_back() {
    let turns = [Turn::Cut, Turn::Say("After all.".to_owned())];
    let endpoint = ModelEndpoint::start(turns).await.unwrap();
    let Some(bench) = Bench::new(&endpoint, Containment::Plain).await else { return };
    let outcome = bench.run(&bench.spec("Wait."), never_stop()).await;
    bench.record("codex-retry.jsonl");
    assert_eq!(outcome.end, SessionEnd::Completed, "{outcome:?}");
    assert_eq!(outcome.last_message.as_deref(), Some("After all."));
    assert_eq!(bench.watch.count(|event| matches!(event, AgentEvent::Waiting { .. })), 1);
}

/// A request that is taken and never answered: the program's own idle timeout is not relied on.
#[tokio::test]
async fn a_model_that_never_answers_meets_the_deadline() {
    let endpoint = ModelEndpoint::answering(|_| Turn::Silence).await.unwrap();
    let Some(bench) = Bench::new(&endpoint, Containment::Bubblewrap).await else { return };
    let mut spec = bench.spec("Hello?");
    spec.deadline_secs = 5;
    let outcome = bench.run(&spec, never_stop()).await;
    assert_eq!(outcome.end, SessionEnd::TimedOut);
    assert_eq!(outcome.last_message, None);
}

#[tokio::test]
async fn a_stopped_session_takes_its_tools_along() {
    let line = "trap '' TERM HUP INT; echo $$ > pid.new; mv pid.new pid; exec sleep 1000";
    let endpoint = ModelEndpoint::answering(move |_| command(line)).await.unwrap();
    let Some(bench) = Bench::new(&endpoint, Containment::Bubblewrap).await else { return };
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
    assert!(!works_below(bench.root.path()), "its tools are gone");
}

/// An issue from its tasks to its merge, every word of it by Codex: two tasks at once, and the reading of the change.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_issue_is_carried_out_and_read() {
    let Some(program) = codex_or_say() else { return };
    let remarks = json!({ "remarks": [
        { "severity": "medium", "confidence": 70, "file": "notes-1.md", "line": 1, "message": "雅 is missing" },
    ] });
    let endpoint = ModelEndpoint::answering(move |asked| {
        let text = asked.user_text();
        let task = text.split_once("\nTask task-1-").and_then(|(_, rest)| rest.chars().next());
        match task {
            Some(n) if asked.answers == 0 => command(&format!("echo {n} > notes-{n}.md")),
            Some(_) => Turn::Say("Done.".to_owned()),
            None => Turn::Say(format!("```json\n{remarks}\n```")),
        }
    })
    .await
    .unwrap();
    let bench = Bench::new(&endpoint, Containment::Bubblewrap).await.unwrap();
    let settings = format!(
        "[agent]\ndefault = \"codex\"\nreviewer = \"codex\"\ncodex_program = {program:?}\n[policy]\nsimple_below = 0.0\n{PERFECT}"
    );
    let env = TestEnv::new(PROGRAM, &[("README.md", "# Notes\n"), ("miyabi.toml", &settings)])
        .variable("CODEX_HOME", bench.path("codex"))
        .variable("OPENAI_API_KEY", "no-key");
    let body = "- [ ] Write the left note\n- [ ] Write the right note\n";
    env.miyabi(["issue", "new", "--title", "Keep notes", "--body", body]).expect(0);
    let ran = tokio::task::block_in_place(|| env.miyabi(["run", "issue", "1"]));
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.code, Some(0), "{said}");
    let tree = env.git(&["ls-tree", "-r", "--name-only", "main"]);
    assert!(tree.contains("notes-1.md") && tree.contains("notes-2.md"), "{tree}");
    let issue = env.miyabi(["issue", "show", "1", "--json"]).expect(0).stdout;
    assert!(issue.contains("雅 is missing [remark, 70 % sure]"), "{issue}");
    assert_eq!(env.processes(), Vec::<u32>::new());
    let log = env.miyabi(["log", "1", "--json"]).expect(0).json_lines();
    let sessions = log.iter().filter(|event| event["body"]["type"] == "session_started");
    assert!(sessions.clone().all(|event| event["body"]["adapter"] == "codex"));
    assert_eq!(sessions.count(), 3);
}
