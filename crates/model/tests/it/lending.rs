//! What is given back, and what arrives at the service.

use miyabi_core::containment::Refused;
use miyabi_core::failure::FailureClass;
use miyabi_core::ports::{Keys, NoKeys};
use miyabi_model::KeyProxy;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::world::{KEY, Service, ask, environment, lend, lend_for, send, variable};

/// Variable of the key, variable and path of the address, what is asked, how the key goes there, how it arrives.
const WAYS: [(&str, &str, &str, &str, &str, &str); 9] = [
    ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "", "/v1/messages?beta=true", "x-api-key: ", "x-api-key: "),
    ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "", "/v1/models", "Authorization: Bearer ", "x-api-key: "),
    (
        "ANTHROPIC_AUTH_TOKEN",
        "ANTHROPIC_BASE_URL",
        "/gate",
        "/v1/messages/count_tokens",
        "authorization: bearer ",
        "authorization: Bearer ",
    ),
    (
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "/v1",
        "/responses",
        "Authorization: Bearer ",
        "authorization: Bearer ",
    ),
    (
        "CODEX_API_KEY",
        "OPENAI_BASE_URL",
        "/team/v1",
        "/chat/completions",
        "Authorization: Bearer ",
        "authorization: Bearer ",
    ),
    ("OPENAI_API_KEY", "OPENAI_BASE_URL", "", "/models/a", "x-goog-api-key: ", "authorization: Bearer "),
    (
        "GEMINI_API_KEY",
        "GOOGLE_GEMINI_BASE_URL",
        "",
        "/v1beta/models/g:generateContent",
        "x-goog-api-key: ",
        "x-goog-api-key: ",
    ),
    ("GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL", "", "/v1/models/g?alt=sse&key=", "", "x-goog-api-key: "),
    ("GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL", "/x", "/v1beta/models?key=", "", "x-goog-api-key: "),
];

#[tokio::test]
async fn the_key_arrives_and_the_token_does_not() {
    let (service, proxy) = (Service::kind().await, KeyProxy::new());
    for (key, base, path, asked, carried, arrives) in WAYS {
        let url = format!("{}{path}", service.url);
        let lent = lend(&proxy, &[(key, KEY), (base, &url)], &Refused::default()).await;
        let (token, ours) = (variable(&lent, key), variable(&lent, base));
        let origin = format!("http://127.0.0.1:{}", lent.port);
        let below = ours.strip_prefix(&origin).unwrap().to_owned() + asked;
        let (below, header) = match carried {
            "" => (format!("{below}{token}"), String::new()),
            carried => (below, format!("{carried}{token}\r\n")),
        };
        let others = "api-key: mine\r\nCookie: mine\r\nX-Note: ".to_owned() + &token;
        let text = format!(
            "POST {below} HTTP/1.1\r\nHost: x\r\n{header}{others}\r\nX-Kept: yes\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}"
        );
        let answer = send(&lent, &text).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("yes"),
            "{key} {asked}: {answer}"
        );

        let seen = service.last();
        let asked = asked.trim_end_matches("key=").trim_end_matches(['?', '&']);
        assert!(seen.starts_with(&format!("POST {path}{asked}\n")), "{seen}");
        assert!(seen.contains(&format!("\n{arrives}{KEY}\n")) && seen.matches(KEY).count() == 1, "{seen}");
        let host = service.url.strip_prefix("http://").unwrap();
        assert!(seen.contains(&format!("\nhost: {host}\n")), "{seen}");
        assert!(seen.contains("\nx-kept: yes\n") && seen.contains("\ncontent-length: 2\n"), "{seen}");
        assert!(!seen.contains(&token) && !seen.contains("mine") && !seen.contains("key="), "{seen}");
    }
}

#[tokio::test]
async fn what_a_program_gets_holds_no_key() {
    let keys = [
        ("ANTHROPIC_API_KEY", "sk-ant-geheim-1"),
        ("ANTHROPIC_AUTH_TOKEN", "geheim-token-2"),
        ("OPENAI_API_KEY", "sk-geheim-3"),
        ("CODEX_API_KEY", "sk-geheim-3"),
        ("GEMINI_API_KEY", "AIza-geheim-4"),
        ("ANTHROPIC_CUSTOM_HEADERS", "X-A: sk-ant-geheim-1, X-B: geheim-token-2"),
        ("SETTINGS", r#"{"key":"sk-geheim-3","other":"AIza-geheim-4"}"#),
        ("PATH", "/usr/bin"),
    ];
    let proxy = KeyProxy::new();
    let lent = lend(&proxy, &keys, &Refused::default()).await;
    let all = format!("{:?}", lent.environment);
    assert!(!all.contains("geheim") && all.contains("/usr/bin"), "{all}");
    for (variable_of, path) in [
        ("ANTHROPIC_BASE_URL", "/anthropic"),
        ("OPENAI_BASE_URL", "/openai/v1"),
        ("GOOGLE_GEMINI_BASE_URL", "/gemini"),
    ] {
        assert_eq!(variable(&lent, variable_of), format!("http://127.0.0.1:{}{path}", lent.port));
    }
    let shown = format!("{lent:?} {proxy:?}");
    let token = variable(&lent, "OPENAI_API_KEY");
    assert!(!shown.contains("geheim") && !shown.contains(&token), "{shown}");
}

#[tokio::test]
async fn two_sessions_have_a_key_each() {
    let (service, proxy) = (Service::kind().await, KeyProxy::new());
    let base = format!("{}/v1", service.url);
    let refused = [Refused::default(), Refused::default()];
    let of = |key| [("OPENAI_API_KEY", key), ("OPENAI_BASE_URL", base.as_str())];
    let one = lend(&proxy, &of("sk-geheim-one"), &refused[0]).await;
    let two = lend(&proxy, &of("sk-geheim-two"), &refused[1]).await;
    assert_eq!(one.port, two.port, "there is one listener");
    ask(&one, "GET /openai/v1/models").await;
    assert!(service.last().contains("Bearer sk-geheim-one\n"), "{}", service.last());
    ask(&two, "GET /openai/v1/models").await;
    assert!(service.last().contains("Bearer sk-geheim-two\n"), "{}", service.last());
    ask(&two, "GET /openai/v1/files").await;
    assert_eq!(refused[0].list(), Vec::<String>::new());
    assert_eq!(refused[1].list(), ["ask openai for GET /openai/v1/files"]);
    drop(one);
    assert!(ask(&two, "GET /openai/v1/models").await.starts_with("HTTP/1.1 200"), "the other one goes on");
}

#[tokio::test]
async fn without_a_key_nothing_is_lent_and_nobody_listens() {
    let proxy = KeyProxy::new();
    let plain = environment(&[("PATH", "/bin"), ("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")]);
    assert!(proxy.lend(&plain, &Refused::default()).await.unwrap().is_none());
    assert_eq!(format!("{proxy:?}"), "KeyProxy { port: None, .. }");
    let with_key = environment(&[("OPENAI_API_KEY", KEY)]);
    assert!(NoKeys.lend(&with_key, &Refused::default()).await.unwrap().is_none());
}

#[tokio::test]
async fn what_cannot_be_used_is_named_and_not_shown() {
    let proxy = KeyProxy::new();
    for (name, wrong) in [
        ("OPENAI_BASE_URL", "geheim gateway"),
        ("OPENAI_BASE_URL", "https://me:geheim@gateway.example/v1"),
        ("OPENAI_BASE_URL", "ftp://geheim.example"),
        ("CODEX_API_KEY", "geheim\nX-Header: 1"),
    ] {
        let given = environment(&[("OPENAI_API_KEY", KEY), (name, wrong)]);
        let failure = proxy.lend(&given, &Refused::default()).await.unwrap_err();
        let text = format!("{failure:?}");
        assert_eq!(failure.class, FailureClass::Input, "{text}");
        assert!(text.contains(name) && !text.contains("geheim"), "{text}");
    }
}

#[tokio::test]
async fn nothing_is_sent_in_the_clear_to_a_service_with_https() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let service = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = vec![0; 4096];
        let read = stream.read(&mut bytes).await.unwrap();
        bytes.truncate(read);
        bytes
    });
    let proxy = KeyProxy::new();
    let lent = lend_for(&proxy, &url).await;
    let answer = ask(&lent, "GET /openai/v1/models").await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && !answer.contains(KEY), "{answer}");
    let bytes = service.await.unwrap();
    assert!(bytes.starts_with(&[0x16, 0x03]), "TLS begins with a handshake: {bytes:?}");
    assert!(!String::from_utf8_lossy(&bytes).contains("geheim"));
}
