//! The same model behind OpenAI's Chat Completions API, and behind a gateway that speaks it.

use std::io;

use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::{CACHED_TOKENS, INPUT_TOKENS, OUTPUT_TOKENS, Request, Shared, Turn, begin_stream, respond_json};

/// What a gateway calls every conversation.
pub const EPISODE: &str = "0199-episode";

pub(super) async fn respond(
    stream: &mut BufReader<TcpStream>,
    shared: &Shared,
    request: &Request,
) -> io::Result<()> {
    let (answers, turn) = shared.next(request, "messages");
    let text = match turn {
        Turn::Say(text) | Turn::Use { text, .. } => text,
        Turn::Status(status) => {
            // As the provider says it of a question that is too long.
            let code = if status == 400 { "context_length_exceeded" } else { "scripted" };
            let error = json!({ "error": { "message": "scripted failure", "code": code } });
            return respond_json(stream, status, &error).await;
        }
        Turn::Silence => return std::future::pending().await,
        Turn::Cut => {
            begin_stream(stream).await?;
            chunk(stream, &delta(answers, request, "a patch that is cu", None)).await?;
            return stream.shutdown().await;
        }
    };
    begin_stream(stream).await?;
    // In two pieces, each whole characters.
    let half = text.chars().count() / 2;
    let (first, second): (String, String) =
        (text.chars().take(half).collect(), text.chars().skip(half).collect());
    chunk(stream, &delta(answers, request, &first, None)).await?;
    chunk(stream, &delta(answers, request, &second, None)).await?;
    chunk(stream, &delta(answers, request, "", Some("stop"))).await?;
    let mut usage = delta(answers, request, "", None);
    usage["choices"] = json!([]);
    usage["usage"] = json!({
        "prompt_tokens": INPUT_TOKENS + CACHED_TOKENS,
        "completion_tokens": OUTPUT_TOKENS,
        "prompt_tokens_details": { "cached_tokens": CACHED_TOKENS },
    });
    chunk(stream, &usage).await?;
    data(stream, "[DONE]").await?;
    stream.write_all(b"0\r\n\r\n").await?;
    stream.shutdown().await
}

fn delta(answers: usize, request: &Request, text: &str, finish: Option<&str>) -> Value {
    let mut delta = json!({
        "id": format!("chatcmpl-{answers}"),
        "object": "chat.completion.chunk",
        "model": request.body["model"],
        "choices": [{ "index": 0, "delta": { "content": text }, "finish_reason": finish }],
    });
    if request.target.starts_with("/openai/") {
        delta["episode_id"] = json!(EPISODE);
    }
    delta
}

async fn chunk(stream: &mut BufReader<TcpStream>, value: &Value) -> io::Result<()> {
    data(stream, &value.to_string()).await
}

async fn data(stream: &mut BufReader<TcpStream>, data: &str) -> io::Result<()> {
    let event = format!("data: {data}\n\n");
    stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await?;
    stream.flush().await
}
