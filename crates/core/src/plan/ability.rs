//! What this version reads in a flow and cannot carry out yet. A run of such a plan is refused, never cut short.

use super::{ActionKind, Plan, Step, Work};
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
    let has_checkout = matches!(step.work, Work::Agent(_));
    let fits = move |kind: ActionKind| kind.is_carried_out() && (has_checkout || !kind.needs_checkout());
    let calls = step.actions.iter().filter(move |call| !fits(call.action));
    calls.map(|call| {
        let name = call.action.as_str();
        let what = match call.action.is_carried_out() {
            true => format!("the action `{name}`, which needs a checkout and has none there"),
            false => format!("the action `{name}`"),
        };
        Lacking { step: step.id.clone(), what }
    })
}
