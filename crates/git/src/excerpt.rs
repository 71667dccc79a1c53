//! What of a file with conflict markers is shown, and where markers are left.

use std::io::{self, BufRead};

/// Longest excerpt, in characters.
const LONGEST: usize = 16_000;
/// Lines that are shown around a conflict in a file that is too long to be shown whole.
const AROUND: usize = 20;

/// The text with its conflicts, at most 16,000 characters; of a longer one the surroundings of the conflicts.
pub(crate) fn excerpt(text: &str) -> String {
    if text.chars().nth(LONGEST).is_none() {
        return text.to_owned();
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut shown = vec![false; lines.len()];
    let mut inside = false;
    for (at, line) in lines.iter().enumerate() {
        let marker = Marker::of(line.trim_end().as_bytes());
        inside |= marker == Some(Marker::Ours);
        if inside {
            let from = at.saturating_sub(AROUND);
            shown.iter_mut().take(at + AROUND + 1).skip(from).for_each(|shown| *shown = true);
        }
        inside &= marker != Some(Marker::Theirs);
    }
    let mut result = String::new();
    let mut left_out = 0;
    for (line, shown) in lines.iter().zip(shown) {
        if !shown {
            left_out += 1;
            continue;
        }
        say_left_out(&mut result, &mut left_out);
        result.push_str(line);
    }
    if result.is_empty() {
        return text.chars().take(LONGEST).collect();
    }
    say_left_out(&mut result, &mut left_out);
    result.chars().take(LONGEST).collect()
}

/// Lines, from 1, with conflict markers.
///
/// `=======` counts only within a conflict: elsewhere it underlines headings.
pub(crate) fn marked_lines(mut file: impl BufRead) -> io::Result<Vec<u64>> {
    let mut marked = Vec::new();
    let mut inside = false;
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        if file.read_until(b'\n', &mut line)? == 0 {
            return Ok(marked);
        }
        number += 1;
        match Marker::of(line.trim_ascii_end()) {
            None => continue,
            Some(Marker::Middle) if !inside => continue,
            Some(Marker::Ours) => inside = true,
            Some(Marker::Theirs) => inside = false,
            Some(Marker::Base | Marker::Middle) => {}
        }
        marked.push(number);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Marker {
    Ours,
    Base,
    Middle,
    Theirs,
}

impl Marker {
    fn of(line: &[u8]) -> Option<Self> {
        let begins =
            |with: &[u8]| line.strip_prefix(with).is_some_and(|rest| rest.first().is_none_or(|b| *b == b' '));
        if begins(b"<<<<<<<") {
            Some(Self::Ours)
        } else if begins(b"|||||||") {
            Some(Self::Base)
        } else if line == b"=======" {
            Some(Self::Middle)
        } else if begins(b">>>>>>>") {
            Some(Self::Theirs)
        } else {
            None
        }
    }
}

fn say_left_out(text: &mut String, lines: &mut usize) {
    if *lines > 0 {
        text.push_str(&format!("[… {lines} lines without a conflict …]\n"));
        *lines = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_are_whole_and_long_ones_show_their_conflicts() {
        assert_eq!(excerpt("日本\n"), "日本\n");
        let conflict = "<<<<<<< a\nours 日\n=======\ntheirs\n>>>>>>> b\n";
        let text = format!("{}{conflict}{}", "before\n".repeat(30_000), "after\n".repeat(30_000));
        let expected = format!(
            "[… 29980 lines without a conflict …]\n{}{conflict}{}[… 29980 lines without a conflict …]\n",
            "before\n".repeat(20),
            "after\n".repeat(20)
        );
        assert_eq!(excerpt(&text), expected);
        assert_eq!(excerpt(&"日".repeat(50_000)), "日".repeat(16_000));
        assert_eq!(excerpt(&format!("<<<<<<< a\n{}", "x\n".repeat(50_000))).chars().count(), 16_000);
    }

    #[test]
    fn markers_are_found_and_headings_are_not() {
        let lines = |text: &str| marked_lines(text.as_bytes()).expect("it can be done here");
        assert_eq!(
            lines("Title\n=======\n<<<<<<< HEAD\r\na\n||||||| b\n=======\r\nb\n>>>>>>> c\n=======\n"),
            [3, 5, 6, 8]
        );
        assert_eq!(lines("<<<<<<<<<< x\n <<<<<<< y\n>>>>>>>>\n"), [] as [u64; 0]);
        assert_eq!(lines("text\n>>>>>>> left over"), [2]);
    }
}
