//! Runs are remembered, found again, and shown to the agents of later runs.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use miyabi_tests::env::TestEnv;
use miyabi_tests::vectors::endpoint;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");

/// An agent that leaves a test that fails at first, and mends it when it is told; it keeps every prompt.
const AGENT: &str = r#"#!/bin/sh
n=$(ls "$SEEN" | wc -l)
{ cat; cat EXECUTION_CONTEXT.md; } > "$SEEN/$n"
if [ -e tests/farewell.rs ]; then
  printf '//! Farewell.\n#[test]\nfn farewell() {\n    let sum = 1 + 1;\n    assert_eq!(sum, 2);\n}\n' > tests/farewell.rs
else
  mkdir -p tests
  printf '//! Farewell.\n#[test]\nfn farewell() {\n    assert_eq!(1, 2, "E4711 in the farewell");\n}\n' > tests/farewell.rs
fi
"#;

struct Place {
    env: TestEnv,
    seen: PathBuf,
    agent: String,
}

fn place() -> Place {
    let env = TestEnv::with_crate(PROGRAM).variable("MIYABI_AGENT_WRITABLE", "..");
    let seen = env.root().join("seen");
    fs::create_dir(&seen).unwrap();
    let script = env.root().join("agent.sh");
    fs::write(&script, AGENT.replace("$SEEN", seen.to_str().unwrap())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let agent = format!("command:{}", script.display());
    Place { env, seen, agent }
}

impl Place {
    fn run(&self, issue: &str) {
        let ran = self.env.miyabi(["run", "issue", issue, "--agent", &self.agent]);
        assert!([Some(0), Some(11)].contains(&ran.code), "{} {}", ran.stdout, ran.stderr);
    }

    /// Files an issue and carries it out.
    fn carry_out(&self, title: &str, body: &str) {
        let filed =
            self.env.miyabi(["issue", "new", "--title", title, "--body", body, "--json"]).expect(0).json();
        self.run(&filed["number"].to_string());
    }

    fn prompts(&self) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(&self.seen).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort_by_key(|path| path.file_name().unwrap().to_str().unwrap().parse::<u32>().unwrap());
        names.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
    }

    fn export(&self) -> Vec<Value> {
        self.env.miyabi(["knowledge", "export", "--json"]).expect(0).json_lines()
    }
}

#[test]
fn the_second_run_is_told_what_the_first_one_learned() {
    let place = place();
    place.carry_out("Add a farewell", "- [ ] Add a farewell to the greeting");
    assert_eq!(place.prompts().len(), 2, "the first attempt failed");
    assert!(place.prompts().iter().all(|prompt| !prompt.contains("Past work that is like this")));

    let found = place.env.miyabi(["knowledge", "search", "farewell", "E4711", "--json"]).expect(0).json();
    let hits = found["hits"].as_array().unwrap();
    let failed = hits.iter().find(|hit| hit["record"]["kind"] == "attempt").unwrap();
    assert_eq!(failed["record"]["outcome"], "failed", "{failed}");
    assert_eq!(failed["matched"], serde_json::json!(["farewell", "E4711"]));
    let kinds: Vec<&str> = hits.iter().map(|hit| hit["record"]["kind"].as_str().unwrap()).collect();
    assert!(["issue", "plan", "outcome"].iter().all(|kind| kinds.contains(kind)), "{kinds:?}");

    place.carry_out("Add another farewell", "- [ ] Add a second farewell to the greeting");
    let third = &place.prompts()[2];
    assert!(third.contains("Past work that is like this"), "{third}");
    assert!(
        third.contains("- Add a farewell (succeeded, ") || third.contains("- Add a farewell (waiting, "),
        "{third}"
    );
    assert!(third.contains("Lesson: Add a farewell: failed with the task's own checks failed"), "{third}");
    assert!(third.contains("it succeeded with changes in tests/farewell.rs"), "{third}");
    assert!(third.contains("## Similar past work\n\n- Add a farewell "), "{third}");

    let log = place.env.miyabi(["log", "2", "--json"]).expect(0).json_lines();
    let body =
        |kind: &'static str| log.iter().map(|event| &event["body"]).filter(move |body| body["type"] == kind);
    let given = body("session_started").next().unwrap()["given"].clone();
    assert!(given.as_array().is_some_and(|given| !given.is_empty()), "{given}");
    let result = body("step_succeeded").find(|body| body["output"]["session_id"].is_string()).unwrap();
    assert!(result["output"]["given"].is_array(), "{result}");
}

#[test]
fn knowledge_is_made_of_the_log_again() {
    let place = place();
    place.carry_out("Add a farewell", "- [ ] Add a farewell to the greeting");
    let first = place.export();
    assert!(first.len() >= 5, "{first:?}");
    let told = place.env.miyabi(["knowledge", "index"]).expect(0);
    assert!(told.stdout.contains("nothing new"), "{}", told.stdout);
    let told = place.env.miyabi(["knowledge", "index", "--rebuild", "--json"]).expect(0).json();
    assert_eq!(told["runs"], 1, "{told}");
    assert_eq!(place.export(), first);
    fs::remove_dir_all(place.env.repo().join(".miyabi/knowledge")).unwrap();
    assert_eq!(place.export(), first);
    // What lies there may be anything.
    for file in fs::read_dir(place.env.repo().join(".miyabi/knowledge/words-v1/words")).unwrap() {
        fs::write(file.unwrap().path(), b"\xff\xfe broken").unwrap();
    }
    assert_eq!(place.export(), first);
    assert_eq!(place.env.git(&["status", "--porcelain", "--ignored=no"]), "");
    let stats = place.env.miyabi(["knowledge", "stats", "--json"]).expect(0).json();
    assert_eq!((&stats["runs"], &stats["embedder"]), (&1.into(), &"".into()), "{stats}");
    // Into a file, from nothing: people are told that nothing was there.
    fs::remove_dir_all(place.env.repo().join(".miyabi/knowledge")).unwrap();
    let out = place.env.root().join("out.jsonl");
    let ran = place.env.miyabi(["knowledge", "export", "--output", out.to_str().unwrap()]).expect(0);
    assert!(ran.stderr.contains("nothing was known of 1 runs"), "{}", ran.stderr);
    let text = fs::read_to_string(&out).unwrap();
    assert_eq!(text.lines().map(|it| serde_json::from_str(it).unwrap()).collect::<Vec<Value>>(), first);
    let ran = place.env.miyabi(["knowledge", "search", "farewell"]).expect(0);
    assert_eq!(ran.stderr, "", "and not when it is");
}

#[test]
fn policy_and_repositories_keep_the_past_apart() {
    let mut place = place();
    place.env.set("MIYABI_KNOWLEDGE_FOLDER", place.env.root().join("shared").to_str().unwrap());
    place.carry_out("Add a farewell", "- [ ] Add a farewell to the greeting");
    // Another repository with the same folder for knowledge.
    let first = place.env.repo();
    let other = place.env.root().join("other");
    fs::rename(&first, &other).unwrap();
    fs::create_dir(&first).unwrap();
    fs::write(first.join("README.md"), "# Other\n").unwrap();
    place.env.begin();
    fs::rename(&first, place.env.root().join("second")).unwrap();
    let second = place.env.root().join("second");
    let at_second = |arguments: &[&str]| {
        let mut all = vec!["--repo", second.to_str().unwrap()];
        all.extend(arguments);
        place.env.miyabi(all)
    };
    let found = at_second(&["knowledge", "search", "farewell", "--json"]).expect(0).json();
    assert!(!found["hits"].as_array().unwrap().is_empty(), "people find everything: {found}");
    let found =
        at_second(&["knowledge", "search", "farewell", "--in", "local/second", "--json"]).expect(0).json();
    assert_eq!(found["hits"], serde_json::json!([]));
    let title =
        ["issue", "new", "--title", "Add another farewell", "--body", "- [ ] Add a farewell to the greeting"];
    let cases = [
        ("", false, false),
        ("[policy]\nknowledge_see = [\"local/*\"]\n", true, true),
        ("[policy]\nknowledge_tokens = 0\n", false, false),
    ];
    for ((settings, first_is_seen, any_is_seen), number) in cases.into_iter().zip(1..) {
        fs::write(second.join("miyabi.toml"), settings).unwrap();
        at_second(&title).expect(0);
        let before = place.prompts().len();
        at_second(&["run", "issue", &number.to_string(), "--agent", &place.agent]);
        let prompt = &place.prompts()[before];
        assert_eq!(prompt.contains("local/repo run 1"), first_is_seen, "{settings}: {prompt}");
        assert_eq!(prompt.contains("Past work that is like this"), any_is_seen, "{settings}: {prompt}");
    }
}

#[test]
fn an_endpoint_for_vectors_finds_by_meaning() {
    let mut place = place();
    place.carry_out("Add a farewell", "- [ ] Add a farewell to the greeting");
    let search = |place: &Place| place.env.miyabi(["knowledge", "search", "goodbye", "--json"]).expect(0);
    assert_eq!(search(&place).json()["hits"], serde_json::json!([]), "no word of it is there");
    place.env.write("miyabi.toml", "[knowledge]\nembed_model = \"two\"\nembed_dimensions = 2\n");
    place.env.set("MIYABI_EMBEDDINGS_URL", endpoint());
    let hit = search(&place).json()["hits"][0].clone();
    assert_eq!((&hit["dense"]["rank"], &hit["lexical"]), (&1.into(), &Value::Null), "{hit}");
    let stats = place.env.miyabi(["knowledge", "stats", "--json"]).expect(0).json();
    assert_eq!(
        (&stats["embedder"], &stats["chunks"]),
        (&"two (2 dimensions)".into(), &stats["vectors"]),
        "{stats}"
    );
    // Of another length than was said, and not there at all.
    place.env.write("miyabi.toml", "[knowledge]\nembed_model = \"two\"\nembed_dimensions = 3\n");
    let ran = place.env.miyabi(["knowledge", "search", "farewell"]).expect(0);
    assert!(
        ran.stderr.contains("makes vectors of 2 numbers, not of 3") && ran.stdout.contains("Add a farewell"),
        "{}",
        ran.stderr
    );
    place.env.set("MIYABI_EMBEDDINGS_URL", "http://127.0.0.1:9/v1");
    let ran = place.env.miyabi(["knowledge", "search", "farewell"]).expect(0);
    assert!(
        ran.stderr.contains("searched by words alone") && ran.stdout.contains("Add a farewell"),
        "{}",
        ran.stderr
    );
    place.env.write("miyabi.toml", "");
    let ran = place.env.miyabi(["knowledge", "stats"]);
    assert!(ran.code != Some(0) && ran.stderr.contains("no model for vectors is named"), "{}", ran.stderr);
}

#[cfg(not(feature = "local-model"))]
#[test]
fn a_model_in_a_folder_wants_a_miyabi_that_can() {
    let place = place();
    place.env.write("miyabi.toml", "[knowledge]\nembed_folder = \"models/small\"\n");
    let ran = place.env.miyabi(["knowledge", "search", "farewell"]).expect(1);
    for part in
        ["`knowledge.embed_folder`", "/models/small`", "--features local-model", "MIYABI_EMBEDDINGS_URL"]
    {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
}

#[test]
fn wrong_input_is_told() {
    let place = place();
    for (arguments, part) in [
        (&["knowledge", "search"][..], "<QUERY>"),
        (&["knowledge", "search", " "], "nothing in it to look for"),
        (&["knowledge", "search", "x", "--kind", "opinion"], "issue, plan, attempt"),
        (&["knowledge", "search", "x", "--outcome", "good"], "succeeded"),
        (&["knowledge", "search", "x", "--limit", "0"], "1..=100"),
    ] {
        let ran = place.env.miyabi(arguments).expect(2);
        assert!(ran.stderr.contains(part), "{arguments:?}: {}", ran.stderr);
    }
    let ran = place.env.miyabi(["knowledge", "search", "x", "--since", "昨日"]).expect(1);
    assert!(ran.stderr.contains("`昨日` is no time"), "{}", ran.stderr);
    let ran = place.env.miyabi(["knowledge", "search", "nothing like it"]).expect(0);
    assert_eq!(ran.stdout.trim(), "nothing like it is known");
    let out = place.env.root().join("out.jsonl");
    fs::write(&out, "mine").unwrap();
    let ran = place.env.miyabi(["knowledge", "export", "--output", out.to_str().unwrap()]);
    assert!(ran.code != Some(0) && fs::read_to_string(&out).unwrap() == "mine", "{}", ran.stderr);
    place.env.write("miyabi.toml", "[knowledge]\nenabled = false\n");
    let ran = place.env.miyabi(["knowledge", "stats"]).expect(1);
    assert!(ran.stderr.contains("knowledge is switched off"), "{}", ran.stderr);
}
