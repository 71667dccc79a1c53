//! A scripted model behind Anthropic's Messages API, so that the real Claude Code runs without a key and without a
//! network. It speaks just enough HTTP/1.1: one request per connection, answers as JSON or as an event stream.
//!
//! Only conversations that offer tools are answered by the script. Side requests of the program (titles, quota,
//! token counts) get small sane answers, so that a script holds nothing but the turns of the work itself.

pub mod chat;
mod responses;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The real Claude Code as `tests/setup-agents.sh` installs it, if it is there.
pub fn installed_claude() -> Option<PathBuf> {
    installed("claude")
}

fn installed(program: &str) -> Option<PathBuf> {
    let agents = std::env::var_os("MIYABI_AGENTS_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/agents"), PathBuf::from);
    agents.join("node_modules/.bin").join(program).canonicalize().ok()
}

/// The real Codex, if it is there; otherwise what is missing is said, and it is an error in CI.
#[expect(clippy::print_stderr, reason = "it speaks to the person who runs the tests")]
pub fn codex_or_say() -> Option<PathBuf> {
    let codex = installed("codex");
    if codex.is_none() {
        eprintln!("not run: Codex is not installed; run `tests/setup-agents.sh`");
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "Codex must be there in CI");
    }
    codex
}

/// The same; says on standard error what is missing and how to get it. Fails where continuous integration runs.
#[expect(clippy::print_stderr, reason = "it speaks to the person who runs the tests")]
pub fn claude_or_say() -> Option<PathBuf> {
    let claude = installed_claude();
    if claude.is_none() {
        eprintln!("not run: Claude Code is not installed; run `tests/setup-agents.sh`");
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "Claude Code must be there in CI");
    }
    claude
}

/// The bridge of `claude` or `codex` to the Agent Client Protocol; the same.
#[expect(clippy::print_stderr, reason = "it speaks to the person who runs the tests")]
pub fn bridge_or_say(of: &str) -> Option<PathBuf> {
    // The wrapper that npm installs for Codex leaves its child running, so it is the native program.
    let arch = if std::env::consts::ARCH == "x86_64" { "x64" } else { "arm64" };
    let bridge = match of {
        "claude" => installed("claude-agent-acp"),
        _ => installed(&format!("codex-acp-linux-{arch}")),
    };
    if bridge.is_none() {
        eprintln!("not run: the bridge of {of} is not installed; run `tests/setup-agents.sh`");
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "the bridge of {of} must be there in CI");
    }
    bridge
}

/// What the model does when it is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn {
    /// Says this and ends its turn.
    Say(String),
    /// Says this, if it is not empty, and uses a tool.
    Use {
        /// What it says first.
        text: String,
        /// The tool's name, such as `Write`.
        tool: String,
        /// The tool's input.
        input: Value,
    },
    /// Answers with this HTTP status and an error body: 429, 500, 529.
    Status(u16),
    /// Begins to stream and closes the connection in the middle.
    Cut,
    /// Takes the request and never answers.
    Silence,
}

impl Turn {
    /// Uses a tool without a word.
    pub fn tool(tool: &str, input: Value) -> Self {
        Self::Use { text: String::new(), tool: tool.to_owned(), input }
    }
}

/// One question to the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// How often the model has answered in this conversation.
    pub answers: usize,
    /// The request as it came.
    pub body: Value,
    /// The path that it went to.
    pub target: String,
    /// The key that came with it.
    pub key: String,
}

impl Asked {
    /// All text that the user's side of the conversation holds, tool results included.
    pub fn user_text(&self) -> String {
        let mut text = String::new();
        for message in self.body["messages"].as_array().into_iter().flatten() {
            if message["role"] == "user" {
                collect_text(&message["content"], &mut text);
            }
        }
        for item in self.body["input"].as_array().into_iter().flatten() {
            match item["type"].as_str() {
                Some("message") if item["role"] == "user" => collect_text(&item["content"], &mut text),
                Some("function_call_output") => collect_text(&item["output"], &mut text),
                _ => {}
            }
        }
        text
    }
}

type Script = Box<dyn Fn(&Asked) -> Turn + Send + Sync>;

struct Shared {
    script: Script,
    /// Whether questions without tools are the work too.
    all: bool,
    asked: Mutex<Vec<Asked>>,
}

/// The endpoint; it ends when this is dropped.
pub struct ModelEndpoint {
    url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl ModelEndpoint {
    /// Answers with these turns in order, whoever asks; after the last one it says that it is done.
    pub async fn start(turns: impl IntoIterator<Item = Turn>) -> io::Result<Self> {
        let turns = Mutex::new(turns.into_iter().collect::<VecDeque<_>>());
        Self::answering(move |_| {
            let next = turns.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            next.unwrap_or_else(|| Turn::Say("Nothing is left to do.".to_owned()))
        })
        .await
    }

    /// Answers with what the function says, for conversations that go on at the same time.
    pub async fn answering(script: impl Fn(&Asked) -> Turn + Send + Sync + 'static) -> io::Result<Self> {
        Self::over(script, false).await
    }

    /// The same for a model that is given no tools.
    pub async fn without_tools(script: impl Fn(&Asked) -> Turn + Send + Sync + 'static) -> io::Result<Self> {
        Self::over(script, true).await
    }

    async fn over(script: impl Fn(&Asked) -> Turn + Send + Sync + 'static, all: bool) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared { script: Box::new(script), all, asked: Mutex::default() });
        let server = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self { url, shared, server })
    }

    /// What `ANTHROPIC_BASE_URL` must be.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Settings of Codex by which it asks this model.
    pub fn codex_config(&self) -> String {
        format!(
            "model = \"scripted\"\nmodel_provider = \"scripted\"\n[model_providers.scripted]\nname = \"scripted\"\n\
             base_url = \"{}/v1\"\nwire_api = \"responses\"\nenv_key = \"OPENAI_API_KEY\"\n\
             request_max_retries = 1\nstream_max_retries = 2\n",
            self.url
        )
    }

    /// The questions that the script answered so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    /// How often the model has answered in the conversation of this request, and what it does now.
    fn next(&self, request: &Request, said: &str) -> (usize, Turn) {
        let is_said = |message: &&Value| message["role"] == "assistant";
        let answers = request.body[said].as_array().map_or(0, |all| all.iter().filter(is_said).count());
        (answers, self.turn(request, answers))
    }

    fn turn(&self, request: &Request, answers: usize) -> Turn {
        let (target, key) = (request.target.clone(), request.key.clone());
        let asked = Asked { answers, body: request.body.clone(), target, key };
        let turn = (self.script)(&asked);
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        turn
    }
}

impl Drop for ModelEndpoint {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Connections live in a set, so that they end together with the endpoint.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(answer(stream, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

/// A program that hangs up in the middle is no failure of the endpoint, so errors end the connection and no more.
async fn answer(stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let Some(request) = read_request(&mut stream).await? else { return Ok(()) };
    let path = request.target.split('?').next().unwrap_or_default();
    match (request.method.as_str(), path) {
        ("POST", "/v1/messages/count_tokens") => {
            respond_json(&mut stream, 200, &json!({ "input_tokens": 1000 })).await
        }
        ("POST", "/v1/messages") => messages(&mut stream, &shared, &request).await,
        ("POST", "/v1/responses") => responses::respond(&mut stream, &shared, &request).await,
        ("POST", "/v1/chat/completions" | "/openai/v1/chat/completions") => {
            chat::respond(&mut stream, &shared, &request).await
        }
        ("HEAD" | "GET", _) => respond_json(&mut stream, 200, &json!({})).await,
        _ => respond_json(&mut stream, 404, &error_body("not_found_error", "no such route")).await,
    }
}

async fn messages(stream: &mut BufReader<TcpStream>, shared: &Shared, request: &Request) -> io::Result<()> {
    let body = &request.body;
    let streaming = body["stream"].as_bool().unwrap_or(false);
    let offers_tools = body["tools"].as_array().is_some_and(|tools| !tools.is_empty());
    let turn = if offers_tools || shared.all {
        shared.next(request, "messages").1
    } else {
        Turn::Say("A small task".to_owned())
    };
    let content = match turn {
        Turn::Say(text) => vec![json!({ "type": "text", "text": text })],
        Turn::Use { text, tool, input } => {
            let id = format!("toolu_{}", uuid_like(body));
            let mut content = Vec::new();
            if !text.is_empty() {
                content.push(json!({ "type": "text", "text": text }));
            }
            content.push(json!({ "type": "tool_use", "id": id, "name": tool, "input": input }));
            content
        }
        Turn::Status(status) => {
            return respond_json(stream, status, &error_body(error_type(status), "scripted failure")).await;
        }
        Turn::Silence => return std::future::pending().await,
        Turn::Cut => {
            begin_stream(stream).await?;
            event(stream, &message_start(body)).await?;
            return stream.shutdown().await;
        }
    };
    let stop = if content.iter().any(|block| block["type"] == "tool_use") { "tool_use" } else { "end_turn" };
    if streaming {
        stream_message(stream, body, &content, stop).await
    } else {
        let mut message = message_start(body)["message"].take();
        message["content"] = Value::Array(content);
        message["stop_reason"] = json!(stop);
        message["usage"]["output_tokens"] = json!(OUTPUT_TOKENS);
        respond_json(stream, 200, &message).await
    }
}

/// Input tokens that every answer claims; a tenth of them read from a cache.
pub const INPUT_TOKENS: u64 = 900;
/// Cached input tokens that every answer claims.
pub const CACHED_TOKENS: u64 = 100;
/// Output tokens that every answer claims.
pub const OUTPUT_TOKENS: u64 = 20;

fn message_start(body: &Value) -> Value {
    json!({ "type": "message_start", "message": {
        "id": format!("msg_{}", uuid_like(body)),
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": {
            "input_tokens": INPUT_TOKENS,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": CACHED_TOKENS,
            "output_tokens": 1,
        },
    }})
}

async fn stream_message(
    stream: &mut BufReader<TcpStream>,
    body: &Value,
    content: &[Value],
    stop: &str,
) -> io::Result<()> {
    begin_stream(stream).await?;
    event(stream, &message_start(body)).await?;
    for (index, block) in content.iter().enumerate() {
        let (begin, delta) = if block["type"] == "text" {
            (json!({ "type": "text", "text": "" }), json!({ "type": "text_delta", "text": block["text"] }))
        } else {
            let begin = json!({ "type": "tool_use", "id": block["id"], "name": block["name"], "input": {} });
            let input = block["input"].to_string();
            (begin, json!({ "type": "input_json_delta", "partial_json": input }))
        };
        event(stream, &json!({ "type": "content_block_start", "index": index, "content_block": begin }))
            .await?;
        event(stream, &json!({ "type": "content_block_delta", "index": index, "delta": delta })).await?;
        event(stream, &json!({ "type": "content_block_stop", "index": index })).await?;
    }
    let end = json!({
        "type": "message_delta",
        "delta": { "stop_reason": stop, "stop_sequence": null },
        "usage": { "output_tokens": OUTPUT_TOKENS },
    });
    event(stream, &end).await?;
    event(stream, &json!({ "type": "message_stop" })).await?;
    stream.write_all(b"0\r\n\r\n").await?;
    stream.shutdown().await
}

async fn begin_stream(stream: &mut BufReader<TcpStream>) -> io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\
                connection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await
}

async fn event(stream: &mut BufReader<TcpStream>, data: &Value) -> io::Result<()> {
    let name = data["type"].as_str().unwrap_or("message");
    let event = format!("event: {name}\ndata: {data}\n\n");
    stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await?;
    stream.flush().await
}

async fn respond_json(stream: &mut BufReader<TcpStream>, status: u16, body: &Value) -> io::Result<()> {
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} Scripted\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

fn error_type(status: u16) -> &'static str {
    match status {
        400 => "invalid_request_error",
        401 => "authentication_error",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    }
}

fn error_body(kind: &str, message: &str) -> Value {
    json!({ "type": "error", "error": { "type": kind, "message": message } })
}

/// A name that differs between the turns of one conversation and is the same in every run of a script.
fn uuid_like(body: &Value) -> String {
    let length = body["messages"].as_array().map_or(0, Vec::len);
    format!("{length:024}")
}

fn collect_text(content: &Value, into: &mut String) {
    match content {
        Value::String(text) => {
            into.push_str(text);
            into.push('\n');
        }
        Value::Array(blocks) => {
            for block in blocks {
                collect_text(&block["text"], into);
                collect_text(&block["content"], into);
            }
        }
        _ => {}
    }
}

struct Request {
    method: String,
    target: String,
    key: String,
    body: Value,
}

/// Reads one request; `None` when the connection was closed before it. Its body must have a length and be JSON;
/// anything else reads as `null`.
async fn read_request(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (mut length, mut key) = (0, String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 || line.trim().is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "x-api-key" => key = value.trim().to_owned(),
            "authorization" => key = value.trim().trim_start_matches("Bearer ").to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(Request { method, target, key, body: serde_json::from_slice(&body).unwrap_or(Value::Null) }))
}
