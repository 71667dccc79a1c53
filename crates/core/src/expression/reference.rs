//! What an expression looks up.

use std::fmt;

use super::lex;

/// A name and the way from there to a value: `steps['Check Reviews'].output.approved`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Characters before it in the text.
    pub at: usize,
    /// The name that it begins with.
    pub root: String,
    /// The way, with the characters before each part of it.
    pub path: Vec<(usize, Key)>,
}

/// A part of the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// The entry of a map.
    Name(String),
    /// The entry of a list, from 0.
    Index(usize),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root)?;
        for (_, key) in &self.path {
            match key {
                Key::Name(name) if is_name(name) => write!(f, ".{name}")?,
                Key::Name(name) => write!(f, "['{}']", crate::plain::one_line(name, 60))?,
                Key::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Whether this can be written without quotes, as a name.
pub fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(lex::begins_name)
        && chars.all(|c| lex::continues_name(c) || c == '-')
        && !text.ends_with('-')
        && !text.contains("--")
}
