//! The local forge's records.

use std::sync::Arc;

use miyabi_core::commit_mark::{CheckRun, CommitMark, CommitState, CommitStatus, Conclusion};
use miyabi_core::issue::{Change, ChangeState, Comment, Issue, NewIssue};
use miyabi_core::ports::{LocalRecords, NewChange};
use tokio::task::JoinSet;

use super::assert_input;
use crate::fixtures::{at, comment, commit, issue, new_change, new_issue};

/// What is true of every [`LocalRecords`].
pub async fn local_records<R: LocalRecords + 'static>(make: impl Fn() -> R) {
    an_issue_comes_back_as_it_was_filed(&make()).await;
    what_is_not_there_is_none(&make()).await;
    a_number_is_given_once(&make()).await;
    issues_and_changes_share_their_numbers(&make()).await;
    many_issues_at_once_get_numbers_without_gaps(make()).await;
    issues_are_listed_newest_first(&make()).await;
    labels_and_openness_are_set(&make()).await;
    comments_are_kept_in_order(&make()).await;
    a_comment_with_a_known_key_replaces_that_one(&make()).await;
    a_comment_needs_something_to_stand_on(&make()).await;
    a_change_of_a_known_open_head_is_brought_up_to_date(&make()).await;
    a_change_of_a_closed_head_is_a_new_one(&make()).await;
    a_change_is_merged(&make()).await;
    what_is_said_at_a_commit_is_kept_once_for_each_kind_and_key(&make()).await;
    any_text_of_any_size_comes_back(&make()).await;
}

async fn file(records: &impl LocalRecords, new: &NewIssue) -> Issue {
    records.create_issue(new, at(0)).await.expect("the issue is filed")
}

async fn say(records: &impl LocalRecords, comment: &Comment) -> bool {
    records.put_comment(comment).await.expect("the comment is kept")
}

async fn comments(records: &impl LocalRecords, number: u64) -> Vec<Comment> {
    records.local_comments(number).await.expect("comments can be listed")
}

async fn open(records: &impl LocalRecords, new: &NewChange, seconds: i64) -> (Change, bool) {
    records.put_change(new, at(seconds)).await.expect("the change is kept")
}

fn change(number: u64, new: &NewChange, created: i64) -> Change {
    let NewChange { issue, title, body, head, base, commit } = new.clone();
    Change {
        number,
        issue,
        title,
        body,
        head,
        base,
        head_commit: commit,
        state: ChangeState::Open,
        merge_commit: None,
        labels: Vec::new(),
        url: format!("miyabi change show {number}"),
        created_at: at(created),
    }
}

async fn an_issue_comes_back_as_it_was_filed(records: &impl LocalRecords) {
    assert_eq!(file(records, &new_issue(Some(500))).await, issue(500));
    assert_eq!(records.local_issue(500).await, Ok(Some(issue(500))));
    assert_eq!(file(records, &new_issue(None)).await, issue(501));
    let bare =
        NewIssue { number: None, title: "x".into(), body: String::new(), labels: vec![], author: "b".into() };
    let filed = file(records, &bare).await;
    let expected = Issue {
        number: 502,
        title: "x".into(),
        body: String::new(),
        labels: vec![],
        author: "b".into(),
        open: true,
        url: "miyabi issue show 502".into(),
        created_at: at(0),
    };
    assert_eq!(filed, expected);
    assert_eq!(records.local_issue(502).await, Ok(Some(expected)));
}

async fn what_is_not_there_is_none(records: &impl LocalRecords) {
    for number in [0, 1, u64::MAX] {
        assert_eq!(records.local_issue(number).await, Ok(None));
        assert_eq!(records.local_change(number).await, Ok(None));
        assert_input(records.set_issue(number, &[], true).await);
        assert_input(records.set_change(number, ChangeState::Closed, None).await);
    }
    assert_eq!(comments(records, 1).await, []);
    assert_eq!(records.local_issues(true).await, Ok(vec![]));
    assert_eq!(records.local_changes().await, Ok(vec![]));
}

async fn a_number_is_given_once(records: &impl LocalRecords) {
    assert_eq!(file(records, &new_issue(None)).await.number, 1);
    let (opened, _) = open(records, &new_change(1), 0).await;
    assert_eq!(opened.number, 2);
    for taken in [1, 2] {
        assert_input(records.create_issue(&new_issue(Some(taken)), at(1)).await);
    }
    for impossible in [0, u64::MAX] {
        assert_input(records.create_issue(&new_issue(Some(impossible)), at(1)).await);
    }
    assert_eq!(records.local_issues(true).await, Ok(vec![issue(1)]));
    let last = i64::MAX.unsigned_abs();
    assert_eq!(file(records, &new_issue(Some(last))).await, issue(last));
    assert_input(records.create_issue(&new_issue(None), at(1)).await);
    assert_input(records.put_change(&new_change(500), at(1)).await);
}

async fn issues_and_changes_share_their_numbers(records: &impl LocalRecords) {
    assert_eq!(file(records, &new_issue(None)).await.number, 1);
    assert_eq!(open(records, &new_change(1), 0).await.0.number, 2);
    assert_eq!(file(records, &new_issue(None)).await.number, 3);
    assert_eq!(file(records, &new_issue(Some(10))).await.number, 10);
    assert_eq!(open(records, &new_change(3), 0).await.0.number, 11);
    assert_eq!(file(records, &new_issue(Some(5))).await.number, 5);
    assert_eq!(file(records, &new_issue(None)).await.number, 12);
    assert_eq!(records.local_issue(2).await, Ok(None));
    assert_eq!(records.local_change(1).await, Ok(None));
}

async fn many_issues_at_once_get_numbers_without_gaps<R: LocalRecords + 'static>(records: R) {
    let records = Arc::new(records);
    let mut filing = JoinSet::new();
    for _ in 0..24 {
        let records = Arc::clone(&records);
        filing.spawn(async move { file(&*records, &new_issue(None)).await.number });
    }
    let mut numbers = filing.join_all().await;
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=24).collect::<Vec<u64>>());
}

async fn issues_are_listed_newest_first(records: &impl LocalRecords) {
    for (number, seconds) in [(7, 0), (3, 20), (9, 10), (8, 10)] {
        records.create_issue(&new_issue(Some(number)), at(seconds)).await.expect("filed");
    }
    records.set_issue(9, &[], false).await.expect("closed");
    let numbers = |issues: Vec<Issue>| issues.iter().map(|issue| issue.number).collect::<Vec<u64>>();
    assert_eq!(records.local_issues(false).await.map(numbers), Ok(vec![3, 8, 7]));
    assert_eq!(records.local_issues(true).await.map(numbers), Ok(vec![3, 9, 8, 7]));

    let mut one = new_change(3);
    for (head, seconds) in [("a", 40), ("b", 60), ("c", 50)] {
        head.clone_into(&mut one.head);
        open(records, &one, seconds).await;
    }
    let heads = |changes: Vec<Change>| changes.into_iter().map(|change| change.head).collect::<Vec<String>>();
    assert_eq!(records.local_changes().await.map(heads), Ok(vec!["b".into(), "c".into(), "a".into()]));
}

async fn labels_and_openness_are_set(records: &impl LocalRecords) {
    let filed = file(records, &new_issue(None)).await;
    let (opened, _) = open(records, &new_change(1), 0).await;
    let labels = ["状態:done".to_owned(), "a \"b\", c".to_owned()];
    records.set_issue(1, &labels, false).await.expect("set");
    let closed = Issue { labels: labels.to_vec(), open: false, ..filed.clone() };
    assert_eq!(records.local_issue(1).await, Ok(Some(closed)));
    records.set_issue(1, &filed.labels, true).await.expect("set");
    assert_eq!(records.local_issue(1).await, Ok(Some(filed)));
    records.set_issue(2, &labels, false).await.expect("set");
    let labelled = Change { labels: labels.to_vec(), ..opened };
    assert_eq!(records.local_change(2).await, Ok(Some(labelled)));
}

async fn comments_are_kept_in_order(records: &impl LocalRecords) {
    file(records, &new_issue(None)).await;
    open(records, &new_change(1), 0).await;
    let said = [
        comment(1, None, "same", 5, 5),
        comment(1, Some("plan"), "# 計画", 1, 1),
        comment(1, None, "same", 5, 5),
    ];
    for comment in &said {
        assert!(!say(records, comment).await);
    }
    let elsewhere = comment(2, Some("plan"), "on the change", 2, 2);
    assert!(!say(records, &elsewhere).await);
    assert_eq!(comments(records, 1).await, said);
    assert_eq!(comments(records, 2).await, [elsewhere]);
}

async fn a_comment_with_a_known_key_replaces_that_one(records: &impl LocalRecords) {
    file(records, &new_issue(None)).await;
    assert!(!say(records, &comment(1, Some("plan"), "first", 1, 1)).await);
    assert!(!say(records, &comment(1, Some("report"), "report", 2, 2)).await);
    assert!(say(records, &comment(1, Some("plan"), "second", 3, 3)).await);
    assert!(say(records, &comment(1, Some("plan"), "third", 4, 4)).await);
    let expected = [comment(1, Some("plan"), "third", 1, 4), comment(1, Some("report"), "report", 2, 2)];
    assert_eq!(comments(records, 1).await, expected);
}

async fn a_comment_needs_something_to_stand_on(records: &impl LocalRecords) {
    for number in [0, 7, u64::MAX] {
        assert_input(records.put_comment(&comment(number, None, "lost", 1, 1)).await);
    }
    assert_eq!(comments(records, 7).await, []);
}

async fn a_change_of_a_known_open_head_is_brought_up_to_date(records: &impl LocalRecords) {
    let first = new_change(500);
    assert_eq!(open(records, &first, 1).await, (change(1, &first, 1), false));
    records.set_issue(1, &["ready-to-merge".to_owned()], true).await.expect("labelled");
    let second = NewChange {
        issue: 501,
        title: "feat: 認証を追加 (#500)".to_owned(),
        body: "new".to_owned(),
        base: "develop".to_owned(),
        commit: commit(2),
        ..first
    };
    let expected = Change { labels: vec!["ready-to-merge".to_owned()], ..change(1, &second, 1) };
    assert_eq!(open(records, &second, 9).await, (expected.clone(), true));
    assert_eq!(records.local_changes().await, Ok(vec![expected]));
}

async fn a_change_of_a_closed_head_is_a_new_one(records: &impl LocalRecords) {
    let new = new_change(500);
    for number in 1..=2 {
        assert_eq!(open(records, &new, 1).await, (change(number, &new, 1), false));
        records.set_change(number, ChangeState::Closed, None).await.expect("closed");
    }
    assert_eq!(open(records, &new, 1).await, (change(3, &new, 1), false));
    // The branch has an open change: an old one cannot be opened beside it.
    assert_input(records.set_change(1, ChangeState::Open, None).await);
    records.set_change(3, ChangeState::Closed, None).await.expect("closed");
    records.set_change(1, ChangeState::Open, None).await.expect("opened again");
    assert_eq!(records.local_change(1).await, Ok(Some(change(1, &new, 1))));
}

async fn a_change_is_merged(records: &impl LocalRecords) {
    let new = new_change(500);
    open(records, &new, 1).await;
    records.set_change(1, ChangeState::Merged, Some(&commit(3))).await.expect("merged");
    let merged = Change { state: ChangeState::Merged, merge_commit: Some(commit(3)), ..change(1, &new, 1) };
    assert_eq!(records.local_change(1).await, Ok(Some(merged)));
}

async fn what_is_said_at_a_commit_is_kept_once_for_each_kind_and_key(records: &impl LocalRecords) {
    let status = |n: u32, context: &str, state: CommitState| {
        CommitMark::Status(CommitStatus {
            commit: commit(n),
            state,
            context: context.to_owned(),
            description: "3 件 '; DROP TABLE local_marks; --".to_owned(),
            url: None,
        })
    };
    let check = |conclusion: Option<Conclusion>| {
        CommitMark::CheckRun(CheckRun {
            commit: commit(1),
            name: "stories".to_owned(),
            key: "a".to_owned(),
            conclusion,
            title: "3 件".to_owned(),
            summary: "# 表\n".to_owned(),
            text: Some("`$(id)`".to_owned()),
            url: Some("https://runs.example/1".to_owned()),
        })
    };
    let said = [
        (status(1, "a", CommitState::Pending), false),
        (check(None), false),
        (status(1, "b", CommitState::Error), false),
        (status(2, "a", CommitState::Failure), false),
        (status(1, "a", CommitState::Success), true),
        (check(Some(Conclusion::TimedOut)), true),
    ];
    for (second, (mark, replaces)) in (1..).zip(said) {
        assert_eq!(records.put_mark(&mark, at(second)).await, Ok(replaces), "{mark:?}");
    }
    let first = [
        status(1, "a", CommitState::Success),
        check(Some(Conclusion::TimedOut)),
        status(1, "b", CommitState::Error),
    ];
    assert_eq!(records.local_marks(&commit(1)).await, Ok(first.to_vec()));
    let second = vec![status(2, "a", CommitState::Failure)];
    assert_eq!(records.local_marks(&commit(2)).await, Ok(second));
    assert_eq!(records.local_marks(&commit(3)).await, Ok(vec![]));
}

async fn any_text_of_any_size_comes_back(records: &impl LocalRecords) {
    let strange = "'; DROP TABLE local_issues; -- \"日本語\" $(reboot) ${HOME}\r\n\u{0}\u{1b}[0m 🔐";
    let large = "長い文。".repeat(175_000);
    let new = NewIssue {
        number: None,
        title: strange.to_owned(),
        body: large.clone(),
        labels: vec![strange.to_owned()],
        author: strange.to_owned(),
    };
    let filed = file(records, &new).await;
    assert!(records.local_issue(1).await == Ok(Some(filed.clone())));
    assert!((filed.title, filed.body, filed.labels) == (new.title, new.body, new.labels));
    let said = Comment { author: strange.to_owned(), ..comment(1, Some(strange), &large, 1, 1) };
    assert!(!say(records, &said).await);
    assert!(say(records, &said).await);
    assert!(comments(records, 1).await == [said]);
    let new = NewChange { title: strange.to_owned(), body: large, head: strange.to_owned(), ..new_change(1) };
    let (opened, _) = open(records, &new, 1).await;
    assert!(opened == change(2, &new, 1));
    assert!(records.local_change(2).await == Ok(Some(opened)));
}
