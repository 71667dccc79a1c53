//! Each gate at its borders: what follows from a number just below, at, and just above a threshold.

use miyabi_core::event::EventBody;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::StepId;
use miyabi_core::intent::Write;
use miyabi_core::policy::Policy;
use miyabi_core::report::{Measured, Measurements, TestCounts, Vulnerabilities};
use miyabi_core::run::Phase;
use miyabi_core::status::Status;
use serde_json::Value;

use crate::play::*;

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

fn failing(tests: u64) -> Result<Value, Failure> {
    let tests = Measured::Value(TestCounts { passed: 9, failed: tests, ignored: 0 });
    Ok(of(Measurements { tests, ..measured() }))
}

#[test]
fn a_review_that_finds_the_same_again_asks_at_once() {
    let reviews =
        [("review", vec![failing(5)]), ("review-2", vec![failing(3)]), ("review-3", vec![failing(3)])];
    let play = Play::new(&reviews).go();
    assert_eq!(play.question(), "score 65 after 2 reworks: it finds the same again");
    assert!(play.run.step(&StepId::from("rework-3")).is_none());
    let patient = Policy { same_failures: 0, ..Policy::default() };
    let play = Play::under(patient, &reviews).go();
    assert_eq!(play.ended(), Some(Status::Succeeded), "however often, where that is wanted");
}

#[test]
fn failing_tests_are_reworked_three_times_then_a_person_is_asked() {
    let reviews =
        [("review", vec![failing(5)]), ("review-2", vec![failing(4)]), ("review-3", vec![failing(3)])];
    let mended = Play::new(&reviews).go();
    assert_eq!(mended.ended(), Some(Status::Succeeded), "the fourth review is fine");
    assert_eq!(mended.status("review"), Status::Superseded);
    assert_eq!(mended.status("rework-3"), Status::Succeeded);

    let never: Vec<_> = reviews.iter().cloned().chain([("review-4", vec![failing(2)])]).collect();
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
        lint_before: 0,
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
    let checks = |n: u32| Err(Failure::new(FailureClass::ChecksFailed, format!("{n} tests fail")));
    let play = Play::new(&[("task-500-1", vec![checks(3), checks(2)])]).go();
    assert_eq!(play.ended(), Some(Status::Succeeded));
    assert_eq!(play.run.step(&StepId::from("task-500-1")).unwrap().attempt, 3);
    let play = Play::new(&[("task-500-1", vec![checks(3), checks(2), checks(1)])]).go();
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
    let [summary, labels, status] = play.writes.last_chunk().unwrap();
    assert!(
        matches!(summary, Write::Comment { body, .. } if body.starts_with("## Run 3: failed") && body.contains("as the test says"))
    );
    assert!(matches!(labels, Write::Labels { add, .. } if add == &["state:failed"]));
    assert!(
        matches!(status, Write::Comment { key, body, .. } if key == "r/status" && body.contains("as the test says"))
    );
}

#[test]
fn a_cancelled_run_starts_nothing_more() {
    let mut play = Play::new(&[]);
    play.complexity = 9.0;
    let mut play = play.go();
    play.append(EventBody::CancelRequested { by: "eve".to_owned(), superseded_by: None });
    let play = play.go();
    assert_eq!(play.ended(), Some(Status::Cancelled));
    assert!(play.run.steps().iter().all(|state| matches!(state.phase, Phase::Ended(_))));
    assert!(play.run.questions.is_empty(), "nobody is asked any more");
}

#[test]
fn a_run_whose_place_was_taken_ends_as_superseded_and_tells_nobody() {
    let mut play = Play::new(&[]);
    play.complexity = 9.0;
    let mut play = play.go();
    let writes = play.writes.len();
    let taken = |by: &str, newer| EventBody::CancelRequested { by: by.to_owned(), superseded_by: newer };
    play.append(taken("change #7 is at 2222222222 now", Some(8)));
    play.append(taken("eve", None));
    let play = play.go();
    let reason = "run 8 takes its place: change #7 is at 2222222222 now".to_owned();
    assert_eq!(play.run.ended, Some((Status::Superseded, reason)));
    assert!(play.run.steps().iter().all(|state| matches!(state.phase, Phase::Ended(_))));
    assert_eq!(play.writes.len(), writes, "the newer run has the word");
    // Who was asked to end before is cancelled, whatever comes after.
    let mut play = Play::new(&[]);
    play.complexity = 9.0;
    let mut play = play.go();
    play.append(taken("eve", None));
    play.append(taken("a newer run", Some(8)));
    assert_eq!(play.go().ended(), Some(Status::Cancelled));
}
