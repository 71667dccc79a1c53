//! The only way out of a box with a list of hosts: an HTTP proxy that lets through what is on the list, and remembers
//! what it refused. It looks at no content: what is encrypted stays so.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use miyabi_core::containment::{Hosts, Refused};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

/// A request is known by its head, which is no longer than this, in bytes.
const LONGEST_HEAD: usize = 64 * 1024;
const MOST_HEADERS: usize = 128;
/// How long a head may take to come, and a connection to be made.
const PATIENCE: Duration = Duration::from_secs(30);

/// A proxy that serves until it is dropped, with all its connections.
#[derive(Debug)]
pub(crate) struct Proxy {
    task: JoinHandle<()>,
}

impl Proxy {
    /// On a socket in the file system.
    pub(crate) fn on_socket(path: &Path, hosts: Hosts, refused: Refused) -> std::io::Result<Self> {
        let listener = UnixListener::bind(path)?;
        let list = Arc::new((hosts, refused));
        let task = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.spawn(serve(stream, Arc::clone(&list)));
                while open.try_join_next().is_some() {}
            }
        });
        Ok(Self { task })
    }

    /// On a port of this machine, which is the second answer.
    pub(crate) async fn on_port(hosts: Hosts, refused: Refused) -> std::io::Result<(Self, u16)> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let list = Arc::new((hosts, refused));
        let task = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.spawn(serve(stream, Arc::clone(&list)));
                while open.try_join_next().is_some() {}
            }
        });
        Ok((Self { task }, port))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    host: String,
    port: u16,
    /// What goes on to the host: the head of a plain request; nothing where bytes are to be passed on as they are.
    head: Option<Vec<u8>>,
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, list: Arc<(Hosts, Refused)>) {
    let (hosts, refused) = &*list;
    let Ok(Some((head, rest))) = timeout(PATIENCE, read_head(&mut stream)).await else { return };
    let Some(asked) = understand(&head) else {
        return answer(&mut stream, "400 Bad Request", "this is a proxy").await;
    };
    if !hosts.allows(&asked.host, asked.port) {
        refused.add(format!("connect to {}:{}", asked.host, asked.port));
        let why = format!("miyabi: {}:{} is not in `agent.network`", asked.host, asked.port);
        return answer(&mut stream, "403 Forbidden", &why).await;
    }
    let connecting = timeout(PATIENCE, TcpStream::connect((asked.host.as_str(), asked.port))).await;
    let Ok(Ok(mut host)) = connecting else {
        return answer(&mut stream, "502 Bad Gateway", "the host cannot be reached").await;
    };
    let begun = match &asked.head {
        Some(head) => host.write_all(head).await,
        None => stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await,
    };
    if begun.is_ok() && host.write_all(&rest).await.is_ok() {
        // Who hangs up first ends it.
        let _ended = copy_bidirectional(&mut stream, &mut host).await;
    }
}

async fn answer(stream: &mut (impl AsyncWrite + Unpin), status: &str, why: &str) {
    let length = why.len();
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{why}"
    );
    // Whoever has gone needs no answer.
    let _gone = stream.write_all(text.as_bytes()).await;
}

/// The head with its empty line, and what came after it.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 8 * 1024];
    loop {
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(chunk.get(..read)?);
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(at + 4);
            return Some((bytes, rest));
        }
        if bytes.len() > LONGEST_HEAD {
            return None;
        }
    }
}

fn understand(head: &[u8]) -> Option<Asked> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    request.parse(head).ok()?;
    let (method, target) = (request.method?, request.path?);
    let uri: http::Uri = target.parse().ok()?;
    let host = uri.host()?.trim_matches(['[', ']']).to_ascii_lowercase();
    if method == "CONNECT" {
        return Some(Asked { host, port: uri.port_u16()?, head: None });
    }
    if uri.scheme_str() != Some("http") {
        return None;
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut passed = format!("{method} {path} HTTP/1.1\r\n").into_bytes();
    for header in request.headers.iter() {
        // One request a connection: the next one may be for another host.
        let is_ours = ["connection", "proxy-connection", "proxy-authorization", "keep-alive"]
            .iter()
            .any(|name| header.name.eq_ignore_ascii_case(name));
        if !is_ours {
            passed.extend([header.name.as_bytes(), b": ", header.value, b"\r\n"].concat());
        }
    }
    passed.extend(b"Connection: close\r\n\r\n");
    Some(Asked { host, port: uri.port_u16().unwrap_or(80), head: Some(passed) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_understood_or_refused() {
        let connect = understand(b"CONNECT API.example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!(connect, Asked { host: "api.example.com".to_owned(), port: 443, head: None });
        let six = understand(b"CONNECT [::1]:22 HTTP/1.1\r\n\r\n").unwrap();
        assert_eq!((six.host.as_str(), six.port), ("::1", 22));
        let head = b"POST http://example.com:8080/v1?q=1 HTTP/1.1\r\nHost: example.com\r\nProxy-Connection: keep-alive\r\nX: y\r\n\r\n";
        let plain = understand(head).unwrap();
        let passed = b"POST /v1?q=1 HTTP/1.1\r\nHost: example.com\r\nX: y\r\nConnection: close\r\n\r\n";
        assert_eq!(plain, Asked { host: "example.com".to_owned(), port: 8080, head: Some(passed.to_vec()) });
        for wrong in [
            &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
            b"CONNECT example.com HTTP/1.1\r\n\r\n",
            b"GET ftp://example.com/ HTTP/1.1\r\n\r\n",
            b"GET https://example.com/ HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\r\n\r\n",
        ] {
            assert_eq!(understand(wrong), None, "{}", String::from_utf8_lossy(wrong));
        }
    }
}
