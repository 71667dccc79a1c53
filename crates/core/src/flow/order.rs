//! How steps may follow each other: known names, no circle, and each built-in step after what it works on.

use std::collections::{HashMap, HashSet};

use super::names::shown;
use super::problem::{At, Problems};
use super::step::{Draft, Needs};
use super::suggest::nearest;
use crate::ids::StepId;
use crate::plan::{self, Problem, Uses};

/// What must come somewhere before each built-in step.
const BEFORE: [(Uses, Uses); 8] = [
    (Uses::Decompose, Uses::Analyse),
    (Uses::Execute, Uses::Decompose),
    (Uses::Update, Uses::Execute),
    (Uses::Review, Uses::Execute),
    (Uses::Change, Uses::Review),
    (Uses::Ci, Uses::Change),
    (Uses::Merge, Uses::Change),
    (Uses::Verdict, Uses::Stories),
];

/// How the steps of a file follow each other.
pub(super) struct Order {
    /// The needs of each step.
    pub(super) needs: Vec<Vec<StepId>>,
    /// The name of each step; one that no file can hold where it has none of its own.
    pub(super) names: Vec<StepId>,
    /// Whether this is an acyclic graph of known names.
    pub(super) is_sound: bool,
}

/// Reports everything that is wrong between steps.
pub(super) fn check(drafts: &[Draft], problems: &mut Problems<'_>) -> Order {
    let names = distinct_names(drafts, problems);
    let nodes: Vec<(StepId, Vec<StepId>)> = drafts
        .iter()
        .enumerate()
        .map(|(index, draft)| (names[index].clone(), needs(draft, index, &names)))
        .collect();
    let text: Vec<(&str, Vec<&str>)> = nodes
        .iter()
        .map(|(name, needs)| (name.as_str(), needs.iter().map(StepId::as_str).collect()))
        .collect();
    let found = plan::check(&text);
    let by_name = names.iter().enumerate().map(|(index, name)| (name, index)).collect();
    let graph = Graph { drafts, nodes: &nodes, by_name };
    for problem in &found {
        graph.report(problem, problems);
    }
    let readable = drafts.iter().all(|draft| !matches!(draft.needs, Needs::Unreadable));
    let is_sound = readable && found.is_empty();
    graph.check_built_ins(is_sound, problems);
    let (names, needs) = nodes.into_iter().unzip();
    Order { needs, names, is_sound }
}

/// A name for each step: its own, or one that no file can hold where it has none or its name is taken.
fn distinct_names(drafts: &[Draft], problems: &mut Problems<'_>) -> Vec<StepId> {
    let mut first: HashMap<&str, At> = HashMap::new();
    let mut names = Vec::with_capacity(drafts.len());
    for (index, draft) in drafts.iter().enumerate() {
        let placeholder = || StepId::from(format!("\0{index}"));
        names.push(match &draft.name {
            None => placeholder(),
            Some(word) => match first.get(word.text.as_str()) {
                None => {
                    first.insert(&word.text, word.at);
                    StepId::from(word.text.as_str())
                }
                Some(at) => {
                    let message =
                        format!("two steps are named `{}`; the first on line {}", shown(&word.text), at.line);
                    problems
                        .add(word.at, "duplicate-name", message)
                        .hint("names are how steps refer to each other");
                    placeholder()
                }
            },
        });
    }
    names
}

fn needs(draft: &Draft, index: usize, names: &[StepId]) -> Vec<StepId> {
    match &draft.needs {
        Needs::Above => index.checked_sub(1).map(|above| names[above].clone()).into_iter().collect(),
        Needs::Named(words) => words.iter().map(|word| StepId::from(word.text.as_str())).collect(),
        Needs::Unreadable => Vec::new(),
    }
}

struct Graph<'d> {
    drafts: &'d [Draft],
    nodes: &'d [(StepId, Vec<StepId>)],
    by_name: HashMap<&'d StepId, usize>,
}

impl Graph<'_> {
    fn report(&self, problem: &Problem, problems: &mut Problems<'_>) {
        match problem {
            Problem::Unknown { node, need } => {
                let at = self.need_at(*node, *need);
                let name = self.nodes[*node].1[*need].as_str();
                let problem = problems.add(at, "unknown-step", format!("there is no step `{}`", shown(name)));
                // Among thousands of names comparing would take long and mean little.
                let few = if self.drafts.len() <= 200 { self.drafts } else { &[] };
                let known = few.iter().filter_map(|draft| draft.name.as_ref());
                match nearest(name, known.map(|word| word.text.as_str())) {
                    Some(meant) => problem.hint(format!("did you mean `{}`?", shown(meant))),
                    None => problem.hint("`depends_on` holds names of steps of this file"),
                }
            }
            Problem::Cycle { path } => self.report_cycle(path, problems),
            // Names were made distinct above.
            Problem::Duplicate { node } => {
                problems.add(self.at(*node), "duplicate-name", "two steps have the same name");
            }
        }
    }

    fn report_cycle(&self, path: &[usize], problems: &mut Problems<'_>) {
        let Some(&start) = path.first() else { return };
        let name = |node: usize| self.drafts[node].name.as_ref().map_or("?", |word| &word.text);
        let next = path.get(1).copied().unwrap_or(start);
        let at = self.needs_of(start).find(|(_, need)| *need == Some(next));
        let at = at.map_or_else(|| self.at(start), |(need, _)| self.need_at(start, need));
        let mut message = format!("steps wait for each other: `{}`", shown(name(start)));
        for &node in path.iter().skip(1).take(19) {
            message.push_str(&format!(" needs `{}`, which", shown(name(node))));
        }
        if path.len() > 20 {
            message.push_str(&format!(" needs {} more, which", path.len() - 20));
        }
        message.push_str(&format!(" needs `{}`", shown(name(start))));
        problems.add(at, "cycle", message).hint("take one of these names out of its `depends_on`");
    }

    /// Each built-in step at most once, and after what it works on. `whole`: the graph itself is sound.
    fn check_built_ins(&self, whole: bool, problems: &mut Problems<'_>) {
        let mut first: HashMap<Uses, usize> = HashMap::new();
        for (index, draft) in self.drafts.iter().enumerate() {
            let Some((at, uses)) = draft.uses else { continue };
            let Some(&earlier) = first.get(&uses) else {
                first.insert(uses, index);
                continue;
            };
            let line = self.at(earlier).line;
            let message =
                format!("`{}` is used twice; the first time in the step on line {line}", uses.as_str());
            problems
                .add(at, "built-in-order", message)
                .hint("a built-in step works on the whole of it, once");
        }
        for (uses, before) in BEFORE {
            let Some(&index) = first.get(&uses) else { continue };
            let Some((at, _)) = self.drafts[index].uses else { continue };
            let (uses, before_word) = (uses.as_str(), before.as_str());
            match first.get(&before) {
                None => {
                    let message = format!("`{uses}` needs a step with `uses: {before_word}` before it");
                    problems.add(at, "built-in-order", message);
                }
                Some(&earlier) if whole && !self.is_before(earlier, index) => {
                    let message = format!("`{uses}` does not wait for `{before_word}`");
                    let name = self.nodes[earlier].0.as_str();
                    let hint = match self.drafts[index].needs {
                        Needs::Above => format!("move it below `{}`", shown(name)),
                        _ => format!("add `{}` to its `depends_on`", shown(name)),
                    };
                    problems.add(at, "built-in-order", message).hint(hint);
                }
                Some(_) => {}
            }
        }
    }

    /// Whether a step needs another one, directly or through others.
    fn is_before(&self, earlier: usize, later: usize) -> bool {
        let (mut seen, mut open) = (HashSet::from([later]), vec![later]);
        while let Some(node) = open.pop() {
            if node == earlier && node != later {
                return true;
            }
            open.extend(self.needs_of(node).filter_map(|(_, need)| need).filter(|need| seen.insert(*need)));
        }
        false
    }

    /// The needs of a step, in the order in which it names them, with the step that each is, if there is one.
    fn needs_of(&self, node: usize) -> impl Iterator<Item = (usize, Option<usize>)> {
        self.nodes[node].1.iter().map(|need| self.by_name.get(need).copied()).enumerate()
    }

    fn at(&self, node: usize) -> At {
        self.drafts[node].name.as_ref().map_or(self.drafts[node].at, |word| word.at)
    }

    fn need_at(&self, node: usize, need: usize) -> At {
        match &self.drafts[node].needs {
            Needs::Named(words) => words.get(need).map_or_else(|| self.at(node), |word| word.at),
            _ => self.at(node),
        }
    }
}
