//! Models without tools, over the protocol of each provider, with git and real worktrees: they are shown files, answer
//! with patches, and are told what does not fit.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use miyabi_agent::{AgentOptions, AgentPrograms};
use miyabi_core::ports::{Agents, Stop, never_stop};
use miyabi_core::redact::Redactor;
use miyabi_core::session::{AgentEvent, SessionEnd, SessionOutcome, SessionSpec, Wanted};
use miyabi_git::{GitWorktrees, Options};
use miyabi_model::EndpointModels;
use miyabi_tests::checks::PERFECT;
use miyabi_tests::env::TestEnv;
use miyabi_tests::model_endpoint::chat::EPISODE;
use miyabi_tests::model_endpoint::{Asked, CACHED_TOKENS, INPUT_TOKENS, ModelEndpoint, OUTPUT_TOKENS, Turn};
use miyabi_tests::sessions::{Watch, spec};
use serde_json::json;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
const ROUTES: [&str; 3] = ["anthropic/a-model", "openai/a-model", "tensorzero/mend"];
const SECRET: &str = "とても秘密の言葉";

/// A checkout, and a model that is asked over one of the protocols.
struct Bench {
    root: TempDir,
    agents: AgentPrograms,
    endpoint: ModelEndpoint,
    watch: Watch,
}

impl Bench {
    async fn new(script: impl Fn(&Asked) -> Turn + Send + Sync + 'static) -> Self {
        let endpoint = ModelEndpoint::without_tools(script).await.unwrap();
        let root = tempfile::tempdir().unwrap();
        let worktree = root.path().join("worktree");
        fs::create_dir_all(worktree.join("src")).unwrap();
        fs::write(worktree.join("src/lib.rs"), "pub fn one() -> u32 {\n    1\n}\n").unwrap();
        fs::write(worktree.join("雅.md"), format!("# 雅\n\n{SECRET}\n")).unwrap();
        fs::write(worktree.join("AGENTS.md"), "Keep it short.\n").unwrap();
        for arguments in [&["init", "--quiet"][..], &["add", "-A"], &["commit", "-qm", "Begin"]] {
            let author = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
            let git = Command::new("git").current_dir(&worktree).args(author).args(arguments).status();
            assert!(git.unwrap().success());
        }
        let address = endpoint.url().to_owned();
        let variable = move |name: &str| match name {
            "ANTHROPIC_BASE_URL" | "MIYABI_TENSORZERO_URL" => Some(address.clone()),
            "OPENAI_BASE_URL" => Some(format!("{address}/v1")),
            "ANTHROPIC_API_KEY" | "OPENAI_API_KEY" | "MIYABI_TENSORZERO_API_KEY" => {
                Some("the key".to_owned())
            }
            _ => None,
        };
        let models = Arc::new(EndpointModels::new(variable));
        let git = Arc::new(GitWorktrees::open(&worktree, Options::default()).unwrap());
        let mut options = AgentOptions::new(root.path(), []);
        options.llm.pause = Duration::from_millis(1);
        let agents = AgentPrograms::new(options)
            .with_models(models, git)
            .redacting(Arc::new(Redactor::new([SECRET.to_owned()])));
        Self { root, agents, endpoint, watch: Watch::default() }
    }

    fn spec(&self, routes: &str, prompt: &str) -> SessionSpec {
        spec(self.root.path(), format!("llm:{routes}").parse().unwrap(), prompt)
    }

    async fn run(&self, spec: &SessionSpec, stop: Stop) -> SessionOutcome {
        self.agents.run(spec, &self.watch, stop).await
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root.path().join(path)).unwrap_or_default()
    }

    fn status(&self) -> String {
        let worktree = self.root.path().join("worktree");
        let git = Command::new("git").current_dir(worktree).args(["status", "--short"]).output().unwrap();
        String::from_utf8(git.stdout).unwrap()
    }
}

/// All that one request says.
fn text(asked: &Asked) -> String {
    format!("{}{}", asked.body["system"], asked.user_text())
}

fn patch(old: &str) -> String {
    format!(
        "Two is better.\n\n```diff\n--- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -1,3 +1,3 @@\n pub fn one() -> u32 {{\n-    {old}\n+    2\n }}\n```\n"
    )
}

/// It asks for a file, writes a patch that does not fit, is told why, and writes one that fits.
#[tokio::test]
async fn a_patch_comes_to_fit_over_every_protocol() {
    for route in ROUTES {
        let bench = Bench::new(|asked| {
            Turn::Say(match asked.answers {
                0 => json!({ "need": ["src/lib.rs", "../outside", "none.rs"] }).to_string(),
                1 => patch("one"),
                _ => patch("1"),
            })
        })
        .await;
        let outcome = bench.run(&bench.spec(route, "Make it two: 「二」 ${HOME} $(id)"), never_stop()).await;
        let transcript = bench.read("transcript.jsonl");
        assert_eq!(outcome.end, SessionEnd::Completed, "{route}: {outcome:?}\n{transcript}");
        assert_eq!(bench.read("worktree/src/lib.rs"), "pub fn one() -> u32 {\n    2\n}\n", "{route}");
        assert_eq!(bench.status(), " M src/lib.rs\n", "{route}");
        assert_eq!(outcome.last_message, Some(patch("1")), "{route}");
        assert_eq!(outcome.usage.input_tokens, Some(3 * (INPUT_TOKENS + CACHED_TOKENS)), "{route}");
        assert_eq!(outcome.usage.output_tokens, Some(3 * OUTPUT_TOKENS), "{route}");
        assert_eq!((outcome.usage.turns, outcome.leftovers), (Some(3), 0));
        let asked = bench.endpoint.asked();
        assert_eq!(asked.len(), 3, "{route}: {transcript}");
        let [first, second, third] = [0, 1, 2].map(|turn: usize| text(&asked[turn]));
        // The task, the page for programs, and the list of files; no other file.
        assert!(first.contains("Make it two: 「二」 ${HOME} $(id)"), "{first}");
        assert!(first.contains("Keep it short.") && first.contains("\nsrc/lib.rs\n"), "{first}");
        assert!(!first.contains("pub fn one()"), "{first}");
        assert!(second.contains("pub fn one() -> u32 {\n    1\n}"), "{second}");
        assert!(second.contains("- ../outside\n- none.rs\n"), "{second}");
        assert!(third.contains("src/lib.rs:1: these lines are not there as the hunk has them"), "{third}");
        assert!(asked.iter().all(|asked| asked.key == "the key" && asked.body["stream"] == true));
        assert!(!transcript.contains("the key"), "{transcript}");
        let named = bench.watch.count(|event| matches!(event, AgentEvent::Named { .. }));
        assert_eq!(named, if route.starts_with("tensorzero") { 1 } else { 3 }, "{route}");
        if route.starts_with("tensorzero") {
            assert_eq!(asked[0].target, "/openai/v1/chat/completions");
            assert_eq!(asked[0].body["model"], "tensorzero::function_name::mend");
            assert!(asked[0].body["tensorzero::tags"]["miyabi_run"].is_string(), "{}", asked[0].body);
            assert_eq!(asked[0].body["tensorzero::episode_id"], json!(null));
            assert_eq!(asked[2].body["tensorzero::episode_id"], EPISODE);
        }
    }
}

/// What a patch may not do is told to the model and to whoever reads the outcome, and nothing of it happens.
#[tokio::test]
async fn a_patch_that_may_not_be_is_refused() {
    let bench = Bench::new(|asked| {
        let new =
            |path: &str| Turn::Say(format!("```diff\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n```"));
        match asked.answers {
            0 => new("../outside"),
            1 => new(".git/hooks/pre-commit"),
            2 => new(".github/workflows/evil.yml"),
            _ => new("fine.txt"),
        }
    })
    .await;
    let outcome = bench.run(&bench.spec("openai/m", "Do it."), never_stop()).await;
    assert_eq!(outcome.end, SessionEnd::Completed, "{outcome:?}");
    assert_eq!(bench.status(), "?? fine.txt\n");
    assert!(!bench.root.path().join("outside").exists());
    assert_eq!(outcome.refusals.len(), 3, "{outcome:?}");
    assert!(text(&bench.endpoint.asked()[3]).contains("definitions of CI are changed by people"));
}

/// Busy, broken, cut in the middle, and refused: asked again, and then another model is.
#[tokio::test]
async fn another_model_answers_for_one_that_does_not() {
    for (trouble, asked_first) in
        [(Turn::Status(429), 4), (Turn::Status(500), 4), (Turn::Cut, 4), (Turn::Status(401), 1)]
    {
        let bench = Bench::new(move |asked| match asked.body["model"].as_str() {
            Some("first") => trouble.clone(),
            _ => Turn::Say(patch("1")),
        })
        .await;
        let outcome = bench.run(&bench.spec("openai/first,anthropic/second", "Do it."), never_stop()).await;
        assert_eq!(outcome.end, SessionEnd::Completed, "{outcome:?}");
        let first = bench.endpoint.asked().iter().filter(|asked| asked.body["model"] == "first").count();
        assert_eq!(first, asked_first);
        assert_eq!(bench.status(), " M src/lib.rs\n");
    }
}

#[tokio::test]
async fn nobody_who_answers_is_a_failure_that_says_why() {
    let bench = Bench::new(|_| Turn::Status(403)).await;
    let outcome = bench.run(&bench.spec("openai/a,anthropic/b", "Do it."), never_stop()).await;
    let detail = "anthropic/b: the model's provider refuses the login: status 403: scripted failure";
    assert_eq!(outcome.end, SessionEnd::Failed { detail: detail.to_owned() });
    let talker = Bench::new(|_| Turn::Say("I would rather talk.".to_owned())).await;
    let outcome = talker.run(&talker.spec("openai/a", "Do it."), never_stop()).await;
    let detail = "after 12 answers there was no patch that fits".to_owned();
    assert_eq!(outcome.end, SessionEnd::Failed { detail });
    assert_eq!(talker.status(), "");
}

/// A model that can take in little is shown less of the files until it is little enough.
#[tokio::test]
async fn a_question_that_is_too_long_is_made_shorter() {
    let bench =
        Bench::new(
            |asked| {
                if asked.user_text().len() > 60_000 { Turn::Status(400) } else { Turn::Say(patch("1")) }
            },
        )
        .await;
    fs::write(bench.root.path().join("worktree/large.txt"), "word ".repeat(36_000)).unwrap();
    fs::write(bench.root.path().join("worktree/small.txt"), "small but named\n").unwrap();
    let spec = bench.spec("openai/a", "Read large.txt and small.txt and src/lib.rs.");
    let outcome = bench.run(&spec, never_stop()).await;
    assert_eq!(outcome.end, SessionEnd::Completed, "{outcome:?}");
    let asked: Vec<String> = bench.endpoint.asked().iter().map(Asked::user_text).collect();
    assert_eq!(asked.len(), 2);
    assert!(asked[0].contains("word word") && !asked[1].contains("word word"));
    assert!(asked[1].contains("small but named") && asked[1].contains("- large.txt"), "{}", asked[1]);
}

/// What is secret goes neither to the model nor into a file of ours.
#[tokio::test]
async fn secrets_go_neither_way() {
    let bench = Bench::new(|_| Turn::Say(format!("I know {SECRET}.\n{}", patch("1")))).await;
    let spec = bench.spec("anthropic/a", &format!("The word is {SECRET}; see 雅.md."));
    let outcome = bench.run(&spec, never_stop()).await;
    assert_eq!(outcome.end, SessionEnd::Completed);
    let asked = text(&bench.endpoint.asked()[0]);
    assert!(asked.contains("# 雅") && asked.matches("[redacted:value]").count() == 2, "{asked}");
    assert!(!asked.contains(SECRET));
    let kept = format!("{}{:?}", bench.read("transcript.jsonl"), outcome.last_message);
    assert!(kept.contains("I know [redacted:value].") && !kept.contains(SECRET), "{kept}");
}

/// Silence ends a try, and the request to stop ends the session at once.
#[tokio::test]
async fn silence_is_noticed_and_a_stop_is_heard() {
    let bench = Bench::new(|asked| match asked.body["model"].as_str() {
        Some("mute") => Turn::Silence,
        _ => Turn::Say(patch("1")),
    })
    .await;
    let mut spec = bench.spec("openai/mute,openai/other", "Do it.");
    spec.stall_secs = 1;
    assert_eq!(bench.run(&spec, never_stop()).await.end, SessionEnd::Completed);
    let waits = bench.watch.count(
        |event| matches!(event, AgentEvent::Waiting { reason } if reason.contains("nothing came for 1 s")),
    );
    assert_eq!(waits, 4);

    let (heard, asked) = tokio::sync::oneshot::channel();
    let heard = std::sync::Mutex::new(Some(heard));
    let bench = Bench::new(move |_| {
        if let Some(heard) = heard.lock().unwrap().take() {
            heard.send(()).unwrap();
        }
        Turn::Silence
    })
    .await;
    let stop: Stop = Box::pin(async move { asked.await.unwrap() });
    assert_eq!(bench.run(&bench.spec("openai/mute", "Do it."), stop).await.end, SessionEnd::Stopped);
}

/// Where words are wanted, words are the answer, whatever they look like; JSON is what the schema says.
#[tokio::test]
async fn words_and_json_are_answers_too() {
    let bench = Bench::new(|_| Turn::Say(patch("1"))).await;
    let mut spec = bench.spec("anthropic/a", "Read it.");
    for wanted in [Wanted::Words, Wanted::Json(json!({ "type": "object" }))] {
        spec.wanted = wanted;
        let outcome = bench.run(&spec, never_stop()).await;
        assert_eq!((outcome.end, outcome.last_message), (SessionEnd::Completed, Some(patch("1"))));
    }
    assert_eq!(bench.status(), "", "nothing was applied");
    let asked: Vec<_> = bench.endpoint.asked().iter().map(text).collect();
    assert!(
        asked[0].contains("Answer with what you are asked for") && asked[1].contains("JSON Schema"),
        "{asked:?}"
    );
}

/// An issue from its analysis to its merge, all of it by models without tools; and what is missing is said before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issue_is_carried_out() {
    let analysed = AtomicUsize::new(0);
    let endpoint = ModelEndpoint::without_tools(move |asked| {
        let system = asked.body["messages"][0]["content"].as_str().unwrap_or_default();
        let task = |number: u64, file: &str| {
            json!({ "id": format!("task-1-{number}"), "title": format!("Write {file}"), "kind": "docs",
                "estimate_minutes": 5, "acceptance": ["It is there."], "files": [file] })
        };
        Turn::Say(if system.contains("\"complexity\"") {
            // The first answer is none, and is asked for once more.
            match analysed.fetch_add(1, Ordering::Relaxed) {
                0 => "It looks simple to me.".to_owned(),
                _ => json!({ "complexity": 4.5, "kind": "docs", "security": "low", "estimate_minutes": 10,
                    "areas": ["notes"], "reasons": ["Two notes."], "analyst": "" })
                .to_string(),
            }
        } else if system.contains("\"tasks\"") {
            json!({ "tasks": [task(1, "a.md"), task(2, "b.md")] }).to_string()
        } else {
            let file = if asked.user_text().contains("Write a.md") { "a.md" } else { "b.md" };
            format!("```diff\n--- /dev/null\n+++ b/{file}\n@@ -0,0 +1 @@\n+雅\n```")
        })
    })
    .await
    .unwrap();
    let adapter = "llm:openai/a-model";
    let settings = format!("[agent]\ndefault = \"{adapter}\"\nplanner = \"{adapter}\"\n[policy]\n{PERFECT}");
    let env = TestEnv::new(PROGRAM, &[("README.md", "# Notes\n"), ("miyabi.toml", &settings)]);
    env.miyabi(["issue", "new", "--title", "Keep notes", "--body", "Write two notes."]).expect(0);
    let without = env.miyabi(["run", "issue", "1"]);
    assert_eq!(without.code, Some(20), "{}{}", without.stdout, without.stderr);
    assert!(without.stderr.contains("set OPENAI_API_KEY in miyabi's environment"), "{}", without.stderr);
    // What is set for others hinders nobody who does not need it.
    let elsewhere = env.program(["issue", "list"]).env("OPENAI_BASE_URL", "localhost").output().unwrap();
    assert!(elsewhere.status.success(), "{elsewhere:?}");
    let env = env.variable("OPENAI_BASE_URL", format!("{}/v1", endpoint.url()));
    let ran = tokio::task::block_in_place(|| env.miyabi(["run", "issue", "1"]));
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert_eq!((env.read("a.md"), env.read("b.md")), ("雅\n".to_owned(), "雅\n".to_owned()));
}
