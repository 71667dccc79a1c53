//! What an issue asks for: the analyst's answer.

mod reader;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use reader::usual_minutes;
pub use reader::{DETERMINISTIC_READER, read_issue};

/// How much harm a mistake in this change could do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sensitivity {
    /// Ordinary code.
    Low,
    /// Input handling, dependencies, data formats.
    Medium,
    /// Authentication, secrets, permissions, cryptography, payment.
    High,
}

impl Sensitivity {
    /// The word in labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What kind of work it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Something new.
    Feature,
    /// Something wrong made right.
    Bug,
    /// The same behaviour, better inside.
    Refactor,
    /// Words for people.
    Docs,
    /// Tests only.
    Test,
    /// Bringing a version to an environment.
    Deployment,
}

impl Kind {
    /// The word in labels and columns.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Feature => "feature",
            Self::Bug => "bug",
            Self::Refactor => "refactor",
            Self::Docs => "docs",
            Self::Test => "test",
            Self::Deployment => "deployment",
        }
    }

    /// The type of a conventional commit.
    pub fn commit_type(self) -> &'static str {
        match self {
            Self::Feature => "feat",
            Self::Bug => "fix",
            Self::Refactor => "refactor",
            Self::Docs => "docs",
            Self::Test => "test",
            Self::Deployment => "build",
        }
    }
}

/// The analyst's answer about an issue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Analysis {
    /// 0.0 (nothing to decide) to 10.0 (nobody should do this alone).
    #[schemars(range(min = 0.0, max = 10.0))]
    pub complexity: f64,
    /// What kind of work it is.
    pub kind: Kind,
    /// How much harm a mistake could do.
    pub security: Sensitivity,
    /// Estimated work in minutes.
    #[schemars(range(min = 1))]
    pub estimate_minutes: u32,
    /// Parts of the code it touches: paths, crates or words of the issue.
    pub areas: Vec<String>,
    /// Why: one sentence for each consideration.
    pub reasons: Vec<String>,
    /// Who says so: `deterministic reader`, or the agent's name.
    pub analyst: String,
}
