//! Records are found as people look for them, and nothing is kept that must not be.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::RunId;
use miyabi_core::knowledge::{Found, Mark, Memory, Query, Record, RecordFilter, RecordKind};
use miyabi_core::ports::{Embedder, Knowledge, Maker};
use miyabi_core::redact::Redactor;
use miyabi_core::status::Status;
use miyabi_retrieval::{KnowledgeIndex, LocalShelf, Shelf};
use miyabi_testkit::fixtures;

const ENDED: Mark = Mark { events: 9, ended: true };

/// What ten runs of an imagined shop did.
const PAST: [(&str, &str, &str); 10] = [
    (
        "keys",
        "Let programs log in with keys",
        "Keys are hashed with `hash_api_key` before they are stored.\nsrc/auth/keys.rs",
    ),
    (
        "cart",
        "Empty carts are not sent to the till",
        "`CartSender::send` returned early on Err(EmptyCart).\nsrc/cart/sender.rs",
    ),
    (
        "money",
        "Round prices half up",
        "Prices in yen have no decimals; `round_price` now takes the currency.\nsrc/money.rs",
    ),
    (
        "e0277",
        "Make the order type `Send`",
        "error[E0277]: `Rc<Order>` cannot be sent between threads; an Arc does it.\nsrc/order.rs",
    ),
    (
        "login",
        "ログイン画面で二段階認証を求める",
        "認証コードを六桁にした。期限は五分。\nsrc/auth/two_factor.rs",
    ),
    (
        "slow",
        "The list of orders is slow",
        "A query for each row became one join; 40 ms instead of 3 s.\nsrc/orders/list.rs",
    ),
    (
        "ci",
        "The tests of the till fail on CI only",
        "TZ was not set there: 2 tests compared local times.\n.github/workflows/test.yml",
    ),
    (
        "mail",
        "Customers get the receipt twice",
        "`send_receipt` was called by the retry of the queue; a key makes it once.\nsrc/mail/receipt.rs",
    ),
    ("docs", "Say how the shop is set up", "README, three commands, checked by a test.\nREADME.md"),
    ("deps", "Update serde_json to 1.0.150", "Only the lock file changed.\nCargo.lock"),
];

fn record(id: &str, title: &str, text: &str) -> Record {
    let run = RunId::new(id);
    let (text, file) = text.rsplit_once('\n').unwrap_or((text, ""));
    Record {
        at: Timestamp::from_second(1_790_000_000).unwrap(),
        title: title.to_owned(),
        text: text.to_owned(),
        files: vec![file.to_owned()],
        ..fixtures::record(run, RecordKind::Outcome)
    }
}

fn memory(record: Record) -> Memory {
    Memory { run: record.run.clone(), mark: ENDED, records: vec![record] }
}

fn query(text: &str) -> Query {
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    Query { text: text.to_owned(), filter: RecordFilter::default(), limit: 5, now }
}

fn runs(found: &Found) -> Vec<&str> {
    found.hits.iter().map(|hit| hit.record.run.as_str()).collect()
}

struct Place {
    _folder: tempfile::TempDir,
    index: KnowledgeIndex,
    shelf: Arc<dyn Shelf>,
}

fn place(embedder: Option<Arc<dyn Embedder>>, secrets: &[&str]) -> Place {
    let folder = tempfile::tempdir().unwrap();
    let maker = embedder.as_ref().map(|it| it.maker().clone());
    let shelf: Arc<dyn Shelf> = Arc::new(LocalShelf::open(folder.path(), maker.as_ref()).unwrap());
    let redactor = Arc::new(Redactor::new(secrets.iter().map(|it| (*it).to_owned())));
    Place { index: KnowledgeIndex::new(Arc::clone(&shelf), embedder, redactor), shelf, _folder: folder }
}

/// Puts like meanings near each other, for five of them; says when it cannot, and counts what it was asked.
struct Meanings {
    maker: Maker,
    is_down: AtomicBool,
    is_silent: AtomicBool,
    asked: AtomicUsize,
}

impl Meanings {
    fn new() -> Arc<Self> {
        let maker = Maker { name: "meanings".to_owned(), dimensions: 6 };
        Arc::new(Self {
            maker,
            is_down: AtomicBool::new(false),
            is_silent: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
        })
    }
}

#[async_trait]
impl Embedder for Meanings {
    fn maker(&self) -> &Maker {
        &self.maker
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, Failure> {
        if self.is_down.load(Ordering::SeqCst) {
            return Err(Failure::new(FailureClass::Unavailable, "the model does not answer"));
        }
        if self.is_silent.load(Ordering::SeqCst) {
            return std::future::pending().await;
        }
        self.asked.fetch_add(texts.len(), Ordering::SeqCst);
        let meanings = [
            ["receipt", "invoice"],
            ["yen", "amounts"],
            ["slow", "performance"],
            ["keys", "credentials"],
            ["CI", "pipeline"],
        ];
        let of = |text: &String| {
            let mut numbers: Vec<f32> = meanings
                .iter()
                .map(|words| if words.iter().any(|word| text.contains(word)) { 1.0 } else { 0.0 })
                .collect();
            numbers.push(0.1);
            let length = numbers.iter().map(|number| number * number).sum::<f32>().sqrt();
            numbers.iter().map(|number| number / length).collect()
        };
        Ok(texts.iter().map(of).collect())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_look_for_comes_first() {
    let place = place(None, &[]);
    let memories: Vec<Memory> =
        PAST.iter().map(|(id, title, text)| memory(record(id, title, text))).collect();
    place.index.remember("acme/shop", &memories).await.unwrap();
    for (text, run) in [
        ("hashApiKey", "keys"),
        ("hash api key", "keys"),
        ("CartSender send EmptyCart", "cart"),
        ("cart_sender", "cart"),
        ("E0277", "e0277"),
        ("rounding of prices", "money"),
        ("認証コード", "login"),
        ("二段階", "login"),
        ("ログイン", "login"),
        ("orders are listed slowly", "slow"),
        (".github/workflows", "ci"),
        ("serde-json 1.0.150", "deps"),
        ("receipts sent twice", "mail"),
        ("Ｅ０２７７", "e0277"),
        ("src/mail/receipt.rs", "mail"),
    ] {
        let found = place.index.search(&query(text)).await.unwrap();
        assert_eq!(runs(&found).first(), Some(&run), "{text}: {:?}", runs(&found));
        assert!(!found.hits[0].matched.is_empty() && found.hits[0].lexical.is_some(), "{text}");
    }
    for nothing in ["", " \n", "the of and", "zzz", "🦀", "\0\u{7f}"] {
        assert_eq!(place.index.search(&query(nothing)).await.unwrap(), Found::default(), "{nothing:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn meaning_finds_what_words_do_not() {
    let meanings = Meanings::new();
    let place = place(Some(meanings.clone()), &[]);
    let memories: Vec<Memory> =
        PAST.iter().map(|(id, title, text)| memory(record(id, title, text))).collect();
    let done = place.index.remember("acme/shop", &memories).await.unwrap();
    assert_eq!((done.records, done.embedded, done.lacks), (10, 10, None));
    let found = place.index.search(&query("invoice")).await.unwrap();
    assert_eq!(runs(&found)[0], "mail");
    assert_eq!((found.hits[0].lexical, found.hits[0].dense.unwrap().rank), (None, 1));
    // What is known is not made again, in this run or in another one.
    let mut again = record("other", PAST[0].1, PAST[0].2);
    again.number = 2;
    let done = place.index.remember("acme/shop", &[memories[0].clone(), memory(again)]).await.unwrap();
    assert_eq!(done.embedded, 0);
    // Without the model words still find.
    meanings.is_down.store(true, Ordering::SeqCst);
    let found = place.index.search(&query("receipts sent twice")).await.unwrap();
    assert_eq!((runs(&found)[0], found.lacks.len()), ("mail", 1));
}

#[tokio::test(start_paused = true)]
async fn a_model_that_never_answers_costs_no_hit_by_words() {
    let meanings = Meanings::new();
    let place = place(Some(meanings.clone()), &[]);
    let one = memory(record("mail", PAST[7].1, PAST[7].2));
    place.index.remember("acme/shop", &[one]).await.unwrap();
    meanings.is_silent.store(true, Ordering::SeqCst);
    let found = place.index.search(&query("receipt")).await.unwrap();
    assert_eq!(runs(&found), ["mail"]);
    assert_eq!(found.lacks, ["searched by words alone: meanings (6 dimensions) made no vector within 4 s"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_part_of_what_a_change_means() {
    let place = place(Some(Meanings::new()), &[]);
    let mut one = record("paper", "Other margins", "Wider by a little");
    one.files = vec!["src/invoice.rs".to_owned()];
    place.index.remember("acme/shop", &[memory(one)]).await.unwrap();
    let found = place.index.search(&query("receipt")).await.unwrap();
    assert_eq!((runs(&found)[0], found.hits[0].lexical), ("paper", None));
    let score = found.hits[0].dense.unwrap().score;
    assert!(score > 0.9, "{score}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lacks_its_vector_is_not_done() {
    let meanings = Meanings::new();
    meanings.is_down.store(true, Ordering::SeqCst);
    let place = place(Some(meanings.clone()), &[]);
    let one = memory(record("mail", PAST[7].1, PAST[7].2));
    let done = place.index.remember("acme/shop", std::slice::from_ref(&one)).await.unwrap();
    assert!(done.lacks.unwrap().contains("does not answer"));
    assert_eq!(runs(&place.index.search(&query("receipt")).await.unwrap()), ["mail"]);
    let mark = place.index.marks("acme/shop").await.unwrap()[&one.run];
    assert_eq!(mark, Mark { events: 0, ended: false }, "it is taken in again");
    meanings.is_down.store(false, Ordering::SeqCst);
    place.index.remember("acme/shop", std::slice::from_ref(&one)).await.unwrap();
    assert_eq!(place.index.marks("acme/shop").await.unwrap()[&one.run], ENDED);
    let stats = place.shelf.stats().await.unwrap();
    assert_eq!((stats.chunks, stats.vectors), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_not_kept_and_not_sent() {
    let place = place(None, &["hunter2-hunter2"]);
    let token = format!("ghp_{}", "a1B2".repeat(9));
    let mut leaky = record("leak", &format!("Use {token}"), "The password is hunter2-hunter2 here\nx");
    leaky.files = vec![format!("src/{token}.rs")];
    leaky.url = format!("https://forge.example/{token}");
    place.index.remember("acme/shop", &[memory(leaky.clone())]).await.unwrap();
    let kept = place.index.get(&[leaky.id]).await.unwrap();
    let text = serde_json::to_string(&kept).unwrap();
    assert!(!text.contains(&token) && !text.contains("hunter2") && text.contains("[redacted"), "{text}");
    assert_eq!(place.index.search(&query("hunter2-hunter2")).await.unwrap().hits.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_text_is_whole_and_an_endless_one_ends() {
    let place = place(None, &[]);
    let long =
        "A paragraph about the till. 認証が失敗する。\n\n".repeat(300) + "the needle E4711 at its end\nx";
    let endless = "word ".repeat(1_000_000);
    let (long, endless) = (record("long", "Long", &long), record("endless", "Endless", &endless));
    let memories = [memory(long.clone()), memory(endless.clone())];
    place.index.remember("acme/shop", &memories).await.unwrap();
    let found = place.index.search(&query("E4711")).await.unwrap();
    assert_eq!(runs(&found), ["long"]);
    assert!(found.hits[0].excerpt.starts_with("the needle E4711"), "{}", found.hits[0].excerpt);
    let kept = place.index.get(&[long.id.clone(), endless.id]).await.unwrap();
    assert_eq!(kept[0].text, long.text);
    assert!(kept[1].text.len() < 200_000 && kept[1].text.starts_with("word word"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_helped_stands_higher() {
    let place = place(None, &[]);
    let (one, two) = (record("one", "Mend the till", "till\nx"), record("two", "Mend the till", "till\nx"));
    let mut attempts = Vec::new();
    for n in 0..6 {
        let id = format!("user-{n}");
        let mut attempt = record(&id, "Another thing", "nothing alike\nx");
        attempt.kind = RecordKind::Attempt;
        attempt.given = vec![if n % 2 == 0 { two.id.clone() } else { one.id.clone() }];
        attempt.outcome = if n % 2 == 0 { Status::Succeeded } else { Status::Failed };
        attempts.push(memory(attempt));
    }
    place.index.remember("acme/shop", &[memory(one), memory(two)]).await.unwrap();
    assert_eq!(runs(&place.index.search(&query("till")).await.unwrap()), ["one", "two"]);
    place.index.remember("acme/shop", &attempts).await.unwrap();
    let found = place.index.search(&query("till")).await.unwrap();
    assert_eq!(runs(&found), ["two", "one"]);
    assert!(found.hits[0].because.contains(&"given to 3 attempts, 3 of which succeeded".to_owned()));
}
