//! What is wrong with a flow file, where, and what to do about it.

use std::fmt;

use super::names::shown_path;
use super::place;
use super::read::Word;
use crate::failure::{Failure, FailureClass};

/// One thing that is wrong with a flow file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowProblem {
    /// The file, as the caller named it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The rule that is broken, such as `unknown-key`.
    pub rule: &'static str,
    /// What is wrong, in lower case without a final period.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl FlowProblem {
    pub(crate) fn hint(&mut self, hint: impl Into<String>) {
        self.hint = Some(hint.into());
    }

    /// The problem with the line of `source` that it stands on and a caret below the place.
    ///
    /// Long lines are cut around the place; characters that would move a terminal's cursor are replaced. Wide
    /// characters, such as Japanese ones, count as two columns.
    pub fn render(&self, source: &str) -> String {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let (text, before, under) = excerpt(line_of(source, self.line), self.column);
        let mut out = format!(
            "{}:{}:{}: {} [{}]\n{margin} |\n{number} | {text}\n{margin} | {}{}\n",
            shown_path(&self.file),
            self.line,
            self.column,
            self.message,
            self.rule,
            " ".repeat(before),
            "^".repeat(under),
        );
        if let Some(hint) = &self.hint {
            out.push_str(&format!("{margin} = hint: {hint}\n"));
        }
        out
    }
}

impl fmt::Display for FlowProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, rule, message, .. } = self;
        write!(f, "{}:{line}:{column}: {message} [{rule}]", shown_path(&self.file))?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for FlowProblem {}

impl From<FlowProblem> for Failure {
    fn from(problem: FlowProblem) -> Self {
        let FlowProblem { file, line, column, rule, message, hint } = problem;
        let hint = hint.unwrap_or_else(|| "correct the flow file".to_owned());
        Self::new(FailureClass::Input, format!("{}:{line}:{column}: {message} [{rule}]", shown_path(&file)))
            .hint(hint)
    }
}

/// Where something stands: line and column, both from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl At {
    pub(crate) const START: Self = Self { line: 1, column: 1 };
}

/// Collects problems of one file. Beyond a thousand they are only counted.
pub(crate) struct Problems<'t> {
    file: String,
    /// The file's lines, split when a place inside a value is first asked for.
    text: &'t str,
    lines: Option<Vec<&'t str>>,
    list: Vec<FlowProblem>,
    /// Takes those that are only counted.
    overflow: Option<FlowProblem>,
    more: usize,
}

impl<'t> Problems<'t> {
    const LIMIT: usize = 1000;

    pub(crate) fn new(file: &str, text: &'t str) -> Self {
        Self { file: file.to_owned(), text, lines: None, list: Vec::new(), overflow: None, more: 0 }
    }

    /// Adds a problem at a place inside a word, so many characters after its beginning.
    pub(crate) fn within(
        &mut self,
        word: &Word,
        offset: usize,
        rule: &'static str,
        message: impl Into<String>,
    ) -> &mut FlowProblem {
        let text = self.text;
        let lines = self.lines.get_or_insert_with(|| place::lines(text));
        let at = place::within(lines, word, offset).unwrap_or(word.at);
        self.add(at, rule, message)
    }

    /// Adds a problem and returns it, so that it can be given a hint.
    pub(crate) fn add(&mut self, at: At, rule: &'static str, message: impl Into<String>) -> &mut FlowProblem {
        let problem = FlowProblem {
            file: self.file.clone(),
            line: at.line,
            column: at.column,
            rule,
            message: message.into(),
            hint: None,
        };
        if self.list.len() < Self::LIMIT {
            self.list.push(problem);
            self.list.last_mut().expect("a problem was just pushed")
        } else {
            self.more += 1;
            self.overflow.insert(problem)
        }
    }

    /// All problems in the order of the file.
    pub(crate) fn into_sorted(mut self) -> Vec<FlowProblem> {
        self.list.sort_by_key(|problem| At { line: problem.line, column: problem.column });
        if let Some(last) = self.overflow {
            let message = format!("there are {} more problems", self.more);
            self.list.push(FlowProblem { rule: "too-many-problems", message, hint: None, ..last });
        }
        self.list
    }
}

/// The line of that number, from 1, without its end; YAML ends lines with LF, CR or both.
fn line_of(source: &str, number: usize) -> &str {
    let mut rest = source;
    for _ in 1..number {
        rest = match rest.split_once(['\n', '\r']) {
            Some((line, after)) if is_cr(rest, line) => after.strip_prefix('\n').unwrap_or(after),
            Some((_, after)) => after,
            None => "",
        };
    }
    rest.split(['\n', '\r']).next().unwrap_or_default()
}

fn is_cr(text: &str, line: &str) -> bool {
    text.as_bytes().get(line.len()) == Some(&b'\r')
}

/// A piece of the line around the column, with the terminal columns before the place and those under it.
fn excerpt(line: &str, column: usize) -> (String, usize, usize) {
    const BEFORE: usize = 60;
    const AFTER: usize = 40;
    let skipped = column.saturating_sub(1 + BEFORE);
    let mut text = String::new();
    let (mut before, mut under) = (0, 1);
    if skipped > 0 {
        text.push('…');
        before = 1;
    }
    let mut rest = line.chars().enumerate().skip(skipped);
    for (index, c) in rest.by_ref().take(BEFORE + AFTER) {
        let c = if c == '\t' {
            ' '
        } else if c.is_control() || is_bidi(c) {
            '\u{FFFD}'
        } else {
            c
        };
        text.push(c);
        let width = width(c);
        if index + 1 < column {
            before += width;
        } else if index + 1 == column {
            under = width.max(1);
        }
    }
    if rest.next().is_some() {
        text.push('…');
    }
    text.truncate(text.trim_end().len());
    (text, before, under)
}

/// Characters that reorder what stands around them.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Terminal columns of a character: 0, 1 or 2.
///
/// The ranges of Unicode's East Asian Width that are wide or full width, joined across unassigned gaps, and the
/// common combining marks. Being off by one moves a caret, nothing else, so no table of every version is needed.
fn width(c: char) -> usize {
    match c {
        '\u{0300}'..='\u{036F}'
        | '\u{200B}'..='\u{200D}'
        | '\u{3099}'..='\u{309A}'
        | '\u{FE00}'..='\u{FE0F}' => 0,
        '\u{1100}'..='\u{115F}'
        | '\u{2E80}'..='\u{303E}'
        | '\u{3041}'..='\u{33FF}'
        | '\u{3400}'..='\u{4DBF}'
        | '\u{4E00}'..='\u{9FFF}'
        | '\u{A000}'..='\u{A4CF}'
        | '\u{A960}'..='\u{A97C}'
        | '\u{AC00}'..='\u{D7A3}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{FE30}'..='\u{FE6F}'
        | '\u{FF00}'..='\u{FF60}'
        | '\u{FFE0}'..='\u{FFE6}'
        | '\u{1F300}'..='\u{1F64F}'
        | '\u{1F680}'..='\u{1F6FF}'
        | '\u{1F900}'..='\u{1F9FF}'
        | '\u{20000}'..='\u{3FFFD}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(line: usize, column: usize) -> FlowProblem {
        FlowProblem {
            file: "流れ.yaml".to_owned(),
            line,
            column,
            rule: "unknown-key",
            message: "unknown key `nmae`".to_owned(),
            hint: Some("did you mean `name`?".to_owned()),
        }
    }

    #[test]
    fn the_caret_stands_below_wide_characters() {
        let rendered = problem(2, 5).render("a: b\r\n検査\tる: x\r\nc: d");
        let expected = "流れ.yaml:2:5: unknown key `nmae` [unknown-key]\n  |\n2 | 検査 る: x\n  |        ^\n  = hint: did you mean `name`?\n";
        assert_eq!(rendered, expected);
        assert_eq!(excerpt("検査る", 3), ("検査る".to_owned(), 4, 2));
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let line = format!("{}X{}", "a".repeat(5000), "b".repeat(5000));
        let (text, before, under) = excerpt(&line, 5001);
        assert_eq!(text, format!("…{}X{}…", "a".repeat(60), "b".repeat(39)));
        assert_eq!((before, under), (61, 1));
    }

    #[test]
    fn a_place_outside_the_text_is_still_shown() {
        assert_eq!(excerpt("", 7), (String::new(), 0, 1));
        assert_eq!(line_of("a\nb", 9), "");
        assert_eq!([1, 2, 3, 4].map(|n| line_of("a\rb\r\nc\nd", n)), ["a", "b", "c", "d"]);
    }

    #[test]
    fn terminal_controls_do_not_reach_the_terminal() {
        assert_eq!(excerpt("a\u{1b}[2J\u{202E}b", 1).0, "a\u{FFFD}[2J\u{FFFD}b");
    }

    #[test]
    fn one_line_for_programs_to_read() {
        assert_eq!(
            problem(2, 3).to_string(),
            "流れ.yaml:2:3: unknown key `nmae` [unknown-key]\nhint: did you mean `name`?"
        );
    }

    #[test]
    fn beyond_the_limit_problems_are_counted() {
        let mut problems = Problems::new("f", "");
        for line in (1..=1005).rev() {
            problems.add(At { line, column: 1 }, "unknown-key", "x").hint("h");
        }
        let list = problems.into_sorted();
        assert_eq!(list.len(), 1001);
        assert_eq!(list[0].line, 6);
        assert_eq!(list[1000].to_string(), "f:1:1: there are 5 more problems [too-many-problems]");
    }
}
