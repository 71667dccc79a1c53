//! What an expression can look up. Everything else does not exist for it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::reference::{Key, Reference};

/// What an expression can look up.
///
/// A name is, in this order: one of the words `trigger`, `steps`, `parent`, `variables`, `env`; the `output_key` of a
/// step; a variable of the flow.
#[derive(Clone, Debug, Default)]
pub struct Scope<'v> {
    /// What started the run: `trigger.payload` and beside it what else is known.
    pub trigger: Option<&'v Value>,
    /// Steps by name.
    pub steps: BTreeMap<&'v str, StepView<'v>>,
    /// The one step that this one needs.
    pub parent: Option<StepView<'v>>,
    /// Outputs by the `output_key` of their steps.
    pub outputs: BTreeMap<&'v str, &'v Value>,
    /// The flow's variables.
    pub variables: Option<&'v BTreeMap<String, Value>>,
    /// Variables of the environment that the caller allows.
    pub environment: BTreeMap<&'v str, &'v str>,
}

/// What is known of a step.
#[derive(Clone, Copy, Debug, Default)]
pub struct StepView<'v> {
    /// Its status, as [`crate::status::Status`] spells it.
    pub status: &'v str,
    /// What it came to; none: it did not succeed, or has not.
    pub output: Option<&'v Value>,
}

impl<'v> Scope<'v> {
    /// The value that is looked up, if it is there. Null counts as missing.
    pub(super) fn find(&self, reference: &Reference) -> Option<Cow<'v, Value>> {
        let mut path = reference.path.iter().map(|(_, key)| key);
        let found = match reference.root.as_str() {
            "trigger" => Cow::Borrowed(self.trigger?),
            "steps" => {
                let Key::Name(name) = path.next()? else { return None };
                self.steps.get(name.as_str())?.part(path.next()?)?
            }
            "parent" => self.parent?.part(path.next()?)?,
            "variables" => {
                let Key::Name(name) = path.next()? else { return None };
                Cow::Borrowed(self.variables?.get(name)?)
            }
            "env" => {
                let Key::Name(name) = path.next()? else { return None };
                Cow::Owned(Value::String((*self.environment.get(name.as_str())?).to_owned()))
            }
            name => match self.outputs.get(name) {
                Some(output) => Cow::Borrowed(*output),
                None => Cow::Borrowed(self.variables?.get(name)?),
            },
        };
        let found = match found {
            Cow::Borrowed(value) => Cow::Borrowed(path.try_fold(value, |value, key| step_into(value, key))?),
            Cow::Owned(value) if path.next().is_none() => Cow::Owned(value),
            Cow::Owned(_) => return None,
        };
        Some(found).filter(|value| !value.is_null())
    }
}

impl<'v> StepView<'v> {
    fn part(&self, key: &Key) -> Option<Cow<'v, Value>> {
        match key {
            Key::Name(name) if name == "output" => self.output.map(Cow::Borrowed),
            Key::Name(name) if name == "status" => Some(Cow::Owned(Value::String(self.status.to_owned()))),
            _ => None,
        }
    }
}

fn step_into<'v>(value: &'v Value, key: &Key) -> Option<&'v Value> {
    match key {
        Key::Name(name) => value.as_object()?.get(name),
        Key::Index(index) => value.as_array()?.get(*index),
    }
}
