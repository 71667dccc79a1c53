//! What a plan asks for: what this version reads in it and cannot carry out yet (a run of such a plan is refused, never
//! cut short), and what it reads of the environment.

use std::collections::BTreeSet;

use super::{ActionKind, Plan, Step, Work};
use crate::expression::{Key, Reference, references_of_condition, references_of_value};
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

    /// The variables of the environment that the expressions of its steps read. What cannot be read names none.
    pub fn environment(&self) -> BTreeSet<String> {
        self.steps.iter().flat_map(references).filter_map(variable).collect()
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

/// Everything that a step looks up.
fn references(step: &Step) -> impl Iterator<Item = Reference> {
    let values = step.input.iter().chain(step.actions.iter().flat_map(|call| call.with.values()));
    let conditions = step.condition.iter().map(|text| references_of_condition(text));
    conditions.chain(values.map(references_of_value)).flat_map(Result::unwrap_or_default)
}

/// The name in `env.NAME`.
fn variable(reference: Reference) -> Option<String> {
    match reference.path.into_iter().next() {
        Some((_, Key::Name(name))) if reference.root == "env" => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::flow::{Known, parse_with};

    #[test]
    fn what_is_read_of_the_environment_is_found_wherever_it_stands() {
        let text = "name: x\nsteps:\n  - {name: a, agent: r, if: \"env.A == 'x'\", input: [{k: 'in ${env.B}'}, '$${env.NOT}']}\n  - {name: b, agent: r, input: \"${default(env['C'], trigger.payload.env)}\", actions: [{notify: {body: '${env.D} ${env.A}'}}]}\n";
        let plan = parse_with(text, "x", &Known::default()).unwrap().plan;
        assert_eq!(plan.environment().into_iter().collect::<Vec<_>>(), ["A", "B", "C", "D"]);
    }
}
