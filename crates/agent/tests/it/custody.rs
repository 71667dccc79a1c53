//! That programs end in time and leave nothing behind.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use miyabi_core::ports::Agents;
use miyabi_core::session::{ProcessMark, SessionEnd};

use crate::bench::{Bench, alive, eventually};

/// Starts a process that holds none of our pipes, writes its id to a file, and waits for the file.
fn background(how: &str, file: &str) -> String {
    format!(
        "{how} sh -c 'echo $$ > {file}; exec sleep 1000' </dev/null >/dev/null 2>&1 &\n\
         while [ ! -s {file} ]; do :; done\n"
    )
}

#[tokio::test]
async fn the_mark_is_told_before_the_prompt_is_given() {
    let bench = Bench::new();
    let outcome = bench.run(&bench.spec(bench.script("cat; cut -d' ' -f22 /proc/$$/stat; echo $$"))).await;
    let words = outcome.last_message.unwrap();
    let numbers: Vec<u64> =
        words.strip_prefix("Do it.").unwrap().lines().map(|n| n.parse().unwrap()).collect();
    let mark = ProcessMark { pid: u32::try_from(numbers[1]).unwrap(), start_ticks: numbers[0] };
    assert_eq!(*bench.watch.started.lock().unwrap(), [Some(mark)]);
}

#[tokio::test]
async fn who_ignores_the_request_to_end_is_killed() {
    let bench = Bench::new();
    let script = "trap '' TERM; echo $$ > pid; while :; do sleep 1; done";
    let mut spec = bench.spec(bench.script(script));
    (spec.deadline_secs, spec.grace_secs) = (1, 1);
    let outcome = bench.run(&spec).await;
    assert_eq!(outcome.end, SessionEnd::TimedOut);
    assert!(!alive(bench.pid("worktree/pid")));
}

#[tokio::test]
async fn who_is_asked_may_tidy_up() {
    let bench = Bench::new();
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
    assert_eq!(outcome.end, SessionEnd::Stopped);
    assert_eq!(outcome.last_message.as_deref(), Some("ready\nbye"));
}

#[tokio::test]
async fn a_grandchild_in_its_own_session_is_found() {
    let bench = Bench::new();
    let spec = bench.spec(bench.script(&background("setsid", "pid")));
    let outcome = bench.run(&spec).await;
    assert_eq!((outcome.end, outcome.leftovers), (SessionEnd::Completed, 1));
    assert!(!alive(bench.pid("worktree/pid")));
}

#[tokio::test]
async fn a_grandchild_without_an_environment_is_found_by_its_group() {
    let bench = Bench::new();
    let spec = bench.spec(bench.script(&background("env -i /usr/bin/env PATH=\"$PATH\"", "pid")));
    let outcome = bench.run(&spec).await;
    assert_eq!((outcome.end, outcome.leftovers), (SessionEnd::Completed, 1));
    assert!(!alive(bench.pid("worktree/pid")));
}

#[tokio::test]
async fn many_grandchildren_are_all_found_after_a_deadline() {
    let bench = Bench::new();
    let both = background("setsid", "a") + &background("", "b") + "echo ready; exec sleep 1000";
    let mut spec = bench.spec(bench.script(&both));
    (spec.deadline_secs, spec.grace_secs) = (1, 5);
    let outcome = bench.run(&spec).await;
    assert_eq!(outcome.end, SessionEnd::TimedOut);
    assert!(outcome.leftovers >= 1, "{outcome:?}");
    assert!(!alive(bench.pid("worktree/a")) && !alive(bench.pid("worktree/b")));
}

#[tokio::test]
async fn a_grandchild_that_holds_the_pipes_does_not_hold_us() {
    let bench = Bench::new();
    let script = "setsid sh -c 'echo $$ > pid; echo from below; exec sleep 1000' & \n\
                  while [ ! -s pid ]; do :; done; echo done";
    let outcome = bench.run(&bench.spec(bench.script(script))).await;
    assert_eq!((outcome.end, outcome.leftovers), (SessionEnd::Completed, 1));
    let words = outcome.last_message.unwrap();
    let mut words: Vec<_> = words.lines().collect();
    words.sort_unstable();
    assert_eq!(words, ["done", "from below"]);
    assert!(!alive(bench.pid("worktree/pid")));
}

#[tokio::test]
async fn a_grandchild_that_never_stops_talking_does_not_hold_us() {
    let bench = Bench::new();
    let spec = bench.spec(bench.script("yes はい & echo $! > pid; read -r _ < /dev/null; exit 3"));
    let outcome = bench.run(&spec).await;
    assert_eq!(outcome.end, SessionEnd::Failed { detail: "the program ended with exit code 3".to_owned() });
    assert_eq!(outcome.leftovers, 1);
    assert!(!alive(bench.pid("worktree/pid")));
}

#[tokio::test]
async fn a_session_that_is_dropped_takes_its_group_along() {
    let bench = Bench::new();
    let spec = bench.spec(bench.script(&(background("", "pid") + "echo ready; exec sleep 1000")));
    tokio::select! {
        outcome = bench.run(&spec) => panic!("it ended: {outcome:?}"),
        () = bench.watch.says("ready") => {}
    }
    let pid = bench.pid("worktree/pid");
    eventually(|| !alive(pid)).await;
}

/// Starts a process as a miyabi that was killed would have left it.
#[expect(clippy::zombie_processes, reason = "forgotten on purpose, like by a parent that was killed")]
fn forgotten(environment: &[(&str, &str)]) -> ProcessMark {
    let mut command = Command::new("sleep");
    command.arg("1000").env_clear().envs(environment.iter().copied()).process_group(0);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let start_ticks = stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap().parse().unwrap();
    ProcessMark { pid: child.id(), start_ticks }
}

#[tokio::test]
async fn what_an_earlier_miyabi_left_is_reaped() {
    let bench = Bench::new();
    let run = bench.spec(bench.script("")).run;
    let ours = forgotten(&[("MIYABI_RUN", run.as_str()), ("NAME", "日本")]);
    let marked = forgotten(&[]);
    let of_another_run = forgotten(&[("MIYABI_RUN", &format!("{run}-2"))]);
    let of_another_time = forgotten(&[("NOT_MIYABI_RUN", run.as_str())]);
    let marks = [
        marked,
        ProcessMark { start_ticks: of_another_time.start_ticks + 1, ..of_another_time },
        ProcessMark { start_ticks: 0, ..of_another_run },
        ProcessMark { pid: u32::MAX, start_ticks: 1 },
        ProcessMark { pid: 0, start_ticks: 0 },
    ];
    let programs = bench.programs();
    assert_eq!(programs.reap(&run, &marks).await, 2);
    assert!(!alive(ours.pid) && !alive(marked.pid));
    assert!(alive(of_another_run.pid) && alive(of_another_time.pid));
    assert_eq!(programs.reap(&run, &marks).await, 0);
    assert_eq!(programs.reap(&run, &[of_another_run, of_another_time]).await, 2);
}

#[tokio::test]
async fn a_process_that_shook_off_its_mark_and_its_group_is_found_by_the_pipes_that_it_holds() {
    let bench = Bench::new();
    let script = "setsid env -i /bin/sh -c 'echo $$ > pid; exec sleep 1000' & \n\
                  while [ ! -s pid ]; do :; done; echo done";
    let outcome = bench.run(&bench.spec(bench.script(script))).await;
    assert_eq!((outcome.end, outcome.leftovers), (SessionEnd::Completed, 1));
    assert!(!alive(bench.pid("worktree/pid")));
}

#[tokio::test]
async fn who_gives_no_sign_of_life_is_stopped_and_who_computes_is_not() {
    let bench = Bench::new();
    let mut silent = bench.spec(bench.script("echo $$ > pid; exec sleep 1000"));
    (silent.stall_secs, silent.grace_secs) = (1, 1);
    let outcome = bench.run(&silent).await;
    assert_eq!(outcome.end, SessionEnd::Stalled);
    assert!(!alive(bench.pid("worktree/pid")));
    // Prints nothing for longer than the stall time, and uses the processor for all of it; it is timed from the moment
    // when it has begun, because on a busy machine that takes a while.
    let busy = "echo begun; end=$(($(date +%s) + 5)); while [ \"$(date +%s)\" -lt $end ]; do :; done";
    let mut busy = bench.spec(bench.script(busy));
    busy.stall_secs = 2;
    assert_eq!(bench.run(&busy).await.end, SessionEnd::Completed);
}

#[tokio::test]
async fn a_transcript_has_an_end_and_keeps_the_newest() {
    let bench = Bench::new();
    let script =
        "for n in 1 2 3 4 5 6 7 8; do head -c 65536 /dev/zero | tr '\\0' $n; sleep 0.01; done; echo 終";
    let mut spec = bench.spec(bench.script(script));
    spec.transcript_bytes = 100_000;
    let outcome = bench.run(&spec).await;
    assert_eq!(outcome.end, SessionEnd::Completed);
    let (newest, older) = (bench.transcript(), bench.read("logs/会話.log.1"));
    assert!(newest.ends_with("終\n") && newest.starts_with("[miyabi: "), "{}", newest.len());
    assert!(newest.contains("会話.log.1"));
    // A line without an end is written in pieces: up to 64 KiB that were held back, and what was read with them. How much
    // is read at once is for the machine to say, and each file may end with such a piece.
    let most = 100_000 + 2 * 65536 + 200;
    assert!(older.len() >= 100_000 && older.len() <= most, "{}", older.len());
    assert!(newest.len() <= most, "{}", newest.len());
}

#[tokio::test]
async fn nothing_that_miyabi_has_open_is_handed_on() {
    let bench = Bench::new();
    let ours = std::fs::File::create(bench.root.path().join("ours")).unwrap();
    let script = bench.script("for file in /proc/$$/fd/*; do readlink $file; done");
    let outcome = bench.run(&bench.spec(script)).await;
    let words = outcome.last_message.unwrap();
    assert!(words.lines().count() >= 3 && !words.contains("/ours"), "{words}");
    drop(ours);
}
