//! The local forge as a place of the contract, over any memory.

use std::sync::Arc;

use async_trait::async_trait;
use miyabi_core::failure::FailureClass;
use miyabi_core::ids::{CommitId, IssueNumber};
use miyabi_core::issue::NewIssue;
use miyabi_core::ports::{Forge, LocalRecords};
use miyabi_forge::LocalForge;

use super::at;
use super::contract::{HEAD, Place, forge_contract};
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

/// The contract over these records, and what only the local forge promises: times, numbers, lists, the merge.
pub(crate) async fn local_contract(records: Arc<dyn LocalRecords>) {
    let branches = Arc::new(Branches::default());
    let place = Local { forge: LocalForge::new(records, branches.clone()), branches };
    let (issue, change) = forge_contract(&place).await;

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
