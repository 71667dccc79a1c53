//! The real Claude Code, driven by the program, on `fnv`; the model answers from a script.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use miyabi_tests::env::TestEnv;
use miyabi_tests::model_endpoint::{
    Asked, CACHED_TOKENS, INPUT_TOKENS, ModelEndpoint, OUTPUT_TOKENS, Turn, claude_or_say,
};
use miyabi_tests::published::Published;
use serde_json::{Value, json};

use super::PROGRAM;
use super::common::{Before, SETTINGS, file_issue, log, of_type, outputs, report, run};

/// 370 lines in one file of the 2015 edition, not formatted, with documentation tests.
const FNV: Published = Published { name: "fnv", version: "1.0.7", ignore: "/target\n/Cargo.lock\n" };

const VECTORS: &str = r#"//! The vectors that the authors of the function publish.

extern crate fnv;

use std::hash::Hasher;

#[test]
fn published_vectors() {
    for &(text, expected) in &[
        ("", 0xcbf29ce484222325),
        ("a", 0xaf63dc4c8601ec8c),
        ("foobar", 0x85944171f73967e8u64),
    ] {
        let mut hasher = fnv::FnvHasher::default();
        hasher.write(text.as_bytes());
        assert_eq!(hasher.finish(), expected, "{}", text);
    }
}
"#;
const KEYS: &str = r#"//! Maps with keys that are no ASCII.

extern crate fnv;

#[test]
fn keys_of_all_scripts() {
    let mut map = fnv::FnvHashMap::default();
    for key in ["雅", "みやび", "\"$(id)\"", ""] {
        assert_eq!(map.insert(key, key.len()), None, "{}", key);
    }
    assert_eq!(map["みやび"], 9);
}
"#;
const WORD: &str = r#"//! Prints the hash of a word.

extern crate fnv;

use std::hash::Hasher;

fn main() {
    let mut hasher = fnv::FnvHasher::default();
    hasher.write("雅".as_bytes());
    println!("{:016x}", hasher.finish());
}
"#;
const MARKER: &str = "/// A builder for default FNV hashers.\n";
const HASH: &str = r#"/// Hashes bytes in one call.
///
/// ```
/// assert_eq!(fnv::hash(b"a"), 0xaf63dc4c8601ec8c);
/// ```
pub fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(bytes);
    hasher.finish()
}

"#;

/// The files of the first three tasks, which do not wait for one another.
const FILES: [(&str, &str); 3] =
    [("tests/vectors.rs", VECTORS), ("tests/keys.rs", KEYS), ("examples/word.rs", WORD)];

/// What each session does; the last question of a conversation is answered with words.
fn work(worktrees: &Path, task: usize, answers: usize) -> Turn {
    let path = |name: &str| worktrees.join(format!("issue-1-task{task}")).join(name);
    let test =
        || Turn::tool("Bash", json!({ "command": "cargo test --quiet", "description": "Run the tests" }));
    match (FILES.get(task - 1), answers) {
        (Some((name, text)), 0) => Turn::Use {
            text: "書きます。".to_owned(),
            tool: "Write".to_owned(),
            input: json!({ "file_path": path(name), "content": text }),
        },
        (None, 0) => Turn::tool("Read", json!({ "file_path": path("lib.rs") })),
        (None, 1) => {
            let new = format!("{HASH}{MARKER}");
            Turn::tool(
                "Edit",
                json!({ "file_path": path("lib.rs"), "old_string": MARKER, "new_string": new }),
            )
        }
        (Some(_), 1) | (None, 2) => test(),
        _ => Turn::Say(format!("Task {task} is done, and the tests pass.")),
    }
}

/// A place where sessions wait for one another: each is answered when all are there.
#[derive(Default)]
struct Meeting {
    here: Mutex<BTreeSet<usize>>,
    all: Condvar,
}

impl Meeting {
    /// Whether so many were there at the same time. Gives up after a minute: those that come one after the other never
    /// meet.
    fn with_others(&self, who: usize, how_many: usize) -> bool {
        let mut here = self.here.lock().unwrap();
        here.insert(who);
        self.all.notify_all();
        let wait = self.all.wait_timeout_while(here, Duration::from_secs(60), |here| here.len() < how_many);
        !wait.unwrap().1.timed_out()
    }
}

/// An environment with the crate, in which `miyabi` finds Claude Code and Claude Code finds the model.
fn environment(claude: &Path, endpoint: &ModelEndpoint) -> TestEnv {
    with_model(TestEnv::with_published(PROGRAM, &FNV, &[("miyabi.toml", SETTINGS)]), claude, endpoint)
}

/// The same for any environment. Where the program is, is a person's own setting.
pub(crate) fn with_model(env: TestEnv, claude: &Path, endpoint: &ModelEndpoint) -> TestEnv {
    let folder = env.home().join(".config/miyabi");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), format!("[agent]\nclaude_program = {:?}\n", claude)).unwrap();
    env.variable("ANTHROPIC_BASE_URL", endpoint.url()).variable("ANTHROPIC_API_KEY", "no-key")
}

/// The number in `task-1-<n>` that the prompt of a session begins with.
fn task_of(asked: &Asked) -> usize {
    let text = asked.user_text();
    let (_, rest) = text.split_once("\nTask task-1-").expect("the prompt names its task");
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn claude_code_does_four_tasks_on_fnv_three_of_them_at_once() {
    let Some(claude) = claude_or_say() else { return };
    let worktrees = Arc::new(Mutex::new(PathBuf::new()));
    let (place, meeting) = (Arc::clone(&worktrees), Meeting::default());
    let endpoint = ModelEndpoint::answering(move |asked| {
        let task = task_of(asked);
        let alone = task <= FILES.len()
            && asked.answers == 0
            && !tokio::task::block_in_place(|| meeting.with_others(task, FILES.len()));
        if alone { Turn::Status(400) } else { work(&place.lock().unwrap(), task, asked.answers) }
    })
    .await
    .unwrap();
    let env = environment(&claude, &endpoint);
    *worktrees.lock().unwrap() = env.repo().join(".worktrees");
    let before = Before::of(&env);
    let library = env.read("lib.rs").replacen(MARKER, &format!("{HASH}{MARKER}"), 1);
    let body = "- [ ] Check the published vectors\n- [ ] Check keys that are no ASCII\n\
        - [ ] Add an example that hashes a word\n- [ ] Add a function that hashes bytes (depends on 1, 2, 3)\n";
    let issue = file_issue(&env, "Make hashing one value easy", body);
    run(&env, issue, "claude").expect(0);

    let files = [&FILES[..], &[("lib.rs", library.as_str())]].concat();
    before.assert_landed(&env, issue, &files, 3);
    let asked = endpoint.asked();
    assert_eq!(asked.len(), 3 * 3 + 4, "a file, a command and an end; once with reading first");
    for task in 1..=4 {
        let last =
            asked.iter().filter(|asked| task_of(asked) == task).max_by_key(|asked| asked.answers).unwrap();
        assert!(last.user_text().contains("test result: ok."), "it ran the tests: {}", last.user_text());
    }
    let log = log(&env);
    assert_eq!(of_type(&log, "step_failed"), Vec::<&Value>::new());
    assert_eq!(of_type(&log, "session_ended").len(), 4);
    for (task, turns) in [(1, 3), (2, 3), (3, 3), (4, 4)] {
        let [result] = outputs(&log, &format!("task-{issue}-{task}"))[..] else { panic!("one result") };
        assert_eq!(result["last_message"], format!("Task {task} is done, and the tests pass."));
        let tokens = turns * (INPUT_TOKENS + CACHED_TOKENS + OUTPUT_TOKENS);
        assert_eq!(result["tokens"], tokens, "as the program states them");
        assert!(result["cost_usd"].as_f64().unwrap() > 0.0);
    }
    let report = report(&env);
    assert_eq!((&report["agent"], &report["sessions"]), (&"claude".into(), &4.into()));
    assert_eq!(report["usage"]["input_tokens"], 13 * (INPUT_TOKENS + CACHED_TOKENS));
    assert_eq!(report["usage"]["turns"], 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn claude_code_that_was_refused_and_says_it_wrote_fails_as_no_changes() {
    let Some(claude) = claude_or_say() else { return };
    let outside = Arc::new(Mutex::new(Vec::new()));
    let places = Arc::clone(&outside);
    let endpoint = ModelEndpoint::answering(move |asked| {
        let places: MutexGuard<'_, Vec<PathBuf>> = places.lock().unwrap();
        match places.get(asked.answers) {
            Some(place) => Turn::tool("Write", json!({ "file_path": place, "content": "外\n" })),
            None => Turn::Say("I have written the files, and every test passes.".to_owned()),
        }
    })
    .await
    .unwrap();
    // Its own rules are what keeps it in here; in a box it need not ask.
    let env = environment(&claude, &endpoint).variable("MIYABI_POLICY_CONTAINMENT", "off");
    // Beside the repository, in the main checkout, and in the worktree of all tasks.
    let places = ["outside.txt", "repo/outside.txt", "repo/.worktrees/issue-1/outside.txt"];
    let places = places.map(|place| env.root().join(place));
    *outside.lock().unwrap() = places.to_vec();
    let tree = env.tree("main");
    let issue = file_issue(&env, "Write a note", "One note.");
    let ran = run(&env, issue, "claude").expect(10);
    assert!(format!("{ran:?}").contains("git shows no change"), "{ran:?}");

    for place in &places {
        assert!(!place.exists(), "nothing is written outside of the worktree: {}", place.display());
    }
    let log = log(&env);
    let [failed] = of_type(&log, "step_failed")[..] else { panic!("{log:#?}") };
    assert_eq!((&failed["step"], &failed["failure"]["class"]), (&"task-1-1".into(), &"no_changes".into()));
    let evidence = failed["failure"]["evidence"].as_array().unwrap();
    for (place, line) in places.iter().zip(evidence) {
        let refused = format!("refused: Write {}", place.display());
        assert!(line.as_str().unwrap().starts_with(&refused), "{evidence:?}");
    }
    assert_eq!(evidence[3..], ["it said: I have written the files, and every test passes."]);
    assert_eq!(of_type(&log, "session_ended").len(), 1, "it is not asked the same again");
    assert_eq!(env.tree("main"), tree);
    assert_eq!(env.worktrees(), ["issue-1", "issue-1-task1"], "kept to look at");
    assert_eq!(env.processes(), Vec::<u32>::new());
    let shown = env.miyabi(["issue", "show", "1", "--json"]).expect(0).json();
    assert_eq!(shown["issue"]["open"], true);
}
