//! Small values of the core's types, so that a test names only what it is about.

mod events;

pub use events::{
    escalation, event, events, every_body, intent, receipt, session_ended, session_started, step_started,
    step_succeeded,
};

use jiff::{SignedDuration, Timestamp};
use miyabi_core::analysis::Kind;
use miyabi_core::cast::Cast;
use miyabi_core::delivery::{Delivery, DeliveryKey, Provider, Verdict};
use miyabi_core::event::RunStarted;
use miyabi_core::ids::{CommitId, IssueNumber, RunId, StepId};
use miyabi_core::issue::{Comment, Issue, NewIssue};
use miyabi_core::knowledge::{Record, RecordId, RecordKind};
use miyabi_core::plan::{Plan, Purpose, Step, TaskWork, Uses, Work};
use miyabi_core::policy::Policy;
use miyabi_core::ports::{NewChange, NewRun};
use miyabi_core::session::Adapter;
use miyabi_core::status::Status;
use miyabi_core::task::Task;
use miyabi_core::trigger::{Matched, Need, Order, Permission, Place, RuleNote, RuleOutcome};

use crate::SeqIds;

/// The repo of every fixture.
pub const REPO: &str = "acme/shop";

/// So many seconds after `2026-01-05T09:00:00Z`, the time when every fixture begins.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_767_603_600 + seconds)
}

/// The n-th run id that a [`SeqIds`] gives, n from 1.
pub fn run_id(n: u64) -> RunId {
    RunId::from(SeqIds::nth(n))
}

/// A record of a run of [`REPO`] that went well, known at [`at`]`(0)`; it says nothing.
pub fn record(run: RunId, kind: RecordKind) -> Record {
    Record {
        id: RecordId::new(format!("{run}/{}", kind.as_str())),
        kind,
        repo: REPO.to_owned(),
        run,
        number: 1,
        flow: "issue".to_owned(),
        issue: 1,
        step: None,
        agent: String::new(),
        outcome: Status::Succeeded,
        at: at(0),
        title: String::new(),
        text: String::new(),
        files: Vec::new(),
        url: String::new(),
        given: Vec::new(),
    }
}

/// A commit id that is recognisable: the digit forty times over.
pub fn commit(digit: u32) -> CommitId {
    CommitId::from((digit % 10).to_string().repeat(40))
}

/// The open issue of that number: "Add user authentication", filed at [`at`]`(0)`.
pub fn issue(number: IssueNumber) -> Issue {
    let NewIssue { title, body, labels, author, .. } = new_issue(Some(number));
    let url = format!("miyabi issue show {number}");
    Issue { number, title, body, labels, author, open: true, url, created_at: at(0) }
}

/// What a person gives to file that issue, under that number or the next free one.
pub fn new_issue(number: Option<IssueNumber>) -> NewIssue {
    NewIssue {
        number,
        title: "Add user authentication".to_owned(),
        body: "Users sign in with a name and a password.\n\n- [ ] types\n- [ ] handlers\n".to_owned(),
        labels: vec!["miyabi".to_owned(), "type:feature".to_owned()],
        author: "alice".to_owned(),
    }
}

/// A comment on an issue or change, written and last replaced at these seconds.
pub fn comment(issue: IssueNumber, key: Option<&str>, body: &str, created: i64, updated: i64) -> Comment {
    Comment {
        issue,
        author: "miyabi".to_owned(),
        body: body.to_owned(),
        key: key.map(str::to_owned),
        created_at: at(created),
        updated_at: at(updated),
    }
}

/// A change for that issue, from `feature/issue-<n>` into `main`, at [`commit`]`(1)`.
pub fn new_change(issue: IssueNumber) -> NewChange {
    NewChange {
        issue,
        title: format!("feat: Add user authentication (#{issue})"),
        body: format!("## Summary\n\nCloses #{issue}\n"),
        head: format!("feature/issue-{issue}"),
        base: "main".to_owned(),
        commit: commit(1),
    }
}

/// The task `task-<issue>-<n>` of an hour's work for `codegen`, standing on the tasks of these numbers.
pub fn task(issue: IssueNumber, n: u32, dependencies: &[u32]) -> Task {
    let id = |n: u32| StepId::from(format!("task-{issue}-{n}"));
    Task {
        id: id(n),
        title: format!("Do part {n}"),
        description: format!("Part {n} of the whole.\n"),
        kind: Kind::Feature,
        agent: "codegen".to_owned(),
        estimate_minutes: 60,
        dependencies: dependencies.iter().map(|n| id(*n)).collect(),
        acceptance: vec![format!("part {n} works")],
        files: vec![format!("src/part{n}.rs")],
    }
}

/// The step that implements [`task`]`(issue, n, dependencies)`, as one of six; it needs the tasks it stands on.
pub fn task_step(issue: IssueNumber, n: u32, dependencies: &[u32]) -> Step {
    let task = task(issue, n, dependencies);
    let (id, needs) = (task.id.clone(), task.dependencies.clone());
    let work = TaskWork { task, index: n, total: 6, purpose: Purpose::Implement };
    Step::new(id, Work::Task(Box::new(work))).needs(needs)
}

/// A plan of built-in steps, one after the other, each named by its word.
pub fn plan(steps: &[Uses]) -> Plan {
    let needs = |index: usize| index.checked_sub(1).map(|before| steps[before].as_str());
    let step =
        |(index, uses): (usize, &Uses)| Step::new(uses.as_str(), Work::Uses(*uses)).needs(needs(index));
    Plan::from(steps.iter().enumerate().map(step).collect::<Vec<_>>())
}

/// The first event of a run of [`issue`]`(500)` in [`REPO`] with this plan; the number is left at 0 for the store.
pub fn run_started(plan: Plan) -> RunStarted {
    RunStarted {
        number: 0,
        repo: REPO.to_owned(),
        flow: "issue".to_owned(),
        issue: issue(500),
        base_branch: "main".to_owned(),
        base_commit: commit(0),
        plan,
        policy: Policy::default(),
        planner: None,
        reviewer: None,
        adapter: Adapter::Command(vec!["./agent.sh".to_owned()]),
        actor: "alice".to_owned(),
        trigger: "cli".to_owned(),
        hosted: false,
        suspicions: Vec::new(),
        channels: Vec::new(),
        payload: None,
        source: None,
        event: None,
        environment: Default::default(),
        cast: Cast::default(),
        subject: None,
        cause: None,
    }
}

/// A run to begin: [`run_id`]`(n)` for that issue, with a plan of `analyse` and `decompose`.
pub fn new_run(n: u64, number: IssueNumber) -> NewRun {
    let mut started = run_started(plan(&[Uses::Analyse, Uses::Decompose]));
    started.issue = issue(number);
    NewRun { id: run_id(n), started }
}

/// A delivery of GitHub under that name: alice labels issue 500 with `miyabi`. Accepted at [`at`]`(0)`.
pub fn delivery(id: &str) -> Delivery {
    Delivery {
        key: DeliveryKey::new(Provider::Github, id),
        event: "issues".to_owned(),
        action: Some("labeled".to_owned()),
        repo: Some(REPO.to_owned()),
        sent_at: Some(at(0)),
        received_at: at(0),
        headers: [("x-github-event".to_owned(), "issues".to_owned())].into(),
        body: br#"{"action":"labeled"}"#.as_slice().into(),
        verdict: Verdict::Accepted { trigger: Box::new(matched(500)) },
        rules: vec![RuleNote::new("label", RuleOutcome::Match, "label `miyabi`")],
    }
}

/// What that label leads to for the issue of that number.
pub fn matched(issue: IssueNumber) -> Matched {
    Matched {
        rule: "label".to_owned(),
        repo: Some(REPO.to_owned()),
        actor: Some("alice".to_owned()),
        order: Order::Run { flow: "issue".to_owned(), on: Place::Issue(issue), note: String::new() },
        needs: vec![Need::Permission { of: "alice".to_owned(), at_least: Permission::Write }],
        starts: Vec::new(),
    }
}
