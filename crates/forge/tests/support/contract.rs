//! What every memory must give the local forge, as one story that is told twice.
//!
//! `forge_contract` needs only the `LocalRecords` that it is given, so that any store can be put through it.

use std::sync::Arc;

use miyabi_core::failure::FailureClass;
use miyabi_core::ids::IntentId;
use miyabi_core::intent::{Receipt, Write};
use miyabi_core::issue::{Change, ChangeState, Comment, Issue, NewIssue};
use miyabi_core::ports::{Forge, LocalRecords};
use miyabi_forge::LocalForge;

use super::at;
use super::worktrees::Branches;

const BODY: &str = "「認証」を足す\n\n- [ ] `${HOME}` \"x\" $(id)\n<!-- miyabi:summary -->";

/// Carries issue #500 from its filing to its closing, every write twice, over these records.
pub(crate) async fn forge_contract(records: Arc<dyn LocalRecords>) {
    let branches = Arc::new(Branches::default());
    branches.set("feature/issue-500", "c0ffee");
    branches.set("main", "ba5e");
    let forge = LocalForge::new(records, branches.clone());

    let issue = filing(&forge).await;
    comments(&forge).await;
    labels(&forge, &issue).await;
    let change = opening(&forge).await;
    merging(&forge, &branches, &change).await;
    closing(&forge).await;
}

async fn filing(forge: &LocalForge) -> Issue {
    let wanted = NewIssue {
        number: Some(500),
        title: " Add user\n認証 ".to_owned(),
        body: BODY.to_owned(),
        labels: vec!["miyabi".to_owned(), "miyabi".to_owned(), "priority:P1-High".to_owned()],
        author: "山田".to_owned(),
    };
    let issue = forge.file_issue(&wanted, at(0)).await.unwrap();
    let expected = Issue {
        number: 500,
        title: "Add user 認証".to_owned(),
        body: BODY.to_owned(),
        labels: vec!["miyabi".to_owned(), "priority:P1-High".to_owned()],
        author: "山田".to_owned(),
        open: true,
        url: issue.url.clone(),
        created_at: at(0),
    };
    assert_eq!(issue, expected);
    assert_eq!(forge.issue(500).await.unwrap(), Some(expected));
    assert_eq!(forge.issue(1).await.unwrap(), None);

    let taken = forge.file_issue(&wanted, at(1)).await.unwrap_err();
    assert_eq!(taken.class, FailureClass::Input);
    let next = forge.file_issue(&NewIssue { number: None, ..wanted }, at(1)).await.unwrap();
    assert_eq!(next.number, 501);
    issue
}

async fn comments(forge: &LocalForge) {
    let url = forge.issue(500).await.unwrap().unwrap().url;
    forge.comment(500, "山田", "いいね <!-- miyabi:summary -->", at(2)).await.unwrap();
    let say = |body: &str| Write::Comment { issue: 500, key: "summary".to_owned(), body: body.to_owned() };
    let receipt = |found| Receipt { url: Some(url.clone()), found, ..Receipt::default() };
    let id = IntentId::from("r/decompose/summary");
    assert_eq!(forge.perform(&id, &say("6 tasks"), at(3)).await.unwrap(), receipt(false));
    assert_eq!(forge.perform(&id, &say("6 tasks"), at(4)).await.unwrap(), receipt(true));
    let person = Comment {
        issue: 500,
        author: "山田".to_owned(),
        body: "いいね &lt;!-- miyabi:summary -->".to_owned(),
        key: None,
        created_at: at(2),
        updated_at: at(2),
    };
    let ours = Comment {
        author: "miyabi".to_owned(),
        body: "6 tasks\n\n<!-- miyabi:summary -->".to_owned(),
        key: Some("summary".to_owned()),
        created_at: at(3),
        updated_at: at(3),
        ..person.clone()
    };
    assert_eq!(forge.comments(500).await.unwrap(), [person.clone(), ours.clone()]);

    assert_eq!(forge.perform(&id, &say("7 tasks"), at(5)).await.unwrap(), receipt(false));
    forge.comment(500, "山田", "いいね <!-- miyabi:summary -->", at(6)).await.unwrap();
    let edited = Comment { body: "7 tasks\n\n<!-- miyabi:summary -->".to_owned(), updated_at: at(5), ..ours };
    let again = Comment { created_at: at(6), updated_at: at(6), ..person.clone() };
    assert_eq!(forge.comments(500).await.unwrap(), [person, edited, again]);
    assert_eq!(forge.comments(501).await.unwrap(), []);
}

async fn labels(forge: &LocalForge, issue: &Issue) {
    let write = Write::Labels {
        issue: 500,
        add: vec!["state:implementing".to_owned(), "複雑".to_owned()],
        remove: vec!["state:*".to_owned(), "miyabi".to_owned()],
    };
    let id = IntentId::from("r/decompose/labels");
    for found in [false, true] {
        let receipt = forge.perform(&id, &write, at(7)).await.unwrap();
        assert_eq!(receipt, Receipt { url: Some(issue.url.clone()), found, ..Receipt::default() });
        let labels = vec!["priority:P1-High".to_owned(), "state:implementing".to_owned(), "複雑".to_owned()];
        assert_eq!(forge.issue(500).await.unwrap(), Some(Issue { labels, ..issue.clone() }));
    }
}

async fn opening(forge: &LocalForge) -> Change {
    let write = Write::OpenChange {
        issue: 500,
        title: "feat: Add user 認証 (#500)".to_owned(),
        body: "## Summary\n".to_owned(),
        head: "feature/issue-500".to_owned(),
        base: "main".to_owned(),
        commit: "c0ffee".into(),
    };
    let id = IntentId::from("r/change/open");
    let first = forge.perform(&id, &write, at(8)).await.unwrap();
    let number = first.change.unwrap();
    let change = forge.change(number).await.unwrap().unwrap();
    let expected = Change {
        number: 502,
        issue: 500,
        title: "feat: Add user 認証 (#500)".to_owned(),
        body: "## Summary\n\n<!-- miyabi:r/change/open -->".to_owned(),
        head: "feature/issue-500".to_owned(),
        base: "main".to_owned(),
        head_commit: "c0ffee".into(),
        state: ChangeState::Open,
        merge_commit: None,
        labels: vec![],
        url: change.url.clone(),
        created_at: at(8),
    };
    assert_eq!(change, expected);
    let receipt = Receipt { change: Some(502), url: Some(change.url.clone()), ..Receipt::default() };
    assert_eq!(first, receipt);
    assert_eq!(forge.perform(&id, &write, at(9)).await.unwrap(), Receipt { found: true, ..receipt });

    let label = Write::Labels { issue: number, add: vec!["ready-to-merge".to_owned()], remove: vec![] };
    forge.perform(&"r/change/labels".into(), &label, at(9)).await.unwrap();
    let expected = Change { labels: vec!["ready-to-merge".to_owned()], ..expected };
    assert_eq!(forge.changes().await.unwrap(), std::slice::from_ref(&expected));
    expected
}

async fn merging(forge: &LocalForge, branches: &Branches, change: &Change) {
    let write =
        Write::MergeChange { change: 502, commit: "c0ffee".into(), title: "feat: 認証\n\nx".to_owned() };
    let id = IntentId::from("r/merge/merge");
    for found in [false, true] {
        let receipt = Receipt {
            change: Some(502),
            merge_commit: Some("merge-of-c0ffee".into()),
            url: Some(change.url.clone()),
            found,
        };
        assert_eq!(forge.perform(&id, &write, at(10)).await.unwrap(), receipt);
    }
    let landings = branches.landings();
    assert_eq!(landings.len(), 1);
    assert_eq!(landings[0].message, "feat: 認証 x\n\nCloses #500\n");
    let merged =
        Change { state: ChangeState::Merged, merge_commit: Some("merge-of-c0ffee".into()), ..change.clone() };
    assert_eq!(forge.change(502).await.unwrap(), Some(merged));
}

async fn closing(forge: &LocalForge) {
    let open = forge.issue(500).await.unwrap().unwrap();
    let write = Write::CloseIssue { issue: 500 };
    for found in [false, true] {
        let receipt = forge.perform(&"r/close/close".into(), &write, at(11)).await.unwrap();
        assert_eq!(receipt, Receipt { url: Some(open.url.clone()), found, ..Receipt::default() });
    }
    let closed = Issue { open: false, ..open };
    assert_eq!(forge.issue(500).await.unwrap(), Some(closed.clone()));
    let numbers = |issues: Vec<Issue>| issues.iter().map(|issue| issue.number).collect::<Vec<_>>();
    assert_eq!(numbers(forge.issues(false).await.unwrap()), [501]);
    assert_eq!(numbers(forge.issues(true).await.unwrap()), [501, 500]);
}
