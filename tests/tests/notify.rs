//! People are told by mail and Slack: servers that we did not write say what arrived.
#![expect(clippy::unwrap_used, reason = "tests")]

use miyabi_tests::env::TestEnv;
use miyabi_tests::github::{Served, eventually, is_here_or_say};
use miyabi_tests::people::{Inboxes, PASSWORD};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
const TO: &str =
    "[notify]\nto = [\"雅 <miyabi@example.com>\", \"team@example.com\"]\nfrom = \"ci@example.com\"\n";
const PLAYBOOK: &str = "task-1:\n  - write: { path: notes/right.md, content: \"右\\n\" }\n";

fn env(settings: &str) -> TestEnv {
    let env = TestEnv::with_crate(PROGRAM);
    env.write("miyabi.toml", settings);
    env.git(&["add", "--all"]);
    env.git(&["commit", "--quiet", "--message", "Settings"]);
    std::fs::write(env.root().join("playbook.yaml"), PLAYBOOK).unwrap();
    env.miyabi(["issue", "new", "--title", "右を書く <!channel>", "--body", "One *note*."]).expect(0);
    env
}

fn run(env: &TestEnv, code: i32) -> String {
    let agent = format!("scripted:{}", env.root().join("playbook.yaml").display());
    let ran = env.miyabi(["run", "issue", "1", "--agent", &agent]).expect(code);
    format!("{}{}", ran.stdout, ran.stderr)
}

fn subjects(arrived: &Value) -> Vec<&str> {
    arrived["mails"].as_array().unwrap().iter().map(|mail| mail["subject"].as_str().unwrap()).collect()
}

#[test]
fn a_question_and_the_end_are_told_once_each_by_mail_and_slack() {
    if !is_here_or_say() {
        return;
    }
    let inboxes = Inboxes::start();
    // Without coverage there are at most 85 points: a person is asked.
    let mut env = env(&format!("[policy]\nmerge_from = 95\n{TO}"));
    env.set("MIYABI_SMTP_URL", &inboxes.smtp);
    env.set("MIYABI_SLACK_WEBHOOK_URL", &inboxes.slack);
    inboxes.refuse(1);
    let mut said = run(&env, 11);
    let asked = inboxes.arrived();
    assert_eq!(subjects(&asked).len(), 1, "{asked:#}");
    assert!(subjects(&asked)[0].starts_with("[miyabi] local/repo#1 a question: "), "{asked:#}");
    let mail = &asked["mails"][0];
    assert_eq!(mail["from"], "ci@example.com");
    assert_eq!(mail["to"], json!(["miyabi@example.com", "team@example.com"]));
    assert!(mail["text"].as_str().unwrap().contains("approve"), "{asked:#}");
    assert_eq!(asked["slack"].as_array().unwrap().len(), 1, "{asked:#}");

    said.push_str(
        &env.miyabi(["escalation", "answer", "1-1", "--action", "approve_anyway"]).expect(0).stderr,
    );
    let told = inboxes.arrived();
    assert_eq!(subjects(&told)[1..], ["[miyabi] local/repo#1 run 1 succeeded"], "{told:#}");
    assert!(told["mails"][1]["text"].as_str().unwrap().contains("右を書く"), "{told:#}");
    assert_ne!(told["mails"][0]["id"], told["mails"][1]["id"]);
    let slack: Vec<_> = told["slack"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    assert_eq!(slack.len(), 2);
    assert!(slack[1].contains("右を書く &lt;!channel&gt;"), "no mention is made of it: {slack:?}");

    said.push_str(&env.miyabi(["log", "1"]).expect(0).stdout);
    assert!(said.contains("tell people by mail"), "{said}");
    said.push_str(&env.miyabi(["log", "1", "--json"]).expect(0).stdout);
    for secret in [PASSWORD, "p@ss word", "/services/"] {
        assert!(!said.contains(secret), "{secret} is told");
    }
}

/// Whoever runs a command has gone by then; a server tells it again, also one that was started later.
#[test]
fn a_server_tells_of_an_open_question_again() {
    if !is_here_or_say() {
        return;
    }
    let inboxes = Inboxes::start();
    let mut env = env(&format!("[policy]\nmerge_from = 95\nremind_low_secs = 1\n{TO}"));
    env.set("MIYABI_SMTP_URL", &inboxes.smtp);
    run(&env, 11);
    assert_eq!(subjects(&inboxes.arrived()).len(), 1);
    let served = Served::start(&env);
    eventually("two reminders", || {
        let told = inboxes.arrived();
        let again = subjects(&told).into_iter().filter(|subject| subject.contains(" still a question: "));
        again.count() > 1
    });
    env.miyabi(["escalation", "answer", "1-1", "--action", "approve_anyway", "--no-resume"]).expect(0);
    assert_eq!(served.stop(), Some(0));
}

#[test]
fn a_mail_server_that_is_gone_is_told_and_stops_nothing() {
    if !is_here_or_say() {
        return;
    }
    let smtp = Inboxes::start().smtp.clone();
    let mut env = env(&format!("[policy]\nmerge_from = 80\ntransient_retries = 0\n{TO}"));
    env.set("MIYABI_SMTP_URL", &smtp);
    run(&env, 0);
    let log = env.miyabi(["log", "1", "--json"]).expect(0).json_lines();
    let failed: Vec<_> = log.iter().filter(|event| event["body"]["type"] == "intent_failed").collect();
    assert_eq!(failed.len(), 1, "{failed:#?}");
    let text = failed[0].to_string();
    assert!(text.contains("send a mail") && !text.contains(PASSWORD), "{text}");
}

#[test]
fn what_cannot_be_used_is_said_before_anything_begins() {
    for (settings, variable, value, word) in [
        (TO, "MIYABI_SMTP_URL", "http://u:hidden@x", "smtp://"),
        (TO, "MIYABI_SMTP_URL", "smtp://u:hidden@[", "cannot be read"),
        ("[notify]\nto = [\"nobody\"]\n", "MIYABI_SMTP_URL", "smtp://u:hidden@x", "notify.to"),
        ("", "MIYABI_SLACK_WEBHOOK_URL", "hooks/hidden", "MIYABI_SLACK_WEBHOOK_URL"),
    ] {
        let mut env = TestEnv::with_crate(PROGRAM);
        env.write("miyabi.toml", settings);
        env.set(variable, value);
        let ran = env.miyabi(["status"]).expect(1);
        assert!(ran.stderr.contains(word) && !ran.stderr.contains("hidden"), "{}", ran.stderr);
    }
}
