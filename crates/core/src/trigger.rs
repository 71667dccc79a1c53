//! What a delivery asks for: pure rules from what happened to an order, or to the reason why there is none.
//!
//! Whether the sender may ask is only named here ([`Need`]): it is looked up by whoever has the forge, and never
//! guessed from a name.

mod command;
mod flows;
mod occurrence;
mod order;
mod settings;

use jiff::{SignedDuration, Timestamp};

pub use command::Command;
use command::Said;
pub use flows::{Wanted, check_prompt, wanted};
pub use occurrence::{Actor, Happening, Occurrence, Subject};
pub use order::{Matched, Need, Notice, Order, Permission, Place, RuleNote, RuleOutcome};
pub use settings::{Broken, Conditions, ISSUE_FLOW, On, Rule, TriggerSettings};

use crate::delivery::Verdict;
use crate::plain;

/// What follows from something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TriggerDecision {
    /// There is something to be done.
    Accepted(Matched),
    /// There is not.
    Ignored(String),
    /// There would be, but its sender may not ask for it.
    Rejected(String),
}

impl From<TriggerDecision> for Verdict {
    fn from(decision: TriggerDecision) -> Self {
        match decision {
            TriggerDecision::Accepted(matched) => Self::Accepted { trigger: Box::new(matched) },
            TriggerDecision::Ignored(reason) => Self::Ignored { reason },
            TriggerDecision::Rejected(reason) => Self::Rejected { reason },
        }
    }
}

/// What follows from something that happened, by these rules. `now` tells what is too old to be obeyed.
pub fn decide(seen: &Occurrence, settings: &TriggerSettings, now: Timestamp) -> TriggerDecision {
    weigh(seen, settings, now).0
}

/// As [`decide`], with what each rule made of it.
pub fn weigh(
    seen: &Occurrence,
    settings: &TriggerSettings,
    now: Timestamp,
) -> (TriggerDecision, Vec<RuleNote>) {
    let order = judge(seen, settings, now);
    let (starts, notes) = flows::starts(seen, settings, now, &order);
    let decision = match order {
        Ok(matched) => TriggerDecision::Accepted(Matched { starts, ..matched }),
        Err(_) if !starts.is_empty() => {
            let matched = accepted(seen, "flows", Order::Flows, Vec::new());
            TriggerDecision::Accepted(Matched { starts, ..matched })
        }
        Err(No::Ignored(reason)) => TriggerDecision::Ignored(reason),
        Err(No::Rejected(reason)) => TriggerDecision::Rejected(reason),
    };
    (decision, notes)
}

/// Why nothing is to be done.
enum No {
    Ignored(String),
    Rejected(String),
}

fn judge(seen: &Occurrence, settings: &TriggerSettings, now: Timestamp) -> Result<Matched, No> {
    match &seen.what {
        Happening::Ping => Err(ignored("a ping asks for nothing")),
        Happening::Nothing { reason } => Err(ignored(reason)),
        Happening::Enrolled { added, removed } => {
            let order = Order::Enrol { added: added.clone(), removed: removed.clone() };
            Ok(accepted(seen, "enrolment", order, Vec::new()))
        }
        Happening::Noticed(notice) => {
            repo(seen, settings)?;
            Ok(accepted(seen, "notice", Order::Notice { notice: notice.clone() }, Vec::new()))
        }
        Happening::Opened(on) => {
            let repo = repo(seen, settings)?;
            let labels = settings.trigger_labels();
            let Some(label) = on.labels.iter().find(|label| labels.iter().any(|known| same(known, label)))
            else {
                return Err(ignored("the issue has none of the labels that start a run"));
            };
            start(seen, settings, now, repo, on, Asked::Label(label))
        }
        Happening::Labeled { on, label } => {
            let repo = repo(seen, settings)?;
            start(seen, settings, now, repo, on, Asked::Label(label))
        }
        Happening::Commented { on, comment, body } => {
            let repo = repo(seen, settings)?;
            if command::is_ours(body) {
                return Err(ignored("the comment is miyabi's own"));
            }
            let (command, note) = match command::read(body, settings) {
                Said::Nothing => return Err(ignored("the comment holds no command")),
                Said::Command(command, note) => (command, note),
                Said::Unknown(problem) => {
                    actor(seen, settings)?;
                    return Err(No::Rejected(problem));
                }
            };
            if command == Command::Run {
                return start(seen, settings, now, repo, on, Asked::Comment(note));
            }
            let needs = actor(seen, settings)?;
            fresh(seen, settings, now)?;
            let order = Order::Command { command, on: on.at, comment: *comment, note };
            Ok(accepted(seen, "command", order, needs))
        }
    }
}

/// How a run is asked for.
enum Asked<'a> {
    Label(&'a str),
    Comment(String),
}

/// The first rule that fits begins a run; without one, the reason of the rule that came closest is told.
fn start(
    seen: &Occurrence,
    settings: &TriggerSettings,
    now: Timestamp,
    repo: &str,
    on: &Subject,
    asked: Asked<'_>,
) -> Result<Matched, No> {
    let mut why = match &asked {
        Asked::Label(label) => format!("label {} starts nothing here", shown(label)),
        Asked::Comment(_) => "no rule lets a comment start a run here".to_owned(),
    };
    let of_repo = |rule: &&Rule| rule.repo.as_deref().is_none_or(|wanted| same(wanted, repo));
    for rule in settings.rules.iter().filter(of_repo).filter(|rule| rule.is_of_issues()) {
        let fits = match (&rule.on, &asked) {
            (On::Label { labels }, Asked::Label(label)) => labels.iter().any(|known| same(known, label)),
            (On::Comment, Asked::Comment(_)) => true,
            (On::Label { .. } | On::Comment | On::Schedule { .. } | On::Event { .. }, _) => false,
        };
        if !fits {
            continue;
        }
        if let Some(unmet) = unmet(&rule.conditions, on) {
            why = format!("rule {}: {unmet}", shown(&rule.name));
            continue;
        }
        if !on.open {
            return Err(ignored("it is closed"));
        }
        let mut needs = actor(seen, settings)?;
        fresh(seen, settings, now)?;
        needs.extend(rule.conditions.require_review_approval.then_some(Need::ReviewApproval));
        needs.extend(rule.conditions.require_ci_pass.then_some(Need::CiPass));
        let note = match asked {
            Asked::Label(_) => String::new(),
            Asked::Comment(note) => note,
        };
        let order = Order::Run { flow: rule.flow.clone(), on: on.at, note };
        return Ok(accepted(seen, &rule.name, order, needs));
    }
    Err(No::Ignored(why))
}

/// Whether somebody says something to miyabi there, so that it is worth a closer look.
pub fn is_addressed(body: &str, settings: &TriggerSettings) -> bool {
    !command::is_ours(body) && command::read(body, settings) != Said::Nothing
}

/// The condition that does not hold, of those that can be seen in the subject itself.
pub fn unmet(conditions: &Conditions, on: &Subject) -> Option<String> {
    let has = |wanted: &String| on.labels.iter().any(|label| same(label, wanted));
    let is_change = matches!(on.at, Place::Change(_));
    if is_change && !conditions.changes {
        return Some("it is for issues, and this is a change".to_owned());
    }
    if let Some(missing) = conditions.require_labels.iter().find(|label| !has(label)) {
        return Some(format!("label {} is missing", shown(missing)));
    }
    let excluded = conditions.exclude_labels.iter().find(|label| has(label))?;
    Some(format!("label {} excludes it", shown(excluded)))
}

/// The repo, if it is one that we work for.
fn repo<'a>(seen: &'a Occurrence, settings: &TriggerSettings) -> Result<&'a str, No> {
    let Some(repo) = seen.repo.as_deref() else {
        return Err(ignored("it names no repo"));
    };
    if settings.repos.is_empty() || settings.repos.iter().any(|known| same(known, repo)) {
        return Ok(repo);
    }
    Err(No::Ignored(format!("repo {} is not on the list of repos", shown(repo))))
}

/// What must be known of the sender before the order is carried out.
fn actor(seen: &Occurrence, settings: &TriggerSettings) -> Result<Vec<Need>, No> {
    let Some(Actor { login, is_bot }) = &seen.actor else {
        return Err(No::Rejected("it names nobody who asks".to_owned()));
    };
    if settings.own.iter().any(|own| same(own, login)) {
        return Err(No::Ignored(format!("{} is miyabi itself", shown(login))));
    }
    if (*is_bot || login.to_lowercase().ends_with("[bot]")) && !settings.bots.contains(login) {
        let name = shown(login);
        return Err(No::Rejected(format!("bot {name} is not on the list of bots that may ask")));
    }
    if *is_bot {
        // Forges have no permission to look up for their apps: being on the list is the permission.
        return Ok(Vec::new());
    }
    Ok(vec![Need::Permission { of: login.clone(), at_least: Permission::Write }])
}

/// Only what happened lately is obeyed: who delivers an old command again asks for something else than its author.
fn fresh(seen: &Occurrence, settings: &TriggerSettings, now: Timestamp) -> Result<(), No> {
    let (Some(limit), Some(sent_at)) = (settings.max_age_secs, seen.sent_at) else {
        return Ok(());
    };
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    if now.duration_since(sent_at) > SignedDuration::from_secs(limit) {
        return Err(No::Ignored(format!("it is stale: it happened at {sent_at}")));
    }
    Ok(())
}

fn accepted(seen: &Occurrence, rule: &str, order: Order, needs: Vec<Need>) -> Matched {
    Matched {
        rule: rule.to_owned(),
        repo: seen.repo.clone(),
        actor: seen.actor.as_ref().map(|actor| actor.login.clone()),
        order,
        needs,
        starts: Vec::new(),
    }
}

fn ignored(reason: &str) -> No {
    No::Ignored(reason.to_owned())
}

/// Forges do not tell names of accounts, repos and labels apart by case.
fn same(one: &str, other: &str) -> bool {
    one == other || one.to_lowercase() == other.to_lowercase()
}

fn shown(name: &str) -> String {
    plain::code(name, 100)
}

#[cfg(test)]
mod tests;
