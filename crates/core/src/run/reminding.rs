//! When people are told of an open question once more.

use jiff::{SignedDuration, Timestamp};

use super::Run;
use crate::event::{Escalation, Urgency};
use crate::ids::EscalationId;
use crate::intent::Channel;
use crate::policy::Policy;

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
    /// The number of the newest reminder of this question that is due by then, whether it was given or not; those
    /// before it are not made up for.
    pub(crate) fn due_reminder(&self, question: &Escalation, by: Timestamp) -> Option<i64> {
        let (asked, every) = self.reminders(&question.id, question.severity)?;
        let number = by.duration_since(asked).as_secs() / every.as_secs();
        (number > 0).then_some(number)
    }

    /// When the next reminder of any question is due: the first one after the newest event, as what was due by then
    /// was decided then.
    pub(super) fn next_reminder(&self) -> Option<Timestamp> {
        let next = |question: &Escalation| {
            channels_for(self.policy(), &self.started.channels, question.severity).next()?;
            let (asked, every) = self.reminders(&question.id, question.severity)?;
            let number = self.due_reminder(question, self.last_at).unwrap_or(0) + 1;
            let at = asked.checked_add(every.checked_mul(i32::try_from(number).ok()?)?).ok()?;
            Some(at).filter(|at| *at < question.deadline)
        };
        self.questions.values().filter_map(next).min()
    }

    fn reminders(&self, question: &EscalationId, urgency: Urgency) -> Option<(Timestamp, SignedDuration)> {
        Some((*self.asked_at.get(question)?, interval(self.policy(), urgency)?))
    }
}
