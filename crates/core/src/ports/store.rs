//! The log and the facts derived from it.

use async_trait::async_trait;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::budget::Amounts;
use crate::event::{Escalation, Event, RunStarted};
use crate::failure::{Failure, FailureClass};
use crate::ids::{CommitId, EscalationId, IssueNumber, RunId, RunNumber, StepId};
use crate::status::Status;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Someone else appended first; read again and decide again.
    #[error("append to run `{run}` at {expected}: the log is at {actual}")]
    Behind {
        /// The run.
        run: RunId,
        /// Where the caller thought the log ends.
        expected: u64,
        /// Where it ends.
        actual: u64,
    },
    /// There is no such run.
    #[error("no run `{0}`")]
    NoRun(RunId),
    /// The database cannot be read or written.
    #[error("{0}")]
    Broken(Failure),
}

impl StoreError {
    /// Why what a log holds will never be read: other logs are not to wait for it. Any other error is given back.
    pub fn never_read(self) -> Result<String, Self> {
        match self {
            Self::Broken(failure) if failure.class == FailureClass::Permanent => Ok(failure.message),
            error => Err(error),
        }
    }
}

/// The log and the facts. Every append is durable before it returns, and all or nothing.
#[async_trait]
pub trait Store: Send + Sync {
    /// Begins a run with its first event, and numbers the runs of a repo from 1.
    ///
    /// A run that the same delivery began by the same rule is returned as it is, and nothing is written. A live run of
    /// the same repo and [lane](RunStarted::lane) is joined, and nothing is written; unless the new one
    /// [replaces](crate::subject::RunSubject::replaces) it: then that one is told to end in the same transaction, and has
    /// left its lane.
    async fn create_run(&self, new: &NewRun, at: Timestamp) -> Result<Created, StoreError>;

    /// Appends events with consecutive `seq`, the first one being `expected_seq`; all of one run.
    ///
    /// The read models below and the tables of the specification are brought up to date in the same transaction.
    /// Errors: `Behind` when the log does not end at `expected_seq`; nothing is written then.
    async fn append(&self, expected_seq: u64, events: &[Event]) -> Result<(), StoreError>;

    /// The events of a run from `from_seq` on, in order; empty when there are none.
    async fn load(&self, run: &RunId, from_seq: u64) -> Result<Vec<Event>, StoreError>;

    /// Runs, newest first.
    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, StoreError>;

    /// Sessions of a run, in order of start.
    async fn sessions(&self, run: &RunId) -> Result<Vec<SessionRow>, StoreError>;

    /// Tasks of a run, in order.
    async fn tasks(&self, run: &RunId) -> Result<Vec<TaskRow>, StoreError>;

    /// What the sessions of all runs used that began at that time or later.
    async fn used_since(&self, since: Timestamp) -> Result<UsedSince, StoreError>;

    /// Questions without an answer, oldest first.
    async fn open_escalations(&self) -> Result<Vec<EscalationRow>, StoreError>;
}

/// What all runs used since some time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UsedSince {
    /// All sessions together; what a session used counts from its end.
    pub used: Amounts,
    /// The most that one of them used.
    pub largest: Amounts,
    /// How many of them have not ended.
    pub open: usize,
}

/// A run to begin.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRun {
    /// Its id.
    pub id: RunId,
    /// Its first event; `number` is filled in by the store.
    pub started: RunStarted,
}

/// What became of a request to begin a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is new.
    New(RunNumber),
    /// A live run of the same lane was there.
    Joined(RunId, RunNumber),
    /// The same delivery had begun this one by the same rule; it may have ended.
    Again(RunId, RunNumber),
    /// It is new and takes the place of a live run of the same lane, which was told to end.
    Replaced(RunNumber, RunId),
}

/// Which runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only those that have not ended.
    pub live: bool,
    /// Only this number.
    pub number: Option<RunNumber>,
    /// Only those of this issue.
    pub issue: Option<IssueNumber>,
    /// Only those of this [lane](RunStarted::lane), as they began.
    pub lane: Option<String>,
    /// At most this many; none: all.
    pub limit: Option<u32>,
}

/// A run as the `runs` table has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunRow {
    /// Its id.
    pub id: RunId,
    /// Its number in the repo.
    pub number: RunNumber,
    /// The repo.
    pub repo: String,
    /// The issue.
    pub issue: IssueNumber,
    /// The issue's title.
    pub title: String,
    /// The flow.
    pub flow: String,
    /// `running` until the last event; whether someone executes it is not known here.
    pub status: Status,
    /// The step that started last.
    pub stage: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub completion_time: Option<Timestamp>,
    /// From begin to end, in seconds.
    pub duration_sec: Option<i64>,
    /// In one sentence, once it ended.
    pub reason: Option<String>,
    /// What a run on a payload is about: `issue:7`, `change:7`, `branch:main`, `commit:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The commit that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<CommitId>,
}

/// A session as the `sessions` table has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionRow {
    /// Its id.
    pub id: crate::ids::SessionId,
    /// Its run.
    pub run: RunId,
    /// Its step.
    pub step: StepId,
    /// Which try.
    pub attempt: u32,
    /// How it was driven.
    pub adapter: String,
    /// `running`, `succeeded`, `failed` or `cancelled`.
    pub status: Status,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub completion_time: Option<Timestamp>,
    /// In seconds.
    pub duration_sec: Option<i64>,
    /// What it used.
    pub usage: crate::session::Usage,
}

/// A task as the `tasks` table has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskRow {
    /// `task-500-2`.
    pub task_id: StepId,
    /// Its run.
    pub run: RunId,
    /// The issue.
    pub issue_id: IssueNumber,
    /// One line.
    pub title: String,
    /// Ids of the tasks it stands on.
    pub dependencies: Vec<StepId>,
    /// In minutes.
    pub estimated_duration: u32,
    /// The agent.
    pub agent_type: String,
}

/// An open question with its run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EscalationRow {
    /// The run that waits.
    pub run: RunId,
    /// Its number.
    pub number: RunNumber,
    /// Same as in the question.
    pub id: EscalationId,
    /// The question.
    pub escalation: Escalation,
}
