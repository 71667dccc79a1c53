//! Sessions, tasks and open questions.

use jiff::SignedDuration;
use miyabi_core::budget::Amounts;
use miyabi_core::event::{Answer, EventBody, SessionEnded};
use miyabi_core::ids::RunId;
use miyabi_core::plan::{Extension, Purpose, Step, TaskWork, Work};
use miyabi_core::ports::{EscalationRow, SessionRow, Store, TaskRow, UsedSince};
use miyabi_core::session::{SessionEnd, Usage};
use miyabi_core::status::Status;

use crate::fixtures::{
    at, escalation, events, new_run, run_id, session_ended, session_started, step_started, task, task_step,
};

/// What is true of the tables beside the log, read through the port.
pub async fn facts<S: Store>(make: impl Fn() -> S) {
    a_run_without_sessions_tasks_and_questions_has_none(&make()).await;
    sessions_go_from_start_to_end(&make()).await;
    sessions_of_a_lost_attempt_have_ended(&make()).await;
    what_sessions_used_is_added_up(&make()).await;
    tasks_are_the_steps_that_implement_one(&make()).await;
    tasks_of_the_first_plan_count_too(&make()).await;
    questions_are_open_until_their_answer(&make()).await;
    questions_end_with_their_run(&make()).await;
    what_happens_in_one_run_is_not_seen_in_another(&make()).await;
}

async fn begin(store: &impl Store, n: u64) -> RunId {
    store.create_run(&new_run(n, 499 + n), at(0)).await.expect("the store takes a run");
    run_id(n)
}

async fn append(store: &impl Store, run: &RunId, from: u64, bodies: Vec<EventBody>) {
    store.append(from, &events(run, from, bodies)).await.expect("the store takes events");
}

async fn sessions(store: &impl Store, run: &RunId) -> Vec<SessionRow> {
    store.sessions(run).await.expect("sessions can be listed")
}

async fn tasks(store: &impl Store, run: &RunId) -> Vec<TaskRow> {
    store.tasks(run).await.expect("tasks can be listed")
}

async fn questions(store: &impl Store) -> Vec<EscalationRow> {
    store.open_escalations().await.expect("questions can be listed")
}

fn started(session: &str, step: &str) -> EventBody {
    EventBody::SessionStarted(Box::new(session_started(session, step)))
}

fn ended(session: &str, end: SessionEnd) -> EventBody {
    EventBody::SessionEnded(Box::new(session_ended(session, end)))
}

fn raised(id: &str) -> EventBody {
    EventBody::EscalationRaised(Box::new(escalation(id, "review")))
}

fn answered(id: &str, action: &str) -> EventBody {
    let answer = Answer {
        action: action.to_owned(),
        by: "ボブ".to_owned(),
        from: "cli".to_owned(),
        note: String::new(),
        tasks: Vec::new(),
    };
    EventBody::EscalationAnswered { escalation: id.into(), answer }
}

/// A session that runs since `since`.
fn running(session: &str, run: &RunId, step: &str, since: i64) -> SessionRow {
    SessionRow {
        id: session.into(),
        run: run.clone(),
        step: step.into(),
        attempt: 1,
        adapter: "command".to_owned(),
        status: Status::Running,
        started_at: at(since),
        completion_time: None,
        duration_sec: None,
        usage: Usage::default(),
    }
}

/// The same after its end.
fn over(row: SessionRow, status: Status, since: i64, until: i64, usage: Usage) -> SessionRow {
    SessionRow { status, completion_time: Some(at(until)), duration_sec: Some(until - since), usage, ..row }
}

fn task_row(run: &RunId, issue: u64, n: u32, dependencies: &[u32]) -> TaskRow {
    let task = task(issue, n, dependencies);
    TaskRow {
        task_id: task.id,
        run: run.clone(),
        issue_id: issue,
        title: task.title,
        dependencies: task.dependencies,
        estimated_duration: 60,
        agent_type: "codegen".to_owned(),
    }
}

fn extended(steps: Vec<Step>) -> EventBody {
    let extension = Box::new(Extension { steps, ..Extension::default() });
    EventBody::PlanExtended { by: "decompose".into(), extension }
}

fn question(run: &RunId, number: u64, id: &str) -> EscalationRow {
    EscalationRow { run: run.clone(), number, id: id.into(), escalation: escalation(id, "review") }
}

async fn a_run_without_sessions_tasks_and_questions_has_none(store: &impl Store) {
    let run = begin(store, 1).await;
    assert_eq!(sessions(store, &run).await, []);
    assert_eq!(tasks(store, &run).await, []);
    assert_eq!(questions(store).await, []);
    assert_eq!(sessions(store, &run_id(9)).await, []);
    assert_eq!(tasks(store, &run_id(9)).await, []);
}

async fn what_sessions_used_is_added_up(store: &impl Store) {
    assert_eq!(store.used_since(at(0)).await.expect("it can be read"), UsedSince::default());
    let usage = Usage { input_tokens: Some(200), output_tokens: Some(4), cost_usd: Some(0.5), turns: None };
    let mut large = session_ended("s1", SessionEnd::Completed);
    large.usage = usage;
    let mut silent = session_ended("s2", SessionEnd::TimedOut);
    silent.usage = Usage::default();
    let first = begin(store, 1).await;
    let bodies = vec![
        started("s1", "a"),
        started("s2", "b"),
        EventBody::SessionEnded(Box::new(large)),
        EventBody::SessionEnded(Box::new(silent)),
    ];
    append(store, &first, 1, bodies).await;
    let second = begin(store, 2).await;
    append(store, &second, 1, vec![step_started("a"), started("s1", "a")]).await;
    let used = store.used_since(at(0)).await.expect("it can be read");
    let rows = [sessions(store, &first).await, sessions(store, &second).await].concat();
    let seconds: i64 = rows.iter().filter_map(|row| row.duration_sec).sum();
    let longest = rows.iter().filter_map(|row| row.duration_sec).max().unwrap_or_default();
    let expected = UsedSince {
        used: Amounts { sessions: 3.0, minutes: seconds as f64 / 60.0, tokens: 204.0, usd: 0.5 },
        largest: Amounts { sessions: 1.0, minutes: longest as f64 / 60.0, tokens: 204.0, usd: 0.5 },
        open: 1,
    };
    assert_eq!(used.open, expected.open);
    assert_eq!(used.largest, expected.largest);
    assert!((used.used.minutes - expected.used.minutes).abs() < 1e-9 && seconds > 0, "{used:?}");
    assert_eq!(used.used.tokens, 204.0);
    // Those of the first run began earlier.
    let later = rows.last().map(|row| row.started_at).expect("there are sessions");
    let used = store.used_since(later).await.expect("it can be read");
    assert_eq!(
        (used.used.sessions, used.open),
        (rows.iter().filter(|row| row.started_at >= later).count() as f64, 1)
    );
    let nobody = later.saturating_add(SignedDuration::from_secs(1)).expect("time goes on");
    assert_eq!(store.used_since(nobody).await.expect("it can be read"), UsedSince::default());
}

async fn sessions_go_from_start_to_end(store: &impl Store) {
    let run = begin(store, 1).await;
    let usage = session_ended("", SessionEnd::Completed).usage;
    let large = Usage { input_tokens: Some(u64::MAX >> 1), cost_usd: Some(0.1 + 0.2), ..Usage::default() };
    let bodies = vec![
        started("s1", "task-500-1"),
        started("s2", "task-500-2"),
        started("s3", "task-500-3"),
        started("s4", "task-500-4"),
        started("s5", "task-500-5"),
        ended("s2", SessionEnd::TimedOut),
        ended("s1", SessionEnd::Completed),
        ended("s3", SessionEnd::Stopped),
        EventBody::SessionEnded(Box::new(SessionEnded {
            usage: large,
            ..session_ended(
                "s4",
                SessionEnd::NotStarted { detail: "ない".to_owned(), hint: "入れる".to_owned() },
            )
        })),
        // Of a session that nobody saw start.
        ended("s9", SessionEnd::Completed),
    ];
    append(store, &run, 1, bodies).await;
    let row = |session: &str, step: &str, since: i64| running(session, &run, step, since);
    let expected = [
        over(row("s1", "task-500-1", 1), Status::Succeeded, 1, 7, usage),
        over(row("s2", "task-500-2", 2), Status::Failed, 2, 6, usage),
        over(row("s3", "task-500-3", 3), Status::Cancelled, 3, 8, usage),
        over(row("s4", "task-500-4", 4), Status::Failed, 4, 9, large),
        row("s5", "task-500-5", 5),
    ];
    assert_eq!(sessions(store, &run).await, expected);
}

async fn sessions_of_a_lost_attempt_have_ended(store: &impl Store) {
    let run = begin(store, 1).await;
    let usage = session_ended("", SessionEnd::Completed).usage;
    append(store, &run, 1, vec![started("s1", "a"), started("s2", "a"), ended("s1", SessionEnd::Completed)])
        .await;
    append(store, &run, 4, vec![started("s3", "b"), EventBody::AttemptLost { step: "a".into(), attempt: 1 }])
        .await;
    append(store, &run, 6, vec![EventBody::AttemptLost { step: "b".into(), attempt: 2 }]).await;
    let expected = [
        over(running("s1", &run, "a", 1), Status::Succeeded, 1, 3, usage),
        over(running("s2", &run, "a", 2), Status::Failed, 2, 5, Usage::default()),
        running("s3", &run, "b", 4),
    ];
    assert_eq!(sessions(store, &run).await, expected);
}

async fn tasks_are_the_steps_that_implement_one(store: &impl Store) {
    let run = begin(store, 1).await;
    let rework = TaskWork {
        task: task(500, 7, &[]),
        index: 1,
        total: 1,
        purpose: Purpose::Rework { findings: vec!["tests: 2 failed".to_owned()] },
    };
    let steps = vec![task_step(500, 2, &[]), task_step(500, 1, &[2]), task_step(500, 3, &[1, 2])];
    append(store, &run, 1, vec![step_started("decompose"), extended(steps)]).await;
    append(store, &run, 3, vec![extended(vec![Step::new("rework-1", Work::Task(Box::new(rework)))])]).await;
    append(store, &run, 4, vec![extended(vec![task_step(500, 10, &[])])]).await;
    let expected = [
        task_row(&run, 500, 2, &[]),
        task_row(&run, 500, 1, &[2]),
        task_row(&run, 500, 3, &[1, 2]),
        task_row(&run, 500, 10, &[]),
    ];
    assert_eq!(tasks(store, &run).await, expected);
}

async fn tasks_of_the_first_plan_count_too(store: &impl Store) {
    let mut new = new_run(1, 500);
    new.started.plan.steps.push(task_step(500, 1, &[]));
    store.create_run(&new, at(0)).await.expect("the store takes a run");
    assert_eq!(tasks(store, &new.id).await, [task_row(&new.id, 500, 1, &[])]);
}

async fn questions_are_open_until_their_answer(store: &impl Store) {
    let (one, two) = (begin(store, 1).await, begin(store, 2).await);
    append(store, &one, 1, vec![step_started("review"), raised("1-1"), raised("1-2")]).await;
    append(store, &two, 1, vec![raised("2-1")]).await;
    let asked = [question(&two, 2, "2-1"), question(&one, 1, "1-1"), question(&one, 1, "1-2")];
    assert_eq!(questions(store).await, asked);

    append(store, &one, 4, vec![answered("1-1", "reject"), answered("9-9", "reject")]).await;
    assert_eq!(questions(store).await, [question(&two, 2, "2-1"), question(&one, 1, "1-2")]);
}

async fn questions_end_with_their_run(store: &impl Store) {
    let run = begin(store, 1).await;
    append(store, &run, 1, vec![raised("1-1")]).await;
    let end = EventBody::RunFinished { status: Status::Cancelled, reason: "stopped".to_owned() };
    append(store, &run, 2, vec![end]).await;
    assert_eq!(questions(store).await, []);
}

async fn what_happens_in_one_run_is_not_seen_in_another(store: &impl Store) {
    let (one, two) = (begin(store, 1).await, begin(store, 2).await);
    for run in [&one, &two] {
        let bodies = vec![started("s1", "a"), extended(vec![task_step(500, 1, &[])]), raised("1-1")];
        append(store, run, 1, bodies).await;
    }
    append(store, &one, 4, vec![ended("s1", SessionEnd::Completed), answered("1-1", "reject")]).await;
    assert_eq!(sessions(store, &two).await, [running("s1", &two, "a", 1)]);
    assert_eq!(questions(store).await, [question(&two, 2, "1-1")]);
    let other_issue = TaskRow { issue_id: 501, ..task_row(&two, 500, 1, &[]) };
    assert_eq!(tasks(store, &two).await, [other_issue]);
}
