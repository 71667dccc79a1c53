//! Trees become values.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use super::parse::{Compare, Expr, Kind};
use super::{ExpressionProblem, Scope, value};

/// What an expression may cost. A step costs one; comparing and searching cost what they look at.
const FUEL: u64 = 5_000_000;
/// Further notes are left out: they would say no more.
pub(super) const MAX_NOTES: usize = 50;

/// One evaluation.
pub(super) struct Machine<'t, 'v> {
    text: &'t str,
    scope: &'t Scope<'v>,
    fuel: u64,
    notes: Vec<String>,
}

impl<'t, 'v> Machine<'t, 'v> {
    pub(super) fn new(text: &'t str, scope: &'t Scope<'v>) -> Self {
        Self { text, scope, fuel: FUEL, notes: Vec::new() }
    }

    pub(super) fn into_notes(self) -> Vec<String> {
        self.notes
    }

    pub(super) fn problem(&self, at: usize, message: impl Into<String>) -> ExpressionProblem {
        ExpressionProblem::new(self.text, at, message)
    }

    pub(super) fn burn(&mut self, at: usize, fuel: u64) -> Result<(), ExpressionProblem> {
        match self.fuel.checked_sub(fuel) {
            Some(rest) => {
                self.fuel = rest;
                Ok(())
            }
            None => Err(self.problem(at, "it takes too long").hint("look at less of what was given")),
        }
    }

    fn note(&mut self, note: String) {
        if self.notes.len() < MAX_NOTES && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// The value of a tree. As deep as the tree, which the parser bounds.
    pub(super) fn value(&mut self, tree: &Expr) -> Result<Cow<'v, Value>, ExpressionProblem> {
        let found = self.quietly(tree)?;
        if let (Kind::Reference(reference), true) = (&tree.kind, found.is_null()) {
            self.note(format!("`{reference}` has no value"));
        }
        Ok(found)
    }

    /// The value of a tree, without a note where it is itself a missing value.
    fn quietly(&mut self, tree: &Expr) -> Result<Cow<'v, Value>, ExpressionProblem> {
        self.burn(tree.at, 1)?;
        Ok(match &tree.kind {
            Kind::Literal(value) => Cow::Owned(value.clone()),
            Kind::Reference(reference) => self.scope.find(reference).unwrap_or(Cow::Owned(Value::Null)),
            Kind::List(parts) => {
                let mut values = Vec::with_capacity(parts.len());
                for part in parts {
                    let part_value = self.value(part)?;
                    self.burn(part.at, value::size(&part_value))?;
                    values.push(part_value.into_owned());
                }
                Cow::Owned(Value::Array(values))
            }
            Kind::Not(part) => truth(!self.condition(part)?),
            Kind::All(parts) => self.first(parts, false)?,
            Kind::Any(parts) => self.first(parts, true)?,
            Kind::Compare(how, left, right) => truth(self.compare(tree.at, *how, left, right)?),
            Kind::Contains(whole, part) => truth(self.contains(tree.at, whole, part)?),
            Kind::Default(part, other) => match self.quietly(part)? {
                found if found.is_null() => self.value(other)?,
                found => found,
            },
        })
    }

    /// Whether it counts as true.
    fn condition(&mut self, tree: &Expr) -> Result<bool, ExpressionProblem> {
        let found = self.value(tree)?;
        if let Value::String(text) = &*found
            && matches!(text.trim(), "false" | "False" | "no" | "0" | "null")
        {
            let shown = crate::plain::one_line(text, 20);
            self.note(format!("the text `{shown}` counts as true, as every text that is not empty"));
        }
        Ok(value::holds(&found))
    }

    /// The first part that counts as `wanted`, or the last one.
    fn first(&mut self, parts: &[Expr], wanted: bool) -> Result<Cow<'v, Value>, ExpressionProblem> {
        let mut last = Cow::Owned(Value::Null);
        for part in parts {
            last = self.value(part)?;
            if value::holds(&last) == wanted {
                break;
            }
        }
        Ok(last)
    }

    fn compare(
        &mut self,
        at: usize,
        how: Compare,
        left: &Expr,
        right: &Expr,
    ) -> Result<bool, ExpressionProblem> {
        // Comparing with the word `null` asks whether there is a value.
        if let (true, Compare::Same | Compare::Other) = (left.is_null() || right.is_null(), how) {
            let (left, right) = (self.quietly(left)?, self.quietly(right)?);
            return Ok((left.is_null() && right.is_null()) == (how == Compare::Same));
        }
        let (a, b) = (self.value(left)?, self.value(right)?);
        if a.is_null() || b.is_null() {
            self.note(format!("`{}` compared null, which is false", how.as_str()));
            return Ok(false);
        }
        self.burn(at, value::size(&a).min(value::size(&b)))?;
        let (kind_a, kind_b) = (value::kind(&a), value::kind(&b));
        match how {
            Compare::Same | Compare::Other => {
                if !value::same_kind(&a, &b) {
                    self.note(format!(
                        "`{}` compared {kind_a} with {kind_b}, which are never the same",
                        how.as_str()
                    ));
                }
                Ok(value::same(&a, &b) == (how == Compare::Same))
            }
            _ => {
                let Some(order) = value::order(&a, &b) else {
                    self.note(format!(
                        "`{}` compared {kind_a} with {kind_b}, which have no order: that is false",
                        how.as_str()
                    ));
                    return Ok(false);
                };
                Ok(match how {
                    Compare::Less => order == Ordering::Less,
                    Compare::AtMost => order != Ordering::Greater,
                    Compare::More => order == Ordering::Greater,
                    _ => order != Ordering::Less,
                })
            }
        }
    }

    fn contains(&mut self, at: usize, whole: &Expr, part: &Expr) -> Result<bool, ExpressionProblem> {
        let (whole, part) = (self.value(whole)?, self.value(part)?);
        if whole.is_null() || part.is_null() {
            self.note("`contains` or `in` compared null, which is false".to_owned());
            return Ok(false);
        }
        self.burn(at, value::size(&whole).saturating_add(value::size(&part)))?;
        Ok(match (&*whole, &*part) {
            (Value::String(whole), Value::String(part)) => whole.contains(part.as_str()),
            (Value::Array(values), part) => values.iter().any(|value| value::same(value, part)),
            (Value::Object(values), Value::String(key)) => values.contains_key(key),
            (whole, part) => {
                let (whole, part) = (value::kind(whole), value::kind(part));
                self.note(format!("{whole} cannot contain {part}: that is false"));
                false
            }
        })
    }
}

fn truth<'v>(value: bool) -> Cow<'v, Value> {
    Cow::Owned(Value::Bool(value))
}
