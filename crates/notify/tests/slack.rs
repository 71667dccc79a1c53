//! What Slack may answer, on a real connection; and the ways in which it does not answer at all.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::IntentId;
use miyabi_core::intent::Channel;
use miyabi_core::ports::{Note, Notify};
use miyabi_notify::{Messengers, Slack};
use miyabi_testkit::{ManualClock, fixtures};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};

const NOTE: Note<'static> = Note { subject: "a question", body: "yes or no", url: "" };

/// Tells somebody who answers with `answer`; none: who hangs up after the request.
async fn told(answer: Option<&'static str>) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"}") {
            stream.read_buf(&mut request).await.unwrap();
        }
        if let Some(answer) = answer {
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    tell(&format!("http://{address}/services/T/B/hidden")).await
}

async fn tell(url: &str) -> Result<(), Failure> {
    let clock = Arc::new(ManualClock::new(fixtures::at(0)));
    let slack = Slack::new(url.to_owned().into(), Duration::from_secs(30), clock).map_err(Failure::from)?;
    let messengers = Messengers::new(None, Some(slack));
    assert_eq!(messengers.channels(), [Channel::Slack]);
    messengers.tell(Channel::Slack, &IntentId::new("run/step/1/note"), NOTE).await
}

#[tokio::test]
async fn each_answer_has_its_class_and_none_tells_the_address() {
    use FailureClass::{Permanent, Transient};
    told(Some("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")).await.unwrap();
    for (answer, class, words) in [
        (Some("HTTP/1.1 404 X\r\ncontent-length: 10\r\n\r\nno_service"), Permanent, "404: no_service"),
        (Some("HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n"), Transient, "503"),
        (
            Some("HTTP/1.1 429 X\r\nretry-after: 30\r\ncontent-length: 0\r\n\r\n"),
            Transient,
            "takes no messages",
        ),
        (None, Transient, "tell Slack: "),
    ] {
        let failure = told(answer).await.unwrap_err();
        assert_eq!(failure.class, class, "{failure:?}");
        let text = format!("{failure:?}");
        assert!(text.contains(words) && !text.contains("hidden"), "{text}");
        assert_eq!(failure.retry_at(), words.contains("takes").then(|| fixtures::at(30)), "{text}");
    }
}

#[tokio::test]
async fn nobody_there_may_pass_and_what_is_not_configured_does_not() {
    // Bound but not listening: nobody else can get the port meanwhile.
    let bound = TcpSocket::new_v4().unwrap();
    bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = bound.local_addr().unwrap();
    let failure = tell(&format!("http://{address}/hidden")).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Transient);
    assert!(!failure.message.contains("hidden"), "{failure:?}");
    let failure = Messengers::default().tell(Channel::Mail, &IntentId::new("x"), NOTE).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Unavailable);
}
