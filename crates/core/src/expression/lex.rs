//! The words of an expression, and where each of them begins.

use super::ExpressionProblem;

/// A word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name, as it is written.
    Name(String),
    /// A text between quotes, without them.
    Text(String),
    /// A number, as it is written.
    Number(String),
    /// One of the signs of the language.
    Sign(&'static str),
}

impl Token {
    /// What it is, for messages.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Name(name) => format!("`{}`", crate::plain::one_line(name, 60)),
            Self::Text(_) => "a text in quotes".to_owned(),
            Self::Number(number) => format!("`{}`", crate::plain::one_line(number, 60)),
            Self::Sign(sign) => format!("`{sign}`"),
        }
    }
}

/// A word and the characters before it in the whole text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Word {
    pub(super) at: usize,
    pub(super) token: Token,
}

/// Signs, longer ones first where one begins with another.
const SIGNS: [&str; 20] = [
    "===", "!==", "==", "!=", "<=", ">=", "&&", "||", "${", "<", ">", "!", "(", ")", "[", "]", "{", "}", ",",
    ".",
];

/// Reads words one after the other.
pub(super) struct Lexer<'t> {
    text: &'t str,
    chars: &'t [char],
    at: usize,
}

impl<'t> Lexer<'t> {
    /// A reader of `text`, of which `chars` are the characters, that begins after `at` of them.
    pub(super) fn new(text: &'t str, chars: &'t [char], at: usize) -> Self {
        Self { text, chars, at }
    }

    /// The next word; none at the end of the text.
    pub(super) fn next(&mut self) -> Result<Option<Word>, ExpressionProblem> {
        while self.peek(0).is_some_and(char::is_whitespace) {
            self.at += 1;
        }
        let at = self.at;
        let Some(first) = self.peek(0) else { return Ok(None) };
        let token = match first {
            '\'' | '"' => Token::Text(self.quoted(first)?),
            c if c.is_ascii_digit() => self.number()?,
            '-' if self.peek(1).is_some_and(|c| c.is_ascii_digit()) => self.number()?,
            c if begins_name(c) => Token::Name(self.name()),
            _ => Token::Sign(self.sign(first)?),
        };
        Ok(Some(Word { at, token }))
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn problem(&self, at: usize, message: impl Into<String>) -> ExpressionProblem {
        ExpressionProblem::new(self.text, at, message)
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.peek(0) {
            // Nothing is subtracted here, so a hyphen inside a name belongs to it.
            let joins = c == '-' && self.peek(1).is_some_and(continues_name);
            if !continues_name(c) && !joins {
                break;
            }
            name.push(c);
            self.at += 1;
        }
        name
    }

    fn number(&mut self) -> Result<Token, ExpressionProblem> {
        let begin = self.at;
        let mut number = String::new();
        while let Some(c) = self.peek(0) {
            let sign = matches!(c, '-' | '+')
                && (number.is_empty() || number.ends_with(['e', 'E']))
                && self.peek(1).is_some_and(|c| c.is_ascii_digit());
            let point = c == '.' && self.peek(1).is_some_and(|c| c.is_ascii_digit());
            if !(c.is_alphanumeric() || c == '_' || sign || point) {
                break;
            }
            number.push(c);
            self.at += 1;
        }
        match number.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Token::Number(number)),
            _ => {
                let shown = crate::plain::one_line(&number, 60);
                Err(self
                    .problem(begin, format!("`{shown}` is no number"))
                    .hint("put it in quotes if it is a text"))
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, ExpressionProblem> {
        let begin = self.at;
        self.at += 1;
        let mut text = String::new();
        while let Some(c) = self.peek(0) {
            let here = self.at;
            self.at += 1;
            match c {
                _ if c == quote => return Ok(text),
                '\\' => {
                    let escaped = match self.peek(0) {
                        Some('n') => '\n',
                        Some('t') => '\t',
                        Some('r') => '\r',
                        Some(c @ ('\\' | '\'' | '"' | '$')) => c,
                        _ => {
                            return Err(self
                                .problem(here, "nothing can be escaped that way")
                                .hint("these can: `\\\\ \\' \\\" \\$ \\n \\r \\t`"));
                        }
                    };
                    text.push(escaped);
                    self.at += 1;
                }
                '$' if self.peek(0) == Some('{') => {
                    return Err(self.problem(here, "`${` inside quotes would stay text").hint(
                        "leave the quotes out to compare the value; write `\\${` for the two characters",
                    ));
                }
                _ => text.push(c),
            }
        }
        Err(self.problem(begin, "the quote is not closed"))
    }

    fn sign(&mut self, first: char) -> Result<&'static str, ExpressionProblem> {
        let begins = |sign: &&&str| sign.chars().enumerate().all(|(n, c)| self.peek(n) == Some(c));
        if let Some(sign) = SIGNS.iter().find(begins) {
            self.at += sign.len();
            return Ok(sign);
        }
        let shown = crate::plain::one_line(&first.to_string(), 10);
        let problem = self.problem(self.at, format!("`{shown}` has no meaning here"));
        Err(match first {
            '=' => problem.hint("write `==` to compare"),
            '&' => problem.hint("write `&&` for and"),
            '|' => problem.hint("write `||` for or, and `default(x, y)` for a value that may be missing"),
            '+' | '-' | '*' | '/' | '%' | '?' => {
                problem.hint("expressions compare values and compute nothing")
            }
            '\u{2018}' | '\u{2019}' | '\u{201C}' | '\u{201D}' | '\u{300C}' | '\u{300D}' => {
                problem.hint("texts stand between `'` or `\"`")
            }
            // The full-width forms of the signs, as Japanese keyboards write them.
            '\u{FF01}'..='\u{FF5E}' => match u32::from(first).checked_sub(0xFEE0).and_then(char::from_u32) {
                Some(narrow) => problem.hint(format!("this is a full-width sign; write `{narrow}`")),
                None => problem,
            },
            _ => problem,
        })
    }
}

/// Whether a name may begin so.
pub(super) fn begins_name(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

/// Whether a name may go on so.
pub(super) fn continues_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
