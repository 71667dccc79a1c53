//! What the actions of a step add to what it came to: later steps find the change that was opened.

use serde_json::{Value, json};

use super::Run;
use crate::ids::ChangeNumber;
use crate::intent::{Intent, Receipt, Write};

impl Run {
    /// The change that is meant where none is named, those included that actions of steps opened: the newest of these
    /// comes last.
    pub fn change_at_hand(&self) -> Option<ChangeNumber> {
        self.change_meant().or_else(|| self.steps.iter().rev().find_map(|state| state.opened))
    }

    /// Puts the change that an action opened into the output of its step, under `change`, whatever an agent wrote there.
    /// An output that is no map stands under `text` then.
    pub(super) fn offer(&mut self, done: &Intent, receipt: &Receipt) {
        let (false, Write::OpenChange { .. }, Some(number)) = (done.ends_step, &done.write, receipt.change)
        else {
            return;
        };
        let Some(&ix) = self.index.get(&done.step) else { return };
        let state = &mut self.steps[ix];
        state.opened = Some(number);
        if let Some(Ok(output)) = &mut state.result {
            if !output.is_object() {
                *output = json!({ "text": output.take() });
            }
            if let Value::Object(fields) = output {
                fields.insert("change".to_owned(), json!({ "number": number, "url": receipt.url }));
            }
        }
    }
}
