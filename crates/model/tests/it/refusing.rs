//! What is refused, and that a refusal reaches no service and tells no secret.

use miyabi_core::containment::Refused;
use miyabi_model::KeyProxy;
use tokio::io::AsyncWriteExt;

use super::world::{KEY, Service, ask, connect, head, lend, lend_for, read_until, send, variable};

#[tokio::test]
async fn without_a_token_that_stands_for_a_key_nothing_is_passed_on() {
    let (service, proxy) = (Service::kind().await, KeyProxy::new());
    let lent = lend_for(&proxy, &service.url).await;
    let token = variable(&lent, "OPENAI_API_KEY");
    let shorter = token.strip_suffix(|_: char| true).unwrap();
    for headers in [
        String::new(),
        "Authorization: Bearer wrong\r\n".to_owned(),
        "Authorization: Bearer \r\n".to_owned(),
        "x-api-key: \r\n".to_owned(),
        format!("Authorization: Basic {token}\r\n"),
        format!("Authorization: Bearer {shorter}\r\n"),
        format!("Authorization: Bearer {token}x\r\n"),
        // The key itself is no token.
        format!("Authorization: Bearer {KEY}\r\n"),
        format!("Cookie: key={token}\r\n"),
    ] {
        let text = format!("GET /openai/v1/models HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n");
        let answer = send(&lent, &text).await;
        assert!(answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{headers}: {answer}");
        assert!(answer.contains(r#""type":"authentication_error""#) && !answer.contains(&token), "{answer}");
    }
    assert_eq!(service.seen(), Vec::<String>::new());
}

#[tokio::test]
async fn only_models_may_be_asked() {
    let (service, proxy, refused) = (Service::kind().await, KeyProxy::new(), Refused::default());
    let base = format!("{}/v1", service.url);
    let lent = lend(&proxy, &[("OPENAI_API_KEY", KEY), ("OPENAI_BASE_URL", &base)], &refused).await;
    for asked in [
        "GET /",
        "GET /v1/models",
        "GET /openai/models",
        "GET /openai/v1/files",
        "GET /openai/v1/models/../files",
        "GET /openai/v1/models/..",
        "GET /openai/v1/models/%2e%2e/files",
        "GET /openai/v1/models/%2E%2e",
        "GET /openai/v1/models/..%2ffiles",
        "GET /openai/v1/models/..%5cfiles",
        "GET /openai/v1/models/%252e%252e",
        "GET /openai/v1/models//files",
        "GET /openai//v1/models",
        "GET //openai/v1/models",
        "GET /openai/./v1/models",
        "GET /openai/v1/models;a=b",
        "GET /openai/v1/models/a/b",
        "GET http://other.example/openai/v1/uploads",
        "POST /openai/v1/organization/admin_api_keys",
        // A token is for its own service.
        "POST /anthropic/v1/messages",
        "DELETE /openai/v1/models/a",
        "PUT /openai/v1/responses",
        "HEAD /openai/v1/models",
        "BREW /openai/v1/models",
        "OPTIONS *",
        "CONNECT other.example:443",
    ] {
        let answer = ask(&lent, asked).await;
        assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{asked}: {answer}");
        assert!(!answer.contains(KEY), "{answer}");
    }
    assert_eq!(service.seen(), Vec::<String>::new());
    let list = refused.list();
    assert_eq!(list.len(), 26, "{list:?}");
    for expected in
        ["ask openai for DELETE /openai/v1/models/a", "ask openai for GET /openai/v1/models/../files"]
    {
        assert!(list.iter().any(|told| told == expected), "{list:?}");
    }
}

#[tokio::test]
async fn what_is_remembered_of_a_refusal_holds_no_token() {
    let (service, proxy, refused) = (Service::kind().await, KeyProxy::new(), Refused::default());
    let base = format!("{}/v1", service.url);
    let lent = lend(&proxy, &[("OPENAI_API_KEY", KEY), ("OPENAI_BASE_URL", &base)], &refused).await;
    let token = variable(&lent, "OPENAI_API_KEY");
    ask(&lent, &format!("GET /openai/v1/{token}?key={token}")).await;
    ask(&lent, &format!("GET /openai/v1/{}", "a".repeat(5_000))).await;
    let list = refused.list();
    assert!(list.contains(&"ask openai for GET /openai/v1/…".to_owned()), "{list:?}");
    assert!(list.iter().all(|told| told.chars().count() <= 200), "{list:?}");
}

#[tokio::test]
async fn a_request_cannot_mean_another_method_or_path_than_it_says() {
    let (service, proxy) = (Service::kind().await, KeyProxy::new());
    let lent = lend_for(&proxy, &service.url).await;
    let mut text = head(&lent, "POST /openai/v1/responses");
    text += "X-HTTP-Method-Override: DELETE\r\nX-Original-URL: /v1/files\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\n";
    text += "TE: trailers\r\nProxy-Authorization: Basic x\r\nKeep-Alive: 1\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n";
    assert!(send(&lent, &text).await.starts_with("HTTP/1.1 200 OK\r\n"));
    let seen = service.last();
    let names: Vec<&str> = seen.lines().skip(1).filter_map(|line| line.split(':').next()).collect();
    assert_eq!(names, ["authorization", "host"], "{seen}");
}

#[tokio::test]
async fn a_web_socket_is_answered_with_go_on_in_http() {
    let (service, proxy, refused) = (Service::kind().await, KeyProxy::new(), Refused::default());
    let base = format!("{}/v1", service.url);
    let lent = lend(&proxy, &[("OPENAI_API_KEY", KEY), ("OPENAI_BASE_URL", &base)], &refused).await;
    let socket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let mut stream = connect(&lent).await;
    let text = head(&lent, "GET /openai/v1/responses") + socket;
    stream.write_all(text.as_bytes()).await.unwrap();
    let answer = read_until(&mut stream, r#""type":"error"}"#).await;
    assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{answer}");
    assert_eq!((service.seen(), refused.list()), (vec![], vec![]), "and it is no offence");
}

#[tokio::test]
async fn heads_have_an_end() {
    let (service, proxy) = (Service::kind().await, KeyProxy::new());
    let lent = lend_for(&proxy, &service.url).await;
    let long = format!("X-Long: {}\r\n", "a".repeat(200 * 1024));
    let many = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect::<String>();
    for headers in [long, many] {
        let text = head(&lent, "GET /openai/v1/models") + &headers + "Connection: close\r\n\r\n";
        let answer = send(&lent, &text).await;
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    assert_eq!(service.seen(), Vec::<String>::new());
}
