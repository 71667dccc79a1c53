//! What a team says about what may start what.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::delivery::Provider;

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
    /// Flow files that would be rules and cannot be used; they keep nothing else back.
    pub broken: Vec<Broken>,
}

/// A flow file that cannot be used as a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Broken {
    /// What the rule would be called.
    pub rule: String,
    /// The file.
    pub from: String,
    /// Why not.
    pub reason: String,
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
            broken: Vec::new(),
        }
    }
}

impl TriggerSettings {
    /// Every label that a rule for issues' runs names.
    pub(super) fn trigger_labels(&self) -> Vec<&str> {
        let labels = self.rules.iter().filter(|rule| rule.is_of_issues()).filter_map(|rule| match &rule.on {
            On::Label { labels } => Some(labels),
            On::Comment | On::Schedule { .. } | On::Event { .. } => None,
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
    /// Who does the agent steps that name no program of their own, such as `claude`; none: the setting `agent.default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// A text with `${trigger.…}` in it that the first agent steps are given beside their input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Skills that are added to every agent step of the run.
    #[serde(default, alias = "skill_ids", skip_serializing_if = "Vec::is_empty")]
    pub skills: Vec<String>,
    /// The flow file whose `trigger` this is; none: the repository's rules or the built-in ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// The flow that carries issues to changes; it needs an issue and no payload.
pub const ISSUE_FLOW: &str = "issue";

impl Rule {
    /// A rule for every repo and without conditions.
    pub fn new(name: &str, flow: &str, on: On) -> Self {
        let (name, flow) = (name.to_owned(), flow.to_owned());
        let conditions = Conditions::default();
        let (agent, prompt, skills, from) = (None, None, Vec::new(), None);
        Self { name, flow, repo: None, on, conditions, agent, prompt, skills, from }
    }

    /// Whether it starts runs that carry issues to changes, and no runs on payloads.
    pub fn is_of_issues(&self) -> bool {
        self.flow == ISSUE_FLOW
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
    /// Something that a forge or a CI tells of.
    Event {
        /// Who tells of it; none: anybody.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<Provider>,
        /// Its names: `pull_request.opened`, or `pull_request` whatever is done with it.
        events: Vec<String>,
    },
    /// A time. The flow `issue` is for every open issue with all of these labels that has no live run; another flow
    /// begins by itself.
    Schedule {
        /// Minute, hour, day of month, month, day of week, and a time zone (UTC without one), as in a crontab.
        cron: String,
        /// Names of labels; at least one for the flow `issue`, none for others.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
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
    /// Whoever causes the event may start the flow, people without write permission, too: strangers have agents work
    /// for them then, on what they wrote.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub anyone: bool,
}
