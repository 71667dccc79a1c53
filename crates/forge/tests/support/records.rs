//! `LocalRecords` in memory.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use miyabi_core::commit_mark::CommitMark;
use miyabi_core::failure::FailureClass;
use miyabi_core::ids::{ChangeNumber, CommitId, IssueNumber};
use miyabi_core::issue::{Change, ChangeState, Comment, Issue, NewIssue};
use miyabi_core::ports::{Failure, LocalRecords, NewChange};

/// Facts in memory; counts what is written, and can lose one write.
#[derive(Default)]
pub(crate) struct Records {
    facts: Mutex<Facts>,
    writes: AtomicU32,
    lose_next: AtomicU32,
}

#[derive(Default)]
struct Facts {
    issues: Vec<Issue>,
    changes: Vec<Change>,
    comments: Vec<Comment>,
    marks: Vec<CommitMark>,
}

impl Records {
    /// How many writes there were.
    pub(crate) fn writes(&self) -> u32 {
        self.writes.load(Ordering::SeqCst)
    }

    /// The next write fails and leaves nothing behind.
    pub(crate) fn lose_next_write(&self) {
        self.lose_next.store(1, Ordering::SeqCst);
    }

    /// Closes a change as a person would.
    pub(crate) fn close_change(&self, number: ChangeNumber) {
        let mut facts = self.facts.lock().unwrap();
        facts.changes.iter_mut().find(|change| change.number == number).unwrap().state = ChangeState::Closed;
    }

    fn known_issue(&self, number: IssueNumber) -> Option<Issue> {
        self.facts.lock().unwrap().issues.iter().find(|issue| issue.number == number).cloned()
    }

    fn write(&self) -> Result<(), Failure> {
        if self.lose_next.swap(0, Ordering::SeqCst) == 1 {
            return Err(Failure::new(FailureClass::Transient, "the database is locked"));
        }
        self.writes.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

impl Facts {
    fn taken(&self, number: u64) -> bool {
        self.issues.iter().any(|issue| issue.number == number)
            || self.changes.iter().any(|change| change.number == number)
    }

    fn next(&self) -> u64 {
        let issues = self.issues.iter().map(|issue| issue.number);
        issues.chain(self.changes.iter().map(|change| change.number)).max().unwrap_or(0) + 1
    }
}

#[async_trait]
impl LocalRecords for Records {
    async fn create_issue(&self, issue: &NewIssue, at: Timestamp) -> Result<Issue, Failure> {
        self.write()?;
        let mut facts = self.facts.lock().unwrap();
        let number = issue.number.unwrap_or_else(|| facts.next());
        if facts.taken(number) {
            return Err(Failure::new(FailureClass::Input, format!("#{number} is taken")));
        }
        let issue = Issue {
            number,
            title: issue.title.clone(),
            body: issue.body.clone(),
            labels: issue.labels.clone(),
            author: issue.author.clone(),
            open: true,
            url: format!("miyabi issue show {number}"),
            created_at: at,
        };
        facts.issues.push(issue.clone());
        Ok(issue)
    }

    async fn local_issue(&self, number: IssueNumber) -> Result<Option<Issue>, Failure> {
        let issue = self.known_issue(number);
        // Whoever looks first and writes then is overtaken here, as a real store allows it.
        tokio::task::yield_now().await;
        Ok(issue)
    }

    async fn local_issues(&self, all: bool) -> Result<Vec<Issue>, Failure> {
        let facts = self.facts.lock().unwrap();
        Ok(facts.issues.iter().rev().filter(|issue| all || issue.open).cloned().collect())
    }

    async fn set_issue(&self, number: IssueNumber, labels: &[String], open: bool) -> Result<(), Failure> {
        self.write()?;
        let mut facts = self.facts.lock().unwrap();
        if let Some(issue) = facts.issues.iter_mut().find(|issue| issue.number == number) {
            issue.labels = labels.to_vec();
            issue.open = open;
        } else if let Some(change) = facts.changes.iter_mut().find(|change| change.number == number) {
            change.labels = labels.to_vec();
        } else {
            return Err(Failure::new(FailureClass::Input, format!("no #{number}")));
        }
        Ok(())
    }

    async fn local_comments(&self, number: IssueNumber) -> Result<Vec<Comment>, Failure> {
        let facts = self.facts.lock().unwrap();
        Ok(facts.comments.iter().filter(|comment| comment.issue == number).cloned().collect())
    }

    async fn put_comment(&self, comment: &Comment) -> Result<bool, Failure> {
        self.write()?;
        let mut facts = self.facts.lock().unwrap();
        let there = facts
            .comments
            .iter_mut()
            .find(|known| known.issue == comment.issue && known.key.is_some() && known.key == comment.key);
        match there {
            Some(known) => {
                *known = comment.clone();
                Ok(true)
            }
            None => {
                facts.comments.push(comment.clone());
                Ok(false)
            }
        }
    }

    async fn put_change(&self, new: &NewChange, at: Timestamp) -> Result<(Change, bool), Failure> {
        self.write()?;
        let mut facts = self.facts.lock().unwrap();
        let number = facts.next();
        let open = |change: &&mut Change| change.state == ChangeState::Open && change.head == new.head;
        if let Some(change) = facts.changes.iter_mut().find(open) {
            change.title = new.title.clone();
            change.body = new.body.clone();
            change.base = new.base.clone();
            change.head_commit = new.commit.clone();
            return Ok((change.clone(), true));
        }
        let change = Change {
            number,
            issue: new.issue,
            title: new.title.clone(),
            body: new.body.clone(),
            head: new.head.clone(),
            base: new.base.clone(),
            head_commit: new.commit.clone(),
            state: ChangeState::Open,
            merge_commit: None,
            labels: Vec::new(),
            url: format!("miyabi change show {number}"),
            created_at: at,
        };
        facts.changes.push(change.clone());
        Ok((change, false))
    }

    async fn local_change(&self, number: ChangeNumber) -> Result<Option<Change>, Failure> {
        Ok(self.facts.lock().unwrap().changes.iter().find(|change| change.number == number).cloned())
    }

    async fn local_changes(&self) -> Result<Vec<Change>, Failure> {
        Ok(self.facts.lock().unwrap().changes.iter().rev().cloned().collect())
    }

    async fn local_marks(&self, commit: &CommitId) -> Result<Vec<CommitMark>, Failure> {
        let facts = self.facts.lock().unwrap();
        Ok(facts.marks.iter().filter(|mark| mark.commit() == commit).cloned().collect())
    }

    async fn put_mark(&self, mark: &CommitMark, _: Timestamp) -> Result<bool, Failure> {
        self.write()?;
        let marks = &mut self.facts.lock().unwrap().marks;
        let place = |mark: &CommitMark| (mark.commit().clone(), mark.kind(), mark.key().to_owned());
        let before = marks.len();
        marks.retain(|known| place(known) != place(mark));
        let replaced = marks.len() < before;
        marks.push(mark.clone());
        Ok(replaced)
    }

    async fn set_change(
        &self,
        number: ChangeNumber,
        state: ChangeState,
        merge_commit: Option<&CommitId>,
    ) -> Result<(), Failure> {
        self.write()?;
        let mut facts = self.facts.lock().unwrap();
        let change = facts.changes.iter_mut().find(|change| change.number == number).unwrap();
        change.state = state;
        change.merge_commit = merge_commit.cloned();
        Ok(())
    }
}
