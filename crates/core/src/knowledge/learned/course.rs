//! The course of one run: how its issue was rated, what its reviews came to, and what people said.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::analysis::Kind;
use crate::autonomy::{self, DEADLINE};
use crate::decide::{APPROVE, FIX, MODIFY, REJECT, REWORK};
use crate::event::{Answer, Event, EventBody, Gate};
use crate::failure::FailureClass;
use crate::ids::{EscalationId, StepId};
use crate::plan::{Uses, Work};
use crate::policy::Policy;
use crate::report::{Recommendation, Report};
use crate::run::Run;

/// What people said when they were asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// It is good as it is.
    Approved,
    /// They gave other tasks.
    Modified,
    /// They mended it themselves.
    Mended,
    /// An agent was to mend it.
    Reworked,
    /// No.
    Rejected,
    /// Nothing, until the deadline passed.
    Unanswered,
    /// Nothing yet, or the run ended before.
    Open,
}

impl Word {
    /// The word on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Modified => "modified",
            Self::Mended => "mended",
            Self::Reworked => "sent back",
            Self::Rejected => "rejected",
            Self::Unanswered => "unanswered",
            Self::Open => "open",
        }
    }

    /// Whether a person said it.
    pub(super) fn is_said(self) -> bool {
        !matches!(self, Self::Unanswered | Self::Open)
    }

    fn of(answer: &Answer) -> Self {
        if answer.from == DEADLINE {
            return Self::Unanswered;
        }
        match answer.action.as_str() {
            APPROVE => Self::Approved,
            MODIFY => Self::Modified,
            FIX => Self::Mended,
            REWORK => Self::Reworked,
            REJECT => Self::Rejected,
            _ => Self::Open,
        }
    }
}

/// A quality report and what became of the change that it speaks of, until the next report.
pub(super) struct Reviewed {
    pub score: u32,
    /// Whether no hard gate closed; what one closed for says nothing of a threshold.
    pub is_clean: bool,
    pub recommendation: Recommendation,
    /// Whether a person merges it whatever its score.
    pub is_held: bool,
    /// Whether it is merged without a person, by the policy of its run.
    pub merges_itself: bool,
    /// What people said who were asked whether it is opened.
    pub asked: Option<Word>,
    /// Whether an agent was to mend it because of the report.
    pub is_reworked: bool,
    pub is_opened: bool,
    /// What people said who were asked whether it is merged.
    pub merge_asked: Option<Word>,
    pub is_merged: bool,
    /// CI failed on it.
    pub is_red: bool,
    /// Reviewers at the forge asked for changes.
    pub is_objected: bool,
    /// Somebody closed it without merging it, or ended its run then.
    pub is_closed: bool,
}

impl Reviewed {
    /// Whether it turned out to be worse than it looked, as far as is known.
    pub(super) fn turned_out_badly(&self) -> bool {
        self.is_red || self.is_objected || self.is_closed
    }
}

/// An issue's rating, and what came of its run.
pub(super) struct Rated {
    pub complexity: f64,
    pub kind: Kind,
    pub estimate: u32,
    /// How many tasks an agent or reader made of it; none: not yet.
    pub tasks: Option<usize>,
    /// Whether one task was made of it without asking, because it is urgent.
    pub is_hotfix: bool,
    /// What people said who were asked about the plan because of the complexity.
    pub asked: Option<Word>,
    /// Whether people were told before the work began.
    pub is_told: bool,
    /// Whether its tasks joined the plan, so that work could begin.
    pub is_begun: bool,
    /// Whether a person ended the run.
    pub is_ended_by_people: bool,
}

/// What a run came to.
pub(super) struct Course {
    pub rated: Option<Rated>,
    /// In order.
    pub reviews: Vec<Reviewed>,
}

/// What a question is about.
enum About {
    Plan,
    /// The review of that place.
    Opening(usize),
    Merging(usize),
    Ci(usize),
    Else,
}

/// The course that the events of a run tell.
pub(super) fn course(run: &Run, events: &[Event]) -> Course {
    let mut scribe = Scribe {
        run,
        reviews: Vec::new(),
        plan_asked: None,
        is_told: false,
        is_rejected: false,
        tasks: None,
        questions: BTreeMap::new(),
    };
    events.iter().for_each(|event| scribe.take(&event.body));
    let stopped = run.cancelled_by.is_some() && run.superseded_by.is_none();
    let rated = run.analysis().map(|analysis| Rated {
        complexity: analysis.complexity,
        kind: analysis.kind,
        estimate: analysis.estimate_minutes,
        tasks: scribe.tasks,
        is_hotfix: autonomy::is_hotfix(&run.started.issue),
        asked: scribe.plan_asked,
        is_told: scribe.is_told,
        is_begun: run.tasks().next().is_some(),
        is_ended_by_people: stopped || scribe.is_rejected,
    });
    Course { rated, reviews: scribe.reviews }
}

struct Scribe<'a> {
    run: &'a Run,
    reviews: Vec<Reviewed>,
    plan_asked: Option<Word>,
    is_told: bool,
    is_rejected: bool,
    tasks: Option<usize>,
    questions: BTreeMap<&'a EscalationId, About>,
}

impl<'a> Scribe<'a> {
    fn take(&mut self, body: &'a EventBody) {
        match body {
            EventBody::StepSucceeded { step, output, .. } => match self.uses(step) {
                // The plan as it was made; what people put in its place says nothing of who made it.
                Some(Uses::Decompose) => self.tasks = output["tasks"].as_array().map(Vec::len),
                Some(Uses::Review) => {
                    let report = Report::deserialize(output).ok();
                    self.reviews.extend(report.map(|report| reviewed(&report, self.run.policy())));
                }
                Some(Uses::Change) => self.newest(|review| review.is_opened = true),
                Some(Uses::Merge) => self.newest(|review| review.is_merged = true),
                _ => {}
            },
            EventBody::StepFailed { step, failure, .. } if self.uses(step) == Some(Uses::Ci) => {
                match failure.class {
                    FailureClass::CiFailed => self.newest(|review| review.is_red = true),
                    FailureClass::ChangesRequested => self.newest(|review| review.is_objected = true),
                    FailureClass::Rejected => self.newest(|review| review.is_closed = true),
                    _ => {}
                }
            }
            EventBody::GateDecided { step, gate, .. } => match (self.uses(step), gate) {
                (Some(Uses::Review), Gate::Rework) => {
                    self.newest(|review| review.is_reworked = review.asked.is_none());
                }
                (Some(Uses::Decompose), Gate::Notify { .. }) => self.is_told = true,
                _ => {}
            },
            EventBody::EscalationRaised(asked) => {
                let about = self.about(&asked.step);
                self.questions.insert(&asked.id, about);
                self.hear(&asked.id, Word::Open);
            }
            EventBody::EscalationAnswered { escalation, answer } => {
                let word = Word::of(answer);
                self.is_rejected |= word == Word::Rejected;
                self.hear(escalation, word);
            }
            _ => {}
        }
    }

    fn uses(&self, step: &StepId) -> Option<Uses> {
        match self.run.step(step)?.step.work {
            Work::Uses(uses) => Some(uses),
            _ => None,
        }
    }

    fn newest(&mut self, change: impl FnOnce(&mut Reviewed)) {
        if let Some(review) = self.reviews.last_mut() {
            change(review);
        }
    }

    fn about(&self, step: &StepId) -> About {
        let newest = self.reviews.len().checked_sub(1);
        let started = &self.run.started;
        let complexity = self.run.analysis().map_or(0.0, |analysis| analysis.complexity);
        match (self.uses(step), newest) {
            (Some(Uses::Decompose), _)
                if started.suspicions.is_empty() && complexity > self.run.policy().approve_above =>
            {
                About::Plan
            }
            (Some(Uses::Review), Some(place)) => About::Opening(place),
            (Some(Uses::Change), Some(place)) => About::Merging(place),
            (Some(Uses::Ci), Some(place)) => About::Ci(place),
            _ => About::Else,
        }
    }

    fn hear(&mut self, question: &EscalationId, word: Word) {
        let Some(about) = self.questions.get(question) else { return };
        let review = match about {
            About::Opening(place) | About::Merging(place) | About::Ci(place) => self.reviews.get_mut(*place),
            About::Plan | About::Else => None,
        };
        match (about, review) {
            (About::Plan, _) => self.plan_asked = Some(word),
            (About::Opening(_), Some(review)) => review.asked = Some(word),
            (About::Merging(_), Some(review)) => review.merge_asked = Some(word),
            (About::Ci(_), Some(review)) => review.is_closed |= word == Word::Rejected,
            _ => {}
        }
    }
}

fn reviewed(report: &Report, policy: &Policy) -> Reviewed {
    let is_held = !report.guarded.is_empty()
        || !report.serious_remarks(policy).is_empty()
        || report.reading_failed().is_some();
    let approved = report.recommendation == Recommendation::Approve;
    Reviewed {
        score: report.score,
        is_clean: report.gates.is_empty(),
        recommendation: report.recommendation,
        is_held,
        merges_itself: approved && !is_held && report.score >= policy.merge_from,
        asked: None,
        is_reworked: false,
        is_opened: false,
        merge_asked: None,
        is_merged: false,
        is_red: false,
        is_objected: false,
        is_closed: false,
    }
}
