//! Expressions of flow files: conditions that hold or not, and texts with `${…}` in them.
//!
//! One small language serves both. `lex` cuts text into words, `parse` makes trees of them, `template` finds `${…}`
//! in a text, `scope` knows what can be looked up, `eval` computes, `value` compares. There are no loops, no
//! variables that change and no calls but `contains()` and `default()`, so every expression ends.
//!
//! Values are data: what a lookup finds is never read as an expression, whatever it holds. A value that is missing is
//! null; comparing null is false, and the result notes it.

mod eval;
mod lex;
mod parse;
mod reference;
mod scope;
mod template;
mod value;

use serde_json::Value;

use eval::Machine;
use parse::Expr;
pub use reference::{Key, Reference, is_name};
pub use scope::{Scope, StepView};
use template::{Piece, Template};

/// The longest expression or text with expressions, in characters.
pub const MAX_LENGTH: usize = 200_000;
/// The longest text that one of them can become, in bytes.
pub const MAX_TEXT: usize = 4 * 1024 * 1024;
/// Names that a flow cannot give to its variables and outputs.
pub const RESERVED: [&str; 11] =
    ["trigger", "steps", "parent", "variables", "env", "true", "false", "null", "in", "contains", "default"];

/// What is wrong with an expression, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct ExpressionProblem {
    /// Characters before the place, from the beginning of the text.
    pub offset: usize,
    /// Line of the place within the text, from 1.
    pub line: usize,
    /// Column of the place within its line, in characters, from 1.
    pub column: usize,
    /// What is wrong, in lower case without a final period.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// What a condition came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    /// The value.
    pub value: Value,
    /// What was missing or could not be compared, one sentence each, in the order in which it was met.
    pub notes: Vec<String>,
}

impl Evaluated {
    /// Whether the value counts as true: anything but null, `false`, zero, an empty text, list or map.
    pub fn holds(&self) -> bool {
        value::holds(&self.value)
    }
}

/// What a text with expressions came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The text.
    pub text: String,
    /// As those of [`Evaluated`].
    pub notes: Vec<String>,
}

/// Computes a condition, such as `steps.Check.output.score >= 80 && !(draft == true)`.
///
/// The same condition over the same scope gives the same value. Errors: it cannot be read, or takes too long.
pub fn evaluate(condition: &str, scope: &Scope<'_>) -> Result<Evaluated, ExpressionProblem> {
    let tree = parse::condition(condition)?;
    let mut machine = Machine::new(condition, scope);
    let value = machine.value(&tree)?.into_owned();
    Ok(Evaluated { value, notes: machine.into_notes() })
}

/// Puts values into the places of a text that are marked by `${…}`; `$${` stands for `${` itself.
///
/// It is done in one pass. Text stays as it is, null becomes nothing, lists and maps become JSON on one line.
/// Errors: an expression cannot be read or takes too long, or the text becomes longer than [`MAX_TEXT`].
pub fn render(text: &str, scope: &Scope<'_>) -> Result<Rendered, ExpressionProblem> {
    render_marked(text, scope, &mut |_, text| text)
}

/// Does the same, and each text that is put into a place is what `mark` makes of it, which is told what was looked up.
///
/// Errors: as those of [`render`].
pub fn render_marked(text: &str, scope: &Scope<'_>, mark: Mark<'_>) -> Result<Rendered, ExpressionProblem> {
    let template = template::parse(text)?;
    let mut machine = Machine::new(text, scope);
    let rendered = render_pieces(&template, &mut machine, mark)?;
    Ok(Rendered { text: rendered, notes: machine.into_notes() })
}

/// What becomes of a text before it is put into a place; with it comes what was looked up there.
pub type Mark<'m> = &'m mut dyn FnMut(&[Reference], String) -> String;

/// Does the same with every text in a value. A text that is one `${…}` and nothing else becomes the value itself, not
/// its text; keys of maps stay as they are.
///
/// Errors: as those of [`render`], for the first text that has one.
pub fn fill(value: &Value, scope: &Scope<'_>) -> Result<Evaluated, ExpressionProblem> {
    let mut notes = Vec::new();
    let value = fill_value(value, scope, &mut notes)?;
    Ok(Evaluated { value, notes })
}

fn fill_value(value: &Value, scope: &Scope<'_>, notes: &mut Vec<String>) -> Result<Value, ExpressionProblem> {
    Ok(match value {
        Value::String(text) => {
            let template = template::parse(text)?;
            let mut machine = Machine::new(text, scope);
            let filled = match template.pieces.as_slice() {
                [Piece::Value(tree)] => machine.value(tree)?.into_owned(),
                _ => Value::String(render_pieces(&template, &mut machine, &mut |_, text| text)?),
            };
            for note in machine.into_notes() {
                if !notes.contains(&note) && notes.len() < eval::MAX_NOTES {
                    notes.push(note);
                }
            }
            filled
        }
        Value::Array(values) => {
            let filled = values.iter().map(|value| fill_value(value, scope, notes));
            Value::Array(filled.collect::<Result<_, _>>()?)
        }
        Value::Object(values) => {
            let filled =
                values.iter().map(|(key, value)| Ok((key.clone(), fill_value(value, scope, notes)?)));
            Value::Object(filled.collect::<Result<_, _>>()?)
        }
        other => other.clone(),
    })
}

fn render_pieces(
    template: &Template,
    machine: &mut Machine<'_, '_>,
    mark: Mark<'_>,
) -> Result<String, ExpressionProblem> {
    let mut out = String::new();
    for piece in &template.pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Value(tree) => {
                let value = machine.value(tree)?;
                let mut found = String::new();
                value::write(&value, &mut found);
                out.push_str(&mark(&references([tree]), found));
                machine.burn(tree.at, out.len() as u64 / 64)?;
            }
        }
        if out.len() > MAX_TEXT {
            let message = format!("the text becomes longer than {MAX_TEXT} bytes");
            return Err(machine.problem(0, message).hint("put in the part that is needed"));
        }
    }
    Ok(out)
}

/// Everything that a condition looks up, in the order of the text. Errors: it cannot be read.
pub fn references_of_condition(condition: &str) -> Result<Vec<Reference>, ExpressionProblem> {
    let tree = parse::condition(condition)?;
    Ok(references([&tree]))
}

/// Everything that a text with expressions looks up, in the order of the text. Errors: one cannot be read.
pub fn references_of_text(text: &str) -> Result<Vec<Reference>, ExpressionProblem> {
    let template = template::parse(text)?;
    Ok(references(template.pieces.iter().filter_map(|piece| match piece {
        Piece::Value(tree) => Some(tree),
        Piece::Text(_) => None,
    })))
}

/// Everything that the texts in a value look up. Errors: one cannot be read.
pub fn references_of_value(value: &Value) -> Result<Vec<Reference>, ExpressionProblem> {
    let mut found = Vec::new();
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) => found.extend(references_of_text(text)?),
            Value::Array(values) => open.extend(values),
            Value::Object(values) => open.extend(values.values()),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    Ok(found)
}

fn references<'t>(trees: impl IntoIterator<Item = &'t Expr>) -> Vec<Reference> {
    let mut found = Vec::new();
    let mut open: Vec<&Expr> = trees.into_iter().collect();
    while let Some(tree) = open.pop() {
        open.extend(tree.parts());
        if let parse::Kind::Reference(reference) = &tree.kind {
            found.push(reference.clone());
        }
    }
    found.sort_by_key(|reference| reference.at);
    found
}

impl ExpressionProblem {
    fn new(text: &str, offset: usize, message: impl Into<String>) -> Self {
        let (mut line, mut column) = (1, 1);
        for c in text.chars().take(offset) {
            (line, column) = if c == '\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        Self { offset, line, column, message: message.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

#[cfg(test)]
mod tests;
