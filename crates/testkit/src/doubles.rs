//! The smallest forge and agents that an executor can work with: they do nothing and remember what was asked. And
//! knowledge that never answers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use miyabi_core::containment::Containment;
use miyabi_core::facts::{Fact, Survey};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::{ChangeNumber, IntentId, IssueNumber, RunId};
use miyabi_core::intent::{Receipt, Write};
use miyabi_core::issue::{Change, ChangeState, Comment, Issue};
use miyabi_core::knowledge::{
    Found, KnowledgeStats, Mark, Memory, Query, Record, RecordFilter, RecordId, Remembered,
};
use miyabi_core::ports::{Agents, Forge, Knowledge, SessionWatch, Stop};
use miyabi_core::session::{Adapter, ProcessMark, SessionEnd, SessionOutcome, SessionSpec, Usage};

/// A forge that takes every write and keeps it; an `OpenChange` opens number 501. Of changes it knows what it was shown.
#[derive(Debug, Default)]
pub struct RecordingForge {
    writes: Mutex<Vec<(IntentId, Write)>>,
    failures: Mutex<VecDeque<Failure>>,
    shown: Mutex<BTreeMap<ChangeNumber, Survey>>,
}

impl RecordingForge {
    /// A forge to which nothing was written.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next write fails like this instead of being taken; called again, the one after it.
    pub fn fail_next(&self, failure: Failure) {
        lock(&self.failures).push_back(failure);
    }

    /// There is such a change from now on, with everything that is to be seen of it.
    pub fn show(&self, survey: Survey) {
        lock(&self.shown).insert(survey.change.number, survey);
    }

    /// The writes that were taken, in order.
    pub fn writes(&self) -> Vec<(IntentId, Write)> {
        lock(&self.writes).clone()
    }
}

#[async_trait]
impl Forge for RecordingForge {
    async fn issue(&self, _: IssueNumber) -> Result<Option<Issue>, Failure> {
        Ok(None)
    }

    async fn comments(&self, _: IssueNumber) -> Result<Vec<Comment>, Failure> {
        Ok(Vec::new())
    }

    async fn change(&self, number: ChangeNumber) -> Result<Option<Change>, Failure> {
        Ok(lock(&self.shown).get(&number).map(|survey| survey.change.clone()))
    }

    async fn survey(&self, number: ChangeNumber, wanted: &[Fact]) -> Result<Option<Survey>, Failure> {
        let Some(Survey { change, author, draft, files, reviews, requested, checks }) =
            lock(&self.shown).get(&number).cloned()
        else {
            return Ok(None);
        };
        let wants = |fact: Fact| wanted.contains(&fact);
        Ok(Some(Survey {
            change,
            author,
            draft,
            files: files.filter(|_| wants(Fact::Change)),
            reviews: reviews.filter(|_| wants(Fact::Reviews)),
            requested,
            checks: checks.filter(|_| wants(Fact::Ci)),
        }))
    }

    async fn perform(&self, id: &IntentId, write: &Write, _: Timestamp) -> Result<Receipt, Failure> {
        if let Some(failure) = lock(&self.failures).pop_front() {
            return Err(failure);
        }
        let mut writes = lock(&self.writes);
        let found = writes.iter().any(|(known, _)| known == id);
        if !found {
            writes.push((id.clone(), write.clone()));
        }
        if let Write::MergeChange { change, .. } = write
            && let Some(survey) = lock(&self.shown).get_mut(change)
        {
            survey.change.state = ChangeState::Merged;
        }
        let change = matches!(write, Write::OpenChange { .. } | Write::MergeChange { .. }).then_some(501);
        Ok(Receipt { change, found, ..Receipt::default() })
    }
}

/// Agents that complete at once without doing anything, and remember which runs were cleaned up after.
#[derive(Debug, Default)]
pub struct IdleAgents {
    reaped: Mutex<Vec<(RunId, Vec<ProcessMark>)>>,
}

impl IdleAgents {
    /// Agents that nobody asked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which runs were cleaned up after, with the marks that were given.
    pub fn reaped(&self) -> Vec<(RunId, Vec<ProcessMark>)> {
        lock(&self.reaped).clone()
    }
}

#[async_trait]
impl Agents for IdleAgents {
    fn prompt(&self, template: &str, _: &serde_json::Value) -> Result<String, Failure> {
        Ok(template.to_owned())
    }

    fn answer(&self, _: &serde_json::Value, last_message: &str) -> Result<serde_json::Value, Failure> {
        serde_json::from_str(last_message).map_err(|error| Failure::caused(FailureClass::BadAnswer, &error))
    }

    async fn run(&self, _: &SessionSpec, watch: &dyn SessionWatch, _: Stop) -> SessionOutcome {
        watch.started(None, Some(Containment::Plain)).await;
        SessionOutcome {
            end: SessionEnd::Completed,
            usage: Usage::default(),
            last_message: None,
            refusals: Vec::new(),
            leftovers: 0,
            duration_ms: 0,
        }
    }

    async fn reap(&self, run: &RunId, marks: &[ProcessMark]) -> u32 {
        lock(&self.reaped).push((run.clone(), marks.to_vec()));
        0
    }

    async fn missing(&self, _: &Adapter) -> Option<Failure> {
        None
    }
}

/// Knowledge on a server that takes every request and answers none; it remembers what it was asked.
#[derive(Debug, Default)]
pub struct SilentKnowledge {
    asked: Mutex<Vec<&'static str>>,
}

impl SilentKnowledge {
    /// The names of what was asked, in order.
    pub fn asked(&self) -> Vec<&'static str> {
        lock(&self.asked).clone()
    }

    async fn silence<T>(&self, name: &'static str) -> Result<T, Failure> {
        lock(&self.asked).push(name);
        std::future::pending().await
    }
}

#[async_trait]
impl Knowledge for SilentKnowledge {
    async fn marks(&self, _: &str) -> Result<BTreeMap<RunId, Mark>, Failure> {
        self.silence("marks").await
    }

    async fn remember(&self, _: &str, _: &[Memory]) -> Result<Remembered, Failure> {
        self.silence("remember").await
    }

    async fn search(&self, _: &Query) -> Result<Found, Failure> {
        self.silence("search").await
    }

    async fn get(&self, _: &[RecordId]) -> Result<Vec<Record>, Failure> {
        self.silence("get").await
    }

    async fn list(&self, _: &RecordFilter, _: Option<&RecordId>, _: usize) -> Result<Vec<Record>, Failure> {
        self.silence("list").await
    }

    async fn stats(&self) -> Result<KnowledgeStats, Failure> {
        self.silence("stats").await
    }

    async fn forget(&self, _: &str) -> Result<(), Failure> {
        self.silence("forget").await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
