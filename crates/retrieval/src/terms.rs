//! From text to terms: what the search by words compares.
//!
//! People write `get user by id`, code says `getUserById`, `get_user_by_id` or `get-user-by-id`: a name of several parts
//! becomes each part and the whole, so that each way finds the others. English endings go (Snowball). Japanese, Chinese
//! and Korean have no spaces: their text becomes every pair and every three characters that stand side by side. Words
//! of a path count once in a text, because long lists of paths would drown what is said.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

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
    let mut words = Vec::new();
    for word in text.split_whitespace().map(narrowed) {
        for name in names(&word).filter(|name| seen.insert((*name).to_owned())) {
            let mut terms = Terms::default();
            terms.read(name);
            words.push((name.to_owned(), terms.counts.into_keys().collect()));
        }
    }
    words
}

/// Looks for certain terms in texts.
pub(crate) struct Finder<'a> {
    wanted: HashSet<&'a str>,
    reader: Reader,
    /// What was found in names that were seen before: texts say much again.
    known: HashMap<String, Vec<&'a str>>,
}

impl<'a> Finder<'a> {
    pub(crate) fn new(wanted: impl IntoIterator<Item = &'a str>) -> Self {
        let wanted = wanted.into_iter().collect();
        Self { wanted, reader: Reader::default(), known: HashMap::new() }
    }

    /// Those of the terms that are in a text.
    pub(crate) fn held(&mut self, text: &str) -> HashSet<&'a str> {
        let mut held = HashSet::new();
        each_name(text, |name, _| {
            if let Some(known) = self.known.get(name) {
                held.extend(known);
                return;
            }
            let mut found = Vec::new();
            self.reader.read(name, &mut |term| found.extend(self.wanted.get(term)));
            held.extend(&found);
            self.known.insert(name.to_owned(), found);
        });
        held
    }
}

#[derive(Default)]
struct Terms {
    counts: BTreeMap<String, u32>,
    in_paths: HashSet<String>,
    reader: Reader,
}

impl Terms {
    fn read(&mut self, text: &str) {
        each_name(text, |name, is_path| self.name(name, is_path));
    }

    fn path(&mut self, path: &str) {
        names(&narrowed(path)).for_each(|name| self.name(name, true));
    }

    fn name(&mut self, name: &str, is_path: bool) {
        let Self { counts, in_paths, reader } = self;
        reader.read(name, &mut |term| {
            if !is_path || is_new(in_paths, term) {
                count(counts, term);
            }
        });
    }
}

fn count(counts: &mut BTreeMap<String, u32>, term: &str) {
    if let Some(count) = counts.get_mut(term) {
        *count += 1;
    } else {
        counts.insert(term.to_owned(), 1);
    }
}

fn is_new(seen: &mut HashSet<String>, term: &str) -> bool {
    !seen.contains(term) && seen.insert(term.to_owned())
}

/// Calls with each name of a text, and whether it stands in a path.
fn each_name(text: &str, mut take: impl FnMut(&str, bool)) {
    for word in text.split_whitespace() {
        // Of an address what stands after the host says something.
        let word = word
            .split_once("://")
            .map_or(word, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
        let is_path = word.contains('/');
        names(&narrowed(word)).for_each(|name| take(name, is_path));
    }
}

/// Takes names apart, with room for the part that it is at.
struct Reader {
    stemmer: Stemmer,
    part: String,
    /// The parts so far that have spaces between words.
    whole: String,
}

impl Default for Reader {
    fn default() -> Self {
        Self { stemmer: Stemmer::new(Algorithm::English), part: String::new(), whole: String::new() }
    }
}

impl Reader {
    /// Tells the terms of a name such as `get_user-by.id2`.
    fn read(&mut self, name: &str, tell: &mut impl FnMut(&str)) {
        let mut latin = 0;
        self.whole.clear();
        let mut before: Option<Shape> = None;
        let mut chars = name.chars().peekable();
        while let Some(c) = chars.next() {
            let shape = Shape::of(c);
            let begins = match (before, shape) {
                (_, Shape::Between) | (None, _) => true,
                // `HTTPServer`: the last of several capitals belongs to the word after it.
                (Some(Shape::Upper), Shape::Upper) => {
                    chars.peek().is_some_and(|next| Shape::of(*next) == Shape::Lower)
                }
                (Some(Shape::Upper), Shape::Lower) => false,
                (Some(one), other) => one != other,
            };
            if begins {
                latin += usize::from(self.end_part(tell));
            }
            if shape != Shape::Between {
                if c.is_ascii() {
                    self.part.push(c.to_ascii_lowercase());
                } else {
                    self.part.extend(c.to_lowercase());
                }
            }
            before = Some(shape);
        }
        latin += usize::from(self.end_part(tell));
        if latin > 1 {
            stem(&self.stemmer, &self.whole, tell);
        }
    }

    /// Tells the terms of the part that ends here, if there is one; true: it has letters or digits with spaces between
    /// words.
    fn end_part(&mut self, tell: &mut impl FnMut(&str)) -> bool {
        let is_latin = !self.part.is_empty() && !self.part.starts_with(is_dense);
        if is_latin {
            self.whole.push_str(&self.part);
            if !STOP.contains(&self.part.as_str()) {
                stem(&self.stemmer, &self.part, tell);
            }
        } else {
            neighbours(&self.part, tell);
        }
        self.part.clear();
        is_latin
    }
}

fn stem(stemmer: &Stemmer, word: &str, tell: &mut impl FnMut(&str)) {
    // No character is longer than four bytes.
    if word.len() <= LONGEST || word.len() <= 4 * LONGEST && word.chars().count() <= LONGEST {
        tell(&stemmer.stem(word));
    }
}

/// The names in a word: letters and digits, with `_`, and with `-` or `.` between them.
fn names(word: &str) -> impl Iterator<Item = &str> {
    let mut rest = word;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c| !is_letter(c));
        let mut chars = rest.char_indices().peekable();
        let mut end = rest.len();
        while let Some((at, c)) = chars.next() {
            let joins = matches!(c, '-' | '.') && chars.peek().is_some_and(|(_, next)| is_letter(*next));
            if !is_letter(c) && !joins {
                end = at;
                break;
            }
        }
        let (name, after) = rest.split_at_checked(end)?;
        rest = after;
        (!name.is_empty()).then_some(name)
    })
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
            'a'..='z' => Self::Lower,
            'A'..='Z' => Self::Upper,
            '0'..='9' => Self::Digit,
            _ if c.is_ascii() => Self::Between,
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
fn narrowed(word: &str) -> Cow<'_, str> {
    let is_wide = |c: char| matches!(u32::from(c), 0xFF01..=0xFF5E);
    if !word.contains(is_wide) {
        return Cow::Borrowed(word);
    }
    let narrow = |c: char| if is_wide(c) { char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c) } else { c };
    Cow::Owned(word.chars().map(narrow).collect())
}

/// Tells every two and every three characters side by side; one character alone is itself.
fn neighbours(run: &str, tell: &mut impl FnMut(&str)) {
    let ends: Vec<usize> = run.char_indices().map(|(at, _)| at).chain([run.len()]).collect();
    if ends.len() == 2 {
        tell(run);
    }
    for (begin, many) in ends.iter().zip(0..).flat_map(|(begin, at)| [(begin, at + 2), (begin, at + 3)]) {
        if let Some(some) = ends.get(many).and_then(|end| run.get(*begin..*end)) {
            tell(some);
        }
    }
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
    fn what_is_looked_for_is_found_however_it_is_written() {
        let mut finder = Finder::new(["user", "getuserbyid", "fail", "認証", "0277"]);
        let mut held = |text| {
            let mut held: Vec<&str> = finder.held(text).into_iter().collect();
            held.sort_unstable();
            held
        };
        assert_eq!(held("it failed for Users in getUserById, then fails"), ["fail", "getuserbyid", "user"]);
        assert_eq!(held("ユーザ認証 E0277 ＦＡＩＬＳ"), ["0277", "fail", "認証"]);
        assert_eq!(held("src/users/fax.rs of a face"), ["user"]);
        assert!(held("").is_empty());
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
