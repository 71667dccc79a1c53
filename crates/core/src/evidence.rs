//! Evidence: a place in the files of a commit, written `path:start-end`, and what exactly stands there. Whoever names
//! one is not believed: the file and the lines must be there.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The longest path that is taken, in characters.
const MAX_PATH: usize = 1_000;

/// Lines of a file of the repository: `src/lib.rs:3-9`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Evidence {
    /// The file, from the root of the repository, with `/` between folders.
    pub path: String,
    /// The lines in it.
    pub lines: Lines,
}

/// Lines of a file, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lines {
    /// The first one, from 1.
    pub start: u32,
    /// The last one; never before the first.
    pub end: u32,
}

/// Why a text names no lines of a file, or lines that are not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceProblem {
    /// It is not written `path:start-end`.
    #[error("it is not written `path:start-end`")]
    Form,
    /// The path leads out of the repository, or into what git keeps there.
    #[error("its path does not lie in the repository")]
    Path,
    /// The lines end before they begin, or begin before the first.
    #[error("its lines end before they begin")]
    Order,
    /// The commit has no such text file.
    #[error("there is no such text file")]
    NoFile,
    /// The file is shorter.
    #[error("the file has {0} lines")]
    TooShort(usize),
}

impl FromStr for Evidence {
    type Err = EvidenceProblem;

    /// Reads `src/lib.rs:3-7`, or `src/lib.rs:3` for one line.
    fn from_str(text: &str) -> Result<Self, EvidenceProblem> {
        let (path, lines) = text.trim().rsplit_once(':').ok_or(EvidenceProblem::Form)?;
        let (start, end) = lines.split_once('-').unwrap_or((lines, lines));
        let number = |text: &str| {
            let digits = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
            digits.then(|| text.parse::<u32>().ok()).flatten().ok_or(EvidenceProblem::Form)
        };
        let (start, end) = (number(start)?, number(end)?);
        let path = path.strip_prefix("./").unwrap_or(path);
        if !lies_inside(path) {
            return Err(EvidenceProblem::Path);
        }
        if start == 0 || end < start {
            return Err(EvidenceProblem::Order);
        }
        Ok(Self { path: path.to_owned(), lines: Lines { start, end } })
    }
}

impl Evidence {
    /// Whether a file of so many lines has them; `None`: there is no such file.
    pub fn check(&self, lines: Option<usize>) -> Result<(), EvidenceProblem> {
        match lines {
            None => Err(EvidenceProblem::NoFile),
            Some(lines) if usize::try_from(self.lines.end).is_ok_and(|end| end > lines) => {
                Err(EvidenceProblem::TooShort(lines))
            }
            Some(_) => Ok(()),
        }
    }
}

/// Whether a path is a plain one below the repository.
fn lies_inside(path: &str) -> bool {
    let harmless = |part: &str| !matches!(part, "" | "." | "..") && !part.eq_ignore_ascii_case(".git");
    path.chars().count() <= MAX_PATH
        && !path.contains(|c: char| c.is_control() || c == '\\')
        && path.split('/').all(harmless)
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}-{}", self.path, self.lines.start, self.lines.end)
    }
}

impl TryFrom<String> for Evidence {
    type Error = EvidenceProblem;

    fn try_from(text: String) -> Result<Self, EvidenceProblem> {
        text.parse()
    }
}

impl From<Evidence> for String {
    fn from(evidence: Evidence) -> Self {
        evidence.to_string()
    }
}

/// SHA-256 of bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes).as_slice())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The SHA-256 of ranges of lines, taken while a file passes by: nothing of it is kept.
///
/// What is hashed are the bytes of the lines with their ends, as `sed -n '3,9p'` prints them.
pub struct LineDigests {
    wanted: Vec<(Lines, Sha256)>,
    /// The line that the next byte belongs to, from 1.
    line: u32,
    /// Whether that line has begun.
    has_begun: bool,
    /// The last line that anybody asks for.
    last: u32,
}

impl LineDigests {
    /// For these lines, in any order.
    pub fn new(wanted: impl IntoIterator<Item = Lines>) -> Self {
        let wanted: Vec<_> = wanted.into_iter().map(|lines| (lines, Sha256::new())).collect();
        let last = wanted.iter().map(|(lines, _)| lines.end).max().unwrap_or(0);
        Self { wanted, line: 1, has_begun: false, last }
    }

    /// Takes the next piece of the file.
    pub fn take(&mut self, piece: &[u8]) {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            if self.line > self.last {
                return;
            }
            let line = self.line;
            let inside = |lines: &Lines| (lines.start..=lines.end).contains(&line);
            for (_, hash) in self.wanted.iter_mut().filter(|(lines, _)| inside(lines)) {
                hash.update(part);
            }
            self.has_begun = !part.ends_with(b"\n");
            self.line += u32::from(!self.has_begun);
        }
    }

    /// What each of them hashes to, in the order in which they were asked for; none: the file has no such lines.
    pub fn finish(self) -> Vec<Option<String>> {
        let lines = if self.has_begun { self.line } else { self.line - 1 };
        let digests = self.wanted.into_iter();
        digests.map(|(wanted, hash)| (wanted.end <= lines).then(|| hex(&hash.finalize()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_are_written() {
        let lines = |text: &str| {
            text.parse::<Evidence>().map(|found| (found.path, found.lines.start, found.lines.end))
        };
        let some = |path: &str, start, end| Ok((path.to_owned(), start, end));
        for (text, expected) in [
            ("src/lib.rs:3-7", some("src/lib.rs", 3, 7)),
            (" src/認証.rs:3 ", some("src/認証.rs", 3, 3)),
            ("a:b.rs:1-1", some("a:b.rs", 1, 1)),
            ("./src/lib.rs:1-1", some("src/lib.rs", 1, 1)),
            ("sub/.GIT/config:1-2", Err(EvidenceProblem::Path)),
            ("src/lib.rs", Err(EvidenceProblem::Form)),
            ("src/lib.rs:", Err(EvidenceProblem::Form)),
            ("src/lib.rs:+3-7", Err(EvidenceProblem::Form)),
            ("src/lib.rs:3-", Err(EvidenceProblem::Form)),
            ("src/lib.rs:99999999999999999999999", Err(EvidenceProblem::Form)),
            ("src/lib.rs:0-7", Err(EvidenceProblem::Order)),
            ("src/lib.rs:7-3", Err(EvidenceProblem::Order)),
            ("/etc/passwd:1-2", Err(EvidenceProblem::Path)),
            ("../x:1-2", Err(EvidenceProblem::Path)),
            ("a/../../x:1-2", Err(EvidenceProblem::Path)),
            (".git/config:1-2", Err(EvidenceProblem::Path)),
            ("a\\b:1-2", Err(EvidenceProblem::Path)),
            (":1-2", Err(EvidenceProblem::Path)),
        ] {
            assert_eq!(lines(text), expected, "{text}");
        }
        assert_eq!("a.rs:3".parse::<Evidence>().map(|lines| lines.to_string()), Ok("a.rs:3-3".to_owned()));
    }

    #[test]
    fn lines_must_be_there() {
        let check = |text: &str, lines| text.parse::<Evidence>().and_then(|found| found.check(lines));
        assert_eq!(check("a.rs:1-7", Some(7)), Ok(()));
        assert_eq!(check("a.rs:1-8", Some(7)), Err(EvidenceProblem::TooShort(7)));
        assert_eq!(check("a.rs:1-1", Some(0)), Err(EvidenceProblem::TooShort(0)));
        assert_eq!(check("a.rs:1-1", None), Err(EvidenceProblem::NoFile));
    }

    /// What these lines of a text hash to, however it is cut.
    fn digest(text: &str, start: u32, end: u32) -> Option<String> {
        let all: Vec<_> = (1..=text.len().max(1))
            .map(|size| {
                let mut digests = LineDigests::new([Lines { start, end }]);
                text.as_bytes().chunks(size).for_each(|piece| digests.take(piece));
                digests.finish().remove(0)
            })
            .collect();
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{text:?}");
        all[0].clone()
    }

    #[test]
    fn lines_hash_to_exactly_their_bytes() {
        let text = "一\r\ntwo\n\nlast";
        assert_eq!(digest(text, 1, 1), Some(sha256("一\r\n".as_bytes())));
        assert_eq!(digest(text, 2, 3), Some(sha256(b"two\n\n")));
        assert_eq!(digest(text, 4, 4), Some(sha256(b"last")));
        assert_eq!(digest(text, 4, 5), None);
        assert_eq!(digest("last\n", 1, 1), Some(sha256(b"last\n")));
        assert_eq!(digest("last\n", 2, 2), None);
        assert_eq!(digest("", 1, 1), None);
        // sha256sum of an empty text, as everybody knows it.
        assert!(sha256(b"").starts_with("e3b0c44298fc1c14"));
    }

    #[test]
    fn many_ranges_are_taken_at_once() {
        let wanted = [(2, 3), (1, 1), (2, 2), (3, 9)].map(|(start, end)| Lines { start, end });
        let mut digests = LineDigests::new(wanted);
        digests.take(b"a\nb\nc\n");
        let expected = [Some(sha256(b"b\nc\n")), Some(sha256(b"a\n")), Some(sha256(b"b\n")), None];
        assert_eq!(digests.finish(), expected);
    }
}
