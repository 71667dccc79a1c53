//! Stories judged at commits: by whom, by which lines, and when nobody is asked again.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader};

use miyabi_tests::env::TestEnv;
use miyabi_tests::judge::{JUDGE, asked, judge, log, results, run, story};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");

/// A repository with stories, each with criteria that are judged by looking.
fn with_stories(stories: &[(&str, &[&str])]) -> TestEnv {
    let env = TestEnv::bare(PROGRAM);
    std::fs::create_dir(env.repo()).unwrap();
    for (id, criteria) in stories {
        let criteria: Vec<_> = criteria.iter().map(|text| (*text).to_owned()).collect();
        env.write(&format!(".miyabi/stories/{id}.yaml"), &story(id, "", &criteria));
    }
    env.write("src/login.rs", "fn login() {\n    check();\n}\n");
    env.write("src/other.rs", "fn other() {}\n");
    env.write("README.md", "# Here\n");
    env.begin();
    env
}

/// Commits a file.
fn commit(env: &TestEnv, path: &str, text: &str) {
    env.write(path, text);
    env.git(&["add", "--all"]);
    env.git(&["commit", "--quiet", "--message", "Change"]);
}

/// How the check run of a run went on.
#[track_caller]
fn check_run(env: &TestEnv, run: u64) -> Vec<Value> {
    let log = log(env, run);
    let writes = log.iter().filter(|body| body["type"] == "intent_recorded").map(|body| &body["write"]);
    writes.filter(|write| write["write"] == "check_run").map(|write| write["conclusion"].clone()).collect()
}

#[track_caller]
fn nothing_is_left(env: &TestEnv) {
    assert_eq!(env.worktrees(), Vec::<String>::new());
    assert_eq!(env.git(&["branch", "--format=%(refname:short)"]), "main");
    assert_eq!(env.processes(), Vec::<u32>::new());
}

#[test]
fn what_rests_on_the_same_lines_is_not_judged_again() {
    let env = with_stories(&[("login", &["has check in src", "no panic in src"])]);
    let first = results(&run(&env, &[]).expect(0));
    let (number, story) = (first["run"].as_u64().unwrap(), &first["stories"][0]);
    assert_eq!((story["status"].as_str(), story["evidence"].as_u64()), (Some("pass"), Some(1)), "{first}");
    assert_eq!(story["steps"][0]["assertions"][0]["evidence"][0]["at"], "src/login.rs:2-2");
    assert_eq!(asked(&env, number), ["story:login", "story:login:decompose"]);
    assert_eq!(check_run(&env, number), [Value::Null, json!("success")]);
    nothing_is_left(&env);

    // The same commit, and one that changes nothing of it: nobody is asked, and the first run is named.
    let again = results(&run(&env, &[]).expect(0));
    commit(&env, "README.md", "# There\n");
    let third = results(&run(&env, &[]).expect(0));
    for later in [&again, &third] {
        assert_eq!(asked(&env, later["run"].as_u64().unwrap()), Vec::<String>::new());
        assert_eq!(later["stories"][0]["cached_from_run"], story["run"]);
        assert_eq!(later["stories"][0]["status"], "pass");
    }
    // A line moves: its step is judged again and the other is not, whose scope changes with the next file.
    commit(&env, "src/login.rs", "// log in\nfn login() {\n    check();\n}\n");
    let moved = results(&run(&env, &[]).expect(0));
    assert_eq!(asked(&env, moved["run"].as_u64().unwrap()), ["story:login"]);
    assert_eq!(moved["stories"][0]["steps"][0]["assertions"][0]["evidence"][0]["at"], "src/login.rs:3-3");
    assert_eq!(moved["stories"][0]["cached_from_run"], Value::Null);
    commit(&env, "src/new.rs", "fn new() {}\n");
    let scope = results(&run(&env, &[]).expect(0));
    let steps = &scope["stories"][0]["steps"];
    assert_eq!(steps[0]["cached_from_run"], moved["stories"][0]["run"], "{scope}");
    assert_eq!(steps[1]["cached_from_run"], Value::Null);

    let shown = env.miyabi(["story", "show", "login"]).expect(0).stdout;
    for part in ["has check in src", "src/login.rs:3-3", "searched: src", "pass in run 5"] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
    assert!(env.miyabi(["story", "list"]).expect(0).stdout.contains("pass"));
    let fresh = results(&run(&env, &["--no-cache"]).expect(0));
    assert_eq!(asked(&env, fresh["run"].as_u64().unwrap()), ["story:login"]);
    // An older commit has its own lines.
    let old = results(&run(&env, &["--commit", "HEAD~2"]).expect(0));
    assert_eq!(asked(&env, old["run"].as_u64().unwrap()), Vec::<String>::new());
    nothing_is_left(&env);
}

#[test]
fn a_story_that_failed_is_judged_again_once_it_may_hold() {
    let env = with_stories(&[("login", &["has audit in src"]), ("other", &["has other in src"])]);
    let red = run(&env, &[]).expect(10);
    let found = results(&red);
    assert_eq!(
        (&found["stories"][0]["status"], &found["stories"][1]["status"]),
        (&json!("fail"), &json!("pass"))
    );
    assert_eq!(check_run(&env, 1), [Value::Null, json!("failure")]);
    let end = log(&env, 1).pop().unwrap();
    assert_eq!(end["status"], "failed");
    assert!(end["reason"].as_str().unwrap().contains("1 of 2 stories hold, 1 failed"), "{end}");
    // Where it was looked for nothing changed: it fails again, and nobody is asked.
    commit(&env, "README.md", "# There\n");
    run(&env, &[]).expect(10);
    assert_eq!(asked(&env, 2), Vec::<String>::new());
    commit(&env, "src/audit.rs", "fn audit() {}\n");
    let green = results(&run(&env, &[]).expect(0));
    assert_eq!(green["stories"][0]["status"], "pass");
    assert_eq!(asked(&env, 3), ["story:login"]);
    nothing_is_left(&env);
}

#[test]
fn evidence_that_is_made_up_is_an_error_and_is_not_kept() {
    let env = with_stories(&[("login", &["lie check in src", "has check in src"])]);
    for number in [1, 2] {
        let found = results(&run(&env, &[]).expect(10));
        let story = &found["stories"][0];
        assert_eq!(story["status"], "error");
        let why = story["explanation"].as_str().unwrap();
        assert!(why.contains("`nowhere.rs:1-1` is not there at this commit"), "{why}");
        assert_eq!(story["steps"][1]["cached_from_run"].is_string(), number == 2, "the other step is kept");
        assert_eq!(asked(&env, number).iter().filter(|step| *step == "story:login").count(), 1);
    }
    nothing_is_left(&env);
}

#[test]
fn of_200_files_one_is_touched_and_only_what_rests_on_it_is_judged_again() {
    let env = TestEnv::bare(PROGRAM);
    std::fs::create_dir(env.repo()).unwrap();
    for n in 0..10 {
        let files: Vec<_> = (0..20).map(|m| format!("src/s{n}/f{m}.rs")).collect();
        files.iter().for_each(|file| env.write(file, "fn check() {}\n"));
        let criteria: Vec<_> = files.iter().map(|file| format!("has check in {file}")).collect();
        env.write(&format!(".miyabi/stories/s{n}.yaml"), &story(&format!("s{n}"), "", &criteria));
    }
    env.begin();
    let first = results(&run(&env, &[]).expect(0));
    assert_eq!(first["stories"].as_array().unwrap().len(), 10);
    assert_eq!(asked(&env, 1).len(), 20);
    commit(&env, "src/s7/f3.rs", "// touched\nfn check() {}\n");
    let second = results(&run(&env, &[]).expect(0));
    assert_eq!(asked(&env, 2), ["story:s7"]);
    let steps = second["stories"][7]["steps"].as_array().unwrap();
    let judged: Vec<_> = steps.iter().filter(|step| step["cached_from_run"].is_null()).collect();
    assert_eq!((steps.len(), judged.len()), (20, 1));
    assert_eq!(judged[0]["goal"], "has check in src/s7/f3.rs");
}

#[test]
fn a_run_that_was_killed_goes_on() {
    let env = with_stories(&[("login", &["hang check in src"]), ("other", &["has other in src"])]);
    let agent = judge(&env);
    let mut first = env.start(["story", "run", "--agent", &agent]);
    let mut lines = BufReader::new(first.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("story:login started")), "it began to judge");
    first.kill().unwrap();
    first.wait().unwrap();
    std::fs::write(
        env.root().join("judge.sh"),
        JUDGE.replace("hang*) tail -f /dev/null", "hang-found) verdict=pass searched="),
    )
    .unwrap();
    env.miyabi(["resume", "1"]).expect(0);
    let shown = env.miyabi(["story", "list", "--json"]).expect(0).json();
    let states: Vec<_> = shown.as_array().unwrap().iter().map(|row| row["last"]["status"].clone()).collect();
    assert_eq!(states, ["pass", "pass"]);
    assert_eq!(check_run(&env, 1), [Value::Null, json!("success")]);
    nothing_is_left(&env);
}

#[test]
fn a_run_that_is_cancelled_leaves_nothing_open() {
    let env = with_stories(&[("login", &["hang check in src"])]);
    let agent = judge(&env);
    let mut first = env.start(["story", "run", "--agent", &agent]);
    let mut lines = BufReader::new(first.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("story:login started")), "it began to judge");
    env.miyabi(["cancel", "1"]).expect(0);
    assert!(lines.all(|line| line.is_ok()));
    first.wait().unwrap();
    assert_eq!(log(&env, 1).pop().unwrap()["status"], "cancelled");
    assert_eq!(check_run(&env, 1), [Value::Null, json!("cancelled")]);
    let shown = env.miyabi(["story", "list", "--json"]).expect(0).json();
    assert_eq!(shown[0]["last"]["status"], "skipped", "{shown}");
    nothing_is_left(&env);
}

#[test]
fn only_active_stories_are_judged_and_without_any_the_run_is_done() {
    let env = with_stories(&[]);
    run(&env, &[]).expect(0);
    assert_eq!(check_run(&env, 1), [Value::Null, json!("neutral")]);
    let criteria = ["has nothing in src".to_owned()];
    for state in ["paused", "archived", "planned"] {
        env.write(
            &format!(".miyabi/stories/{state}.yaml"),
            &story(state, &format!("state: {state}\n"), &criteria),
        );
    }
    commit(&env, "README.md", "# x\n");
    run(&env, &[]).expect(0);
    assert_eq!(asked(&env, 2), Vec::<String>::new());
    // A file that is none is an error with its place, and the others are judged all the same.
    env.write(".miyabi/stories/good.yaml", &story("good", "", &["has check in src".to_owned()]));
    commit(&env, ".miyabi/stories/bad.yaml", "id: bad\ntitel: x\n");
    let found = results(&run(&env, &[]).expect(10));
    assert_eq!(found["stories"][0]["status"], "pass");
    let verdict =
        log(&env, 3).into_iter().find(|body| body["type"] == "step_succeeded" && body["step"] == "verdict");
    let verdict = verdict.unwrap()["output"].clone();
    assert_eq!(verdict["verdict"], "error");
    assert!(verdict["problems"][0].as_str().unwrap().starts_with(".miyabi/stories/bad.yaml:"), "{verdict}");
    let listed = env.miyabi(["story", "list"]).expect(1);
    assert!(listed.stderr.contains(".miyabi/stories/bad.yaml:2:1: unknown key `titel`"), "{}", listed.stderr);
    nothing_is_left(&env);
}

#[test]
fn stories_are_added_taken_apart_and_judged_in_japanese() {
    let env = with_stories(&[]);
    env.write("src/確認.rs", "// 合言葉を確かめる\n");
    let add =
        ["story", "add", "ログイン", "--title", "ログイン", "--story", "入れる: \"はい\"", "--criterion"];
    env.miyabi(add.into_iter().chain(["has 合言葉 in src"])).expect(0);
    commit(&env, "README.md", "# y\n");
    let agent = judge(&env);
    let parts = env.miyabi(["story", "decompose", "ログイン", "--agent", &agent]).expect(0).stdout;
    assert!(parts.contains("2.1 has 合言葉 in src"), "{parts}");
    assert_eq!(check_run(&env, 1), Vec::<Value>::new(), "nothing was judged");
    let found = results(&run(&env, &["ログイン"]).expect(0));
    assert_eq!(found["stories"][0]["steps"][0]["assertions"][0]["evidence"][0]["at"], "src/確認.rs:1-1");
    assert_eq!(asked(&env, 2), ["story:ログイン"], "it was taken apart before");
    nothing_is_left(&env);
}

#[test]
fn a_copied_flow_is_changed_and_run() {
    let env = with_stories(&[("login", &["has check in src"])]);
    let source = env.miyabi(["flow", "show", "story-ci", "--source"]).expect(0).stdout;
    let changed = source.replace("cache: true", "cache: false").replace(
        "    run_condition: always\n",
        "    run_condition: always\n    output_key: came\n  - name: tell\n    agent: teller\n    input: ${came.title}\n",
    );
    env.write("agents/teller.md", "---\ndescription: d\nadapter: command:cat\n---\nYou tell.\n");
    commit(&env, ".miyabi/flows/story-ci.yaml", &changed);
    for number in [1, 2] {
        run(&env, &[]).expect(0);
        let told = log(&env, number)
            .into_iter()
            .find(|body| body["type"] == "step_succeeded" && body["step"] == "tell");
        assert!(told.unwrap()["output"].as_str().unwrap().contains("1 of 1 story holds"));
        assert!(asked(&env, number).contains(&"story:login".to_owned()), "no earlier run is believed");
    }
    // The same flow on a payload, as an event would start it.
    env.write("p.json", "{\"ref\": \"refs/heads/main\"}");
    let agent = judge(&env);
    env.miyabi(["flow", "run", "story-ci", "--payload", "p.json", "--agent", &agent]).expect(0);
    nothing_is_left(&env);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let env = with_stories(&[("login", &["has check in src"])]);
    let said = |arguments: &[&str]| env.miyabi(arguments.to_vec()).expect(1).stderr;
    let add = |id: &str| said(&["story", "add", id, "--title", "t", "--story", "s"]);
    assert!(add("login").contains("there is a story `login` already"));
    assert!(add("../x").contains("this is no id for a story"));
    assert!(said(&["story", "add", "a", "--title", " ", "--story", "s"]).contains("`title` is blank"));
    assert!(said(&["story", "show", "none"]).contains("there is no story `none`"));
    assert!(said(&["story", "decompose", "none"]).contains("there is no story `none`"));
    let agent = judge(&env);
    assert!(
        said(&["story", "run", "--commit", "none", "--agent", &agent]).contains("there is no commit `none`")
    );
    env.miyabi(["log", "1"]).expect(1);
    let ran = env.miyabi(["story", "run", "none", "--agent", &agent]).expect(10);
    assert!(format!("{ran:?}").contains("there is no story `none` at commit"), "{ran:?}");
    assert_eq!(check_run(&env, 1), [json!("failure")]);
}
