//! Why a run did what it did: every decision with its rule and its numbers, as its log has them.

use jiff::Timestamp;
use miyabi_core::event::{Event, EventBody, Gate};
use miyabi_core::ids::{Attempt, EscalationId, StepId};
use miyabi_core::policy::Policy;
use miyabi_core::run::Run;
use serde::Serialize;
use serde_json::Value;

use crate::output::clean::short;
use crate::output::text;

/// One decision.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// The event that holds it.
    pub seq: u64,
    /// When it was made.
    pub at: Timestamp,
    /// About which step.
    pub step: StepId,
    /// After which try of it.
    pub attempt: Attempt,
    /// `proceed`, `notify-then-proceed`, `retry`, `rework`, `escalate` or `block`.
    pub decision: &'static str,
    /// Not before that time; only where it names one.
    pub until: Option<Timestamp>,
    /// The rule that decided.
    pub rule: String,
    /// The numbers that the rule compared, by name.
    pub numbers: std::collections::BTreeMap<String, f64>,
    /// What the attempt failed of, if it did.
    pub failure: Option<String>,
    /// The question that was raised.
    pub question: Option<EscalationId>,
    /// The answer that it rests on.
    pub answer: Option<Answered>,
}

/// Who answered what.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answered {
    /// The answer.
    pub action: String,
    /// Who gave it.
    pub by: String,
    /// From where.
    pub from: String,
    /// What they added.
    pub note: String,
}

/// A number of the policy that is not the product's own.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Changed {
    /// Its key in `[policy]`.
    pub key: String,
    /// What this run was started with.
    pub value: Value,
    /// What it is otherwise.
    pub default: Value,
}

/// All decisions of a run, and the policy that they rest on where it differs from the usual one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// In the order in which they were made.
    pub decisions: Vec<Decision>,
    /// The run keeps what it was started with.
    pub policy: Vec<Changed>,
}

/// Reads the decisions out of a log.
pub fn explain(events: &[Event]) -> Explanation {
    let mut run: Option<Run> = None;
    let mut found = Explanation { decisions: Vec::new(), policy: Vec::new() };
    let mut raised = None;
    for event in events {
        match (&mut run, &event.body) {
            (None, EventBody::RunStarted(started)) => {
                found.policy = changed(&started.policy);
                run = Run::start(event).ok();
                continue;
            }
            (_, EventBody::EscalationRaised(question)) => raised = Some(question.id.clone()),
            (Some(run), EventBody::GateDecided { step, gate, rule, numbers }) => {
                let state = run.step(step);
                let answer = state.and_then(|state| state.answer.clone());
                found.decisions.push(Decision {
                    seq: event.seq,
                    at: event.at,
                    step: step.clone(),
                    attempt: state.map_or(0, |state| state.attempt),
                    decision: gate.as_str(),
                    until: match gate {
                        Gate::Notify { until } => Some(*until),
                        Gate::Retry { at } => Some(*at).filter(|at| *at > event.at),
                        _ => None,
                    },
                    rule: rule.clone(),
                    numbers: numbers.clone(),
                    failure: state.and_then(|state| Some(state.failure()?.message.clone())),
                    question: raised.take().filter(|_| *gate == Gate::Escalate),
                    answer: answer.map(|answer| Answered {
                        action: answer.action,
                        by: answer.by,
                        from: answer.from,
                        note: answer.note,
                    }),
                });
            }
            _ => {}
        }
        if let Some(run) = &mut run {
            // What cannot be folded explains nothing; the rest still does.
            drop(run.apply(event));
        }
    }
    found
}

fn changed(policy: &Policy) -> Vec<Changed> {
    let of = |policy: &Policy| serde_json::to_value(policy).unwrap_or_default();
    let (ours, usual) = (of(policy), of(&Policy::default()));
    let (Value::Object(ours), Value::Object(usual)) = (ours, usual) else { return Vec::new() };
    let differs = |(key, value): (String, Value)| {
        let default = usual.get(&key).cloned().unwrap_or_default();
        (default != value).then_some(Changed { key, value, default })
    };
    ours.into_iter().filter_map(differs).collect()
}

/// The explanation for people.
pub fn render(explanation: &Explanation) -> String {
    let mut out = String::new();
    for decision in &explanation.decisions {
        let until =
            decision.until.map(|at| format!(" until {} UTC", text::date_time(at))).unwrap_or_default();
        out.push_str(&format!(
            "{:>4} {} {}, attempt {}: {}{until}\n",
            decision.seq,
            text::clock(decision.at),
            decision.step,
            decision.attempt,
            decision.decision,
        ));
        let mut line =
            |name: &str, text: &str| out.push_str(&format!("              {name:<9} {}\n", short(text, 300)));
        line("because", &decision.rule);
        if !decision.numbers.is_empty() {
            let numbers: Vec<_> =
                decision.numbers.iter().map(|(name, value)| format!("{name} {}", number(*value))).collect();
            line("numbers", &numbers.join(", "));
        }
        if let Some(failure) = &decision.failure {
            line("failure", failure);
        }
        if let Some(question) = &decision.question {
            line("question", question.as_str());
        }
        if let Some(answer) = &decision.answer {
            let note = if answer.note.is_empty() { String::new() } else { format!(": {}", answer.note) };
            line("answer", &format!("{} by {} ({}){note}", answer.action, answer.by, answer.from));
        }
    }
    if explanation.decisions.is_empty() {
        out.push_str("nothing was decided yet\n");
    }
    if !explanation.policy.is_empty() {
        out.push_str("\npolicy of this run, where it is not the usual one:\n");
        for changed in &explanation.policy {
            out.push_str(&format!("  {} = {} (usually {})\n", changed.key, changed.value, changed.default));
        }
    }
    out
}

fn number(value: f64) -> String {
    miyabi_core::budget::shown(value)
}
