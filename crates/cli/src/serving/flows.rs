//! Flows that rules begin on the payload of a delivery: each looked at by itself, begun once, and said why it is not.

use miyabi_core::delivery::{Delivery, Verdict};
use miyabi_core::ports::Created;
use miyabi_core::subject::{About, Cause, RunSubject};
use miyabi_core::trigger::{
    Matched, Need, Occurrence, On, Order, Rule, RuleNote, RuleOutcome, TriggerSettings, wanted,
};
use miyabi_forge::webhook;
use serde_json::Value;
use tracing::{info, warn};

use super::{Done, Site};
use crate::error::CliError;
use crate::payload::{self, Begun};
use crate::starting::{Asked, Told};

/// Why a rule begins nothing.
enum Not {
    Skip(String),
    Error(String),
}

impl Site {
    /// Begins the flows of a delivery, and says what became of it as a whole; `first` is what became of its order.
    /// A rule that failed for something that may pass holds up no other; the delivery is then looked at again. What was
    /// begun is found again by the delivery and the rule.
    pub(super) async fn begin_flows(
        &self,
        delivery: &Delivery,
        matched: &Matched,
        first: Verdict,
    ) -> Result<Done, CliError> {
        let headers = webhook::headers_of(delivery);
        let received = webhook::read(delivery.key.provider, &headers, &delivery.body)
            .map_err(|error| CliError::input(format!("{} cannot be read: {error}", delivery.key)))?;
        let payload: Value = serde_json::from_slice(&delivery.body).unwrap_or_default();
        let rules = self.book.of(Some(&self.home.repo));
        let mut notes = delivery.rules.clone();
        let mut began = Vec::new();
        let mut may_pass = false;
        for rule in &matched.starts {
            let note = self.begin_flow(delivery, &received.occurrence, &payload, rule, &rules).await;
            let note = note.unwrap_or_else(|error| {
                may_pass |= error.may_pass();
                let again = if error.may_pass() { "; it is tried again" } else { "" };
                RuleNote::new(&rule.name, RuleOutcome::Error, format!("{}{again}", error.summary()))
            });
            match notes.iter_mut().find(|known| known.rule == note.rule) {
                // It had begun a run, which is there whatever holds by now.
                Some(known) if known.run.is_some() && note.run.is_none() => {}
                Some(known) => *known = note.clone(),
                None => notes.push(note.clone()),
            }
            began.push(note);
        }
        for note in &notes {
            info!(
                delivery.key = %delivery.key, rule = note.rule, outcome = note.outcome.as_str(), run = note.run,
                "{}", note.reason
            );
        }
        if may_pass {
            return Ok(Done::Again(notes));
        }
        let verdict = if began.iter().any(|note| note.outcome == RuleOutcome::Match) {
            delivery.verdict.clone()
        } else if matched.order != Order::Flows {
            first
        } else {
            let failed = began.iter().find(|note| note.outcome == RuleOutcome::Error);
            let told = |note: &RuleNote| format!("rule {}: {}", note.rule, note.reason);
            match (failed, began.first()) {
                (Some(note), _) => Verdict::rejected(told(note)),
                (None, Some(note)) => Verdict::ignored(told(note)),
                (None, None) => first,
            }
        };
        Ok(Done::Noted(verdict, notes))
    }

    async fn begin_flow(
        &self,
        delivery: &Delivery,
        seen: &Occurrence,
        payload: &Value,
        rule: &Rule,
        rules: &TriggerSettings,
    ) -> Result<RuleNote, CliError> {
        let note = |outcome, reason: String| RuleNote::new(&rule.name, outcome, reason);
        Ok(match self.try_flow(delivery, seen, payload, rule, rules).await? {
            Ok((reason, run)) => RuleNote { run: Some(run), ..note(RuleOutcome::Match, reason) },
            Err(Not::Skip(reason)) => note(RuleOutcome::Skip, reason),
            Err(Not::Error(reason)) => note(RuleOutcome::Error, reason),
        })
    }

    /// The outer error may pass.
    async fn try_flow(
        &self,
        delivery: &Delivery,
        seen: &Occurrence,
        payload: &Value,
        rule: &Rule,
        rules: &TriggerSettings,
    ) -> Result<Result<(String, u64), Not>, CliError> {
        let wanted = match wanted(rule, seen, payload, rules) {
            Ok(wanted) => wanted,
            Err(why) => return Ok(Err(Not::Skip(why))),
        };
        if let Some(why) = self.unmet(&wanted.needs, wanted.subject.as_ref()).await? {
            return Ok(Err(Not::Skip(why)));
        }
        if let Some(why) = self.has_change(seen, wanted.subject.as_ref(), rule, rules).await? {
            return Ok(Err(Not::Skip(why)));
        }
        let cause = Cause { delivery: delivery.key.to_string(), rule: rule.name.clone() };
        let actor = seen
            .actor
            .as_ref()
            .map_or_else(|| delivery.key.provider.to_string(), |actor| actor.login.clone());
        let asked = Asked { actor, trigger: kind(&rule.on).to_owned(), cause: Some(cause) };
        let told = Told {
            payload: payload.clone(),
            source: Some(delivery.key.provider.to_string()),
            event: Some(seen.event.clone()),
            subject: wanted.subject,
        };
        match payload::begin(&self.context, &self.home, rule, &asked, told).await {
            Ok(Begun::Late(why)) => Ok(Err(Not::Skip(why))),
            Ok(Begun::Run(entry, created)) => {
                let number = entry.number;
                let reason = match &created {
                    Created::New(_) => format!("began run {number}"),
                    Created::Again(..) => format!("had begun run {number}"),
                    Created::Joined(..) => format!("joined run {number}, which is about the same"),
                    Created::Replaced(_, older) => {
                        self.drivers.drive(older);
                        format!("began run {number} in the place of an older one")
                    }
                };
                self.drivers.drive(&entry.id);
                Ok(Ok((reason, number)))
            }
            Err(error) if error.may_pass() => Err(error),
            Err(error) => Ok(Err(Not::Error(error.summary()))),
        }
    }

    /// What is needed and does not hold.
    async fn unmet(&self, needs: &[Need], subject: Option<&RunSubject>) -> Result<Option<String>, CliError> {
        if needs.is_empty() {
            return Ok(None);
        }
        let Some(github) = self.home.github.clone() else {
            return Ok(Some(
                "what its sender may do here cannot be looked up: this server keeps its issues itself"
                    .to_owned(),
            ));
        };
        let (of_people, of_change): (Vec<_>, Vec<_>) =
            needs.iter().cloned().partition(|need| matches!(need, Need::Permission { .. }));
        if let Some(why) = self.lacks(&github, &of_people).await? {
            return Ok(Some(why));
        }
        for need in of_change {
            let Some(change) = subject.and_then(RunSubject::change) else {
                return Ok(Some("conditions on reviews and CI are for changes".to_owned()));
            };
            let head = subject.and_then(|subject| subject.head.as_ref());
            let holds = match need {
                Need::ReviewApproval => github.is_approved(change, head).await?,
                Need::CiPass => github.has_passed(change, head).await?,
                Need::Permission { .. } => true,
            };
            if !holds {
                let what = match need {
                    Need::CiPass => "its CI has not passed",
                    _ => {
                        "it is not approved as it is now by anybody with write permission, or somebody asks for changes"
                    }
                };
                return Ok(Some(format!("change #{change}: {what}")));
            }
        }
        Ok(None)
    }

    /// Why a push is left to the change that its branch has open: the same flow hears of that, too.
    async fn has_change(
        &self,
        seen: &Occurrence,
        subject: Option<&RunSubject>,
        rule: &Rule,
        rules: &TriggerSettings,
    ) -> Result<Option<String>, CliError> {
        let Some(RunSubject { about: About::Branch { name }, .. }) = subject else { return Ok(None) };
        let is_push = seen.event == "push" || seen.event.starts_with("push.");
        let of_changes = |event: &String| {
            let name = event.split('.').next().unwrap_or_default();
            matches!(name, "pull_request" | "merge_request")
        };
        let hears = |other: &&Rule| matches!(&other.on, On::Event { events, .. } if other.flow == rule.flow && events.iter().any(of_changes));
        if !is_push || !rules.rules.iter().any(|other| hears(&other)) {
            return Ok(None);
        }
        let change = match &self.home.github {
            Some(github) => github.open_change_of(name).await?,
            None => {
                let changes = self.home.records.local_changes().await?;
                let open = |change: &&miyabi_core::issue::Change| {
                    change.head == *name && change.state == miyabi_core::issue::ChangeState::Open
                };
                changes.iter().find(open).map(|change| change.number)
            }
        };
        Ok(change.map(|number| {
            format!(
                "{} is the branch of change #{number}, whose own events begin the flow",
                About::Branch { name: name.clone() }.shown()
            )
        }))
    }

    /// Begins the flow of a rule whose time has come, on an empty payload.
    pub(super) async fn begin_on_time(&self, rule: &Rule) -> Result<(), CliError> {
        let asked = Asked { actor: "miyabi".to_owned(), trigger: "schedule".to_owned(), cause: None };
        let told = Told { payload: serde_json::json!({}), source: None, event: None, subject: None };
        match payload::begin(&self.context, &self.home, rule, &asked, told).await? {
            Begun::Run(entry, Created::Joined(..)) => {
                warn!(
                    rule = rule.name,
                    "no run was begun on time: run {} of the flow has not ended", entry.number
                );
            }
            Begun::Run(entry, _) => {
                info!(run.id = %entry.id, rule = rule.name, "began run {} on time", entry.number);
                self.drivers.drive(&entry.id);
            }
            Begun::Late(why) => warn!(rule = rule.name, "no run was begun on time: {why}"),
        }
        Ok(())
    }
}

/// The word of flow files for what starts a run.
fn kind(on: &On) -> &'static str {
    match on {
        On::Event { .. } => "webhook",
        On::Label { .. } => "label",
        On::Comment => "comment",
        On::Schedule { .. } => "schedule",
    }
}
