//! A small run, event by event, as lines, as a board, as a summary and as a report.
#![expect(clippy::unwrap_used, reason = "tests")]

use jiff::{SignedDuration, Timestamp};
use miyabi::output::line::{describe, line};
use miyabi::output::live::Board;
use miyabi::views::report::{RunReport, render};
use miyabi::views::summary::summary;
use miyabi_core::analysis::Kind;
use miyabi_core::event::{
    Escalation, EscalationAction, EscalationContext, Event, EventBody, Gate, RunStarted, Urgency,
};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::issue::Issue;
use miyabi_core::plan::{Extension, Plan, Purpose, Step, TaskWork, Uses, Work};
use miyabi_core::policy::Policy;
use miyabi_core::run::Run;
use miyabi_core::session::{Adapter, AgentEvent};
use miyabi_core::task::Task;
use miyabi_engine::Rest;
use serde_json::json;

const RUN: &str = "01a1fb95-0000-7000-8000-000000000001";

fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
    start.checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

fn task(n: u32, title: &str, needs: &[&str]) -> Step {
    let id = format!("task-500-{n}");
    let task = Task {
        id: id.as_str().into(),
        title: title.to_owned(),
        description: String::new(),
        kind: Kind::Feature,
        agent: "codegen".to_owned(),
        estimate_minutes: 60,
        dependencies: Vec::new(),
        acceptance: Vec::new(),
        files: Vec::new(),
    };
    let work = TaskWork { task, index: n, total: 2, purpose: Purpose::Implement };
    Step::new(id.as_str(), Work::Task(Box::new(work))).needs(needs.iter().copied())
}

/// A run up to a question: task 1 done with one retry, task 2 asks.
fn events() -> Vec<Event> {
    let issue = Issue {
        number: 500,
        title: "認証を追加 \u{1b}[31m\"$(rm -rf .)\"\u{1b}[0m".to_owned(),
        body: String::new(),
        labels: Vec::new(),
        author: "a".to_owned(),
        open: true,
        url: String::new(),
        created_at: at(0),
    };
    let plan = Plan::from(vec![
        Step::new("analyse", Work::Uses(Uses::Analyse)),
        Step::new("execute", Work::Uses(Uses::Execute)).needs(["analyse"]),
    ]);
    let started = RunStarted {
        number: 3,
        repo: "local/r".to_owned(),
        flow: "issue".to_owned(),
        issue,
        base_branch: "main".to_owned(),
        base_commit: "4f2c803062aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".into(),
        plan,
        policy: Policy::default(),
        adapter: Adapter::Claude,
        planner: None,
        reviewer: None,
        actor: "愛子".to_owned(),
        trigger: "cli".to_owned(),

        hosted: false,
        suspicions: Vec::new(),
        channels: Vec::new(),
        payload: None,
        source: None,
        event: None,
        environment: Default::default(),
        cast: Default::default(),
        subject: None,
        cause: None,
    };
    let extension = Extension {
        steps: vec![task(1, "Add the | model", &["analyse"]), task(2, "Hash `x`", &["task-500-1"])],
        joins: [("execute".into(), vec!["task-500-1".into(), "task-500-2".into()])].into(),
        supersedes: None,
    };
    let analysis = json!({ "complexity": 4.6, "kind": "feature", "security": "high", "estimate_minutes": 60,
                           "areas": [], "reasons": [], "analyst": "deterministic reader" });
    let transient = Failure::new(FailureClass::Transient, "the model\nis busy");
    let checks =
        Failure::new(FailureClass::ChecksFailed, "the task's own checks failed: `cargo test` failed")
            .evidence(json!(["`cargo test` failed", "src/a.rs:3: assertion \u{1b}[2J failed [tests::認証]"]))
            .hint("look at the tests");
    let question = Escalation {
        id: "3-1".into(),
        step: "task-500-2".into(),
        severity: Urgency::Medium,
        reason: "the checks of `task-500-2` failed after 3 attempts".to_owned(),
        context: EscalationContext {
            failing_checks: vec!["`cargo test` failed".to_owned()],
            recommendation: "mend it in the task's worktree".to_owned(),
        },
        actions: vec![
            EscalationAction { id: "manual_fix".to_owned(), label: "I have mended it".to_owned() },
            EscalationAction { id: "reject".to_owned(), label: "give the task up".to_owned() },
        ],
        deadline: at(604_800),
        default_action: "reject".to_owned(),
    };
    let step = |id: &str| miyabi_core::ids::StepId::new(id);
    let proceed = |id: &str| EventBody::GateDecided {
        step: step(id),
        gate: Gate::Proceed,
        rule: "done".to_owned(),
        numbers: Default::default(),
    };
    let done = json!({ "files_created": ["a"], "files_changed": ["b"], "insertions": 10, "deletions": 2, "tests_passed": 7 });
    let bodies = [
        (0, EventBody::RunStarted(Box::new(started))),
        (0, EventBody::StepStarted { step: step("analyse"), attempt: 1 }),
        (1, EventBody::StepSucceeded { step: step("analyse"), attempt: 1, output: analysis }),
        (1, EventBody::PlanExtended { by: step("analyse"), extension: Box::new(extension) }),
        (1, proceed("analyse")),
        (1, EventBody::StepStarted { step: step("task-500-1"), attempt: 1 }),
        (4, EventBody::StepFailed { step: step("task-500-1"), attempt: 1, failure: transient }),
        (
            4,
            EventBody::GateDecided {
                step: step("task-500-1"),
                gate: Gate::Retry { at: at(6) },
                rule: "transient failures are tried again".to_owned(),
                numbers: Default::default(),
            },
        ),
        (6, EventBody::StepStarted { step: step("task-500-1"), attempt: 2 }),
        (65, EventBody::StepSucceeded { step: step("task-500-1"), attempt: 2, output: done }),
        (65, EventBody::StepStarted { step: step("task-500-2"), attempt: 1 }),
        (70, EventBody::StepFailed { step: step("task-500-2"), attempt: 1, failure: checks }),
        (70, EventBody::EscalationRaised(Box::new(question))),
        (
            70,
            EventBody::GateDecided {
                step: step("task-500-2"),
                gate: Gate::Escalate,
                rule: "a person is asked".to_owned(),
                numbers: Default::default(),
            },
        ),
    ];
    let bodies = bodies.into_iter().enumerate();
    bodies.map(|(seq, (s, body))| Event { run: RUN.into(), seq: seq as u64, at: at(s), body }).collect()
}

fn folded(upto: usize) -> (Run, Board, Vec<String>, Vec<String>) {
    let events = events();
    let mut run = Run::start(&events[0]).unwrap();
    let mut board = Board::of(&run);
    let mut lines: Vec<_> = line(&run, &events[0]).into_iter().collect();
    let mut log = vec![describe(&run, &events[0])];
    for event in &events[1..upto.min(events.len())] {
        run.apply(event).unwrap();
        board.apply(&run, event);
        lines.extend(line(&run, event));
        log.push(describe(&run, event));
    }
    (run, board, lines, log)
}

#[test]
fn progress_as_lines() {
    insta::assert_snapshot!(folded(usize::MAX).2.join("\n"), @r#"
    12:00:00 run 3 started for issue #500: 認証を追加 "$(rm -rf .)" (agent claude, base main 4f2c803062)
    12:00:00 analyse started
    12:00:01 analyse succeeded after 1.0 s: complexity 4.6, feature (by deterministic reader)
    12:00:01 analyse added 2 steps (2 tasks)
    12:00:01 task-500-1 started
    12:00:04 task-500-1 failed: the model is busy
    12:00:04 task-500-1 is tried again at 12:00:06: transient failures are tried again
    12:00:06 task-500-1 started (attempt 2)
    12:01:05 task-500-1 succeeded after 1 min 4 s: 2 files, +10 −2, 7 tests pass
    12:01:05 task-500-2 started
    12:01:10 task-500-2 failed: the task's own checks failed: `cargo test` failed
    12:01:10 task-500-2 asks a person (3-1): the checks of `task-500-2` failed after 3 attempts — `miyabi escalation show 3-1`
    "#);
}

#[test]
fn the_whole_log_has_a_line_for_every_event() {
    let log = folded(usize::MAX).3;
    assert_eq!(log.len(), events().len());
    assert!(log.iter().all(|line| !line.is_empty() && !line.contains(['\n', '\u{1b}'])), "{log:?}");
}

#[test]
fn progress_as_a_board() {
    console::set_colors_enabled_stderr(false);
    let (_, mut board, ..) = folded(9);
    board.saw(
        &"task-500-1".into(),
        &AgentEvent::ToolStarted {
            tool: "Write".to_owned(),
            detail: "src/\u{1b}]0;x\u{7}認証.rs".to_owned(),
        },
    );
    insta::assert_snapshot!(board.lines(at(20), 110, 30).join("\n"), @r#"
    #500 認証を追加 "$(rm -rf .)" · run 3 · 1/4 steps · 20 s
      ✓ analyse                                                     1.0 s
        ● task-500-1 Add the | model                                 19 s try 2  Write src/認証.rs
          · task-500-2 Hash `x`                                            waits for task-500-1
      · execute                                                            waits for task-500-1, task-500-2
    "#);
    let (_, board, ..) = folded(usize::MAX);
    insta::assert_snapshot!(board.lines(at(75), 110, 30).join("\n"), @r#"
    #500 認証を追加 "$(rm -rf .)" · run 3 · 2/4 steps · 1 min 15 s
      ✓ analyse                                                     1.0 s
        ✓ task-500-1 Add the | model                            1 min 4 s try 2
          ? task-500-2 Hash `x`                                            asks you: miyabi escalation show 3-1
      · execute                                                            waits for task-500-2
    "#);
}

#[test]
fn a_board_fits_any_terminal() {
    let (_, board, ..) = folded(usize::MAX);
    for height in 1..8 {
        for width in [1, 10, 40] {
            let lines = board.lines(at(75), width, height);
            assert!(lines.len() <= height, "{height}: {lines:?}");
            assert!(
                lines.iter().all(|line| console::measure_text_width(line) <= width.max(10)),
                "{width}: {lines:?}"
            );
        }
    }
}

#[test]
fn a_run_that_asks_says_how_to_answer() {
    let (run, ..) = folded(usize::MAX);
    insta::assert_snapshot!(summary(&run, &Rest::Asking(vec!["3-1".into()]), &[], true), @r#"
    ? #500 認証を追加 "$(rm -rf .)": waits for you
      issue      open
      tasks      1 of 2 done
      report     miyabi report 3

    question 3-1 (medium): the checks of `task-500-2` failed after 3 attempts
      - `cargo test` failed
      recommended: mend it in the task's worktree
      without an answer, `reject` is taken at 2026-11-28 12:00:00 UTC
    the worktree, in your editor: miyabi escalation open 3-1
    answer with one of:
      miyabi escalation answer 3-1 --action manual_fix   # I have mended it
      miyabi escalation answer 3-1 --action reject   # give the task up
    "#);
}

#[test]
fn the_report_names_what_was_not_measured() {
    let (run, ..) = folded(usize::MAX);
    insta::assert_snapshot!(render(&RunReport::of(&run)), @r#"
    # Run 3: 認証を追加 "$(rm -rf .)" (#500)

    - Status: waiting
    - Began: 2026-11-21 12:00:00 UTC, 1 min 10 s until its last event
    - Asked for by: 愛子 (cli)
    - Agent: claude
    - Run id: `01a1fb95-0000-7000-8000-000000000001`

    ## Phases

    | phase | status | began | took | attempts | agent | input | output |
    |---|---|---|---|---|---|---|---|
    | analyse | succeeded | 12:00:00 | 1.0 s | 1 | deterministic reader | issue #500 | complexity 4.6, feature (by deterministic reader) |
    | execute | queued | 12:00:01 | – | 0 | claude | 2 tasks |  |

    ## Tasks

    | task | title | status | began | took | attempts | result |
    |---|---|---|---|---|---|---|
    | task-500-1 | Add the \| model | succeeded | 12:00:01 | 1 min 4 s | 2 | 2 files, +10 −2, 7 tests pass |
    | task-500-2 | Hash `x` | waiting | 12:01:05 | – | 1 | the task's own checks failed: `cargo test` failed |

    ## Quality

    No report.

    ## People

    1 question asked.

    ## Cost

    0 agent sessions.

    ## Not measured

    - quality: no review ended with a report
    "#);
}
