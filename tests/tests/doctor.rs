//! `miyabi doctor` about what keeps agents in, on machines that have more and less of it; and about knowledge.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use miyabi_tests::env::TestEnv;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");

/// A search path with git and, where it is given, this as bubblewrap.
fn search(env: &TestEnv, bubblewrap: Option<&str>) -> String {
    let folder = env.root().join("bin");
    fs::create_dir(&folder).unwrap();
    for program in ["git", "sh"] {
        let path = std::env::var_os("PATH").unwrap();
        let found = std::env::split_paths(&path).map(|path| path.join(program)).find(|file| file.is_file());
        symlink(found.unwrap(), folder.join(program)).unwrap();
    }
    if let Some(text) = bubblewrap {
        fs::write(folder.join("bwrap"), text).unwrap();
        fs::set_permissions(folder.join("bwrap"), fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder.display().to_string()
}

/// Whether something keeps agents in, what it is, and how to get more.
fn containment(json: &[u8]) -> (bool, String, String) {
    row(json, "containment")
}

/// Whether that is there, what it is, and how to get it or more.
fn row(json: &[u8], what: &str) -> (bool, String, String) {
    let findings: Vec<Value> = serde_json::from_slice(json).unwrap();
    let finding = findings.iter().find(|finding| finding["what"] == what).unwrap();
    let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    (finding["found"].as_bool().unwrap(), text("detail"), text("get"))
}

#[test]
fn without_bubblewrap_the_kernel_is_taken() {
    let mut env = TestEnv::new(PROGRAM, &[("README.md", "# Notes\n")]);
    let search = search(&env, None);
    env.set("PATH", search);
    let (found, detail, get) = containment(env.miyabi(["doctor", "--json"]).stdout.as_bytes());
    assert!(found && detail == "Landlock, not bubblewrap; bubblewrap is not installed", "{detail}");
    assert!(get.contains("install bubblewrap"), "{get}");
}

#[test]
fn where_namespaces_are_forbidden_it_says_so_in_the_words_of_the_program() {
    let mut env = TestEnv::new(PROGRAM, &[("README.md", "# Notes\n")]);
    let refusal = "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n";
    let search = search(&env, Some(refusal));
    env.set("PATH", search);
    let (found, detail, get) = containment(env.miyabi(["doctor", "--json"]).stdout.as_bytes());
    assert!(found, "Landlock is left");
    assert!(detail.contains("cannot make a box: bwrap: No permissions to create new namespace"), "{detail}");
    assert!(get.contains("allow user namespaces"), "{get}");
}

/// How the doctor says that knowledge stands.
fn knowledge(env: &TestEnv) -> (bool, String, String) {
    row(env.miyabi(["doctor", "--json"]).expect(0).stdout.as_bytes(), "knowledge")
}

#[test]
fn it_says_how_knowledge_stands() {
    let mut env = TestEnv::new(PROGRAM, &[("README.md", "# Notes\n")]);
    let folder = env.repo().join(".miyabi/knowledge");
    let place = format!("in {}", folder.display());
    let (found, detail, get) = knowledge(&env);
    assert!(found && get.is_empty(), "{detail}");
    assert_eq!(detail, format!("local index, not made yet, by words alone, {place}"));
    assert!(!folder.exists(), "looking makes nothing");

    let filed = env.miyabi(["issue", "new", "--title", "Add notes", "--json"]).expect(0).json();
    env.write("playbook.yaml", "task-1-1:\n  - write: { path: notes.md, content: \"n\\n\" }\n");
    let agent = format!("scripted:{}", env.repo().join("playbook.yaml").display());
    env.git(&["add", "--all"]);
    env.git(&["commit", "--quiet", "--message", "Script"]);
    env.miyabi(["run", "issue", &filed["number"].to_string(), "--agent", &agent]);
    let records = env.miyabi(["knowledge", "export"]).expect(0).stdout.lines().count();
    assert!(records > 1, "{records}");
    let (found, detail, _) = knowledge(&env);
    assert!(found, "{detail}");
    assert_eq!(detail, format!("local index, {records} records of 1 runs, by words alone, {place}"));
    let told = env.miyabi(["doctor"]).expect(0).stdout;
    assert!(told.contains("✓ knowledge (local index, "), "{told}");

    env.write(".miyabi/knowledge/words-v1/words/meta.json", "{");
    let (found, detail, get) = knowledge(&env);
    assert!(!found && detail.contains(".miyabi/knowledge/words-v1"), "{detail}");
    assert!(get.contains("`miyabi knowledge index --rebuild`"), "{get}");
    assert_eq!(env.read(".miyabi/knowledge/words-v1/words/meta.json"), "{", "a doctor changes nothing");

    env.set("MIYABI_EMBEDDINGS_URL", "http://me:hunter2@127.0.0.1:9/v1");
    let (found, detail, get) = knowledge(&env);
    assert!(!found && detail == "no model for vectors is named" && get.contains("embed_model"), "{detail}");
    env.write("miyabi.toml", "[knowledge]\nembed_model = \"two\"\nembed_dimensions = 2\n");
    let (found, detail, _) = knowledge(&env);
    assert!(found, "{detail}");
    assert_eq!(detail, format!("local index, not made yet, vectors by two (2 dimensions), {place}"));

    env.set("MIYABI_QDRANT_API_KEY", "geheim-geheim");
    env.set("MIYABI_QDRANT_URL", "http://127.0.0.1:9");
    let (found, detail, get) = knowledge(&env);
    assert!(!found && detail.contains("cannot reach Qdrant at http://127.0.0.1:9"), "{detail}");
    assert!(get.contains("see that Qdrant runs"), "{get}");
    env.set("MIYABI_QDRANT_URL", "http://me:hunter2@127.0.0.1:9");
    let ran = env.miyabi(["doctor", "--json"]).expect(0);
    let (found, detail, _) = row(ran.stdout.as_bytes(), "knowledge");
    assert!(!found && detail.contains("it holds a user"), "{detail}");
    for secret in ["hunter2", "geheim"] {
        assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "{}", ran.stdout);
    }

    env.write("miyabi.toml", "[knowledge]\nenabled = false\n");
    let (found, detail, get) = knowledge(&env);
    assert!(!found && detail == "off" && get.contains("knowledge.enabled"), "{detail} {get}");
}

/// Everything again as somebody who is not root. Left out where we are not root and cannot become another.
#[test]
fn it_is_the_same_for_who_is_not_root() {
    let env = TestEnv::new(PROGRAM, &[("README.md", "# Notes\n")]);
    let program = env.root().join("miyabi");
    fs::copy(PROGRAM, &program).unwrap();
    fs::set_permissions(env.root(), fs::Permissions::from_mode(0o755)).unwrap();
    let run = |search: &str| {
        let mut command = Command::new("/usr/bin/setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
        command.args(["doctor", "--json"]).env_clear().env("PATH", search).env("HOME", "/nonexistent");
        command.current_dir("/").output().ok().map(|output| output.stdout).filter(|json| !json.is_empty())
    };
    let Some(json) = run(&std::env::var("PATH").unwrap()) else {
        #[expect(clippy::print_stdout, reason = "tests say what they leave out")]
        {
            println!("left out: this user cannot become another one");
        }
        assert!(std::env::var_os("CI").is_none() || !Path::new("/usr/bin/setpriv").exists(), "CI can");
        return;
    };
    let (found, detail, _) = containment(&json);
    assert!(found && detail == "bubblewrap", "{detail}");
    let (found, detail, _) = containment(&run("/nowhere").unwrap());
    assert!(found && detail.starts_with("Landlock, not bubblewrap"), "{detail}");
}
