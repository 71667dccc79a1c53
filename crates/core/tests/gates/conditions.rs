//! Conditions of steps: computed when their needs have ended, skipped where they do not hold, null where nothing is.

use std::collections::BTreeMap;

use miyabi_core::decide::decide;
use miyabi_core::event::EventBody;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::plan::{OnFailure, Plan, RunCondition, Step, Uses, Work};
use miyabi_core::status::Status;
use serde_json::{Value, json};

use crate::play::{Play, failed};

/// A step that does what is listed for it, after these, on this condition.
fn step(name: &str, needs: &[&str], condition: &str) -> Step {
    let step = Step::new(name, Work::Uses(Uses::Record)).needs(needs.iter().copied());
    Step { condition: (!condition.is_empty()).then(|| condition.to_owned()), ..step }
}

/// What became of each step, and why it was skipped.
fn played(
    steps: Vec<Step>,
    outcomes: &[(&str, Vec<Result<Value, Failure>>)],
) -> (Vec<(Status, String)>, Play) {
    let variables = BTreeMap::from([("limit".to_owned(), json!(80))]);
    let play = Play::of(Plan { steps, variables }, outcomes).go();
    let ends =
        play.run.steps().iter().map(|state| (state.status(), state.skipped.clone().unwrap_or_default()));
    (ends.collect(), play)
}

fn ok(output: Value) -> Vec<Result<Value, Failure>> {
    vec![Ok(output)]
}

#[test]
fn a_condition_decides_over_outputs_variables_and_the_issue() {
    let key = Step { output_key: Some("seen".to_owned()), ..step("look", &[], "") };
    let (ends, play) = played(
        vec![
            key,
            step("high", &["look"], "seen.score >= limit && parent.output.score == 85"),
            step("low", &["look"], "steps.look.output.score < limit"),
            step("issue", &["look"], "trigger.payload.issue.number == 500 && trigger.type == 'cli'"),
            step("after low", &["low"], "steps.low.output == null && steps.low.status == 'skipped'"),
            step("end", &["high", "low", "issue", "after low"], ""),
        ],
        &[("look", ok(json!({ "score": 85 })))],
    );
    let done = || (Status::Succeeded, String::new());
    let skipped = (Status::Skipped, "its condition does not hold".to_owned());
    assert_eq!(ends, [done(), done(), skipped, done(), done(), done()]);
    assert_eq!(play.run.status(), Status::Succeeded);
}

#[test]
fn comparing_what_is_missing_is_false_and_noted() {
    let (ends, _) = played(
        vec![step("look", &[], ""), step("next", &["look"], "steps.look.output.gone != 'x'")],
        &[("look", ok(json!({})))],
    );
    let why = "its condition does not hold: `steps.look.output.gone` has no value; `!=` compared null, which is false";
    assert_eq!(ends[1], (Status::Skipped, why.to_owned()));
}

#[test]
fn what_was_skipped_lets_pass_what_came_before_it() {
    let (ends, play) = played(
        vec![
            step("a", &[], ""),
            step("b", &["a"], "false"),
            step("c", &["b"], ""),
            Step { run_condition: RunCondition::OnFailure, ..step("mend", &["c"], "") },
            step("d", &["mend"], ""),
        ],
        &[],
    );
    let statuses: Vec<_> = ends.iter().map(|(status, _)| *status).collect();
    use Status::{Skipped, Succeeded};
    assert_eq!(statuses, [Succeeded, Skipped, Succeeded, Skipped, Succeeded]);
    assert_eq!(play.run.status(), Succeeded);
}

#[test]
fn dependants_of_a_failed_step_end_as_skipped_and_the_run_ends() {
    let (ends, play) = played(
        vec![
            step("a", &[], ""),
            step("b", &["a"], "true"),
            step("c", &["b"], "true"),
            Step {
                run_condition: RunCondition::Always,
                ..step("tell", &["c"], "steps.a.status == 'failed' && steps.c.output == null")
            },
            Step { run_condition: RunCondition::OnFailure, ..step("mend", &["a"], "steps.a.output == null") },
            step("other", &[], "true"),
        ],
        &[("a", vec![failed(FailureClass::Permanent)])],
    );
    assert_eq!(
        ends,
        [
            (Status::Failed, String::new()),
            (Status::Skipped, "`a` failed".to_owned()),
            (Status::Skipped, "`b` skipped".to_owned()),
            (Status::Succeeded, String::new()),
            (Status::Succeeded, String::new()),
            (Status::Succeeded, String::new()),
        ]
    );
    assert_eq!(play.run.status(), Status::Failed);
}

#[test]
fn a_failure_that_is_passed_over_gives_null() {
    let (ends, play) = played(
        vec![
            Step { on_failure: OnFailure::Continue, ..step("a", &[], "") },
            step("b", &["a"], "steps.a.output == null"),
        ],
        &[("a", vec![failed(FailureClass::Permanent)])],
    );
    assert_eq!((ends[0].0, ends[1].0), (Status::Failed, Status::Succeeded));
    assert_eq!(play.run.status(), Status::Succeeded);
}

#[test]
fn a_step_that_was_started_is_tried_again() {
    let retried =
        Step { on_failure: OnFailure::Retry, max_retries: 2, ..step("b", &["a"], "steps.a.output.go") };
    let (ends, play) = played(
        vec![step("a", &[], ""), retried],
        &[
            ("a", ok(json!({ "go": true }))),
            ("b", vec![failed(FailureClass::Permanent), failed(FailureClass::NoChanges), Ok(json!({}))]),
        ],
    );
    assert_eq!(ends[1].0, Status::Succeeded);
    assert_eq!(play.run.steps()[1].attempt, 3);
}

#[test]
fn a_condition_that_cannot_be_computed_fails_its_step() {
    let slow = vec!["contains(steps.a.output, 'y')"; 200].join(" || ");
    let (ends, play) = played(
        vec![step("a", &[], ""), step("b", &["a"], &slow), step("c", &["b"], "")],
        &[("a", ok(json!(vec!["x".repeat(640); 20_000])))],
    );
    assert_eq!((ends[1].0, ends[2].0), (Status::Failed, Status::Skipped));
    assert!(play.run.steps()[1].failure().unwrap().message.contains("it takes too long"));
}

#[test]
fn the_same_log_gives_the_same_decision() {
    let plan = Plan::from(vec![step("a", &[], "trigger.payload.issue.title == 'x'")]);
    let play = Play::of(plan, &[]);
    let decided = decide(&play.run, play.now);
    assert_eq!(decided, decide(&play.run, play.now));
    assert!(matches!(&decided[..], [EventBody::StepSkipped { .. }]));
}

#[test]
fn what_takes_the_place_of_a_step_is_not_asked_again_and_gives_its_output() {
    let order = [Uses::Analyse, Uses::Decompose, Uses::Execute, Uses::Review, Uses::Change, Uses::Merge];
    let mut steps: Vec<Step> = Vec::new();
    for uses in order {
        let needs: Vec<_> = steps.last().map(|step| step.id.clone()).into_iter().collect();
        steps.push(Step::new(uses.as_str(), Work::Uses(uses)).needs(needs));
    }
    let merge = steps.last_mut().unwrap();
    merge.condition = Some("parent.status == 'succeeded' && steps.review.output.score > limit".to_owned());
    merge.output_key = Some("merged".to_owned());
    steps.push(step("after", &["merge"], "merged.change == 501 && steps.merge.status == 'succeeded'"));
    let variables = BTreeMap::from([("limit".to_owned(), json!(1))]);
    let play = Play::of(
        Plan { steps, variables },
        &[("merge", vec![failed(FailureClass::BaseMoved)]), ("merge-2", ok(json!({ "change": 501 })))],
    );
    let play = play.go();
    assert_eq!((play.status("merge"), play.status("merge-2")), (Status::Superseded, Status::Succeeded));
    assert_eq!(play.status("after"), Status::Succeeded);
    let asked: Vec<_> = play.run.steps().iter().filter(|state| state.step.condition.is_some()).collect();
    assert_eq!(asked.len(), 2, "no further step has a condition");
}

fn manual(needs: &[&str]) -> Step {
    Step { run_condition: RunCondition::Manual, ..step("release", needs, "") }
}

#[test]
fn a_manual_step_starts_when_a_person_says_so() {
    let steps = vec![step("a", &[], ""), manual(&["a"]), step("after", &["release"], "")];
    let play = Play::of(Plan::from(steps), &[]).go();
    assert_eq!(play.run.status(), Status::Waiting);
    assert_eq!(play.question(), "step `release` is started by a person");
    let started = play.answer("approve_anyway");
    assert_eq!((started.status("release"), started.ended()), (Status::Succeeded, Some(Status::Succeeded)));
    let state = &started.run.steps()[1];
    assert_eq!((state.attempt, state.failures.len()), (2, 0), "the question counts against nothing");
}

#[test]
fn a_manual_step_that_is_left_fails_and_its_dependants_are_skipped() {
    let steps = vec![step("a", &[], ""), manual(&["a"]), step("after", &["release"], "")];
    let play = Play::of(Plan::from(steps), &[]).go().answer("reject");
    assert_eq!((play.status("release"), play.status("after")), (Status::Failed, Status::Skipped));
    assert_eq!(play.ended(), Some(Status::Failed));
    let untold = vec![step("a", &[], ""), manual(&["a"])];
    let play = Play::of(Plan::from(untold), &[]).go().later(8 * 24 * 3600);
    assert_eq!(play.ended(), Some(Status::Failed), "nobody answered in time");
}

#[test]
fn a_manual_step_is_skipped_without_a_question_where_something_failed_or_its_condition_does_not_hold() {
    let steps = vec![step("a", &[], ""), manual(&["a"])];
    let play = Play::of(Plan::from(steps), &[("a", vec![failed(FailureClass::Permanent)])]).go();
    assert_eq!((play.status("release"), play.run.questions_raised), (Status::Skipped, 0));
    let never = Step { condition: Some("1 == 2".to_owned()), ..manual(&["a"]) };
    let play = Play::of(Plan::from(vec![step("a", &[], ""), never]), &[]).go();
    assert_eq!((play.status("release"), play.run.questions_raised), (Status::Skipped, 0));
    assert_eq!(play.ended(), Some(Status::Succeeded));
}

#[test]
fn a_manual_step_that_was_started_keeps_its_own_attempts() {
    let retried = Step { on_failure: OnFailure::Retry, max_retries: 1, ..manual(&["a"]) };
    let outcomes = vec![failed(FailureClass::Permanent), Ok(json!({}))];
    let play = Play::of(Plan::from(vec![step("a", &[], ""), retried]), &[("release", outcomes)]).go();
    let play = play.answer("approve_anyway");
    assert_eq!(play.status("release"), Status::Succeeded);
    assert_eq!(play.run.steps()[1].attempt, 3);
    assert_eq!(play.run.questions_raised, 1);
}

#[test]
fn the_environment_is_what_the_run_was_told_when_it_began() {
    let steps = vec![
        step("here", &[], "env.REGION == 'eu' && env['EMPTY'] != null"),
        step("not here", &[], "env.OTHER == null"),
    ];
    let mut play = Play::of(Plan::from(steps), &[]);
    let told = [("REGION", "eu"), ("EMPTY", ""), ("HOME", "/root")];
    play.run.started.environment =
        told.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let play = play.go();
    let statuses: Vec<_> = play.run.steps().iter().map(|state| state.status()).collect();
    assert_eq!(statuses, [Status::Succeeded, Status::Succeeded]);
}
