//! What may be spent on agents, by a run and by all runs of a day: counted from the logs, set aside before a session
//! starts.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::failure::{Failure, FailureClass};
use crate::policy::Policy;
use crate::run::{Run, SessionState, Spending};

/// The answer that lets agents go on.
pub const RAISE: &str = crate::decide::APPROVE;
/// From this share of a limit on people are told.
pub const WARN_AT: f64 = 0.8;

/// Something that is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Agent sessions.
    Sessions,
    /// Minutes of agent sessions.
    Minutes,
    /// Tokens in and out, as the programs state them.
    Tokens,
    /// US dollars, as the programs state them.
    Usd,
}

impl Resource {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sessions, Self::Minutes, Self::Tokens, Self::Usd];

    /// The word on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Minutes => "minutes",
            Self::Tokens => "tokens",
            Self::Usd => "USD",
        }
    }
}

/// So much of each; as a limit, 0 stands for "any amount".
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Amounts {
    /// Agent sessions.
    pub sessions: f64,
    /// Minutes of agent sessions.
    pub minutes: f64,
    /// Tokens in and out.
    pub tokens: f64,
    /// US dollars.
    pub usd: f64,
}

impl Amounts {
    /// How much of this.
    pub fn of(&self, resource: Resource) -> f64 {
        match resource {
            Resource::Sessions => self.sessions,
            Resource::Minutes => self.minutes,
            Resource::Tokens => self.tokens,
            Resource::Usd => self.usd,
        }
    }

    /// Of each, `merge(mine, theirs)`.
    pub fn zip(self, other: Self, merge: impl Fn(f64, f64) -> f64) -> Self {
        Self {
            sessions: merge(self.sessions, other.sessions),
            minutes: merge(self.minutes, other.minutes),
            tokens: merge(self.tokens, other.tokens),
            usd: merge(self.usd, other.usd),
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.zip(other, |one, two| one + two)
    }

    /// The larger one of each.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        self.zip(other, f64::max)
    }

    /// So many times as much.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        self.zip(Self::default(), |one, _| one * factor)
    }
}

/// What one run may use at first.
pub fn of_run(policy: &Policy) -> Amounts {
    Amounts {
        sessions: f64::from(policy.budget_run_sessions),
        minutes: f64::from(policy.budget_run_minutes),
        tokens: policy.budget_run_tokens as f64,
        usd: policy.budget_run_usd,
    }
}

/// What all runs of a repository may use in one day.
pub fn of_day(policy: &Policy) -> Amounts {
    Amounts {
        sessions: f64::from(policy.budget_day_sessions),
        minutes: f64::from(policy.budget_day_minutes),
        tokens: policy.budget_day_tokens as f64,
        usd: policy.budget_day_usd,
    }
}

/// What a run may use now: each raise adds what was allowed at first.
pub fn limits(run: &Run) -> Amounts {
    of_run(run.policy()).times(f64::from(1 + run.spending.raises))
}

/// What one session used; until its end only that it is one.
pub(crate) fn of_session(session: &SessionState) -> Amounts {
    let usage = &session.usage;
    let ended = session.end.as_ref().map_or(session.started_at, |(_, at)| *at);
    let tokens =
        usage.input_tokens.unwrap_or_default().saturating_add(usage.output_tokens.unwrap_or_default());
    Amounts {
        sessions: 1.0,
        minutes: (ended.duration_since(session.started_at).as_secs_f64() / 60.0).max(0.0),
        tokens: tokens as f64,
        usd: usage.cost_usd.unwrap_or_default(),
    }
}

/// The resource of which there is not enough for one session more, with its use.
///
/// `used` counts what ended and every session that is told of; `open` sessions have not ended, `untold` attempts have
/// no session yet. For each of them the `largest` use of one session so far is set aside.
pub fn out_of(
    limits: Amounts,
    used: Amounts,
    largest: Amounts,
    open: usize,
    untold: usize,
) -> Option<Resource> {
    Resource::ALL.into_iter().find(|&resource| {
        let (limit, used) = (limits.of(resource), used.of(resource));
        let set_aside = match resource {
            Resource::Sessions => untold as f64 + 1.0,
            _ => largest.of(resource) * (open + untold) as f64,
        };
        // The last session may go beyond a limit that nobody can measure beforehand; a session count is exact.
        limit > 0.0
            && if resource == Resource::Sessions {
                used + set_aside > limit
            } else {
                used + set_aside >= limit
            }
    })
}

/// Why a run may not start one agent more, while `more` others are about to.
pub fn exhausted(run: &Run, more: usize) -> Option<Failure> {
    let breaker = run.policy().breaker_tasks as usize;
    if let Some(streak) = &run.spending.streak
        && breaker > 0
        && streak.steps.len() >= breaker
    {
        let message =
            format!("{} agents in a row failed in the same way: {}", streak.steps.len(), streak.message);
        let evidence = serde_json::json!({ "breaker": streak.steps });
        let failure = Failure::new(FailureClass::Budget, message).evidence(evidence);
        return Some(failure.hint("mend the cause, then let them go on with `miyabi budget raise`"));
    }
    let limits = limits(run);
    if limits == Amounts::default() {
        return None;
    }
    let Spending { used, largest, open, .. } = run.spending;
    let under_way = run.running().filter(|state| state.is_agents()).count();
    let untold = under_way.saturating_sub(open) + more;
    out_of(limits, used, largest, open, untold).map(|resource| {
        let message = format!("the budget of the run is used up: {}", share(used, limits, resource));
        Failure::new(FailureClass::Budget, message)
            .hint("raise it with `miyabi budget raise`, or end what is left")
    })
}

/// Whether agents are held up because they keep failing in the same way, not because they cost too much.
pub fn is_breaker(failure: &Failure) -> bool {
    failure.evidence.get("breaker").is_some()
}

/// The failure of an attempt that the budget of the day has no room for; it may be tried again at `next_day`.
pub fn day_is_over(used: Amounts, limits: Amounts, resource: Resource, next_day: Timestamp) -> Failure {
    let message = format!("the budget of the day is used up: {}", share(used, limits, resource));
    Failure::new(FailureClass::Budget, message)
        .evidence(serde_json::json!({ "retry_at": next_day }))
        .hint("it goes on by itself the next day (UTC), or at once with `miyabi budget raise`")
}

/// What is nearly used up of a run's budget, in words.
pub fn nearly(run: &Run) -> impl Iterator<Item = (Resource, String)> {
    let (limits, used) = (limits(run), run.spending.used);
    let is_near = move |resource: &Resource| {
        let border = limits.of(*resource) * WARN_AT;
        border > 0.0 && used.of(*resource) >= border
    };
    Resource::ALL.into_iter().filter(is_near).map(move |resource| (resource, share(used, limits, resource)))
}

fn share(used: Amounts, limits: Amounts, resource: Resource) -> String {
    format!("{} of {} {}", shown(used.of(resource)), shown(limits.of(resource)), resource.as_str())
}

/// A number without digits that nobody needs.
pub fn shown(number: f64) -> String {
    if number.fract() == 0.0 { format!("{number:.0}") } else { format!("{number:.2}") }
}

/// The day (UTC) that a moment lies in: its first moment and the one of the next day.
pub fn day_of(at: Timestamp) -> (Timestamp, Timestamp) {
    let morning = at.to_zoned(TimeZone::UTC).start_of_day();
    let begin = morning.as_ref().map_or(at, |morning| morning.timestamp());
    let next = morning.and_then(|morning| morning.checked_add(1.day()));
    (begin, next.map_or(Timestamp::MAX, |next| next.timestamp()))
}
