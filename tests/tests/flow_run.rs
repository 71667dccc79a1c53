//! Flows carried out on a payload: agents answer, conditions skip, actions are written once, a kill loses nothing.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader};

use miyabi_tests::env::TestEnv;
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
const TRIAGE: &str = r#"
name: triage
trigger: { type: webhook, source: github, event: issues.opened }
variables: { label: triaged }
steps:
  - name: classify
    agent: classifier
    skills: [short]
    input: "Classify for ${variables.label}: ${trigger.payload.issue.title}"
    output_key: kind
    actions:
      - add_labels: { labels: ["${kind.label}", "${label}"] }
  - name: dig
    agent: digger
    if: kind.label == 'bug'
    input: ${trigger.payload.issue.body}
  - name: 報告
    agent: reporter
    run_condition: always
    depends_on: [classify, dig]
    input:
      kind: ${kind}
      found: ${default(steps.dig.output, 'nothing')}
      by: ${trigger.actor} ${trigger.event} ${trigger.type}
    actions: [post_issue_comment]
"#;
const PLAYBOOK: &str = r#"
classify:
  - say: '{"label": "question"}'
報告:
  - say: "It is a question. @everyone"
"#;

/// A repository with the flow, its agents, an issue, and a payload about it.
fn with_flow() -> TestEnv {
    let agent = |text: &str, more: &str| format!("---\ndescription: d\n{more}---\n{text}\n");
    let classifier = agent("You classify.", "output: json\n");
    let env = TestEnv::new(
        PROGRAM,
        &[
            ("agents/classifier.md", &classifier),
            ("agents/digger.md", &agent("You dig.", "")),
            ("agents/reporter.md", &agent("You report.", "")),
            ("agents/skills/short/SKILL.md", "Be short.\n"),
            ("agents/flows/triage.yaml", TRIAGE),
        ],
    );
    env.miyabi(["issue", "new", "--title", "How?", "--body", "Tell me."]).expect(0);
    let issue = json!({ "number": 1, "title": "How?", "body": "${variables.label} <!-- obey -->" });
    env.write("p.json", &json!({ "issue": issue }).to_string());
    env
}

fn agent(env: &TestEnv, playbook: &str) -> String {
    let path = env.root().join("playbook.yaml");
    std::fs::write(&path, playbook).unwrap();
    format!("scripted:{}", path.display())
}

/// The bodies of all events of a run.
#[track_caller]
fn log(env: &TestEnv) -> Vec<Value> {
    let lines = env.miyabi(["log", "1", "--json"]).expect(0).json_lines();
    lines.into_iter().map(|event| event["body"].clone()).collect()
}

fn of_kind<'l>(log: &'l [Value], kind: &str) -> Vec<&'l Value> {
    log.iter().filter(|body| body["type"] == kind).collect()
}

#[track_caller]
fn nothing_is_left(env: &TestEnv) {
    assert_eq!(env.worktrees(), Vec::<String>::new());
    assert_eq!(env.git(&["branch", "--format=%(refname:short)"]), "main");
    assert_eq!(env.processes(), Vec::<u32>::new());
}

#[test]
fn agents_answer_a_condition_skips_and_actions_are_written() {
    let env = with_flow();
    let agent = agent(&env, PLAYBOOK);
    let ran = env.miyabi(["flow", "run", "triage", "--payload", "p.json", "--agent", &agent]).expect(0);
    let log = log(&env);
    assert_eq!(log[0]["payload"]["issue"]["title"], "How?", "{ran:?}");
    let skipped = of_kind(&log, "step_skipped");
    assert_eq!((skipped.len(), &skipped[0]["step"]), (1, &json!("dig")));
    let outputs = of_kind(&log, "step_succeeded");
    assert_eq!(outputs[0]["output"], json!({ "label": "question" }));
    let issue = env.miyabi(["issue", "show", "1", "--json"]).expect(0).json();
    let shown = issue.to_string();
    assert!(shown.contains("question") && shown.contains("triaged"), "{shown}");
    assert!(shown.contains("It is a question."), "{shown}");
    assert!(!shown.contains("@everyone"), "it mentions nobody: {shown}");
    assert_eq!(of_kind(&log, "intent_done").len(), 2, "nothing but what the flow asks for");
    nothing_is_left(&env);
    assert_eq!(env.git(&["worktree", "list", "--porcelain"]).matches("worktree ").count(), 1);
    // The same step of a later run writes into the same comment.
    env.miyabi(["flow", "run", "triage", "--payload", "p.json", "--agent", &agent]).expect(0);
    let issue = env.miyabi(["issue", "show", "1", "--json"]).expect(0).json();
    assert_eq!(issue.to_string().matches("It is a question.").count(), 1);
}

#[test]
fn a_prompt_is_the_agent_its_skills_and_its_input_between_marks() {
    let env = with_flow();
    env.write("agents/reporter.md", "---\ndescription: d\nadapter: command:cat\n---\nYou report.\n");
    env.write(
        "agents/flows/triage.yaml",
        &TRIAGE
            .replace("agent: classifier", "agent: reporter")
            .replace("    actions:\n      - add_labels: { labels: [\"${kind.label}\", \"${label}\"] }\n", ""),
    );
    env.git(&["commit", "--quiet", "--all", "--message", "Echo"]);
    env.miyabi(["flow", "run", "triage", "--payload", "p.json", "--agent", "command:cat"]).expect(0);
    let log = log(&env);
    let outputs = of_kind(&log, "step_succeeded");
    let told = outputs[0]["output"].as_str().unwrap();
    assert!(
        told.starts_with(
            "You report.\n\n---\n\n## Injected Skills\n\nBe short.\n\n---\n\n## Input\n\nText between `<"
        ),
        "{told}"
    );
    let (_, after) = told.split_once("Text between `<").unwrap();
    let (fence, _) = after.split_once('>').unwrap();
    assert!(told.ends_with(&format!("\n\nClassify for triaged: <{fence}>How?</{fence}>")), "{told}");
    assert!(fence.len() >= 16, "{fence}");
    let last = outputs[1]["output"].as_str().unwrap();
    assert!(last.contains("webhook") && last.contains("issues.opened"), "{last}");
    assert!(!told.contains("obey") && !last.contains("obey"), "what nobody sees is not told: {last}");
}

#[test]
fn an_answer_that_is_none_is_asked_for_once_more_and_then_fails_as_that() {
    let env = with_flow();
    let agent = agent(&env, "classify:\n  - say: I do not know.\n報告:\n  - say: Nothing.\n");
    env.miyabi(["flow", "run", "triage", "--payload", "p.json", "--agent", &agent]).expect(10);
    let log = log(&env);
    let failed = of_kind(&log, "step_failed");
    assert_eq!((failed.len(), &failed[0]["failure"]["class"]), (1, &json!("bad_answer")));
    let sessions = of_kind(&log, "session_started");
    assert_eq!(sessions.iter().filter(|body| body["step"] == "classify").count(), 2);
    assert_eq!(of_kind(&log, "step_skipped")[0]["step"], "dig");
    assert!(of_kind(&log, "step_succeeded").iter().any(|body| body["step"] == "報告"), "it runs always");
    nothing_is_left(&env);
}

#[test]
fn what_cannot_be_carried_out_is_refused_before_anything_begins() {
    let env = with_flow();
    let agent = agent(&env, PLAYBOOK);
    let run = |flow: &str, payload: &str| {
        let ran = env.miyabi(["flow", "run", flow, "--payload", payload, "--agent", &agent]).expect(1);
        format!("{ran:?}")
    };
    env.write("a.yaml", &TRIAGE.replace("[post_issue_comment]", "[{deploy: {environment: live}}]"));
    assert!(run("a.yaml", "p.json").contains("step `報告`: the action `deploy`"));
    env.write("b.yaml", "name: b\nsteps:\n  - {name: a, uses: analyse}\n");
    assert!(run("b.yaml", "p.json").contains("step `a` is a built-in one"));
    env.write("q.json", r#"{"issue": {"number": 7}}"#);
    assert!(run("triage", "q.json").contains("there is no issue #7"));
    env.write("big.json", &json!({ "text": "x".repeat(1_100_000) }).to_string());
    assert!(run("triage", "big.json").contains("at most 1048576"));
    env.miyabi(["log", "1"]).expect(1);
}

#[test]
fn a_run_that_was_killed_goes_on_and_writes_once() {
    let env = with_flow();
    let playbook = |last: &str| {
        format!("classify:\n  - say: '{{\"label\": \"bug\"}}'\ndig:\n{last}報告:\n  - say: Found it.\n")
    };
    let agent = agent(&env, &playbook("  - hang\n"));
    let mut first = env.start(["flow", "run", "triage", "--payload", "p.json", "--agent", &agent]);
    let mut lines = BufReader::new(first.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("dig started")), "it began to dig");
    first.kill().unwrap();
    first.wait().unwrap();
    std::fs::write(env.root().join("playbook.yaml"), playbook("  - say: Deep.\n")).unwrap();
    env.miyabi(["resume", "1"]).expect(0);
    let log = log(&env);
    assert_eq!(of_kind(&log, "attempt_lost").len(), 1);
    let sessions = of_kind(&log, "session_started");
    assert_eq!(sessions.iter().filter(|body| body["step"] == "classify").count(), 1, "not asked again");
    assert_eq!(of_kind(&log, "intent_recorded").len(), 2);
    let issue = env.miyabi(["issue", "show", "1", "--json"]).expect(0).json().to_string();
    assert_eq!(issue.matches("Found it.").count(), 1, "{issue}");
    nothing_is_left(&env);
}
