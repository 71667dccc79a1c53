//! Bodies on their way, and what an answer may tell.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming};
use miyabi_model::KeyProxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Mutex, mpsc};

use super::world::{Answer, KEY, Service, answer, ask, connect, head, lend_for, read_until, send};

/// Says back what it hears, as it hears it.
async fn echo(request: Request<Incoming>) -> Answer {
    Response::new(request.into_body().boxed())
}

#[tokio::test]
async fn words_pass_one_by_one_in_both_directions() {
    let (service, proxy) = (Service::start(echo).await, KeyProxy::new());
    let lent = lend_for(&proxy, &service.url).await;
    let mut stream = connect(&lent).await;
    let head = head(&lent, "POST /openai/v1/responses") + "Transfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    // Each word is sent only after the one before has come back: nothing can have been kept on the way.
    for word in ["data: eins\n\n", "data: zwei\n\n", "data: 三\n\n"] {
        let chunk = format!("{:x}\r\n{word}\r\n", word.len());
        stream.write_all(chunk.as_bytes()).await.unwrap();
        read_until(&mut stream, word).await;
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    read_until(&mut stream, "0\r\n\r\n").await;
}

#[tokio::test]
async fn an_event_stream_is_read_while_it_is_written() {
    let (say, heard) = mpsc::unbounded_channel::<&'static str>();
    let heard = Arc::new(Mutex::new(heard));
    let service = Service::start(move |_| {
        let heard = Arc::clone(&heard);
        async move {
            let words = Words(heard.lock_owned().await);
            Response::builder()
                .header("content-type", "text/event-stream")
                .body(words.boxed())
                .expect("the answer can be made")
        }
    })
    .await;
    let proxy = KeyProxy::new();
    let lent = lend_for(&proxy, &service.url).await;
    let mut stream = connect(&lent).await;
    let head = head(&lent, "POST /openai/v1/responses") + "Content-Length: 0\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    say.send("data: first\n\n").unwrap();
    let begun = read_until(&mut stream, "data: first\n\n").await;
    assert!(begun.contains("content-type: text/event-stream\r\n"), "{begun}");
    // Only now is there a second one.
    say.send("data: second\n\n").unwrap();
    read_until(&mut stream, "data: second\n\n").await;
    drop(say);
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "the stream ends as it should: {rest:?}");
}

/// A body of the words that are said.
struct Words(tokio::sync::OwnedMutexGuard<mpsc::UnboundedReceiver<&'static str>>);

impl Body for Words {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = |word: &'static str| Ok(Frame::data(word.into()));
        self.0.poll_recv(context).map(|word| word.map(frame))
    }
}

#[tokio::test]
async fn large_bodies_pass_whole() {
    let (service, proxy) = (Service::start(echo).await, KeyProxy::new());
    let lent = lend_for(&proxy, &service.url).await;
    let body: Vec<u8> = (0..8_000_000_u32).flat_map(|n| n.to_le_bytes().into_iter().take(1)).collect();
    let stream = connect(&lent).await;
    let (mut reading, mut writing) = stream.into_split();
    let head = head(&lent, "POST /openai/v1/embeddings")
        + &format!("Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let sent = body.clone();
    let sending = tokio::spawn(async move {
        writing.write_all(head.as_bytes()).await.unwrap();
        writing.write_all(&sent).await.unwrap();
        writing
    });
    let mut bytes = Vec::new();
    reading.read_to_end(&mut bytes).await.unwrap();
    sending.await.unwrap();
    assert!(service.last().contains("content-length: 8000000\n"), "{}", service.last());
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let (told, got) = bytes.split_at(end + 4);
    assert!(String::from_utf8_lossy(told).contains("content-length: 8000000\r\n"));
    assert!(got == body, "{} of {} bytes", got.len(), body.len());
}

#[tokio::test]
async fn a_service_that_is_down_is_told_without_the_key() {
    // Bound but not listening: nobody else can get the port meanwhile.
    let bound = TcpSocket::new_v4().unwrap();
    bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", bound.local_addr().unwrap());
    let proxy = KeyProxy::new();
    let lent = lend_for(&proxy, &url).await;
    let answer = ask(&lent, "GET /openai/v1/models").await;
    assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{answer}");
    assert!(answer.contains("openai cannot be reached: ") && answer.contains("refused"), "{answer}");
    assert!(!answer.contains(KEY), "{answer}");
}

#[tokio::test]
async fn redirects_are_passed_on_and_not_followed() {
    let elsewhere = Service::kind().await;
    let location = format!("{}/elsewhere", elsewhere.url);
    let told = location.clone();
    let service = Service::start(move |_| {
        let mut redirect = answer("");
        *redirect.status_mut() = http::StatusCode::TEMPORARY_REDIRECT;
        redirect.headers_mut().insert("location", told.parse().expect("it is a header"));
        async { redirect }
    })
    .await;
    let proxy = KeyProxy::new();
    let lent = lend_for(&proxy, &service.url).await;
    let answer = ask(&lent, "GET /openai/v1/models").await;
    assert!(answer.starts_with("HTTP/1.1 307 "), "{answer}");
    assert!(answer.contains(&format!("\r\nlocation: {location}\r\n")), "{answer}");
    assert_eq!((service.seen().len(), elsewhere.seen().len()), (1, 0));
}

#[tokio::test]
async fn an_answer_tells_the_key_in_no_header_and_in_no_status() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let service = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_until(&mut stream, "\r\n\r\n").await;
        let text = format!(
            "HTTP/1.1 400 {KEY}\r\nX-Echo: you sent {KEY}!\r\nLocation: http://x/?key={KEY}\r\nX-Kept: yes\r\n\
             Connection: close, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 1\r\nTransfer-Encoding: chunked\r\n\
             Trailer: X-Last\r\n\r\n2\r\nno\r\n0\r\nX-Last: {KEY}\r\n\r\n"
        );
        stream.write_all(text.as_bytes()).await.unwrap();
    });
    let proxy = KeyProxy::new();
    let lent = lend_for(&proxy, &url).await;
    let text = head(&lent, "GET /openai/v1/models") + "TE: trailers\r\nConnection: close, TE\r\n\r\n";
    let answer = send(&lent, &text).await;
    service.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.contains("x-kept: yes\r\n") && answer.contains("no"), "{answer}");
    for gone in [KEY, "x-echo", "location", "x-mine", "keep-alive", "trailer"] {
        assert!(!answer.contains(gone), "{gone}: {answer}");
    }
}
