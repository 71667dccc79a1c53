//! The keys of a step.

use std::collections::HashSet;

use serde_json::Value;

use super::lookups::Lookups;
use super::names::shown;
use super::node::Node;
use super::problem::{At, Problems};
use super::read::{Fields, Word};
use super::{Known, check_name, work};
use crate::ids::StepId;
use crate::plan::{ActionCall, OnFailure, RunCondition, Step, Uses, Work};
use crate::story::is_story_step;

pub(super) const KEYS: [&str; 15] = [
    "name",
    "uses",
    "specialist",
    "agent",
    "input",
    "output_key",
    "condition",
    "if",
    "run_condition",
    "depends_on",
    "actions",
    "on_failure",
    "max_retries",
    "timeout",
    "skills",
];

/// The most further attempts that a step may ask for.
pub(super) const MAX_RETRIES: u32 = 100;
/// The longest deadline of a step: thirty days.
const MAX_TIMEOUT_SECS: u64 = 30 * 24 * 3600;

/// A step as far as it could be read.
pub(super) struct Draft {
    /// Where it begins.
    pub(super) at: At,
    pub(super) name: Option<Word>,
    /// What it does, and where that stands.
    pub(super) uses: Option<(At, Uses)>,
    /// `depends_on`, if the key is there and could be read.
    pub(super) needs: Needs,
    /// The name of its output.
    pub(super) output_key: Option<Word>,
    /// What its expressions look up.
    pub(super) lookups: Vec<Lookups>,
    work: Option<Work>,
    condition: Option<String>,
    input: Option<Value>,
    actions: Vec<ActionCall>,
    run_condition: RunCondition,
    on_failure: OnFailure,
    max_retries: u32,
    timeout_secs: Option<u64>,
}

/// What a step waits for.
pub(super) enum Needs {
    /// The key is not there: the step above.
    Above,
    /// These, by name.
    Named(Vec<Word>),
    /// The key is there and could not be read.
    Unreadable,
}

impl Draft {
    /// The step, if all of it could be read.
    pub(super) fn into_step(self, needs: Vec<StepId>) -> Option<Step> {
        Some(Step {
            condition: self.condition,
            input: self.input,
            output_key: self.output_key.map(|word| word.text),
            actions: self.actions,
            run_condition: self.run_condition,
            on_failure: self.on_failure,
            max_retries: self.max_retries,
            timeout_secs: self.timeout_secs,
            ..Step::new(self.name?.text, self.work?).needs(needs)
        })
    }
}

/// Reads one entry of `steps`.
pub(super) fn read(node: &Node, known: &Known, problems: &mut Problems<'_>) -> Draft {
    let mut draft = Draft {
        at: node.at,
        name: None,
        uses: None,
        needs: Needs::Unreadable,
        output_key: None,
        lookups: Vec::new(),
        work: None,
        condition: None,
        input: None,
        actions: Vec::new(),
        run_condition: RunCondition::default(),
        on_failure: OnFailure::default(),
        max_retries: 0,
        timeout_secs: None,
    };
    let Some(mut fields) = Fields::of(node, "a step", &KEYS, problems) else {
        return draft;
    };
    draft.name = fields.name("name", problems);
    if let Some(word) = draft.name.as_ref().filter(|word| is_reserved(&word.text)) {
        let message = format!("`{}` is a name that miyabi gives to steps which it adds", shown(&word.text));
        problems.add(word.at, "reserved-name", message).hint("choose another name");
    }
    (draft.work, draft.uses) = work::read(&mut fields, known, problems);
    draft.condition = work::condition(&mut fields, &mut draft.lookups, problems);
    draft.input = work::input(&mut fields, &mut draft.lookups, problems);
    draft.actions = work::actions(&mut fields, &mut draft.lookups, problems);
    draft.output_key = fields.text("output_key", problems);
    if let Some(word) = &draft.output_key {
        check_name(word, "an output", problems);
    }
    draft.needs = needs(&mut fields, problems);
    draft.run_condition = run_condition(&mut fields, problems).unwrap_or_default();
    retries(&mut fields, &mut draft, problems);
    draft.timeout_secs = fields.text("timeout", problems).and_then(|word| timeout(&word, problems));
    draft
}

/// Whether a step that joins a running plan may get this name: `task-500-2`, `rework-1`, `review-2`, `story:login` …
fn is_reserved(name: &str) -> bool {
    if is_story_step(name) {
        return true;
    }
    let added = ["task", "rework"].into_iter().chain(Uses::ALL.into_iter().map(Uses::as_str));
    let rest = added.filter_map(|word| name.strip_prefix(word)?.strip_prefix('-')).next();
    rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn needs(fields: &mut Fields<'_>, problems: &mut Problems<'_>) -> Needs {
    if !fields.has("depends_on") {
        return Needs::Above;
    }
    let Some(words) = fields.words("depends_on", problems) else { return Needs::Unreadable };
    let mut needs: Vec<Word> = Vec::new();
    let mut seen = HashSet::new();
    for word in words {
        if seen.insert(word.text.clone()) {
            needs.push(word);
        } else {
            let message = format!("`{}` is named twice in `depends_on`", shown(&word.text));
            problems.add(word.at, "duplicate-name", message).hint("leave one of them out");
        }
    }
    Needs::Named(needs)
}

fn run_condition(fields: &mut Fields<'_>, problems: &mut Problems<'_>) -> Option<RunCondition> {
    let words = [
        ("always", RunCondition::Always),
        ("on_success", RunCondition::OnSuccess),
        ("on_failure", RunCondition::OnFailure),
        ("manual", RunCondition::Manual),
    ];
    fields.one_of("run_condition", &words, problems)
}

fn retries(fields: &mut Fields<'_>, draft: &mut Draft, problems: &mut Problems<'_>) {
    let words = [("stop", OnFailure::Stop), ("continue", OnFailure::Continue), ("retry", OnFailure::Retry)];
    let said = (fields.has("on_failure"), fields.has("max_retries"));
    let on_failure = fields.one_of("on_failure", &words, problems);
    let retries = fields.number("max_retries", MAX_RETRIES, problems);
    draft.on_failure = on_failure.unwrap_or_default();
    draft.max_retries = retries.map_or(0, |(_, number)| number);
    match (on_failure, retries) {
        (Some(OnFailure::Retry), None) if !said.1 => {
            let problem = problems.add(draft.at, "retries", "`on_failure: retry` needs `max_retries`");
            problem.hint("say how often, such as `max_retries: 3`");
        }
        (Some(OnFailure::Retry), Some((at, 0))) => {
            problems.add(at, "retries", "`on_failure: retry` with `max_retries: 0` never retries");
        }
        (Some(OnFailure::Stop | OnFailure::Continue), Some((at, _))) => no_effect(at, problems),
        (None, Some((at, _))) if !said.0 => no_effect(at, problems),
        _ => {}
    }
}

fn no_effect(at: At, problems: &mut Problems<'_>) {
    let problem = problems.add(at, "retries", "`max_retries` has no effect without `on_failure: retry`");
    problem.hint("add `on_failure: retry`; transient failures are retried by the policy anyway");
}

fn timeout(word: &Word, problems: &mut Problems<'_>) -> Option<u64> {
    let text = word.text.as_str();
    let (digits, unit) = [("s", 1), ("m", 60), ("h", 3600)]
        .iter()
        .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit)))
        .unwrap_or((text, 1));
    let whole = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
    let secs = digits.parse::<u64>().ok().filter(|_| whole).and_then(|number| number.checked_mul(unit));
    match secs {
        Some(secs) if (1..=MAX_TIMEOUT_SECS).contains(&secs) => Some(secs),
        _ => {
            let problem = problems.add(word.at, "bad-timeout", format!("`{}` is no timeout", shown(text)));
            problem.hint("write seconds, or `90s`, `10m`, `2h`; more than nothing and at most `720h`");
            None
        }
    }
}
