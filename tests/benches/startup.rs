//! How long a command takes before it can do anything: `--version`, and `status` on a repository with many runs.
//!
//! `cargo bench -p miyabi-tests --bench startup` (`MIYABI_BENCH=smoke` for a short one). The floor is a hello world in
//! Rust, started in turn with ours in the same run; medians are compared.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints its figures")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use miyabi_core::event::{Event, EventBody};
use miyabi_core::plan::Plan;
use miyabi_core::ports::{NewRun, Store};
use miyabi_core::status::Status;
use miyabi_store::SqliteStore;
use miyabi_testkit::fixtures;
use miyabi_tests::env::TestEnv;

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");

/// A program that does nothing but print a line.
fn hello(folder: &Path) -> Command {
    let (source, program) = (folder.join("hello.rs"), folder.join("hello"));
    std::fs::write(&source, "fn main() { println!(\"hello\"); }\n").unwrap();
    let built = Command::new("rustc").arg("-O").arg("-o").arg(&program).arg(&source).status().unwrap();
    assert!(built.success());
    Command::new(program)
}

fn once(command: &mut Command) -> Duration {
    let begin = Instant::now();
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}");
    begin.elapsed()
}

/// The medians of both, run in turn.
fn in_turn(rounds: usize, ours: &mut Command, floor: &mut Command) -> (Duration, Duration) {
    let (mut left, mut right): (Vec<_>, Vec<_>) = (0..rounds).map(|_| (once(ours), once(floor))).unzip();
    left.sort();
    right.sort();
    (left[rounds / 2], right[rounds / 2])
}

/// Runs that have ended, so many of them.
async fn fill(database: &Path, runs: u64) {
    let store = SqliteStore::open(database).unwrap();
    for n in 1..=runs {
        let started = fixtures::run_started(Plan::default());
        let (id, at) = (fixtures::run_id(n), fixtures::at(i64::try_from(n).unwrap()));
        store.create_run(&NewRun { id: id.clone(), started }, at).await.unwrap();
        let body = EventBody::RunFinished { status: Status::Succeeded, reason: "all steps done".to_owned() };
        store.append(1, &[Event { run: id, seq: 1, at, body }]).await.unwrap();
    }
}

fn show(name: &str, (ours, floor): (Duration, Duration)) {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let ratio = ours.as_secs_f64() / floor.as_secs_f64();
    println!("{name:<44} {:>9.2} ms       floor {:>9.2} ms       ratio {ratio:.2}", ms(ours), ms(floor));
}

fn main() {
    let smoke = std::env::var("MIYABI_BENCH").is_ok_and(|mode| mode == "smoke");
    let (rounds, runs) = if smoke { (5, 100) } else { (40, 10_000) };
    let env = TestEnv::with_crate(PROGRAM);
    let mut floor = hello(env.root());
    show("miyabi --version (goal 3.00)", in_turn(rounds, &mut env.program(["--version"]), &mut floor));
    env.miyabi(["init"]).expect(0);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(fill(&env.repo().join(".miyabi/miyabi.db"), runs));
    let times = in_turn(rounds, &mut env.program(["status"]), &mut floor);
    show(&format!("miyabi status, {runs} runs (goal 30 ms)"), times);
}
