//! A run of the issue flow that is played by hand: outcomes are listed, everything else is decided.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use miyabi_core::analysis::{Analysis, Kind, Sensitivity};
use miyabi_core::decide::decide;
use miyabi_core::event::{Answer, Event, EventBody, Gate, RunStarted, SessionEnded, SessionStarted};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::{CommitId, RunId, SessionId, StepId, TreeId};
use miyabi_core::intent::{Receipt, Write};
use miyabi_core::issue::Issue;
use miyabi_core::plan::{Plan, Step, Uses, Work};
use miyabi_core::policy::Policy;
use miyabi_core::report::{Coverage, DocCounts, Measured, Measurements, TestCounts, Vulnerabilities, score};
use miyabi_core::run::Run;
use miyabi_core::session::{Adapter, SessionEnd, Usage};
use miyabi_core::status::Status;
use miyabi_core::task::{Decomposition, Task};
use serde_json::{Value, json};

/// A run of the issue flow in which every step does what it should, unless it is listed.
pub(crate) struct Play {
    pub(crate) run: Run,
    pub(crate) now: Timestamp,
    /// Outcomes by step id, in order of the attempts.
    pub(crate) outcomes: HashMap<String, Vec<Result<Value, Failure>>>,
    pub(crate) complexity: f64,
    /// What each agent's session uses; none: no session is told of.
    pub(crate) sessions: Option<Usage>,
    /// What attempts of agents leave for a change: commits by attempt.
    pub(crate) leaves: HashMap<u32, String>,
    pub(crate) writes: Vec<Write>,
    pub(crate) gates: Vec<(String, Gate)>,
    /// How its agents are driven.
    pub(crate) agent: &'static str,
    /// Everything that happened.
    pub(crate) log: Vec<Event>,
}

pub(crate) fn measured() -> Measurements {
    Measurements {
        build: Measured::Value(true),
        tests: Measured::Value(TestCounts { passed: 9, failed: 0, ignored: 0 }),
        coverage: Measured::Value(Coverage { lines: 100, covered: 95 }),
        lint_warnings: Measured::Value(0),
        lint_before: 0,
        security: Measured::Value(Vulnerabilities { packages: 1, ..Vulnerabilities::default() }),
        docs: Measured::Value(DocCounts { public: 10, documented: 10 }),
        secrets: Measured::Value(0),
    }
}

/// A report of so many points, all of them lost by lint; up to 25 can be.
pub(crate) fn report(points: u64) -> Result<Value, Failure> {
    let measured = Measurements { lint_warnings: Measured::Value(100 - points), ..measured() };
    Ok(of(measured))
}

pub(crate) fn of(measured: Measurements) -> Value {
    let ids = (CommitId::new("1".repeat(40)), TreeId::new("2".repeat(40)));
    serde_json::to_value(score(measured, Vec::new(), &Policy::default(), ids.0, ids.1)).unwrap()
}

pub(crate) fn failed(class: FailureClass) -> Result<Value, Failure> {
    let evidence = json!({ "theirs": "5".repeat(40), "files": [] });
    Err(Failure::new(class, "as the test says").evidence(evidence))
}

impl Play {
    pub(crate) fn new(outcomes: &[(&str, Vec<Result<Value, Failure>>)]) -> Self {
        Self::under(Policy::default(), outcomes)
    }

    pub(crate) fn under(policy: Policy, outcomes: &[(&str, Vec<Result<Value, Failure>>)]) -> Self {
        let uses = |uses: Uses, need: Option<Uses>| {
            Step::new(uses.as_str(), Work::Uses(uses)).needs(need.map(|need| StepId::from(need.as_str())))
        };
        let order = [
            Uses::Analyse,
            Uses::Decompose,
            Uses::Execute,
            Uses::Review,
            Uses::Change,
            Uses::Ci,
            Uses::Merge,
            Uses::Close,
        ];
        let needs = std::iter::once(None).chain(order.map(Some));
        let steps: Vec<_> = order.into_iter().zip(needs).map(|(step, need)| uses(step, need)).collect();
        Self::begin(policy, Plan::from(steps), None, outcomes)
    }

    /// A run of another flow.
    pub(crate) fn of(plan: Plan, outcomes: &[(&str, Vec<Result<Value, Failure>>)]) -> Self {
        Self::begin(Policy::default(), plan, None, outcomes)
    }

    /// A run of another flow on a payload.
    pub(crate) fn about(
        plan: Plan,
        payload: Value,
        outcomes: &[(&str, Vec<Result<Value, Failure>>)],
    ) -> Self {
        Self::begin(Policy::default(), plan, Some(payload), outcomes)
    }

    fn begin(
        policy: Policy,
        plan: Plan,
        payload: Option<Value>,
        outcomes: &[(&str, Vec<Result<Value, Failure>>)],
    ) -> Self {
        let started = RunStarted {
            number: 3,
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
            policy,
            adapter: Adapter::Claude,
            planner: None,
            reviewer: None,
            actor: "someone".to_owned(),
            trigger: "cli".to_owned(),
            hosted: false,
            suspicions: Vec::new(),
            channels: Vec::new(),
            payload,
            source: None,
            event: None,
            environment: Default::default(),
            cast: Default::default(),
            subject: None,
            cause: None,
        };
        let body = EventBody::RunStarted(Box::new(started));
        let at = Timestamp::UNIX_EPOCH;
        let first = Event { run: RunId::from("r"), seq: 0, at, body };
        let run = Run::start(&first).unwrap();
        let outcomes = outcomes.iter().map(|(step, list)| ((*step).to_owned(), list.clone())).collect();
        let (writes, gates) = (Vec::new(), Vec::new());
        Self {
            run,
            now: at,
            outcomes,
            complexity: 4.0,
            sessions: None,
            leaves: HashMap::new(),
            writes,
            gates,
            agent: "command",
            log: vec![first],
        }
    }

    pub(crate) fn append(&mut self, body: EventBody) {
        let event = Event { run: self.run.id.clone(), seq: self.run.next_seq, at: self.now, body };
        self.run.apply(&event).unwrap_or_else(|illegal| panic!("{illegal}: {:?}", event.body));
        self.log.push(event.clone());
        match event.body {
            EventBody::GateDecided { step, gate, .. } => self.gates.push((step.to_string(), gate)),
            EventBody::IntentRecorded(intent) => self.writes.push(intent.write),
            _ => {}
        }
    }

    /// Goes on until nothing moves by itself at this time.
    pub(crate) fn go(mut self) -> Self {
        loop {
            let decisions = decide(&self.run, self.now);
            if !decisions.is_empty() {
                decisions.into_iter().for_each(|body| self.append(body));
                continue;
            }
            if let Some(intent) = self.run.open_intents.first().cloned() {
                let opens = !intent.ends_step && matches!(intent.write, Write::OpenChange { .. });
                let listed = match (intent.ends_step, opens) {
                    (true, _) => self.outcomes.get_mut(intent.step.as_str()),
                    (_, true) => self.outcomes.get_mut("open_change"),
                    _ => None,
                };
                let listed = listed.filter(|list| !list.is_empty());
                let outcome = listed.map_or(Ok(json!({ "change": 501 })), |list| list.remove(0));
                let (step, attempt) =
                    (intent.step.clone(), self.run.step(&intent.step).map_or(0, |state| state.attempt));
                self.append(match &outcome {
                    Ok(_) => {
                        let change = opens.then_some(501);
                        let url = change.map(|number| format!("https://forge/{number}"));
                        let receipt = Receipt { change, url, ..Receipt::default() };
                        EventBody::IntentDone { intent: intent.id, receipt }
                    }
                    Err(failure) => EventBody::IntentFailed { intent: intent.id, failure: failure.clone() },
                });
                if intent.ends_step {
                    self.append(match outcome {
                        Ok(output) => EventBody::StepSucceeded { step, attempt, output },
                        Err(failure) => EventBody::StepFailed { step, attempt, failure },
                    });
                }
                continue;
            }
            let Some((step, attempt)) =
                self.run.running().next().map(|state| (state.step.clone(), state.attempt))
            else {
                return self;
            };
            let listed = self.outcomes.get_mut(step.id.as_str()).filter(|list| !list.is_empty());
            let outcome =
                listed.map(|list| list.remove(0)).unwrap_or_else(|| Ok(usual(&step.work, self.complexity)));
            if let (Some(usage), Work::Task(_)) = (self.sessions, &step.work) {
                self.session(&step.id, attempt, usage);
            }
            if let Some(commit) = self.leaves.get(&attempt).filter(|_| matches!(step.work, Work::Agent(_))) {
                let (step, branch, commit) = (step.id.clone(), "miyabi/x".to_owned(), commit.as_str().into());
                self.append(EventBody::WorkCommitted { step, attempt, branch, commit });
            }
            self.append(match outcome {
                Ok(output) => EventBody::StepSucceeded { step: step.id, attempt, output },
                Err(failure) => EventBody::StepFailed { step: step.id, attempt, failure },
            });
        }
    }

    /// A session of one minute.
    fn session(&mut self, step: &StepId, attempt: u32, usage: Usage) {
        let session = SessionId::new(format!("{step}.{attempt}"));
        let started = SessionStarted {
            session: session.clone(),
            step: step.clone(),
            attempt,
            adapter: self.agent.to_owned(),
            process: None,
            containment: None,
            worktree: "/w".into(),
            base: CommitId::new("0".repeat(40)),
            resumes: None,
            transcript: "/t".into(),
            given: Vec::new(),
        };
        self.append(EventBody::SessionStarted(Box::new(started)));
        self.now += SignedDuration::from_secs(60);
        let ended = SessionEnded {
            session,
            end: SessionEnd::Completed,
            usage,
            leftovers: 0,
            refused: Vec::new(),
            changed_outside: Vec::new(),
        };
        self.append(EventBody::SessionEnded(Box::new(ended)));
    }

    pub(crate) fn answer(mut self, action: &str) -> Self {
        let escalation = self.run.questions.keys().next().expect("a question is open").clone();
        let answer = Answer {
            action: action.to_owned(),
            by: "eve".to_owned(),
            from: "cli".to_owned(),
            note: String::new(),
            tasks: Vec::new(),
        };
        self.append(EventBody::EscalationAnswered { escalation, answer });
        self.go()
    }

    pub(crate) fn later(mut self, secs: i64) -> Self {
        self.now += SignedDuration::from_secs(secs);
        self.go()
    }

    pub(crate) fn status(&self, step: &str) -> Status {
        self.run.step(&StepId::from(step)).unwrap_or_else(|| panic!("no step `{step}`")).status()
    }

    pub(crate) fn ended(&self) -> Option<Status> {
        self.run.ended.as_ref().map(|(status, _)| *status)
    }

    pub(crate) fn question(&self) -> &str {
        &self.run.questions.values().next().expect("a question is open").reason
    }
}

pub(crate) fn usual(work: &Work, complexity: f64) -> Value {
    let task = |n: u32| Task {
        id: StepId::new(format!("task-500-{n}")),
        title: format!("Task {n}"),
        description: String::new(),
        kind: Kind::Feature,
        agent: "codegen".to_owned(),
        estimate_minutes: 10,
        dependencies: Vec::new(),
        acceptance: Vec::new(),
        files: Vec::new(),
    };
    match work {
        Work::Uses(Uses::Analyse) => serde_json::to_value(Analysis {
            complexity,
            kind: Kind::Feature,
            security: Sensitivity::Low,
            estimate_minutes: 60,
            areas: Vec::new(),
            reasons: Vec::new(),
            analyst: "test".to_owned(),
        })
        .unwrap(),
        Work::Uses(Uses::Decompose) => serde_json::to_value(Decomposition {
            tasks: vec![task(1), task(2)],
            coordinator: "test".to_owned(),
        })
        .unwrap(),
        Work::Uses(Uses::Review) => of(measured()),
        _ => json!({ "commit": "3".repeat(40), "tree": "4".repeat(40) }),
    }
}
