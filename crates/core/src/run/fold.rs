//! Events change the state of a run; this is the one table of legal transitions.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::{Phase, Ready, Run, Spending, Weight, weight};
use crate::autonomy;
use crate::event::{Answer, Event, EventBody, Gate, RunStarted};
use crate::failure::{Failure, FailureClass};
use crate::ids::{Attempt, EscalationId, StepId};
use crate::intent::Intent;
use crate::plan::{Extension, Plan, RunCondition, Uses, Work};
use crate::status::Status;
use crate::task::{Decomposition, check_tasks};

/// An event that cannot follow what came before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {seq} of run `{run}` cannot follow: {why}")]
pub struct Illegal {
    /// The run.
    pub run: String,
    /// The event's place.
    pub seq: u64,
    /// What does not fit.
    pub why: String,
}

/// Folds a log into the run that it tells; `None` for an empty log.
pub fn fold<'a>(events: impl IntoIterator<Item = &'a Event>) -> Result<Option<Run>, Illegal> {
    let mut events = events.into_iter();
    let Some(first) = events.next() else { return Ok(None) };
    let mut run = Run::start(first)?;
    for event in events {
        run.apply(event)?;
    }
    Ok(Some(run))
}

impl Run {
    /// The run that begins with this event.
    pub fn start(event: &Event) -> Result<Self, Illegal> {
        let illegal = |why: &str| Illegal { run: event.run.to_string(), seq: event.seq, why: why.to_owned() };
        let EventBody::RunStarted(started) = &event.body else {
            return Err(illegal("the first event is not `run_started`"));
        };
        if event.seq != 0 {
            return Err(illegal("the first event is not number 0"));
        }
        let mut run = Self {
            id: event.run.clone(),
            started: RunStarted {
                plan: Plan { steps: Vec::new(), ..started.plan.clone() },
                ..RunStarted::clone(started)
            },
            started_at: event.at,
            last_at: event.at,
            next_seq: 1,
            ended: None,
            cancelled_by: None,
            superseded_by: None,
            sessions: Vec::new(),
            questions: BTreeMap::new(),
            asked_at: BTreeMap::new(),
            questions_raised: 0,
            answers_by_people: 0,
            open_intents: Vec::new(),
            spending: Spending::default(),
            intents: HashMap::new(),
            steps: Vec::new(),
            index: HashMap::new(),
            output_keys: HashMap::new(),
            trigger: Arc::new(super::condition::trigger(started)),
            ready: Ready::default(),
            running: BTreeSet::new(),
            judging: BTreeSet::new(),
            timed: BTreeSet::new(),
            unfinished: 0,
        };
        let plan = Extension { steps: started.plan.steps.clone(), ..Extension::default() };
        run.extend(&plan, None).map_err(|why| illegal(&why))?;
        Ok(run)
    }

    /// Takes the next event. An illegal one changes nothing.
    pub fn apply(&mut self, event: &Event) -> Result<(), Illegal> {
        self.transition(event).map_err(|why| Illegal { run: self.id.to_string(), seq: event.seq, why })?;
        self.next_seq += 1;
        self.last_at = self.last_at.max(event.at);
        Ok(())
    }

    fn transition(&mut self, event: &Event) -> Result<(), String> {
        if event.run != self.id {
            return Err(format!("it belongs to run `{}`", event.run));
        }
        if event.seq != self.next_seq {
            return Err(format!("the log is at {}", self.next_seq));
        }
        if self.ended.is_some() {
            return Err("the run has ended".to_owned());
        }
        let at = event.at;
        match &event.body {
            EventBody::RunStarted(_) => Err("the run has started already".to_owned()),
            EventBody::StepStarted { step, attempt } => self.step_started(step, *attempt, at),
            EventBody::StepSucceeded { step, attempt, output } => {
                self.attempt_ended(step, *attempt, Ok(output.clone()), at)
            }
            EventBody::StepFailed { step, attempt, failure } => {
                self.attempt_ended(step, *attempt, Err(failure.clone()), at)
            }
            EventBody::AttemptLost { step, attempt } => {
                let ix = self.running_attempt(step, *attempt)?;
                self.running.remove(&ix);
                self.steps[ix].phase = Phase::Queued;
                self.make_ready(ix);
                Ok(())
            }
            EventBody::StepSkipped { step, reason } => {
                let ix = self.queued_and_ready(step)?;
                self.steps[ix].skipped = Some(reason.clone());
                self.steps[ix].passes = self.all_needs_pass(&self.steps[ix]);
                self.end_step(ix, Status::Skipped, at);
                Ok(())
            }
            EventBody::StepCancelled { step } => self.step_cancelled(step, at),
            EventBody::GateDecided { step, gate, rule, .. } => self.gate_decided(step, gate, rule, at),
            EventBody::PlanExtended { by, extension } => {
                let by = self.known(by)?;
                self.extend(extension, Some(by))
            }
            EventBody::EscalationRaised(question) => {
                let ix = self.known(&question.step)?;
                if self.steps[ix].phase != Phase::Judging {
                    return Err(format!("step `{}` has nothing to ask about", question.step));
                }
                if self.questions.insert(question.id.clone(), (**question).clone()).is_some() {
                    return Err(format!("question `{}` was raised already", question.id));
                }
                self.asked_at.insert(question.id.clone(), at);
                self.questions_raised += 1;
                Ok(())
            }
            EventBody::EscalationAnswered { escalation, answer } => self.answered(escalation, answer),
            EventBody::SessionStarted(session) => self.session_started(session, at),
            EventBody::SessionNamed { session, name } => self.session_named(session, name),
            EventBody::WorkCommitted { step, attempt, branch, commit } => {
                let ix = self.running_attempt(step, *attempt)?;
                self.steps[ix].work = Some((branch.clone(), commit.clone()));
                Ok(())
            }
            EventBody::SessionEnded(ended) => self.session_ended(ended, at),
            EventBody::IntentRecorded(intent) => {
                if self.intents.contains_key(&intent.id) {
                    return Err(format!("intent `{}` was recorded already", intent.id));
                }
                self.intents.insert(intent.id.clone(), None);
                self.open_intents.push((**intent).clone());
                Ok(())
            }
            EventBody::IntentDone { intent, receipt } => {
                let done = self.close_intent(intent.as_str())?;
                self.offer(&done, receipt);
                self.intents.insert(intent.clone(), Some(receipt.clone()));
                Ok(())
            }
            EventBody::IntentFailed { intent, .. } => self.close_intent(intent.as_str()).map(drop),
            EventBody::Signalled { .. } => {
                self.wake_waiting(at);
                Ok(())
            }
            EventBody::CancelRequested { by, superseded_by } => {
                if self.cancelled_by.is_none() {
                    self.superseded_by = *superseded_by;
                    self.cancelled_by = Some(by.clone());
                }
                Ok(())
            }
            EventBody::RunFinished { status, reason } => {
                if self.unfinished > 0 || !self.open_intents.is_empty() {
                    return Err("steps or writes are still open".to_owned());
                }
                self.ended = Some((*status, reason.clone()));
                Ok(())
            }
        }
    }

    pub(super) fn known(&self, step: &StepId) -> Result<usize, String> {
        self.index.get(step).copied().ok_or_else(|| format!("no step `{step}`"))
    }

    pub(super) fn running_attempt(&self, step: &StepId, attempt: Attempt) -> Result<usize, String> {
        let ix = self.known(step)?;
        let state = &self.steps[ix];
        if state.phase != Phase::Running {
            return Err(format!("step `{step}` is {}", state.status()));
        }
        if state.attempt != attempt {
            return Err(format!(
                "attempt {attempt} of step `{step}` is over: attempt {} runs",
                state.attempt
            ));
        }
        Ok(ix)
    }

    fn queued_and_ready(&self, step: &StepId) -> Result<usize, String> {
        let ix = self.known(step)?;
        let state = &self.steps[ix];
        if state.phase != Phase::Queued || state.open_needs > 0 {
            return Err(format!("step `{step}` is {} with {} open needs", state.status(), state.open_needs));
        }
        Ok(ix)
    }

    fn step_started(&mut self, step: &StepId, attempt: Attempt, at: Timestamp) -> Result<(), String> {
        let ix = match self.steps[self.known(step)?].phase {
            Phase::RetryAt(_) => self.known(step)?,
            _ => self.queued_and_ready(step)?,
        };
        let state = &mut self.steps[ix];
        if attempt != state.attempt + 1 {
            return Err(format!("attempt {attempt} of step `{step}` cannot follow {}", state.attempt));
        }
        if self.ready.doomed.contains(&ix) {
            return Err(format!("the condition of step `{step}` does not hold"));
        }
        if let Phase::RetryAt(time) = state.phase {
            self.timed.remove(&(time, ix));
        }
        state.phase = Phase::Running;
        state.attempt = attempt;
        state.signalled = false;
        state.work = None;
        state.started_at.get_or_insert(at);
        self.forget_ready(ix);
        self.running.insert(ix);
        Ok(())
    }

    fn attempt_ended(
        &mut self,
        step: &StepId,
        attempt: Attempt,
        result: Result<Value, Failure>,
        at: Timestamp,
    ) -> Result<(), String> {
        let ix = self.running_attempt(step, attempt)?;
        self.running.remove(&ix);
        let state = &mut self.steps[ix];
        state.answer = None;
        let is_same = matches!((&state.result, &result), (Some(Err(old)), Err(new)) if old == new);
        state.same_failures = if is_same { state.same_failures + 1 } else { u32::from(result.is_err()) };
        if state.is_agents() {
            self.spending.agent_ended(step, result.as_ref().err());
        }
        let judge = match &result {
            Ok(_) => state.is_judged(),
            Err(failure) => {
                state.failures.extend(failure.counts().then_some(failure.class));
                true
            }
        };
        state.result = Some(result);
        if judge {
            state.phase = Phase::Judging;
            self.judging.insert(ix);
        } else {
            self.end_step(ix, Status::Succeeded, at);
        }
        Ok(())
    }

    fn step_cancelled(&mut self, step: &StepId, at: Timestamp) -> Result<(), String> {
        let ix = self.known(step)?;
        match self.steps[ix].phase.clone() {
            Phase::Running => return Err(format!("step `{step}` is running")),
            Phase::Ended(status) => return Err(format!("step `{step}` is {status}")),
            Phase::RetryAt(time) | Phase::ProceedAt(time) => {
                self.timed.remove(&(time, ix));
            }
            Phase::Asking(question) => {
                self.questions.remove(&question);
                self.asked_at.remove(&question);
            }
            Phase::Queued | Phase::Judging => {}
        }
        self.judging.remove(&ix);
        self.forget_ready(ix);
        self.end_step(ix, Status::Cancelled, at);
        Ok(())
    }

    fn gate_decided(&mut self, step: &StepId, gate: &Gate, rule: &str, at: Timestamp) -> Result<(), String> {
        let ix = self.known(step)?;
        let asked = self.questions.values().find(|question| question.step == *step).map(|q| q.id.clone());
        if *gate == Gate::Escalate && asked.is_none() {
            return Err(format!("no question was raised for step `{step}`"));
        }
        if *gate == Gate::Rework && self.steps[ix].superseded_by.is_none() {
            return Err(format!("no step takes the place of step `{step}`"));
        }
        match self.steps[ix].phase {
            Phase::Judging => {}
            Phase::ProceedAt(time) => {
                self.timed.remove(&(time, ix));
            }
            _ => {
                return Err(format!("step `{step}` is {} and has nothing to judge", self.steps[ix].status()));
            }
        }
        self.judging.remove(&ix);
        let state = &mut self.steps[ix];
        state.gate = Some((gate.clone(), rule.to_owned()));
        match gate {
            Gate::Proceed => self.end_step(ix, Status::Succeeded, at),
            Gate::Rework => self.end_step(ix, Status::Superseded, at),
            Gate::Block => {
                let cancelled =
                    state.failure().is_some_and(|failure| failure.class == FailureClass::Cancelled);
                self.end_step(ix, if cancelled { Status::Cancelled } else { Status::Failed }, at);
            }
            Gate::Notify { until } => {
                state.phase = Phase::ProceedAt(*until);
                self.timed.insert((*until, ix));
            }
            Gate::Retry { at } => {
                state.phase = Phase::RetryAt(*at);
                self.timed.insert((*at, ix));
            }
            Gate::Escalate => state.phase = asked.map_or(Phase::Judging, Phase::Asking),
        }
        Ok(())
    }

    /// Whether this answer to a question may be given now, and by whom it is given.
    ///
    /// Errors: in words, why not: it is answered already, takes another answer, or somebody else has to approve.
    pub fn may_answer(&self, question: &EscalationId, answer: &Answer) -> Result<(), String> {
        let Some(asked) = self.questions.get(question) else {
            return Err(format!("question `{question}` is not open"));
        };
        if !asked.actions.iter().any(|action| action.id == answer.action) {
            return Err(format!("`{}` is no answer to question `{question}`", answer.action));
        }
        let ix = self.known(&asked.step)?;
        if let Some(names) = autonomy::approvers(self.policy(), self.is_guarded(ix), answer)
            && !autonomy::is_among(names, &answer.by)
        {
            let (by, names) = (&answer.by, names.join(", "));
            return Err(format!("`{by}` may not approve question `{question}`; who may: {names}"));
        }
        Ok(())
    }

    fn answered(&mut self, question: &EscalationId, answer: &Answer) -> Result<(), String> {
        self.may_answer(question, answer)?;
        let asked = self.questions.get(question).ok_or("the question is gone")?;
        let ix = self.known(&asked.step)?;
        let modified = self.modified(ix, answer)?;
        let asked = self.questions.remove(question);
        self.asked_at.remove(question);
        if answer.from != autonomy::DEADLINE {
            self.answers_by_people += 1;
        }
        let state = &mut self.steps[ix];
        if state.is_raised_by(answer)
            && let Some(failure) = state.failure()
        {
            self.spending.raised(failure);
        }
        if let Some(decomposition) = modified {
            state.result = Some(Ok(decomposition));
        }
        state.question = asked;
        state.answer = Some(answer.clone());
        state.answers += 1;
        state.phase = Phase::Judging;
        self.judging.insert(ix);
        Ok(())
    }

    /// Whether a question of this step is asked because of a label of the issue or a path of the change.
    fn is_guarded(&self, ix: usize) -> bool {
        match self.steps[ix].step.work {
            Work::Uses(Uses::Decompose) => {
                autonomy::asking_label(self.policy(), &self.started.issue).is_some()
            }
            Work::Uses(Uses::Change) => self.report().is_some_and(|report| !report.guarded.is_empty()),
            _ => false,
        }
    }

    /// The decomposition that an answer puts in the place of a step's own.
    fn modified(&self, ix: usize, answer: &Answer) -> Result<Option<Value>, String> {
        if answer.action != crate::decide::MODIFY {
            return match answer.tasks.is_empty() {
                true => Ok(None),
                false => Err(format!("`{}` takes no tasks", answer.action)),
            };
        }
        if self.steps[ix].step.work != Work::Uses(Uses::Decompose) {
            return Err(format!("step `{}` has no plan to modify", self.steps[ix].step.id));
        }
        if let Err(problems) = check_tasks(&answer.tasks, self.started.issue.number, self.policy()) {
            let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
            return Err(format!("the tasks are no plan: {}", lines.join("; ")));
        }
        let (tasks, coordinator) = (answer.tasks.clone(), format!("{}, who modified the plan", answer.by));
        serde_json::to_value(Decomposition { tasks, coordinator })
            .map(Some)
            .map_err(|error| error.to_string())
    }

    /// Steps that wait for something elsewhere look again now; those that look at this moment do so once more.
    fn wake_waiting(&mut self, at: Timestamp) {
        for &ix in &self.running {
            self.steps[ix].signalled = true;
        }
        let waiting: Vec<_> = self.timed.iter().copied().filter(|&(_, ix)| self.steps[ix].waits()).collect();
        for (time, ix) in waiting {
            self.timed.remove(&(time, ix));
            self.timed.insert((at.min(time), ix));
            self.steps[ix].phase = Phase::RetryAt(at.min(time));
        }
    }

    fn close_intent(&mut self, intent: &str) -> Result<Intent, String> {
        let place = self.open_intents.iter().position(|open| open.id.as_str() == intent);
        let place = place.ok_or_else(|| format!("intent `{intent}` is not open"))?;
        Ok(self.open_intents.remove(place))
    }

    fn end_step(&mut self, ix: usize, status: Status, at: Timestamp) {
        let state = &mut self.steps[ix];
        state.phase = Phase::Ended(status);
        state.ended_at = Some(at);
        self.unfinished -= 1;
        self.forget_ready(ix);
        for dependant in std::mem::take(&mut self.steps[ix].dependants) {
            self.steps[dependant].open_needs -= 1;
            let waits = self.steps[dependant].phase == Phase::Queued;
            if waits && self.steps[dependant].open_needs == 0 {
                self.make_ready(dependant);
            }
        }
    }

    /// Puts a queued step without open needs where it belongs.
    pub(super) fn make_ready(&mut self, ix: usize) {
        let state = &self.steps[ix];
        let holds = match state.step.run_condition {
            RunCondition::Always => true,
            RunCondition::OnSuccess | RunCondition::Manual => self.all_needs_pass(state),
            RunCondition::OnFailure => !self.all_needs_pass(state),
        };
        let set = match weight(&state.step.work) {
            _ if !holds => &mut self.ready.doomed,
            Weight::Heavy => &mut self.ready.heavy,
            Weight::Lane => &mut self.ready.lane,
            Weight::Light => &mut self.ready.light,
        };
        set.insert(ix);
    }

    fn forget_ready(&mut self, ix: usize) {
        let Ready { doomed, heavy, lane, light } = &mut self.ready;
        for set in [doomed, heavy, lane, light] {
            if set.remove(&ix) {
                break;
            }
        }
    }
}
