//! The double shows of a change what a real forge shows.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Mutex;

use async_trait::async_trait;
use miyabi_core::facts::{CheckState, CiCheck, Review, ReviewState, Survey, TouchedFile};
use miyabi_core::ids::{ChangeNumber, CommitId};
use miyabi_core::intent::Write;
use miyabi_core::issue::{Change, ChangeState};
use miyabi_core::ports::{Forge, NewChange};
use miyabi_testkit::contract::{self, FILE, Reviewed};
use miyabi_testkit::{RecordingForge, fixtures};

/// The double, and what people and CI made of its change.
struct Shown {
    forge: RecordingForge,
    survey: Mutex<Survey>,
}

impl Shown {
    fn change(&self, edit: impl FnOnce(&mut Survey)) {
        let mut survey = self.survey.lock().unwrap();
        edit(&mut survey);
        self.forge.show(survey.clone());
    }
}

#[async_trait]
impl Reviewed for Shown {
    fn forge(&self) -> &dyn Forge {
        &self.forge
    }

    fn has_reviews(&self) -> bool {
        true
    }

    fn author(&self) -> Option<String> {
        Some("alice".to_owned())
    }

    fn member(&self) -> String {
        "bob".to_owned()
    }

    fn stranger(&self) -> String {
        "mallory".to_owned()
    }

    async fn open(&self) -> ChangeNumber {
        self.change(|_| {});
        self.survey.lock().unwrap().change.number
    }

    async fn push(&self, _: ChangeNumber) -> CommitId {
        self.change(|survey| {
            survey.change.head_commit = format!("{}1", survey.change.head_commit).into();
            survey.checks = Some(Vec::new());
        });
        self.survey.lock().unwrap().change.head_commit.clone()
    }

    async fn request(&self, _: ChangeNumber, who: &str) {
        self.change(|survey| survey.requested.push(who.to_owned()));
    }

    async fn review(&self, _: ChangeNumber, who: &str, state: ReviewState) {
        let may_write = who == self.member();
        self.change(|survey| {
            let commit = Some(survey.change.head_commit.clone());
            let review = Review { by: who.to_owned(), state, commit, may_write };
            survey.reviews.get_or_insert_default().push(review);
        });
    }

    async fn dismiss(&self, _: ChangeNumber, who: &str) {
        self.change(|survey| {
            let last = survey.reviews.iter_mut().flatten().rfind(|review| review.by == who);
            last.unwrap().state = ReviewState::Dismissed;
        });
    }

    async fn check(&self, _: &CommitId, name: &str, state: CheckState) {
        self.change(|survey| {
            let checks = survey.checks.get_or_insert_default();
            checks.retain(|check| check.name != name);
            checks.push(CiCheck { name: name.to_owned(), state, url: None });
        });
    }

    async fn merge(&self, change: ChangeNumber) {
        let commit = self.survey.lock().unwrap().change.head_commit.clone();
        let write = Write::MergeChange { change, commit, title: String::new(), only_if_ready: false };
        self.forge.perform(&"r/merge".into(), &write, fixtures::at(9)).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_shown_of_a_change() {
    let NewChange { issue, title, body, head, base, commit } = fixtures::new_change(500);
    let change = Change {
        number: 501,
        issue,
        title,
        body,
        head,
        base,
        head_commit: commit,
        state: ChangeState::Open,
        merge_commit: None,
        labels: Vec::new(),
        url: "miyabi change show 501".to_owned(),
        created_at: fixtures::at(1),
    };
    let file = TouchedFile { path: FILE.to_owned(), how: "added".to_owned(), insertions: 1, deletions: 0 };
    let survey = Survey {
        author: Some("alice".to_owned()),
        files: Some(vec![file]),
        reviews: Some(Vec::new()),
        checks: Some(Vec::new()),
        ..Survey::of(change)
    };
    contract::survey(&Shown { forge: RecordingForge::new(), survey: Mutex::new(survey) }).await;
}
