//! What agents did in one run: for each step of an agent its tries, and what they came to.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::event::{Event, EventBody};
use crate::failure::{Failure, FailureClass};
use crate::ids::{SessionId, StepId};
use crate::plan::{Purpose, Work};
use crate::run::{Phase, Run};
use crate::session::{SessionEnd, Usage};
use crate::status::Status;

/// How an agent's attempt failed, where that says something about the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The task's own checks failed.
    ChecksFailed,
    /// It ended and git shows no change.
    NoChanges,
    /// Its deadline passed.
    TimedOut,
    /// It gave no sign of life and was stopped.
    Stalled,
    /// Its program failed, refused or broke its protocol.
    AgentFailed,
    /// Its answer did not have the form that was asked for.
    BadAnswer,
}

impl Fault {
    /// The words on screen, behind a number.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ChecksFailed => "failed the checks",
            Self::NoChanges => "changed nothing",
            Self::TimedOut => "timed out",
            Self::Stalled => "stalled",
            Self::AgentFailed => "ended with an error",
            Self::BadAnswer => "answered in the wrong form",
        }
    }
}

/// Why an attempt counts neither for nor against its agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// It vanished with the miyabi that ran it; the attempt that went on in its place counts.
    Vanished,
    /// It was stopped, or its run was ended.
    Stopped,
    /// It waited for something elsewhere.
    Waited,
    /// There was no room on the machine, or no budget.
    NoRoom,
    /// A program or service that it needs was away.
    Outage,
    /// It failed of something else, such as settings that changed or a bug of ours.
    Other,
    /// It goes on, as far as its log tells.
    GoesOn,
}

impl LeftOut {
    /// The words on screen, behind a number.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vanished => "vanished with miyabi",
            Self::Stopped => "stopped",
            Self::Waited => "waited",
            Self::NoRoom => "without room or budget",
            Self::Outage => "lacking a program or service",
            Self::Other => "failed of something else",
            Self::GoesOn => "going on",
        }
    }
}

/// One step of an agent with the tries that say something about it.
pub(super) struct Worked<'a> {
    /// `feature`, `bug` …; `rework`, `conflict`; `agent:NAME` for an agent of a flow.
    pub kind: String,
    /// Whether it does a task of the decomposition.
    pub implements: bool,
    /// How its agent is driven.
    pub agent: &'a str,
    /// In order; at least one.
    pub tries: Vec<Try>,
    /// Whether nothing more can come of it, whatever it came to.
    pub is_decided: bool,
    /// In minutes, where somebody estimated it.
    pub estimate: Option<u32>,
}

/// One attempt that says something about its agent. What was not measured as a whole is not there.
#[derive(Clone, Copy)]
pub(super) struct Try {
    /// How it failed; none: it was accepted.
    pub fault: Option<Fault>,
    /// From the start of its sessions to their ends.
    pub minutes: Option<f64>,
    /// In and out, as the program states them.
    pub tokens: Option<f64>,
    /// As the program states it.
    pub usd: Option<f64>,
}

impl Worked<'_> {
    /// Whether its agent's work was accepted.
    pub(super) fn is_accepted(&self) -> bool {
        self.tries.iter().any(|one| one.fault.is_none())
    }

    /// The minutes of all tries, where each of them was measured.
    pub(super) fn minutes(&self) -> Option<f64> {
        self.tries.iter().map(|one| one.minutes).sum()
    }
}

/// A session as its events tell it.
struct Sitting<'a> {
    id: &'a SessionId,
    agent: &'a str,
    began: Timestamp,
    resumes: bool,
    end: Option<(&'a SessionEnd, Timestamp, Usage)>,
}

/// Everything that agents did in a run, in order of their first tries, and how many attempts were left out and why.
pub(super) fn worked<'a>(run: &'a Run, events: &'a [Event]) -> (Vec<Worked<'a>>, BTreeMap<LeftOut, u64>) {
    let mut book = Book { run, works: Vec::new(), places: BTreeMap::new(), left_out: BTreeMap::new() };
    let mut sittings: BTreeMap<&StepId, Vec<Sitting<'_>>> = BTreeMap::new();
    for event in events {
        match &event.body {
            EventBody::StepStarted { step, .. } => {
                sittings.remove(step);
            }
            EventBody::SessionStarted(session) => sittings.entry(&session.step).or_default().push(Sitting {
                id: &session.session,
                agent: &session.adapter,
                began: event.at,
                resumes: session.resumes.is_some(),
                end: None,
            }),
            EventBody::SessionEnded(ended) => {
                let open = sittings.values_mut().flatten().find(|sitting| *sitting.id == ended.session);
                if let Some(sitting) = open.filter(|sitting| sitting.end.is_none()) {
                    sitting.end = Some((&ended.end, event.at, ended.usage));
                }
            }
            EventBody::StepSucceeded { step, .. } => {
                book.ended(step, &sittings.remove(step).unwrap_or_default(), None);
            }
            EventBody::StepFailed { step, failure, .. } => {
                book.ended(step, &sittings.remove(step).unwrap_or_default(), Some(failure));
            }
            EventBody::AttemptLost { step, .. } => {
                book.leave_out(
                    step,
                    !sittings.remove(step).unwrap_or_default().is_empty(),
                    LeftOut::Vanished,
                );
            }
            _ => {}
        }
    }
    for (step, open) in sittings {
        book.leave_out(step, !open.is_empty(), LeftOut::GoesOn);
    }
    (book.works, book.left_out)
}

struct Book<'a> {
    run: &'a Run,
    works: Vec<Worked<'a>>,
    places: BTreeMap<&'a StepId, usize>,
    left_out: BTreeMap<LeftOut, u64>,
}

impl<'a> Book<'a> {
    fn leave_out(&mut self, step: &StepId, worked: bool, why: LeftOut) {
        let is_agents = self.run.step(step).is_some_and(|state| state.is_agents());
        if worked && is_agents {
            *self.left_out.entry(why).or_default() += 1;
        }
    }

    fn ended(&mut self, step: &'a StepId, sittings: &[Sitting<'a>], failure: Option<&Failure>) {
        let Some(state) = self.run.step(step).filter(|state| state.is_agents()) else { return };
        let fault = match failure.map(|failure| fault(failure, sittings)) {
            None => None,
            Some(Ok(fault)) => Some(fault),
            Some(Err(why)) => {
                // Without a session its agent could not begin, or there was nothing for it to do yet.
                let was_to_work = matches!(why, LeftOut::Outage | LeftOut::NoRoom);
                return self.leave_out(step, was_to_work || !sittings.is_empty(), why);
            }
        };
        // A person did it.
        let Some(first) = sittings.first() else { return };
        let Some((kind, implements)) = kind(&state.step.work) else { return };
        let works = &mut self.works;
        let place = *self.places.entry(step).or_insert_with(|| {
            let ended = [Status::Succeeded, Status::Failed, Status::Superseded].map(Phase::Ended);
            works.push(Worked {
                kind,
                implements,
                agent: first.agent,
                tries: Vec::new(),
                is_decided: ended.contains(&state.phase),
                estimate: state.step.task().map(|task| task.estimate_minutes),
            });
            works.len() - 1
        });
        if let Some(work) = works.get_mut(place) {
            work.tries.push(measured(sittings, fault));
        }
    }
}

/// The kind of an agent's work, and whether it is a task of the decomposition. Mending the whole change and resolving
/// conflicts are kinds of their own: nobody rated them.
fn kind(work: &Work) -> Option<(String, bool)> {
    match work {
        Work::Task(work) => Some(match work.purpose {
            Purpose::Implement => (work.task.kind.as_str().to_owned(), true),
            Purpose::Rework { .. } => ("rework".to_owned(), false),
            Purpose::Resolve { .. } => ("conflict".to_owned(), false),
        }),
        Work::Agent(work) => Some((format!("agent:{}", work.agent), false)),
        Work::Story(work) => Some((format!("agent:{}", work.agent()), false)),
        Work::Uses(_) | Work::Integrate(_) => None,
    }
}

/// What a failure says of the agent, or why it says nothing.
fn fault(failure: &Failure, sittings: &[Sitting<'_>]) -> Result<Fault, LeftOut> {
    let newest = sittings.last().and_then(|sitting| sitting.end.as_ref()).map(|(end, ..)| *end);
    match failure.class {
        FailureClass::ChecksFailed => Ok(Fault::ChecksFailed),
        FailureClass::NoChanges => Ok(Fault::NoChanges),
        FailureClass::TimedOut => Ok(Fault::TimedOut),
        FailureClass::AgentFailed => Ok(Fault::AgentFailed),
        FailureClass::BadAnswer => Ok(Fault::BadAnswer),
        // It is tried again like an outage, and is the program's own doing.
        FailureClass::Transient if newest == Some(&SessionEnd::Stalled) => Ok(Fault::Stalled),
        FailureClass::Transient | FailureClass::Unavailable => Err(LeftOut::Outage),
        FailureClass::Cancelled => Err(LeftOut::Stopped),
        FailureClass::Pending => Err(LeftOut::Waited),
        FailureClass::Budget | FailureClass::Exhausted => Err(LeftOut::NoRoom),
        FailureClass::Permanent
        | FailureClass::CiFailed
        | FailureClass::ChangesRequested
        | FailureClass::Conflict
        | FailureClass::BaseMoved
        | FailureClass::DirtyCheckout
        | FailureClass::Rejected
        | FailureClass::Input
        | FailureClass::Internal => Err(LeftOut::Other),
    }
}

/// What the sessions of one attempt used. One that goes on with an earlier session did a part of the work only, so
/// nothing of it is measured.
fn measured(sittings: &[Sitting<'_>], fault: Option<Fault>) -> Try {
    let mut one = Try { fault, minutes: None, tokens: None, usd: None };
    if sittings.iter().any(|sitting| sitting.resumes || sitting.end.is_none()) {
        return one;
    }
    let ends =
        || sittings.iter().filter_map(|it| it.end.as_ref().map(|(_, at, usage)| (it.began, *at, usage)));
    one.minutes =
        Some(ends().map(|(began, at, _)| at.duration_since(began).as_secs_f64().max(0.0) / 60.0).sum());
    let stated = ends().flat_map(|(.., usage)| [usage.input_tokens, usage.output_tokens]).flatten();
    one.tokens = stated.reduce(u64::saturating_add).map(|tokens| tokens as f64);
    one.usd = ends().filter_map(|(.., usage)| usage.cost_usd).reduce(|sum, usd| sum + usd);
    one
}
