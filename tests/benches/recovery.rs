//! How long it takes, and how much memory, until a hub with many runs is where it was before a restart.
//!
//! `cargo bench -p miyabi-tests --bench recovery` (`MIYABI_BENCH=smoke` for a short one). A database with runs that
//! ended, runs that wait for people, and a few that were cut off in the middle is filled; then a new process drives
//! every run that has not ended until it rests. The floor is a program that only reads the same logs from the same
//! database and parses them.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints its figures")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use miyabi::surroundings::SystemClock;
use miyabi_agent::{AgentOptions, AgentPrograms};
use miyabi_core::event::{Event, EventBody, SessionEnded, SessionStarted};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::{RunId, SessionId};
use miyabi_core::plan::Plan;
use miyabi_core::ports::{NewRun, RunFilter, Store, never_stop};
use miyabi_core::session::{SessionEnd, Usage};
use miyabi_engine::{Engine, Job, Rest, StepRunner, Working};
use miyabi_store::SqliteStore;
use miyabi_testkit::{IdleAgents, MemoryStore, RecordingForge, fixtures};
use tokio::task::JoinSet;

/// Every task has a session; the last one of six finds nothing but a failing test when it is told so.
struct Tasks {
    fail: bool,
}

impl StepRunner for Tasks {
    fn start(&self, job: Job<'_>) -> Working {
        let (step, attempt, progress) = (job.state.step.id.clone(), job.state.attempt, job.progress.clone());
        let fail = self.fail && step.as_str().ends_with("-6");
        Box::pin(async move {
            let session = SessionId::new(format!("{step}.{attempt}"));
            let started = SessionStarted {
                session: session.clone(),
                step,
                attempt,
                adapter: "claude".to_owned(),
                process: None,
                containment: None,
                worktree: "/repo/.worktrees/issue-500-task1".into(),
                base: fixtures::commit(0),
                resumes: None,
                transcript: "/repo/.miyabi/runs/x/task-500-1.1.log".into(),
                given: Vec::new(),
            };
            progress.tell(EventBody::SessionStarted(Box::new(started))).await;
            let usage = Usage { input_tokens: Some(90_000), output_tokens: Some(4_000), ..Usage::default() };
            let ended = SessionEnded {
                session,
                end: SessionEnd::Completed,
                usage,
                leftovers: 0,
                refused: Vec::new(),
                changed_outside: Vec::new(),
            };
            progress.tell(EventBody::SessionEnded(Box::new(ended))).await;
            match fail {
                true => Err(Failure::new(FailureClass::ChecksFailed, "one test fails")),
                false => Ok(serde_json::json!({ "commit": "3".repeat(40), "tree": "4".repeat(40) })),
            }
        })
    }
}

/// The log of one run of six tasks: to its end, or to a question.
async fn played(fail: bool) -> Vec<Event> {
    let store = Arc::new(MemoryStore::new());
    let needs: [&[u32]; 6] = [&[], &[1], &[1], &[2, 3], &[4], &[5]];
    let steps = (1..=6).map(|n| fixtures::task_step(500, n, needs[n as usize - 1])).collect::<Vec<_>>();
    let started = fixtures::run_started(Plan::from(steps));
    let run = fixtures::run_id(1);
    store.create_run(&NewRun { id: run.clone(), started }, Timestamp::now()).await.unwrap();
    let (forge, agents) = (Arc::new(RecordingForge::new()), Arc::new(IdleAgents::new()));
    let engine =
        Engine::over(Arc::clone(&store) as _, forge, agents, Arc::new(SystemClock), Arc::new(Tasks { fail }));
    let rest = engine.drive(&run, never_stop()).await.unwrap();
    assert_eq!(matches!(rest, Rest::Asking(_)), fail, "{rest:?}");
    store.load(&run, 0).await.unwrap()
}

/// Writes that log as run `n` of issue `n`; of a cut one only the beginning.
async fn write(store: &SqliteStore, n: u64, log: &[Event]) {
    let id = fixtures::run_id(n);
    let EventBody::RunStarted(started) = &log[0].body else { panic!("a log begins with its run") };
    let mut started = (**started).clone();
    (started.number, started.issue.number) = (0, n);
    store.create_run(&NewRun { id: id.clone(), started }, log[0].at).await.unwrap();
    let rest: Vec<Event> = log[1..].iter().map(|event| Event { run: id.clone(), ..event.clone() }).collect();
    store.append(1, &rest).await.unwrap();
}

async fn fill(database: &Path, ended: u64, waiting: u64, cut: u64) -> usize {
    let store = Arc::new(SqliteStore::open(database).unwrap());
    let (whole, asking) = (Arc::new(played(false).await), Arc::new(played(true).await));
    let length = asking.len();
    let mut tasks = JoinSet::new();
    for n in 1..=(ended + waiting + cut) {
        let (store, whole, asking) = (Arc::clone(&store), Arc::clone(&whole), Arc::clone(&asking));
        tasks.spawn(async move {
            match n {
                n if n <= ended => write(&store, n, &whole).await,
                n if n <= ended + waiting => write(&store, n, &asking).await,
                n => write(&store, n, &asking[..asking.len() / 2]).await,
            }
        });
        // Many at once share their commits.
        if tasks.len() >= 256 {
            tasks.join_next().await.unwrap().unwrap();
        }
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    length
}

/// Drives every run that has not ended until it rests, four at a time like `miyabi serve`.
async fn recover(database: &Path) {
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(database).unwrap());
    let agents = Arc::new(AgentPrograms::new(AgentOptions::new("/", Vec::new())));
    let forge = Arc::new(RecordingForge::new());
    let runner = Arc::new(Tasks { fail: true });
    let engine = Arc::new(Engine::over(Arc::clone(&store), forge, agents, Arc::new(SystemClock), runner));
    let live = store.runs(&RunFilter { live: true, ..RunFilter::default() }).await.unwrap();
    let mut tasks = JoinSet::new();
    for run in live {
        let engine = Arc::clone(&engine);
        tasks.spawn(async move {
            let rest = engine.drive(&run.id, never_stop()).await.unwrap();
            assert!(matches!(rest, Rest::Asking(_)), "{rest:?}");
        });
        if tasks.len() >= 4 {
            tasks.join_next().await.unwrap().unwrap();
        }
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

/// Reads and parses the same logs, and nothing else.
fn read(database: &Path) {
    let db = rusqlite::Connection::open(database).unwrap();
    let sql = "SELECT id, events.body FROM runs JOIN events ON run = key WHERE completion_time IS NULL";
    let mut query = db.prepare(sql).unwrap();
    let mut rows = query.query([]).unwrap();
    let mut events = 0;
    while let Some(row) = rows.next().unwrap() {
        let _: (RunId, EventBody) = (
            row.get::<_, String>(0).unwrap().into(),
            serde_json::from_str(&row.get::<_, String>(1).unwrap()).unwrap(),
        );
        events += 1;
    }
    assert!(events > 0);
}

/// The most memory that this process had at once, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// This program again, for one measurement of its own: milliseconds and bytes.
fn child(what: &str, database: &Path) -> (f64, f64) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args(["child", what]).arg(database).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success());
    let told = String::from_utf8(output.stdout).unwrap();
    let mut words = told.split_whitespace().map(|word| word.parse::<f64>().unwrap());
    (words.next().unwrap(), words.next().unwrap())
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let [_, child, what, database] = arguments.as_slice()
        && child == "child"
    {
        let begin = Instant::now();
        match what.as_str() {
            "recover" => runtime.block_on(recover(Path::new(database))),
            _ => read(Path::new(database)),
        }
        println!("{} {}", begin.elapsed().as_secs_f64() * 1e3, peak());
        return;
    }
    let smoke = std::env::var("MIYABI_BENCH").is_ok_and(|mode| mode == "smoke");
    let (ended, waiting, cut) = if smoke { (200, 46, 4) } else { (100_000, 996, 4) };
    let folder = tempfile::tempdir_in(std::env::var_os("MIYABI_BENCH_DIR").unwrap_or_else(|| ".".into()));
    let folder = folder.unwrap();
    let database = folder.path().join("log.db");
    let events = runtime.block_on(fill(&database, ended, waiting, cut));
    // Both once before, so that the same pages are in memory.
    let _warm = child("read", &database);
    let (floor, floor_bytes) = child("read", &database);
    let (ours, bytes) = child("recover", &database);
    let live = waiting + cut;
    println!(
        "{:<44} {ours:>9.1} ms       floor {floor:>9.1} ms       ratio {:.2}",
        format!("{live} unfinished of {} runs, {events} events each", ended + live),
        ours / floor
    );
    println!(
        "{:<44} {:>9.1} MB       floor {:>9.1} MB       ({:.0} KB for each unfinished run)",
        "memory (goal 60 MB)",
        bytes / 1e6,
        floor_bytes / 1e6,
        (bytes - floor_bytes) / 1e3 / live as f64
    );
}
