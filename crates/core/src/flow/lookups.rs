//! What the expressions of a flow look up: everything in them must be able to exist.
//!
//! A step sees the outputs of the steps that end before it begins, and no others: whatever else is there when it
//! begins would depend on chance.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::Known;
use super::names::{listed, shown};
use super::order::Order;
use super::problem::Problems;
use super::read::Word;
use super::step::Draft;
use super::suggest::nearest;
use crate::expression::{Key, RESERVED, Reference};

/// What expressions find under `trigger`.
pub const TRIGGER_FIELDS: [&str; 5] = ["type", "source", "event", "actor", "payload"];
/// What expressions find of a step.
const STEP_FIELDS: [&str; 2] = ["output", "status"];
/// The words that expressions begin with.
const ROOTS: [&str; 5] = ["trigger", "steps", "parent", "variables", "env"];

/// What one text with expressions looks up.
pub(super) struct Lookups {
    /// The text.
    pub(super) word: Word,
    /// What it looks up.
    pub(super) references: Vec<Reference>,
    /// Whether it is read after its own step has ended.
    pub(super) sees_itself: bool,
}

/// Reports everything that expressions look up and that cannot be there, and names of outputs that are taken.
pub(super) fn check(
    drafts: &[Draft],
    order: &Order,
    variables: &BTreeMap<String, Value>,
    known: &Known,
    problems: &mut Problems<'_>,
) {
    let keys = keys(drafts, variables, problems);
    let by_name: HashMap<&str, usize> =
        order.names.iter().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
    let needs = order
        .needs
        .iter()
        .map(|needs| needs.iter().filter_map(|need| by_name.get(need.as_str()).copied()).collect::<Vec<_>>());
    let needs = needs.collect();
    let mut checker = Checker {
        drafts,
        order,
        variables,
        known,
        keys,
        by_name,
        needs,
        seen: vec![0; drafts.len()],
        searches: 0,
        open: Vec::new(),
    };
    for (step, draft) in drafts.iter().enumerate() {
        for lookups in &draft.lookups {
            for reference in &lookups.references {
                checker.check(step, lookups, reference, problems);
            }
        }
    }
}

/// Which step gives each `output_key`.
fn keys<'d>(
    drafts: &'d [Draft],
    variables: &BTreeMap<String, Value>,
    problems: &mut Problems<'_>,
) -> HashMap<&'d str, usize> {
    let mut keys: HashMap<&str, usize> = HashMap::new();
    for (step, draft) in drafts.iter().enumerate() {
        let Some(word) = &draft.output_key else { continue };
        let shown = shown(&word.text);
        if variables.contains_key(&word.text) {
            let message = format!("`{shown}` is the name of a variable, too");
            problems.add(word.at, "duplicate-name", message).hint("choose another `output_key`");
        }
        match keys.get(word.text.as_str()) {
            Some(&first) => {
                let line = drafts[first].output_key.as_ref().map_or(0, |word| word.at.line);
                let message = format!("two outputs are named `{shown}`; the first on line {line}");
                problems.add(word.at, "duplicate-name", message).hint("choose another `output_key`");
            }
            None => {
                keys.insert(&word.text, step);
            }
        }
    }
    keys
}

struct Checker<'d> {
    drafts: &'d [Draft],
    order: &'d Order,
    variables: &'d BTreeMap<String, Value>,
    known: &'d Known,
    keys: HashMap<&'d str, usize>,
    by_name: HashMap<&'d str, usize>,
    /// Needs by index, those that are steps of the file.
    needs: Vec<Vec<usize>>,
    /// In which search each step was last met.
    seen: Vec<usize>,
    searches: usize,
    open: Vec<usize>,
}

/// What is wrong, how many characters into the text, and what to do.
type Wrong = (usize, &'static str, String, Option<String>);

impl Checker<'_> {
    fn check(&mut self, step: usize, lookups: &Lookups, reference: &Reference, problems: &mut Problems<'_>) {
        let found = match reference.root.as_str() {
            "trigger" => one_of(reference, 0, &TRIGGER_FIELDS, "the trigger"),
            "steps" => self.steps(step, lookups, reference),
            "parent" => self.parent(step, reference),
            "variables" => self.variable(reference, 0),
            "env" => self.environment(reference),
            key if self.keys.contains_key(key) => {
                let of = self.keys[key];
                self.before(step, of, lookups.sees_itself, reference.at, key)
            }
            name if self.variables.contains_key(name) => self.variable(reference, 0),
            _ => Err(self.unknown(reference)),
        };
        if let Err((at, rule, message, hint)) = found {
            let problem = problems.within(&lookups.word, at, rule, message);
            if let Some(hint) = hint {
                problem.hint(hint);
            }
        }
    }

    fn steps(&mut self, step: usize, lookups: &Lookups, reference: &Reference) -> Result<(), Wrong> {
        let Some((at, key)) = reference.path.first() else {
            let hint = "write `steps['…'].output`".to_owned();
            return Err((
                reference.at,
                "unknown-step",
                "`steps` needs the name of one".to_owned(),
                Some(hint),
            ));
        };
        let Key::Name(name) = key else {
            let message = "steps are found by name, not by number".to_owned();
            return Err((*at, "unknown-step", message, Some("write `steps['…'].output`".to_owned())));
        };
        let Some(&of) = self.by_name.get(name.as_str()) else {
            let message = format!("there is no step `{}`", shown(name));
            let few = if self.drafts.len() <= 200 { self.drafts } else { &[] };
            let names = few.iter().filter_map(|draft| Some(draft.name.as_ref()?.text.as_str()));
            let hint = nearest(name, names).map(|meant| format!("did you mean `{}`?", shown(meant)));
            return Err((*at, "unknown-step", message, hint));
        };
        self.before(step, of, lookups.sees_itself, *at, name)?;
        one_of(reference, 1, &STEP_FIELDS, "a step")
    }

    /// Whether a step has ended when another one looks at it.
    fn before(
        &mut self,
        step: usize,
        of: usize,
        sees_itself: bool,
        at: usize,
        name: &str,
    ) -> Result<(), Wrong> {
        let name = shown(name);
        if step == of {
            return match sees_itself {
                true => Ok(()),
                false => {
                    Err((at, "not-before", format!("`{name}` is there only when this step has ended"), None))
                }
            };
        }
        // In a graph that is wrong itself nothing can be said.
        if !self.order.is_sound || self.is_before(of, step) {
            return Ok(());
        }
        let other = shown(self.order.names[of].as_str());
        let what =
            if other == name { format!("step `{name}`") } else { format!("`{name}` of step `{other}`") };
        let (message, hint) = if self.is_before(step, of) {
            (format!("{what} is there only after this step"), None)
        } else {
            (
                format!("this step does not wait for {what}"),
                Some(format!("add `{other}` to its `depends_on`")),
            )
        };
        Err((at, "not-before", message, hint))
    }

    /// Whether a step needs another one, directly or through others.
    fn is_before(&mut self, earlier: usize, later: usize) -> bool {
        if self.needs[later].contains(&earlier) {
            return true;
        }
        self.searches += 1;
        self.open.clear();
        self.open.push(later);
        while let Some(node) = self.open.pop() {
            for &need in &self.needs[node] {
                if need == earlier {
                    return true;
                }
                if self.seen[need] != self.searches {
                    self.seen[need] = self.searches;
                    self.open.push(need);
                }
            }
        }
        false
    }

    fn parent(&self, step: usize, reference: &Reference) -> Result<(), Wrong> {
        let wrong =
            |message: String, hint: &str| Err((reference.at, "parent", message, Some(hint.to_owned())));
        match (self.order.is_sound, self.order.needs[step].as_slice()) {
            (true, []) => {
                wrong("this step needs no other one, so it has no `parent`".to_owned(), "add `depends_on`")
            }
            (true, [first, second, ..]) => {
                let (first, second) = (shown(first.as_str()), shown(second.as_str()));
                let message = format!("`parent` could be `{first}` or `{second}`, among others");
                let message = match self.order.needs[step].len() {
                    2 => format!("`parent` could be `{first}` or `{second}`"),
                    _ => message,
                };
                wrong(message, &format!("write `steps['{first}'].output`"))
            }
            _ => one_of(reference, 0, &STEP_FIELDS, "a step"),
        }
    }

    /// The way into a variable, whose value is known here.
    fn variable(&self, reference: &Reference, from: usize) -> Result<(), Wrong> {
        let mut path = reference.path.iter().skip(from);
        let (mut at, mut value) = match reference.root.as_str() {
            "variables" => {
                let Some((at, key)) = path.next() else { return Ok(()) };
                let Key::Name(name) = key else {
                    return Err((*at, "unknown-name", "variables are found by name".to_owned(), None));
                };
                let Some(value) = self.variables.get(name) else {
                    let message = format!("there is no variable `{}`", shown(name));
                    let hint = nearest(name, self.variables.keys().map(String::as_str));
                    let hint = hint.map(|meant| format!("did you mean `{meant}`?"));
                    return Err((*at, "unknown-name", message, hint));
                };
                (*at, value)
            }
            name => match self.variables.get(name) {
                Some(value) => (reference.at, value),
                None => return Ok(()),
            },
        };
        for (next, key) in path {
            let found = match key {
                Key::Name(name) => value.get(name.as_str()),
                Key::Index(index) => value.get(*index),
            };
            at = at.max(*next);
            let Some(found) = found else {
                let message = format!("`{}` leads to nothing in the variable", shown(&reference.to_string()));
                return Err((at, "unknown-name", message, None));
            };
            value = found;
        }
        Ok(())
    }

    fn environment(&self, reference: &Reference) -> Result<(), Wrong> {
        let known = self.known.environment.as_ref();
        let allowed: Vec<&str> = known.into_iter().flatten().map(String::as_str).collect();
        let hint = match allowed.as_slice() {
            [] => "the setting `flow.env` names those that flows may read; now there is none".to_owned(),
            names => format!("the setting `flow.env` lets flows read {}", listed(names)),
        };
        match reference.path.first() {
            Some((_, Key::Name(name))) if known.is_none_or(|known| known.contains(name)) => Ok(()),
            Some((at, Key::Name(name))) => {
                let message = format!("`{}` of the environment may not be read", shown(name));
                Err((*at, "environment", message, Some(hint)))
            }
            _ => Err((reference.at, "environment", "`env` needs a name".to_owned(), Some(hint))),
        }
    }

    fn unknown(&self, reference: &Reference) -> Wrong {
        let name = reference.root.as_str();
        let message = format!("nothing is named `{}` here", shown(name));
        let keys = self.keys.keys().copied();
        let few = (self.keys.len() <= 200).then_some(keys).into_iter().flatten();
        let mut names: Vec<&str> = few.chain(self.variables.keys().map(String::as_str)).collect();
        names.extend(ROOTS);
        names.sort_unstable();
        let loud = name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        let hint = match nearest(name, names.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if loud && !RESERVED.contains(&name) => {
                "variables of the environment are written `env.…`; the setting `flow.env` allows them"
                    .to_owned()
            }
            None if self.by_name.contains_key(name) => format!("write `steps['{}'].output`", shown(name)),
            None => {
                format!("a name is an `output_key`, a variable, or {}; texts stand in quotes", listed(&ROOTS))
            }
        };
        (reference.at, "unknown-name", message, Some(hint))
    }
}

/// Whether that part of the way, if it is there, is one of these.
fn one_of(reference: &Reference, part: usize, fields: &[&str], of: &str) -> Result<(), Wrong> {
    let (at, name) = match reference.path.get(part) {
        Some((at, Key::Name(name))) => (*at, name.as_str()),
        Some((at, Key::Index(_))) => {
            let hint = Some(format!("it is {}", listed(fields)));
            return Err((*at, "unknown-name", format!("{of} is no list"), hint));
        }
        // The whole trigger is a value, a whole step is none.
        None if reference.root == "trigger" => return Ok(()),
        None => {
            let message = format!("`{}` is a step, not a value", shown(&reference.to_string()));
            let hint = format!("write `{}.output`", shown(&reference.to_string()));
            return Err((reference.at, "unknown-name", message, Some(hint)));
        }
    };
    if fields.contains(&name) {
        return Ok(());
    }
    let hint = match nearest(name, fields.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("it is {}", listed(fields)),
    };
    Err((at, "unknown-name", format!("{of} has no `{}`", shown(name)), Some(hint)))
}
