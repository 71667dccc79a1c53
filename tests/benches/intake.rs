//! How many signed deliveries are taken in, each on the disk before it is answered.
//!
//! `cargo bench -p miyabi-tests --bench intake` (`MIYABI_BENCH=smoke` for a short one). The floor is a bare axum route
//! that checks the signature and shares commits between requests, into SQLite that is as durable as ours; it reads
//! nothing of what it is sent. Both are asked in turn over the same loopback by the same client, 64 connections at
//! once; medians are compared. At the end every answered delivery is looked for.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints its figures")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hmac::{Hmac, KeyInit, Mac};
use miyabi_core::event::Answer;
use miyabi_core::ids::{EscalationId, RunId};
use miyabi_core::ports::{Clock, Deliveries, DeliveryFilter};
use miyabi_forge::webhook::Secrets;
use miyabi_server::{Live, Ports, Refused, Server, Settings};
use miyabi_store::SqliteStore;
use miyabi_testkit::ManualClock;
use serde_json::json;
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

const SECRET: &str = "a webhook secret of the benchmark";
const CONNECTIONS: usize = 64;

/// A delivery as GitHub sends it when an issue gets a label: 25 KB.
fn body() -> Vec<u8> {
    let text = "受け付けた依頼を分けて並べる。 Split the request, and put the parts in order.\n".repeat(250);
    let user = json!({ "login": "alice", "id": 1, "type": "User", "site_admin": false });
    let payload = json!({
        "action": "labeled",
        "label": { "name": "miyabi", "color": "1d76db" },
        "issue": {
            "number": 42, "title": "Split requests", "body": text, "state": "open", "user": user,
            "labels": [{ "name": "miyabi" }], "created_at": "2026-11-20T00:00:00Z",
            "updated_at": "2026-11-20T00:00:00Z", "html_url": "https://forge.example/alice/shop/issues/42",
        },
        "repository": { "full_name": "alice/shop", "name": "shop", "owner": user },
        "sender": user,
    });
    payload.to_string().into_bytes()
}

fn sign(body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body);
    let digest = mac.finalize().into_bytes();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

type Row = (String, Bytes, oneshot::Sender<()>);

/// The least that keeps the promise.
async fn floor_server(database: &Path) -> SocketAddr {
    let db = rusqlite::Connection::open(database).unwrap();
    db.pragma_update(None, "journal_mode", "wal").unwrap();
    db.pragma_update(None, "synchronous", "full").unwrap();
    db.execute_batch("create table deliveries (id text primary key, body blob)").unwrap();
    let (sender, rows) = std::sync::mpsc::channel::<Row>();
    std::thread::spawn(move || {
        while let Ok(first) = rows.recv() {
            let group: Vec<Row> = std::iter::once(first).chain(rows.try_iter().take(255)).collect();
            db.execute_batch("begin immediate").unwrap();
            for (id, body, _) in &group {
                let mut insert =
                    db.prepare_cached("insert or ignore into deliveries values (?1, ?2)").unwrap();
                insert.execute(rusqlite::params![id, &body[..]]).unwrap();
            }
            db.execute_batch("commit").unwrap();
            for (.., answer) in group {
                answer.send(()).unwrap();
            }
        }
    });
    let receive = async |State(sender): State<std::sync::mpsc::Sender<Row>>, head: HeaderMap, body: Bytes| {
        let word = |name: &str| head.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(&body);
        let given: Vec<u8> = word("x-hub-signature-256").trim_start_matches("sha256=").as_bytes().to_vec();
        let given: Vec<u8> = given
            .chunks(2)
            .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        if mac.verify_slice(&given).is_err() {
            return StatusCode::UNAUTHORIZED;
        }
        let (answer, durable) = oneshot::channel();
        sender.send((word("x-github-delivery").to_owned(), body, answer)).unwrap();
        durable.await.unwrap();
        StatusCode::ACCEPTED
    };
    let app = Router::new().route("/webhook", post(receive)).with_state(sender);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Nothing is asked here.
struct Nobody;

#[async_trait::async_trait]
impl miyabi_server::Answers for Nobody {
    async fn answer(&self, _: &RunId, _: &EscalationId, _: Answer) -> Result<(), Refused> {
        Err(Refused::NotTaken("nothing is asked".to_owned()))
    }
}

/// The server that people get.
async fn our_server(store: &Arc<SqliteStore>) -> SocketAddr {
    let clock = Arc::new(ManualClock::new("2026-11-20T00:00:01Z".parse().unwrap()));
    let ports = Ports {
        store: Arc::clone(store) as _,
        deliveries: Arc::clone(store) as _,
        issues: Arc::clone(store) as _,
        clock: clock as Arc<dyn Clock>,
        answers: Arc::new(Nobody),
    };
    let settings = Settings { github: Secrets::parse(SECRET), ..Settings::default() };
    let server = Server::new(ports, settings, Live::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(miyabi_server::run(server, listener, std::future::pending()));
    address
}

/// Sends deliveries one after the other over one connection; gives how long each took.
async fn send(
    address: SocketAddr,
    ids: Vec<String>,
    body: Arc<Vec<u8>>,
    signature: Arc<str>,
) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut took = Vec::with_capacity(ids.len());
    let mut answer = Vec::new();
    for id in ids {
        let head = format!(
            "POST /webhook HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\nx-github-event: issues\r\nx-github-delivery: {id}\r\nx-hub-signature-256: sha256={signature}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let begin = Instant::now();
        stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
        answer.clear();
        while !is_whole(&answer) {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0);
        }
        took.push(begin.elapsed());
        assert!(answer.starts_with(b"HTTP/1.1 202"), "{}", String::from_utf8_lossy(&answer));
    }
    took
}

fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, rest)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    rest.len() >= length.unwrap().parse::<usize>().unwrap()
}

struct Figures {
    per_second: f64,
    p99: Duration,
}

/// All deliveries of one round.
async fn round(address: SocketAddr, round: usize, deliveries: usize, body: &Arc<Vec<u8>>) -> Figures {
    let signature: Arc<str> = sign(body).into();
    let begin = Instant::now();
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|client| {
            let ids = (0..deliveries / CONNECTIONS).map(|n| format!("{round}-{client}-{n}")).collect();
            tokio::spawn(send(address, ids, Arc::clone(body), Arc::clone(&signature)))
        })
        .collect();
    let mut took = Vec::new();
    for client in clients {
        took.extend(client.await.unwrap());
    }
    let per_second = took.len() as f64 / begin.elapsed().as_secs_f64();
    took.sort();
    Figures { per_second, p99: took[took.len() * 99 / 100] }
}

fn median(mut figures: Vec<Figures>) -> Figures {
    figures.sort_by(|left, right| left.per_second.total_cmp(&right.per_second));
    figures.swap_remove(figures.len() / 2)
}

#[tokio::main]
async fn main() {
    let smoke = std::env::var("MIYABI_BENCH").is_ok_and(|mode| mode == "smoke");
    let (rounds, deliveries) = if smoke { (1, 1_280) } else { (5, 12_800) };
    let folder =
        tempfile::tempdir_in(std::env::var_os("MIYABI_BENCH_DIR").unwrap_or_else(|| ".".into())).unwrap();
    let store = Arc::new(SqliteStore::open(folder.path().join("ours.db")).unwrap());
    let (ours, floor) = (our_server(&store).await, floor_server(&folder.path().join("floor.db")).await);
    let body = Arc::new(body());
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for n in 0..rounds {
        right.push(round(floor, n, deliveries, &body).await);
        left.push(round(ours, n, deliveries, &body).await);
    }
    let (ours, floor) = (median(left), median(right));
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "{} signed deliveries of {} KB (goal 0.80) {:>7.0} /s p99 {:.1} ms   floor {:>7.0} /s p99 {:.1} ms   ratio {:.2}",
        deliveries,
        body.len() / 1_000,
        ours.per_second,
        ms(ours.p99),
        floor.per_second,
        ms(floor.p99),
        ours.per_second / floor.per_second,
    );
    assert_eq!(
        store.deliveries(&DeliveryFilter::default()).await.unwrap().len(),
        rounds * deliveries,
        "nothing is lost"
    );
}
