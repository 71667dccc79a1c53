//! When lending ends: with the session, with the proxy, and with a connection on which nothing moves.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use miyabi_core::ports::Lent;
use miyabi_model::KeyProxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::world::{Answer, Service, answer, ask, connect, head, lend_for, read_until};

/// A service whose answers begin and do not end.
async fn endless() -> Service {
    Service::start(|request| async move { Answer::new(request.into_body().boxed()) }).await
}

/// A connection on which an answer has begun.
async fn begun(lent: &Lent) -> TcpStream {
    let mut stream = connect(lent).await;
    let text = head(lent, "POST /openai/v1/responses") + "Content-Length: 100\r\n\r\nbegun";
    stream.write_all(text.as_bytes()).await.unwrap();
    read_until(&mut stream, "begun").await;
    stream
}

/// All that still comes; a connection that is cut off has ended, too.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let _cut = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn what_was_lent_ends_with_the_session() {
    let (service, proxy) = (Service::kind().await, KeyProxy::new());
    let lent = lend_for(&proxy, &service.url).await;
    assert!(ask(&lent, "GET /openai/v1/models").await.starts_with("HTTP/1.1 200"));
    let mut after = lent.clone();
    after.held = Arc::new(());
    assert!(ask(&after, "GET /openai/v1/models").await.starts_with("HTTP/1.1 200"), "it is still held");
    drop(lent);
    assert!(ask(&after, "GET /openai/v1/models").await.starts_with("HTTP/1.1 401"));
    assert_eq!(service.seen().len(), 2);
}

#[tokio::test]
async fn what_is_under_way_is_cut_with_the_session() {
    let (service, proxy) = (endless().await, KeyProxy::new());
    let lent = lend_for(&proxy, &service.url).await;
    let other = lend_for(&proxy, &service.url).await;
    let (stream, mut others) = (begun(&lent).await, begun(&other).await);
    drop(lent);
    assert_eq!(rest(stream).await, "");
    others.write_all(b"goes on").await.unwrap();
    read_until(&mut others, "goes on").await;
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_cut_with_the_session() {
    let service = Service::start(|_| async { answer(&"x".repeat(64_000_000)) }).await;
    let proxy = KeyProxy::new();
    let lent = lend_for(&proxy, &service.url).await;
    let mut stream = connect(&lent).await;
    stream.write_all((head(&lent, "GET /openai/v1/models") + "\r\n").as_bytes()).await.unwrap();
    read_until(&mut stream, "xxxx").await;
    drop(lent);
    assert!(rest(stream).await.len() < 64_000_000, "the rest does not come");
}

#[tokio::test]
async fn nobody_listens_after_the_proxy() {
    let (service, proxy) = (endless().await, KeyProxy::new());
    let lent = lend_for(&proxy, &service.url).await;
    let stream = begun(&lent).await;
    drop(proxy);
    assert_eq!(rest(stream).await, "");
    while TcpStream::connect((lent.host.as_str(), lent.port)).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

// Time stands still in the tests below and jumps to the next end of patience when nothing else can happen.

#[tokio::test(start_paused = true)]
async fn half_a_head_is_waited_for_a_while() {
    let proxy = KeyProxy::new();
    let lent = lend_for(&proxy, "http://127.0.0.1:1").await;
    let mut stream = connect(&lent).await;
    stream.write_all(b"GET /openai").await.unwrap();
    let begin = Instant::now();
    rest(stream).await;
    let waited = begin.elapsed();
    assert!(waited >= Duration::from_secs(20) && waited <= Duration::from_mins(1), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_stands_still_is_cut() {
    let (service, proxy) = (endless().await, KeyProxy::new());
    let lent = lend_for(&proxy, &service.url).await;
    let mut stream = begun(&lent).await;
    // Whatever moves begins the wait anew.
    tokio::time::advance(Duration::from_mins(14)).await;
    stream.write_all(b"and").await.unwrap();
    read_until(&mut stream, "and").await;
    let begin = Instant::now();
    assert_eq!(rest(stream).await, "");
    let waited = begin.elapsed();
    assert!(waited >= Duration::from_mins(14) && waited <= Duration::from_mins(16), "{waited:?}");
}
