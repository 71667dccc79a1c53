//! Agents by kind of task: how often their work was accepted, how it failed, and what it took.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::course::Course;
use super::figures::{ENOUGH, Evidence, RunName, Share, Spread, in_words};
use super::work::{Fault, LeftOut, Worked};

/// How agents fared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Agents {
    /// By kind of task, and within it by agent.
    pub rows: Vec<AgentRow>,
    /// Which agent the evidence speaks for, for each kind.
    pub choices: Vec<Choice>,
    /// Attempts that say nothing about their agents, and so stand in no row.
    pub left_out: BTreeMap<LeftOut, u64>,
}

/// One agent at one kind of task.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct AgentRow {
    /// `feature`, `bug` …; `rework` and `conflict` for mending a whole change and for bringing two sides together;
    /// `agent:NAME` for the steps of that agent in flows.
    pub kind: String,
    /// How it was driven: its adapter, with its model or program where that is part of it.
    pub agent: String,
    /// Tasks of which at least one attempt ended in a way that says something about it.
    pub tasks: u64,
    /// Those that were accepted at the first such attempt: the checks passed, or the answer had its form.
    pub first_try: Share,
    /// Those that were accepted at all, of those that are decided.
    pub accepted: Share,
    /// Tasks that are not accepted and may still be, or were stopped before.
    pub undecided: u64,
    /// All such attempts.
    pub attempts: u64,
    /// How often they failed, and how.
    pub failures: BTreeMap<Fault, u64>,
    /// Minutes of an attempt, from the start of its session to its end.
    pub minutes: Option<Spread>,
    /// Tokens of an attempt, in and out, as programs state them.
    pub tokens: Option<Spread>,
    /// US dollars of an attempt, as programs state them.
    pub cost_usd: Option<Spread>,
    /// The score of the first review of each run in which it did such tasks.
    pub score: Option<Spread>,
    /// Where this comes from.
    pub evidence: Evidence,
}

/// Which agent the evidence speaks for.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Choice {
    /// The kind of task.
    pub kind: String,
    /// The agent; none: the evidence does not carry it.
    pub suggestion: Option<String>,
    /// The numbers, or what is missing.
    pub why: String,
}

/// What was gathered of one agent at one kind of task.
#[derive(Default)]
struct Gathered {
    tasks: u64,
    first_try: u64,
    accepted: u64,
    undecided: u64,
    attempts: u64,
    failures: BTreeMap<Fault, u64>,
    minutes: Vec<f64>,
    tokens: Vec<f64>,
    usd: Vec<f64>,
    scores: Vec<f64>,
    evidence: Evidence,
}

/// Agents, as far as runs were taken.
#[derive(Default)]
pub(super) struct Book {
    rows: BTreeMap<(String, String), Gathered>,
    left_out: BTreeMap<LeftOut, u64>,
}

impl Book {
    /// Takes one run.
    pub(super) fn take(
        &mut self,
        run: &RunName,
        works: &[Worked<'_>],
        left_out: &BTreeMap<LeftOut, u64>,
        course: &Course,
    ) {
        for (why, count) in left_out {
            *self.left_out.entry(*why).or_default() += count;
        }
        let score = course.reviews.first().map(|review| f64::from(review.score));
        let mut scored: Vec<(&str, &str)> = Vec::new();
        for work in works {
            let row = self.rows.entry((work.kind.clone(), work.agent.to_owned())).or_default();
            row.take(work);
            row.evidence.add(run);
            let name = (work.kind.as_str(), work.agent);
            if let Some(score) = score.filter(|_| work.implements && !scored.contains(&name)) {
                scored.push(name);
                row.scores.push(score);
            }
        }
    }

    /// What it comes to.
    pub(super) fn told(self) -> Agents {
        let rows: Vec<AgentRow> =
            self.rows.into_iter().map(|((kind, agent), row)| row.told(kind, agent)).collect();
        let choices = rows.chunk_by(|one, other| one.kind == other.kind).map(choice).collect();
        Agents { rows, choices, left_out: self.left_out }
    }
}

impl Gathered {
    fn take(&mut self, work: &Worked<'_>) {
        self.tasks += 1;
        self.first_try += u64::from(work.tries.first().is_some_and(|one| one.fault.is_none()));
        self.accepted += u64::from(work.is_accepted());
        self.undecided += u64::from(!work.is_accepted() && !work.is_decided);
        for one in &work.tries {
            self.attempts += 1;
            if let Some(fault) = one.fault {
                *self.failures.entry(fault).or_default() += 1;
            }
            self.minutes.extend(one.minutes);
            self.tokens.extend(one.tokens);
            self.usd.extend(one.usd);
        }
    }

    fn told(self, kind: String, agent: String) -> AgentRow {
        AgentRow {
            kind,
            agent,
            tasks: self.tasks,
            first_try: Share::new(self.first_try, self.tasks),
            accepted: Share::new(self.accepted, self.tasks - self.undecided),
            undecided: self.undecided,
            attempts: self.attempts,
            failures: self.failures,
            minutes: Spread::of(&self.minutes),
            tokens: Spread::of(&self.tokens),
            cost_usd: Spread::of(&self.usd),
            score: Spread::of(&self.scores),
            evidence: self.evidence,
        }
    }
}

/// The agent whose tasks were accepted at the first try more often than those of each other agent, beyond chance.
///
/// Only agents with at least [`ENOUGH`] tasks are compared; the rule is that the 95 % interval of the difference
/// ([`Share::above`]) lies above 0 for each of them. Tasks were not given to agents by lot, so this is a hint and no
/// proof.
fn choice(rows: &[AgentRow]) -> Choice {
    let kind = rows.first().map_or_else(String::new, |row| row.kind.clone());
    let undecided = |why: String| Choice { kind: kind.clone(), suggestion: None, why };
    if let [only] = rows {
        return undecided(format!("only `{}` was tried", only.agent));
    }
    let few: Vec<String> = rows
        .iter()
        .filter(|row| row.tasks < ENOUGH)
        .map(|row| format!("`{}`: {} of {ENOUGH} tasks", row.agent, row.tasks))
        .collect();
    let mut enough: Vec<&AgentRow> = rows.iter().filter(|row| row.tasks >= ENOUGH).collect();
    enough.sort_by(|one, other| other.first_try.seen().total_cmp(&one.first_try.seen()));
    let [best, others @ ..] = enough.as_slice() else {
        return undecided(format!("not enough to tell ({})", few.join(", ")));
    };
    let Some(next) = others.first() else {
        return undecided(format!("not enough to tell ({})", few.join(", ")));
    };
    let told = |row: &AgentRow| format!("`{}` {}", row.agent, in_words(&row.first_try));
    let mut why = format!("at the first try {}, {}", told(best), told(next));
    if !few.is_empty() {
        why = format!("{why}; not enough to tell of {}", few.join(", "));
    }
    let differs = others.iter().all(|other| best.first_try.above(&other.first_try).1 > 0.0);
    if !differs {
        return undecided(format!("no difference beyond chance: {why}"));
    }
    Choice { kind: kind.clone(), suggestion: Some(best.agent.clone()), why }
}
