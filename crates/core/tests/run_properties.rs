//! Any plan, any interleaving of outcomes: the run ends, in order, and its log replays to the same state.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use miyabi_core::decide::decide;
use miyabi_core::event::{Answer, Event, EventBody};
use miyabi_core::ids::{RunId, StepId};
use miyabi_core::intent::Receipt;
use miyabi_core::plan::{Plan, RunCondition, Work};
use miyabi_core::run::{Phase, Run, fold};
use miyabi_core::status::Status;
use miyabi_testkit::dice::{Dice, failure, flow_plan, issue_plan, output, started, task};
use proptest::prelude::*;
use serde_json::json;

/// Drives a run by dice and checks what must hold after every event. Returns the whole log.
fn drive(plan: Plan, dice: &mut Dice, cancel: bool) -> (Run, Vec<Event>) {
    let id = RunId::from("00000000-0000-7000-8000-000000000001");
    let mut now = Timestamp::UNIX_EPOCH;
    let max_parallel = 1 + dice.roll(4) as u32;
    let body = EventBody::RunStarted(Box::new(started(plan, max_parallel)));
    let first = Event { run: id, seq: 0, at: now, body };
    let mut run = Run::start(&first).unwrap();
    let mut log = vec![first];
    for _ in 0..20_000 {
        loop {
            let decisions = decide(&run, now);
            if decisions.is_empty() {
                break;
            }
            for body in decisions {
                append(&mut run, &mut log, body, now);
            }
            check_places(&run);
        }
        if run.ended.is_some() {
            return (run, log);
        }
        let writes: Vec<_> = run.open_intents.clone();
        let running: Vec<_> = run
            .running()
            .filter(|state| !writes.iter().any(|write| write.ends_step && write.step == state.step.id))
            .map(|state| (state.step.clone(), state.attempt))
            .collect();
        if cancel && dice.roll(12) == 5 {
            append(
                &mut run,
                &mut log,
                EventBody::CancelRequested { by: "dice".to_owned(), superseded_by: None },
                now,
            );
        } else if !writes.is_empty() && (running.is_empty() || dice.roll(2) == 0) {
            let write = &writes[0];
            let state = run.step(&write.step).unwrap();
            let (step, attempt, work) = (write.step.clone(), state.attempt, state.step.work.clone());
            if dice.roll(6) == 5 {
                let why = failure(&work, dice);
                let failed = EventBody::IntentFailed { intent: write.id.clone(), failure: why.clone() };
                append(&mut run, &mut log, failed, now);
                if write.ends_step {
                    append(&mut run, &mut log, EventBody::StepFailed { step, attempt, failure: why }, now);
                }
            } else {
                let done = EventBody::IntentDone { intent: write.id.clone(), receipt: Receipt::default() };
                append(&mut run, &mut log, done, now);
                if write.ends_step {
                    let output = json!({ "change": 501 });
                    append(&mut run, &mut log, EventBody::StepSucceeded { step, attempt, output }, now);
                }
            }
        } else if !running.is_empty() {
            let (step, attempt) = running[dice.roll(running.len())].clone();
            let body = match dice.roll(10) {
                9 => EventBody::AttemptLost { step: step.id, attempt },
                7 | 8 => EventBody::StepFailed { failure: failure(&step.work, dice), step: step.id, attempt },
                _ => EventBody::StepSucceeded {
                    output: output(&run, &step.work, dice),
                    step: step.id,
                    attempt,
                },
            };
            append(&mut run, &mut log, body, now);
        } else if !run.questions.is_empty() && dice.roll(3) > 0 {
            let question = run.questions.values().next().unwrap();
            let action = question.actions[dice.roll(question.actions.len())].id.clone();
            let tasks = if action == "modify" { vec![task("task-500-1", Vec::new())] } else { Vec::new() };
            let answer =
                Answer { action, by: "dice".to_owned(), from: "cli".to_owned(), note: String::new(), tasks };
            let body = EventBody::EscalationAnswered { escalation: question.id.clone(), answer };
            append(&mut run, &mut log, body, now);
        } else {
            let wake = run.next_wake().unwrap_or_else(|| panic!("nothing follows: {:?}", log.last()));
            now = now.max(wake).checked_add(SignedDuration::from_millis(1)).unwrap();
        }
    }
    panic!("the run does not end: {:?}", log.last());
}

fn append(run: &mut Run, log: &mut Vec<Event>, body: EventBody, at: Timestamp) {
    let event = Event { run: run.id.clone(), seq: run.next_seq, at, body };
    if let EventBody::StepStarted { step, .. } = &event.body {
        let state = run.step(step).unwrap();
        for need in &state.step.needs {
            let need = run.step(need).unwrap();
            assert!(
                matches!(need.phase, Phase::Ended(_)),
                "`{step}` started before `{}` ended",
                need.step.id
            );
            if matches!(state.step.run_condition, RunCondition::OnSuccess | RunCondition::Manual) {
                assert!(need.lets_pass(), "`{step}` started although `{}` {}", need.step.id, need.status());
            }
        }
    }
    run.apply(&event).unwrap_or_else(|illegal| panic!("{illegal}\n{:?}", event.body));
    log.push(event);
}

/// What holds between appends. Within one, a step that asks a person first begins and fails at once.
fn check_places(run: &Run) {
    let heavy = run.running().filter(|state| state.is_agents()).count();
    assert!(heavy <= run.policy().max_parallel as usize, "{heavy} agents work at once");
    let lane = run.running().filter(|state| matches!(state.step.work, Work::Integrate(_))).count();
    assert!(lane <= 1, "{lane} merges run at once");
}

fn check_end(run: &Run, log: &[Event]) {
    for state in run.steps() {
        assert!(matches!(state.phase, Phase::Ended(_)), "`{}` is {}", state.step.id, state.status());
    }
    let mut newest: HashMap<StepId, u32> = HashMap::new();
    for event in log {
        if let EventBody::StepStarted { step, attempt } = &event.body {
            let before = newest.insert(step.clone(), *attempt).unwrap_or(0);
            assert_eq!(*attempt, before + 1, "attempts of `{step}` are numbered without gaps");
        }
    }
    assert!(run.open_intents.is_empty() && run.questions.is_empty());
    assert_eq!(fold(log).unwrap().as_ref(), Some(run), "the log replays to the same state");
    let text = serde_json::to_string(log).unwrap();
    let read: Vec<Event> = serde_json::from_str(&text).unwrap();
    assert_eq!(read, log, "the log is the same after it was written and read");
    let failed = run.steps().iter().any(|state| state.fails_run());
    match run.ended.as_ref().unwrap().0 {
        Status::Cancelled => assert!(run.cancelled_by.is_some()),
        Status::Failed => assert!(failed),
        Status::Succeeded => assert!(!failed),
        other => panic!("a run cannot end as {other}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_plan_ends(n in 1..24_usize, rolls in prop::collection::vec(any::<u16>(), 0..600), cancel: bool) {
        let mut dice = Dice::of(rolls);
        let plan = flow_plan(n, &mut dice);
        let (run, log) = drive(plan, &mut dice, cancel);
        check_end(&run, &log);
    }

    #[test]
    fn any_issue_run_ends(rolls in prop::collection::vec(any::<u16>(), 0..600), cancel: bool) {
        let mut dice = Dice::of(rolls);
        let (run, log) = drive(issue_plan(), &mut dice, cancel);
        check_end(&run, &log);
    }

    #[test]
    fn a_restart_at_any_event_decides_the_same(
        n in 0..24_usize,
        rolls in prop::collection::vec(any::<u16>(), 0..300),
    ) {
        let mut dice = Dice::of(rolls);
        let plan = if n == 0 { issue_plan() } else { flow_plan(n, &mut dice) };
        let (_, log) = drive(plan, &mut dice, false);
        let mut live = Run::start(&log[0]).unwrap();
        for end in 1..log.len() {
            let restarted = fold(&log[..end]).unwrap().unwrap();
            prop_assert_eq!(decide(&live, log[end].at), decide(&restarted, log[end].at));
            live.apply(&log[end]).unwrap();
        }
    }
}

#[test]
fn when_all_goes_well_everything_succeeds() {
    let mut dice = Dice::of(Vec::new());
    let (run, log) = drive(issue_plan(), &mut dice, false);
    check_end(&run, &log);
    let other: Vec<_> = run.steps().iter().filter(|state| state.status() != Status::Succeeded).collect();
    assert!(other.is_empty(), "{other:?}");
}
