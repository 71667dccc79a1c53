//! How an open change stands on its forge: what CI says of its head, and what people ask for.

use serde::{Deserialize, Serialize};

use crate::ids::CommitId;
use crate::issue::ChangeState;

/// How a change stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// How far it is.
    pub state: ChangeState,
    /// Who merged or closed it, where the forge says so.
    pub by: Option<String>,
    /// The commit on the base branch, once it is merged.
    pub merge_commit: Option<CommitId>,
    /// The commit at its head now.
    pub head: CommitId,
    /// What CI says of the commit that was asked about.
    pub ci: Ci,
    /// What reviewers want changed in that commit, oldest first; empty when nobody asks for changes.
    pub remarks: Vec<Remark>,
}

/// What a forge's CI says of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ci", rename_all = "snake_case")]
pub enum Ci {
    /// This forge runs none for this repository.
    NotConfigured,
    /// Nothing has been reported, and whether something will be is not known.
    Absent,
    /// Some checks have not ended.
    Pending {
        /// Their names.
        names: Vec<String>,
    },
    /// All checks ended well.
    Passed {
        /// Their names.
        names: Vec<String>,
    },
    /// Some checks failed; others may still run.
    Failed {
        /// One line for each: its name and where its log is.
        failures: Vec<String>,
    },
}

/// What a reviewer wrote. Untrusted text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// Who.
    pub by: String,
    /// Which lines it speaks of: `path:line`; none: the change as a whole.
    pub place: Option<String>,
    /// The text.
    pub text: String,
}

impl Remark {
    /// As one paragraph, such as `src/lib.rs:7: name it after what it holds (alice)`.
    pub fn line(&self) -> String {
        let place = self.place.as_ref().map_or_else(String::new, |place| format!("{place}: "));
        format!("{place}{} ({})", self.text.trim(), self.by)
    }
}

impl Standing {
    /// Why an open change is not to be merged yet: checks that failed or have not ended, reviewers who ask for changes.
    /// What the forge itself demands comes on top of it.
    pub fn hindrance(&self) -> Option<String> {
        match &self.ci {
            Ci::Failed { failures } => return Some(failures.join("; ")),
            Ci::Pending { names } => {
                return Some(format!("these checks have not ended: {}", names.join(", ")));
            }
            Ci::NotConfigured | Ci::Absent | Ci::Passed { .. } => {}
        }
        let remark = self.remarks.first()?;
        Some(format!("a reviewer asks for changes: {}", remark.line()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hindered(ci: Ci, remarks: &[(&str, Option<&str>, &str)]) -> Option<String> {
        let remark = |&(by, place, text): &(&str, Option<&str>, &str)| Remark {
            by: by.to_owned(),
            place: place.map(str::to_owned),
            text: text.to_owned(),
        };
        let standing = Standing {
            state: ChangeState::Open,
            by: None,
            merge_commit: None,
            head: "c1".into(),
            ci,
            remarks: remarks.iter().map(remark).collect(),
        };
        standing.hindrance()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn checks_that_failed_or_go_on_and_reviewers_hold_up_a_merge() {
        let failed = || Ci::Failed { failures: names(&["CI check a failed", "CI check b failed"]) };
        let pending = || Ci::Pending { names: names(&["a", "検査"]) };
        let passed = || Ci::Passed { names: names(&["a"]) };
        let wants = ("alice", Some("src/lib.rs:7"), " 名前を直す\n");
        let and_more = ("bob", None, "No.");
        let of_alice = "a reviewer asks for changes: src/lib.rs:7: 名前を直す (alice)";
        let of_bob = "a reviewer asks for changes: No. (bob)";
        for (ci, remarks, expected) in [
            (Ci::NotConfigured, &[][..], None),
            (Ci::Absent, &[], None),
            (passed(), &[], None),
            (pending(), &[], Some("these checks have not ended: a, 検査")),
            (failed(), &[], Some("CI check a failed; CI check b failed")),
            (Ci::NotConfigured, &[wants], Some(of_alice)),
            (Ci::Absent, &[and_more], Some(of_bob)),
            // Green checks do not speak for a reviewer, and the first word is told.
            (passed(), &[wants, and_more], Some(of_alice)),
            // What failed is told before what goes on, and that before what people want.
            (pending(), &[wants], Some("these checks have not ended: a, 検査")),
            (failed(), &[wants], Some("CI check a failed; CI check b failed")),
        ] {
            assert_eq!(hindered(ci.clone(), remarks).as_deref(), expected, "{ci:?}");
        }
    }
}
