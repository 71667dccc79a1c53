//! `miyabi knowledge learned`: what outcomes teach, with the runs that it comes from.
#![expect(clippy::unwrap_used, reason = "tests")]

use miyabi_tests::checks::{self, BUILD};
use miyabi_tests::env::TestEnv;
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");

/// One agent whose work passes at once, and one that mends it when it is told.
const AGENTS: [(&str, &str); 2] = [
    ("sure", "default:\n  - append: { path: notes.md, content: \"one\\n\" }\n"),
    (
        "hasty",
        "default:
  - append: { path: notes.md, content: \"two\\n\" }
  - attempt: 1
  - write: { path: bad, content: \"雅\" }
  - attempt: 2
  - delete: bad
",
    ),
];

fn place() -> TestEnv {
    let build = "kind = \"build\"\ncommand = [\"test\", \"!\", \"-e\", \"bad\"]\n";
    let settings = format!("[policy]\nsimple_below = 0.0\n{}", checks::with(&[(BUILD, build)]));
    let env = TestEnv::new(PROGRAM, &[("README.md", "# Notes\n"), ("miyabi.toml", &settings)]);
    for (name, playbook) in AGENTS {
        std::fs::write(env.root().join(name), playbook).unwrap();
    }
    env
}

fn agent(env: &TestEnv, name: &str) -> String {
    format!("scripted:{}", env.root().join(name).display())
}

/// Runs an issue with each of these agents, one after the other.
fn carry_out(env: &TestEnv, names: &[&str]) {
    let issue = ["issue", "new", "--title", "Keep notes", "--body", "- [ ] Write a note", "--json"];
    for name in names {
        let number = env.miyabi(issue).expect(0).json()["number"].to_string();
        env.miyabi(["run", "issue", &number, "--agent", &agent(env, name)]).expect(0);
    }
}

fn learned(env: &TestEnv) -> Value {
    env.miyabi(["knowledge", "learned", "--json"]).expect(0).json()
}

#[test]
fn what_agents_did_is_counted_with_the_runs_that_it_comes_from() {
    let env = place();
    carry_out(&env, &["sure", "hasty", "sure"]);
    let told = learned(&env);
    assert_eq!((&told["runs"], &told["not_ended"], &told["applied"]), (&json!(3), &json!(0), &json!(false)));
    let rows = told["agents"]["rows"].as_array().unwrap();
    let row = |name: &str| rows.iter().find(|row| row["agent"] == agent(&env, name).as_str()).unwrap();
    let (hasty, sure) = (row("hasty"), row("sure"));
    assert_eq!(rows.len(), 2, "{told:#}");
    let share = |row: &Value, of: &str| (row[of]["count"].clone(), row[of]["of"].clone());
    assert_eq!(share(sure, "first_try"), (json!(2), json!(2)), "{sure:#}");
    assert_eq!(share(hasty, "first_try"), (json!(0), json!(1)), "{hasty:#}");
    assert_eq!(share(hasty, "accepted"), (json!(1), json!(1)));
    assert_eq!((&hasty["attempts"], &hasty["failures"]), (&json!(2), &json!({ "checks_failed": 1 })));
    assert_eq!((&hasty["minutes"]["measured"], &hasty["score"]["median"]), (&json!(2), &json!(100.0)));
    assert_eq!(
        (&hasty["cost_usd"], &hasty["tokens"]),
        (&Value::Null, &Value::Null),
        "a playbook states none"
    );
    assert_eq!(told["agents"]["left_out"], json!({}));

    // The evidence names the runs, the newest first, as other commands name them.
    let log = env.miyabi(["log", "3", "--json"]).expect(0).json_lines();
    let newest = sure["evidence"]["newest"].as_array().unwrap();
    let numbers: Vec<&Value> = newest.iter().map(|run| &run["number"]).collect();
    assert_eq!((numbers, &newest[0]["id"]), (vec![&json!(3), &json!(1)], &log[0]["run"]));
    let choice = &told["agents"]["choices"][0];
    assert_eq!(choice["suggestion"], Value::Null);
    let why = choice["why"].as_str().unwrap();
    assert!(why.contains("1 of 10 tasks") && why.contains("2 of 10 tasks"), "{why}");

    let estimates = told["estimates"].as_array().unwrap();
    let cases: Vec<_> = estimates.iter().map(|row| (row["of"].as_str().unwrap(), &row["cases"])).collect();
    assert_eq!(cases, [("issue", &json!(3)), ("task", &json!(3))]);
    assert!(estimates.iter().all(|row| row["suggestion"].is_null()), "{estimates:?}");
    let band = &told["thresholds"]["scores"][0];
    assert_eq!((&band["from"], &band["reviews"], &band["merged"]), (&json!(90), &json!(3), &json!(3)));
    let settings = told["thresholds"]["each"].as_array().unwrap();
    let names: Vec<_> =
        settings.iter().map(|it| (it["setting"].as_str().unwrap(), it["value"].clone())).collect();
    assert_eq!(names[0], ("policy.open_from", json!(80.0)));
    assert_eq!(names[4], ("policy.simple_below", json!(0.0)), "the value that holds now");

    let schema = std::fs::read_to_string("../docs/schemas/learned.schema.json").unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let errors: Vec<String> = schema.iter_errors(&told).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
}

#[test]
fn people_read_the_same_and_nothing_is_changed() {
    let env = place();
    carry_out(&env, &["sure", "hasty"]);
    let before = (env.read("miyabi.toml"), env.miyabi(["log", "2"]).stdout);
    let text = env.miyabi(["knowledge", "learned"]).expect(0).stdout;
    for part in [
        "2 runs of local/repo\n",
        "nothing of this is applied by itself",
        "0 of 1 (0–79 %)",
        "1 of 1 (21–100 %)",
        "1 failed the checks",
        "feature: nothing is suggested: not enough to tell",
        "task of kind feature: nothing is suggested: not enough to tell (2 of 10)",
        "policy.merge_from is 90\n  0 of 2 (0–66 %) changes scored 90 or more that needed no person turned out badly (2 runs: 2, 1)\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert_eq!((env.read("miyabi.toml"), env.miyabi(["log", "2"]).stdout), before);
    assert_eq!(env.git(&["status", "--porcelain"]), "");
    let since = |when: &str| env.miyabi(["knowledge", "learned", "--since", when]).expect(0).stdout;
    assert!(since("1d").contains("2 runs of local/repo that began at "), "{}", since("1d"));
    assert!(
        since("2999-01-01").contains("there are no runs of local/repo that began at 2999-01-01 00:00 UTC")
    );
}

#[test]
fn a_log_that_cannot_be_read_is_left_out_and_said() {
    let env = place();
    carry_out(&env, &["sure", "sure"]);
    let database = rusqlite::Connection::open(env.repo().join(".miyabi/miyabi.db")).unwrap();
    // Bytes that are no text, in the log of the first run.
    let spoilt = "UPDATE events SET body = CAST(x'7b2274797065223a22ff227d' AS TEXT) WHERE seq = 3 AND run = \
                  (SELECT MIN(run) FROM events)";
    assert_eq!(database.execute(spoilt, []).unwrap(), 1);
    drop(database);
    let ran = env.miyabi(["knowledge", "learned"]).expect(0);
    assert!(ran.stderr.contains("run 1 is left out, its log cannot be read"), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("1 run of local/repo; 1 left out, because their logs cannot be read\n"));
    let told = learned(&env);
    assert_eq!((&told["runs"], &told["unread"]), (&json!(1), &json!(1)));
}

#[test]
fn a_repository_without_runs_and_wrong_input_are_told() {
    let env = place();
    let told = env.miyabi(["knowledge", "learned"]).expect(0);
    assert!(
        told.stdout.starts_with("there are no runs of local/repo, so there is nothing to learn"),
        "{told:?}"
    );
    assert!(told.stdout.contains("miyabi run issue"), "{told:?}");
    assert_eq!(learned(&env)["agents"]["rows"], json!([]));
    assert!(!env.repo().join(".miyabi").exists(), "looking makes nothing");
    let ran = env.miyabi(["knowledge", "learned", "--since", "nonsense"]).expect(1);
    assert!(
        ran.stderr.contains("`nonsense` is no time") && ran.stderr.contains("2026-11-01"),
        "{}",
        ran.stderr
    );
    env.miyabi(["knowledge", "learned", "--limit", "3"]).expect(2);
    env.write("miyabi.toml", "[knowledge]\nenabled = false\n");
    let ran = env.miyabi(["knowledge", "learned"]).expect(1);
    assert!(ran.stderr.contains("knowledge is switched off"), "{}", ran.stderr);
}
