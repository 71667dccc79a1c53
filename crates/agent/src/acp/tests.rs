//! A conversation line by line, its ends, and what is asked of us in it.

use super::*;

fn client() -> Client {
    Client::about(Path::new("/w/雅"), "「雅」 を書く", Containment::Bubblewrap)
}

/// What the lines mean and what is answered, until it is over.
fn talk(client: &mut Client, lines: &[Value]) -> (Vec<AgentEvent>, Vec<Value>) {
    let mut all = (Vec::new(), Vec::new());
    for line in lines {
        let (events, answers) = client.line(&line.to_string());
        all.0.extend(events);
        all.1.extend(answers.iter().map(|answer| serde_json::from_str::<Value>(answer).unwrap()));
    }
    all
}

fn answer(id: u64, result: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

fn update(update: Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": "session/update", "params": { "sessionId": "s-1", "update": update } })
}

fn chunk(text: &str) -> Value {
    update(json!({ "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": text } }))
}

fn ended(ok: bool, reason: &str) -> AgentEvent {
    AgentEvent::Ended { ok, reason: reason.to_owned() }
}

#[test]
fn a_conversation_from_its_greeting_to_its_end() {
    let mut client = client();
    let greeting: Value = serde_json::from_str(&client.greeting()).unwrap();
    assert_eq!(
        (&greeting["method"], &greeting["params"]["protocolVersion"]),
        (&json!("initialize"), &json!(1))
    );
    let (events, answers) = talk(
        &mut client,
        &[
            answer(0, json!({ "protocolVersion": 1, "agentCapabilities": { "loadSession": true } })),
            answer(1, json!({ "sessionId": "s-1" })),
            update(json!({ "sessionUpdate": "available_commands_update", "availableCommands": [] })),
            update(json!({ "sessionUpdate": "never heard of", "x": 1 })),
            chunk("まず"),
            chunk("書きます。"),
            update(
                json!({ "sessionUpdate": "tool_call", "toolCallId": "t1", "title": "Write note.md", "kind": "edit", "status": "pending" }),
            ),
            update(
                json!({ "sessionUpdate": "tool_call_update", "toolCallId": "t1", "status": "in_progress" }),
            ),
            update(json!({ "sessionUpdate": "tool_call_update", "toolCallId": "t1", "status": "completed" })),
            update(json!({ "sessionUpdate": "tool_call_update", "toolCallId": "t1", "status": "completed" })),
            update(
                json!({ "sessionUpdate": "usage_update", "used": 10, "size": 100, "cost": { "amount": 0.5, "currency": "USD" } }),
            ),
            chunk("書きました。"),
            answer(3, json!({ "stopReason": "end_turn" })),
        ],
    );
    let said = |text: &str| AgentEvent::Message { text: text.to_owned() };
    let told: Vec<_> =
        events.iter().filter(|event| !matches!(event, AgentEvent::Raw { .. })).cloned().collect();
    let expected = [
        AgentEvent::Named { session: "s-1".to_owned() },
        said("まず書きます。"),
        AgentEvent::ToolStarted { tool: "edit".to_owned(), detail: "Write note.md".to_owned() },
        AgentEvent::ToolEnded { ok: true },
        AgentEvent::Usage(Usage { cost_usd: Some(0.5), ..Usage::default() }),
        said("書きました。"),
        ended(true, "end of turn"),
    ];
    assert_eq!(told, expected);
    assert!(client.is_over());
    assert_eq!(answers[0]["method"], "session/new");
    assert_eq!(answers[0]["params"]["cwd"], "/w/雅");
    assert_eq!(answers[1]["method"], "session/prompt");
    assert_eq!(answers[1]["params"]["prompt"][0]["text"], "「雅」 を書く");
    assert_eq!(answers.len(), 2);
}

#[test]
fn ends_that_are_none() {
    for (result, reason) in [
        (json!({ "stopReason": "max_tokens" }), "the limit of tokens was reached"),
        (json!({ "stopReason": "refusal" }), "the model refused to go on"),
        (json!({ "stopReason": "never heard of" }), "it ended without a reason that is known"),
        (json!(null), "it ended without a reason that is known"),
    ] {
        let mut client = client();
        let opened = [
            answer(0, json!({ "protocolVersion": 1 })),
            answer(1, json!({ "sessionId": "s" })),
            answer(3, result),
        ];
        assert_eq!(talk(&mut client, &opened).0.last(), Some(&ended(false, reason)));
        assert!(client.is_over());
    }
    let other = answer(0, json!({ "protocolVersion": 2 }));
    let error = json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -32000, "message": "Authentication required" } });
    assert_eq!(talk(&mut client(), &[other]).0, [ended(false, "it speaks another version of the protocol")]);
    assert_eq!(talk(&mut client(), &[error]).0, [ended(false, "Authentication required")]);
}

#[test]
fn what_it_asks_of_us_is_answered() {
    let ask = |id: Value, method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
    let options = json!([{ "optionId": "yes", "name": "Yes", "kind": "allow_once" }]);
    let tool = json!({ "toolCallId": "t", "title": "rm -rf", "kind": "execute" });
    let (events, answers) = talk(
        &mut client(),
        &[
            ask(
                json!("a"),
                "session/request_permission",
                json!({ "sessionId": "s", "toolCall": tool, "options": options }),
            ),
            ask(json!(7), "fs/read_text_file", json!({ "path": "/etc/shadow" })),
            ask(json!(8), "session/request_permission", json!({ "odd": true })),
        ],
    );
    assert_eq!(events, []);
    assert_eq!(
        answers[0],
        json!({ "jsonrpc": "2.0", "id": "a", "result": { "outcome": { "outcome": "selected", "optionId": "yes" } } })
    );
    assert_eq!((&answers[1]["id"], &answers[1]["error"]["code"]), (&json!(7), &json!(-32601)));
    assert_eq!((&answers[2]["id"], &answers[2]["error"]["code"]), (&json!(8), &json!(-32601)));
}

#[test]
fn what_is_no_message_is_kept_and_changes_nothing() {
    let mut client = client();
    for line in ["", "not json", "[]", "{}", "{\"id\": 99, \"result\": {}}", "{\"method\": \"x\"}", "\"雅\""]
    {
        let (events, answers) = client.line(line);
        assert!(events.len() <= 1 && answers.is_empty(), "{line}");
        assert!(!client.is_over());
    }
}
