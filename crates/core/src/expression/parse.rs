//! Words become trees.
//!
//! ```text
//! either     = both ("||" both)*
//! both       = comparison ("&&" comparison)*
//! comparison = operand (("==" | "===" | "!=" | "!==" | "<" | "<=" | ">" | ">=" | "in") operand)?
//! operand    = "!" operand | text | number | "true" | "false" | "null" | list | call | reference
//!            | "(" either ")" | "${" either "}"
//! list       = "[" (either ("," either)*)? "]"
//! call       = ("contains" | "default") "(" either "," either ")"
//! reference  = name ("." name | "[" (text | number) "]")*
//! ```

use serde_json::{Number, Value};

use super::lex::{Lexer, Token, Word};
use super::reference::{Key, Reference};
use super::{ExpressionProblem, MAX_LENGTH};

/// Brackets and `!` that may stand inside each other.
const MAX_DEPTH: usize = 64;

/// A tree and the characters before it in the text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expr {
    pub(super) at: usize,
    pub(super) kind: Kind,
}

/// What a tree is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Literal(Value),
    List(Vec<Expr>),
    Reference(Reference),
    Not(Box<Expr>),
    /// The first that does not hold, or the last.
    All(Vec<Expr>),
    /// The first that holds, or the last.
    Any(Vec<Expr>),
    Compare(Compare, Box<Expr>, Box<Expr>),
    /// Whether the first holds the second.
    Contains(Box<Expr>, Box<Expr>),
    /// The first, or the second where it is null.
    Default(Box<Expr>, Box<Expr>),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    Same,
    Other,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Compare {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Same => "==",
            Self::Other => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
        }
    }
}

impl Expr {
    /// The trees directly in it.
    pub(super) fn parts(&self) -> Vec<&Expr> {
        match &self.kind {
            Kind::Literal(_) | Kind::Reference(_) => Vec::new(),
            Kind::List(parts) | Kind::All(parts) | Kind::Any(parts) => parts.iter().collect(),
            Kind::Not(part) => vec![part],
            Kind::Compare(_, a, b) | Kind::Contains(a, b) | Kind::Default(a, b) => vec![a, b],
        }
    }

    /// Whether it is the word `null` itself.
    pub(super) fn is_null(&self) -> bool {
        self.kind == Kind::Literal(Value::Null)
    }
}

/// Reads a whole condition.
pub(super) fn condition(text: &str) -> Result<Expr, ExpressionProblem> {
    let chars: Vec<char> = text.chars().collect();
    let mut parser = Parser::new(text, &chars, 0)?;
    let tree = parser.either()?;
    match &parser.next {
        None => Ok(tree),
        Some(word) => Err(parser.unexpected(word.at, "`&&`, `||` or the end")),
    }
}

/// Reads what stands after `${`, up to its `}`. Gives the tree and the place behind the `}`.
pub(super) fn placeholder(
    text: &str,
    chars: &[char],
    at: usize,
    opened: usize,
) -> Result<(Expr, usize), ExpressionProblem> {
    let mut parser = Parser::new(text, chars, at)?;
    if parser.next.is_none() {
        return Err(not_closed(text, opened));
    }
    let tree = parser.either()?;
    match &parser.next {
        Some(Word { at, token: Token::Sign("}") }) => Ok((tree, at + 1)),
        Some(word) => Err(parser.unexpected(word.at, "`}`")),
        None => Err(not_closed(text, opened)),
    }
}

fn not_closed(text: &str, opened: usize) -> ExpressionProblem {
    ExpressionProblem::new(text, opened, "`${` is not closed")
        .hint("end it with `}`; write `$${` for the two characters")
}

struct Parser<'t> {
    text: &'t str,
    length: usize,
    lexer: Lexer<'t>,
    /// The word to be read.
    next: Option<Word>,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str, chars: &'t [char], at: usize) -> Result<Self, ExpressionProblem> {
        let length = chars.len();
        if length > MAX_LENGTH {
            let message = format!("it has {length} characters; at most {MAX_LENGTH} are read");
            return Err(ExpressionProblem::new(text, 0, message));
        }
        let mut lexer = Lexer::new(text, chars, at);
        let next = lexer.next()?;
        Ok(Self { text, length, lexer, next, depth: 0 })
    }

    fn problem(&self, at: usize, message: impl Into<String>) -> ExpressionProblem {
        ExpressionProblem::new(self.text, at, message)
    }

    /// What stands here although something else should.
    fn unexpected(&self, at: usize, wanted: &str) -> ExpressionProblem {
        let Some(word) = &self.next else {
            return self.problem(self.length, format!("it ends where {wanted} should stand"));
        };
        let problem = self.problem(at, format!("{} stands where {wanted} should", word.token.shown()));
        let hint = match &word.token {
            Token::Name(name) if name == "and" => "write `&&`",
            Token::Name(name) if name == "or" => "write `||`",
            Token::Name(name) if name == "not" || name == "is" => "write `!(…)`, `!=` or `== null`",
            Token::Sign("{") => "write `${…}` with one brace",
            Token::Text(_) | Token::Name(_) | Token::Number(_) => "put an operator between two values",
            _ => return problem,
        };
        problem.hint(hint)
    }

    fn take(&mut self) -> Result<Option<Word>, ExpressionProblem> {
        let next = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.next, next))
    }

    /// Takes the sign if it comes next.
    fn accept(&mut self, sign: &'static str) -> Result<bool, ExpressionProblem> {
        let there = self.next.as_ref().is_some_and(|word| word.token == Token::Sign(sign));
        if there {
            self.take()?;
        }
        Ok(there)
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), ExpressionProblem> {
        match self.accept(sign)? {
            true => Ok(()),
            false => Err(self.unexpected(self.here(), &format!("`{sign}`"))),
        }
    }

    fn here(&self) -> usize {
        self.next.as_ref().map_or(self.length, |word| word.at)
    }

    fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, ExpressionProblem>,
    ) -> Result<T, ExpressionProblem> {
        if self.depth == MAX_DEPTH {
            let message = format!("brackets are nested more than {MAX_DEPTH} levels deep");
            return Err(self.problem(self.here(), message));
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn either(&mut self) -> Result<Expr, ExpressionProblem> {
        self.joined("||", Self::both, Kind::Any)
    }

    fn both(&mut self) -> Result<Expr, ExpressionProblem> {
        self.joined("&&", Self::comparison, Kind::All)
    }

    fn joined(
        &mut self,
        sign: &'static str,
        part: fn(&mut Self) -> Result<Expr, ExpressionProblem>,
        join: fn(Vec<Expr>) -> Kind,
    ) -> Result<Expr, ExpressionProblem> {
        let first = part(self)?;
        let at = first.at;
        let mut parts = vec![first];
        while self.accept(sign)? {
            parts.push(part(self)?);
        }
        match (parts.len(), parts.pop()) {
            (1, Some(only)) => Ok(only),
            (_, last) => {
                parts.extend(last);
                Ok(Expr { at, kind: join(parts) })
            }
        }
    }

    fn comparison(&mut self) -> Result<Expr, ExpressionProblem> {
        let begin = self.here();
        let negated = self.next.as_ref().is_some_and(|word| word.token == Token::Sign("!"));
        let left = self.operand()?;
        let Some((at, how)) = self.operator()? else { return Ok(left) };
        if negated {
            return Err(self
                .problem(begin, "does `!` turn the comparison around, or its left side?")
                .hint("write `!(a == b)`, or `a != b`"));
        }
        let right = self.operand()?;
        if let Some((again, _)) = self.operator()? {
            return Err(self
                .problem(again, "comparisons do not follow each other")
                .hint("write `a < b && b < c`"));
        }
        let (left, right) = (Box::new(left), Box::new(right));
        let kind = match how {
            Some(how) => Kind::Compare(how, left, right),
            None => Kind::Contains(right, left),
        };
        Ok(Expr { at, kind })
    }

    /// Takes an operator of comparison; `None` inside is `in`.
    fn operator(&mut self) -> Result<Option<(usize, Option<Compare>)>, ExpressionProblem> {
        let Some(word) = &self.next else { return Ok(None) };
        let how = match &word.token {
            Token::Sign("==" | "===") => Some(Compare::Same),
            Token::Sign("!=" | "!==") => Some(Compare::Other),
            Token::Sign("<") => Some(Compare::Less),
            Token::Sign("<=") => Some(Compare::AtMost),
            Token::Sign(">") => Some(Compare::More),
            Token::Sign(">=") => Some(Compare::AtLeast),
            Token::Name(name) if name == "in" => None,
            _ => return Ok(None),
        };
        let at = word.at;
        self.take()?;
        Ok(Some((at, how)))
    }

    fn operand(&mut self) -> Result<Expr, ExpressionProblem> {
        let at = self.here();
        let word = self.next.clone();
        let kind = match word.map(|word| word.token) {
            Some(Token::Text(text)) => {
                self.take()?;
                Kind::Literal(Value::String(text))
            }
            Some(Token::Number(number)) => {
                self.take()?;
                Kind::Literal(Value::Number(self.number(&number, at)?))
            }
            Some(Token::Sign("!")) => {
                self.take()?;
                Kind::Not(Box::new(self.deeper(Self::operand)?))
            }
            Some(Token::Sign("(")) => {
                self.take()?;
                let tree = self.deeper(Self::either)?;
                self.expect(")")?;
                tree.kind
            }
            Some(Token::Sign("${")) => {
                self.take()?;
                let tree = self.deeper(Self::either)?;
                self.expect("}")?;
                tree.kind
            }
            Some(Token::Sign("[")) => {
                self.take()?;
                Kind::List(self.deeper(|parser| parser.values("]"))?)
            }
            Some(Token::Name(name)) if name != "in" => {
                self.take()?;
                self.named(name, at)?
            }
            _ => return Err(self.unexpected(at, "a value")),
        };
        Ok(Expr { at, kind })
    }

    /// Values with commas between them, up to the closing sign.
    fn values(&mut self, close: &'static str) -> Result<Vec<Expr>, ExpressionProblem> {
        let mut values = Vec::new();
        while !self.accept(close)? {
            if !values.is_empty() {
                self.expect(",")?;
            }
            values.push(self.either()?);
        }
        Ok(values)
    }

    fn named(&mut self, name: String, at: usize) -> Result<Kind, ExpressionProblem> {
        if self.next.as_ref().is_some_and(|word| word.token == Token::Sign("(")) {
            return self.call(&name, at);
        }
        Ok(match name.as_str() {
            "true" => Kind::Literal(Value::Bool(true)),
            "false" => Kind::Literal(Value::Bool(false)),
            "null" => Kind::Literal(Value::Null),
            "contains" | "default" => {
                let message = format!("`{name}` is a function");
                return Err(self.problem(at, message).hint(format!("write `{name}(x, y)`")));
            }
            _ => Kind::Reference(self.reference(name, at)?),
        })
    }

    fn call(&mut self, name: &str, at: usize) -> Result<Kind, ExpressionProblem> {
        if !matches!(name, "contains" | "default") {
            let shown = crate::plain::one_line(name, 60);
            let problem = self.problem(at, format!("there is no function `{shown}`"));
            return Err(problem.hint("functions are `contains(x, y)` and `default(x, y)`"));
        }
        self.expect("(")?;
        let values = self.deeper(|parser| parser.values(")"))?;
        let count = values.len();
        match (name, <[Expr; 2]>::try_from(values)) {
            ("contains", Ok([whole, part])) => Ok(Kind::Contains(Box::new(whole), Box::new(part))),
            (_, Ok([value, other])) => Ok(Kind::Default(Box::new(value), Box::new(other))),
            (_, Err(_)) => Err(self.problem(at, format!("`{name}` takes two values, and here are {count}"))),
        }
    }

    fn reference(&mut self, root: String, at: usize) -> Result<Reference, ExpressionProblem> {
        let mut path = Vec::new();
        loop {
            if self.accept(".")? {
                let at = self.here();
                let Some(Word { token: Token::Name(name), .. }) = self.next.clone() else {
                    return Err(self
                        .unexpected(at, "a name")
                        .hint("write `['…']` for a name with spaces, `[0]` for an entry of a list"));
                };
                self.take()?;
                if self.next.as_ref().is_some_and(|word| word.token == Token::Sign("(")) {
                    let message = "values have no functions of their own";
                    return Err(self.problem(at, message).hint("write `contains(x, y)` or `default(x, y)`"));
                }
                path.push((at, Key::Name(name)));
            } else if self.accept("[")? {
                let at = self.here();
                let key = match self.next.clone().map(|word| word.token) {
                    Some(Token::Text(name)) => Key::Name(name),
                    Some(Token::Number(number)) if number.parse::<usize>().is_ok() => {
                        Key::Index(number.parse().unwrap_or_default())
                    }
                    _ => {
                        return Err(self
                            .unexpected(at, "a name in quotes or a whole number")
                            .hint("write `['…']` for a name, `[0]` for the first entry of a list"));
                    }
                };
                self.take()?;
                self.expect("]")?;
                path.push((at, key));
            } else {
                return Ok(Reference { at, root, path });
            }
        }
    }

    fn number(&self, text: &str, at: usize) -> Result<Number, ExpressionProblem> {
        let whole = text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from));
        whole
            .ok()
            .or_else(|| Number::from_f64(text.parse().ok()?))
            .ok_or_else(|| self.problem(at, "the number cannot be read"))
    }
}
