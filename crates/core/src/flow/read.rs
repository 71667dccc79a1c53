//! Taking fields out of a YAML map: each reader reports what is wrong with its field and goes on.

use std::collections::HashMap;

use super::names::{listed, shown};
use super::node::{Node, Style, Value};
use super::problem::{At, Problems};
use super::suggest::nearest;

/// A word and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub(crate) at: At,
    pub(crate) text: String,
    /// How it is written, where that is known.
    pub(crate) style: Option<Style>,
}

/// The fields of a map with known keys.
pub(crate) struct Fields<'n> {
    /// Where the map begins.
    pub(crate) at: At,
    /// What it describes, such as `a step`.
    what: &'static str,
    /// The first value of each known key, with the place of the key.
    entries: HashMap<&'n str, (At, &'n Node)>,
}

impl<'n> Fields<'n> {
    /// Takes the map apart. Unknown keys, keys given twice and keys that are no words are problems.
    pub(crate) fn of(
        node: &'n Node,
        what: &'static str,
        known: &[&str],
        problems: &mut Problems<'_>,
    ) -> Option<Self> {
        let Value::Map(pairs) = &*node.value else {
            let message = format!("{what} is a map of keys, and this is {}", node.value.kind());
            problems.add(node.at, "wrong-type", message);
            return None;
        };
        let mut fields = Self { at: node.at, what, entries: HashMap::new() };
        for (key, value) in pairs {
            let Value::Text(word) = &*key.value else {
                let message = format!("a key is a word, and this is {}", key.value.kind());
                problems.add(key.at, "wrong-type", message);
                continue;
            };
            if let Some((first, _)) = fields.entries.get(word.as_str()) {
                let message = format!("key `{}` is given twice; first on line {}", shown(word), first.line);
                problems.add(key.at, "duplicate-key", message);
                continue;
            }
            if !known.contains(&word.as_str()) {
                let problem =
                    problems.add(key.at, "unknown-key", format!("unknown key `{}` in {what}", shown(word)));
                match nearest(word, known.iter().copied()) {
                    Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
                    None if word == "<<" => problem.hint("keys cannot be merged in; write them out"),
                    None if known.is_empty() => problem.hint("leave it out"),
                    None => problem.hint(format!("known keys: {}", listed(known))),
                }
            }
            fields.entries.insert(word, (key.at, value));
        }
        Some(fields)
    }

    /// The value of the key, whatever it is, with the place of the key.
    pub(crate) fn any(&mut self, key: &str) -> Option<(At, &'n Node)> {
        self.entries.remove(key)
    }

    /// The value of an optional key; a key without a value is a problem.
    pub(crate) fn value(&mut self, key: &str, problems: &mut Problems<'_>) -> Option<&'n Node> {
        let (at, node) = self.any(key)?;
        if matches!(&*node.value, Value::Nothing) {
            let problem = problems.add(at, "no-value", format!("`{key}` has no value"));
            problem.hint("write it after the colon");
            return None;
        }
        Some(node)
    }

    /// Whether the key is there, with or without a value.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Where the key stands, if it is there.
    pub(crate) fn at_of(&self, key: &str) -> Option<At> {
        self.entries.get(key).map(|(at, _)| *at)
    }

    /// Reports that a required key is not there.
    pub(crate) fn missing(&self, key: &str, problems: &mut Problems<'_>) {
        problems.add(self.at, "missing-key", format!("{} needs `{key}`", self.what));
    }

    /// A word; numbers and `true` count as the words they are written as.
    pub(crate) fn text(&mut self, key: &str, problems: &mut Problems<'_>) -> Option<Word> {
        let node = self.value(key, problems)?;
        word(node, key, problems)
    }

    /// A required word that can be a name: one line without control characters, not blank, at most 200 characters.
    pub(crate) fn name(&mut self, key: &str, problems: &mut Problems<'_>) -> Option<Word> {
        if !self.has(key) {
            self.missing(key, problems);
            return None;
        }
        let word = self.text(key, problems)?;
        let wrong = if word.text.trim().is_empty() {
            "is blank"
        } else if word.text.trim() != word.text {
            "begins or ends with a space"
        } else if word.text.chars().any(char::is_control) {
            "holds line ends or other control characters"
        } else if word.text.chars().nth(200).is_some() {
            "is longer than 200 characters"
        } else {
            return Some(word);
        };
        problems.add(word.at, "bad-name", format!("`{key}` {wrong}"));
        None
    }

    /// One of these words.
    pub(crate) fn one_of<T: Copy>(
        &mut self,
        key: &str,
        words: &[(&str, T)],
        problems: &mut Problems<'_>,
    ) -> Option<T> {
        let word = self.text(key, problems)?;
        choose(&word, key, words, problems)
    }

    /// A whole number of at most `max`.
    pub(crate) fn number(&mut self, key: &str, max: u32, problems: &mut Problems<'_>) -> Option<(At, u32)> {
        let word = self.text(key, problems)?;
        let digits = !word.text.is_empty() && word.text.chars().all(|c| c.is_ascii_digit());
        match word.text.parse::<u32>() {
            Ok(number) if digits && number <= max => Some((word.at, number)),
            _ => {
                let message =
                    format!("`{key}` is a whole number from 0 to {max}, and this is `{}`", shown(&word.text));
                problems.add(word.at, "bad-number", message);
                None
            }
        }
    }

    /// A list of words, or a single one.
    pub(crate) fn words(&mut self, key: &str, problems: &mut Problems<'_>) -> Option<Vec<Word>> {
        let node = self.value(key, problems)?;
        match &*node.value {
            Value::List(nodes) => Some(nodes.iter().filter_map(|node| word(node, key, problems)).collect()),
            _ => word(node, key, problems).map(|word| vec![word]),
        }
    }

    /// A required list, with the place of its key.
    pub(crate) fn required_list(
        &mut self,
        key: &str,
        problems: &mut Problems<'_>,
    ) -> Option<(At, &'n [Node])> {
        let Some((at, node)) = self.any(key) else {
            self.missing(key, problems);
            return None;
        };
        match &*node.value {
            Value::List(nodes) => Some((at, nodes)),
            Value::Nothing => Some((at, &[])),
            other => {
                let message = format!("`{key}` is a list, and this is {}", other.kind());
                problems.add(node.at, "wrong-type", message);
                None
            }
        }
    }

    /// The one of two spellings of a key that is there. Both at once are a problem.
    pub(crate) fn either<'k>(
        &self,
        (first, second): (&'k str, &'k str),
        problems: &mut Problems<'_>,
    ) -> Option<&'k str> {
        match (self.at_of(first), self.at_of(second)) {
            (Some(a), Some(b)) => {
                let message = format!("`{first}` and `{second}` are two spellings of one key");
                problems.add(a.max(b), "two-spellings", message).hint("leave one of them out");
                Some(first)
            }
            (Some(_), None) => Some(first),
            (None, Some(_)) => Some(second),
            (None, None) => None,
        }
    }

    /// Reports a key that changes nothing where it stands.
    pub(crate) fn no_effect(&mut self, key: &str, why: &str, problems: &mut Problems<'_>) {
        if let Some((at, _)) = self.any(key) {
            problems.add(at, "no-effect", format!("`{key}` has no effect here")).hint(why);
        }
    }
}

/// The meaning of a word that must be one of these.
pub(crate) fn choose<T: Copy>(
    word: &Word,
    key: &str,
    words: &[(&str, T)],
    problems: &mut Problems<'_>,
) -> Option<T> {
    if let Some((_, meaning)) = words.iter().find(|(known, _)| *known == word.text) {
        return Some(*meaning);
    }
    let known: Vec<&str> = words.iter().map(|(known, _)| *known).collect();
    let message = format!("`{}` is no word for `{key}`", shown(&word.text));
    let problem = problems.add(word.at, "unknown-word", message);
    match nearest(&word.text, known.iter().copied()) {
        Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
        None => problem.hint(format!("it is {}", listed(&known))),
    }
    None
}

pub(crate) fn word(node: &Node, key: &str, problems: &mut Problems<'_>) -> Option<Word> {
    let word = node.word();
    if word.is_none() {
        let message = format!("`{key}` takes a word, and this is {}", node.value.kind());
        problems.add(node.at, "wrong-type", message);
    }
    word
}
