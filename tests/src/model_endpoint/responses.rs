//! The same model behind OpenAI's Responses API, for Codex.

use std::io;

use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::{
    CACHED_TOKENS, INPUT_TOKENS, OUTPUT_TOKENS, Request, Shared, Turn, begin_stream, event, respond_json,
};

/// Items that the model itself said before.
const SAID: [&str; 2] = ["function_call", "reasoning"];

pub(super) async fn respond(
    stream: &mut BufReader<TcpStream>,
    shared: &Shared,
    request: &Request,
) -> io::Result<()> {
    let items = request.body["input"].as_array().map_or(&[][..], Vec::as_slice);
    let is_said = |item: &&Value| {
        item["role"] == "assistant" || item["type"].as_str().is_some_and(|kind| SAID.contains(&kind))
    };
    let answers = items.iter().filter(is_said).count();
    let turn = shared.turn(request, answers);
    let message = |text: &str| {
        let content = json!([{ "type": "output_text", "text": text, "annotations": [] }]);
        json!({ "type": "message", "role": "assistant", "id": format!("msg_{answers}"), "content": content })
    };
    let output = match turn {
        Turn::Say(text) => vec![message(&text)],
        Turn::Use { text, tool, input } => {
            let call = json!({ "type": "function_call", "id": format!("fc_{answers}"),
                "call_id": format!("call_{answers}"), "name": tool, "arguments": input.to_string() });
            let said = (!text.is_empty()).then(|| message(&text));
            said.into_iter().chain([call]).collect()
        }
        Turn::Status(status) => {
            let error = json!({ "error": { "message": "scripted failure", "type": "scripted" } });
            return respond_json(stream, status, &error).await;
        }
        Turn::Silence => return std::future::pending().await,
        Turn::Cut => {
            begin_stream(stream).await?;
            event(stream, &json!({ "type": "response.created", "response": { "id": "resp" } })).await?;
            return stream.shutdown().await;
        }
    };
    begin_stream(stream).await?;
    event(stream, &json!({ "type": "response.created", "response": { "id": "resp" } })).await?;
    for (index, item) in output.iter().enumerate() {
        event(stream, &json!({ "type": "response.output_item.done", "output_index": index, "item": item }))
            .await?;
    }
    let usage = json!({
        "input_tokens": INPUT_TOKENS + CACHED_TOKENS,
        "input_tokens_details": { "cached_tokens": CACHED_TOKENS },
        "output_tokens": OUTPUT_TOKENS,
        "output_tokens_details": { "reasoning_tokens": 0 },
        "total_tokens": INPUT_TOKENS + CACHED_TOKENS + OUTPUT_TOKENS,
    });
    event(stream, &json!({ "type": "response.completed", "response": { "id": "resp", "usage": usage } }))
        .await?;
    stream.write_all(b"0\r\n\r\n").await?;
    stream.shutdown().await
}
