//! The local forge's records in maps.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use miyabi_core::commit_mark::CommitMark;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::{ChangeNumber, CommitId, IssueNumber};
use miyabi_core::issue::{Change, ChangeState, Comment, Issue, NewIssue};
use miyabi_core::ports::{LocalRecords, NewChange};

use super::MemoryStore;

/// The largest number that a column of the real store can hold.
const LARGEST: u64 = i64::MAX.unsigned_abs();

#[derive(Default)]
pub(super) struct Local {
    issues: BTreeMap<IssueNumber, Issue>,
    changes: BTreeMap<ChangeNumber, Change>,
    comments: Vec<Comment>,
    marks: Vec<CommitMark>,
}

impl Local {
    fn has(&self, number: u64) -> bool {
        self.issues.contains_key(&number) || self.changes.contains_key(&number)
    }

    fn next_number(&self) -> Result<u64, Failure> {
        let last = self.issues.keys().chain(self.changes.keys()).max().copied().unwrap_or(0);
        if last < LARGEST { Ok(last + 1) } else { Err(input("there is no number left".to_owned())) }
    }

    fn open_change_of(&self, head: &str) -> Option<ChangeNumber> {
        let open = |change: &&Change| change.head == head && change.state == ChangeState::Open;
        self.changes.values().find(open).map(|change| change.number)
    }
}

#[async_trait]
impl LocalRecords for MemoryStore {
    async fn create_issue(&self, new: &NewIssue, at: Timestamp) -> Result<Issue, Failure> {
        let local = &mut self.state().local;
        let number = match new.number {
            None => local.next_number()?,
            Some(number) if number == 0 || number > LARGEST => {
                return Err(input(format!("file issue {number}: not a possible number")));
            }
            Some(number) if local.has(number) => {
                return Err(input(format!("file issue #{number}: the number is taken")));
            }
            Some(number) => number,
        };
        let NewIssue { title, body, labels, author, .. } = new.clone();
        let url = format!("miyabi issue show {number}");
        let issue = Issue { number, title, body, labels, author, open: true, url, created_at: at };
        local.issues.insert(number, issue.clone());
        Ok(issue)
    }

    async fn local_issue(&self, number: IssueNumber) -> Result<Option<Issue>, Failure> {
        Ok(self.state().local.issues.get(&number).cloned())
    }

    async fn local_issues(&self, all: bool) -> Result<Vec<Issue>, Failure> {
        let wanted = |issue: &&Issue| all || issue.open;
        let mut issues: Vec<Issue> =
            self.state().local.issues.values().rev().filter(wanted).cloned().collect();
        issues.sort_by_key(|issue| Reverse(issue.created_at));
        Ok(issues)
    }

    async fn set_issue(&self, number: IssueNumber, labels: &[String], open: bool) -> Result<(), Failure> {
        let local = &mut self.state().local;
        if !local.has(number) {
            return Err(input(format!("find issue or change #{number}: there is none")));
        }
        if let Some(issue) = local.issues.get_mut(&number) {
            issue.labels = labels.to_vec();
            issue.open = open;
        }
        if let Some(change) = local.changes.get_mut(&number) {
            change.labels = labels.to_vec();
        }
        Ok(())
    }

    async fn local_comments(&self, number: IssueNumber) -> Result<Vec<Comment>, Failure> {
        let of_issue = |comment: &&Comment| comment.issue == number;
        Ok(self.state().local.comments.iter().filter(of_issue).cloned().collect())
    }

    async fn put_comment(&self, comment: &Comment) -> Result<bool, Failure> {
        let local = &mut self.state().local;
        if !local.has(comment.issue) {
            return Err(input(format!("find issue or change #{}: there is none", comment.issue)));
        }
        let same = |known: &&mut Comment| {
            comment.key.is_some() && known.key == comment.key && known.issue == comment.issue
        };
        let known = local.comments.iter_mut().find(same);
        let replaced = known.is_some();
        match known {
            Some(known) => *known = Comment { created_at: known.created_at, ..comment.clone() },
            None => local.comments.push(comment.clone()),
        }
        Ok(replaced)
    }

    async fn put_change(&self, new: &NewChange, at: Timestamp) -> Result<(Change, bool), Failure> {
        let local = &mut self.state().local;
        let open = local.open_change_of(&new.head);
        let number = match open {
            Some(number) => number,
            None => local.next_number()?,
        };
        let NewChange { issue, title, body, head, base, commit } = new.clone();
        let known = local.changes.get(&number);
        let change = Change {
            number,
            issue,
            title,
            body,
            head,
            base,
            head_commit: commit,
            state: ChangeState::Open,
            merge_commit: known.and_then(|known| known.merge_commit.clone()),
            labels: known.map(|known| known.labels.clone()).unwrap_or_default(),
            url: format!("miyabi change show {number}"),
            created_at: known.map_or(at, |known| known.created_at),
        };
        local.changes.insert(number, change.clone());
        Ok((change, open.is_some()))
    }

    async fn local_change(&self, number: ChangeNumber) -> Result<Option<Change>, Failure> {
        Ok(self.state().local.changes.get(&number).cloned())
    }

    async fn local_changes(&self) -> Result<Vec<Change>, Failure> {
        let mut changes: Vec<Change> = self.state().local.changes.values().rev().cloned().collect();
        changes.sort_by_key(|change| Reverse(change.created_at));
        Ok(changes)
    }

    async fn local_marks(&self, commit: &CommitId) -> Result<Vec<CommitMark>, Failure> {
        let marks = &self.state().local.marks;
        Ok(marks.iter().filter(|mark| mark.commit() == commit).cloned().collect())
    }

    async fn put_mark(&self, mark: &CommitMark, _: Timestamp) -> Result<bool, Failure> {
        let marks = &mut self.state().local.marks;
        let place = |mark: &CommitMark| (mark.commit().clone(), mark.kind(), mark.key().to_owned());
        let known = marks.iter_mut().find(|known| place(known) == place(mark));
        let replaced = known.is_some();
        match known {
            Some(known) => *known = mark.clone(),
            None => marks.push(mark.clone()),
        }
        Ok(replaced)
    }

    async fn set_change(
        &self,
        number: ChangeNumber,
        state: ChangeState,
        merge_commit: Option<&CommitId>,
    ) -> Result<(), Failure> {
        let local = &mut self.state().local;
        let Some(head) = local.changes.get(&number).map(|change| change.head.clone()) else {
            return Err(input(format!("find change #{number}: there is none")));
        };
        let taken = local.open_change_of(&head).is_some_and(|other| other != number);
        if state == ChangeState::Open && taken {
            return Err(input(format!("open change #{number}: branch `{head}` has another open change")));
        }
        if let Some(change) = local.changes.get_mut(&number) {
            change.state = state;
            change.merge_commit = merge_commit.cloned();
        }
        Ok(())
    }
}

fn input(message: String) -> Failure {
    Failure::new(FailureClass::Input, message)
        .hint("`miyabi issue list --all` and `miyabi change list` show what is there")
}
