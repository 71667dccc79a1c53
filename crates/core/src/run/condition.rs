//! What the expressions of a step come to, as far as the run has come. A view of the log: the same log, the same answer.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Phase, Run, StepState};
use crate::cast::{Given, given};
use crate::event::RunStarted;
use crate::expression::{
    Evaluated, ExpressionProblem, Key, Reference, Scope, StepView, evaluate, fill, references_of_condition,
    references_of_value,
};
use crate::plan::ActionCall;
use crate::status::Status;

impl Run {
    /// What the step's condition comes to; none: it has none.
    ///
    /// An expression sees the outputs of steps that succeeded. Those of others, such as skipped ones, are null.
    /// Errors: it cannot be computed.
    pub fn condition(&self, state: &StepState) -> Option<Result<Evaluated, ExpressionProblem>> {
        let condition = state.step.condition.as_ref()?;
        Some(references_of_condition(condition).and_then(|references| {
            let scope = self.scope(state, &references, false);
            evaluate(condition, &scope)
        }))
    }

    /// What the step's agent is given, with others' words between marks made of `fence`; none: nothing.
    /// Errors: an expression cannot be computed.
    pub fn given(&self, state: &StepState, fence: &str) -> Option<Result<Given, ExpressionProblem>> {
        let input = state.step.input.as_ref()?;
        Some(references_of_value(input).and_then(|references| {
            let scope = self.scope(state, &references, false);
            given(input, &scope, fence)
        }))
    }

    /// What an action of the step is told once it succeeded: its settings, and for those that the flow leaves out the
    /// fields of these names in the step's output. Errors: an expression cannot be computed.
    pub fn settings(
        &self,
        state: &StepState,
        call: &ActionCall,
    ) -> Result<BTreeMap<String, Value>, ExpressionProblem> {
        let mut settings = BTreeMap::new();
        for &name in call.action.settings() {
            let value = match call.with.get(name) {
                Some(value) => {
                    let references = references_of_value(value)?;
                    fill(value, &self.scope(state, &references, true))?.value
                }
                None => state.output().and_then(|output| output.get(name)).cloned().unwrap_or_default(),
            };
            settings.insert(name.to_owned(), value);
        }
        Ok(settings)
    }

    /// What these references of a step may find. Only what is asked for: a run may have thousands of steps.
    fn scope<'r>(
        &'r self,
        state: &'r StepState,
        references: &'r [Reference],
        sees_itself: bool,
    ) -> Scope<'r> {
        let parent = match state.step.needs.as_slice() {
            [only] => self.step(only),
            _ => None,
        };
        let view = |other: &'r StepState| match sees_itself && other.step.id == state.step.id {
            true => StepView { status: Status::Succeeded.as_str(), output: other.output() },
            false => self.view(other),
        };
        let mut scope = Scope {
            trigger: Some(&self.trigger),
            parent: parent.map(view),
            variables: Some(&self.started.plan.variables),
            ..Scope::default()
        };
        for reference in references {
            let first = reference.path.first().map(|(_, key)| key);
            if let ("steps", Some(Key::Name(name))) = (reference.root.as_str(), first) {
                if let Some(state) = self.step(&name.as_str().into()) {
                    scope.steps.insert(name, view(state));
                }
            } else if let ("env", Some(Key::Name(name))) = (reference.root.as_str(), first) {
                if let Some(value) = self.started.environment.get(name) {
                    scope.environment.insert(name, value);
                }
            } else if let Some(&ix) = self.output_keys.get(&reference.root)
                && let Some(output) = view(&self.steps[ix]).output
            {
                scope.outputs.insert(&reference.root, output);
            }
        }
        scope
    }

    /// What expressions see of a step; of one that others took the place of, the last of these.
    fn view<'r>(&'r self, state: &'r StepState) -> StepView<'r> {
        let mut state = state;
        while let Some(next) = state.superseded_by.as_ref().and_then(|next| self.step(next)) {
            state = next;
        }
        let succeeded = state.phase == Phase::Ended(Status::Succeeded);
        StepView { status: state.status().as_str(), output: state.output().filter(|_| succeeded) }
    }
}

/// What expressions see of what started a run.
pub(super) fn trigger(started: &RunStarted) -> Value {
    let issue = &started.issue;
    let payload = started.payload.clone().unwrap_or_else(|| {
        json!({ "issue": {
            "number": issue.number, "title": issue.title, "body": issue.body, "labels": issue.labels,
            "author": issue.author, "url": issue.url,
        } })
    });
    json!({
        "type": started.trigger, "source": started.source, "event": started.event, "actor": started.actor,
        "payload": payload,
    })
}
