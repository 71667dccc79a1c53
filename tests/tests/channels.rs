//! One question, every way to answer it, each across a restart; and every answer that must not count.

use std::io::{Read, Write};
use std::net::TcpStream;

use miyabi_tests::env::{Ran, TestEnv};
use miyabi_tests::github::{Served, eventually};
use miyabi_tests::terminal::Terminal;
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");
const TOKEN: &str = "a-token-of-the-api";
const PROMPT: &str = "Enter leaves it open: ";

/// A repository with one issue whose plan waits for approval.
fn stage(policy: &str) -> TestEnv {
    let settings = format!(
        "[agent]\ndefault = \"scripted:playbook.yaml\"\n[policy]\nsimple_below = 0.0\nnotify_from = 0.0\napprove_above = 0.0\n{policy}"
    );
    let playbook = "default:\n  - write: { path: note.md, content: \"雅\\n\" }\n";
    let files = [("README.md", "# Notes\n"), ("miyabi.toml", &settings), ("playbook.yaml", playbook)];
    let env = TestEnv::new(PROGRAM, &files);
    env.miyabi(["issue", "new", "--title", "Keep a note", "--body", "Write a note."]).expect(0);
    env
}

/// The same, asking: the process that ran it has ended.
fn asking(policy: &str) -> TestEnv {
    let env = stage(policy);
    env.miyabi(["run", "issue", "1"]).expect(11);
    assert_eq!(env.processes(), Vec::<u32>::new(), "who waits costs nothing");
    env
}

fn answer(env: &TestEnv, id: &str, action: &str) -> Ran {
    env.miyabi(["escalation", "answer", id, "--action", action, "--no-resume"])
}

/// Who answered the first question, where, and how.
fn answers(env: &TestEnv) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let log = env.miyabi(["log", "1", "--json"]).expect(0).json_lines();
    let answers = log.iter().map(|event| &event["body"]);
    let answers = answers.filter(|body| body["type"] == "escalation_answered" && body["escalation"] == "1-1");
    answers
        .map(|body| {
            (text(&body["answer"]["by"]), text(&body["answer"]["from"]), text(&body["answer"]["action"]))
        })
        .collect()
}

fn one(by: &str, from: &str, action: &str) -> Vec<(String, String, String)> {
    vec![(by.to_owned(), from.to_owned(), action.to_owned())]
}

/// Sends an answer by the API; gives the status and what was said.
fn post(url: &str, token: &str, id: &str, body: &Value) -> (u16, Value) {
    let host = url.strip_prefix("http://").expect("it is an address");
    let body = body.to_string();
    let request = format!(
        "POST /api/v1/escalations/{id}/answer HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(host).expect("it listens");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut said = String::new();
    stream.read_to_string(&mut said).expect("it answers");
    let status = said.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    let body = said.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (
        status.unwrap_or_else(|| panic!("no status in {said:?}")),
        serde_json::from_str(body).unwrap_or_default(),
    )
}

#[test]
fn by_the_command_line_after_a_restart() {
    let env = asking("");
    env.miyabi(["escalation", "answer", "1-1", "--action", "approve_anyway"]).expect(11);
    assert_eq!(answers(&env), one("Test", "cli", "approve_anyway"));
}

#[test]
fn at_the_terminal_where_it_runs() {
    let env = stage("");
    let mut terminal = Terminal::start(env.program(["run", "issue", "1"]));
    terminal.until("answer 1-1 here");
    terminal.until(PROMPT);
    terminal.type_line("yes");
    terminal.until(PROMPT);
    terminal.type_line("1 よい計画");
    // The change wants a person too: this one stays open.
    terminal.until("answer 1-2 here");
    terminal.until(PROMPT);
    terminal.type_line("");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(11), "{shown}");
    assert_eq!(answers(&env), one("Test", "terminal", "approve_anyway"));
    let log = env.miyabi(["log", "1", "--json"]).expect(0).stdout;
    assert!(log.contains("よい計画"), "the note is kept");

    // A restart: the same terminal, the other question.
    let mut terminal = Terminal::start(env.program(["resume"]));
    terminal.until(PROMPT);
    terminal.type_line("reject");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(10), "{shown}");
}

#[test]
fn what_is_answered_elsewhere_ends_the_prompt() {
    let env = stage("");
    let mut terminal = Terminal::start(env.program(["run", "issue", "1"]));
    terminal.until(PROMPT);
    answer(&env, "1-1", "reject").expect(0);
    terminal.until("question 1-1 was answered elsewhere");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(10), "{shown}");
    assert_eq!(answers(&env), one("Test", "cli", "reject"));
}

#[test]
fn by_the_api_after_a_restart() {
    let mut env = asking("");
    env.set("MIYABI_API_TOKEN", TOKEN);
    let served = Served::start(&env);
    let approve = json!({ "action": "approve_anyway", "note": "よい" });
    assert_eq!(post(&served.url, "another", "1-1", &approve).0, 401);
    assert_eq!(post(&served.url, TOKEN, "1-1", &json!({ "action": "open_sesame" })).0, 409);
    assert_eq!(post(&served.url, TOKEN, "1-9", &approve).0, 404);
    let (status, said) = post(&served.url, TOKEN, "1-1", &approve);
    assert_eq!((status, &said["question"], &said["action"]), (200, &json!("1-1"), &json!("approve_anyway")));
    // It goes on at once, up to the next question.
    eventually("the next question", || {
        let open = env.miyabi(["escalation", "list", "--json"]).expect(0).json();
        open[0]["id"] == "1-2"
    });
    assert_eq!(post(&served.url, TOKEN, "1-1", &approve).0, 404, "late");
    assert_eq!(answers(&env), one("api", "api", "approve_anyway"));
    served.kill();
    // Killed, and started again: the next questions are answered the same way, up to the end.
    let served = Served::start(&env);
    eventually("the end", || {
        let open = env.miyabi(["escalation", "list", "--json"]).expect(0).json();
        if let Some(id) = open[0]["id"].as_str() {
            assert_eq!(post(&served.url, TOKEN, id, &approve).0, 200, "{id}");
        }
        env.miyabi(["status", "--json"]).expect(0).json()["recent"][0]["status"] == "succeeded"
    });
    assert_eq!(served.stop(), Some(0));
}

#[test]
fn without_a_token_the_api_takes_no_answer() {
    let env = asking("");
    let served = Served::start(&env);
    let (status, said) = post(&served.url, "", "1-1", &json!({ "action": "approve_anyway" }));
    assert_eq!(status, 403, "{said}");
    assert!(said["hint"].to_string().contains("MIYABI_API_TOKEN"), "{said}");
    assert_eq!(answers(&env), []);
    assert_eq!(served.stop(), Some(0));
}

/// However many answer at once, one answer counts, and whoever came late is told so.
#[test]
fn of_contradicting_answers_one_counts() {
    let env = asking("");
    let give = |action: &str| {
        let arguments = ["escalation", "answer", "1-1", "--action", action, "--no-resume"];
        (action.to_owned(), env.start(arguments))
    };
    let given: Vec<_> = ["approve_anyway", "reject", "approve_anyway", "reject"].map(give).into();
    let ended = given.into_iter().map(|(action, child)| (action, child.wait_with_output().expect("it ends")));
    let (mut taken, mut refused) = (Vec::new(), 0);
    for (action, output) in ended {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => taken.push(action),
            Some(1) => {
                assert!(said.contains("not open any more") || said.contains("no open question"), "{said}");
                refused += 1;
            }
            other => panic!("{other:?}: {said}"),
        }
    }
    assert_eq!((taken.len(), refused), (1, 3));
    assert_eq!(answers(&env), one("Test", "cli", &taken[0]));
    let late = answer(&env, "1-1", "approve_anyway").expect(1);
    assert!(late.stderr.contains("there is no open question `1-1`"), "{}", late.stderr);
    assert_eq!(answers(&env).len(), 1);
}

#[test]
fn what_is_forged_does_not_count() {
    let mut env = asking("approvers = [\"alice\"]\n");
    let refused = answer(&env, "1-1", "approve_anyway").expect(1);
    assert!(
        refused.stderr.contains("`Test` may not approve question `1-1`; who may: alice"),
        "{}",
        refused.stderr
    );
    answer(&env, "1-7", "approve_anyway").expect(1);
    answer(&env, "../1-1", "approve_anyway").expect(1);
    answer(&env, "1-1", "rework").expect(1);
    env.set("MIYABI_API_TOKEN", TOKEN);
    let served = Served::start(&env);
    let (status, said) = post(&served.url, TOKEN, "1-1", &json!({ "action": "approve_anyway" }));
    assert_eq!(status, 409, "{said}");
    assert!(said["error"].to_string().contains("`api` may not approve"), "{said}");
    let claimed = json!({ "action": "approve_anyway", "by": "alice" });
    assert_eq!(post(&served.url, TOKEN, "1-1", &claimed).0, 400, "nobody says who they are");
    assert_eq!(served.stop(), Some(0));
    // An agent that finds the program answers nothing with it.
    env.git(&["config", "--global", "user.name", "Alice"]);
    env.set("MIYABI_SESSION", "of-an-agent");
    let refused = answer(&env, "1-1", "approve_anyway").expect(1);
    assert!(refused.stderr.contains("this is an agent's session"), "{}", refused.stderr);
    assert_eq!(answers(&env), []);
    env.set("MIYABI_SESSION", "");
    answer(&env, "1-1", "approve_anyway").expect(0);
    assert_eq!(answers(&env), one("Alice", "cli", "approve_anyway"));
}

#[test]
fn without_an_answer_the_default_is_taken_after_a_restart() {
    let env = asking("escalation_deadline_secs = 1\n");
    eventually("the deadline", || env.miyabi(["resume", "1"]).code == Some(10));
    assert_eq!(answers(&env), one("miyabi", "deadline", "reject"));
    answer(&env, "1-1", "approve_anyway").expect(1);
}
