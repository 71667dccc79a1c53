//! Intake over HTTP: every example of GitHub's, with right and wrong signatures; bodies that are too long or no JSON;
//! a server that is killed under load and has lost nothing; and who may read what it shows.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use miyabi_tests::env::{TestEnv, run};
use miyabi_tests::github::{SECRET, Served, is_here_or_say, stand_ins};
use miyabi_tests::http::raw;
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");

fn env() -> TestEnv {
    TestEnv::with_crate(PROGRAM).variable("MIYABI_GITHUB_WEBHOOK_SECRET", format!("an-older-one, {SECRET}"))
}

fn deliver(url: &str, more: &Value) -> Command {
    let mut config = json!({
        "tools": stand_ins().join("node_modules"), "url": format!("{url}/webhook"), "secret": SECRET,
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("github/deliver.mjs");
    let mut command = Command::new("node");
    command.arg(script).arg(config.to_string());
    command
}

fn get(url: &str, path: &str, headers: &str) -> (u16, String) {
    let host = if headers.to_lowercase().contains("host:") {
        String::new()
    } else {
        format!("host: {}\r\n", url.strip_prefix("http://").unwrap_or_default())
    };
    raw(url, format!("GET {path} HTTP/1.1\r\n{host}{headers}connection: close\r\n\r\n").as_bytes())
}

#[test]
fn every_example_of_github_is_taken_or_ignored_and_no_forgery_is() {
    if !is_here_or_say() {
        return;
    }
    let env = env();
    let served = Served::start(&env);
    for (door, refused) in [("/webhook", "401"), ("/api/webhooks/github", "403")] {
        let ran = run(&mut deliver(
            &served.url,
            &json!({ "url": format!("{}{door}", served.url), "what": "examples" }),
        ));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let seen = ran.json();
        let count = |variant: &str, status: &str| seen[variant][status]["count"].as_u64().unwrap_or(0);
        let all: u64 = ["200", "202"].iter().map(|status| count("signed", status)).sum();
        assert_eq!(all, 329, "{}", seen["signed"]);
        assert!(count("signed", "202") > 0, "some of them are listened to");
        assert_eq!(count("again", "200"), 329, "{}", seen["again"]);
        for variant in ["wrong", "missing", "truncated", "doubled", "changed"] {
            assert_eq!(count(variant, refused), 329, "{variant}: {}", seen[variant]);
        }
    }
    let rows = env.miyabi(["delivery", "list", "--limit", "1000", "--json"]).expect(0).json();
    assert_eq!(rows.as_array().map(Vec::len), Some(2 * 329), "no forgery was kept");
    let shown = env.miyabi(["delivery", "show", rows[0]["id"].as_str().unwrap_or_default()]).expect(0);
    assert!(
        shown.stdout.contains("verdict") && !shown.stdout.contains("x-hub-signature"),
        "{}",
        shown.stdout
    );
}

#[test]
fn bodies_that_cannot_be_are_refused_each_in_its_way() {
    let env = env();
    let served = Served::start(&env);
    let post = |length: usize, more: &str, body: &[u8]| {
        let head = format!(
            "POST /webhook HTTP/1.1\r\nhost: localhost\r\nx-github-event: issues\r\nx-github-delivery: 1\r\n\
             x-hub-signature-256: sha256={}\r\ncontent-length: {length}\r\n{more}connection: close\r\n\r\n",
            "0".repeat(64)
        );
        raw(&served.url, &[head.as_bytes(), body].concat()).0
    };
    let long = 26 * 1024 * 1024;
    assert_eq!(post(long, "expect: 100-continue\r\n", &[]), 413, "told before it is sent");
    assert_eq!(post(5 * long, "", &[]), 413, "told by its length");
    assert_eq!(post(long, "", &vec![b' '; long]), 413, "heard to its end");
    assert_eq!(post(2, "", b"{}"), 401);
    let mut chunked = b"POST /webhook HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n".to_vec();
    for _ in 0..26 {
        chunked.extend(format!("{:x}\r\n", 1024 * 1024).bytes());
        chunked.extend(std::iter::repeat_n(b' ', 1024 * 1024));
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\n\r\n");
    assert_eq!(raw(&served.url, &chunked).0, 413, "found while it comes");
    for (path, status) in [("/api/webhooks/gitlab", 503), ("/api/webhooks/ci", 503)] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}"
        );
        assert_eq!(raw(&served.url, request.as_bytes()).0, status, "{path} has no secret");
    }
    assert_eq!(get(&served.url, "/healthz", "").0, 200);
    assert_eq!(env.miyabi(["delivery", "list", "--json"]).expect(0).json(), json!([]));
    assert_eq!(served.stop(), Some(0));
}

#[test]
fn json_that_is_none_and_events_that_nobody_knows() {
    if !is_here_or_say() {
        return;
    }
    let env = env();
    let served = Served::start(&env);
    assert_eq!(served.deliver_text("issues", "1", "{\"action\":"), 400);
    assert_eq!(served.deliver_text("issues", "2", "[]"), 400);
    assert_eq!(served.deliver_text("未知", "3", "{}"), 400, "no event is named so");
    assert_eq!(served.deliver_text("no_such_event", "4", "{}"), 200);
    assert_eq!(served.deliver_text("ping", "5", "{\"zen\":\"静か\"}"), 200);
    assert_eq!(served.deliver_text("issues", "6", "{\"action\":\"labeled\",\"issue\":7}"), 200);
    let rows = env.miyabi(["delivery", "list", "--json"]).expect(0).json();
    let verdicts: Vec<_> =
        rows.as_array().into_iter().flatten().map(|row| row["verdict"]["verdict"].clone()).collect();
    assert_eq!(verdicts, ["ignored", "ignored", "ignored"]);
}

#[test]
fn what_was_answered_is_there_after_a_kill_under_load() {
    if !is_here_or_say() {
        return;
    }
    let env = env();
    let served = Served::start(&env);
    let config = json!({ "what": "load", "count": 100_000, "at_once": 16 });
    let mut load = deliver(&served.url, &config).stdout(Stdio::piped()).spawn().expect("node is there");
    let mut lines = BufReader::new(load.stdout.take().expect("it is a pipe")).lines().map_while(Result::ok);
    let mut answered: BTreeSet<String> = lines.by_ref().take(300).collect();
    assert_eq!(answered.len(), 300);
    served.kill();
    answered.extend(lines.filter(|line| !line.starts_with('{')));
    load.wait().expect("it ends when nobody answers");
    let _served = Served::start(&env);
    let rows = env.miyabi(["delivery", "list", "--limit", "1000000", "--json"]).expect(0).json();
    let ids =
        rows.as_array().into_iter().flatten().filter_map(|row| row["id"].as_str()?.strip_prefix("github:"));
    let kept: BTreeSet<String> = ids.map(str::to_owned).collect();
    let lost: Vec<_> = answered.difference(&kept).collect();
    assert_eq!(lost, [] as [&String; 0], "of {} answered", answered.len());
}

#[test]
fn only_those_who_may_read_what_it_shows() {
    let env = env();
    let served = Served::start(&env);
    for path in
        ["/api/v1/runs", "/api/v1/deliveries", "/api/v1/escalations", "/metrics", "/api/v1/openapi.json"]
    {
        assert_eq!(get(&served.url, path, "").0, 200, "{path}");
        assert_eq!(get(&served.url, path, "host: evil.example\r\n").0, 403, "{path} by another name");
        assert_eq!(
            get(&served.url, path, "origin: https://evil.example\r\n").0,
            403,
            "{path} from another page"
        );
    }
    assert_eq!(get(&served.url, "/api/v1/runs/1", "").0, 404);
    assert_eq!(get(&served.url, "/jobs/1", "").0, 404);
    assert_eq!(get(&served.url, "/nowhere", "").0, 404);
    assert_eq!(get(&served.url, "/readyz", "").0, 200);
    let (_, metrics) = get(&served.url, "/metrics", "");
    assert!(metrics.contains("miyabi_deliveries_unhandled 0"), "{metrics}");

    let ran = env.miyabi(["serve", "--listen", "0.0.0.0:0"]).expect(1);
    assert!(ran.stderr.contains("MIYABI_API_TOKEN"), "{}", ran.stderr);
    drop(served);
    let env = env.variable("MIYABI_API_TOKEN", "token-of-the-test");
    let served = Served::start(&env);
    assert_eq!(get(&served.url, "/api/v1/runs", "").0, 401);
    assert_eq!(get(&served.url, "/api/v1/runs", "authorization: Bearer wrong\r\n").0, 401);
    assert_eq!(get(&served.url, "/api/v1/runs", "authorization: Bearer token-of-the-test\r\n").0, 200);
    assert_eq!(get(&served.url, "/healthz", "").0, 200);
}

#[test]
fn an_address_that_is_taken_or_none_is_told() {
    let env = env();
    let served = Served::start(&env);
    let taken = served.url.strip_prefix("http://").expect("it is an address");
    let ran = env.miyabi(["serve", "--listen", taken]).expect(20);
    assert!(ran.stderr.contains(taken) && ran.stderr.contains("--listen"), "{}", ran.stderr);
    env.miyabi(["serve", "--listen", "somewhere"]).expect(2);
    env.miyabi(["delivery", "show", "no-such"]).expect(1);
    env.miyabi(["delivery", "replay", "no-such"]).expect(1);
}
