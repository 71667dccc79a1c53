//! A miyabi that is built with local models finds by meaning what a model in a folder makes of it, with no server.
#![cfg(feature = "local-model")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use miyabi_tests::env::TestEnv;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");

/// Does what it is asked.
const AGENT: &str = r"#!/bin/sh
mkdir -p tests
printf '//! Farewell.\n#[test]\nfn farewell() {\n    let sum = 1 + 1;\n    assert_eq!(sum, 2);\n}\n' > tests/farewell.rs
";

/// Where the model is; none where it is not installed, which is said. On CI it has to be there.
#[expect(clippy::print_stdout, reason = "people are to see which test did not run")]
fn model() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/model");
    let place = std::env::var_os("MIYABI_MODEL_DIR").map_or(target, PathBuf::from);
    if place.join("installed").is_file() {
        return Some(place.join("all-minilm-l6-v2"));
    }
    let missing = "the sentence model is not installed: run tests/setup-model.sh";
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    println!("skipped: {missing}");
    None
}

#[test]
fn a_folder_with_a_model_finds_by_meaning() {
    let Some(model) = model() else { return };
    let mut env = TestEnv::with_crate(PROGRAM);
    let script = env.root().join("agent.sh");
    fs::write(&script, AGENT).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let body = "- [ ] Add a farewell to the greeting";
    env.miyabi(["issue", "new", "--title", "Add a farewell", "--body", body]).expect(0);
    let ran = env.miyabi(["run", "issue", "1", "--agent", &format!("command:{}", script.display())]);
    assert!([Some(0), Some(11)].contains(&ran.code), "{} {}", ran.stdout, ran.stderr);

    let search = |env: &TestEnv| env.miyabi(["knowledge", "search", "goodbye", "--json"]).expect(0).json();
    assert_eq!(search(&env)["hits"], serde_json::json!([]), "no word of it is there");
    // What a folder is named by counts from the repository on.
    std::os::unix::fs::symlink(&model, env.root().join("model")).unwrap();
    env.write("miyabi.toml", "[knowledge]\nembed_folder = \"../model\"\n");
    let found = search(&env);
    let hit = &found["hits"][0];
    assert_eq!((&hit["dense"]["rank"], &hit["lexical"]), (&1.into(), &Value::Null), "{found}");
    let stats = env.miyabi(["knowledge", "stats", "--json"]).expect(0).json();
    let maker = stats["embedder"].as_str().unwrap();
    assert!(maker.starts_with("local-") && maker.ends_with(" (384 dimensions)"), "{stats}");
    assert!(stats["vectors"].as_u64() > Some(0) && stats["vectors"] == stats["chunks"], "{stats}");

    // An endpoint is asked instead where one is named.
    env.set("MIYABI_EMBEDDINGS_URL", "http://127.0.0.1:9/v1");
    let ran = env.miyabi(["knowledge", "stats"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("no model for vectors is named"), "{}", ran.stderr);
    env.set("MIYABI_EMBEDDINGS_URL", "");
    env.write("miyabi.toml", "[knowledge]\nembed_folder = \"../elsewhere\"\n");
    let ran = env.miyabi(["knowledge", "search", "goodbye"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("there is no such folder"), "{}", ran.stderr);
    assert!(ran.stderr.contains("knowledge.embed_folder"), "{}", ran.stderr);
}
