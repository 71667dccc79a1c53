//! What is to be done, and what must be looked up first. These are kept with the delivery, so they are data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Command, Rule};
use crate::ids::RunNumber;

/// Something to be done, and what must be true first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Matched {
    /// The rule that led to it.
    pub rule: String,
    /// In which repo.
    pub repo: Option<String>,
    /// Who asks.
    pub actor: Option<String>,
    /// What is to be done.
    pub order: Order,
    /// What must be looked up first; all of it must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// Rules whose flows are begun on the payload, beside the order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub starts: Vec<Rule>,
}

/// What one rule made of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleNote {
    /// The rule.
    pub rule: String,
    /// What came of it.
    pub outcome: RuleOutcome,
    /// Why, in one sentence without a period.
    pub reason: String,
    /// The run that it began, joined or had begun before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunNumber>,
}

impl RuleNote {
    /// A note without a run.
    pub fn new(rule: &str, outcome: RuleOutcome, reason: impl Into<String>) -> Self {
        Self { rule: rule.to_owned(), outcome, reason: reason.into(), run: None }
    }
}

/// What came of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RuleOutcome {
    /// It fits, and its flow is begun, or was.
    Match,
    /// It does not fit, or its sender may not ask for it.
    Skip,
    /// It fits, and its flow cannot be begun.
    Error,
}

impl RuleOutcome {
    /// The word on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Skip => "skip",
            Self::Error => "error",
        }
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// Run a flow, or join the run that is there.
    Run {
        /// The flow.
        flow: String,
        /// For what.
        on: Place,
        /// What was said beside it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        note: String,
    },
    /// Do what a comment says about the run that is there.
    Command {
        /// What it says.
        command: Command,
        /// Where it was said.
        on: Place,
        /// The comment's number at the provider.
        comment: u64,
        /// What was said beside it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        note: String,
    },
    /// Let whoever waits for it look again.
    Notice {
        /// The fact.
        notice: Notice,
    },
    /// Nothing but to begin the flows of rules.
    Flows,
    /// Take repos in and let repos go.
    Enrol {
        /// Those that came.
        added: Vec<String>,
        /// Those that left.
        removed: Vec<String>,
    },
}

/// What must be looked up at the forge before an order is carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "need", rename_all = "snake_case")]
pub enum Need {
    /// That account may do at least this in the repo.
    Permission {
        /// The account.
        of: String,
        /// What it must be able to do.
        at_least: Permission,
    },
    /// Somebody approved the change.
    ReviewApproval,
    /// The change's CI passed.
    CiPass,
}

/// What an account may do in a repo, from little to much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Nothing.
    None,
    /// See it.
    Read,
    /// Sort its issues.
    Triage,
    /// Push to it.
    Write,
    /// Set most of it up.
    Maintain,
    /// Everything.
    Admin,
}

/// A place in a repo that people write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The issue of that number.
    Issue(u64),
    /// The change of that number.
    Change(u64),
}

/// A fact that a waiting run may be waiting for. It is a hint to look, and never the state itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Notice {
    /// A CI run, check or status of a commit changed.
    Ci {
        /// The commit.
        commit: String,
        /// The branch, where the provider names it.
        branch: Option<String>,
    },
    /// A change was opened, moved, merged or closed.
    Change {
        /// Its number.
        change: u64,
        /// The commit at its head.
        head: Option<String>,
        /// The provider's word for what happened.
        action: String,
    },
    /// Somebody reviewed a change.
    Review {
        /// The change.
        change: u64,
        /// The provider's word for the verdict: `approved`, `changes_requested`, `commented`.
        state: String,
    },
    /// Commits were pushed.
    Push {
        /// The branch.
        branch: String,
        /// Its new commit.
        commit: String,
    },
}
