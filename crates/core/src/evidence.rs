//! Evidence: a place in the files of a commit, written `path:start-end`. Whoever names one is not believed: the file and
//! the lines must be there.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest path that is taken, in characters.
const MAX_PATH: usize = 500;

/// Lines of a file, from 1, both ends included.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Lines {
    /// Path relative to the repository, with `/`.
    pub path: String,
    /// The first line.
    pub start: usize,
    /// The last one.
    pub end: usize,
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

impl FromStr for Lines {
    type Err = EvidenceProblem;

    /// Reads `src/lib.rs:3-7`, or `src/lib.rs:3` for one line.
    fn from_str(text: &str) -> Result<Self, EvidenceProblem> {
        let (path, lines) = text.trim().rsplit_once(':').ok_or(EvidenceProblem::Form)?;
        let (start, end) = lines.split_once('-').unwrap_or((lines, lines));
        let number = |text: &str| {
            let digits = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
            digits.then(|| text.parse::<usize>().ok()).flatten().ok_or(EvidenceProblem::Form)
        };
        let (start, end) = (number(start)?, number(end)?);
        if !lies_inside(path) {
            return Err(EvidenceProblem::Path);
        }
        if start == 0 || end < start {
            return Err(EvidenceProblem::Order);
        }
        Ok(Self { path: path.to_owned(), start, end })
    }
}

impl Lines {
    /// Whether a file of so many lines has them; `None`: there is no such file.
    pub fn check(&self, lines: Option<usize>) -> Result<(), EvidenceProblem> {
        match lines {
            None => Err(EvidenceProblem::NoFile),
            Some(lines) if self.end > lines => Err(EvidenceProblem::TooShort(lines)),
            Some(_) => Ok(()),
        }
    }
}

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}-{}", self.path, self.start, self.end)
    }
}

/// Whether a path is a plain one below the repository.
fn lies_inside(path: &str) -> bool {
    let harmless = |part: &str| !matches!(part, "" | "." | "..") && !part.eq_ignore_ascii_case(".git");
    path.chars().count() <= MAX_PATH
        && !path.contains(|c: char| c.is_control() || c == '\\')
        && path.split('/').all(harmless)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_are_written() {
        let lines = |text: &str| text.parse::<Lines>().map(|lines| (lines.path, lines.start, lines.end));
        let some = |path: &str, start, end| Ok((path.to_owned(), start, end));
        for (text, expected) in [
            ("src/lib.rs:3-7", some("src/lib.rs", 3, 7)),
            (" src/認証.rs:3 ", some("src/認証.rs", 3, 3)),
            ("a:b.rs:1-1", some("a:b.rs", 1, 1)),
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
        assert_eq!("a.rs:3".parse::<Lines>().map(|lines| lines.to_string()), Ok("a.rs:3-3".to_owned()));
    }

    #[test]
    fn lines_must_be_there() {
        let check = |text: &str, lines| text.parse::<Lines>().and_then(|found| found.check(lines));
        assert_eq!(check("a.rs:1-7", Some(7)), Ok(()));
        assert_eq!(check("a.rs:1-8", Some(7)), Err(EvidenceProblem::TooShort(7)));
        assert_eq!(check("a.rs:1-1", Some(0)), Err(EvidenceProblem::TooShort(0)));
        assert_eq!(check("a.rs:1-1", None), Err(EvidenceProblem::NoFile));
    }
}
