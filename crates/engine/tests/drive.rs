//! The executor over doubles: what it appends, in which order it acts, and how it goes on after a restart.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use miyabi_core::event::{Answer, Event, EventBody, RunStarted};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::RunId;
use miyabi_core::intent::Write;
use miyabi_core::plan::{Plan, Step, Uses, Work};
use miyabi_core::policy::Policy;
use miyabi_core::ports::{Clock as _, Machine, NewRun, Stop, Store, never_stop};
use miyabi_core::run::Run;
use miyabi_core::status::Status;
use miyabi_engine::{Admission, Engine, EngineError, Job, Observer, Rest, StepRunner, Working};
use miyabi_testkit::{IdleAgents, ManualClock, MemoryStore, RecordingForge, SilentKnowledge, fixtures};
use serde_json::json;
use tokio::sync::Notify;

type Answers = HashMap<&'static str, Vec<Result<serde_json::Value, Failure>>>;

/// Steps answer as listed, in order of their attempts; unlisted ones succeed. `hang` waits until it is stopped.
#[derive(Default)]
struct Scripted {
    answers: Mutex<Answers>,
    hang: Option<&'static str>,
    hanging: Arc<Notify>,
    started: Mutex<Vec<(String, u32)>>,
}

impl StepRunner for Scripted {
    fn start(&self, job: Job<'_>) -> Working {
        let step = job.state.step.id.to_string();
        self.started.lock().unwrap().push((step.clone(), job.state.attempt));
        if self.hang == Some(step.as_str()) && job.state.attempt == 1 {
            let (mut stop, hanging) = (job.stop.clone(), Arc::clone(&self.hanging));
            return Box::pin(async move {
                hanging.notify_one();
                stop.wait_for(|stop| *stop).await.unwrap();
                Err(Failure::new(FailureClass::Cancelled, "stopped"))
            });
        }
        let mut answers = self.answers.lock().unwrap();
        let next = answers.get_mut(step.as_str()).filter(|list| !list.is_empty()).map(|list| list.remove(0));
        Box::pin(std::future::ready(next.unwrap_or(Ok(json!({ "step": step })))))
    }
}

struct Stage {
    store: Arc<MemoryStore>,
    forge: Arc<RecordingForge>,
    agents: Arc<IdleAgents>,
    clock: Arc<ManualClock>,
    runner: Arc<Scripted>,
    engine: Engine,
    run: RunId,
}

impl Stage {
    async fn new(steps: Vec<Step>, runner: Scripted) -> Self {
        let store = Arc::new(MemoryStore::new());
        let run = fixtures::run_id(1);
        let started = fixtures::run_started(Plan::from(steps));
        store.create_run(&NewRun { id: run.clone(), started }, fixtures::at(0)).await.unwrap();
        let (forge, agents) = (Arc::new(RecordingForge::new()), Arc::new(IdleAgents::new()));
        let clock = Arc::new(ManualClock::new(fixtures::at(0)));
        let runner = Arc::new(runner);
        let engine = engine(&store, &forge, &agents, &clock, &runner);
        Self { store, forge, agents, clock, runner, engine, run }
    }

    async fn log(&self) -> Vec<Event> {
        self.store.load(&self.run, 0).await.unwrap()
    }

    async fn state(&self) -> Run {
        self.engine.read(&self.run).await.unwrap().unwrap()
    }

    fn started(&self) -> Vec<(String, u32)> {
        self.runner.started.lock().unwrap().clone()
    }
}

fn engine(
    store: &Arc<MemoryStore>,
    forge: &Arc<RecordingForge>,
    agents: &Arc<IdleAgents>,
    clock: &Arc<ManualClock>,
    runner: &Arc<Scripted>,
) -> Engine {
    Engine::over(
        Arc::clone(store) as _,
        Arc::clone(forge) as _,
        Arc::clone(agents) as _,
        Arc::clone(clock) as _,
        Arc::clone(runner) as _,
    )
}

fn step(id: &str, needs: &[&str]) -> Step {
    Step::new(id, Work::Uses(Uses::Execute)).needs(needs.iter().copied())
}

fn failed(class: FailureClass) -> Result<serde_json::Value, Failure> {
    Err(Failure::new(class, "as scripted"))
}

fn kinds(log: &[Event]) -> Vec<String> {
    let kind =
        |event: &Event| serde_json::to_value(&event.body).unwrap()["type"].as_str().unwrap().to_owned();
    log.iter().map(kind).collect()
}

#[tokio::test]
async fn steps_run_in_order_and_the_log_says_so() {
    let stage = Stage::new(vec![step("a", &[]), step("b", &["a"])], Scripted::default()).await;
    assert_eq!(stage.engine.drive(&stage.run, never_stop()).await.unwrap(), Rest::Ended(Status::Succeeded));
    assert_eq!(
        kinds(&stage.log().await),
        ["run_started", "step_started", "step_succeeded", "step_started", "step_succeeded", "run_finished"]
    );
    assert_eq!(stage.started(), [("a".to_owned(), 1), ("b".to_owned(), 1)]);
    let again = stage.engine.drive(&stage.run, never_stop()).await.unwrap();
    assert_eq!(again, Rest::Ended(Status::Succeeded), "an ended run is left as it is");
    assert_eq!(stage.started().len(), 2);
}

/// Lets everything that can move do so, then moves time.
async fn quiet_then_advance(clock: &ManualClock) {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
    clock.advance_to_next_wake().await;
}

/// Drives the run to its rest while time moves on whenever nothing else does.
async fn driven(stage: &Stage) -> Rest {
    let drive = stage.engine.drive(&stage.run, never_stop());
    tokio::pin!(drive);
    loop {
        tokio::select! {
            biased;
            rest = &mut drive => return rest.unwrap(),
            () = quiet_then_advance(&stage.clock) => {}
        }
    }
}

#[tokio::test]
async fn a_transient_failure_is_tried_again_when_its_time_has_come() {
    let answers =
        Answers::from([("a", vec![failed(FailureClass::Transient), failed(FailureClass::Transient)])]);
    let runner = Scripted { answers: Mutex::new(answers), ..Scripted::default() };
    let stage = Stage::new(vec![step("a", &[])], runner).await;
    let rest = driven(&stage).await;
    assert_eq!(rest, Rest::Ended(Status::Succeeded));
    let starts: Vec<_> = stage
        .log()
        .await
        .into_iter()
        .filter(|event| matches!(event.body, EventBody::StepStarted { .. }))
        .map(|event| event.at.duration_since(fixtures::at(0)).as_secs())
        .collect();
    assert_eq!(starts.len(), 3);
    assert!((2..=3).contains(&starts[1]), "2 s and jitter after the first: {starts:?}");
    assert!((6..=8).contains(&starts[2]), "4 s and jitter after the second: {starts:?}");
}

#[tokio::test]
async fn a_permanent_failure_skips_what_needs_it_and_leaves_the_rest_alone() {
    let answers = Answers::from([("a", vec![failed(FailureClass::Permanent)])]);
    let runner = Scripted { answers: Mutex::new(answers), ..Scripted::default() };
    let steps = vec![step("a", &[]), step("sibling", &[]), step("b", &["a"]), step("c", &["b", "sibling"])];
    let stage = Stage::new(steps, runner).await;
    assert_eq!(stage.engine.drive(&stage.run, never_stop()).await.unwrap(), Rest::Ended(Status::Failed));
    let state = stage.state().await;
    let statuses: Vec<_> =
        state.steps().iter().map(|state| (state.step.id.as_str(), state.status())).collect();
    let expected = [
        ("a", Status::Failed),
        ("sibling", Status::Succeeded),
        ("b", Status::Skipped),
        ("c", Status::Skipped),
    ];
    assert_eq!(statuses, expected);
    assert_eq!(state.ended.unwrap().1, "`a` failed: as scripted");
}

#[tokio::test]
async fn an_interrupted_attempt_is_lost_and_the_next_drive_starts_another() {
    let runner = Scripted { hang: Some("b"), ..Scripted::default() };
    let hanging = Arc::clone(&runner.hanging);
    let stage = Stage::new(vec![step("a", &[]), step("b", &["a"])], runner).await;
    let stop: Stop = Box::pin(async move { hanging.notified().await });
    assert_eq!(stage.engine.drive(&stage.run, stop).await.unwrap(), Rest::Interrupted);
    assert_eq!(kinds(&stage.log().await).last().unwrap(), "attempt_lost");
    assert_eq!(stage.engine.drive(&stage.run, never_stop()).await.unwrap(), Rest::Ended(Status::Succeeded));
    assert_eq!(stage.started(), [("a".to_owned(), 1), ("b".to_owned(), 1), ("b".to_owned(), 2)]);
}

#[tokio::test]
async fn after_a_kill_the_lost_attempt_is_named_and_its_processes_are_ended() {
    let stage = Stage::new(vec![step("a", &[])], Scripted::default()).await;
    let session = fixtures::session_started("s-1", "a");
    let mark = session.process.unwrap();
    let killed = [
        EventBody::StepStarted { step: "a".into(), attempt: 1 },
        EventBody::SessionStarted(Box::new(session)),
    ];
    let events: Vec<_> = killed
        .into_iter()
        .zip(1..)
        .map(|(body, seq)| Event { run: stage.run.clone(), seq, at: fixtures::at(1), body })
        .collect();
    stage.store.append(1, &events).await.unwrap();
    assert_eq!(stage.engine.drive(&stage.run, never_stop()).await.unwrap(), Rest::Ended(Status::Succeeded));
    assert_eq!(stage.started(), [("a".to_owned(), 2)]);
    let reaped = stage.agents.reaped();
    assert_eq!(reaped, [(stage.run.clone(), vec![mark])]);
    assert!(kinds(&stage.log().await).contains(&"session_ended".to_owned()));
}

#[tokio::test]
async fn knowledge_that_never_answers_holds_a_run_up_once() {
    let mut stage = Stage::new(vec![step("a", &[])], Scripted::default()).await;
    let knowledge = Arc::new(SilentKnowledge::default());
    stage.engine.remember_in(Arc::clone(&knowledge) as _);
    assert_eq!(driven(&stage).await, Rest::Ended(Status::Succeeded));
    assert_eq!(knowledge.asked(), ["remember"]);
    let ended = stage.log().await.last().unwrap().at;
    let held = stage.clock.now().duration_since(ended);
    assert_eq!(
        held,
        jiff::SignedDuration::from_secs(20),
        "one bound for everything, after the run has ended"
    );
}

#[tokio::test]
async fn an_open_write_is_done_after_a_restart_and_only_once() {
    let stage = Stage::new(vec![step("a", &[])], Scripted::default()).await;
    let intent = fixtures::intent("1/a/plan", "a");
    let recorded = EventBody::IntentRecorded(Box::new(intent.clone()));
    let event = Event { run: stage.run.clone(), seq: 1, at: fixtures::at(1), body: recorded };
    stage.store.append(1, &[event]).await.unwrap();
    stage.forge.fail_next(Failure::new(FailureClass::Permanent, "the forge says no"));
    assert_eq!(stage.engine.drive(&stage.run, never_stop()).await.unwrap(), Rest::Ended(Status::Succeeded));
    assert!(
        kinds(&stage.log().await).contains(&"intent_failed".to_owned()),
        "a lost comment does not fail a run"
    );
    assert!(stage.forge.writes().is_empty());
}

#[tokio::test]
async fn a_question_ends_the_drive_and_its_answer_lets_it_go_on() {
    let stuck = || failed(FailureClass::DirtyCheckout);
    let answers = Answers::from([("a", vec![stuck()])]);
    let runner = Scripted { answers: Mutex::new(answers), ..Scripted::default() };
    let stage = Stage::new(vec![step("a", &[])], runner).await;
    let Rest::Asking(questions) = stage.engine.drive(&stage.run, never_stop()).await.unwrap() else {
        panic!("a person is asked")
    };
    assert_eq!(stage.state().await.status(), Status::Waiting);
    let answer = |action: &str| EventBody::EscalationAnswered {
        escalation: questions[0].clone(),
        answer: Answer {
            action: action.to_owned(),
            by: "eve".to_owned(),
            from: "cli".to_owned(),
            note: String::new(),
            tasks: Vec::new(),
        },
    };
    let wrong = stage.engine.tell(&stage.run, &[answer("shrug")]).await.unwrap_err();
    assert!(matches!(wrong, EngineError::Log(_)), "{wrong}");
    stage.engine.tell(&stage.run, &[answer("manual_fix")]).await.unwrap();
    let late = stage.engine.tell(&stage.run, &[answer("reject")]).await.unwrap_err();
    assert!(matches!(late, EngineError::Log(_)), "one answer wins: {late}");
    assert_eq!(stage.engine.drive(&stage.run, never_stop()).await.unwrap(), Rest::Ended(Status::Succeeded));
    assert_eq!(stage.started(), [("a".to_owned(), 1), ("a".to_owned(), 2)]);
}

#[tokio::test]
async fn a_cancel_from_another_process_is_seen_while_a_step_runs() {
    let runner = Scripted { hang: Some("a"), ..Scripted::default() };
    let hanging = Arc::clone(&runner.hanging);
    let stage = Stage::new(vec![step("a", &[]), step("b", &["a"])], runner).await;
    let other = engine(&stage.store, &stage.forge, &stage.agents, &stage.clock, &stage.runner);
    let cancel = async {
        hanging.notified().await;
        other
            .tell(&stage.run, &[EventBody::CancelRequested { by: "eve".to_owned(), superseded_by: None }])
            .await
            .unwrap();
        stage.clock.advance_to_next_wake().await;
    };
    let (rest, ()) = tokio::join!(stage.engine.drive(&stage.run, never_stop()), cancel);
    assert_eq!(rest.unwrap(), Rest::Ended(Status::Cancelled));
    let state = stage.state().await;
    assert!(state.steps().iter().all(|state| state.status() == Status::Cancelled));
}

#[tokio::test]
async fn a_step_that_panics_is_a_failure_that_is_named() {
    struct Panics;
    impl StepRunner for Panics {
        fn start(&self, _: Job<'_>) -> Working {
            Box::pin(async { panic!("boom") })
        }
    }
    let stage = Stage::new(vec![step("a", &[])], Scripted::default()).await;
    let engine = Engine::over(
        Arc::clone(&stage.store) as _,
        Arc::clone(&stage.forge) as _,
        Arc::clone(&stage.agents) as _,
        Arc::clone(&stage.clock) as _,
        Arc::new(Panics),
    );
    assert_eq!(engine.drive(&stage.run, never_stop()).await.unwrap(), Rest::Ended(Status::Failed));
    let state = stage.state().await;
    assert_eq!(state.step(&"a".into()).unwrap().failure().unwrap().class, FailureClass::Internal);
}

#[tokio::test]
async fn a_step_past_its_timeout_is_stopped_and_has_timed_out() {
    let runner = Scripted { hang: Some("a"), ..Scripted::default() };
    let hanging = Arc::clone(&runner.hanging);
    let mut slow = step("a", &[]);
    slow.timeout_secs = Some(90);
    let stage = Stage::new(vec![slow], runner).await;
    let time = async {
        hanging.notified().await;
        stage.clock.next_wake().await;
        stage.clock.advance(jiff::SignedDuration::from_secs(91));
    };
    let (rest, ()) = tokio::join!(stage.engine.drive(&stage.run, never_stop()), time);
    assert_eq!(rest.unwrap(), Rest::Ended(Status::Failed));
    let state = stage.state().await;
    assert_eq!(state.step(&"a".into()).unwrap().failure().unwrap().class, FailureClass::TimedOut);
}

#[tokio::test]
async fn observers_see_every_event_in_order_after_it_is_durable() {
    struct Sees(Arc<MemoryStore>, Mutex<Vec<u64>>);
    impl Observer for Sees {
        fn event(&self, run: &Run, event: &Event) {
            assert!(run.next_seq > event.seq);
            self.1.lock().unwrap().push(event.seq);
        }
    }
    let mut stage = Stage::new(vec![step("a", &[]), step("b", &[])], Scripted::default()).await;
    let sees = Arc::new(Sees(Arc::clone(&stage.store), Mutex::default()));
    stage.engine.observe(Arc::clone(&sees) as _);
    stage.engine.drive(&stage.run, never_stop()).await.unwrap();
    let log = stage.log().await;
    assert_eq!(*sees.1.lock().unwrap(), (1..log.len() as u64).collect::<Vec<_>>());
    assert_eq!(sees.0.load(&stage.run, 0).await.unwrap(), log);
}

#[tokio::test]
async fn closing_writes_a_summary_labels_and_the_end_of_the_issue() {
    let close = Step::new("close", Work::Uses(Uses::Close));
    let stage = Stage::new(vec![close], Scripted::default()).await;
    assert_eq!(stage.engine.drive(&stage.run, never_stop()).await.unwrap(), Rest::Ended(Status::Succeeded));
    let writes: Vec<_> = stage.forge.writes().into_iter().map(|(_, write)| write).collect();
    assert!(matches!(&writes[0], Write::Comment { body, .. } if body.starts_with("## Run 1")), "{writes:?}");
    assert!(writes.iter().any(|write| matches!(write, Write::Labels { add, .. } if add == &["state:done"])));
    assert!(matches!(writes.last(), Some(Write::CloseIssue { issue: 500 })), "{writes:?}");
}

#[tokio::test]
async fn a_secret_that_a_tool_printed_never_becomes_an_event() {
    let known = "correct horse battery staple".to_owned();
    let output = json!({ "last_message": format!("I used {known}"), "deep": [{ "key": "ghp_abcdefghijklmnopqrstuvwxyz0123456789" }] });
    let failure = Failure::new(FailureClass::Permanent, format!("refused {known}")).evidence(json!([known]));
    let answers = Answers::from([("a", vec![Ok(output)]), ("b", vec![Err(failure)])]);
    let runner = Scripted { answers: Mutex::new(answers), ..Scripted::default() };
    let mut stage = Stage::new(vec![step("a", &[]), step("b", &["a"])], runner).await;
    stage.engine.redact(Arc::new(miyabi_core::redact::Redactor::new([known.clone()])));
    stage.engine.drive(&stage.run, never_stop()).await.unwrap();
    let log = serde_json::to_string(&stage.log().await).unwrap();
    assert!(!log.contains(&known) && !log.contains("ghp_"), "{log}");
    assert!(log.matches("[redacted:").count() >= 4, "each place says that something was there: {log}");
}

/// Short of room as often as listed.
struct Crowded(Mutex<Vec<&'static str>>);

#[async_trait::async_trait]
impl Machine for Crowded {
    async fn shortage(&self) -> Option<String> {
        self.0.lock().unwrap().pop().map(str::to_owned)
    }
}

#[tokio::test]
async fn a_machine_that_is_short_of_room_begins_no_further_agent_and_stops_none() {
    let steps = vec![fixtures::task_step(500, 1, &[]), step("light", &[])];
    let mut stage = Stage::new(steps, Scripted::default()).await;
    let short = Crowded(Mutex::new(vec!["only 3 MB are free", "only 2 MB are free"]));
    stage.engine.admit(Arc::new(Admission::on(Arc::new(short))));
    let rest = driven(&stage).await;
    assert_eq!(rest, Rest::Ended(Status::Succeeded));
    let log = stage.log().await;
    let refused: Vec<_> = log
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::StepFailed { failure, .. } => Some(failure.message.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(refused, ["only 2 MB are free", "only 3 MB are free"]);
    let begun = |step: &str| stage.started().iter().filter(|(begun, _)| begun == step).count();
    assert_eq!((begun("light"), begun("task-500-1")), (1, 3), "what is no agent's is not held up");
    let end = log.last().unwrap().at.duration_since(fixtures::at(0)).as_secs();
    assert!((120..130).contains(&end), "a minute after each look: {end} s");
}

/// A day in which two sessions may be had, of which runs side by side get no third.
#[tokio::test]
async fn runs_side_by_side_share_the_budget_of_the_day() {
    let policy = Policy { budget_day_sessions: 2, ..Policy::default() };
    let store = Arc::new(MemoryStore::new());
    for n in 1..=3 {
        let plan = Plan::from(vec![fixtures::task_step(500, 1, &[])]);
        let mut started = RunStarted { policy: policy.clone(), ..fixtures::run_started(plan) };
        started.issue.number = 500 + n;
        store.create_run(&NewRun { id: fixtures::run_id(n), started }, fixtures::at(0)).await.unwrap();
    }
    let (forge, agents) = (Arc::new(RecordingForge::new()), Arc::new(IdleAgents::new()));
    let clock = Arc::new(ManualClock::new(fixtures::at(0)));
    // Their agents have begun and told nothing yet.
    let runner = Arc::new(Scripted { hang: Some("task-500-1"), ..Scripted::default() });
    let admission = Arc::new(Admission::default());
    let engine = || {
        let mut engine = engine(&store, &forge, &agents, &clock, &runner);
        engine.admit(Arc::clone(&admission));
        engine
    };
    let (first, second, third) = (engine(), engine(), engine());
    let (ids, never) = ((1..=3).map(fixtures::run_id).collect::<Vec<_>>(), never_stop);
    let (one, two, three) =
        (first.drive(&ids[0], never()), second.drive(&ids[1], never()), third.drive(&ids[2], never()));
    let (mut one, mut two, mut three) = (Box::pin(one), Box::pin(two), Box::pin(three));
    let rest = tokio::select! {
        rest = &mut one => rest,
        rest = &mut two => rest,
        rest = &mut three => rest,
    };
    assert!(matches!(rest.unwrap(), Rest::Asking(_)), "two work, and one of three asks");
    let states = waiting_for_budget(&store, &ids).await;
    assert_eq!(states.iter().filter(|asks| **asks).count(), 1);
}

/// Which of the runs wait for budget.
async fn waiting_for_budget(store: &MemoryStore, ids: &[RunId]) -> Vec<bool> {
    let mut asking = Vec::new();
    for id in ids {
        let events = store.load(id, 0).await.unwrap();
        asking.push(miyabi_core::run::fold(&events).unwrap().unwrap().asks_for_budget());
    }
    asking
}
