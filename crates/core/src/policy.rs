//! Every number that decisions use. The defaults are the product's; a run keeps the ones it started with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::containment::Demand;
use crate::event::Urgency;

/// What happens to points that could not be measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissingChecks {
    /// They are lost, and named.
    #[default]
    Zero,
    /// The rest is rescaled to 100, and the report says so.
    Exclude,
}

/// The numbers behind every decision of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Steps with an agent or checks that may run at once.
    pub max_parallel: u32,
    /// More tasks than this are refused.
    pub max_tasks: u32,
    /// Below this complexity: one task, no fan-out.
    pub simple_below: f64,
    /// From this complexity on people are told before work starts.
    pub notify_from: f64,
    /// Above this complexity work waits for approval.
    pub approve_above: f64,
    /// Issues with one of these labels wait for approval, whatever their complexity.
    pub approve_labels: Vec<String>,
    /// Changes that touch one of these are merged by a person, whatever their score: folders, files, `*.ending`.
    pub approve_paths: Vec<String>,
    /// Who may approve; empty: everybody who may answer.
    pub approvers: Vec<String>,
    /// Who may approve what `approve_labels` and `approve_paths` ask about; empty: the approvers.
    pub guarded_approvers: Vec<String>,
    /// How long a told person has to stop it, in seconds.
    pub notify_delay_secs: u64,
    /// From this score on a change is opened.
    pub open_from: u32,
    /// From this score on a person decides; below, the work is reworked.
    pub review_from: u32,
    /// From this score on a change is merged without a person.
    pub merge_from: u32,
    /// How sure an agent that reads changes has to be of a serious remark before a person merges, in per cent.
    pub remark_confidence: u32,
    /// Points for tests and coverage; with the three others 100.
    pub weight_tests: u32,
    /// Points for a linter that finds nothing.
    pub weight_lint: u32,
    /// Points for dependencies without known vulnerabilities.
    pub weight_security: u32,
    /// Points for documentation.
    pub weight_docs: u32,
    /// Whether warnings that the merge base has, too, count as well.
    pub count_old_findings: bool,
    /// What happens to points that could not be measured.
    pub missing_checks: MissingChecks,
    /// Reworks of the whole change before a person is asked.
    pub rework_attempts: u32,
    /// Attempts of one task, its own checks included, before it fails.
    pub task_attempts: u32,
    /// Resolutions of one conflict by an agent before a person is asked.
    pub conflict_attempts: u32,
    /// How often the base branch may move under a finished change before a person is asked.
    pub base_moves: u32,
    /// Retries after a transient failure; the delays are 2, 4, 8 … seconds.
    pub transient_retries: u32,
    /// The longest an agent session may take, in seconds.
    pub agent_deadline_secs: u64,
    /// How strongly untrusted programs are to be kept in.
    pub containment: Demand,
    /// The longest one check may take, in seconds.
    pub check_deadline_secs: u64,
    /// Between asking a process to end and killing it, in seconds.
    pub grace_secs: u64,
    /// How long an agent may neither print anything nor use a processor, in seconds; 0: as long as it likes.
    pub stall_secs: u64,
    /// So much of past runs is shown to agents that plan or write, in tokens; 0: nothing.
    pub knowledge_tokens: u32,
    /// Repos whose past is shown besides the run's own; `*` stands for any part of a name.
    pub knowledge_see: Vec<String>,
    /// The newest output of a session that is kept, in MB; up to twice as much is on the disk; 0: all of it.
    pub transcript_mb: u32,
    /// Attempts of one task, or reviews of a change, that may find the very same before a person is asked; 0: any number.
    pub same_failures: u32,
    /// Tasks whose agents may fail in the same way one after the other before a person is asked; 0: any number.
    pub breaker_tasks: u32,
    /// Agent sessions of one run before a person is asked; 0: any number.
    pub budget_run_sessions: u32,
    /// Minutes of agent sessions, the same way.
    pub budget_run_minutes: u32,
    /// Tokens in and out, the same way, as far as programs state them.
    pub budget_run_tokens: u64,
    /// US dollars, the same way, as far as programs state them.
    pub budget_run_usd: f64,
    /// Agent sessions of all runs of a repository in one day (UTC); 0: any number.
    pub budget_day_sessions: u32,
    /// Minutes of agent sessions, the same way.
    pub budget_day_minutes: u32,
    /// Tokens in and out, the same way.
    pub budget_day_tokens: u64,
    /// US dollars, the same way.
    pub budget_day_usd: f64,
    /// How long the forge's CI may stay silent about a commit before it counts as not configured, in seconds.
    pub ci_grace_secs: u64,
    /// Between two looks at a forge's CI at first, in seconds; it doubles up to 5 minutes. A delivery wakes it earlier.
    pub ci_poll_secs: u64,
    /// The longest a CI run may take before a person is asked, in seconds.
    pub ci_deadline_secs: u64,
    /// After how many seconds, and again after as many, people are told once more of a question that is urgent: 0: never.
    pub remind_high_secs: u64,
    /// The same for questions of the day.
    pub remind_medium_secs: u64,
    /// The same for questions that can wait.
    pub remind_low_secs: u64,
    /// From which urgency on questions go out by mail.
    pub mail_from: Urgency,
    /// From which urgency on questions go to Slack.
    pub slack_from: Urgency,
    /// How long a question to a person stays open, in seconds; then its default action is taken.
    pub escalation_deadline_secs: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_parallel: 5,
            max_tasks: 50,
            simple_below: 3.0,
            notify_from: 5.0,
            approve_above: 7.0,
            approve_labels: Vec::new(),
            approve_paths: Vec::new(),
            approvers: Vec::new(),
            guarded_approvers: Vec::new(),
            notify_delay_secs: 300,
            open_from: 80,
            review_from: 60,
            merge_from: 90,
            remark_confidence: 80,
            weight_tests: 35,
            weight_lint: 25,
            weight_security: 20,
            weight_docs: 20,
            count_old_findings: false,
            missing_checks: MissingChecks::Zero,
            rework_attempts: 3,
            task_attempts: 3,
            conflict_attempts: 1,
            base_moves: 5,
            transient_retries: 3,
            agent_deadline_secs: 3600,
            containment: Demand::Best,
            check_deadline_secs: 1800,
            grace_secs: 5,
            stall_secs: 1800,
            knowledge_tokens: 1500,
            knowledge_see: Vec::new(),
            transcript_mb: 50,
            same_failures: 2,
            breaker_tasks: 3,
            budget_run_sessions: 100,
            budget_run_minutes: 0,
            budget_run_tokens: 0,
            budget_run_usd: 0.0,
            budget_day_sessions: 0,
            budget_day_minutes: 0,
            budget_day_tokens: 0,
            budget_day_usd: 0.0,
            ci_grace_secs: 60,
            ci_poll_secs: 15,
            ci_deadline_secs: 6 * 3600,
            remind_high_secs: 4 * 3600,
            remind_medium_secs: 24 * 3600,
            remind_low_secs: 0,
            mail_from: Urgency::Low,
            slack_from: Urgency::Low,
            escalation_deadline_secs: 7 * 24 * 3600,
        }
    }
}
