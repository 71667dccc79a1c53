//! What a step costs beyond its own work, every event durable; beside the floor in the same run.
//!
//! `cargo bench -p miyabi-tests --bench steps` (`MIYABI_BENCH=smoke` for a short one).

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints its figures")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use miyabi::surroundings::SystemClock;
use miyabi_core::event::{EventBody, RunStarted};
use miyabi_core::ids::RunId;
use miyabi_core::plan::{Plan, Step, Uses, Work};
use miyabi_core::policy::Policy;
use miyabi_core::ports::{NewRun, Store, never_stop};
use miyabi_core::status::Status;
use miyabi_engine::{Engine, Job, Rest, StepRunner, Working};
use miyabi_store::SqliteStore;
use miyabi_testkit::{IdleAgents, RecordingForge, fixtures};
use serde_json::json;

/// A step that does nothing, answers, starts a program, or waits for a time.
enum Runner {
    Nothing,
    Answer,
    Spawn,
    Wait(Duration),
}

impl StepRunner for Runner {
    fn start(&self, _job: Job<'_>) -> Working {
        match self {
            Self::Nothing => Box::pin(async { Ok(serde_json::Value::Null) }),
            Self::Answer => Box::pin(async { Ok(json!({ "ok": true, "labels": ["雅", "bug"] })) }),
            Self::Spawn => Box::pin(async {
                tokio::process::Command::new("true").status().await.unwrap();
                Ok(serde_json::Value::Null)
            }),
            Self::Wait(time) => {
                let time = *time;
                Box::pin(async move {
                    tokio::time::sleep(time).await;
                    Ok(serde_json::Value::Null)
                })
            }
        }
    }
}

/// Layers of 100 steps; each step needs three of the layer before.
fn layered(steps: usize) -> Plan {
    let id = |ix: usize| format!("s{ix}");
    let needs = |ix: usize| {
        let (layer, place) = (ix / 100, ix % 100);
        (0..3).filter(move |_| layer > 0).map(move |k| id((layer - 1) * 100 + (place + k) % 100))
    };
    let step = |ix: usize| Step::new(id(ix), Work::Uses(Uses::Execute)).needs(needs(ix));
    Plan::from((0..steps).map(step).collect::<Vec<_>>())
}

/// The same layers as a flow file that a team wrote: each step has a condition over an output of the layer before.
fn conditional(steps: usize) -> String {
    let mut text = "name: layers\nsteps:\n".to_owned();
    for ix in 0..steps {
        let (layer, place) = (ix / 100, ix % 100);
        let need = |k: usize| (layer - 1) * 100 + (place + k) % 100;
        let _infallible = match layer {
            0 => writeln!(text, "  - {{name: s{ix}, agent: reader, depends_on: []}}"),
            _ => {
                let needs = [need(0), need(1), need(2)];
                let list = needs.map(|need| format!("s{need}")).join(", ");
                let condition = format!("steps.s{}.output.ok == true", needs[0]);
                writeln!(text, "  - {{name: s{ix}, agent: reader, depends_on: [{list}], if: {condition}}}")
            }
        };
    }
    text
}

/// Reads the file, and says how long that takes.
fn read(text: &str) -> (Plan, Duration) {
    let begin = Instant::now();
    let flow = miyabi_core::flow::parse(text, "layers.yaml");
    let took = begin.elapsed();
    let flow = flow.unwrap_or_else(|problems| panic!("{}", problems[0].render(text)));
    (flow.plan, took)
}

/// What reading the same text as YAML takes, and making values of it.
fn read_floor(text: &str) -> Duration {
    let begin = Instant::now();
    let value: serde_json::Value = serde_saphyr::from_str(text).unwrap();
    let took = begin.elapsed();
    assert!(value["steps"].is_array());
    took
}

async fn run(folder: &Path, plan: Plan, runner: Runner) -> Duration {
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.join("log.db")).unwrap());
    let (forge, agents) = (Arc::new(RecordingForge::new()), Arc::new(IdleAgents::new()));
    let engine = Engine::over(Arc::clone(&store), forge, agents, Arc::new(SystemClock), Arc::new(runner));
    let id = RunId::from("00000000-0000-7000-8000-000000000001");
    let started = RunStarted {
        policy: Policy { max_parallel: 100, ..Policy::default() },
        ..fixtures::run_started(plan)
    };
    store.create_run(&NewRun { id: id.clone(), started }, Timestamp::now()).await.unwrap();
    let begin = Instant::now();
    assert_eq!(engine.drive(&id, never_stop()).await.unwrap(), Rest::Ended(Status::Succeeded));
    let took = begin.elapsed();
    let events = store.load(&id, 0).await.unwrap();
    assert!(matches!(events.last().unwrap().body, EventBody::RunFinished { .. }));
    took
}

/// One row in one transaction for each step, as durable as ours; with a program before it when asked.
fn floor(folder: &Path, steps: usize, spawn: bool) -> Duration {
    let db = rusqlite::Connection::open(folder.join("floor.db")).unwrap();
    db.pragma_update(None, "journal_mode", "wal").unwrap();
    db.pragma_update(None, "synchronous", "full").unwrap();
    db.execute_batch("create table if not exists log (seq integer primary key, body text)").unwrap();
    let body = r#"{"type":"step_succeeded","step":"s0000","attempt":1,"output":null}"#;
    let mut insert = db.prepare("insert into log (body) values (?1)").unwrap();
    let begin = Instant::now();
    for _ in 0..steps {
        if spawn {
            assert!(Command::new("true").status().unwrap().success());
        }
        insert.execute([body]).unwrap();
    }
    begin.elapsed()
}

/// A folder on the disk of the checkout, or below `MIYABI_BENCH_DIR`: in memory the log's own cost shows.
fn place() -> tempfile::TempDir {
    tempfile::tempdir_in(std::env::var_os("MIYABI_BENCH_DIR").unwrap_or_else(|| ".".into())).unwrap()
}

fn show(name: &str, steps: usize, ours: Duration, floor: Duration) {
    let per = |time: Duration| time.as_secs_f64() * 1e6 / steps as f64;
    let ratio = ours.as_secs_f64() / floor.as_secs_f64();
    println!("{name:<44} {:>9.1} µs/step  floor {:>9.1} µs/step  ratio {ratio:.2}", per(ours), per(floor));
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let smoke = std::env::var("MIYABI_BENCH").is_ok_and(|mode| mode == "smoke");
    let sizes: &[usize] = if smoke { &[1_000] } else { &[1_000, 10_000] };
    for &steps in sizes {
        let folder = place();
        let base = floor(folder.path(), steps, false);
        let ours = runtime.block_on(run(folder.path(), layered(steps), Runner::Nothing));
        show(&format!("{steps} no-op steps, layered (goal 3.00)"), steps, ours, base);
    }
    for &steps in sizes {
        let text = conditional(steps);
        let base = read_floor(&text);
        let (plan, took) = read(&text);
        show(&format!("{steps} steps with conditions, file read"), steps, took, base);
        assert!(plan.steps.iter().skip(100).all(|step| step.condition.is_some()));
        let folder = place();
        let base = floor(folder.path(), steps, false);
        let ours = runtime.block_on(run(folder.path(), plan, Runner::Answer));
        show(&format!("{steps} steps with conditions (goal 3.00)"), steps, ours, base);
    }
    for &steps in &sizes[..1] {
        let folder = place();
        let base = floor(folder.path(), steps, true);
        let ours = runtime.block_on(run(folder.path(), layered(steps), Runner::Spawn));
        show(&format!("{steps} steps that start a program (goal 1.30)"), steps, ours, base);
    }
    let (wide, time) = (200, Duration::from_millis(if smoke { 50 } else { 500 }));
    let folder = place();
    let ours = runtime.block_on(run(folder.path(), layered(wide), Runner::Wait(time)));
    let critical = time * 2;
    println!(
        "{:<44} {:>9.1} ms       floor {:>9.1} ms       ratio {:.3}",
        format!("{wide} waiting steps, critical path (goal 1.05)"),
        ours.as_secs_f64() * 1e3,
        critical.as_secs_f64() * 1e3,
        ours.as_secs_f64() / critical.as_secs_f64()
    );
}
