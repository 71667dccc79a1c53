//! What this version reads in a flow and cannot carry out yet. A run of such a plan is refused, never cut short.

use super::{Plan, Step};
use crate::ids::StepId;

/// Something in a plan that is not carried out yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// The step.
    pub step: StepId,
    /// What of it: ``the action `deploy` `` …
    pub what: String,
}

impl Plan {
    /// Everything in the plan that this version does not carry out, in the order of the steps.
    pub fn lacking(&self) -> Vec<Lacking> {
        self.steps.iter().flat_map(of_step).collect()
    }
}

fn of_step(step: &Step) -> impl Iterator<Item = Lacking> {
    let calls = step.actions.iter().filter(|call| !call.action.is_carried_out());
    calls
        .map(|call| Lacking { step: step.id.clone(), what: format!("the action `{}`", call.action.as_str()) })
}
