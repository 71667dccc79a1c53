//! What a run waits for elsewhere: whom a word about a commit or a change concerns.

use super::{Phase, Run, StepState};
use crate::facts::Fact;
use crate::ids::ChangeNumber;
use crate::plan::Work;

impl Run {
    /// Whether one of its steps looks, or will look again, whether something happened elsewhere.
    pub fn listens(&self) -> bool {
        self.steps.iter().any(|state| state.listens() || self.looks(state))
    }

    /// Whether the step is an agent's for whom CI is looked up at this moment: its attempt has no session yet.
    fn looks(&self, state: &StepState) -> bool {
        let Work::Agent(work) = &state.step.work else { return false };
        let asks = |session: &&super::SessionState| {
            session.step == state.step.id && session.attempt == state.attempt
        };
        state.phase == Phase::Running
            && self.started.cast.agents.get(&work.agent).is_some_and(|brief| brief.facts.contains(&Fact::Ci))
            && !self.sessions.iter().any(|session| asks(&session))
    }

    /// Whether what is said of that commit is said of this run: it was reviewed in it, the run is about it, or a change
    /// was opened of it.
    pub fn is_about_commit(&self, commit: &str) -> bool {
        let head = self.started.subject.as_ref().and_then(|subject| subject.head.as_ref());
        self.report().is_some_and(|report| report.commit.as_str() == commit)
            || head.is_some_and(|head| head.as_str() == commit)
            || self.steps.iter().any(|state| {
                let work = state.work.as_ref().filter(|_| state.opened.is_some());
                work.is_some_and(|(_, opened)| opened.as_str() == commit)
            })
    }

    /// The change that it looks at without knowing the commit at its head.
    pub fn change_without_head(&self) -> Option<ChangeNumber> {
        let told = self.started.change_told()?;
        let is_known = self.started.subject.as_ref().is_some_and(|subject| subject.head.is_some());
        (!is_known).then_some(told)
    }
}
