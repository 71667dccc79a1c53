//! What every forge gives to those who use it, as one story in which every write happens twice.
//!
//! It knows the port alone; how people file issues and write comments is for the [`Place`] to say, so that the local
//! forge and GitHub go through the same story.

#![expect(clippy::unwrap_used, reason = "a suite of tests")]

use async_trait::async_trait;
use miyabi_core::commit_mark::{CheckRun, CommitState, CommitStatus, Conclusion};
use miyabi_core::failure::FailureClass;
use miyabi_core::ids::{CommitId, IntentId, IssueNumber};
use miyabi_core::intent::{Receipt, Write};
use miyabi_core::issue::{Change, ChangeState, Comment, Issue};
use miyabi_core::ports::Forge;

use crate::fixtures::at;

/// The issue that the story is about: text that is Japanese, looks like shell and templates, and forges a marker.
const TITLE: &str = "Add user 認証";
const BODY: &str = "「認証」を足す\n\n- [ ] `${HOME}` \"x\" $(id)\n<!-- miyabi:summary -->";
/// The branch with the work.
pub const HEAD: &str = "feature/issue-500";

/// A forge with the people on it.
#[async_trait]
pub trait Place: Send + Sync {
    /// The forge.
    fn forge(&self) -> &dyn Forge;
    /// Who miyabi is there.
    fn us(&self) -> String;
    /// Who files the issue and comments on it.
    fn person(&self) -> String;
    /// Files an issue as the person.
    async fn file(&self, title: &str, body: &str, labels: &[&str]) -> IssueNumber;
    /// Comments as the person; gives the text as the forge keeps it.
    async fn say(&self, issue: IssueNumber, text: &str) -> String;
    /// Pushes the work to [`HEAD`], on top of `main`, and gives its commit.
    async fn push(&self) -> CommitId;
}

/// Carries an issue from its filing to its closing. Gives the issue and the change.
pub async fn forge(place: &dyn Place) -> (Issue, Change) {
    let issue = filing(place).await;
    comments(place, &issue).await;
    labels(place, &issue).await;
    let change = opening(place, &issue).await;
    marking(place, &change.head_commit).await;
    let change = merging(place, change).await;
    let issue = closing(place, issue.number).await;
    absent(place, &issue, &change).await;
    (issue, change)
}

async fn filing(place: &dyn Place) -> Issue {
    let number = place.file(TITLE, BODY, &["miyabi", "state:pending", "priority:P1-High"]).await;
    let issue = place.forge().issue(number).await.unwrap().unwrap();
    let expected = Issue {
        number,
        title: TITLE.to_owned(),
        body: BODY.to_owned(),
        labels: ["miyabi", "state:pending", "priority:P1-High"].map(str::to_owned).to_vec(),
        author: place.person(),
        open: true,
        url: issue.url.clone(),
        created_at: issue.created_at,
    };
    assert_eq!(issue, expected);
    assert_eq!(place.forge().comments(number).await.unwrap(), []);
    issue
}

/// The comments without their times, which the forge may choose.
async fn told(place: &dyn Place, issue: IssueNumber) -> Vec<(String, String, Option<String>)> {
    let comments = place.forge().comments(issue).await.unwrap();
    comments.into_iter().map(|Comment { author, body, key, .. }| (author, body, key)).collect()
}

async fn comments(place: &dyn Place, issue: &Issue) {
    let number = issue.number;
    let forged = place.say(number, "いいね\n\n<!-- miyabi:summary -->").await;
    let theirs = (place.person(), forged, None);
    let say = |body: &str| Write::Comment { issue: number, key: "summary".to_owned(), body: body.to_owned() };
    let ours =
        |text: &str| (place.us(), format!("{text}\n\n<!-- miyabi:summary -->"), Some("summary".to_owned()));
    let id = IntentId::from("r/decompose/summary");

    let first = place.forge().perform(&id, &say("6 tasks"), at(3)).await.unwrap();
    assert_eq!(first, Receipt { url: first.url.clone(), ..Receipt::default() });
    assert!(first.url.is_some());
    let again = place.forge().perform(&id, &say("6 tasks"), at(4)).await.unwrap();
    assert_eq!(again, Receipt { found: true, ..first.clone() });
    assert_eq!(told(place, number).await, [theirs.clone(), ours("6 tasks")]);

    assert_eq!(place.forge().perform(&id, &say("7 つ\n`$(id)`"), at(5)).await.unwrap(), first);
    place.say(number, "いいね\n\n<!-- miyabi:summary -->").await;
    assert_eq!(told(place, number).await, [theirs.clone(), ours("7 つ\n`$(id)`"), theirs]);
}

async fn labels(place: &dyn Place, issue: &Issue) {
    let write = Write::Labels {
        issue: issue.number,
        add: vec!["state:implementing".to_owned(), "複雑 #1/2?".to_owned(), "複雑 #1/2?".to_owned()],
        remove: vec!["state:*".to_owned(), "miyabi".to_owned(), "not there".to_owned()],
    };
    let id = IntentId::from("r/decompose/labels");
    for found in [false, true] {
        let receipt = place.forge().perform(&id, &write, at(7)).await.unwrap();
        assert_eq!(receipt, Receipt { url: Some(issue.url.clone()), found, ..Receipt::default() });
        let labels = ["priority:P1-High", "state:implementing", "複雑 #1/2?"].map(str::to_owned).to_vec();
        let expected = Issue { labels, ..issue.clone() };
        assert_eq!(place.forge().issue(issue.number).await.unwrap(), Some(expected));
    }
}

async fn opening(place: &dyn Place, issue: &Issue) -> Change {
    let commit = place.push().await;
    let write = |title: &str| Write::OpenChange {
        issue: issue.number,
        title: title.to_owned(),
        body: format!("## Summary\n\nCloses #{}\n", issue.number),
        head: HEAD.to_owned(),
        base: "main".to_owned(),
        commit: commit.clone(),
    };
    let id = IntentId::from("r/change/open");
    let first = place.forge().perform(&id, &write("feat: add\nuser"), at(8)).await.unwrap();
    let number = first.change.unwrap();
    let change = place.forge().change(number).await.unwrap().unwrap();
    let expected = Change {
        number,
        issue: issue.number,
        title: "feat: add user".to_owned(),
        body: format!("## Summary\n\nCloses #{}\n\n<!-- miyabi:r/change/open -->", issue.number),
        head: HEAD.to_owned(),
        base: "main".to_owned(),
        head_commit: commit.clone(),
        state: ChangeState::Open,
        merge_commit: None,
        labels: vec![],
        url: change.url.clone(),
        created_at: change.created_at,
    };
    assert_eq!(change, expected);
    let receipt = Receipt { change: Some(number), url: Some(change.url.clone()), ..Receipt::default() };
    assert_eq!(first, receipt);
    for title in ["feat: add\nuser", "feat: 認証 を足す"] {
        let again = place.forge().perform(&id, &write(title), at(9)).await.unwrap();
        assert_eq!(again, Receipt { found: true, ..receipt.clone() });
    }

    let label = Write::Labels { issue: number, add: vec!["ready-to-merge".to_owned()], remove: vec![] };
    for found in [false, true] {
        let labelled = place.forge().perform(&"r/change/labels".into(), &label, at(9)).await.unwrap();
        assert_eq!(labelled, Receipt { url: Some(change.url.clone()), found, ..Receipt::default() });
    }
    let expected = Change {
        title: "feat: 認証 を足す".to_owned(),
        labels: vec!["ready-to-merge".to_owned()],
        ..expected
    };
    assert_eq!(place.forge().change(number).await.unwrap(), Some(expected.clone()));
    expected
}

/// The same is said once; what is new takes its place.
async fn marking(place: &dyn Place, commit: &CommitId) {
    let url = Some("https://runs.example/1".to_owned());
    let status = |state: CommitState| {
        Write::CommitStatus(CommitStatus {
            commit: commit.clone(),
            state,
            context: "miyabi/triage".to_owned(),
            description: "3 件".to_owned(),
            url: url.clone(),
        })
    };
    let check = |conclusion: Option<Conclusion>| {
        Write::CheckRun(CheckRun {
            commit: commit.clone(),
            name: "stories".to_owned(),
            key: "r/stories".to_owned(),
            conclusion,
            title: "3 件".to_owned(),
            summary: "| a | b |\n|---|---|\n".to_owned(),
            text: conclusion.map(|_| "`$(id)`".to_owned()),
            url: url.clone(),
        })
    };
    let (pending, success) = (status(CommitState::Pending), status(CommitState::Success));
    let (begun, done) = (check(None), check(Some(Conclusion::Neutral)));
    for write in [pending, success, begun, done] {
        for found in [false, true] {
            let receipt = place.forge().perform(&"r/mark".into(), &write, at(9)).await.unwrap();
            assert_eq!((receipt.found, receipt.as_status), (found, false), "{write:?}");
            assert!(receipt.url.is_some());
        }
    }
}

async fn merging(place: &dyn Place, change: Change) -> Change {
    let write = |commit: &CommitId| Write::MergeChange {
        change: change.number,
        commit: commit.clone(),
        title: "feat: 認証\n\nx".to_owned(),
        only_if_ready: false,
    };
    let id = IntentId::from("r/merge/merge");
    let other = CommitId::from("0123456789012345678901234567890123456789");
    let moved = place.forge().perform(&id, &write(&other), at(10)).await.unwrap_err();
    assert_eq!(moved.class, FailureClass::Permanent, "{moved}");
    assert_eq!(place.forge().change(change.number).await.unwrap(), Some(change.clone()));

    let first = place.forge().perform(&id, &write(&change.head_commit), at(10)).await.unwrap();
    assert!(first.merge_commit.is_some());
    let receipt = Receipt {
        change: Some(change.number),
        merge_commit: first.merge_commit.clone(),
        url: Some(change.url.clone()),
        ..Receipt::default()
    };
    assert_eq!(first, receipt);
    let again = place.forge().perform(&id, &write(&change.head_commit), at(11)).await.unwrap();
    assert_eq!(again, Receipt { found: true, ..receipt });
    let merged = Change { state: ChangeState::Merged, merge_commit: first.merge_commit, ..change };
    assert_eq!(place.forge().change(merged.number).await.unwrap(), Some(merged.clone()));
    merged
}

async fn closing(place: &dyn Place, number: IssueNumber) -> Issue {
    let open = place.forge().issue(number).await.unwrap().unwrap();
    let write = Write::CloseIssue { issue: number };
    for found in [false, true] {
        let receipt = place.forge().perform(&"r/close/close".into(), &write, at(12)).await.unwrap();
        assert_eq!(receipt, Receipt { url: Some(open.url.clone()), found, ..Receipt::default() });
    }
    let closed = Issue { open: false, ..open };
    assert_eq!(place.forge().issue(number).await.unwrap(), Some(closed.clone()));
    closed
}

async fn absent(place: &dyn Place, issue: &Issue, change: &Change) {
    let forge = place.forge();
    assert_eq!(forge.issue(9999).await.unwrap(), None);
    assert_eq!(forge.change(9999).await.unwrap(), None);
    assert_eq!(forge.issue(change.number).await.unwrap(), None);
    assert_eq!(forge.change(issue.number).await.unwrap(), None);
    let (text, commit) = (|| "x".to_owned(), change.head_commit.clone());
    let writes = [
        (Write::Comment { issue: 9999, key: text(), body: text() }, "there is no issue #9999"),
        (Write::Labels { issue: 9999, add: vec![text()], remove: vec![] }, "there is no issue #9999"),
        (Write::CloseIssue { issue: 9999 }, "there is no issue #9999"),
        (
            Write::MergeChange { change: 9999, commit: commit.clone(), title: text(), only_if_ready: false },
            "there is no change #9999",
        ),
        (
            Write::OpenChange {
                issue: 9999,
                title: text(),
                body: text(),
                head: text(),
                base: "main".to_owned(),
                commit,
            },
            "there is no issue #9999",
        ),
    ];
    for (write, message) in writes {
        let failure = forge.perform(&"r/x".into(), &write, at(13)).await.unwrap_err();
        assert_eq!((failure.class, failure.message.as_str()), (FailureClass::Input, message));
        assert!(failure.hint.is_some(), "{message}");
    }
}
