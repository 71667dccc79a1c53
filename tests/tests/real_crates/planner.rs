//! Claude Code as analyst and coordinator: its answers are JSON, checked against a schema, and asked for again with
//! what is wrong when they do not hold.

use miyabi_tests::env::TestEnv;
use miyabi_tests::model_endpoint::{Asked, ModelEndpoint, Turn, claude_or_say};
use serde_json::{Value, json};

use super::PROGRAM;
use super::claude::with_model;
use super::common::{file_issue, log, nothing_is_left, of_type, outputs, report, run};

const SETTINGS: &str = "[agent]\nplanner = \"claude\"\n\n[policy]\nsimple_below = 0.0\nmerge_from = 80\n";
const TITLE: &str = "Keep \"雅\" notes $(touch pwned)";

fn analysis(complexity: f64) -> Value {
    json!({
        "complexity": complexity,
        "kind": "docs",
        "security": "low",
        "estimate_minutes": 40,
        "areas": ["notes"],
        "reasons": ["two notes and a third one that joins them"],
        "analyst": "somebody else",
    })
}

/// Two notes and one that joins them; the first one waits for these.
fn tasks(first_waits_for: &[&str]) -> Value {
    let task = |n: u32, title: &str, needs: &[&str]| {
        json!({
            "id": format!("task-1-{n}"), "title": title, "kind": "docs", "estimate_minutes": 10 + n,
            "dependencies": needs, "files": [format!("notes/{n}.md")], "acceptance": [format!("note {n} is there")],
        })
    };
    json!({
        "tasks": [
            task(1, "Write the left note", first_waits_for),
            task(2, "Write the right note", &[]),
            task(3, "Join the notes", &["task-1-1", "task-1-2"]),
        ],
        "coordinator": "somebody else",
    })
}

fn fenced(answer: &Value) -> String {
    format!("Here it is:\n```json\n{answer:#}\n```\n")
}

/// What the model answers when it is asked for the first, second … time; the last answer is given from then on.
struct Answers {
    analyst: Vec<String>,
    coordinator: Vec<String>,
}

/// An endpoint that answers so, and looks into the repository before its first answer.
async fn endpoint(answers: Answers) -> ModelEndpoint {
    let counts = std::sync::Mutex::new([0_usize; 2]);
    ModelEndpoint::answering(move |asked| {
        let (who, answers) = match is_of(asked, ANALYST) {
            true => (0, &answers.analyst),
            false => (1, &answers.coordinator),
        };
        if asked.answers == 0 && who == 1 {
            return Turn::tool("Glob", json!({ "pattern": "src/*.rs" }));
        }
        let mut counts = counts.lock().unwrap();
        counts[who] += 1;
        Turn::Say(answers[counts[who].min(answers.len()) - 1].clone())
    })
    .await
    .unwrap()
}

const ANALYST: &str = "You read an issue and say what it asks for";
const COORDINATOR: &str = "You divide an issue into tasks";

fn is_of(asked: &Asked, role: &str) -> bool {
    asked.user_text().contains(role)
}

fn environment(endpoint: &ModelEndpoint, claude: &std::path::Path) -> TestEnv {
    let env = TestEnv::with_crate(PROGRAM);
    env.write("miyabi.toml", SETTINGS);
    env.git(&["add", "miyabi.toml"]);
    env.git(&["commit", "--quiet", "--message", "Settle who plans"]);
    with_model(env, claude, endpoint)
}

/// Runs the issue; the tasks are done by a playbook.
fn work(env: &TestEnv) -> miyabi_tests::env::Ran {
    let playbook = r#"
task-1:
  - write: { path: notes/1.md, content: "left\n" }
task-2:
  - write: { path: notes/2.md, content: "right\n" }
task-3:
  - run: [sh, -c, "cat notes/1.md notes/2.md > notes/3.md"]
"#;
    let path = env.root().join("playbook.yaml");
    std::fs::write(&path, playbook).unwrap();
    let issue = file_issue(env, TITLE, "A left one, a right one, and both.");
    run(env, issue, &format!("scripted:{}", path.display()))
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_answers_are_asked_again_with_what_is_wrong_and_right_ones_are_taken() {
    let Some(claude) = claude_or_say() else { return };
    let endpoint = endpoint(Answers {
        analyst: vec!["I think it is easy.".to_owned(), fenced(&analysis(42.0)), fenced(&analysis(4.5))],
        coordinator: vec![fenced(&tasks(&["task-1-3"])), fenced(&tasks(&[]))],
    })
    .await;
    let env = environment(&endpoint, &claude);
    let before = env.tree("main");
    work(&env).expect(0);

    let notes = [("notes/1.md", "left\n"), ("notes/2.md", "right\n"), ("notes/3.md", "left\nright\n")];
    assert_eq!(env.tree("main"), env.tree_with(&before, &notes), "exactly the expected tree");
    nothing_is_left(&env);

    let log = log(&env);
    let failures: Vec<_> = of_type(&log, "step_failed")
        .into_iter()
        .map(|failed| (failed["step"].as_str().unwrap(), failed["failure"]["class"].as_str().unwrap()))
        .collect();
    assert_eq!(failures, [("analyse", "bad_answer"), ("analyse", "bad_answer"), ("decompose", "bad_answer")]);
    let expected = Value::Object({
        let mut expected = analysis(4.5).as_object().unwrap().clone();
        expected.insert("analyst".to_owned(), "claude".into());
        expected
    });
    assert_eq!(outputs(&log, "analyse"), [&expected], "who says so is not the agent's to say");
    let [decomposition] = outputs(&log, "decompose")[..] else { panic!("one decomposition") };
    assert_eq!(decomposition["coordinator"], "claude");
    let ids: Vec<_> = decomposition["tasks"].as_array().unwrap().iter().map(|task| &task["id"]).collect();
    assert_eq!(ids, ["task-1-1", "task-1-2", "task-1-3"]);

    // Each question in its words: the issue as it is, and from the second time on what was wrong.
    let first = |role: &str| {
        let asked = endpoint.asked().into_iter().filter(|asked| asked.answers == 0 && is_of(asked, role));
        asked.map(|asked| asked.user_text()).collect::<Vec<_>>()
    };
    let (analyst, coordinator) = (first(ANALYST), first(COORDINATOR));
    assert_eq!((analyst.len(), coordinator.len()), (3, 2));
    assert!(analyst.iter().chain(&coordinator).all(|prompt| prompt.contains(TITLE)));
    assert!(!analyst[0].contains("What was wrong"), "{}", analyst[0]);
    assert!(analyst[0].contains("\n  \"title\": \"Analysis\","), "the schema is JSON: {}", analyst[0]);
    assert!(analyst[0].contains("deterministic reader"), "what the reader made of it: {}", analyst[0]);
    assert!(coordinator[0].contains("\"complexity\": 4.5,"), "what is known of it: {}", coordinator[0]);
    for (prompt, wrong) in [
        (&analyst[1], "find JSON in the agent's answer"),
        (&analyst[2], "/complexity: 42.0 is greater than the maximum of 10.0"),
        (&coordinator[1], "the tasks wait for each other: task-1-"),
    ] {
        assert!(prompt.contains("What was wrong") && prompt.contains(wrong), "{wrong}\n{prompt}");
    }

    let report = report(&env);
    let phase =
        |name: &str| report["phases"].as_array().unwrap().iter().find(|phase| phase["name"] == name).unwrap();
    assert_eq!((&phase("analyse")["agent"], &phase("analyse")["attempts"]), (&"claude".into(), &3.into()));
    assert_eq!(
        (&phase("decompose")["agent"], &phase("decompose")["attempts"]),
        (&"claude".into(), &2.into())
    );
    assert!(phase("execute")["agent"].as_str().unwrap().starts_with("scripted:"), "{report:#}");
    let shown = env.miyabi(["log", "1"]).expect(0).stdout;
    assert!(shown.contains("3 tasks (by claude)"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planner_that_never_answers_as_asked_fails_as_that() {
    let Some(claude) = claude_or_say() else { return };
    let endpoint = endpoint(Answers {
        analyst: vec!["It is easy. {\"complexity\": ".to_owned()],
        coordinator: Vec::new(),
    })
    .await;
    let env = environment(&endpoint, &claude);
    let before = env.tree("main");
    let ran = work(&env).expect(10);
    assert!(format!("{ran:?}").contains("find JSON in the agent's answer"), "{ran:?}");
    let log = log(&env);
    assert_eq!(of_type(&log, "step_failed").len(), 2, "policy.same_failures: the same answer twice");
    assert_eq!(of_type(&log, "plan_extended"), Vec::<&Value>::new(), "nobody works on it");
    assert_eq!(env.tree("main"), before);
    assert_eq!(env.processes(), Vec::<u32>::new());
}
