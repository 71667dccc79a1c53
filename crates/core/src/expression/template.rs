//! A text as pieces: what stands for itself, and what is between `${` and `}`.

use super::parse::{Expr, placeholder};
use super::{ExpressionProblem, MAX_LENGTH};

/// A text that was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Template {
    pub(super) pieces: Vec<Piece>,
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    /// It stands for itself.
    Text(String),
    /// A value goes here.
    Value(Expr),
}

/// Reads a text. `$${` stands for `${`; every other character stands for itself.
pub(super) fn parse(text: &str) -> Result<Template, ExpressionProblem> {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() > MAX_LENGTH {
        let message = format!("it has {} characters; at most {MAX_LENGTH} are read", chars.len());
        return Err(ExpressionProblem::new(text, 0, message));
    }
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let rest = chars.get(at..).unwrap_or_default();
        if rest.starts_with(&['$', '$', '{']) {
            plain.push_str("${");
            at += 3;
        } else if rest.starts_with(&['$', '{']) {
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            let (tree, after) = placeholder(text, &chars, at + 2, at)?;
            pieces.push(Piece::Value(tree));
            at = after;
        } else {
            plain.push(c);
            at += 1;
        }
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(Template { pieces })
}
