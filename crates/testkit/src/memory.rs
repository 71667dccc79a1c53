//! The store without a disk: logs in a list, and every table a replay of them.

mod deliveries;
mod local;
mod replay;
mod stories;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use miyabi_core::event::{Event, EventBody, RunStarted};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::RunId;
use miyabi_core::ports::{
    Created, EscalationRow, NewRun, RunFilter, RunRow, SessionRow, Store, StoreError, StoryRow, TaskRow,
    UsedSince,
};
use miyabi_core::subject::{is_newer, taking_its_place};

/// The ports `Store`, `Deliveries`, `LocalRecords` and `Stories` in memory, under the same contracts as the real store.
#[derive(Default)]
pub struct MemoryStore(Mutex<State>);

#[derive(Default)]
struct State {
    /// One log for each run, oldest run first; no log is empty.
    logs: Vec<Vec<Event>>,
    local: local::Local,
    /// Oldest first.
    deliveries: Vec<deliveries::Kept>,
    /// By repo.
    stories: BTreeMap<String, Vec<StoryRow>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

impl State {
    fn log(&self, run: &RunId) -> Option<&Vec<Event>> {
        self.logs.iter().find(|log| log.iter().any(|event| event.run == *run))
    }

    /// The first event of a run.
    fn began(&self, run: &RunId) -> Option<&RunStarted> {
        match &self.log(run)?.first()?.body {
            EventBody::RunStarted(started) => Some(started),
            _ => None,
        }
    }

    fn log_mut(&mut self, run: &RunId) -> Option<&mut Vec<Event>> {
        self.logs.iter_mut().find(|log| log.iter().any(|event| event.run == *run))
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn create_run(&self, new: &NewRun, at: Timestamp) -> Result<Created, StoreError> {
        let mut state = self.state();
        let rows: Vec<RunRow> = state.logs.iter().filter_map(|log| replay::run(log)).collect();
        let of_repo = |row: &&RunRow| row.repo == new.started.repo;
        let same_cause = |row: &&RunRow| {
            new.started.cause.is_some()
                && state.began(&row.id).is_some_and(|began| began.cause == new.started.cause)
        };
        if let Some(row) = rows.iter().filter(of_repo).find(same_cause) {
            return Ok(Created::Again(row.id.clone(), row.number));
        }
        let lane = new.started.lane();
        let same_lane = |row: &&RunRow| {
            let began = state.began(&row.id);
            row.completion_time.is_none() && lane.is_some() && began.and_then(RunStarted::lane) == lane
        };
        let gave_way = |row: &RunRow| {
            let told = |event: &Event| {
                matches!(event.body, EventBody::CancelRequested { superseded_by: Some(_), .. })
            };
            state.log(&row.id).is_some_and(|log| log.iter().any(told))
        };
        let older = rows.iter().filter(of_repo).filter(same_lane).find(|row| !gave_way(row)).cloned();
        let head = new.started.subject.as_ref().and_then(|subject| subject.head.as_ref());
        if let Some(row) = &older
            && !is_newer(head, row.head.as_ref())
        {
            return Ok(Created::Joined(row.id.clone(), row.number));
        }
        if rows.iter().any(|row| row.id == new.id) {
            return Err(bug(format!("begin run `{}`: a run of that id exists", new.id)));
        }
        let mut started = new.started.clone();
        started.number = rows.iter().filter(of_repo).map(|row| row.number).max().unwrap_or(0) + 1;
        let number = started.number;
        let told = taking_its_place(&started, number);
        let body = EventBody::RunStarted(Box::new(started));
        check_readable(&body)?;
        if let Some(older) = &older
            && let Some(log) = state.log_mut(&older.id)
            && let Some(last) = log.last()
        {
            let event = Event { run: older.id.clone(), seq: last.seq + 1, at: at.max(last.at), body: told };
            log.push(event);
        }
        state.logs.push(vec![Event { run: new.id.clone(), seq: 0, at, body }]);
        Ok(older.map_or(Created::New(number), |older| Created::Replaced(number, older.id)))
    }

    async fn append(&self, expected_seq: u64, events: &[Event]) -> Result<(), StoreError> {
        let Some(Event { run, .. }) = events.first() else {
            return Ok(());
        };
        let mut expected = expected_seq;
        for event in events {
            if event.run != *run || event.seq != expected {
                return Err(bug(format!("append to run `{run}`: expected its event {expected}")));
            }
            check_readable(&event.body)?;
            expected = expected.wrapping_add(1);
        }
        let mut state = self.state();
        let log = state.log_mut(run).ok_or_else(|| StoreError::NoRun(run.clone()))?;
        let actual = length(log);
        if actual != expected_seq {
            return Err(StoreError::Behind { run: run.clone(), expected: expected_seq, actual });
        }
        log.extend_from_slice(events);
        Ok(())
    }

    async fn load(&self, run: &RunId, from_seq: u64) -> Result<Vec<Event>, StoreError> {
        let state = self.state();
        let events = state.log(run).into_iter().flatten();
        Ok(events.filter(|event| event.seq >= from_seq).cloned().collect())
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, StoreError> {
        let state = self.state();
        let wanted = |row: &RunRow| {
            (!filter.live || row.completion_time.is_none())
                && filter.number.is_none_or(|number| row.number == number)
                && filter.issue.is_none_or(|issue| row.issue == issue)
                && filter
                    .lane
                    .as_ref()
                    .is_none_or(|lane| state.began(&row.id).and_then(RunStarted::lane).as_ref() == Some(lane))
        };
        let limit = filter.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        Ok(state.logs.iter().rev().filter_map(|log| replay::run(log)).filter(wanted).take(limit).collect())
    }

    async fn sessions(&self, run: &RunId) -> Result<Vec<SessionRow>, StoreError> {
        Ok(self.state().log(run).map(|log| replay::sessions(log)).unwrap_or_default())
    }

    async fn tasks(&self, run: &RunId) -> Result<Vec<TaskRow>, StoreError> {
        Ok(self.state().log(run).map(|log| replay::tasks(log)).unwrap_or_default())
    }

    async fn used_since(&self, since: Timestamp) -> Result<UsedSince, StoreError> {
        let state = self.state();
        let sessions = state.logs.iter().flat_map(|log| replay::sessions(log));
        let mut all = UsedSince::default();
        for row in sessions.filter(|row| row.started_at >= since) {
            let one = replay::amounts(&row);
            all.used = all.used.plus(one);
            all.largest = all.largest.max(one);
            all.open += usize::from(row.completion_time.is_none());
        }
        Ok(all)
    }

    async fn open_escalations(&self) -> Result<Vec<EscalationRow>, StoreError> {
        let mut open: Vec<_> =
            self.state().logs.iter().flat_map(|log| replay::open_escalations(log)).collect();
        open.sort_by_key(|(raised_at, _)| *raised_at);
        Ok(open.into_iter().map(|(_, row)| row).collect())
    }
}

fn length(log: &[Event]) -> u64 {
    log.last().map_or(0, |last| last.seq + 1)
}

/// The real store keeps text; what would not come back from it must not be accepted here either.
fn check_readable(body: &EventBody) -> Result<(), StoreError> {
    let back = serde_json::to_string(body).and_then(|text| serde_json::from_str::<EventBody>(&text));
    match back {
        Ok(back) if back == *body => Ok(()),
        Ok(_) => Err(bug("append an event: it comes back as another one".to_owned())),
        Err(error) => Err(bug(format!("append an event: it cannot be read back: {error}"))),
    }
}

fn bug(message: String) -> StoreError {
    StoreError::Broken(Failure::new(FailureClass::Internal, message).hint("this is a bug of miyabi"))
}
