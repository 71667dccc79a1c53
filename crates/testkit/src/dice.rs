//! Chance: outcomes of steps as they might come, from rolls that a failing case shrinks or from a seed.

use jiff::Timestamp;
use miyabi_core::analysis::{Analysis, Kind, Sensitivity};
use miyabi_core::cast::Cast;
use miyabi_core::event::RunStarted;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::{CommitId, StepId, TreeId};
use miyabi_core::issue::Issue;
use miyabi_core::plan::{
    ActionCall, ActionKind, AgentWork, Integrate, OnFailure, Plan, Purpose, RunCondition, Step, TaskWork,
    Uses, Work,
};
use miyabi_core::policy::Policy;
use miyabi_core::report::{Coverage, DocCounts, Measured, Measurements, TestCounts, Vulnerabilities, score};
use miyabi_core::run::Run;
use miyabi_core::session::Adapter;
use miyabi_core::task::{Decomposition, Task};
use serde_json::{Value, json};

/// A source of choices.
#[derive(Clone, Debug)]
pub struct Dice(Source);

#[derive(Clone, Debug)]
enum Source {
    /// These, and then always 0, the friendliest choice.
    Rolls(Vec<u16>, usize),
    /// As many as are wanted, the same for the same seed.
    Seed(u64),
}

impl Dice {
    /// Choices that a failing case shrinks.
    pub fn of(rolls: Vec<u16>) -> Self {
        Self(Source::Rolls(rolls, 0))
    }

    /// Choices of a seed.
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seed(seed))
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        let roll = match &mut self.0 {
            Source::Rolls(rolls, at) => {
                let roll = rolls.get(*at).copied().unwrap_or(0);
                *at += 1;
                u64::from(roll)
            }
            Source::Seed(state) => {
                // SplitMix64.
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                (mixed ^ (mixed >> 31)) >> 11
            }
        };
        usize::try_from(roll % sides.max(1) as u64).unwrap_or_default()
    }
}

/// A task of that id.
pub fn task(id: &str, dependencies: Vec<StepId>) -> Task {
    Task {
        id: id.into(),
        title: format!("Do {id}"),
        description: String::new(),
        kind: Kind::Feature,
        agent: "codegen".to_owned(),
        estimate_minutes: 10,
        dependencies,
        acceptance: Vec::new(),
        files: Vec::new(),
    }
}

/// The first event of a run of issue 500.
pub fn started(plan: Plan, max_parallel: u32) -> RunStarted {
    RunStarted {
        number: 1,
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
        plan,
        policy: Policy { max_parallel, ..Policy::default() },
        adapter: Adapter::Claude,
        planner: None,
        reviewer: None,
        actor: "someone".to_owned(),
        trigger: "cli".to_owned(),
        hosted: false,
        suspicions: Vec::new(),
        channels: Vec::new(),
        payload: None,
        source: None,
        event: None,
        environment: Default::default(),
        cast: Cast::default(),
        subject: None,
        cause: None,
    }
}

/// The steps of the built-in issue flow.
pub fn issue_plan() -> Plan {
    let uses = |uses: Uses, needs: &[&str]| {
        Step::new(uses.as_str(), Work::Uses(uses)).needs(needs.iter().copied().map(StepId::from))
    };
    let mut record = uses(Uses::Record, &["merge", "execute"]);
    record.run_condition = RunCondition::Always;
    let mut cleanup = uses(Uses::Cleanup, &["merge"]);
    cleanup.on_failure = OnFailure::Continue;
    Plan::from(vec![
        uses(Uses::Analyse, &[]),
        uses(Uses::Decompose, &["analyse"]),
        uses(Uses::Execute, &["decompose"]),
        uses(Uses::Review, &["execute"]),
        uses(Uses::Change, &["review"]),
        uses(Uses::Ci, &["change"]),
        uses(Uses::Merge, &["ci"]),
        record,
        cleanup,
        uses(Uses::Close, &["merge", "cleanup"]),
    ])
}

/// A plan of `n` steps of all weights with random needs, conditions and failure rules.
pub fn flow_plan(n: usize, dice: &mut Dice) -> Plan {
    let mut steps: Vec<Step> = Vec::new();
    for ix in 0..n {
        let id = format!("s{ix}");
        let tasks: Vec<_> =
            steps.iter().filter(|step| step.task().is_some()).map(|step| step.id.clone()).collect();
        let work = match dice.roll(6) {
            0 | 1 => Work::Uses(Uses::Execute),
            2 => Work::Uses(Uses::Deploy),
            3 if !tasks.is_empty() => {
                Work::Integrate(Integrate { of: tasks[dice.roll(tasks.len())].clone(), resolutions: 0 })
            }
            4 => Work::Agent(AgentWork { agent: "reader".to_owned(), skills: Vec::new() }),
            _ => Work::Task(Box::new(TaskWork {
                task: task(&id, Vec::new()),
                index: u32::try_from(ix + 1).unwrap_or_default(),
                total: u32::try_from(n).unwrap_or_default(),
                purpose: Purpose::Implement,
            })),
        };
        let mut needs: Vec<StepId> = Vec::new();
        if let Work::Integrate(integrate) = &work {
            needs.push(integrate.of.clone());
        }
        for _ in 0..dice.roll(4).min(ix) {
            let need = StepId::from(format!("s{}", dice.roll(ix)));
            if !needs.contains(&need) {
                needs.push(need);
            }
        }
        let mut step = Step::new(id, work).needs(needs);
        step.run_condition = match dice.roll(10) {
            6 | 7 => RunCondition::Always,
            8 => RunCondition::OnFailure,
            9 => RunCondition::Manual,
            _ => RunCondition::OnSuccess,
        };
        step.on_failure = [OnFailure::Stop, OnFailure::Continue, OnFailure::Retry][dice.roll(3)];
        step.max_retries = 1;
        step.condition = match (dice.roll(6), step.needs.first()) {
            (0, Some(need)) => Some(format!("steps['{need}'].output != null")),
            (1, Some(need)) => Some(format!("steps['{need}'].status in ['failed', 'skipped']")),
            (2, _) => Some("trigger.payload.gone == 1".to_owned()),
            _ => None,
        };
        // Of what an action is told, some cannot be written.
        let told = ["said ${steps['s0'].status}", "${steps['s0'].output.none}"][dice.roll(2)];
        step.actions = match dice.roll(4) {
            0 => vec![ActionCall {
                action: ActionKind::PostIssueComment,
                with: [("body".to_owned(), json!(told))].into(),
            }],
            1 => vec![ActionCall {
                action: ActionKind::AddLabels,
                with: [("labels".to_owned(), json!(["seen", told]))].into(),
            }],
            _ => Vec::new(),
        };
        steps.push(step);
    }
    Plan::from(steps)
}

/// What an attempt that succeeds may give.
///
/// # Panics
/// Never: these are plain values.
pub fn output(run: &Run, work: &Work, dice: &mut Dice) -> Value {
    match work {
        Work::Uses(Uses::Analyse) => serde_json::to_value(Analysis {
            complexity: [2.0, 4.0, 6.0, 8.0][dice.roll(4)],
            kind: Kind::Feature,
            security: Sensitivity::Low,
            estimate_minutes: 60,
            areas: Vec::new(),
            reasons: Vec::new(),
            analyst: "dice".to_owned(),
        })
        .expect("plain data becomes JSON"),
        Work::Uses(Uses::Decompose) => {
            let mut tasks: Vec<Task> = Vec::new();
            for n in 1..=1 + dice.roll(6) {
                let earlier: Vec<_> = tasks.iter().map(|task| task.id.clone()).collect();
                let dependencies = earlier.into_iter().filter(|_| dice.roll(3) == 1).collect();
                tasks.push(task(&format!("task-500-{n}"), dependencies));
            }
            serde_json::to_value(Decomposition { tasks, coordinator: "dice".to_owned() })
                .expect("plain data becomes JSON")
        }
        Work::Uses(Uses::Review) => {
            let measured = Measurements {
                build: Measured::Value(dice.roll(8) != 1),
                tests: Measured::Value(TestCounts { passed: 3, failed: [0, 0, 2][dice.roll(3)], ignored: 0 }),
                coverage: Measured::Value(Coverage { lines: 100, covered: [100, 0][dice.roll(2)] }),
                lint_warnings: Measured::Value([0, 12, 40][dice.roll(3)]),
                lint_before: 0,
                security: Measured::Value(Vulnerabilities {
                    packages: 1,
                    critical_or_high: [0, 0, 1][dice.roll(3)],
                    medium: 0,
                    low: 0,
                }),
                docs: Measured::Value(DocCounts { public: 10, documented: [10, 5][dice.roll(2)] }),
                secrets: Measured::Value([0, 0, 0, 1][dice.roll(4)]),
            };
            let ids = (CommitId::new("1".repeat(40)), TreeId::new("2".repeat(40)));
            serde_json::to_value(score(measured, Vec::new(), run.policy(), ids.0, ids.1))
                .expect("plain data becomes JSON")
        }
        _ => json!({ "commit": "3".repeat(40), "tree": "4".repeat(40) }),
    }
}

/// How an attempt may fail.
pub fn failure(work: &Work, dice: &mut Dice) -> Failure {
    let classes = [
        FailureClass::Permanent,
        FailureClass::Transient,
        FailureClass::ChecksFailed,
        FailureClass::TimedOut,
        FailureClass::NoChanges,
        FailureClass::DirtyCheckout,
        FailureClass::BaseMoved,
        FailureClass::Conflict,
    ];
    if matches!(work, Work::Uses(Uses::Ci)) {
        let class = [
            FailureClass::Pending,
            FailureClass::CiFailed,
            FailureClass::ChangesRequested,
            FailureClass::Rejected,
            FailureClass::Transient,
        ][dice.roll(5)];
        return Failure::new(class, "the dice said so").evidence(json!(["check `日本` failed"]));
    }
    let possible = match work {
        Work::Integrate(_) | Work::Uses(Uses::Update) => 8,
        Work::Uses(Uses::Merge) => 7,
        _ => 5,
    };
    let failure = Failure::new(classes[dice.roll(possible)], "the dice said so");
    failure.evidence(json!({ "theirs": "5".repeat(40), "files": [] }))
}
