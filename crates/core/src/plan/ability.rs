//! What this version reads in a flow and cannot carry out yet. A run of such a plan is refused, never cut short.

use super::{Plan, Step, Work};
use crate::ids::StepId;

/// Something in a plan that is not carried out yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// The step.
    pub step: StepId,
    /// What of it: `an agent's answer`, `the action \u{60}notify\u{60}` …
    pub what: String,
}

impl Plan {
    /// Everything in the plan that this version does not carry out, in the order of the steps.
    pub fn lacking(&self) -> Vec<Lacking> {
        self.steps.iter().flat_map(of_step).collect()
    }
}

fn of_step(step: &Step) -> impl Iterator<Item = Lacking> {
    let agent = match &step.work {
        Work::Agent(work) => Some(format!("an answer of agent `{}`", work.agent)),
        _ => None,
    };
    let actions = step.actions.iter().map(|call| format!("the action `{}`", call.action.as_str()));
    let what: Vec<String> = agent.into_iter().chain(actions).collect();
    what.into_iter().map(|what| Lacking { step: step.id.clone(), what })
}
