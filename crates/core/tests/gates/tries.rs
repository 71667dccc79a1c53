//! Which attempts speak of their agents, on logs written by hand.

use miyabi_core::event::{Answer, EscalationAction, Event, EventBody, Gate, SessionEnded, SessionStarted};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::knowledge::learned::{Learned, Learner};
use miyabi_core::plan::Plan;
use miyabi_core::policy::Policy;
use miyabi_core::session::{SessionEnd, Usage};
use miyabi_core::status::Status;
use miyabi_testkit::fixtures::{self, at, run_id};
use serde_json::{Value, json};

const STEP: &str = "task-500-1";

/// The log of a run of one task, whose events happen at these minutes.
fn log(n: u64, bodies: Vec<(i64, EventBody)>) -> Vec<Event> {
    let mut started = fixtures::run_started(Plan::from(vec![fixtures::task_step(500, 1, &[])]));
    started.number = n;
    let first = (0, EventBody::RunStarted(Box::new(started)));
    let events = std::iter::once(first).chain(bodies).zip(0..);
    events.map(|((minutes, body), seq)| Event { run: run_id(n), seq, at: at(minutes * 60), body }).collect()
}

fn learned(logs: &[Vec<Event>]) -> Learned {
    let mut learner = Learner::new(&Policy::default());
    logs.iter().for_each(|log| learner.take(log).unwrap());
    learner.learned("acme/shop".to_owned(), None, 0)
}

fn begin(attempt: u32) -> EventBody {
    EventBody::StepStarted { step: STEP.into(), attempt }
}

fn sits(session: &str, attempt: u32, resumes: Option<&str>) -> EventBody {
    let resumes = resumes.map(Into::into);
    EventBody::SessionStarted(Box::new(SessionStarted {
        attempt,
        resumes,
        ..fixtures::session_started(session, STEP)
    }))
}

fn leaves(session: &str, end: SessionEnd) -> EventBody {
    EventBody::SessionEnded(Box::new(fixtures::session_ended(session, end)))
}

fn done(attempt: u32) -> EventBody {
    EventBody::StepSucceeded { step: STEP.into(), attempt, output: Value::Null }
}

fn failed(attempt: u32, class: FailureClass) -> EventBody {
    EventBody::StepFailed { step: STEP.into(), attempt, failure: Failure::new(class, "as the test says") }
}

fn lost(attempt: u32) -> EventBody {
    EventBody::AttemptLost { step: STEP.into(), attempt }
}

fn gate(gate: Gate) -> EventBody {
    EventBody::GateDecided { step: STEP.into(), gate, rule: "r".to_owned(), numbers: Default::default() }
}

fn again() -> EventBody {
    gate(Gate::Retry { at: at(0) })
}

fn asked() -> EventBody {
    let mut question = fixtures::escalation("1-1", STEP);
    let label = "I have mended it".to_owned();
    question.actions.push(EscalationAction { id: "manual_fix".to_owned(), label });
    EventBody::EscalationRaised(Box::new(question))
}

fn answered(action: &str) -> EventBody {
    let (by, from) = ("eve".to_owned(), "cli".to_owned());
    let answer = Answer { action: action.to_owned(), by, from, note: String::new(), tasks: Vec::new() };
    EventBody::EscalationAnswered { escalation: "1-1".into(), answer }
}

/// What a run of one task teaches: the row of its agent, attempts left out, and minutes for each estimated hour.
fn taught(bodies: Vec<(i64, EventBody)>) -> Value {
    let learned = learned(&[log(1, bodies)]);
    let row = learned.agents.rows.first().map(|row| {
        json!([
            row.first_try.count,
            format!("{} of {}", row.accepted.count, row.accepted.of),
            row.undecided,
            row.attempts,
            row.failures,
            row.minutes.map(|minutes| minutes.median),
        ])
    });
    let tasks = learned.estimates.iter().filter_map(|row| row.measured).map(|measured| measured.median);
    json!([row, learned.agents.left_out, tasks.collect::<Vec<_>>()])
}

#[test]
fn attempts_count_for_what_agents_did() {
    use FailureClass::{Budget, Cancelled, ChecksFailed, Permanent, Transient};
    use SessionEnd::{Completed, Stalled, Stopped};
    let cases = [
        (
            "accepted at once",
            vec![(0, begin(1)), (0, sits("s1", 1, None)), (4, leaves("s1", Completed)), (5, done(1))],
            json!([[1, "1 of 1", 0, 1, {}, 4.0], {}, [4.0]]),
        ),
        (
            "mended by itself",
            vec![
                (0, begin(1)),
                (0, sits("s1", 1, None)),
                (4, leaves("s1", Completed)),
                (5, failed(1, ChecksFailed)),
                (5, again()),
                (5, begin(2)),
                (5, sits("s2", 2, None)),
                (7, leaves("s2", Completed)),
                (7, done(2)),
            ],
            json!([[0, "1 of 1", 0, 2, { "checks_failed": 1 }, 3.0], {}, [6.0]]),
        ),
        (
            "interrupted by a restart and gone on with: one attempt, of which a part was measured",
            vec![
                (0, begin(1)),
                (0, sits("s1", 1, None)),
                (4, leaves("s1", Stopped)),
                (4, lost(1)),
                (9, begin(2)),
                (9, sits("s2", 2, Some("s1"))),
                (10, leaves("s2", Completed)),
                (10, done(2)),
            ],
            json!([[1, "1 of 1", 0, 1, {}, null], { "vanished": 1 }, []]),
        ),
        (
            "interrupted and begun again",
            vec![
                (0, begin(1)),
                (0, sits("s1", 1, None)),
                (4, lost(1)),
                (9, begin(2)),
                (9, sits("s2", 2, None)),
                (12, leaves("s2", Completed)),
                (12, done(2)),
            ],
            json!([[1, "1 of 1", 0, 1, {}, 3.0], { "vanished": 1 }, [3.0]]),
        ),
        (
            "an outage is nobody's fault, a stall is the agent's",
            vec![
                (0, begin(1)),
                (0, sits("s1", 1, None)),
                (1, leaves("s1", Completed)),
                (1, failed(1, Transient)),
                (1, again()),
                (1, begin(2)),
                (1, sits("s2", 2, None)),
                (9, leaves("s2", Stalled)),
                (9, failed(2, Transient)),
                (9, again()),
                (9, begin(3)),
                (9, sits("s3", 3, None)),
                (11, leaves("s3", Completed)),
                (11, done(3)),
            ],
            json!([[0, "1 of 1", 0, 2, { "stalled": 1 }, 5.0], { "outage": 1 }, [10.0]]),
        ),
        (
            "a person mended it: nothing that the agent did was accepted",
            vec![
                (0, begin(1)),
                (0, sits("s1", 1, None)),
                (1, leaves("s1", Completed)),
                (1, failed(1, ChecksFailed)),
                (1, asked()),
                (1, gate(Gate::Escalate)),
                (2, answered("manual_fix")),
                (2, again()),
                (2, begin(2)),
                (2, done(2)),
            ],
            json!([[0, "0 of 1", 0, 1, { "checks_failed": 1 }, 1.0], {}, []]),
        ),
        (
            "a person let it pass: no check did",
            vec![
                (0, begin(1)),
                (0, sits("s1", 1, None)),
                (1, leaves("s1", Completed)),
                (1, failed(1, ChecksFailed)),
                (1, asked()),
                (1, gate(Gate::Escalate)),
                (2, answered("approve_anyway")),
                (2, gate(Gate::Proceed)),
            ],
            json!([[0, "0 of 1", 0, 1, { "checks_failed": 1 }, 1.0], {}, []]),
        ),
        (
            "tried again later",
            vec![
                (0, begin(1)),
                (0, sits("s1", 1, None)),
                (1, leaves("s1", Completed)),
                (1, failed(1, ChecksFailed)),
                (1, again()),
            ],
            json!([[0, "0 of 0", 1, 1, { "checks_failed": 1 }, 1.0], {}, []]),
        ),
        ("going on", vec![(0, begin(1)), (0, sits("s1", 1, None))], json!([null, { "goes_on": 1 }, []])),
        (
            "stopped",
            vec![
                (0, begin(1)),
                (0, sits("s1", 1, None)),
                (1, leaves("s1", Stopped)),
                (1, failed(1, Cancelled)),
                (1, gate(Gate::Block)),
            ],
            json!([null, { "stopped": 1 }, []]),
        ),
        (
            "without budget, then settings that somebody changed",
            vec![
                (0, begin(1)),
                (0, failed(1, Budget)),
                (0, again()),
                (0, begin(2)),
                (0, sits("s1", 2, None)),
                (1, leaves("s1", Completed)),
                (1, failed(2, Permanent)),
                (1, gate(Gate::Block)),
            ],
            json!([null, { "no_room": 1, "other": 1 }, []]),
        ),
        ("nothing yet", vec![], json!([null, {}, []])),
    ];
    for (what, bodies, expected) in cases {
        assert_eq!(taught(bodies), expected, "{what}");
    }
}

#[test]
fn what_programs_do_not_state_is_not_measured() {
    let ended = |usage| {
        let ended = SessionEnded { usage, ..fixtures::session_ended("s1", SessionEnd::Completed) };
        EventBody::SessionEnded(Box::new(ended))
    };
    let run =
        |n, usage| log(n, vec![(0, begin(1)), (0, sits("s1", 1, None)), (2, ended(usage)), (2, done(1))]);
    let full = Usage { input_tokens: Some(1000), output_tokens: Some(200), cost_usd: Some(0.5), turns: None };
    let learned = learned(&[
        run(3, full),
        run(2, Usage { output_tokens: Some(7), ..Usage::default() }),
        run(1, Usage::default()),
    ]);
    let row = &learned.agents.rows[0];
    assert_eq!((row.kind.as_str(), row.agent.as_str(), row.tasks), ("feature", "command", 3));
    assert_eq!(row.minutes.map(|it| (it.measured, it.median)), Some((3, 2.0)));
    assert_eq!(row.tokens.map(|it| (it.measured, it.median)), Some((2, 603.5)));
    assert_eq!(row.cost_usd.map(|it| (it.measured, it.median)), Some((1, 0.5)));
    assert_eq!(row.score, None, "nothing was reviewed");
    let numbers: Vec<u64> = row.evidence.newest.iter().map(|run| run.number).collect();
    assert_eq!((row.evidence.runs, numbers), (3, vec![3, 2, 1]));
    let choice = &learned.agents.choices[0];
    assert_eq!((choice.suggestion.as_deref(), choice.why.as_str()), (None, "only `command` was tried"));
    assert_eq!((learned.runs, learned.not_ended, learned.applied), (3, 3, false));
}

#[test]
fn half_a_log_is_refused_and_an_empty_one_teaches_nothing() {
    let mut learner = Learner::new(&Policy::default());
    learner.take(&[]).unwrap();
    let whole = log(1, vec![(0, begin(1)), (0, sits("s1", 1, None)), (1, done(1))]);
    assert!(learner.take(&whole[1..]).is_err());
    assert!(learner.take(&[whole[0].clone(), whole[2].clone()]).is_err());
    let learned = learner.learned("acme/shop".to_owned(), None, 0);
    assert_eq!((learned.runs, learned.agents.rows.len(), learned.estimates.len()), (0, 0, 0));
    assert_eq!(learned.agents.left_out.len() + learned.thresholds.scores.len(), 0);
    assert!(learned.thresholds.each.iter().all(|it| it.suggestion.is_none() && it.findings.is_empty()));
    let ended = EventBody::RunFinished { status: Status::Succeeded, reason: "done".to_owned() };
    let mut whole = whole;
    whole.push(Event { seq: 4, body: ended, ..whole[3].clone() });
    assert_eq!(self::learned(&[whole]).not_ended, 0);
}
