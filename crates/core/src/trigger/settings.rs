//! What a team says about what may start what.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rules and lists that decide what a delivery leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TriggerSettings {
    /// What starts a run, in order: the first rule that fits counts.
    pub rules: Vec<Rule>,
    /// Words that begin a command line in a comment; a verb must follow.
    pub commands: Vec<String>,
    /// Words that begin a line which asks for a run in free text, unless it is nothing but a verb.
    pub mentions: Vec<String>,
    /// Accounts that are miyabi's own: what they do starts nothing. Never an account that people use, too.
    pub own: Vec<String>,
    /// Bots that may ask like a person with write permission, by their exact names.
    pub bots: Vec<String>,
    /// Repos that are worked for; empty: all that can send a signed delivery.
    pub repos: Vec<String>,
    /// What happened longer ago than this is not obeyed any more, in seconds; none: no limit.
    pub max_age_secs: Option<u64>,
}

impl Default for TriggerSettings {
    fn default() -> Self {
        let labels = ["miyabi", "trigger:agent-execute"].map(str::to_owned).to_vec();
        Self {
            rules: vec![
                Rule::new("label", "issue", On::Label { labels }),
                Rule::new("comment", "issue", On::Comment),
            ],
            commands: vec!["/miyabi".to_owned()],
            mentions: ["/agent", "@miyabi"].map(str::to_owned).to_vec(),
            own: Vec::new(),
            bots: Vec::new(),
            repos: Vec::new(),
            // As long as GitHub keeps deliveries and can send them again.
            max_age_secs: Some(3 * 24 * 3600),
        }
    }
}

impl TriggerSettings {
    /// Every label that a rule names.
    pub(super) fn trigger_labels(&self) -> Vec<&str> {
        let labels = self.rules.iter().filter_map(|rule| match &rule.on {
            On::Label { labels } => Some(labels),
            On::Comment | On::Schedule { .. } => None,
        });
        labels.flatten().map(String::as_str).collect()
    }
}

/// One way to start a flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What people call it.
    pub name: String,
    /// The flow that it starts.
    pub flow: String,
    /// Only in this repo; none: in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// What starts it.
    pub on: On,
    /// What must hold, too.
    #[serde(default)]
    pub conditions: Conditions,
}

impl Rule {
    /// A rule for every repo and without conditions.
    pub fn new(name: &str, flow: &str, on: On) -> Self {
        let (name, flow) = (name.to_owned(), flow.to_owned());
        Self { name, flow, repo: None, on, conditions: Conditions::default() }
    }
}

/// What starts a flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum On {
    /// One of these labels, put on or there from the beginning.
    Label {
        /// Their names.
        labels: Vec<String>,
    },
    /// A comment that commands a run.
    Comment,
    /// A time, for every open issue with all of these labels that has no live run.
    Schedule {
        /// Minute, hour, day of month, month, day of week, and a time zone (UTC without one), as in a crontab.
        cron: String,
        /// Names of labels; at least one.
        labels: Vec<String>,
    },
}

/// What must hold before a rule counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Conditions {
    /// It is for changes, too.
    pub changes: bool,
    /// Labels that must all be there.
    pub require_labels: Vec<String>,
    /// Labels of which none may be there.
    pub exclude_labels: Vec<String>,
    /// Somebody must have approved the change.
    pub require_review_approval: bool,
    /// The change's CI must have passed.
    #[serde(rename = "requireCIPass")]
    pub require_ci_pass: bool,
}
