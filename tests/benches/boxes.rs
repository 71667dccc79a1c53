//! What a box costs each program that is put into it.
//!
//! `cargo bench -p miyabi-tests --bench boxes` (`MIYABI_BENCH=smoke` for a short one). The program is `true`; the floor
//! is bubblewrap with a PID namespace and every file as it is, started in turn with ours in the same run.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints its figures")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use miyabi_contain::{BoxOptions, Limits, MachineBoxes};
use miyabi_core::containment::{Bounds, CommandLine, Containment, Demand};
use miyabi_core::ports::Boxes;

const PROGRAM: &str = env!("CARGO_BIN_EXE_miyabi-under-test");

fn boxes(folder: &Path, search: &str, demand: Demand) -> MachineBoxes {
    MachineBoxes::new(BoxOptions {
        demand,
        environment: vec![("PATH".into(), search.into())],
        entry: Some(PROGRAM.into()),
        private: folder.join("boxes"),
        limits: Limits { memory_mb: 1024, processes: 100, cpu_percent: 0, file_mb: 1024 },
        ..BoxOptions::default()
    })
}

/// Making the box, running the program in it, and taking the box away.
async fn boxed(boxes: &MachineBoxes, folder: &Path) -> Duration {
    let command = CommandLine {
        program: PathBuf::from("/bin/true"),
        arguments: Vec::new(),
        folder: folder.to_owned(),
        environment: vec![
            ("PATH".into(), "/usr/bin:/bin".into()),
            ("HOME".into(), folder.join("home").into()),
        ],
    };
    let bounds = Bounds { writable: vec![folder.to_owned()], ..Bounds::default() };
    let begin = Instant::now();
    let contained = boxes.contain(command, &bounds).await.unwrap();
    let CommandLine { program, arguments, environment, folder } = &contained.command;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(environment.iter().cloned()).current_dir(folder);
    assert!(command.stdin(Stdio::null()).status().unwrap().success());
    drop(contained);
    begin.elapsed()
}

fn bare() -> Duration {
    let begin = Instant::now();
    let mut command = Command::new("bwrap");
    command.args(["--dev-bind", "/", "/", "--unshare-pid", "--die-with-parent", "--", "/bin/true"]);
    assert!(command.stdin(Stdio::null()).status().unwrap().success());
    begin.elapsed()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn main() {
    let smoke = std::env::var("MIYABI_BENCH").is_ok_and(|mode| mode == "smoke");
    let rounds = if smoke { 5 } else { 200 };
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("home")).unwrap();
    let search = std::env::var("PATH").unwrap_or_default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let containments = [
        (Containment::Bubblewrap, boxes(folder.path(), &search, Demand::Best)),
        (Containment::Landlock, boxes(folder.path(), "/nowhere", Demand::Best)),
        (Containment::Plain, boxes(folder.path(), &search, Demand::Off)),
    ];
    for (containment, boxes) in containments {
        if runtime.block_on(boxes.containment()) != Ok(containment) {
            println!("{containment}: left out, this machine does not have it");
            continue;
        }
        let times = (0..rounds).map(|_| (runtime.block_on(boxed(&boxes, folder.path())), bare()));
        let (ours, floor): (Vec<_>, Vec<_>) = times.unzip();
        let (ours, floor) = (median(ours), median(floor));
        println!(
            "{containment:<12} {ours:>8.2} ms       floor {floor:>8.2} ms       ratio {:.2}",
            ours / floor
        );
    }
}
