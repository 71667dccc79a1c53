//! What is wrong with a YAML file, in one line.

/// The message of an error, without the drawing of the source and without the place, which callers tell themselves.
pub(crate) fn problem(error: &serde_saphyr::Error) -> String {
    let error = error.without_snippet();
    let text = error.to_string();
    let place = error.location().map(|at| format!(" at line {}, column {}", at.line(), at.column()));
    place.and_then(|place| text.strip_suffix(&place)).unwrap_or(&text).to_owned()
}
