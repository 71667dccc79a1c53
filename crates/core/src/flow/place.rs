//! Where a character of a value stands in the file: YAML folds lines, escapes and quotes.
//!
//! The value and the file are read side by side. Where they cannot be brought together there is no answer, and the
//! beginning of the value has to do.

use super::node::Style;
use super::problem::At;
use super::read::Word;

/// The lines of a file; YAML ends them with LF, CR or both.
pub(super) fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    loop {
        let Some((line, after)) = rest.split_once(['\n', '\r']) else {
            lines.push(rest);
            return lines;
        };
        let is_cr = rest.as_bytes().get(line.len()) == Some(&b'\r');
        lines.push(line);
        rest = if is_cr { after.strip_prefix('\n').unwrap_or(after) } else { after };
    }
}

/// Where the character stands that has `offset` characters of the word before it.
pub(super) fn within(lines: &[&str], word: &Word, offset: usize) -> Option<At> {
    let style = word.style?;
    let mut source = Source::new(lines, word.at)?;
    match style {
        Style::Plain => {}
        Style::Single => source.expect('\'')?,
        Style::Double => source.expect('"')?,
        Style::Block => source.skip_header()?,
    }
    let mut last = source.at();
    for c in word.text.chars().take(offset + 1) {
        last = source.advance(c, style)?;
    }
    // Behind the end of the word.
    if word.text.chars().nth(offset).is_none() {
        last.column += usize::from(offset > 0);
    }
    Some(last)
}

/// A place in the file that moves on.
struct Source<'l> {
    lines: &'l [&'l str],
    line: usize,
    chars: Vec<char>,
    index: usize,
}

impl<'l> Source<'l> {
    fn new(lines: &'l [&'l str], at: At) -> Option<Self> {
        let line = at.line.checked_sub(1)?;
        let chars = lines.get(line)?.chars().collect();
        Some(Self { lines, line, chars, index: at.column.checked_sub(1)? })
    }

    fn at(&self) -> At {
        At { line: self.line + 1, column: self.index + 1 }
    }

    /// The character here; the end of a line is one, too.
    fn peek(&self) -> Option<char> {
        match self.chars.get(self.index) {
            Some(c) => Some(*c),
            None => (self.line + 1 < self.lines.len()).then_some('\n'),
        }
    }

    fn step(&mut self) {
        if self.index < self.chars.len() {
            self.index += 1;
        } else if let Some(next) = self.lines.get(self.line + 1) {
            self.line += 1;
            self.chars = next.chars().collect();
            self.index = 0;
        }
    }

    fn expect(&mut self, c: char) -> Option<()> {
        (self.peek()? == c).then(|| self.step())
    }

    /// From a `|` or `>` to the first line below it; from the first line nowhere.
    fn skip_header(&mut self) -> Option<()> {
        if matches!(self.peek()?, '|' | '>') {
            let line = self.line;
            while self.line == line {
                self.peek()?;
                self.step();
            }
        } else {
            self.index = 0;
        }
        Some(())
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.step();
        }
    }

    /// Passes by the next character of the value, and says where it stands.
    fn advance(&mut self, c: char, style: Style) -> Option<At> {
        if !c.is_whitespace() {
            self.skip_space();
        }
        // A line that goes on in the next one without anything between.
        while style == Style::Double && self.peek() == Some('\\') && self.chars.get(self.index + 1).is_none()
        {
            self.step();
            self.skip_space();
        }
        let at = self.at();
        let here = self.peek()?;
        if style == Style::Double && here == '\\' {
            self.step();
            let digits = match self.peek()? {
                'x' => 2,
                'u' => 4,
                'U' => 8,
                _ => 0,
            };
            (0..=digits).for_each(|_| self.step());
            return Some(at);
        }
        if c.is_whitespace() {
            // Folded ends of lines leave fewer of them in the value.
            if here.is_whitespace() {
                self.step();
            }
            return Some(at);
        }
        if here != c {
            return None;
        }
        self.step();
        if style == Style::Single && c == '\'' {
            self.expect('\'')?;
        }
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::super::node::{self, Value};
    use super::super::problem::Problems;
    use super::*;

    /// Where `needle` of the value of the only key stands.
    #[track_caller]
    fn place(text: &str, needle: &str) -> Option<(usize, usize)> {
        let mut problems = Problems::new("x", text);
        let root = node::parse(text, &mut problems).unwrap();
        let Value::Map(pairs) = &*root.value else { panic!("{root:?}") };
        let node = &pairs.last().unwrap().1;
        let Value::Text(value) = &*node.value else { panic!("{node:?}") };
        let (before, _) = value.split_once(needle).unwrap();
        let word = Word { at: node.at, text: value.clone(), style: node.style };
        within(&lines(text), &word, before.chars().count()).map(|at| (at.line, at.column))
    }

    #[test]
    fn places_are_found_in_every_style() {
        assert_eq!(place("k: ab X", "X"), Some((1, 7)));
        assert_eq!(place("k: 検査 X", "X"), Some((1, 7)));
        assert_eq!(place("k:\n  a\n  b\n\n   X y", "X"), Some((5, 4)));
        assert_eq!(place("k: 'it''s X'", "X"), Some((1, 11)));
        assert_eq!(place("k: 'a\n   b  X'", "X"), Some((2, 7)));
        assert_eq!(place(r#"k: "\"\u691c\x41\n X""#, "X"), Some((1, 20)));
        assert_eq!(place("k: \"a \\\n   X\"", "X"), Some((2, 4)));
        assert_eq!(place("k: |\n  a\n    b X\n", "X"), Some((3, 7)));
        assert_eq!(place("k: >-\n  a\n  b\n\n  X\n", "X"), Some((5, 3)));
        assert_eq!(place("k: |2-\n    a X\n", "X"), Some((2, 7)));
        assert_eq!(place("j: 1\r\nk: |\r\n  a\r\n  X\r\n", "X"), Some((4, 3)));
        assert_eq!(place("k: &a 'b X'", "X"), Some((1, 10)));
    }

    #[test]
    fn behind_an_alias_there_is_no_place() {
        assert_eq!(place("a: &x b X\nk: *x", "X"), None);
    }
}
