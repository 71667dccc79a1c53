//! What a run on a payload is about, and which runs cannot live at once.

mod payload;

use std::fmt;

pub use payload::subject_of;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{EventBody, RunStarted};
use crate::ids::{ChangeNumber, CommitId, IssueNumber, RunNumber};
use crate::plain;

/// What a run is about, and its commit where it has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunSubject {
    /// Which thing.
    #[serde(flatten)]
    pub about: About,
    /// The commit at its head when the run began: a run at another head of the same thing takes the place of this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<CommitId>,
}

/// A thing that runs are about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum About {
    /// An issue.
    Issue {
        /// Its number.
        number: IssueNumber,
    },
    /// A change.
    Change {
        /// Its number.
        number: ChangeNumber,
    },
    /// A branch.
    Branch {
        /// Its name, without `refs/heads/`.
        name: String,
    },
    /// A commit of which no branch and no change is known.
    Commit {
        /// Its id.
        id: CommitId,
    },
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issue { number } => write!(f, "issue:{number}"),
            Self::Change { number } => write!(f, "change:{number}"),
            Self::Branch { name } => write!(f, "branch:{name}"),
            Self::Commit { id } => write!(f, "commit:{id}"),
        }
    }
}

impl About {
    /// For people: `issue #7`, `change #7`, `branch main`.
    pub fn shown(&self) -> String {
        match self {
            Self::Issue { number } => format!("issue #{number}"),
            Self::Change { number } => format!("change #{number}"),
            Self::Branch { name } => format!("branch {}", plain::code(name, 100)),
            Self::Commit { id } => format!("commit {}", short(id)),
        }
    }
}

impl RunSubject {
    /// That thing at that commit.
    pub fn new(about: About, head: Option<CommitId>) -> Self {
        Self { about, head }
    }

    /// The change, if it is one.
    pub fn change(&self) -> Option<ChangeNumber> {
        match self.about {
            About::Change { number } => Some(number),
            About::Issue { .. } | About::Branch { .. } | About::Commit { .. } => None,
        }
    }

    /// Whether a run about this takes the place of a live run about `older`: the same thing at another commit.
    /// Where a head is not known there is nothing newer, and the live run is joined.
    pub fn replaces(&self, older: &Self) -> bool {
        self.about == older.about && is_newer(self.head.as_ref(), older.head.as_ref())
    }
}

/// Whether a run at the head `new` takes the place of a live one of the same lane at `old`.
pub fn is_newer(new: Option<&CommitId>, old: Option<&CommitId>) -> bool {
    matches!((new, old), (Some(new), Some(old)) if new != old)
}

/// What a run is told whose place the run of that number takes, which begins so.
pub fn taking_its_place(newer: &RunStarted, number: RunNumber) -> EventBody {
    let by = newer.subject.as_ref().map_or_else(
        || "a newer run".to_owned(),
        |RunSubject { about, head }| match head {
            Some(head) => format!("{} is at {} now", about.shown(), short(head)),
            None => about.shown(),
        },
    );
    EventBody::CancelRequested { by, superseded_by: Some(number) }
}

/// The first letters of a commit, for people.
pub fn short(commit: &CommitId) -> String {
    commit.as_str().chars().take(10).collect()
}

/// What had a run begin: the same delivery begins one run by each rule, however often it is handled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// The delivery, such as `github:72d3162e-cc78-11e3-81ab-4c9367dc0958`.
    pub delivery: String,
    /// The rule.
    pub rule: String,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.delivery, self.rule)
    }
}

impl RunStarted {
    /// The change that its payload speaks of.
    pub fn change_told(&self) -> Option<ChangeNumber> {
        let payload = self.payload.as_ref()?;
        payload["pull_request"]["number"].as_u64().filter(|number| *number > 0)
    }

    /// What at most one live run of a repo has: an issue's run its issue, a run on a payload its flow and subject.
    ///
    /// None: it was started by a delivery that is about nothing in particular, and stands beside all others. Runs that
    /// people or times start on nothing in particular are one at a time for each flow.
    pub fn lane(&self) -> Option<String> {
        let flow = &self.flow;
        match (&self.payload, &self.subject, &self.cause) {
            (None, None, _) => Some(format!("issue:{}", self.issue.number)),
            (_, Some(subject), _) => Some(format!("flow:{flow}/{}", subject.about)),
            (Some(_), None, Some(_)) => None,
            (Some(_), None, None) => Some(format!("flow:{flow}/")),
        }
    }
}

/// The lane of the runs that carry an issue to a change.
pub fn lane_of_issue(issue: IssueNumber) -> String {
    format!("issue:{issue}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(about: About, head: Option<&str>) -> RunSubject {
        RunSubject::new(about, head.map(CommitId::from))
    }

    #[test]
    fn a_subject_is_read_as_it_is_written() {
        let table = [
            (About::Issue { number: 7 }, r#"{"kind":"issue","number":7,"head":"a"}"#, "issue:7"),
            (About::Change { number: 7 }, r#"{"kind":"change","number":7,"head":"a"}"#, "change:7"),
            (
                About::Branch { name: "主".to_owned() },
                r#"{"kind":"branch","name":"主","head":"a"}"#,
                "branch:主",
            ),
            (About::Commit { id: "b".into() }, r#"{"kind":"commit","id":"b","head":"a"}"#, "commit:b"),
        ];
        for (about, json, key) in table {
            assert_eq!(about.to_string(), key);
            let subject = at(about, Some("a"));
            assert_eq!(serde_json::to_string(&subject).expect("it is plain data"), json);
            assert_eq!(serde_json::from_str::<RunSubject>(json).ok(), Some(subject));
        }
    }

    #[test]
    fn only_another_head_of_the_same_thing_replaces() {
        let change = || About::Change { number: 7 };
        let table = [
            (at(change(), Some("b")), at(change(), Some("a")), true),
            (at(change(), Some("a")), at(change(), Some("a")), false),
            (at(change(), None), at(change(), Some("a")), false),
            (at(change(), Some("b")), at(change(), None), false),
            (at(About::Issue { number: 7 }, Some("b")), at(change(), Some("a")), false),
        ];
        for (newer, older, replaces) in table {
            assert_eq!(newer.replaces(&older), replaces, "{newer:?} {older:?}");
        }
    }
}
