//! The local forge: the contract on its double, crashes between two steps, and everything that is refused.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;

use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::intent::{Receipt, Write};
use miyabi_core::issue::{ChangeState, NewIssue};
use miyabi_core::ports::Forge;
use miyabi_core::worktree::Landed;
use miyabi_forge::LocalForge;
use miyabi_testkit::MemoryStore;
use serde_json::json;
use support::at;
use support::local::{local_contract, local_survey};
use support::records::Records;
use support::worktrees::Branches;

struct Town {
    forge: LocalForge,
    records: Arc<Records>,
    branches: Arc<Branches>,
}

/// A forge with issue #1 and a change #2 of it, open at `abc`.
async fn town() -> Town {
    let records = Arc::new(Records::default());
    let branches = Arc::new(Branches::default());
    branches.set("feature/issue-1", "abc");
    let forge = LocalForge::new(records.clone(), branches.clone());
    let issue = NewIssue {
        number: None,
        title: "One".to_owned(),
        body: String::new(),
        labels: vec![],
        author: "ann".to_owned(),
    };
    forge.file_issue(&issue, at(0)).await.unwrap();
    forge.perform(&"r/change/open".into(), &open("abc"), at(1)).await.unwrap();
    Town { forge, records, branches }
}

fn open(commit: &str) -> Write {
    Write::OpenChange {
        issue: 1,
        title: "feat: One (#1)".to_owned(),
        body: "body".to_owned(),
        head: "feature/issue-1".to_owned(),
        base: "main".to_owned(),
        commit: commit.into(),
    }
}

fn merge(commit: &str) -> Write {
    Write::MergeChange {
        change: 2,
        commit: commit.into(),
        title: "feat: One".to_owned(),
        only_if_ready: false,
    }
}

async fn state(town: &Town) -> ChangeState {
    town.forge.change(2).await.unwrap().unwrap().state
}

#[tokio::test]
async fn the_contract_holds_on_the_double() {
    local_contract(Arc::new(Records::default())).await;
}

#[tokio::test]
async fn the_contract_holds_on_the_store_in_memory() {
    local_contract(Arc::new(MemoryStore::default())).await;
}

#[tokio::test]
async fn it_says_that_it_has_neither_reviews_nor_ci_nor_files() {
    local_survey(Arc::new(Records::default())).await;
    local_survey(Arc::new(MemoryStore::default())).await;
}

#[tokio::test]
async fn a_crash_between_landing_and_recording_is_found() {
    let town = town().await;
    town.records.lose_next_write();
    let failure = town.forge.perform(&"r/merge".into(), &merge("abc"), at(2)).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Transient);
    assert_eq!(state(&town).await, ChangeState::Open);

    let receipt = town.forge.perform(&"r/merge".into(), &merge("abc"), at(3)).await.unwrap();
    let expected = Receipt {
        change: Some(2),
        merge_commit: Some("merge-of-abc".into()),
        url: Some("miyabi change show 2".to_owned()),
        found: true,
        ..Receipt::default()
    };
    assert_eq!(receipt, expected);
    assert_eq!(state(&town).await, ChangeState::Merged);
}

#[tokio::test]
async fn a_moved_base_is_told_with_its_commit() {
    let town = town().await;
    town.branches.next_landing(Ok(Landed::BaseMoved { base: "feed".into() }));
    let failure = town.forge.perform(&"r/merge".into(), &merge("abc"), at(2)).await.unwrap_err();
    let expected =
        Failure::new(FailureClass::BaseMoved, "merge change #2: `main` moved to feed since the review")
            .hint("bring the base branch into the head branch and review the result")
            .evidence(json!({ "base": "feed", "branch": "main" }));
    assert_eq!(failure, expected);
    assert_eq!(state(&town).await, ChangeState::Open);
}

#[tokio::test]
async fn a_failed_landing_is_passed_on_and_records_nothing() {
    let town = town().await;
    let dirty = Failure::new(FailureClass::DirtyCheckout, "`src/main.rs` has uncommitted changes");
    town.branches.next_landing(Err(dirty.clone()));
    assert_eq!(town.forge.perform(&"r/merge".into(), &merge("abc"), at(2)).await.unwrap_err(), dirty);
    assert_eq!(state(&town).await, ChangeState::Open);
}

#[tokio::test]
async fn only_the_reviewed_commit_is_merged() {
    let town = town().await;
    let refused = async |commit: &str| {
        let failure = town.forge.perform(&"r/merge".into(), &merge(commit), at(2)).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Permanent);
        failure.message
    };
    assert_eq!(
        refused("old").await,
        "merge change #2: the head moved since the review: `feature/issue-1` was reviewed at old and is now abc"
    );
    town.branches.set("feature/issue-1", "new");
    assert_eq!(
        refused("abc").await,
        "merge change #2: the head moved since the review: `feature/issue-1` was reviewed at abc and is now new"
    );
    town.branches.delete("feature/issue-1");
    assert_eq!(
        refused("abc").await,
        "merge change #2: the head moved since the review: `feature/issue-1` was reviewed at abc and is now gone"
    );
    assert_eq!(town.branches.landings(), []);
    assert_eq!(state(&town).await, ChangeState::Open);
}

#[tokio::test]
async fn a_change_that_a_person_closed_stays_closed() {
    let town = town().await;
    town.records.close_change(2);
    let failure = town.forge.perform(&"r/merge".into(), &merge("abc"), at(2)).await.unwrap_err();
    assert_eq!(
        (failure.class, failure.message.as_str()),
        (FailureClass::Rejected, "change #2 was closed without merging")
    );
    assert_eq!(town.branches.landings(), []);
    let again = town.forge.perform(&"r2/change/open".into(), &open("abc"), at(3)).await.unwrap();
    assert_eq!((again.change, again.found), (Some(3), false));
}

#[tokio::test]
async fn a_reworked_head_updates_its_open_change() {
    let town = town().await;
    let receipt = town.forge.perform(&"r/change-2/open".into(), &open("def"), at(2)).await.unwrap();
    assert_eq!((receipt.change, receipt.found), (Some(2), true));
    let change = town.forge.change(2).await.unwrap().unwrap();
    assert_eq!(change.head_commit, "def".into());
    assert_eq!(change.body, "body\n\n<!-- miyabi:r/change-2/open -->");
    assert_eq!(change.created_at, at(1));
}

#[tokio::test]
async fn opening_what_is_merged_already_finds_it() {
    let town = town().await;
    town.forge.perform(&"r/merge".into(), &merge("abc"), at(2)).await.unwrap();
    let writes = town.records.writes();
    let receipt = town.forge.perform(&"r/change/open".into(), &open("abc"), at(3)).await.unwrap();
    let expected = Receipt {
        change: Some(2),
        merge_commit: Some("merge-of-abc".into()),
        url: Some("miyabi change show 2".to_owned()),
        found: true,
        ..Receipt::default()
    };
    assert_eq!(receipt, expected);
    assert_eq!(town.records.writes(), writes);
    town.branches.set("feature/issue-1", "def");
    let next = town.forge.perform(&"r2/change/open".into(), &open("def"), at(4)).await.unwrap();
    assert_eq!((next.change, next.found), (Some(3), false));
}

#[tokio::test]
async fn what_is_not_there_cannot_be_written_to() {
    let town = town().await;
    let writes = [
        (Write::Comment { issue: 9, key: "k".to_owned(), body: "b".to_owned() }, "there is no issue #9"),
        (Write::Labels { issue: 9, add: vec!["a".to_owned()], remove: vec![] }, "there is no issue #9"),
        (Write::CloseIssue { issue: 2 }, "there is no issue #2"),
        (
            Write::MergeChange {
                change: 1,
                commit: "abc".into(),
                title: String::new(),
                only_if_ready: false,
            },
            "there is no change #1",
        ),
        (
            Write::OpenChange {
                issue: 9,
                title: "t".to_owned(),
                body: String::new(),
                head: "h".to_owned(),
                base: "main".to_owned(),
                commit: "abc".into(),
            },
            "there is no issue #9",
        ),
    ];
    let before = town.records.writes();
    for (write, message) in writes {
        let failure = town.forge.perform(&"r/x".into(), &write, at(2)).await.unwrap_err();
        assert_eq!((failure.class, failure.message.as_str()), (FailureClass::Input, message));
        assert!(failure.hint.is_some(), "{message}");
    }
    assert_eq!(town.forge.comment(9, "ann", "b", at(2)).await.unwrap_err().class, FailureClass::Input);
    assert_eq!(town.records.writes(), before);
}

#[tokio::test]
async fn blank_text_is_refused() {
    let town = town().await;
    let blank = NewIssue {
        number: None,
        title: " \n\u{3000}".to_owned(),
        body: String::new(),
        labels: vec![],
        author: "ann".to_owned(),
    };
    assert_eq!(town.forge.file_issue(&blank, at(2)).await.unwrap_err().message, "the title is blank");
    assert_eq!(town.forge.comment(1, "ann", " \n", at(2)).await.unwrap_err().message, "the comment is blank");
}

#[tokio::test]
async fn a_comment_of_two_megabytes_is_kept_whole() {
    let town = town().await;
    let body = "報告 `${x}` $(y)\n".repeat(100_000);
    let write = Write::Comment { issue: 1, key: "log".to_owned(), body: body.clone() };
    town.forge.perform(&"r/log".into(), &write, at(2)).await.unwrap();
    let comments = town.forge.comments(1).await.unwrap();
    assert_eq!(comments[0].body, format!("{}\n\n<!-- miyabi:log -->", body.trim_end()));
    assert!(town.forge.perform(&"r/log".into(), &write, at(3)).await.unwrap().found);
}

#[tokio::test]
async fn writes_at_once_do_not_lose_each_other() {
    let town = Arc::new(town().await);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..32 {
        let town = town.clone();
        tasks.spawn(async move {
            let write = Write::Labels { issue: 1, add: vec![format!("l{n}")], remove: vec![] };
            town.forge.perform(&format!("r/{n}").into(), &write, at(2)).await.unwrap();
        });
    }
    tasks.join_all().await;
    let mut labels = town.forge.issue(1).await.unwrap().unwrap().labels;
    let mut expected: Vec<String> = (0..32).map(|n| format!("l{n}")).collect();
    labels.sort();
    expected.sort();
    assert_eq!(labels, expected);
}
