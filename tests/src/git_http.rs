//! Git's own smart HTTP server behind a login, on loopback: `git http-backend` as CGI, with a script that can refuse,
//! redirect, hold and hang up. It speaks just enough HTTP/1.1: one request per connection.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is served, if the login is right.
    Serve,
    /// It gets this status and nothing else.
    Status(u16),
    /// It is sent to another place.
    Redirect(String),
    /// The connection is closed at once.
    HangUp,
    /// It is served, and then the connection is closed without an answer.
    LoseAnswer,
    /// It waits for [`GitHttp::release`], and is served then.
    Hold,
}

/// One request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET` or `POST`.
    pub method: String,
    /// Path and query as they were sent.
    pub target: String,
    /// Header fields, their names in lower case.
    pub headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Request {
    /// What it says in the field `Authorization`.
    pub fn authorization(&self) -> Option<&str> {
        self.headers.get("authorization").map(String::as_str)
    }

    /// Whether it carries a login and changes something.
    pub fn is_push(&self) -> bool {
        self.method == "POST" && self.target.ends_with("/git-receive-pack")
    }
}

type Script = Box<dyn Fn(&Request) -> Answer + Send + Sync>;

struct Shared {
    root: PathBuf,
    script: Script,
    accepted: Mutex<Option<String>>,
    asked: Mutex<Vec<Request>>,
    held: watch::Sender<usize>,
    released: watch::Sender<bool>,
}

/// The server; it ends when this is dropped.
pub struct GitHttp {
    url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl GitHttp {
    /// Serves the repositories in that folder; the script says what becomes of each request.
    pub async fn start(
        root: &Path,
        script: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            script: Box::new(script),
            accepted: Mutex::default(),
            asked: Mutex::default(),
            held: watch::Sender::new(0),
            released: watch::Sender::new(false),
        });
        let server = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self { url, shared, server })
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on requests need this `Authorization`; without this call they need none.
    pub fn accept(&self, authorization: &str) {
        *lock(&self.shared.accepted) = Some(authorization.to_owned());
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<Request> {
        lock(&self.shared.asked).clone()
    }

    /// Returns when a request is being held.
    pub async fn held(&self) {
        let mut held = self.shared.held.subscribe();
        let waited = held.wait_for(|held| *held > 0).await.map(drop);
        waited.expect("the sender lives in the server");
    }

    /// Stops listening; who comes now is not answered.
    pub async fn stop(&mut self) {
        self.server.abort();
        let _ = (&mut self.server).await;
    }

    /// Lets the requests that are held go on.
    pub fn release(&self) {
        self.shared.released.send_replace(true);
    }
}

impl Drop for GitHttp {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Connections live in a set, so that they end together with the server.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(attend(stream, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

/// A client that hangs up in the middle is no failure of the server, so errors end the connection and no more.
async fn attend(stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let Some(request) = read_request(&mut stream).await? else { return Ok(()) };
    lock(&shared.asked).push(request.clone());
    let answer = (shared.script)(&request);
    match &answer {
        Answer::Status(status) => return respond(&mut stream, &format!("{status} Scripted"), "", b"").await,
        Answer::Redirect(place) => {
            return respond(&mut stream, "302 Found", &format!("Location: {place}\r\n"), b"").await;
        }
        Answer::HangUp => return Ok(()),
        Answer::Hold => {
            shared.held.send_modify(|held| *held += 1);
            let mut released = shared.released.subscribe();
            let _ = released.wait_for(|released| *released).await;
        }
        Answer::Serve | Answer::LoseAnswer => {}
    }
    let wanted = lock(&shared.accepted).clone();
    if wanted.is_some() && wanted.as_deref() != request.authorization() {
        let field = "WWW-Authenticate: Basic realm=\"git\"\r\n";
        return respond(&mut stream, "401 Unauthorized", field, b"").await;
    }
    let served = backend(&shared.root, &request).await?;
    if answer == Answer::LoseAnswer {
        return Ok(());
    }
    let end = served.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(served.len());
    let (head, body) = served.split_at(end);
    let head = String::from_utf8_lossy(head);
    let (statuses, fields): (Vec<&str>, Vec<&str>) =
        head.lines().partition(|line| line.starts_with("Status: "));
    let status = statuses.first().map_or("200 OK", |line| line.trim_start_matches("Status: "));
    let fields: String = fields.iter().map(|line| format!("{line}\r\n")).collect();
    respond(&mut stream, status, &fields, body.get(4..).unwrap_or_default()).await
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let mut words = line.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
    let (method, target) = (method.to_owned(), target.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? <= 2 {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let mut body = Vec::new();
    if headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            let size = u64::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
            let read = (&mut *stream).take(size).read_to_end(&mut body).await?;
            stream.read_line(&mut String::new()).await?;
            if read == 0 {
                break;
            }
        }
    } else if let Some(length) = headers.get("content-length") {
        let length = length.parse().map_err(io::Error::other)?;
        (&mut *stream).take(length).read_to_end(&mut body).await?;
    }
    Ok(Some(Request { method, target, headers, body }))
}

async fn respond(
    stream: &mut BufReader<TcpStream>,
    status: &str,
    fields: &str,
    body: &[u8],
) -> io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    stream.shutdown().await
}

/// What git's own server makes of the request: header fields, an empty line, the body.
async fn backend(root: &Path, request: &Request) -> io::Result<Vec<u8>> {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let field = |name: &str| request.headers.get(name).map(String::as_str).unwrap_or_default();
    let mut command = Command::new("git");
    command
        .arg("http-backend")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "somebody")
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", &request.method)
        .env("CONTENT_TYPE", field("content-type"))
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", field("content-encoding"))
        .env("GIT_PROTOCOL", field("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut child = command.spawn()?;
    let stdin = child.stdin.take();
    let feed = async {
        if let Some(mut stdin) = stdin {
            // It may answer before it has read everything.
            let _ = stdin.write_all(&request.body).await;
        }
    };
    let ((), output) = tokio::join!(feed, child.wait_with_output());
    Ok(output?.stdout)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
