//! Each gate at its borders: what follows from a number just below, at, and just above a threshold.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use miyabi_core::analysis::{Analysis, Kind, Sensitivity};
use miyabi_core::decide::decide;
use miyabi_core::event::{Answer, Event, EventBody, Gate, RunStarted};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::{CommitId, RunId, StepId, TreeId};
use miyabi_core::intent::{Receipt, Write};
use miyabi_core::issue::Issue;
use miyabi_core::plan::{Plan, Step, Uses, Work};
use miyabi_core::policy::Policy;
use miyabi_core::report::{Coverage, DocCounts, Measured, Measurements, TestCounts, Vulnerabilities, score};
use miyabi_core::run::{Phase, Run};
use miyabi_core::session::Adapter;
use miyabi_core::status::Status;
use miyabi_core::task::{Decomposition, Task};
use serde_json::{Value, json};

/// A run of the issue flow in which every step does what it should, unless it is listed.
struct Play {
    run: Run,
    now: Timestamp,
    /// Outcomes by step id, in order of the attempts.
    outcomes: HashMap<String, Vec<Result<Value, Failure>>>,
    complexity: f64,
    writes: Vec<Write>,
    gates: Vec<(String, Gate)>,
}

fn measured() -> Measurements {
    Measurements {
        build: Measured::Value(true),
        tests: Measured::Value(TestCounts { passed: 9, failed: 0, ignored: 0 }),
        coverage: Measured::Value(Coverage { lines: 100, covered: 95 }),
        lint_warnings: Measured::Value(0),
        security: Measured::Value(Vulnerabilities { packages: 1, ..Vulnerabilities::default() }),
        docs: Measured::Value(DocCounts { public: 10, documented: 10 }),
        secrets: Measured::Value(0),
    }
}

/// A report of so many points, all of them lost by lint; up to 25 can be.
fn report(points: u64) -> Result<Value, Failure> {
    let measured = Measurements { lint_warnings: Measured::Value(100 - points), ..measured() };
    Ok(of(measured))
}

fn of(measured: Measurements) -> Value {
    let ids = (CommitId::new("1".repeat(40)), TreeId::new("2".repeat(40)));
    serde_json::to_value(score(measured, Vec::new(), &Policy::default(), ids.0, ids.1)).unwrap()
}

fn failed(class: FailureClass) -> Result<Value, Failure> {
    let evidence = json!({ "theirs": "5".repeat(40), "files": [] });
    Err(Failure::new(class, "as the test says").evidence(evidence))
}

impl Play {
    fn new(outcomes: &[(&str, Vec<Result<Value, Failure>>)]) -> Self {
        let uses = |uses: Uses, need: Option<Uses>| {
            Step::new(uses.as_str(), Work::Uses(uses)).needs(need.map(|need| StepId::from(need.as_str())))
        };
        let order = [
            Uses::Analyse,
            Uses::Decompose,
            Uses::Execute,
            Uses::Review,
            Uses::Change,
            Uses::Merge,
            Uses::Close,
        ];
        let needs = std::iter::once(None).chain(order.map(Some));
        let steps = order.into_iter().zip(needs).map(|(step, need)| uses(step, need)).collect();
        let started = RunStarted {
            number: 3,
            repo: "local/sample".to_owned(),
            flow: "issue".to_owned(),
            issue: Issue {
                number: 500,
                title: "Add user authentication".to_owned(),
                body: String::new(),
                labels: Vec::new(),
                author: "someone".to_owned(),
                open: true,
                url: "miyabi issue show 500".to_owned(),
                created_at: Timestamp::UNIX_EPOCH,
            },
            base_branch: "main".to_owned(),
            base_commit: CommitId::new("0".repeat(40)),
            plan: Plan { steps },
            policy: Policy::default(),
            adapter: Adapter::Claude,
            planner: None,
            actor: "someone".to_owned(),
            trigger: "cli".to_owned(),
        };
        let body = EventBody::RunStarted(Box::new(started));
        let at = Timestamp::UNIX_EPOCH;
        let run = Run::start(&Event { run: RunId::from("r"), seq: 0, at, body }).unwrap();
        let outcomes = outcomes.iter().map(|(step, list)| ((*step).to_owned(), list.clone())).collect();
        Self { run, now: at, outcomes, complexity: 4.0, writes: Vec::new(), gates: Vec::new() }
    }

    fn append(&mut self, body: EventBody) {
        let event = Event { run: self.run.id.clone(), seq: self.run.next_seq, at: self.now, body };
        self.run.apply(&event).unwrap_or_else(|illegal| panic!("{illegal}: {:?}", event.body));
        match event.body {
            EventBody::GateDecided { step, gate, .. } => self.gates.push((step.to_string(), gate)),
            EventBody::IntentRecorded(intent) => self.writes.push(intent.write),
            _ => {}
        }
    }

    /// Goes on until nothing moves by itself at this time.
    fn go(mut self) -> Self {
        loop {
            let decisions = decide(&self.run, self.now);
            if !decisions.is_empty() {
                decisions.into_iter().for_each(|body| self.append(body));
                continue;
            }
            if let Some(intent) = self.run.open_intents.first().cloned() {
                let listed = self
                    .outcomes
                    .get_mut(intent.step.as_str())
                    .filter(|list| intent.ends_step && !list.is_empty());
                let outcome = listed.map_or(Ok(json!({ "change": 501 })), |list| list.remove(0));
                let (step, attempt) =
                    (intent.step.clone(), self.run.step(&intent.step).map_or(0, |state| state.attempt));
                self.append(match &outcome {
                    Ok(_) => EventBody::IntentDone { intent: intent.id, receipt: Receipt::default() },
                    Err(failure) => EventBody::IntentFailed { intent: intent.id, failure: failure.clone() },
                });
                if intent.ends_step {
                    self.append(match outcome {
                        Ok(output) => EventBody::StepSucceeded { step, attempt, output },
                        Err(failure) => EventBody::StepFailed { step, attempt, failure },
                    });
                }
                continue;
            }
            let Some((step, attempt)) =
                self.run.running().next().map(|state| (state.step.clone(), state.attempt))
            else {
                return self;
            };
            let listed = self.outcomes.get_mut(step.id.as_str()).filter(|list| !list.is_empty());
            let outcome =
                listed.map(|list| list.remove(0)).unwrap_or_else(|| Ok(usual(&step.work, self.complexity)));
            self.append(match outcome {
                Ok(output) => EventBody::StepSucceeded { step: step.id, attempt, output },
                Err(failure) => EventBody::StepFailed { step: step.id, attempt, failure },
            });
        }
    }

    fn answer(mut self, action: &str) -> Self {
        let escalation = self.run.questions.keys().next().expect("a question is open").clone();
        let answer = Answer {
            action: action.to_owned(),
            by: "eve".to_owned(),
            from: "cli".to_owned(),
            note: String::new(),
        };
        self.append(EventBody::EscalationAnswered { escalation, answer });
        self.go()
    }

    fn later(mut self, secs: i64) -> Self {
        self.now += SignedDuration::from_secs(secs);
        self.go()
    }

    fn status(&self, step: &str) -> Status {
        self.run.step(&StepId::from(step)).unwrap_or_else(|| panic!("no step `{step}`")).status()
    }

    fn ended(&self) -> Option<Status> {
        self.run.ended.as_ref().map(|(status, _)| *status)
    }

    fn question(&self) -> &str {
        &self.run.questions.values().next().expect("a question is open").reason
    }
}

fn usual(work: &Work, complexity: f64) -> Value {
    let task = |n: u32| Task {
        id: StepId::new(format!("task-500-{n}")),
        title: format!("Task {n}"),
        description: String::new(),
        kind: Kind::Feature,
        agent: "codegen".to_owned(),
        estimate_minutes: 10,
        dependencies: Vec::new(),
        acceptance: Vec::new(),
        files: Vec::new(),
    };
    match work {
        Work::Uses(Uses::Analyse) => serde_json::to_value(Analysis {
            complexity,
            kind: Kind::Feature,
            security: Sensitivity::Low,
            estimate_minutes: 60,
            areas: Vec::new(),
            reasons: Vec::new(),
            analyst: "test".to_owned(),
        })
        .unwrap(),
        Work::Uses(Uses::Decompose) => serde_json::to_value(Decomposition {
            tasks: vec![task(1), task(2)],
            coordinator: "test".to_owned(),
        })
        .unwrap(),
        Work::Uses(Uses::Review) => of(measured()),
        _ => json!({ "commit": "3".repeat(40), "tree": "4".repeat(40) }),
    }
}

#[test]
fn complexity_proceeds_below_five_tells_up_to_seven_and_asks_above() {
    for (complexity, expected) in [(4.9, "proceed"), (5.0, "tell"), (7.0, "tell"), (7.1, "ask")] {
        let mut play = Play::new(&[]);
        play.complexity = complexity;
        let play = play.go();
        let plan_is_shown = play
            .writes
            .iter()
            .any(|write| matches!(write, Write::Comment { key, .. } if key.ends_with("/decomposition")));
        assert!(plan_is_shown, "{complexity}: the plan is shown before anything starts");
        match expected {
            "proceed" => assert_eq!(play.ended(), Some(Status::Succeeded), "{complexity}"),
            "tell" => {
                assert_eq!(play.status("decompose"), Status::Waiting, "{complexity}");
                assert!(play.run.questions.is_empty());
                let play = play.later(299);
                assert_eq!(play.status("decompose"), Status::Waiting, "five minutes are not over");
                assert_eq!(play.later(1).ended(), Some(Status::Succeeded), "nobody stopped it");
            }
            _ => {
                assert_eq!(play.question(), "complexity 7.1 is above 7.0");
                assert!(play.run.step(&StepId::from("task-500-1")).is_none(), "no task before the answer");
                assert_eq!(play.answer("approve_anyway").ended(), Some(Status::Succeeded));
            }
        }
    }
}

#[test]
fn a_rejected_plan_ends_the_run_and_a_silent_person_rejects() {
    let asked = || {
        let mut play = Play::new(&[]);
        play.complexity = 9.0;
        play.go()
    };
    assert_eq!(asked().answer("reject").ended(), Some(Status::Failed));
    let week = 7 * 24 * 3600;
    let waiting = asked().later(week - 1);
    assert_eq!(waiting.ended(), None);
    assert_eq!(waiting.later(1).ended(), Some(Status::Failed));
}

#[test]
fn the_score_opens_from_80_asks_from_60_and_merges_from_90() {
    let play = Play::new(&[("review", vec![report(90)])]).go();
    assert_eq!(
        (play.ended(), play.run.questions_raised),
        (Some(Status::Succeeded), 0),
        "merged without a person"
    );

    let play = Play::new(&[("review", vec![report(89)])]).go();
    assert_eq!(play.question(), "score 89 is below 90: a person merges");
    assert_eq!(play.status("change"), Status::Waiting, "the change is open and waits");
    assert_eq!(play.answer("approve_anyway").ended(), Some(Status::Succeeded));

    let play = Play::new(&[("review", vec![report(80)])]).go();
    assert_eq!(play.status("review"), Status::Succeeded, "80 opens the change");

    let play = Play::new(&[("review", vec![report(79)])]).go();
    assert_eq!(play.question(), "score 79 is below 80");
    assert_eq!(play.status("change"), Status::Queued);
}

#[test]
fn failing_tests_are_reworked_three_times_then_a_person_is_asked() {
    let failing = || {
        Ok(of(Measurements {
            tests: Measured::Value(TestCounts { passed: 9, failed: 2, ignored: 0 }),
            ..measured()
        }))
    };
    let reviews = [("review", vec![failing()]), ("review-2", vec![failing()]), ("review-3", vec![failing()])];
    let mended = Play::new(&reviews).go();
    assert_eq!(mended.ended(), Some(Status::Succeeded), "the fourth review is fine");
    assert_eq!(mended.status("review"), Status::Superseded);
    assert_eq!(mended.status("rework-3"), Status::Succeeded);

    let never: Vec<_> = reviews.iter().cloned().chain([("review-4", vec![failing()])]).collect();
    let play = Play::new(&never).go();
    assert!(play.question().contains("after 3 reworks"), "{}", play.question());
    assert!(play.run.step(&StepId::from("rework-4")).is_none());
    let again = play.answer("manual_fix");
    assert_eq!(again.ended(), Some(Status::Succeeded), "what a person mended is reviewed again");
    assert_eq!(again.status("review-5"), Status::Succeeded);
}

#[test]
fn a_secret_or_a_serious_vulnerability_blocks_at_any_score() {
    let secret = Measurements { secrets: Measured::Value(1), ..measured() };
    let serious = Vulnerabilities { packages: 3, critical_or_high: 1, ..Vulnerabilities::default() };
    let vulnerable = Measurements { security: Measured::Value(serious), ..measured() };
    for measured in [secret, vulnerable] {
        let play = Play::new(&[("review", vec![Ok(of(measured))])]).go();
        assert!(play.question().starts_with("a hard gate closed"), "{}", play.question());
        assert!(play.run.step(&StepId::from("rework-1")).is_none(), "no agent opens it");
    }
}

#[test]
fn what_no_agent_can_mend_goes_to_a_person_at_once() {
    let nothing = Measurements {
        tests: Measured::Missing("no Cargo.toml".to_owned()),
        coverage: Measured::Missing("no Cargo.toml".to_owned()),
        lint_warnings: Measured::Missing("no Cargo.toml".to_owned()),
        docs: Measured::Missing("no Cargo.toml".to_owned()),
        ..measured()
    };
    let play = Play::new(&[("review", vec![Ok(of(nothing))])]).go();
    assert!(play.question().contains("nothing that an agent could mend"), "{}", play.question());
}

#[test]
fn transient_failures_are_tried_three_times_after_two_four_and_eight_seconds() {
    let transient = || failed(FailureClass::Transient);
    let mut play =
        Play::new(&[("task-500-1", vec![transient(), transient(), transient(), transient()])]).go();
    for (least, most) in [(2.0, 2.5), (4.0, 5.0), (8.0, 10.0)] {
        let wait = play.run.next_timer().unwrap().duration_since(play.now).as_secs_f64();
        assert!((least..=most).contains(&wait), "{wait} s is not {least} s and a little jitter");
        play = play.later(10);
    }
    assert_eq!(play.ended(), Some(Status::Failed), "the fourth failure is the last");
    assert_eq!(play.status("task-500-2.merge"), Status::Succeeded, "its sibling finished");
}

#[test]
fn a_tasks_failing_checks_go_back_to_the_agent_twice_then_to_a_person() {
    let checks = || failed(FailureClass::ChecksFailed);
    let play = Play::new(&[("task-500-1", vec![checks(), checks()])]).go();
    assert_eq!(play.ended(), Some(Status::Succeeded));
    assert_eq!(play.run.step(&StepId::from("task-500-1")).unwrap().attempt, 3);
    let play = Play::new(&[("task-500-1", vec![checks(), checks(), checks()])]).go();
    assert!(play.question().contains("failed after 3 attempts"), "{}", play.question());
    assert_eq!(play.answer("manual_fix").ended(), Some(Status::Succeeded));
}

#[test]
fn other_failures_fail_at_once() {
    for class in [
        FailureClass::NoChanges,
        FailureClass::TimedOut,
        FailureClass::AgentFailed,
        FailureClass::Unavailable,
    ] {
        let play = Play::new(&[("task-500-1", vec![failed(class)])]).go();
        assert_eq!(play.ended(), Some(Status::Failed), "{class:?}");
        assert_eq!(play.run.step(&StepId::from("task-500-1")).unwrap().attempt, 1, "{class:?}");
        assert_eq!(play.status("execute"), Status::Skipped);
    }
}

#[test]
fn a_conflict_is_resolved_once_by_an_agent_then_a_person_is_asked() {
    let conflict = || failed(FailureClass::Conflict);
    let play = Play::new(&[("task-500-2.merge", vec![conflict()])]).go();
    assert_eq!(play.ended(), Some(Status::Succeeded));
    assert_eq!(play.status("task-500-2.merge"), Status::Superseded);
    assert_eq!(play.status("task-500-2.merge-2"), Status::Succeeded);
    let twice = [("task-500-2.merge", vec![conflict()]), ("task-500-2.merge-2", vec![conflict()])];
    let play = Play::new(&twice).go();
    assert_eq!(play.question(), "conflict unresolved");
    assert_eq!(
        play.answer("approve_anyway").ended(),
        Some(Status::Succeeded),
        "it goes on without that task"
    );
}

#[test]
fn a_moved_base_is_brought_in_and_reviewed_again() {
    let play = Play::new(&[("merge", vec![failed(FailureClass::BaseMoved)])]).go();
    assert_eq!(play.ended(), Some(Status::Succeeded));
    for step in ["update-1", "review-2", "change-2", "merge-2"] {
        assert_eq!(play.status(step), Status::Succeeded, "{step}");
    }
    assert_eq!(play.status("merge"), Status::Superseded);
}

#[test]
fn an_approval_holds_for_a_moved_base_unless_the_score_fell() {
    let moved = || ("merge", vec![failed(FailureClass::BaseMoved)]);
    let play = Play::new(&[("review", vec![report(85)]), moved(), ("review-2", vec![report(85)])]).go();
    let play = play.answer("approve_anyway");
    assert_eq!((play.ended(), play.run.questions_raised), (Some(Status::Succeeded), 1), "asked once");

    let play = Play::new(&[("review", vec![report(85)]), moved(), ("review-2", vec![report(84)])]).go();
    let play = play.answer("approve_anyway");
    assert_eq!(play.question(), "score 84 is below 90: a person merges");
}

#[test]
fn a_dirty_checkout_waits_until_it_is_clean() {
    let play = Play::new(&[("merge", vec![failed(FailureClass::DirtyCheckout)])]).go();
    assert_eq!(play.question(), "the main checkout has uncommitted changes");
    assert_eq!(play.answer("manual_fix").ended(), Some(Status::Succeeded));
}

#[test]
fn a_failed_run_says_so_on_its_issue() {
    let play = Play::new(&[("analyse", vec![failed(FailureClass::Permanent)])]).go();
    assert_eq!(play.ended(), Some(Status::Failed));
    let last = play.writes.iter().rev().take(2).collect::<Vec<_>>();
    assert!(
        matches!(last[1], Write::Comment { body, .. } if body.starts_with("## Run 3: failed") && body.contains("as the test says"))
    );
    assert!(matches!(last[0], Write::Labels { add, .. } if add == &["state:failed"]));
}

#[test]
fn a_cancelled_run_starts_nothing_more() {
    let mut play = Play::new(&[]);
    play.complexity = 9.0;
    let mut play = play.go();
    play.append(EventBody::CancelRequested { by: "eve".to_owned() });
    let play = play.go();
    assert_eq!(play.ended(), Some(Status::Cancelled));
    assert!(play.run.steps().iter().all(|state| matches!(state.phase, Phase::Ended(_))));
    assert!(play.run.questions.is_empty(), "nobody is asked any more");
}
