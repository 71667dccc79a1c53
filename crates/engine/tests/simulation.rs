//! The real executor, fold and decisions in a world of chance: a clock that jumps, processes that die at any moment,
//! answers that are lost, late, doubled or refused, people who answer anything, two executors on one run.
//!
//! `MIYABI_SEEDS=5000` plays so many; a seed that fails is played alone by `MIYABI_SEED=<seed>`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests that print their figures")]
#![expect(clippy::disallowed_methods, reason = "seeds are asked for by variables")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use miyabi_core::event::{Answer, Event, EventBody};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::{ChangeNumber, IntentId, IssueNumber, RunId};
use miyabi_core::intent::{Receipt, Write};
use miyabi_core::issue::{Change, Comment, Issue};
use miyabi_core::plan::Work;
use miyabi_core::ports::{Clock, Forge, NewRun, Store, never_stop};
use miyabi_core::run::{Phase, Run, fold};
use miyabi_core::status::Status;
use miyabi_engine::{Engine, EngineError, Job, Rest, StepRunner, Working};
use miyabi_testkit::dice::{Dice, failure, flow_plan, issue_plan, output, started, task};
use miyabi_testkit::{IdleAgents, ManualClock, MemoryStore, fixtures};
use serde_json::json;

/// A run that needs more lives or ticks than this does not end.
const LIVES: u32 = 2_000;

type SharedDice = Arc<Mutex<Dice>>;

fn roll(dice: &SharedDice, sides: usize) -> usize {
    dice.lock().unwrap().roll(sides)
}

/// A forge where things go wrong; its effects outlive every process.
struct ChanceForge {
    dice: SharedDice,
    clock: Arc<ManualClock>,
    /// How often the effect of each write came to be.
    effects: Mutex<BTreeMap<String, u32>>,
}

impl ChanceForge {
    /// The effect, unless it is there: what the marker in a body does on a real forge.
    fn effect(&self, id: &IntentId) -> bool {
        let mut effects = self.effects.lock().unwrap();
        let found = effects.contains_key(id.as_str());
        *effects.entry(id.to_string()).or_default() += u32::from(!found);
        found
    }
}

#[async_trait]
impl Forge for ChanceForge {
    async fn issue(&self, _: IssueNumber) -> Result<Option<Issue>, Failure> {
        Ok(None)
    }

    async fn comments(&self, _: IssueNumber) -> Result<Vec<Comment>, Failure> {
        Ok(Vec::new())
    }

    async fn change(&self, _: ChangeNumber) -> Result<Option<Change>, Failure> {
        Ok(None)
    }

    async fn perform(&self, id: &IntentId, write: &Write, _: Timestamp) -> Result<Receipt, Failure> {
        let passing = |text: &str| Err(Failure::new(FailureClass::Transient, text));
        match roll(&self.dice, 16) {
            0 => return passing("refused for now"),
            1 => {
                self.effect(id);
                return passing("the answer was lost");
            }
            2 => {
                let at = self.clock.now().saturating_add(SignedDuration::from_mins(10)).unwrap();
                return Err(
                    Failure::new(FailureClass::Transient, "a limit").evidence(json!({ "retry_at": at }))
                );
            }
            3 => self.pause(5).await,
            4 => {
                let found = self.effect(id);
                self.pause(90).await;
                return Ok(Receipt { found, ..Receipt::default() });
            }
            5 if matches!(write, Write::Comment { .. }) && roll(&self.dice, 8) == 0 => {
                return Err(Failure::new(FailureClass::Permanent, "refused for good"));
            }
            _ => {}
        }
        let found = self.effect(id);
        let change = matches!(write, Write::OpenChange { .. } | Write::MergeChange { .. }).then_some(501);
        Ok(Receipt { change, found, ..Receipt::default() })
    }
}

impl ChanceForge {
    async fn pause(&self, seconds: i64) {
        let at = self.clock.now().saturating_add(SignedDuration::from_secs(seconds)).unwrap();
        self.clock.sleep_until(at).await;
    }
}

/// Steps that end somehow, some day.
struct ChanceSteps {
    dice: SharedDice,
    clock: Arc<ManualClock>,
    /// How often each attempt of each step was begun, in all lives.
    begun: Mutex<BTreeMap<(String, u32), u32>>,
}

impl StepRunner for ChanceSteps {
    fn start(&self, job: Job<'_>) -> Working {
        let attempt = (job.state.step.id.to_string(), job.state.attempt);
        *self.begun.lock().unwrap().entry(attempt).or_default() += 1;
        let seconds = [0, 0, 0, 1, 30, 3_600][roll(&self.dice, 6)];
        let outcome = {
            let mut dice = self.dice.lock().unwrap();
            match dice.roll(24) {
                0 => Err(failure(&job.state.step.work, &mut dice)),
                _ => Ok(output(job.run, &job.state.step.work, &mut dice)),
            }
        };
        let (clock, mut stop, progress) = (Arc::clone(&self.clock), job.stop.clone(), job.progress.clone());
        let session = format!("{}-{}", job.state.step.id, job.state.attempt);
        let has_session = matches!(job.state.step.work, Work::Task(_) | Work::Agent(_));
        let mut starts = fixtures::session_started(&session, job.state.step.id.as_str());
        starts.attempt = job.state.attempt;
        let ends = fixtures::session_ended(&session, miyabi_core::session::SessionEnd::Completed);
        Box::pin(async move {
            if has_session {
                progress.tell(EventBody::SessionStarted(Box::new(starts))).await;
            }
            let at = clock.now().saturating_add(SignedDuration::from_secs(seconds)).unwrap();
            tokio::select! {
                () = clock.sleep_until(at) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
            if has_session {
                progress.tell(EventBody::SessionEnded(Box::new(ends))).await;
            }
            if *stop.borrow() { Err(Failure::new(FailureClass::Cancelled, "stopped")) } else { outcome }
        })
    }
}

struct World {
    seed: u64,
    dice: SharedDice,
    clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
    forge: Arc<ChanceForge>,
    steps: Arc<ChanceSteps>,
    run: RunId,
}

/// How a life of the processes ended.
enum Life {
    Ended(Status),
    Asks,
    WaitsUntil(Timestamp),
    Died,
}

impl World {
    fn new(seed: u64) -> Self {
        let dice: SharedDice = Arc::new(Mutex::new(Dice::seeded(seed)));
        let clock = Arc::new(ManualClock::new(fixtures::at(0)));
        let forge =
            ChanceForge { dice: Arc::clone(&dice), clock: Arc::clone(&clock), effects: Mutex::default() };
        let steps =
            ChanceSteps { dice: Arc::clone(&dice), clock: Arc::clone(&clock), begun: Mutex::default() };
        let store = Arc::new(MemoryStore::new());
        Self {
            seed,
            dice,
            clock,
            store,
            forge: Arc::new(forge),
            steps: Arc::new(steps),
            run: fixtures::run_id(1),
        }
    }

    fn engine(&self) -> Engine {
        Engine::over(
            Arc::clone(&self.store) as _,
            Arc::clone(&self.forge) as _,
            Arc::new(IdleAgents::new()),
            Arc::clone(&self.clock) as _,
            Arc::clone(&self.steps) as _,
        )
    }

    /// One or two executors, until they rest or the power goes. Dropping the runtime is the power cut: whatever was
    /// under way is gone in the middle.
    fn live(&self) -> Life {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let executors = 1 + usize::from(roll(&self.dice, 10) == 0);
            let mut driven: Vec<_> = (0..executors)
                .map(|_| {
                    let (engine, run) = (self.engine(), self.run.clone());
                    tokio::spawn(async move { engine.drive(&run, never_stop()).await })
                })
                .collect();
            let mut rests = Vec::new();
            loop {
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                }
                for at in (0..driven.len()).rev() {
                    if driven[at].is_finished() {
                        rests.push(driven.swap_remove(at).await.unwrap());
                    }
                }
                if driven.is_empty() {
                    return self.rest(rests);
                }
                if roll(&self.dice, 25) == 0 {
                    return Life::Died;
                }
                self.meanwhile().await;
            }
        })
    }

    fn rest(&self, rests: Vec<Result<Rest, EngineError>>) -> Life {
        let mut life = Life::Died;
        for rest in rests {
            match rest.unwrap_or_else(|error| panic!("seed {}: {error:?}", self.seed)) {
                Rest::Ended(status) => return Life::Ended(status),
                Rest::Asking(_) => life = Life::Asks,
                Rest::Waiting(at) => life = Life::WaitsUntil(at),
                Rest::Interrupted => panic!("seed {}: nobody asked for an end", self.seed),
            }
        }
        life
    }

    /// Time passes, and people do things.
    async fn meanwhile(&self) {
        match roll(&self.dice, 24) {
            0 => self.clock.advance(SignedDuration::from_hours(26)),
            1 => self.clock.advance(SignedDuration::from_secs(-30)),
            2 => self.tell(EventBody::Signalled { what: "a delivery".to_owned() }).await,
            3 => self.answer().await,
            4 if roll(&self.dice, 40) == 0 => {
                self.tell(EventBody::CancelRequested { by: "somebody".to_owned(), superseded_by: None })
                    .await;
            }
            5..=9 => self.clock.advance(SignedDuration::from_mins(7)),
            10..=20 => {
                if let Some(wake) = self.clock.next_wake().now_or_never() {
                    self.clock.advance(wake.duration_since(self.clock.now()).max(SignedDuration::ZERO));
                }
            }
            _ => {}
        }
    }

    async fn answer(&self) {
        let Some(run) = self.engine().read(&self.run).await.unwrap() else { return };
        let Some(question) = run.questions.values().next() else { return };
        let action = question.actions[roll(&self.dice, question.actions.len())].id.clone();
        let tasks = if action == "modify" { vec![task("task-500-1", Vec::new())] } else { Vec::new() };
        let answer = Answer {
            action,
            by: "somebody".to_owned(),
            from: "cli".to_owned(),
            note: "雅".to_owned(),
            tasks,
        };
        // Twice, as people do.
        for _ in 0..=roll(&self.dice, 2) {
            let escalation = question.id.clone();
            self.tell(EventBody::EscalationAnswered { escalation, answer: answer.clone() }).await;
        }
    }

    async fn tell(&self, fact: EventBody) {
        match self.engine().tell(&self.run, &[fact]).await {
            Ok(()) | Err(EngineError::Log(_)) => {}
            Err(error) => panic!("seed {}: {error:?}", self.seed),
        }
    }

    fn log(&self) -> Vec<Event> {
        self.store.load(&self.run, 0).now_or_never().unwrap().unwrap()
    }

    /// What holds at every moment.
    fn check(&self) -> Run {
        let log = self.log();
        for (seq, event) in log.iter().enumerate() {
            assert_eq!(event.seq, seq as u64, "seed {}: a gap in the log", self.seed);
        }
        let run = fold(&log).unwrap_or_else(|illegal| panic!("seed {}: {illegal:?}", self.seed)).unwrap();
        for ((step, attempt), times) in &*self.steps.begun.lock().unwrap() {
            assert_eq!(*times, 1, "seed {}: attempt {attempt} of {step} was begun {times} times", self.seed);
        }
        for (write, times) in &*self.forge.effects.lock().unwrap() {
            assert_eq!(*times, 1, "seed {}: {write} came to be {times} times", self.seed);
        }
        let heavy = run.running().filter(|state| state.is_agents()).count();
        assert!(heavy <= run.policy().max_parallel as usize, "seed {}: {heavy} agents at once", self.seed);
        self.check_needs(&log);
        run
    }

    /// No step began before those that it needs had ended.
    fn check_needs(&self, log: &[Event]) {
        let mut run = Run::start(&log[0]).unwrap();
        for event in &log[1..] {
            if let EventBody::StepStarted { step, .. } = &event.body {
                for need in &run.step(step).unwrap().step.needs {
                    let ended = matches!(run.step(need).unwrap().phase, Phase::Ended(_));
                    assert!(ended, "seed {}: `{step}` began while `{need}` went on", self.seed);
                }
            }
            run.apply(event).unwrap();
        }
    }

    /// What holds when it is over.
    fn check_end(&self, status: Status) {
        let run = self.check();
        assert_eq!(run.ended.as_ref().map(|(status, _)| *status), Some(status), "seed {}", self.seed);
        for state in run.steps() {
            assert!(
                matches!(state.phase, Phase::Ended(_)),
                "seed {}: `{}` is open",
                self.seed,
                state.step.id
            );
        }
        let effects = self.forge.effects.lock().unwrap();
        let mut recorded: BTreeMap<String, &str> = BTreeMap::new();
        let log = self.log();
        for event in &log {
            match &event.body {
                EventBody::IntentRecorded(intent) => {
                    let before = recorded.insert(intent.id.to_string(), "open");
                    assert_eq!(before, None, "seed {}: {} twice", self.seed, intent.id);
                }
                EventBody::IntentDone { intent, .. } => {
                    assert!(effects.contains_key(intent.as_str()), "seed {}: {intent} is no fact", self.seed);
                    recorded.insert(intent.to_string(), "done");
                }
                EventBody::IntentFailed { intent, .. } => {
                    recorded.insert(intent.to_string(), "failed");
                }
                _ => {}
            }
        }
        let open: Vec<_> = recorded.iter().filter(|(_, how)| **how == "open").collect();
        assert!(open.is_empty(), "seed {}: {open:?}", self.seed);
        assert!(effects.keys().all(|effect| recorded.contains_key(effect)), "seed {}", self.seed);
        let sessions = run.sessions.iter().filter(|session| session.end.is_none()).count();
        assert_eq!(sessions, 0, "seed {}: sessions that nobody ended", self.seed);
        let (limit, used) = (miyabi_core::budget::limits(&run).sessions, run.spending.used.sessions);
        assert!(limit == 0.0 || used <= limit, "seed {}: {used} sessions of {limit}", self.seed);
    }
}

/// Plays a seed to its end; says how it ended, how many events it has and how often the power went.
fn play(seed: u64) -> (Status, usize, u32) {
    let world = World::new(seed);
    let max_parallel = 1 + u32::try_from(roll(&world.dice, 4)).unwrap();
    // Every other run is that of a flow that somebody wrote.
    let plan = match seed % 2 {
        0 => issue_plan(),
        _ => {
            let steps = 1 + roll(&world.dice, 16);
            flow_plan(steps, &mut world.dice.lock().unwrap())
        }
    };
    let mut first = started(plan, max_parallel);
    // A third of the runs meets a budget of their own, a third that of the day.
    match roll(&world.dice, 3) {
        0 => first.policy.budget_run_sessions = 1 + u32::try_from(roll(&world.dice, 3)).unwrap(),
        1 => first.policy.budget_day_sessions = 1 + u32::try_from(roll(&world.dice, 4)).unwrap(),
        _ => {}
    }
    first.policy.breaker_tasks = u32::try_from(roll(&world.dice, 3)).unwrap();
    let new = NewRun { id: world.run.clone(), started: first };
    world.store.create_run(&new, world.clock.now()).now_or_never().unwrap().unwrap();
    let mut deaths = 0;
    for _ in 0..LIVES {
        match world.live() {
            Life::Ended(status) => {
                world.check_end(status);
                return (status, world.log().len(), deaths);
            }
            Life::Asks => match roll(&world.dice, 3) {
                0 => world.clock.advance(SignedDuration::from_hours(24 * 8)),
                _ => world.answer().now_or_never().unwrap(),
            },
            Life::WaitsUntil(at) => {
                let wait = at.duration_since(world.clock.now());
                world.clock.advance(wait.max(SignedDuration::ZERO));
            }
            Life::Died => deaths += 1,
        }
        world.check();
    }
    panic!("seed {seed}: the run does not end: {:?}", world.log().last());
}

#[test]
fn every_seed_ends_with_nothing_lost_and_nothing_twice() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("MIYABI_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..number("MIYABI_SEEDS").unwrap_or(300) + 1,
    };
    let (mut ends, mut events, mut deaths) = (BTreeMap::<String, u32>::new(), 0, 0);
    let count = seeds.end - seeds.start;
    for seed in seeds {
        let (status, length, died) = play(seed);
        *ends.entry(status.to_string()).or_default() += 1;
        events += length;
        deaths += died;
    }
    println!("{count} seeds, {events} events, {deaths} power cuts, ends {ends:?}: 0 losses, 0 duplicates");
    assert!(count < 100 || (deaths > 0 && ends.len() >= 2), "chance comes in many shapes");
}
