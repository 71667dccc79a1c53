//! From text to terms: what the search by words compares.
//!
//! People write `get user by id`, code says `getUserById`, `get_user_by_id` or `get-user-by-id`: a name of several parts
//! becomes each part and the whole, so that each way finds the others. English endings go (Snowball). Japanese, Chinese
//! and Korean have no spaces: their text becomes every pair and every three characters that stand side by side. Words
//! of a path count once in a text, because long lists of paths would drown what is said.

use std::collections::{BTreeMap, HashSet};

use frostem::{Algorithm, Stemmer};

/// Words that are in nearly every text and say nothing of it.
const STOP: [&str; 45] = [
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "can", "for", "i", "if", "in", "into", "is",
    "it", "no", "not", "of", "on", "or", "our", "so", "such", "that", "the", "their", "then", "there",
    "these", "they", "this", "to", "was", "we", "were", "which", "will", "with", "you", "your", "has",
    "have", "from",
];
/// What is longer is no word: a hash, a blob. In characters.
const LONGEST: usize = 64;
/// The first line of a query says what it is about: its terms count so much more.
const FIRST_LINE: f32 = 1.5;

/// How often each term occurs in a text with this heading and about these files; in order of the terms.
pub(crate) fn of_document(title: &str, text: &str, files: &[String]) -> Vec<(String, u32)> {
    let mut terms = Terms::default();
    terms.read(title);
    terms.read(text);
    for file in files {
        terms.path(file);
    }
    terms.counts.into_iter().collect()
}

/// The weight of each term of a query. A term that is said often weighs more, but not by as much.
pub(crate) fn of_query(text: &str) -> Vec<(String, f32)> {
    let mut terms = Terms::default();
    terms.read(text);
    let mut first = Terms::default();
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    if let (Some(line), Some(_)) = (lines.next(), lines.next()) {
        first.read(line);
    }
    let weight = |term: &str, count: u32| {
        // Counts of a query are small: nothing is lost.
        #[expect(clippy::cast_precision_loss, reason = "a count of words")]
        let said = 1.0 + (count as f32).ln();
        if first.counts.contains_key(term) { said * FIRST_LINE } else { said }
    };
    terms.counts.iter().map(|(term, count)| (term.clone(), weight(term, *count))).collect()
}

/// The words of a text, as they are written, with the terms that each becomes.
pub(crate) fn words(text: &str) -> Vec<(String, Vec<String>)> {
    let mut seen = HashSet::new();
    let words = text.split_whitespace().flat_map(names);
    let fresh = words.filter(|word| seen.insert(word.clone()));
    fresh
        .map(|word| {
            let mut terms = Terms::default();
            terms.read(&word);
            (word, terms.counts.into_keys().collect())
        })
        .collect()
}

struct Terms {
    counts: BTreeMap<String, u32>,
    in_paths: HashSet<String>,
    stemmer: Stemmer,
}

impl Default for Terms {
    fn default() -> Self {
        let stemmer = Stemmer::new(Algorithm::English);
        Self { counts: BTreeMap::new(), in_paths: HashSet::new(), stemmer }
    }
}

impl Terms {
    fn read(&mut self, text: &str) {
        for word in text.split_whitespace() {
            // Of an address what stands after the host says something.
            let word = word
                .split_once("://")
                .map_or(word, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
            if word.contains('/') {
                self.path(word);
            } else {
                for name in names(word) {
                    for term in self.terms(&name) {
                        *self.counts.entry(term).or_default() += 1;
                    }
                }
            }
        }
    }

    fn path(&mut self, path: &str) {
        for name in names(path) {
            for term in self.terms(&name) {
                if self.in_paths.insert(term.clone()) {
                    *self.counts.entry(term).or_default() += 1;
                }
            }
        }
    }

    /// The terms of a name such as `get_user-by.id2`.
    fn terms(&self, name: &str) -> Vec<String> {
        let parts = parts(name);
        let mut terms = Vec::new();
        let latin: Vec<&String> = parts.iter().filter(|part| !part.starts_with(is_dense)).collect();
        if latin.len() > 1 {
            let whole: String = latin.iter().map(|part| part.as_str()).collect();
            terms.extend(self.stem(&whole));
        }
        for part in &parts {
            if part.starts_with(is_dense) {
                terms.extend(neighbours(part));
            } else if !STOP.contains(&part.as_str()) {
                terms.extend(self.stem(part));
            }
        }
        terms
    }

    fn stem(&self, word: &str) -> Option<String> {
        (word.chars().take(LONGEST + 1).count() <= LONGEST).then(|| self.stemmer.stem(word).into_owned())
    }
}

/// The names in a word: letters and digits, with `_`, and with `-` or `.` between them.
fn names(word: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut name = String::new();
    let mut chars = word.chars().map(narrow).peekable();
    while let Some(c) = chars.next() {
        let joins =
            matches!(c, '-' | '.') && !name.is_empty() && chars.peek().is_some_and(|next| is_letter(*next));
        if is_letter(c) || joins {
            name.push(c);
        } else if !name.is_empty() {
            names.push(std::mem::take(&mut name));
        }
    }
    if !name.is_empty() {
        names.push(name);
    }
    names
}

/// The parts of a name, in lower case: `HTTPServer2` is `http`, `server` and `2`.
fn parts(name: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let chars: Vec<char> = name.chars().collect();
    let mut before: Option<Shape> = None;
    for (ix, &c) in chars.iter().enumerate() {
        let shape = Shape::of(c);
        let next = chars.get(ix + 1).map(|next| Shape::of(*next));
        let begins = match (before, shape) {
            (_, Shape::Between) | (None, _) => true,
            // `HTTPServer`: the last of several capitals belongs to the word after it.
            (Some(Shape::Upper), Shape::Upper) => next == Some(Shape::Lower),
            (Some(Shape::Upper), Shape::Lower) => false,
            (Some(one), other) => one != other,
        };
        if begins && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
        }
        if shape != Shape::Between {
            part.extend(c.to_lowercase());
        }
        before = Some(shape);
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Upper,
    Lower,
    Digit,
    /// Written without spaces between words.
    Dense,
    Between,
}

impl Shape {
    fn of(c: char) -> Self {
        match c {
            _ if is_dense(c) => Self::Dense,
            _ if c.is_uppercase() => Self::Upper,
            _ if c.is_numeric() => Self::Digit,
            _ if c.is_alphabetic() => Self::Lower,
            _ => Self::Between,
        }
    }
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Kana, Han and Hangul.
fn is_dense(c: char) -> bool {
    matches!(u32::from(c), 0x3005..=0x3007 | 0x3040..=0x30FF | 0x31F0..=0x31FF | 0x3400..=0x9FFF | 0xAC00..=0xD7AF
        | 0xF900..=0xFAFF | 0xFF66..=0xFF9F | 0x2_0000..=0x3_FFFF)
}

/// Full-width letters and digits as the usual ones.
fn narrow(c: char) -> char {
    match u32::from(c) {
        code @ 0xFF01..=0xFF5E => char::from_u32(code - 0xFEE0).unwrap_or(c),
        _ => c,
    }
}

/// Every two and every three characters side by side; one character alone is itself.
fn neighbours(run: &str) -> Vec<String> {
    let chars: Vec<char> = run.chars().collect();
    if chars.len() == 1 {
        return vec![run.to_owned()];
    }
    chars.windows(2).chain(chars.windows(3)).map(|some| some.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        of_document("", text, &[]).into_iter().map(|(term, _)| term).collect()
    }

    #[test]
    fn a_name_of_several_parts_is_found_however_it_is_written() {
        let whole = "getuserbyid";
        for name in ["getUserById", "get_user_by_id", "get-user-by-id", "GetUserByID", "get.user.by.id"] {
            let terms = read(name);
            assert!(
                ["get", "user", "id", whole].iter().all(|term| terms.contains(&(*term).to_owned())),
                "{name}: {terms:?}"
            );
        }
        assert_eq!(read("HTTPServer2"), ["2", "http", "httpserver2", "server"]);
        assert_eq!(read("error[E0277]: TS2345"), ["0277", "2345", "e", "e0277", "error", "ts", "ts2345"]);
    }

    #[test]
    fn endings_and_empty_words_go() {
        assert_eq!(read("the failing tests fail, a test failed"), ["fail", "test"]);
        assert_eq!(read("it is"), Vec::<String>::new());
    }

    #[test]
    fn words_of_paths_count_once() {
        let terms = of_document(
            "parser",
            "The parser fails. crates/parser/src/lib.rs",
            &["crates/parser/src/parser.rs".to_owned()],
        );
        let count = |word: &str| terms.iter().find(|(term, _)| term == word).map(|(_, count)| *count);
        assert_eq!((count("parser"), count("crate"), count("rs")), (Some(3), Some(1), Some(1)));
    }

    #[test]
    fn text_without_spaces_is_cut_into_neighbours() {
        assert_eq!(read("認証情報"), ["情報", "証情", "証情報", "認証", "認証情"]);
        assert_eq!(read("ＡＰＩの鍵"), ["api", "の鍵"]);
        assert_eq!(read("鍵"), ["鍵"]);
        assert!(read("ログイン画面でloginに失敗").contains(&"login".to_owned()));
    }

    #[test]
    fn what_is_too_long_for_a_word_is_left_out() {
        assert_eq!(read(&"x".repeat(5_000_000)), Vec::<String>::new());
    }

    #[test]
    fn the_first_line_of_a_query_weighs_more() {
        let weights = of_query("Fix login\n\nlogin login fails");
        let weight = |word: &str| weights.iter().find(|(term, _)| term == word).map(|(_, weight)| *weight);
        assert_eq!(weight("fix"), Some(1.5));
        assert_eq!(weight("fail"), Some(1.0));
        assert!(weight("login") > weight("fix"));
        assert_eq!(of_query("login"), [("login".to_owned(), 1.0)]);
    }

    #[test]
    fn words_are_told_with_their_terms() {
        let told = words("Fix getUser, 認証 getUser");
        assert_eq!(
            told.iter().map(|(word, _)| word.as_str()).collect::<Vec<_>>(),
            ["Fix", "getUser", "認証"]
        );
        assert_eq!(
            told.get(1).map(|(_, terms)| terms.clone()),
            Some(vec!["get".into(), "getus".into(), "user".into()])
        );
    }
}
