//! Which part of a text to show, and which words it was found by.

use std::collections::HashSet;

use crate::shelf::Chunk;
use crate::terms;

/// The longest excerpt, in characters.
const LONGEST: usize = 400;

/// Words of a query with their terms, as [`terms::words`] has them.
type Words = [(String, Vec<String>)];

/// Those of the words that the chunk holds, in their order.
pub(crate) fn matched(words: &Words, chunk: &Chunk) -> Vec<String> {
    let record = &chunk.record;
    let files: &[String] = if chunk.place == 0 { &record.files } else { &[] };
    let there = terms::of_document(&record.title, &chunk.text, files);
    let there: HashSet<&str> = there.iter().map(|(term, _)| term.as_str()).collect();
    let held = words.iter().filter(|(_, terms)| terms.iter().any(|term| there.contains(term.as_str())));
    held.map(|(word, _)| word.clone()).collect()
}

/// The lines of a text that hold most of the words, from the first of them on.
pub(crate) fn excerpt(words: &Words, text: &str) -> String {
    let wanted: HashSet<&str> = words.iter().flat_map(|(_, terms)| terms).map(String::as_str).collect();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let held = |line: &str| {
        let there = terms::of_document("", line, &[]);
        there.iter().filter(|(term, _)| wanted.contains(term.as_str())).count()
    };
    let counts: Vec<usize> = lines.iter().map(|line| held(line)).collect();
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
