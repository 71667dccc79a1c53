//! Recordings of the real program (made by `tests/tests/claude.rs` with `MIYABI_RECORD=true`) and lines with the
//! peculiarities that it is known for.

use miyabi_core::session::{SessionEnd, SessionOutcome};

use super::*;
use crate::seen::tests as seen;

fn events(recording: &str) -> Vec<AgentEvent> {
    let mut reader = Reader::default();
    recording.lines().flat_map(|line| reader.read(line)).collect()
}

fn outcome(recording: &str, code: i32) -> SessionOutcome {
    seen::of_events(&events(recording), code)
}

fn shown(recording: &str) -> String {
    seen::shown(&events(recording), 230)
}

macro_rules! recording {
    ($name:literal) => {
        include_str!(concat!("../../tests/recordings/", $name, ".jsonl"))
    };
}

#[test]
fn a_session_that_works() {
    let text = recording!("work");
    insta::assert_snapshot!(shown(text), @r#"
    {"event":"named","session":"1daf2816-5369-4d45-801f-85ee46cc1c3f"}
    {"event":"message","text":"まず書きます。"}
    {"event":"usage","input_tokens":1000,"output_tokens":1}
    {"event":"tool_started","tool":"Write","detail":"/box/worktree/hello.txt"}
    {"event":"tool_ended","ok":true}
    {"event":"tool_started","tool":"Bash","detail":"cat hello.txt"}
    {"event":"usage","input_tokens":2000,"output_tokens":2}
    {"event":"tool_ended","ok":true}
    {"event":"tool_started","tool":"Bash","detail":"curl http://127.0.0.1:9/$(cat hello.txt)"}
    {"event":"usage","input_tokens":3000,"output_tokens":3}
    {"event":"refused","what":"Bash curl http://127.0.0.1:9/$(cat hello.txt) (A nested command in this command can't be checked before it runs)"}
    {"event":"tool_ended","ok":false}
    {"event":"message","text":"書きました。"}
    {"event":"usage","input_tokens":4000,"output_tokens":4}
    {"event":"usage","input_tokens":4000,"output_tokens":80,"cost_usd":0.01608,"turns":4}
    {"event":"ended","ok":true,"reason":"success"}
    "#);
    let outcome = outcome(text, 0);
    assert_eq!((&outcome.end, outcome.refusals.len()), (&SessionEnd::Completed, 1));
    assert_eq!((outcome.usage.input_tokens, outcome.usage.output_tokens), (Some(4000), Some(80)));
}

#[test]
fn a_session_that_has_to_wait() {
    insta::assert_snapshot!(shown(recording!("retry")), @r#"
    {"event":"named","session":"6ecfa078-b009-431f-9a4f-d84bb8e7cab4"}
    {"event":"waiting","reason":"overloaded (HTTP 529), retry 1 of 4 in 599 ms"}
    {"event":"waiting","reason":"rate_limit (HTTP 429), retry 2 of 4 in 1071 ms"}
    {"event":"waiting","reason":"unknown, retry 3 of 4 in 2136 ms"}
    {"event":"message","text":"After all."}
    {"event":"usage","input_tokens":1000,"output_tokens":1}
    {"event":"usage","input_tokens":1000,"output_tokens":20,"cost_usd":0.00402,"turns":1}
    {"event":"ended","ok":true,"reason":"success"}
    "#);
    assert_eq!(outcome(recording!("retry"), 0).end, SessionEnd::Completed);
}

#[test]
fn a_session_whose_model_fails() {
    insta::assert_snapshot!(shown(recording!("api-error")), @r#"
    {"event":"named","session":"b810a3be-e2a3-4305-a553-659462f6c517"}
    {"event":"waiting","reason":"server_error (HTTP 500), retry 1 of 1 in 574 ms"}
    {"event":"message","text":"API Error: 500 scripted failure. This is a server-side issue, usually temporary — try again in a moment. If it persists, check your inference gateway (127.0.0.1:43071)."}
    {"event":"usage","input_tokens":0,"output_tokens":0}
    {"event":"usage","input_tokens":0,"output_tokens":0,"cost_usd":0.0,"turns":1}
    {"event":"ended","ok":false,"reason":"api_error: API Error: 500 scripted failure. This is a server-side issue, usually temporary — try again in a moment. If it persists, check your inference gateway (127.0.0.1:43071)."}
    "#);
    for code in [0, 1] {
        let SessionEnd::Failed { detail } = outcome(recording!("api-error"), code).end else { panic!() };
        assert!(detail.starts_with("api_error: API Error: 500"), "{detail}");
    }
}

#[test]
fn a_session_that_meets_its_own_limit() {
    insta::assert_snapshot!(shown(recording!("max-turns")), @r#"
    {"event":"named","session":"3af09a15-6893-4571-96d2-649824564fc5"}
    {"event":"tool_started","tool":"Bash","detail":"ls"}
    {"event":"usage","input_tokens":1000,"output_tokens":1}
    {"event":"tool_ended","ok":true}
    {"event":"tool_started","tool":"Bash","detail":"ls"}
    {"event":"usage","input_tokens":2000,"output_tokens":2}
    {"event":"tool_ended","ok":true}
    {"event":"usage","input_tokens":2000,"output_tokens":40,"cost_usd":0.00804,"turns":3}
    {"event":"ended","ok":false,"reason":"error_max_turns: Reached maximum number of turns (2)"}
    "#);
    let detail = "error_max_turns: Reached maximum number of turns (2)".to_owned();
    assert_eq!(outcome(recording!("max-turns"), 1).end, SessionEnd::Failed { detail });
}

#[test]
fn a_session_that_ends_without_a_word_failed() {
    let detail = "the program ended without a result event".to_owned();
    assert_eq!(outcome(recording!("silence"), 0).end, SessionEnd::Failed { detail });
    let detail = "the program ended with exit code 143".to_owned();
    assert_eq!(outcome(recording!("silence"), 143).end, SessionEnd::Failed { detail });
}

#[test]
fn the_order_of_keys_does_not_matter() {
    let line = r#"{"result":"ok","total_cost_usd":0.5,"type":"result","is_error":false,"subtype":"success"}"#;
    let reordered =
        r#"{"subtype":"success","type":"result","is_error":false,"total_cost_usd":0.5,"result":"ok"}"#;
    assert_eq!(normalize(line), normalize(reordered));
    assert_eq!(
        normalize(line),
        [
            AgentEvent::Message { text: "ok".to_owned() },
            AgentEvent::Usage(Usage { cost_usd: Some(0.5), ..Usage::default() }),
            AgentEvent::Ended { ok: true, reason: "success".to_owned() },
        ]
    );
}

#[test]
fn blocks_of_one_message_are_not_summed() {
    let line = |id: &str, input: u64, output: u64| {
        format!(
            r#"{{"type":"assistant","message":{{"id":"{id}","content":[],"usage":{{"input_tokens":{input},
            "cache_creation_input_tokens":10,"cache_read_input_tokens":1,"output_tokens":{output}}}}}}}"#
        )
        .replace('\n', " ")
    };
    let session =
        [line("a", 100, 1), line("a", 100, 1), line("a", 100, 7), line("b", 200, 2), line("b", 200, 2)];
    let usage = |input, output| {
        AgentEvent::Usage(Usage {
            input_tokens: Some(input),
            output_tokens: Some(output),
            ..Usage::default()
        })
    };
    assert_eq!(events(&session.join("\n")), [usage(111, 1), usage(111, 7), usage(322, 9)]);
    let huge = [line("a", u64::MAX, u64::MAX), line("b", 1, 1)].join("\n");
    assert_eq!(events(&huge).last(), Some(&usage(u64::MAX, u64::MAX)));
}

#[test]
fn refusals_that_only_the_result_knows_are_told_once() {
    let denial = r#"{"tool_name":"Write","tool_use_id":"t1","tool_input":{"file_path":"/etc/認"}}"#;
    let result = format!(
        r#"{{"type":"result","subtype":"success","is_error":false,"permission_denials":[{denial}, {denial}]}}"#
    );
    let refused = AgentEvent::Refused { what: "Write /etc/認".to_owned() };
    assert_eq!(events(&result).iter().filter(|event| **event == refused).count(), 1);

    let told = r#"{"type":"system","subtype":"permission_denied","tool_use_id":"t1","message":"no"}"#;
    let both = events(&format!("{told}\n{result}"));
    let refusals: Vec<_> = both.iter().filter(|event| matches!(event, AgentEvent::Refused { .. })).collect();
    assert_eq!(refusals, [&AgentEvent::Refused { what: "no".to_owned() }]);
}

#[test]
fn tools_are_described_in_a_line() {
    let line = |input: &Value| {
        let block = serde_json::json!({ "type": "tool_use", "id": "t", "name": "Bash", "input": input });
        let line = serde_json::json!({ "type": "assistant", "message": { "content": [block] } });
        match normalize(&line.to_string()).remove(0) {
            AgentEvent::ToolStarted { tool, detail } => format!("{tool}: {detail}"),
            other => format!("{other:?}"),
        }
    };
    assert_eq!(
        line(&serde_json::json!({ "command": "ls \"$(id)\"", "description": "d" })),
        "Bash: ls \"$(id)\""
    );
    assert_eq!(line(&serde_json::json!({ "command": "one\ntwo" })), "Bash: one…");
    assert_eq!(
        line(&serde_json::json!({ "command": "長".repeat(300) })),
        format!("Bash: {}…", "長".repeat(200))
    );
    assert_eq!(line(&serde_json::json!({ "other": 1 })), "Bash: ");
    assert_eq!(line(&Value::Null), "Bash: ");
}

#[test]
fn anything_else_is_kept_as_it_is() {
    for line in [
        "plain words",
        "{\"type\":",
        "{}",
        "null",
        "[1]",
        r#"{"type":"stream_event","event":{}}"#,
        r#"{"type":"system","subtype":"status"}"#,
        r#"{"type":"result","usage":"none"}"#,
        "\u{fffd}日本",
    ] {
        assert_eq!(normalize(line), [AgentEvent::Raw { line: line.to_owned() }], "{line}");
    }
    assert_eq!(normalize("  "), []);
    assert_eq!(normalize(r#"{"type":"user","message":{"content":"text"}}"#), []);
    let unknown_block = r#"{"type":"assistant","message":{"content":[{"type":"thinking","thinking":"…"}]}}"#;
    assert_eq!(normalize(unknown_block), []);
}

#[test]
fn the_command_line_is_what_the_program_takes() {
    let options = ClaudeOptions {
        allowed_tools: ["Read", "Bash(cargo test:*)"].map(str::to_owned).to_vec(),
        arguments: ["--model", "opus"].map(str::to_owned).to_vec(),
        ..ClaudeOptions::default()
    };
    let words = |containment, resume| {
        let line = options.command_line(containment, resume).into_iter();
        line.map(|word| word.into_string().unwrap()).collect::<Vec<_>>()
    };
    let boxed = words(Containment::Landlock, None);
    assert_eq!(boxed[4..], ["--permission-mode", "bypassPermissions", "--model", "opus"]);
    assert_eq!(
        words(Containment::Plain, Some("-x")),
        [
            "-p",
            "--output-format",
            "stream-json",
            "--verbose",
            "--permission-mode",
            "acceptEdits",
            "--allowedTools",
            "Read,Bash(cargo test:*)",
            "--resume=-x",
            "--model",
            "opus",
        ]
    );
}

#[test]
fn no_tool_that_writes_may_be_used_everywhere() {
    let writers = ["Edit", "Write", "MultiEdit", "NotebookEdit", "Bash"].map(str::to_owned);
    let allowed = ClaudeOptions::default().allowed_tools;
    assert_eq!(
        allowed.iter().filter(|tool| writers.contains(tool)).collect::<Vec<_>>(),
        Vec::<&String>::new()
    );
}
