//! Secrets, endless texts, bytes that are no text, logs that cannot be read, files that are not what they should be:
//! what knowledge does with them, seen from outside. And who is shown past work, besides who writes code.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use miyabi_tests::env::{TestEnv, run};
use miyabi_tests::runs::copies;
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
/// A secret that is known by its value alone, and one that is known by its shape.
const PASSWORD: &str = "hunter2-hunter2-hunter2";

fn token() -> String {
    format!("ghp_{}", "a1B2".repeat(9))
}

/// A repository, and a program for tasks that does what a script says.
fn stage(script: &str) -> (TestEnv, String) {
    let env = TestEnv::new(PROGRAM, &[("README.md", "# Notes\n")]);
    let agent = program(&env, "agent.sh", script);
    (env, agent)
}

fn program(env: &TestEnv, name: &str, script: &str) -> String {
    let file = env.root().join(name);
    fs::write(&file, script).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    format!("command:{}", file.display())
}

fn carry_out(env: &TestEnv, agent: &str, title: &str, body: &str) {
    let file: PathBuf = env.root().join("body.md");
    fs::write(&file, body).unwrap();
    let new = ["issue", "new", "--title", title, "--body-file", file.to_str().unwrap(), "--json"];
    let number = env.miyabi(new).expect(0).json()["number"].to_string();
    let ran = env.miyabi(["run", "issue", &number, "--agent", agent]);
    assert!([Some(0), Some(11)].contains(&ran.code), "{} {}", ran.stdout, ran.stderr);
}

fn export(env: &TestEnv) -> Vec<Value> {
    env.miyabi(["knowledge", "export", "--json"]).expect(0).json_lines()
}

/// Rejects the question of the first run, so that it ends.
fn end(env: &TestEnv) {
    env.miyabi(["escalation", "answer", "1-1", "--action", "reject"]);
    env.miyabi(["resume", "1"]);
}

#[test]
fn secrets_and_bytes_that_are_no_text_do_not_get_in() {
    let script = format!(
        "#!/bin/sh\nprintf 'n\\n' > notes.md\nprintf '認証 \\377\\376 caf\\351 {} {PASSWORD}\\n'\n\
         printf '\\377\\n' >&2\n",
        token()
    );
    let (mut env, agent) = stage(&script);
    env.set("MIYABI_SLACK_WEBHOOK_URL", format!("https://127.0.0.1:9/{PASSWORD}"));
    env.set("GITHUB_TOKEN", PASSWORD);
    // The checks of the task say the same once more, and without end.
    let check = format!(
        "printf 'E4711 \\377 {} {PASSWORD}\\n'; head -c 5000000 /dev/zero | tr '\\0' x; echo; test -e mended",
        token()
    );
    env.write("check.sh", &check);
    env.write("miyabi.toml", "[[check]]\nkind = \"tests\"\ncommand = [\"sh\", \"check.sh\"]\n");
    env.git(&["add", "--all"]);
    env.git(&["commit", "--quiet", "--message", "Check"]);
    let body = format!("Look at E4712.\n\n- [ ] Add notes {} {PASSWORD}\n", token());
    carry_out(&env, &agent, &format!("Add notes {}", token()), &body);

    let records = export(&env);
    let kinds: Vec<&str> = records.iter().map(|record| record["kind"].as_str().unwrap()).collect();
    assert!(["attempt", "issue", "outcome"].iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
    let text = serde_json::to_string(&records).unwrap();
    assert!(!text.contains(&token()) && !text.contains(PASSWORD) && text.contains("[redacted"), "{text}");
    assert!(text.len() < 1_000_000, "{}", text.len());
    assert!(text.contains("E4711"), "what the check said was kept: {text}");
    for query in ["E4711", "E4712"] {
        let found = env.miyabi(["knowledge", "search", query, "--json"]).expect(0).json();
        assert!(!found["hits"].as_array().unwrap().is_empty(), "{query}");
    }
}

#[test]
fn a_text_of_five_megabytes_is_found_by_how_it_begins() {
    let (env, agent) = stage("#!/bin/sh\ncat > /dev/null\nprintf 'n\\n' > notes.md\n");
    let body = "E4713 認証が失敗する。\n\n".to_owned() + &"many words ".repeat(460_000) + "\nE4714";
    assert!(body.len() > 5_000_000);
    carry_out(&env, &agent, "Add notes", "- [ ] Add notes");
    end(&env);
    copies(&env, 1, |started| started.issue.body.clone_from(&body));
    let hits = |query: &str| {
        let found = env.miyabi(["knowledge", "search", query, "--json"]).expect(0).json();
        found["hits"].as_array().unwrap().len()
    };
    assert!(hits("E4713") > 0);
    let records = export(&env);
    assert!(!records.iter().any(|record| record["text"].as_str().unwrap().contains("E4714")), "it ends");
    let longest = records.iter().map(|record| record["text"].as_str().unwrap().len()).max().unwrap();
    assert!((1_000..200_000).contains(&longest), "{longest}");
    let first = export(&env);
    env.miyabi(["knowledge", "index", "--rebuild"]).expect(0);
    assert_eq!(export(&env), first);
}

#[test]
fn a_log_that_cannot_be_read_keeps_no_other_back() {
    let (env, agent) = stage("#!/bin/sh\ncat > /dev/null\nprintf 'n\\n' > notes.md\n");
    for title in ["Add notes", "Add more notes"] {
        carry_out(&env, &agent, title, "- [ ] Add notes");
        end(&env);
    }
    assert_eq!(env.miyabi(["knowledge", "stats", "--json"]).expect(0).json()["runs"], 2);
    let database = rusqlite::Connection::open(env.repo().join(".miyabi/miyabi.db")).unwrap();
    // Bytes that are no text, in the log of the first run.
    let spoilt = "UPDATE events SET body = CAST(x'7b2274797065223a22ff227d' AS TEXT) WHERE seq = 3 AND run = \
                  (SELECT MIN(run) FROM events)";
    assert_eq!(database.execute(spoilt, []).unwrap(), 1);
    drop(database);
    let ran = env.miyabi(["knowledge", "index", "--rebuild"]).expect(0);
    assert!(ran.stderr.contains("is left out, its log cannot be read"), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("1 runs taken in"), "{}", ran.stdout);
    let found = env.miyabi(["knowledge", "search", "notes", "--json"]).expect(0).json();
    assert_eq!(found["hits"][0]["record"]["number"], 2, "{found}");
}

#[test]
fn a_damaged_index_is_said_in_the_log_and_made_again() {
    let (env, agent) = stage("#!/bin/sh\ncat > /dev/null\nprintf 'n\\n' > notes.md\n");
    carry_out(&env, &agent, "Add notes", "- [ ] Add notes");
    let first = export(&env);
    let words = env.repo().join(".miyabi/knowledge/words-v1/words");
    let spoil = || {
        for file in fs::read_dir(&words).unwrap().map(|entry| entry.unwrap().path()) {
            if file.extension().is_some_and(|end| end == "store") {
                let mut bytes = fs::read(&file).unwrap();
                bytes.truncate(bytes.len() / 2);
                fs::write(&file, bytes).unwrap();
            }
        }
    };
    spoil();
    let ran = env.miyabi(["--log-format", "json", "knowledge", "search", "notes"]).expect(0);
    assert!(ran.stdout.contains("Add notes"), "{}", ran.stdout);
    let logged: Vec<Value> = ran.stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let warned = logged.iter().find(|line| line["level"] == "WARN").unwrap();
    let message = warned["fields"]["message"].as_str().unwrap();
    assert!(message.contains("the knowledge index is damaged: it is put aside"), "{warned}");
    assert!(ran.stderr.contains("nothing was known of 1 runs"), "{}", ran.stderr);
    assert!(words.with_extension("broken").is_dir());
    assert_eq!(export(&env), first);
    // As text, and not at all.
    spoil();
    let ran = env.miyabi(["knowledge", "search", "notes"]).expect(0);
    assert!(ran.stderr.contains("WARN") && ran.stderr.contains("put aside"), "{}", ran.stderr);
    spoil();
    let ran = env.miyabi(["--log-level", "off", "--quiet", "knowledge", "search", "notes"]).expect(0);
    assert_eq!(ran.stderr, "");
}

#[test]
fn an_index_that_cannot_be_opened_for_now_stays() {
    let (env, agent) = stage("#!/bin/sh\ncat > /dev/null\nprintf 'n\\n' > notes.md\n");
    carry_out(&env, &agent, "Add notes", "- [ ] Add notes");
    let first = export(&env);
    let mut told = 0;
    // With ever fewer files at a time, down to what nothing can be done with.
    for limit in (6..40).rev() {
        let mut command: Command = env.command("sh");
        let script = format!("ulimit -n {limit}; exec \"$0\" knowledge search notes");
        command.args(["-c", &script, PROGRAM]);
        let ran = run(&mut command);
        told += usize::from(ran.code != Some(0) && ran.stderr.contains("`ulimit -n`"));
        assert!(
            !env.repo().join(".miyabi/knowledge/words-v1/words.broken").exists(),
            "{limit}: {}",
            ran.stderr
        );
    }
    assert!(told > 0, "at some of these the index itself was what could not be opened");
    assert_eq!(export(&env), first);
}

#[test]
fn an_index_that_is_removed_during_a_run_holds_everything_after_it() {
    let (env, agent) = stage("#!/bin/sh\ncat > /dev/null\nprintf 'n\\n' > notes.md\n");
    carry_out(&env, &agent, "Add notes", "- [ ] Add notes");
    end(&env);
    let first = export(&env);
    let folder = env.repo().join(".miyabi/knowledge");
    // The agent was asked after the index was; who removes it writes where agents may not.
    let script =
        format!("#!/bin/sh\ncat > /dev/null\nrm -rf '{}'\nprintf 'n\\n' > more.md\n", folder.display());
    let env = env.variable("MIYABI_AGENT_WRITABLE", "..");
    let agent = program(&env, "other.sh", &script);
    carry_out(&env, &agent, "Add more notes", "- [ ] Add more notes");
    assert!(folder.join("words-v1").is_dir(), "the run was remembered at its end");
    assert_eq!(fs::read_to_string(folder.join(".gitignore")).unwrap(), "*\n");
    let stats = env.miyabi(["knowledge", "stats", "--json"]).expect(0).json();
    assert_eq!(stats["runs"], 1, "{stats}");
    let all = export(&env);
    assert!(first.iter().all(|record| all.contains(record)) && all.len() > first.len(), "{all:?}");
}

#[test]
fn a_server_that_never_answers_keeps_no_run_from_its_end() {
    let (mut env, agent) = stage("#!/bin/sh\ncat > /dev/null\nprintf 'n\\n' > notes.md\n");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Connections are taken and held.
    std::thread::spawn(move || listener.incoming().map(Result::unwrap).collect::<Vec<_>>());
    env.set("MIYABI_QDRANT_URL", format!("http://{address}"));
    let filed = env.miyabi(["issue", "new", "--title", "Add notes", "--json"]).expect(0).json();
    let ran = env.miyabi(["run", "issue", &filed["number"].to_string(), "--agent", &agent]).expect(11);
    for (told, limit) in [("no past work could be looked up", 5), ("could not be remembered yet", 20)] {
        let lines: Vec<&str> = ran.stderr.lines().filter(|line| line.contains(told)).collect();
        assert_eq!(lines.len(), 1, "{}", ran.stderr);
        let why = format!("the store of knowledge did not answer within {limit} s");
        assert!(lines[0].contains(&why), "{}", lines[0]);
    }
    env.set("MIYABI_QDRANT_URL", "");
    assert!(export(&env).len() >= 4, "nothing is lost");
}

#[test]
fn analyst_and_coordinator_are_shown_past_work() {
    let (env, agent) = stage("#!/bin/sh\ncat > /dev/null\nprintf 'n\\n' > notes.md\n");
    carry_out(&env, &agent, "Add notes", "- [ ] Add notes about the till");
    let seen = env.root().join("seen");
    fs::create_dir(&seen).unwrap();
    let answer = json!({
        "complexity": 5.0, "kind": "feature", "security": "low", "estimate_minutes": 10, "areas": [],
        "reasons": ["two parts"], "analyst": "",
    });
    let script = format!("#!/bin/sh\ncd '{}'\ncat > \"$(ls | wc -l)\"\necho '{answer}'\n", seen.display());
    let planner = program(&env, "planner.sh", &script);
    let settings = format!("[agent]\nplanner = \"{planner}\"\n[policy]\nsimple_below = 0.0\n");
    env.write("miyabi.toml", &settings);
    env.git(&["add", "--all"]);
    env.git(&["commit", "--quiet", "--message", "Plan"]);
    let env = env.variable("MIYABI_AGENT_WRITABLE", "..");
    let new =
        ["issue", "new", "--title", "Add notes of the till", "--body", "- [ ] Add notes about the till"];
    env.miyabi(new).expect(0);
    env.miyabi(["run", "issue", "2", "--agent", &agent]);
    let prompts =
        fs::read_dir(&seen).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    let prompts: Vec<String> = prompts.collect();
    let analysts = prompts.iter().filter(|prompt| prompt.starts_with("You read an issue and say")).count();
    assert!(analysts > 0 && prompts.len() > analysts, "the coordinator was asked, too");
    for prompt in &prompts {
        assert!(prompt.contains("## Past work that is like this"), "{prompt}");
        assert!(prompt.contains("- Add notes ("), "{prompt}");
    }
}
