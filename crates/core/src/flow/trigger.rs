//! What starts a flow. Only its shape is known here; matching deliveries against it is not.

use super::names::{listed, shown};
use super::node::Node;
use super::problem::Problems;
use super::read::{Fields, Word};

/// What starts a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// What kind of thing happens.
    pub kind: TriggerKind,
    /// Where it happens, such as `github`; none: anywhere.
    pub source: Option<String>,
    /// The names of the events, such as `issues.labeled`; empty: any.
    pub events: Vec<String>,
    /// When, for a schedule: minute, hour, day of the month, month, day of the week.
    pub cron: Option<String>,
}

/// What kind of thing starts a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerKind {
    /// A delivery of a forge or another service.
    Webhook,
    /// A label on an issue.
    Label,
    /// A comment that commands it.
    Comment,
    /// The time.
    Schedule,
    /// A person, by command.
    Manual,
}

impl TriggerKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Webhook, Self::Label, Self::Comment, Self::Schedule, Self::Manual];

    /// The word in flow files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Label => "label",
            Self::Comment => "comment",
            Self::Schedule => "schedule",
            Self::Manual => "manual",
        }
    }
}

/// Reads the value of `trigger`.
pub(super) fn read(node: &Node, problems: &mut Problems<'_>) -> Option<Trigger> {
    let mut fields = Fields::of(node, "a trigger", &["type", "source", "event", "events", "cron"], problems)?;
    if !fields.has("type") {
        fields.missing("type", problems);
    }
    let (event_key, events_key, cron_key) =
        (fields.at_of("event"), fields.at_of("events"), fields.at_of("cron"));
    let kind = fields.one_of("type", &TriggerKind::ALL.map(|kind| (kind.as_str(), kind)), problems);
    let source = fields.text("source", problems);
    let event = fields.text("event", problems);
    let events = fields.words("events", problems);
    let cron = fields.text("cron", problems);

    if let (Some(_), Some(at)) = (event_key, events_key) {
        let problem = problems.add(at, "trigger", "`event` and `events` are both given");
        problem.hint("put all of them into `events`");
    }
    let schedule = kind == Some(TriggerKind::Schedule);
    match (kind, cron_key) {
        (Some(TriggerKind::Schedule), None) => {
            let problem = problems.add(fields.at, "trigger", "a `schedule` needs `cron`");
            problem.hint("for example `cron: \"0 9 * * 1-5\"`");
        }
        (Some(kind), Some(at)) if !schedule => {
            let message = format!("`cron` has no effect on a `{}`", kind.as_str());
            problems.add(at, "trigger", message).hint("use `type: schedule`, or leave `cron` out");
        }
        _ => {}
    }
    let timeless = matches!(kind, Some(TriggerKind::Schedule | TriggerKind::Manual));
    if let (true, Some(at), Some(kind)) = (timeless, event_key.or(events_key), kind) {
        let message = format!("a `{}` has no events", kind.as_str());
        let events =
            [TriggerKind::Webhook, TriggerKind::Label, TriggerKind::Comment].map(TriggerKind::as_str);
        problems.add(at, "trigger", message).hint(format!("events belong to {}", listed(&events)));
    }
    if let Some(cron) = &cron {
        check_cron(cron, problems);
    }
    Some(Trigger {
        kind: kind?,
        source: source.map(|word| word.text),
        events: event.into_iter().chain(events.into_iter().flatten()).map(|word| word.text).collect(),
        cron: cron.map(|word| word.text),
    })
}

/// Five fields of numbers, names, lists, ranges and steps. Whether the numbers fit is the scheduler's question.
fn check_cron(cron: &Word, problems: &mut Problems<'_>) {
    let fits =
        |field: &str| field.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '*' | ',' | '-' | '/'));
    if cron.text.split_whitespace().count() != 5 || !cron.text.split_whitespace().all(fits) {
        let problem = problems.add(cron.at, "trigger", format!("`{}` is no cron time", shown(&cron.text)));
        problem.hint("five fields: minute, hour, day of the month, month, day of the week");
    }
}
