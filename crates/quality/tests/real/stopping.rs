//! Tools that do not end by themselves: deadlines, stops, and that nothing is left running.

use std::net::TcpListener;

use miyabi_core::ports::Scope;
use miyabi_core::report::{CheckEnd, CheckKind, Measured, TestCounts};

use crate::common::{Bench, ends, not_measured, of};

/// A test that connects to this port once it runs, starts children of all kinds, and never ends.
fn hanging(port: u16) -> String {
    format!(
        "use std::process::Command;\n\n#[test]\nfn hangs() {{\n    Command::new(\"sleep\").arg(\"1000\").spawn().unwrap();\n    \
         Command::new(\"setsid\").args([\"sleep\", \"1000\"]).spawn().unwrap();\n    \
         Command::new(\"sh\").args([\"-c\", \"trap '' TERM; sleep 1000; sleep 1000\"]).spawn().unwrap();\n    \
         let _line = std::net::TcpStream::connect((\"127.0.0.1\", {port})).unwrap();\n    \
         std::thread::park();\n    unreachable!();\n}}\n\n#[test]\nfn passes() {{}}\n"
    )
}

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test]
async fn a_test_that_hangs_fails_at_the_deadline() {
    let (_listener, port) = listener();
    let mut bench = Bench::library("//! Demo.\n");
    bench.file("tests/hangs.rs", &hanging(port));
    bench.deadline_secs = 8;
    let checked = bench.check(Scope::Task).await;
    assert_eq!(checked.measured.tests, Measured::Value(TestCounts { passed: 1, failed: 1, ignored: 0 }));
    let findings = &of(&checked, CheckKind::Tests).findings;
    assert_eq!(
        findings.iter().map(|one| (one.rule.as_str(), one.message.as_str())).collect::<Vec<_>>(),
        [("hangs", "did not end within 8 s")]
    );
    assert_eq!(of(&checked, CheckKind::Format).end, CheckEnd::Failed, "what follows is measured");
}

#[tokio::test]
async fn a_stop_in_the_middle_of_a_test_ends_everything() {
    let (listener, port) = listener();
    let bench = Bench::library("//! Demo.\n");
    bench.file("tests/hangs.rs", &hanging(port));
    let running = tokio::task::spawn_blocking(move || listener.accept().unwrap());
    let stop = Box::pin(async {
        running.await.unwrap();
    });
    let checked = bench.check_until(Scope::Full, stop).await;
    assert_eq!(of(&checked, CheckKind::Build).end, CheckEnd::Passed);
    assert_eq!(
        ends(&checked)[2..],
        [
            (CheckKind::Tests, not_measured("`cargo test` was stopped")),
            (CheckKind::Docs, not_measured("`cargo doc` was stopped")),
            (CheckKind::Security, CheckEnd::Passed),
            (CheckKind::Format, not_measured("`cargo fmt` was stopped"))
        ]
    );
    assert_eq!(checked.measured.tests, Measured::Missing("`cargo test` was stopped".into()));
}

#[tokio::test]
async fn a_stop_before_the_first_tool_starts_nothing() {
    let bench = Bench::library("//! Demo.\n");
    bench.program("rustc", "exec sleep 1000");
    let checked = bench.check_until(Scope::Task, Box::pin(std::future::ready(()))).await;
    assert!(checked.checks.iter().all(|check| check.end == not_measured("`rustc -vV` was stopped")));
}

#[tokio::test]
async fn checks_that_are_given_up_leave_nothing_running() {
    let (listener, port) = listener();
    let bench = Bench::library("//! Demo.\n");
    bench.file("tests/hangs.rs", &hanging(port));
    let running = tokio::task::spawn_blocking(move || listener.accept().unwrap());
    tokio::select! {
        _ = bench.check(Scope::Task) => unreachable!("the test never ends"),
        line = running => drop(line.unwrap()),
    }
    assert_eq!(crate::common::running(&bench.job(Scope::Task).run), Vec::<String>::new());
    assert!(!bench.root().join("Cargo.lock").exists(), "the lock file is put back all the same");
}
