//! A miyabi that kills itself at a chosen point: ports around the real ones, and checks that look at files.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use miyabi_core::event::Event;
use miyabi_core::facts::{Fact, Survey};
use miyabi_core::failure::Failure;
use miyabi_core::ids::{ChangeNumber, CommitId, IntentId, IssueNumber, RunId};
use miyabi_core::intent::{Receipt, Write};
use miyabi_core::issue::{Change, Comment, Issue};
use miyabi_core::ports::{
    CheckJob, Checked, Checks, Created, EscalationRow, Forge, NewRun, RunFilter, RunRow, Scope, SessionRow,
    Stop, Store, StoreError, TaskRow, UsedSince,
};
use miyabi_core::report::{
    Check, CheckEnd, CheckKind, Coverage, DocCounts, Finding, Measured, Measurements, Severity, TestCounts,
    Vulnerabilities,
};
use miyabi_core::standing::Standing;

/// Where the process kills itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Just before the event of that number is appended.
    BeforeEvent(u64),
    /// Just after it is durable, and before anything follows from it.
    AfterEvent(u64),
    /// Just before the write of that number, counted in this process, is done.
    BeforeWrite(u64),
    /// Just after it is done, and before anybody knows.
    AfterWrite(u64),
}

impl Point {
    /// Reads `before-event:17` and the like.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, number) = text.split_once(':')?;
        let number = number.parse().ok()?;
        Some(match kind {
            "before-event" => Self::BeforeEvent(number),
            "after-event" => Self::AfterEvent(number),
            "before-write" => Self::BeforeWrite(number),
            "after-write" => Self::AfterWrite(number),
            _ => return None,
        })
    }
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BeforeEvent(n) => write!(f, "before-event:{n}"),
            Self::AfterEvent(n) => write!(f, "after-event:{n}"),
            Self::BeforeWrite(n) => write!(f, "before-write:{n}"),
            Self::AfterWrite(n) => write!(f, "after-write:{n}"),
        }
    }
}

/// Ends the process as a power cut would: nothing is flushed, nothing is dropped.
fn die() -> ! {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::process::abort()
}

/// A store that may be the last thing that the process sees.
pub struct CrashStore {
    inner: Arc<dyn Store>,
    point: Option<Point>,
}

impl CrashStore {
    /// The same store with such a point.
    pub fn new(inner: Arc<dyn Store>, point: Option<Point>) -> Self {
        Self { inner, point }
    }
}

#[async_trait]
impl Store for CrashStore {
    async fn create_run(&self, new: &NewRun, at: Timestamp) -> Result<Created, StoreError> {
        if self.point == Some(Point::BeforeEvent(0)) {
            die();
        }
        let created = self.inner.create_run(new, at).await;
        if self.point == Some(Point::AfterEvent(0)) {
            die();
        }
        created
    }

    async fn append(&self, expected_seq: u64, events: &[Event]) -> Result<(), StoreError> {
        let holds = |seq: u64| events.iter().any(|event| event.seq == seq);
        if let Some(Point::BeforeEvent(seq)) = self.point
            && holds(seq)
        {
            die();
        }
        let appended = self.inner.append(expected_seq, events).await;
        if let Some(Point::AfterEvent(seq)) = self.point
            && holds(seq)
        {
            die();
        }
        appended
    }

    async fn load(&self, run: &RunId, from_seq: u64) -> Result<Vec<Event>, StoreError> {
        self.inner.load(run, from_seq).await
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, StoreError> {
        self.inner.runs(filter).await
    }

    async fn sessions(&self, run: &RunId) -> Result<Vec<SessionRow>, StoreError> {
        self.inner.sessions(run).await
    }

    async fn tasks(&self, run: &RunId) -> Result<Vec<TaskRow>, StoreError> {
        self.inner.tasks(run).await
    }

    async fn used_since(&self, since: Timestamp) -> Result<UsedSince, StoreError> {
        self.inner.used_since(since).await
    }

    async fn open_escalations(&self) -> Result<Vec<EscalationRow>, StoreError> {
        self.inner.open_escalations().await
    }
}

/// A forge that may be the last thing that the process sees.
pub struct CrashForge {
    inner: Arc<dyn Forge>,
    point: Option<Point>,
    writes: AtomicU64,
}

impl CrashForge {
    /// The same forge with such a point.
    pub fn new(inner: Arc<dyn Forge>, point: Option<Point>) -> Self {
        Self { inner, point, writes: AtomicU64::new(0) }
    }
}

#[async_trait]
impl Forge for CrashForge {
    async fn issue(&self, number: IssueNumber) -> Result<Option<Issue>, Failure> {
        self.inner.issue(number).await
    }

    async fn comments(&self, number: IssueNumber) -> Result<Vec<Comment>, Failure> {
        self.inner.comments(number).await
    }

    async fn change(&self, number: ChangeNumber) -> Result<Option<Change>, Failure> {
        self.inner.change(number).await
    }

    async fn standing(&self, number: ChangeNumber, commit: &CommitId) -> Result<Option<Standing>, Failure> {
        self.inner.standing(number, commit).await
    }

    async fn survey(&self, number: ChangeNumber, wanted: &[Fact]) -> Result<Option<Survey>, Failure> {
        self.inner.survey(number, wanted).await
    }

    async fn perform(&self, id: &IntentId, write: &Write, at: Timestamp) -> Result<Receipt, Failure> {
        let number = self.writes.fetch_add(1, Ordering::Relaxed);
        if self.point == Some(Point::BeforeWrite(number)) {
            die();
        }
        let receipt = self.inner.perform(id, write, at).await;
        if self.point == Some(Point::AfterWrite(number)) {
            die();
        }
        receipt
    }
}

/// Checks that take no time: a checkout with `reworked.md` is perfect, any other one needs a rework.
pub struct FileChecks;

#[async_trait]
impl Checks for FileChecks {
    async fn run(&self, job: &CheckJob, _stop: Stop) -> Result<Checked, Failure> {
        let is_good = job.scope == Scope::Task || job.root.join("reworked.md").exists();
        let good = |value: u64| if is_good { value } else { 0 };
        let measured = Measurements {
            build: Measured::Value(true),
            tests: Measured::Value(TestCounts { passed: 10, ..TestCounts::default() }),
            coverage: Measured::Value(Coverage { lines: 100, covered: good(100) }),
            lint_warnings: Measured::Value(if is_good { 0 } else { 40 }),
            lint_before: 0,
            security: Measured::Value(Vulnerabilities::default()),
            docs: Measured::Value(DocCounts { public: 10, documented: good(10) }),
            secrets: Measured::Value(0),
        };
        let finding = Finding {
            check: CheckKind::Lint,
            severity: Severity::Medium,
            rule: "notes".to_owned(),
            message: "the notes could be better".to_owned(),
            file: Some("README.md".to_owned()),
            line: Some(1),
        };
        let check = Check {
            kind: CheckKind::Lint,
            command: vec!["look".to_owned()],
            end: if is_good { CheckEnd::Passed } else { CheckEnd::Failed },
            findings: if is_good { Vec::new() } else { vec![finding] },
            duration_ms: 0,
        };
        Ok(Checked { checks: vec![check], measured })
    }

    fn commands(&self, _root: &Path, _scope: Scope) -> Vec<String> {
        Vec::new()
    }
}
