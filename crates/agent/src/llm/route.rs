//! Which model is asked, when again, and when another one: the way through the routes of one session. Pure.

use std::time::Duration;

use miyabi_core::model::{ModelFault, Route};

/// How often one model is asked the same.
const TRIES: u32 = 4;
/// The longest wait between two tries.
const LONGEST: Duration = Duration::from_secs(120);

/// What follows from a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The same model is asked the same once more, after this time.
    Again(Duration),
    /// The next model is asked.
    Other,
    /// The same model is asked less.
    Less,
    /// Nobody is left.
    Nobody,
}

/// Where a session stands on its routes.
#[derive(Clone, Debug)]
pub(super) struct Way<'a> {
    routes: &'a [Route],
    at: usize,
    tries: u32,
    pause: Duration,
}

impl<'a> Way<'a> {
    pub(super) fn new(routes: &'a [Route], pause: Duration) -> Self {
        Self { routes, at: 0, tries: 0, pause }
    }

    /// Who is asked now.
    pub(super) fn route(&self) -> Option<&'a Route> {
        self.routes.get(self.at)
    }

    /// There was an answer.
    pub(super) fn answered(&mut self) {
        self.tries = 0;
    }

    /// There was none.
    pub(super) fn after(&mut self, fault: &ModelFault) -> Next {
        self.tries += 1;
        match fault {
            ModelFault::TooLong(_) => return Next::Less,
            ModelFault::Busy { .. } | ModelFault::Broken(_) if self.tries < TRIES => {
                let usual = self.pause.saturating_mul(1 << (self.tries - 1).min(16));
                let told = match fault {
                    ModelFault::Busy { after, .. } => *after,
                    _ => None,
                };
                return Next::Again(told.unwrap_or(usual).min(LONGEST));
            }
            _ => {}
        }
        self.tries = 0;
        if self.at + 1 < self.routes.len() {
            self.at += 1;
            return Next::Other;
        }
        Next::Nobody
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_model_is_asked_again_and_then_another_one() {
        let routes: Vec<Route> = ["openai/a", "anthropic/b"].map(|text| text.parse().unwrap()).into();
        let second = Duration::from_secs(1);
        let mut way = Way::new(&routes, second);
        let busy = |after| ModelFault::Busy { after, detail: String::new() };
        assert_eq!(way.after(&busy(None)), Next::Again(second));
        assert_eq!(way.after(&busy(Some(Duration::from_secs(7)))), Next::Again(Duration::from_secs(7)));
        assert_eq!(way.after(&ModelFault::Broken(String::new())), Next::Again(4 * second));
        assert_eq!((way.after(&busy(None)), way.route()), (Next::Other, routes.get(1)));
        assert_eq!(way.after(&ModelFault::TooLong(String::new())), Next::Less);
        way.answered();
        assert_eq!(way.after(&busy(Some(Duration::MAX))), Next::Again(LONGEST));
        assert_eq!(way.after(&ModelFault::Denied(String::new())), Next::Nobody);
    }
}
