//! Prompts: templates and values become text. Values are data; nothing in them is ever expanded.

use std::path::PathBuf;
use std::{fs, io};

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use miyabi_core::failure::{Failure, FailureClass};
use serde_json::Value;

/// The built-in templates by name.
const BUILT_IN: [(&str, &str); 10] = [
    ("analyst", include_str!("../../../prompts/analyst.md")),
    ("codegen", include_str!("../../../prompts/codegen.md")),
    ("coordinator", include_str!("../../../prompts/coordinator.md")),
    ("model", include_str!("../../../prompts/model.md")),
    ("model-again", include_str!("../../../prompts/model-again.md")),
    ("model-files", include_str!("../../../prompts/model-files.md")),
    ("resolve", include_str!("../../../prompts/resolve.md")),
    ("resume", include_str!("../../../prompts/resume.md")),
    ("reviewer", include_str!("../../../prompts/reviewer.md")),
    ("rework", include_str!("../../../prompts/rework.md")),
];

/// Steps of a template that are counted as endless.
const FUEL: u64 = 1_000_000;
/// The shortest fence that cannot be guessed.
const SHORTEST_FENCE: usize = 16;
/// What stands where a value held the fence.
const REMOVED: &str = "[fence removed]";

/// Why there is no prompt.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// There is no template of that name.
    #[error("find template `{0}`")]
    Unknown(String),
    /// The replacement of a template cannot be read.
    #[error("read template `{path}`")]
    Read {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The fence is missing, short, or not made of letters, digits and `-`.
    #[error("render template `{0}`: the value `fence` is no marker of at least 16 letters, digits or `-`")]
    Fence(String),
    /// The template is wrong, or needs a value that was not given.
    #[error("render template `{template}` at `{line}`")]
    Render {
        /// Its name.
        template: String,
        /// The line of it.
        line: String,
        /// Why.
        #[source]
        source: minijinja::Error,
    },
}

impl From<PromptError> for Failure {
    fn from(error: PromptError) -> Self {
        let hint = match &error {
            PromptError::Unknown(_) => {
                let names: Vec<_> = BUILT_IN.iter().map(|(name, _)| *name).collect();
                format!("templates are: {}; others are files in `.miyabi/prompts/`", names.join(", "))
            }
            PromptError::Read { .. } => "make it a readable UTF-8 file, or remove it".to_owned(),
            PromptError::Fence(_) => "this is a bug of the caller, who derives the fence".to_owned(),
            PromptError::Render { source, .. } if source.kind() == ErrorKind::UndefinedError => {
                "the values that a template may use are listed at its top".to_owned()
            }
            PromptError::Render { .. } => "mend the template in `.miyabi/prompts/`, or remove it".to_owned(),
        };
        Self::caused(FailureClass::Input, &error).hint(hint)
    }
}

/// The templates: built-in ones, each replaced by the file `<name>.md` of a folder if it is there.
#[derive(Clone, Debug)]
pub(crate) struct Prompts {
    folder: Option<PathBuf>,
}

impl Prompts {
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// Renders a template with these values.
    ///
    /// `fence` is the marker around untrusted text. Wherever another value holds it, it is taken out, so that no
    /// text can close the fence that stands around it.
    pub(crate) fn render(&self, template: &str, values: &Value) -> Result<String, PromptError> {
        let text = self.source(template)?;
        let fence = values.get("fence").and_then(Value::as_str).unwrap_or_default();
        if fence.len() < SHORTEST_FENCE || !fence.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Err(PromptError::Fence(template.to_owned()));
        }
        let mut clean = values.clone();
        if let Value::Object(values) = &mut clean {
            for (_, value) in values.iter_mut().filter(|(name, _)| *name != "fence") {
                remove(value, fence);
            }
        }
        let failed = |source: minijinja::Error| PromptError::Render {
            template: template.to_owned(),
            line: line(&text, source.line()),
            source,
        };
        let environment = environment().map_err(failed)?;
        environment.render_named_str(template, &text, minijinja::value::Serde(&clean)).map_err(failed)
    }

    fn source(&self, template: &str) -> Result<String, PromptError> {
        // A name is one plain word, so it is never a path.
        if template.is_empty() || !template.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Err(PromptError::Unknown(template.to_owned()));
        }
        if let Some(folder) = &self.folder {
            let path = folder.join(template).with_extension("md");
            match fs::read_to_string(&path) {
                Ok(source) => return Ok(source),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(PromptError::Read { path, source }),
            }
        }
        BUILT_IN
            .iter()
            .find(|(name, _)| *name == template)
            .map(|(_, source)| (*source).to_owned())
            .ok_or_else(|| PromptError::Unknown(template.to_owned()))
    }
}

fn environment<'a>() -> Result<Environment<'a>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_syntax(
        SyntaxConfig::builder()
            .variable_delimiters("${", "}")
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(true)
            .build()?,
    );
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.add_filter("json", json);
    Ok(environment)
}

/// The text of a line, counted from 1.
fn line(text: &str, number: Option<usize>) -> String {
    let line = number.and_then(|number| text.lines().nth(number.checked_sub(1)?));
    line.unwrap_or_default().trim().chars().take(120).collect()
}

/// Writes a value as readable JSON. One that is missing is an error, as it is everywhere else.
fn json(value: minijinja::Value) -> Result<String, minijinja::Error> {
    if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    serde_json::to_string_pretty(&value).map_err(|error| {
        minijinja::Error::new(ErrorKind::BadSerialization, "value is no JSON").with_source(error)
    })
}

fn remove(value: &mut Value, fence: &str) {
    match value {
        Value::String(text) if text.contains(fence) => *text = text.replace(fence, REMOVED),
        Value::Array(values) => values.iter_mut().for_each(|value| remove(value, fence)),
        Value::Object(values) => values.values_mut().for_each(|value| remove(value, fence)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
