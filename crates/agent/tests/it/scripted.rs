//! The scripted agent at work in a real folder.

use std::fs;

use miyabi_core::failure::FailureClass;
use miyabi_core::ports::Agents;
use miyabi_core::session::{AgentEvent, SessionEnd};

use crate::bench::{Bench, alive};

fn failed(detail: &str) -> SessionEnd {
    SessionEnd::Failed { detail: detail.to_owned() }
}

#[tokio::test]
async fn plays_its_part() {
    let bench = Bench::new();
    fs::write(bench.root.path().join("worktree/old.txt"), "gone soon").unwrap();
    let playbook = bench.playbook(
        r#"
task-2:
  - write: { path: src/認証.rs, content: "fn login() { todo() }\n" }
  - append: { path: src/認証.rs, content: "// \"$(id)\" ${HOME}\n" }
  - replace: { path: src/認証.rs, from: todo(), to: check() }
  - delete: old.txt
  - delay: 1
  - run: [sh, -c, 'echo "$1" > made.txt; echo $MIYABI_STEP; echo warn >&2', sh, $(touch x)]
  - say: 完了
  - exit: 0
  - fail: never played
"#,
    );
    let outcome = bench.run(&bench.spec(playbook)).await;
    assert_eq!(outcome.end, SessionEnd::Completed);
    assert_eq!((outcome.last_message.as_deref(), outcome.leftovers), (Some("完了"), 0));
    assert_eq!(bench.read("worktree/src/認証.rs"), "fn login() { check() }\n// \"$(id)\" ${HOME}\n");
    assert_eq!(bench.read("worktree/made.txt"), "$(touch x)\n");
    let mut names: Vec<_> = fs::read_dir(bench.root.path().join("worktree"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["made.txt", "src"]);
    assert_eq!(*bench.watch.started.lock().unwrap(), [None]);
    let said: Vec<_> =
        bench.events().into_iter().filter(|event| matches!(event, AgentEvent::Message { .. })).collect();
    assert_eq!(said, [AgentEvent::Message { text: "完了".to_owned() }]);
    let transcript = bench.transcript();
    let mut transcript: Vec<_> = transcript.lines().collect();
    transcript[5..7].sort_unstable();
    insta::assert_snapshot!(transcript.join("\n"), @r#"
    write src/認証.rs (22 bytes)
    append to src/認証.rs (19 bytes)
    replace in src/認証.rs
    delete old.txt
    $ sh -c echo "$1" > made.txt; echo $MIYABI_STEP; echo warn >&2 sh $(touch x)
    task-500-2
    warn
    完了
    "#);
}

#[tokio::test]
async fn ends_as_the_playbook_says() {
    let bench = Bench::new();
    let end = async |actions: &str| {
        bench.run(&bench.spec(bench.playbook(&format!("default: {actions}\n")))).await.end
    };
    assert_eq!(end("[]").await, SessionEnd::Completed);
    assert_eq!(end("[exit: 3]").await, failed("the program ended with exit code 3"));
    assert_eq!(end("[fail: '嫌 \"$(x)\"']").await, failed("嫌 \"$(x)\""));
    assert_eq!(
        end("[run: [sh, -c, 'echo why >&2; exit 4'], say: never]").await,
        failed("run `sh -c echo why >&2; exit 4`: the program ended with exit code 4: why")
    );
    assert_eq!(
        end("[run: [no-such-program]]").await,
        failed("find program `no-such-program`: it is in no folder of the search path")
    );
    assert_eq!(
        end("[replace: {path: gone, from: a, to: b}]").await,
        failed("read `gone`: No such file or directory (os error 2)")
    );
    assert_eq!(
        end("[write: {path: f, content: aXbX}, replace: {path: f, from: X, to: y}]").await,
        failed("replace in `f`: the text stands there 2 times, expected once")
    );
    assert_eq!(bench.events().iter().filter(|event| matches!(event, AgentEvent::Message { .. })).count(), 0);
}

#[tokio::test]
async fn stays_in_its_worktree() {
    let bench = Bench::new();
    let outside = bench.root.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let playbook = bench.playbook(&format!(
        "default:\n  - run: [ln, -s, '{}', link]\n  - write: {{ path: link/x, content: x }}\n",
        outside.display()
    ));
    let SessionEnd::Failed { detail } = bench.run(&bench.spec(playbook)).await.end else { panic!("it did") };
    assert!(detail.starts_with("write `link/x`: path `link/x` leads out of the worktree"), "{detail}");
    assert_eq!(fs::read_dir(outside).unwrap().count(), 0);
}

#[tokio::test]
async fn hangs_until_it_is_stopped() {
    let bench = Bench::new();
    let spec = bench.spec(bench.playbook("default:\n  - say: ready\n  - hang\n"));
    let programs = bench.programs();
    let (ask, asked) = tokio::sync::oneshot::channel::<()>();
    let stop = Box::pin(async move { asked.await.unwrap() });
    let (outcome, ()) = tokio::join!(programs.run(&spec, &bench.watch, stop), async {
        bench.watch.says("ready").await;
        ask.send(()).unwrap();
    });
    assert_eq!(outcome.end, SessionEnd::Stopped);

    let mut spec = bench.spec(bench.playbook("default: [delay: 18446744073709551615]\n"));
    spec.deadline_secs = 0;
    assert_eq!(bench.run(&spec).await.end, SessionEnd::TimedOut);
}

#[tokio::test]
async fn its_programs_are_in_custody_too() {
    let bench = Bench::new();
    let playbook = bench.playbook(
        "default:\n  - run: [sh, -c, \"setsid sh -c 'echo $$ > pid; exec sleep 1000' & trap '' TERM; while :; do sleep 1; done\"]\n",
    );
    let mut spec = bench.spec(playbook);
    (spec.deadline_secs, spec.grace_secs) = (1, 0);
    let outcome = bench.run(&spec).await;
    assert_eq!(outcome.end, SessionEnd::TimedOut);
    assert!(outcome.leftovers >= 1);
    assert!(!alive(bench.pid("worktree/pid")));
}

#[tokio::test]
async fn a_playbook_that_cannot_be_used_is_told_before_and_when_it_is_played() {
    let bench = Bench::new();
    let adapter = bench.playbook("default:\n  - say: [1, 2]\n");
    let missing = bench.programs().missing(&adapter).await.unwrap();
    assert_eq!(missing.class, FailureClass::Input);
    assert!(missing.message.contains("playbook.yaml:2:"), "{}", missing.message);
    let end = bench.run(&bench.spec(adapter)).await.end;
    assert_eq!(end, SessionEnd::NotStarted { detail: missing.message, hint: missing.hint.unwrap() });

    let adapter = bench.playbook("task-1: []\n作業: []\n");
    assert_eq!(bench.programs().missing(&adapter).await, None);
    let SessionEnd::NotStarted { detail, hint } = bench.run(&bench.spec(adapter)).await.end else {
        panic!("it played")
    };
    assert!(detail.ends_with("playbook.yaml` has nothing for step `task-500-2`"), "{detail}");
    assert_eq!(hint, "add the step or `default`; it has: task-1, 作業");

    let missing =
        bench.programs().missing(&miyabi_core::session::Adapter::Scripted("none.yaml".into())).await;
    assert!(missing.unwrap().message.ends_with("none.yaml`: No such file or directory (os error 2)"));
}
