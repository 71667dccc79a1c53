//! Parts of the code that an issue names: paths first, words of the title where there are none.

use std::collections::HashSet;
use std::sync::LazyLock;

use regex::Regex;

use crate::reading::item::Work;

/// The most areas that are named.
const MAX_AREAS: usize = 20;
/// The longest path that counts as one, in bytes.
const MAX_PATH: usize = 200;

pub(super) fn areas(title: &str, prose: &str, works: &[Work]) -> Vec<String> {
    let mut known = HashSet::new();
    let mut found = Vec::new();
    let named = works.iter().flat_map(|work| &work.files).map(String::as_str).filter(|file| is_inside(file));
    for path in named.chain(paths(prose)) {
        if found.len() == MAX_AREAS {
            break;
        }
        if known.insert(path) {
            found.push(path.to_owned());
        }
    }
    if found.is_empty() { title_words(title) } else { found }
}

/// Relative paths that end in a file name, and file names of source code; addresses are not paths.
fn paths(prose: &str) -> impl Iterator<Item = &str> {
    static PATH: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"[\w.:/@-]*\.(?:rs|toml|py|pyi|js|mjs|ts|tsx|jsx|go|java|kt|rb|php|c|h|cc|cpp|hpp|cs|swift|sh|sql|md|html|css|json|yaml|yml|proto|lock)\b",
        )
        .expect("the pattern is constant and used by a test")
    });
    PATH.find_iter(prose).map(|found| found.as_str()).filter(|path| path.len() <= MAX_PATH && is_inside(path))
}

fn is_inside(path: &str) -> bool {
    !path.starts_with(['/', '.', '-', '@'])
        && !path.contains(':')
        && path.split('/').all(|part| !part.is_empty() && part != "..")
}

fn title_words(title: &str) -> Vec<String> {
    const EMPTY: [&str; 24] = [
        "about",
        "after",
        "all",
        "and",
        "add",
        "before",
        "change",
        "fix",
        "for",
        "from",
        "implement",
        "improve",
        "into",
        "make",
        "new",
        "not",
        "remove",
        "support",
        "the",
        "update",
        "use",
        "when",
        "with",
        "without",
    ];
    let mut words: Vec<String> = Vec::new();
    for word in title.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-') {
        let word = word.to_lowercase();
        let telling = word.chars().count() > 2 && !EMPTY.contains(&word.as_str()) && !words.contains(&word);
        if telling && word.len() <= 60 {
            words.push(word);
        }
    }
    words.truncate(5);
    words
}
