//! Which word was meant.

/// The candidate that is nearest to a mistyped word, if one is near enough to be meant.
pub(super) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    const LONGEST: usize = 40;
    let word: Vec<char> = word.to_lowercase().chars().take(LONGEST + 1).collect();
    if word.len() > LONGEST {
        return None;
    }
    // A third of the word may be wrong, so that short words are not taken for any other.
    let allowed = (word.len() / 3).clamp(1, 3);
    let scored = candidates.into_iter().filter_map(|candidate| {
        let other: Vec<char> = candidate.to_lowercase().chars().take(LONGEST + 4).collect();
        let near = other.len().abs_diff(word.len()) <= allowed;
        let distance = if near { distance(&word, &other) } else { usize::MAX };
        (distance <= allowed).then_some((distance, candidate))
    });
    scored.min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that lead from one word to the other.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(x != y);
            let mut least = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && y == a[i - 1] {
                least = least.min(before_last[j - 1] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_slips_are_recognised() {
        let keys = ["name", "uses", "depends_on", "timeout", "on_failure"];
        for (slip, meant) in [
            ("nmae", "name"),
            ("use", "uses"),
            ("dependson", "depends_on"),
            ("depend_on", "depends_on"),
            ("Timeout", "timeout"),
            ("onfailure", "on_failure"),
        ] {
            assert_eq!(nearest(slip, keys), Some(meant), "{slip}");
        }
    }

    #[test]
    fn other_words_are_left_alone() {
        for word in ["", "x", "retries", "検査", &"n".repeat(5000)] {
            assert_eq!(nearest(word, ["name", "uses", "if"]), None, "{word}");
        }
    }

    #[test]
    fn distances_count_slips() {
        let count =
            |a: &str, b: &str| distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        assert_eq!(count("", "abc"), 3);
        assert_eq!(count("kitten", "sitting"), 3);
        assert_eq!(count("検査", "検証"), 1);
        assert_eq!(count("ab", "ba"), 1);
    }
}
