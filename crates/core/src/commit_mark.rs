//! What is said at a commit on a forge: its statuses and its check runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::CommitId;

/// The status of a commit in one context; the newest of a context counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommitStatus {
    /// Which commit.
    pub commit: CommitId,
    /// How it stands.
    pub state: CommitState,
    /// What is said to stand so: `miyabi/triage`.
    pub context: String,
    /// One line.
    pub description: String,
    /// Where people read on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// How a commit stands in one context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommitState {
    /// It could not be found out.
    Error,
    /// It is bad.
    Failure,
    /// It is not known yet.
    Pending,
    /// It is good.
    Success,
}

impl CommitState {
    /// Every state there is.
    pub const ALL: [Self; 4] = [Self::Error, Self::Failure, Self::Pending, Self::Success];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Failure => "failure",
            Self::Pending => "pending",
            Self::Success => "success",
        }
    }
}

/// A check of a commit with a text of its own. One of the same key at the same commit is the same check run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckRun {
    /// Which commit.
    pub commit: CommitId,
    /// What people call it.
    pub name: String,
    /// What makes it recognisable.
    pub key: String,
    /// What came of it; none while it is in progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conclusion: Option<Conclusion>,
    /// One line.
    pub title: String,
    /// Markdown.
    pub summary: String,
    /// More Markdown, shown below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Where people read on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// What came of a check run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// It is good.
    Success,
    /// It is bad.
    Failure,
    /// It says nothing for or against.
    Neutral,
    /// It was ended before it was done.
    Cancelled,
    /// There was nothing to look at.
    Skipped,
    /// It took too long.
    TimedOut,
    /// A person has to do something.
    ActionRequired,
}

impl Conclusion {
    /// Every conclusion there is.
    pub const ALL: [Self; 7] = [
        Self::Success,
        Self::Failure,
        Self::Neutral,
        Self::Cancelled,
        Self::Skipped,
        Self::TimedOut,
        Self::ActionRequired,
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Neutral => "neutral",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
            Self::TimedOut => "timed_out",
            Self::ActionRequired => "action_required",
        }
    }
}

impl CheckRun {
    /// The same as a commit status with its name as context, for whoever may not create check runs.
    ///
    /// A status knows less: what is neither good nor bad is a success whose description says what it is.
    pub fn as_status(&self) -> CommitStatus {
        let state = match self.conclusion {
            None => CommitState::Pending,
            Some(Conclusion::Success | Conclusion::Neutral | Conclusion::Skipped) => CommitState::Success,
            Some(Conclusion::Failure | Conclusion::ActionRequired) => CommitState::Failure,
            Some(Conclusion::Cancelled | Conclusion::TimedOut) => CommitState::Error,
        };
        let description = match self.conclusion {
            None | Some(Conclusion::Success | Conclusion::Failure) => self.title.clone(),
            Some(Conclusion::Neutral) => format!("neutral: {}", self.title),
            Some(Conclusion::Cancelled) => format!("cancelled: {}", self.title),
            Some(Conclusion::Skipped) => format!("skipped: {}", self.title),
            Some(Conclusion::TimedOut) => format!("timed out: {}", self.title),
            Some(Conclusion::ActionRequired) => format!("action required: {}", self.title),
        };
        let Self { commit, name, url, .. } = self.clone();
        CommitStatus { commit, state, context: name, description, url }
    }
}

/// What is said at a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CommitMark {
    /// In one line.
    Status(CommitStatus),
    /// With a text of its own.
    CheckRun(CheckRun),
}

impl CommitMark {
    /// The commit at which it is said.
    pub fn commit(&self) -> &CommitId {
        match self {
            Self::Status(status) => &status.commit,
            Self::CheckRun(check) => &check.commit,
        }
    }

    /// Its kind, as the word of its column.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Status(_) => "status",
            Self::CheckRun(_) => "check_run",
        }
    }

    /// What makes it recognisable among those of its kind at the same commit.
    pub fn key(&self) -> &str {
        match self {
            Self::Status(status) => &status.context,
            Self::CheckRun(check) => &check.key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_run_that_becomes_a_status_is_good_or_bad_as_before_and_says_what_it_was() {
        let check = |conclusion| CheckRun {
            commit: "c1".into(),
            name: "stories".to_owned(),
            key: "r/1".to_owned(),
            conclusion,
            title: "3 件".to_owned(),
            summary: String::new(),
            text: None,
            url: None,
        };
        let said = |conclusion| {
            let CommitStatus { state, context, description, .. } = check(conclusion).as_status();
            assert_eq!(context, "stories");
            format!("{} {description}", state.as_str())
        };
        let all: Vec<String> = Conclusion::ALL.map(|conclusion| said(Some(conclusion))).to_vec();
        let expected = [
            "success 3 件",
            "failure 3 件",
            "success neutral: 3 件",
            "error cancelled: 3 件",
            "success skipped: 3 件",
            "error timed out: 3 件",
            "failure action required: 3 件",
        ];
        assert_eq!(all, expected);
        assert_eq!(said(None), "pending 3 件");
    }
}
