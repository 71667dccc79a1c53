//! Actions of steps: recorded when the step succeeded, made of its output, never of what cannot be written.

use miyabi_core::commit_mark::{CommitState, Conclusion};
use miyabi_core::event::EventBody;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::intent::Write;
use miyabi_core::plan::{ActionCall, ActionKind, AgentWork, OnFailure, Plan, Step, Work};
use miyabi_core::status::Status;
use serde_json::{Value, json};

use crate::play::{Play, failed};

fn step(actions: &[(ActionKind, Value)]) -> Step {
    let work = Work::Agent(AgentWork { agent: "reader".to_owned(), skills: Vec::new() });
    let call = |(action, with): &(ActionKind, Value)| {
        let with = with.as_object().cloned().unwrap_or_default().into_iter().collect();
        ActionCall { action: *action, with }
    };
    Step { actions: actions.iter().map(call).collect(), ..Step::new("look", work) }
}

/// What the step left behind: its status, what was written by its actions, and why it was stopped.
fn played(actions: &[(ActionKind, Value)], output: Value) -> (Status, Vec<Write>, Option<String>) {
    let play = Play::of(Plan::from(vec![step(actions)]), &[("look", vec![Ok(output)])]).go();
    let state = play.run.step(&"look".into()).unwrap();
    let rule = state.gate.clone().map(|(_, rule)| rule);
    let summary = |write: &Write| matches!(write, Write::Comment { key, .. } if !key.starts_with("flow/"));
    let of_state = |write: &Write| matches!(write, Write::Labels { add, .. } if add.iter().any(|name| name.starts_with("state:")));
    let writes = play.writes.iter().filter(|write| !summary(write) && !of_state(write)).cloned();
    (state.status(), writes.collect(), rule)
}

#[test]
fn what_a_step_writes_comes_from_its_settings_or_its_output() {
    let (status, writes, _) = played(
        &[
            (ActionKind::PostIssueComment, Value::Null),
            (ActionKind::AddLabels, json!({ "labels": ["${steps.look.output.kind}", "seen", "seen"] })),
            (ActionKind::RemoveLabels, json!({ "labels": "new" })),
        ],
        json!({ "body": "${trigger.payload} Closes #1 @all", "kind": "bug" }),
    );
    assert_eq!((status, writes.len()), (Status::Succeeded, 3));
    let Write::Comment { issue: 500, key, body } = &writes[0] else { panic!("{writes:?}") };
    assert_eq!(key, "flow/issue/look/1");
    assert!(body.starts_with("${trigger.payload} "), "values are not read again: {body}");
    assert!(!body.contains("Closes #1") && !body.contains("@all"), "{body}");
    let labels = |add: &[&str], remove: &[&str]| {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Write::Labels { issue: 500, add: owned(add), remove: owned(remove) }
    };
    assert_eq!(writes[1..], [labels(&["bug", "seen"], &[]), labels(&[], &["new"])]);
    let (_, writes, _) = played(&[(ActionKind::PostIssueComment, Value::Null)], json!("Only text."));
    assert!(matches!(&writes[0], Write::Comment { body, .. } if body == "Only text."), "{writes:?}");
}

#[test]
fn what_is_said_at_a_commit_is_about_the_one_that_the_run_is_about() {
    let status = |with: Value| (ActionKind::SetCommitStatus, with);
    let (_, writes, why) = played(
        &[
            status(Value::Null),
            status(
                json!({ "state": "${steps.look.output.state}", "context": "a\nb", "description": "3 件" }),
            ),
            (ActionKind::CreateCheckRun, json!({ "conclusion": "timed_out" })),
        ],
        json!({ "state": "failure", "summary": "Closes #1 @all", "commit": "2".repeat(40), "number": 9 }),
    );
    let [Write::CommitStatus(first), Write::CommitStatus(second), Write::CheckRun(check)] = &writes[..]
    else {
        panic!("{writes:?} {why:?}")
    };
    for commit in [&first.commit, &second.commit, &check.commit] {
        assert_eq!(*commit, Play::new(&[]).run.started.base_commit);
    }
    assert_eq!((first.state, first.context.as_str()), (CommitState::Failure, "miyabi/issue"));
    assert_eq!(first.description, "issue: look");
    assert_eq!((second.context.as_str(), second.description.as_str()), ("a b", "3 件"));
    assert_eq!((check.key.as_str(), check.name.as_str()), ("flow/issue/look/3", "miyabi/issue"));
    assert_eq!(check.conclusion, Some(Conclusion::TimedOut));
    assert!(!check.summary.contains("Closes #1") && !check.summary.contains("@all"), "{}", check.summary);
}

#[test]
fn a_change_is_merged_by_the_number_of_the_payload_at_the_commit_of_the_run() {
    let asked = |payload: Value, output: Value| {
        let plan = Plan::from(vec![step(&[(ActionKind::MergeChange, Value::Null)])]);
        let play = Play::about(plan, payload, &[("look", vec![Ok(output)])]).go();
        let merges = play.writes.iter().filter(|write| matches!(write, Write::MergeChange { .. }));
        merges.cloned().collect::<Vec<_>>()
    };
    let other =
        json!({ "change": 9, "number": 9, "pull_request": { "number": 9 }, "commit": "2".repeat(40) });
    let merge = Write::MergeChange {
        change: 7,
        commit: Play::new(&[]).run.started.base_commit.clone(),
        title: "Merge change #7".to_owned(),
        only_if_ready: true,
    };
    assert_eq!(asked(json!({ "pull_request": { "number": 7 } }), other.clone()), [merge]);
    for payload in
        [json!({}), json!({ "pull_request": { "number": "7" } }), json!({ "issue": { "number": 7 } })]
    {
        assert_eq!(asked(payload, other.clone()), []);
    }
}

#[test]
fn where_one_cannot_be_written_none_is_and_the_step_has_failed() {
    let good = (ActionKind::AddLabels, json!({ "labels": ["seen"] }));
    let label = |value: Value| (ActionKind::RemoveLabels, json!({ "labels": value }));
    let table = [
        ((ActionKind::PostIssueComment, json!({})), "it has no `body`, and the step's output has none"),
        ((ActionKind::PostPrComment, json!({ "body": "x" })), "nothing says which change is meant"),
        ((ActionKind::AddLabels, json!({})), "it has no `labels`, and the step's output has none"),
        (label(json!(["state:*"])), "\"state:*\" is no name of a label"),
        (label(json!([7])), "7 is no name of a label"),
        (label(json!(vec!["x"; 21])), "21 labels are more than 20"),
        ((ActionKind::SetCommitStatus, json!({})), "it has no `state`, and the step's output has none"),
        (
            (ActionKind::SetCommitStatus, json!({ "state": "green" })),
            "\"green\" is no state: it is one of error, failure, pending, success",
        ),
        (
            (ActionKind::CreateCheckRun, json!({ "conclusion": true, "summary": "x" })),
            "true is no conclusion: it is one of success, failure, neutral, cancelled, skipped, timed_out, action_required",
        ),
        (
            (ActionKind::CreateCheckRun, json!({ "conclusion": "success" })),
            "it has no `summary`, and the step's output has none",
        ),
        ((ActionKind::MergeChange, json!({})), "nothing says which change is meant"),
        ((ActionKind::OpenChange, json!({ "body": "x" })), "the step left nothing for a change"),
        ((ActionKind::Deploy, json!({})), "this version does not carry it out"),
    ];
    for (bad, why) in table {
        let word = bad.0.as_str();
        let (status, writes, rule) = played(&[good.clone(), bad], json!({}));
        assert_eq!((status, writes), (Status::Failed, Vec::new()), "{why}");
        assert_eq!(rule.unwrap(), format!("the action `{word}`: {why}"));
    }
}

#[test]
fn a_step_that_failed_writes_nothing_and_one_that_is_tried_again_writes_once() {
    let step = step(&[(ActionKind::AddLabels, json!({ "labels": ["seen"] }))]);
    let seen = |play: &Play| {
        let is_ours =
            |write: &&Write| matches!(write, Write::Labels { add, .. } if add.contains(&"seen".to_owned()));
        play.writes.iter().filter(is_ours).count()
    };
    let outcomes = [("look", vec![failed(FailureClass::BadAnswer), Ok(json!("done"))])];
    let play = Play::of(Plan::from(vec![step.clone()]), &outcomes).go();
    assert_eq!((play.ended(), seen(&play)), (Some(Status::Failed), 0), "the flow asks for no other attempt");
    let retried = Step { on_failure: OnFailure::Retry, max_retries: 1, ..step };
    let mut play = Play::of(Plan::from(vec![retried]), &outcomes).go();
    assert_eq!((play.ended(), seen(&play)), (Some(Status::Succeeded), 1));
    assert!(!play.run.open_intents.iter().any(|intent| intent.ends_step));
    play.run.ended = None;
    let again = miyabi_core::decide::decide(&play.run, play.now);
    assert!(!again.iter().any(|body| matches!(body, EventBody::IntentRecorded(_))), "{again:?}");
}

#[test]
fn what_a_step_left_becomes_a_change_of_its_newest_attempt_alone() {
    let call = (ActionKind::OpenChange, json!({ "body": "Closes #1", "title": "Fixes #1 @all" }));
    let retried = Step { on_failure: OnFailure::Retry, max_retries: 1, ..step(&[call]) };
    let opened = |leaves: &[u32]| {
        let outcomes = [("look", vec![failed(FailureClass::ChecksFailed), Ok(json!({ "commit": "x" }))])];
        let mut play = Play::about(Plan::from(vec![retried.clone()]), json!({}), &outcomes);
        play.leaves = leaves.iter().map(|attempt| (*attempt, format!("{attempt}").repeat(40))).collect();
        let play = play.go();
        let writes = play.writes.iter().filter(|write| matches!(write, Write::OpenChange { .. }));
        writes.cloned().collect::<Vec<_>>()
    };
    let writes = opened(&[1, 2]);
    let [Write::OpenChange { issue: 0, title, body, head, base, commit }] = &writes[..] else {
        panic!("{writes:?}")
    };
    assert_eq!((head.as_str(), base.as_str(), commit.as_str()), ("miyabi/x", "main", &*"2".repeat(40)));
    assert!(!title.contains("Fixes #1") && !title.contains("@all") && !body.contains("Closes #1"));
    assert_eq!(opened(&[1]), [], "what a failed attempt left is not offered");
}

#[test]
fn later_steps_find_the_change_that_was_opened_and_begin_when_it_is_there() {
    let opens = |actions: &[(ActionKind, Value)]| {
        let call = (ActionKind::OpenChange, json!({ "title": "t", "body": "b" }));
        step(&[&[call], actions].concat())
    };
    let next = |condition: &str| {
        let actions = [
            (ActionKind::PostPrComment, json!({ "body": "It is ${steps.look.output.change.url}" })),
            (ActionKind::AddLabels, json!({ "labels": ["seen"] })),
        ];
        let condition = Some(format!("steps.look.output.change.number == 501 && {condition}"));
        Step { condition, id: "next".into(), ..step(&actions) }.needs(["look"])
    };
    let played = |condition: &str, payload: Value, output: Value, opened: &[Result<Value, Failure>]| {
        let plan = Plan::from(vec![opens(&[]), next(condition)]);
        let outcomes = [("look", vec![Ok(output)]), ("open_change", opened.to_vec())];
        let mut play = Play::about(plan, payload, &outcomes);
        play.leaves = [(1, "1".repeat(40))].into();
        play.go()
    };
    // What the agent says of it counts for nothing.
    for (output, condition) in [
        (json!({ "change": { "number": 9 }, "word": "w" }), "steps.look.output.word == 'w'"),
        (json!("said"), "steps.look.output.text == 'said'"),
    ] {
        let play = played(condition, json!({}), output, &[]);
        assert_eq!(play.ended(), Some(Status::Succeeded));
        let [.., Write::Comment { issue: 501, body, .. }, Write::Labels { issue: 500, .. }] =
            &play.writes[..]
        else {
            panic!("{:?}", play.writes)
        };
        assert_eq!(body, "It is https://forge/501");
    }
    // What the payload is about comes first.
    let of_issue = json!({ "issue": { "number": 7 } });
    let play = played("true", of_issue, json!({}), &[]);
    assert!(matches!(play.writes.last(), Some(Write::Labels { issue: 7, .. })), "{:?}", play.writes);
    // Without a change the step has failed.
    let play = played("true", json!({}), json!({}), &[failed(FailureClass::Permanent)]);
    let ends: Vec<_> = play.run.steps().iter().map(|state| state.status()).collect();
    assert_eq!(ends, [Status::Failed, Status::Skipped]);
    let rule = play.run.step(&"look".into()).unwrap().gate.clone().unwrap().1;
    assert_eq!(rule, "its change could not be opened");
}
