//! What the condition of a step comes to, as far as the run has come. A view of the log: the same log, the same answer.

use serde_json::{Value, json};

use super::{Phase, Run, StepState};
use crate::expression::{
    Evaluated, ExpressionProblem, Key, Scope, StepView, evaluate, references_of_condition,
};
use crate::status::Status;

impl Run {
    /// What the step's condition comes to; none: it has none.
    ///
    /// An expression sees the outputs of steps that succeeded. Those of others, such as skipped ones, are null.
    /// Errors: it cannot be computed.
    pub fn condition(&self, state: &StepState) -> Option<Result<Evaluated, ExpressionProblem>> {
        let condition = state.step.condition.as_ref()?;
        Some(self.evaluate(condition, state))
    }

    fn evaluate(&self, condition: &str, state: &StepState) -> Result<Evaluated, ExpressionProblem> {
        let trigger = self.trigger();
        let parent = match state.step.needs.as_slice() {
            [only] => self.step(only),
            _ => None,
        };
        let mut scope = Scope {
            trigger: Some(&trigger),
            parent: parent.map(|parent| self.view(parent)),
            variables: Some(&self.started.plan.variables),
            ..Scope::default()
        };
        // Only what is asked for: a run may have thousands of steps.
        let references = references_of_condition(condition)?;
        for reference in &references {
            let first = reference.path.first().map(|(_, key)| key);
            if let ("steps", Some(Key::Name(name))) = (reference.root.as_str(), first) {
                if let Some(state) = self.step(&name.as_str().into()) {
                    scope.steps.insert(name, self.view(state));
                }
            } else if let Some(&ix) = self.output_keys.get(&reference.root)
                && let Some(output) = self.view(&self.steps[ix]).output
            {
                scope.outputs.insert(&reference.root, output);
            }
        }
        evaluate(condition, &scope)
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

    /// What expressions see of what started the run.
    fn trigger(&self) -> Value {
        let issue = &self.started.issue;
        json!({
            "type": self.started.trigger,
            "actor": self.started.actor,
            "payload": { "issue": {
                "number": issue.number, "title": issue.title, "body": issue.body, "labels": issue.labels,
                "author": issue.author, "url": issue.url,
            } },
        })
    }
}
