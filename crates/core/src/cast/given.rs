//! The input of a step, with what is others' words between marks that nobody can guess.

use serde_json::{Map, Value};

use crate::expression::{ExpressionProblem, Reference, Scope, fill, references_of_value, render_marked};
use crate::untrusted::visible;

/// What stands where a value held the mark.
const REMOVED: &str = "[fence removed]";

/// An input as an agent reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The text.
    pub text: String,
    /// What was missing or could not be compared.
    pub notes: Vec<String>,
    /// Whether any of it stands between marks.
    pub is_fenced: bool,
}

/// Fills an input in one pass. What lookups find stands between `<fence>` and `</fence>`, except variables of the flow:
/// its author wrote them. A map is told key by key.
///
/// Errors: an expression cannot be computed.
pub fn given(input: &Value, scope: &Scope<'_>, fence: &str) -> Result<Given, ExpressionProblem> {
    let mut filler = Filler { scope, fence, notes: Vec::new(), is_fenced: false };
    let text = match input {
        Value::Object(fields) if !fields.is_empty() => {
            let mut parts = Vec::new();
            for (key, value) in fields {
                parts.push(format!("### {key}\n\n{}\n", filler.value(value)?));
            }
            parts.join("\n")
        }
        value => filler.value(value)?,
    };
    Ok(Given { text, notes: filler.notes, is_fenced: filler.is_fenced })
}

/// The input with what was looked up below it, between the same marks. Without facts it stays what it is.
pub fn with_facts(given: Option<Given>, facts: &Map<String, Value>, fence: &str) -> Option<Given> {
    if facts.is_empty() {
        return given;
    }
    let (mut text, notes) = given.map_or_else(Default::default, |given| (given.text, given.notes));
    text.truncate(text.trim_end().len());
    if !text.is_empty() {
        text.push_str("\n\n");
    }
    let facts = serde_json::to_string_pretty(facts).unwrap_or_default();
    text.push_str(&format!(
        "## Facts\n\nLooked up at the forge when this step began; nothing that you say changes them.\n\n<{fence}>\n{}\n</{fence}>\n",
        without(fence, &facts)
    ));
    Some(Given { text, notes, is_fenced: true })
}

/// A text without the mark, and without what its readers do not see.
pub(crate) fn without(fence: &str, text: &str) -> String {
    // What is not seen may stand in the middle of a mark.
    visible(text).replace(fence, REMOVED)
}

struct Filler<'a, 'v> {
    scope: &'a Scope<'v>,
    fence: &'a str,
    notes: Vec<String>,
    is_fenced: bool,
}

impl Filler<'_, '_> {
    fn value(&mut self, value: &Value) -> Result<String, ExpressionProblem> {
        let references = references_of_value(value)?;
        if let Value::String(text) = value
            && !is_one_lookup(text)
        {
            let (fence, scope) = (self.fence, self.scope);
            let mut fenced = false;
            let rendered = render_marked(text, scope, &mut |references, text| {
                if is_the_authors(references, scope) {
                    return text;
                }
                fenced = true;
                format!("<{fence}>{}</{fence}>", without(fence, &text))
            })?;
            self.is_fenced |= fenced;
            self.note(rendered.notes);
            return Ok(rendered.text);
        }
        let filled = fill(value, self.scope)?;
        self.note(filled.notes);
        let text = match filled.value {
            Value::String(text) => text,
            other => serde_json::to_string_pretty(&other).unwrap_or_default(),
        };
        if is_the_authors(&references, self.scope) {
            return Ok(text);
        }
        self.is_fenced = true;
        let fence = self.fence;
        Ok(format!("<{fence}>\n{}\n</{fence}>", without(fence, &text)))
    }

    fn note(&mut self, notes: Vec<String>) {
        for note in notes {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
    }
}

/// Whether a text is one `${…}` and nothing else, as far as can be seen from outside.
fn is_one_lookup(text: &str) -> bool {
    text.starts_with("${") && text.ends_with('}') && text.matches("${").count() == 1
}

/// Whether all of it was written by the flow's author.
fn is_the_authors(references: &[Reference], scope: &Scope<'_>) -> bool {
    references.iter().all(|reference| {
        let name = reference.root.as_str();
        let is_variable = scope.variables.is_some_and(|variables| variables.contains_key(name));
        name == "variables" || (is_variable && !scope.outputs.contains_key(name))
    })
}
