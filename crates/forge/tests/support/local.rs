//! The local forge as a place of the contract, over any memory.

use std::sync::Arc;

use async_trait::async_trait;
use miyabi_core::commit_mark::{CheckRun, CommitState, CommitStatus, Conclusion};
use miyabi_core::facts::{CheckState, ReviewState};
use miyabi_core::failure::FailureClass;
use miyabi_core::ids::{ChangeNumber, CommitId, IssueNumber};
use miyabi_core::intent::{Receipt, Write};
use miyabi_core::issue::NewIssue;
use miyabi_core::ports::{Forge, LocalRecords};
use miyabi_forge::LocalForge;
use miyabi_testkit::contract::{self, HEAD, Place, Reviewed};

use super::at;
use super::worktrees::Branches;

const PERSON: &str = "山田";

struct Local {
    forge: LocalForge,
    branches: Arc<Branches>,
}

#[async_trait]
impl Place for Local {
    fn forge(&self) -> &dyn Forge {
        &self.forge
    }

    fn us(&self) -> String {
        "miyabi".to_owned()
    }

    fn person(&self) -> String {
        PERSON.to_owned()
    }

    async fn file(&self, title: &str, body: &str, labels: &[&str]) -> IssueNumber {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        let title = format!(" {}", title.replace(' ', "\n"));
        let body = body.to_owned();
        let issue = NewIssue { number: Some(500), title, body, labels, author: PERSON.to_owned() };
        let filed = self.forge.file_issue(&issue, at(0)).await.unwrap();
        let taken = self.forge.file_issue(&issue, at(1)).await.unwrap_err();
        assert_eq!(taken.class, FailureClass::Input);
        let next = self.forge.file_issue(&NewIssue { number: None, ..issue }, at(1)).await.unwrap();
        assert_eq!((filed.number, next.number), (500, 501));
        filed.number
    }

    async fn say(&self, issue: IssueNumber, text: &str) -> String {
        self.forge.comment(issue, PERSON, text, at(2)).await.unwrap().body
    }

    async fn push(&self) -> CommitId {
        self.branches.set("main", "ba5e");
        self.branches.set(HEAD, "c0ffee");
        "c0ffee".into()
    }
}

/// It has no reviews and runs no CI, whatever runs say at commits.
#[async_trait]
impl Reviewed for Local {
    fn forge(&self) -> &dyn Forge {
        &self.forge
    }

    fn has_reviews(&self) -> bool {
        false
    }

    fn author(&self) -> Option<String> {
        None
    }

    fn member(&self) -> String {
        PERSON.to_owned()
    }

    fn stranger(&self) -> String {
        "somebody".to_owned()
    }

    async fn open(&self) -> ChangeNumber {
        let receipt = self.offer("c1").await;
        receipt.change.unwrap()
    }

    async fn push(&self, _: ChangeNumber) -> CommitId {
        let commit = format!("{}1", self.branches.stands_at(HEAD));
        self.offer(&commit).await;
        commit.into()
    }

    async fn request(&self, _: ChangeNumber, _: &str) {
        unreachable!("there are no reviews");
    }

    async fn review(&self, _: ChangeNumber, _: &str, _: ReviewState) {
        unreachable!("there are no reviews");
    }

    async fn dismiss(&self, _: ChangeNumber, _: &str) {
        unreachable!("there are no reviews");
    }

    async fn check(&self, commit: &CommitId, name: &str, state: CheckState) {
        let (status, conclusion) = match state {
            CheckState::Pending => (CommitState::Pending, None),
            CheckState::Passed => (CommitState::Success, Some(Conclusion::Success)),
            CheckState::Failed => (CommitState::Failure, Some(Conclusion::Failure)),
        };
        let status = CommitStatus {
            commit: commit.clone(),
            state: status,
            context: name.to_owned(),
            description: String::new(),
            url: None,
        };
        let check = CheckRun {
            commit: commit.clone(),
            name: name.to_owned(),
            key: name.to_owned(),
            conclusion,
            title: String::new(),
            summary: String::new(),
            text: None,
            url: None,
        };
        for write in [Write::CommitStatus(status), Write::CheckRun(check)] {
            self.forge.perform(&"r/mark".into(), &write, at(9)).await.unwrap();
        }
    }

    async fn merge(&self, change: ChangeNumber) {
        let commit = self.branches.stands_at(HEAD).into();
        let write = Write::MergeChange { change, commit, title: "x".to_owned(), only_if_ready: false };
        self.forge.perform(&"r/merge".into(), &write, at(9)).await.unwrap();
    }
}

impl Local {
    fn new(records: Arc<dyn LocalRecords>) -> Self {
        let branches = Arc::new(Branches::default());
        Self { forge: LocalForge::new(records, branches.clone()), branches }
    }

    /// Opens a change of this commit, or brings it to its head.
    async fn offer(&self, commit: &str) -> Receipt {
        self.branches.set("main", "ba5e");
        self.branches.set(HEAD, commit);
        let write = Write::OpenChange {
            issue: 0,
            title: "feat: add".to_owned(),
            body: String::new(),
            head: HEAD.to_owned(),
            base: "main".to_owned(),
            commit: commit.into(),
        };
        self.forge.perform(&"r/change/open".into(), &write, at(8)).await.unwrap()
    }
}

/// What is shown of a change over these records.
pub(crate) async fn local_survey(records: Arc<dyn LocalRecords>) {
    contract::survey(&Local::new(records)).await;
}

/// The contract over these records, and what only the local forge promises: times, numbers, lists, the merge.
pub(crate) async fn local_contract(records: Arc<dyn LocalRecords>) {
    let place = Local::new(records);
    let (issue, change) = contract::forge(&place).await;

    let times = |second| (at(second), at(second));
    let comments = place.forge.comments(issue.number).await.unwrap();
    let told: Vec<_> = comments.iter().map(|comment| (comment.created_at, comment.updated_at)).collect();
    assert_eq!(told, [times(2), (at(3), at(5)), times(2)]);
    assert_eq!(comments[0].body, "いいね\n\n&lt;!-- miyabi:summary -->");
    assert_eq!((issue.created_at, change.number, change.created_at), (at(0), 502, at(8)));

    let landings = place.branches.landings();
    assert_eq!(landings.len(), 1);
    assert_eq!(landings[0].message, "feat: 認証 x\n\nCloses #500\n");
    assert_eq!(change.merge_commit, Some("merge-of-c0ffee".into()));

    let numbers = async |all| {
        let issues = place.forge.issues(all).await.unwrap();
        issues.iter().map(|issue| issue.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(false).await, [501]);
    assert_eq!(numbers(true).await, [501, 500]);
    assert_eq!(place.forge.changes().await.unwrap(), [change]);
}
