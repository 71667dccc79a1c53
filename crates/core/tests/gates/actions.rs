//! Actions of steps: recorded when the step succeeded, made of its output, never of what cannot be written.

use miyabi_core::event::EventBody;
use miyabi_core::failure::FailureClass;
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
