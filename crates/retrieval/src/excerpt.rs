//! Which part of a text to show, and which words it was found by.

use std::collections::HashSet;

use crate::shelf::Chunk;
use crate::terms::Finder;

/// The longest excerpt, in characters.
const LONGEST: usize = 400;

/// Words of a query with their terms, as [`terms::words`] has them.
type Words = [(String, Vec<String>)];

/// Something that looks for these words.
pub(crate) fn finder(words: &Words) -> Finder<'_> {
    Finder::new(words.iter().flat_map(|(_, terms)| terms).map(String::as_str))
}

/// What is shown of a chunk: those of the words that it holds, in their order, and the lines of its text that hold most
/// of them, from the first such line on.
pub(crate) fn shown(words: &Words, finder: &mut Finder<'_>, chunk: &Chunk) -> (Vec<String>, String) {
    let lines: Vec<&str> = chunk.text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let in_lines: Vec<HashSet<&str>> = lines.iter().map(|line| finder.held(line)).collect();
    let mut there = finder.held(&chunk.record.title);
    there.extend(chunk.files().iter().flat_map(|file| finder.held(file)));
    there.extend(in_lines.iter().flatten());
    let matched = words.iter().filter(|(_, terms)| terms.iter().any(|term| there.contains(term.as_str())));
    let matched = matched.map(|(word, _)| word.clone()).collect();
    let counts: Vec<usize> = in_lines.iter().map(HashSet::len).collect();
    (matched, excerpt(&lines, &counts))
}

/// The lines from the first on that has the highest count.
fn excerpt(lines: &[&str], counts: &[usize]) -> String {
    let most = counts.iter().copied().max().unwrap_or_default();
    let from = counts.iter().position(|count| *count == most).unwrap_or_default();
    let mut shown = String::new();
    let mut left = LONGEST;
    for line in lines.iter().skip(from) {
        if !shown.is_empty() {
            shown.push('\n');
        }
        let length = line.chars().count();
        if length > left {
            shown.extend(line.chars().take(left));
            shown.push('…');
            break;
        }
        shown.push_str(line);
        left -= length;
        if left == 0 {
            break;
        }
    }
    shown
}
