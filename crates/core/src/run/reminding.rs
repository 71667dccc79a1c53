//! When people are told of an open question once more.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::Run;
use crate::event::{Escalation, Urgency};
use crate::ids::EscalationId;
use crate::intent::{Channel, Intent};
use crate::policy::Policy;

/// The open questions: when each was asked, and the number of the last reminder.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reminded(BTreeMap<EscalationId, (Timestamp, i64)>);

impl Reminded {
    pub(super) fn asked(&mut self, question: &EscalationId, at: Timestamp) {
        self.0.insert(question.clone(), (at, 0));
    }

    /// Notes the reminder, if this write is one.
    pub(super) fn written(&mut self, intent: &Intent) {
        let last = intent.id.as_str().rsplit('/').next().unwrap_or_default();
        for (question, (_, count)) in &mut self.0 {
            let number = last.strip_prefix(reminder_prefix(question).as_str());
            let number = number.and_then(|rest| rest.split('-').next()?.parse().ok());
            *count = number.unwrap_or(*count).max(*count);
        }
    }

    pub(super) fn answered(&mut self, question: &EscalationId) {
        self.0.remove(question);
    }
}

/// What the name of the write of a reminder begins with; its number follows.
fn reminder_prefix(question: &EscalationId) -> String {
    format!("question-{question}-reminder-")
}

/// The name of the write of a reminder.
pub(crate) fn reminder_name(question: &EscalationId, number: i64) -> String {
    format!("{}{number}", reminder_prefix(question))
}

/// The channels that questions of this urgency go to.
pub(crate) fn channels_for<'a>(
    policy: &'a Policy,
    channels: &'a [Channel],
    urgency: Urgency,
) -> impl Iterator<Item = Channel> + 'a {
    let from = |channel: &Channel| match channel {
        Channel::Mail => policy.mail_from,
        Channel::Slack => policy.slack_from,
    };
    channels.iter().filter(move |channel| urgency >= from(channel)).copied()
}

/// How long after a question it is told again, and again; `None`: it is told once.
fn interval(policy: &Policy, urgency: Urgency) -> Option<SignedDuration> {
    let secs = match urgency {
        Urgency::High => policy.remind_high_secs,
        Urgency::Medium => policy.remind_medium_secs,
        Urgency::Low => policy.remind_low_secs,
    };
    i64::try_from(secs).ok().filter(|secs| *secs > 0).map(SignedDuration::from_secs)
}

impl Run {
    /// The reminder of this question that is due by then, by its number; missed ones are left out.
    pub(crate) fn due_reminder(&self, question: &Escalation, now: Timestamp) -> Option<i64> {
        let (asked, told) = self.reminded.0.get(&question.id)?;
        let every = interval(self.policy(), question.severity)?;
        let number = now.duration_since(*asked).as_secs() / every.as_secs();
        (number > *told).then_some(number)
    }

    /// When the next reminder of any question is due.
    pub(super) fn next_reminder(&self) -> Option<Timestamp> {
        let next = |question: &Escalation| {
            channels_for(self.policy(), &self.started.channels, question.severity).next()?;
            let (asked, told) = self.reminded.0.get(&question.id)?;
            let every = interval(self.policy(), question.severity)?;
            let wait = every.checked_mul(i32::try_from(told + 1).ok()?)?;
            asked.checked_add(wait).ok().filter(|at| *at < question.deadline)
        };
        self.questions.values().filter_map(next).min()
    }
}
