//! Sessions in a PID namespace of their own. Left out, with a word, where bubblewrap cannot make one.

use std::ffi::OsString;
use std::fs;
use std::sync::Arc;

use miyabi_contain::{BoxOptions, MachineBoxes};
use miyabi_core::containment::{Containment, Demand};
use miyabi_core::ports::{Agents, Boxes};
use miyabi_core::session::SessionEnd;

use crate::bench::{Bench, eventually};

/// A bench whose programs get namespaces; `None` and a word where they cannot.
async fn bench() -> Option<Bench> {
    let mut bench = Bench::new();
    let boxes = boxes(&bench, bench.options.environment.clone());
    if boxes.containment().await == Ok(Containment::Bubblewrap) {
        bench.boxes = Arc::new(boxes);
        return Some(bench);
    }
    #[expect(clippy::print_stderr, reason = "tests say what they leave out")]
    {
        eprintln!("left out: bubblewrap is not here or cannot make PID namespaces (tests/setup-box.sh)");
    }
    assert!(std::env::var_os("CI").is_none(), "CI has bubblewrap");
    None
}

fn boxes(bench: &Bench, environment: Vec<(OsString, OsString)>) -> MachineBoxes {
    MachineBoxes::new(BoxOptions {
        environment,
        private: bench.root.path().join("boxes"),
        ..BoxOptions::default()
    })
}

/// Whether a process with this argument runs anywhere; numbers of a namespace mean nothing outside.
fn runs(argument: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let mut lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.any(|line| line.split(|byte| *byte == 0).any(|word| word == argument.as_bytes()))
}

/// A number of seconds that nobody else waits for.
fn unique(bench: &Bench, n: u32) -> String {
    let seed = bench
        .root
        .path()
        .to_string_lossy()
        .bytes()
        .fold(n, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    format!("1{seed:010}")
}

#[tokio::test]
async fn what_hides_from_every_census_ends_with_its_session() {
    let Some(bench) = bench().await else { return };
    let secs = unique(&bench, 1);
    // No mark, no group, no pipe: outside of a namespace nobody could tell whose it is.
    let script = format!(
        "setsid env -i /bin/sh -c 'exec sleep {secs}' </dev/null >/dev/null 2>&1 &\n\
         until grep -qa {secs} /proc/*/cmdline; do :; done; echo \"$$ done\""
    );
    let outcome = bench.run(&bench.spec(bench.script(&script))).await;
    assert_eq!(outcome.end, SessionEnd::Completed);
    let words = outcome.last_message.unwrap();
    let own: u32 = words.split(' ').next().unwrap().parse().unwrap();
    assert!(own < 100, "it counts its processes from 1: {words}");
    eventually(|| !runs(&secs)).await;
}

#[tokio::test]
async fn who_is_asked_may_tidy_up_there_too() {
    let Some(bench) = bench().await else { return };
    let script = bench.script("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done");
    let mut spec = bench.spec(script);
    spec.grace_secs = 600;
    let programs = bench.programs();
    let (ask, asked) = tokio::sync::oneshot::channel::<()>();
    let stop = Box::pin(async move { asked.await.unwrap() });
    let (outcome, ()) = tokio::join!(programs.run(&spec, &bench.watch, stop), async {
        bench.watch.says("ready").await;
        ask.send(()).unwrap();
    });
    assert_eq!((outcome.end, outcome.last_message.as_deref()), (SessionEnd::Stopped, Some("ready\nbye")));
}

#[tokio::test]
async fn exit_codes_signals_and_output_come_through() {
    let Some(bench) = bench().await else { return };
    let outcome = bench.run(&bench.spec(bench.script("cat; echo うまく >&2; exit 3"))).await;
    let detail = "the program ended with exit code 3: うまく".to_owned();
    assert_eq!(outcome.end, SessionEnd::Failed { detail });
    assert_eq!(outcome.last_message.as_deref(), Some("Do it."));
    assert_eq!(bench.transcript(), "うまく\nDo it.", "a line stands where it ends");
}

#[tokio::test]
async fn who_ignores_the_request_to_end_is_killed_with_all_that_it_hid() {
    let Some(bench) = bench().await else { return };
    let secs = unique(&bench, 2);
    let script = format!(
        "trap '' TERM; setsid env -i /bin/sh -c 'exec sleep {secs}' & echo ready; while :; do sleep 1; done"
    );
    let mut spec = bench.spec(bench.script(&script));
    (spec.deadline_secs, spec.grace_secs) = (1, 1);
    assert_eq!(bench.run(&spec).await.end, SessionEnd::TimedOut);
    eventually(|| !runs(&secs)).await;
}

#[tokio::test]
async fn a_program_that_cannot_make_one_is_done_without() {
    let mut bench = Bench::new();
    let folder = bench.root.path().join("bin");
    fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink("/bin/false", folder.join("bwrap")).unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let environment: Vec<(OsString, OsString)> = vec![("PATH".into(), path.into())];
    // Without a program that lays Landlock on there is nothing left.
    bench.boxes = Arc::new(boxes(&bench, environment.clone()));
    let outcome = bench.run(&bench.spec(bench.script("cat"))).await;
    assert_eq!(outcome.last_message.as_deref(), Some("Do it."));
    assert_eq!(*bench.watch.containment.lock().unwrap(), Some(Containment::Plain), "and the record says so");

    let options = BoxOptions { demand: Demand::Required, environment, ..BoxOptions::default() };
    bench.boxes = Arc::new(MachineBoxes::new(options));
    let SessionEnd::NotStarted { detail, hint } = bench.run(&bench.spec(bench.script("cat"))).await.end
    else {
        panic!("it was started")
    };
    assert!(detail.contains("requires a box") && detail.contains("cannot make a box"), "{detail}");
    assert!(hint.contains("policy.containment"), "{hint}");
}
