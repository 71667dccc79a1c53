//! The world around the proxy: services that remember what they saw, and programs that write every byte themselves.

use std::convert::Infallible;
use std::ffi::OsString;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use miyabi_core::containment::Refused;
use miyabi_core::ports::{Keys, Lent};
use miyabi_model::KeyProxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) const KEY: &str = "sk-geheim-0123456789";

pub(crate) type Answer = Response<BoxBody<Bytes, hyper::Error>>;

pub(crate) fn answer(text: &str) -> Answer {
    Response::new(Full::from(text.to_owned()).map_err(|never| match never {}).boxed())
}

/// A service that answers as it is told.
pub(crate) struct Service {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Service {
    pub(crate) async fn start<F, A>(told: F) -> Self
    where
        F: Fn(Request<Incoming>) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let (told, seeing) = (Arc::new(told), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (told, seeing) = (Arc::clone(&told), Arc::clone(&seeing));
                let service = service_fn(move |request: Request<Incoming>| {
                    seeing.lock().unwrap_or_else(PoisonError::into_inner).push(shown(&request));
                    let answer = told(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                // It takes longer heads than the proxy lets through.
                let mut builder = http1::Builder::new();
                builder.max_headers(1_000);
                tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, seen, task }
    }

    /// One that says yes to everything.
    pub(crate) async fn kind() -> Self {
        Self::start(|_| async { answer("yes") }).await
    }

    /// The heads of all requests so far: a line with method and address, and one for each header.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// The head of the last request.
    pub(crate) fn last(&self) -> String {
        self.seen().pop().unwrap_or_default()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn shown(request: &Request<Incoming>) -> String {
    let mut text = format!("{} {}\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        text.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    }
    text
}

pub(crate) fn environment(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// What the session gets of a proxy.
pub(crate) async fn lend(proxy: &KeyProxy, pairs: &[(&str, &str)], refused: &Refused) -> Lent {
    proxy.lend(&environment(pairs), refused).await.unwrap().expect("there is a key")
}

/// An OpenAI key, lent for this service.
pub(crate) async fn lend_for(proxy: &KeyProxy, service: &str) -> Lent {
    let base = format!("{service}/v1");
    lend(proxy, &[("OPENAI_API_KEY", KEY), ("OPENAI_BASE_URL", &base)], &Refused::default()).await
}

/// A variable of the environment that was given back.
pub(crate) fn variable(lent: &Lent, name: &str) -> String {
    let found = lent.environment.iter().find(|(own, _)| own == name).expect("it is there");
    found.1.to_str().expect("it is text").to_owned()
}

/// A head that carries the lent OpenAI key, without its empty line.
pub(crate) fn head(lent: &Lent, asked: &str) -> String {
    let token = variable(lent, "OPENAI_API_KEY");
    format!("{asked} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n")
}

pub(crate) async fn connect(lent: &Lent) -> TcpStream {
    TcpStream::connect((lent.host.as_str(), lent.port)).await.unwrap()
}

/// Sends these bytes on a connection of their own; all that comes back.
pub(crate) async fn send(lent: &Lent, text: &str) -> String {
    let mut stream = connect(lent).await;
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    // Who hangs up before all was read has answered before.
    let _cut = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Asks for something with the lent OpenAI key and without a body; all that comes back.
pub(crate) async fn ask(lent: &Lent, asked: &str) -> String {
    send(lent, &format!("{}Connection: close\r\n\r\n", head(lent, asked))).await
}

/// Reads until these words have come.
pub(crate) async fn read_until(stream: &mut TcpStream, words: &str) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if text.contains(words) {
            return text;
        }
        let read = stream.read_buf(&mut bytes).await.unwrap();
        assert!(read > 0, "the connection ended before `{words}`: {text}");
    }
}
