//! A forge that is a service: issues and changes live there, and branches reach it through a git remote.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use miyabi_core::facts::{Fact, Survey};
use miyabi_core::ids::{ChangeNumber, CommitId, IntentId, IssueNumber};
use miyabi_core::intent::{Receipt, Write};
use miyabi_core::issue::{Change, Comment, Issue};
use miyabi_core::ports::{Failure, Forge, PushSpec, Remote};
use miyabi_core::standing::Standing;

/// A forge together with the remote that its changes' branches are on.
///
/// A change is opened of what stands on the remote, so its branch is pushed first; both can be repeated.
pub struct HostedForge {
    forge: Arc<dyn Forge>,
    remote: Arc<dyn Remote>,
}

impl HostedForge {
    /// The forge whose branches are on that remote.
    pub fn new(forge: Arc<dyn Forge>, remote: Arc<dyn Remote>) -> Self {
        Self { forge, remote }
    }
}

#[async_trait]
impl Forge for HostedForge {
    async fn issue(&self, number: IssueNumber) -> Result<Option<Issue>, Failure> {
        self.forge.issue(number).await
    }

    async fn comments(&self, number: IssueNumber) -> Result<Vec<Comment>, Failure> {
        self.forge.comments(number).await
    }

    async fn change(&self, number: ChangeNumber) -> Result<Option<Change>, Failure> {
        self.forge.change(number).await
    }

    async fn standing(&self, number: ChangeNumber, commit: &CommitId) -> Result<Option<Standing>, Failure> {
        self.forge.standing(number, commit).await
    }

    async fn survey(&self, number: ChangeNumber, wanted: &[Fact]) -> Result<Option<Survey>, Failure> {
        self.forge.survey(number, wanted).await
    }

    async fn perform(&self, id: &IntentId, write: &Write, at: Timestamp) -> Result<Receipt, Failure> {
        match write {
            Write::OpenChange { head, commit, .. } => {
                let spec = PushSpec { branch: head.clone(), commit: commit.clone() };
                self.remote.push(&spec).await?;
            }
            Write::DeleteBranch { branch, commit } => {
                let deleted = self.remote.delete(branch, commit).await?;
                return Ok(Receipt { found: !deleted, ..Receipt::default() });
            }
            _ => {}
        }
        self.forge.perform(id, write, at).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use miyabi_core::failure::FailureClass;
    use miyabi_core::ports::Pushed;
    use miyabi_testkit::RecordingForge;

    use super::*;

    /// A remote that notes what it is asked, and refuses pushes if it is told to.
    #[derive(Default)]
    struct Notes {
        asked: Mutex<Vec<String>>,
        refuses: bool,
    }

    #[async_trait]
    impl Remote for Notes {
        async fn fetch(&self, _: &str) -> Result<Option<CommitId>, Failure> {
            Ok(None)
        }

        async fn push(&self, spec: &PushSpec) -> Result<Pushed, Failure> {
            self.asked.lock().unwrap().push(format!("push {} {}", spec.branch, spec.commit));
            match self.refuses {
                true => Err(Failure::new(FailureClass::Permanent, "somebody else's commit stands there")),
                false => Ok(Pushed::Done { before: None }),
            }
        }

        async fn delete(&self, branch: &str, expected: &CommitId) -> Result<bool, Failure> {
            self.asked.lock().unwrap().push(format!("delete {branch} {expected}"));
            Ok(true)
        }
    }

    fn open() -> Write {
        Write::OpenChange {
            issue: 7,
            title: "feat: 認証 (#7)".to_owned(),
            body: String::new(),
            head: "feature/issue-7".to_owned(),
            base: "main".to_owned(),
            commit: CommitId::new("c1"),
        }
    }

    #[tokio::test]
    async fn a_branch_is_pushed_before_its_change_is_opened_and_deleted_by_its_commit() {
        let (forge, remote) = (Arc::new(RecordingForge::default()), Arc::new(Notes::default()));
        let hosted = HostedForge::new(forge.clone(), remote.clone());
        let at = Timestamp::UNIX_EPOCH;
        hosted.perform(&"i1".into(), &open(), at).await.unwrap();
        let delete =
            Write::DeleteBranch { branch: "feature/issue-7".to_owned(), commit: CommitId::new("c1") };
        let receipt = hosted.perform(&"i2".into(), &delete, at).await.unwrap();
        assert_eq!(receipt, Receipt::default());
        assert_eq!(*remote.asked.lock().unwrap(), ["push feature/issue-7 c1", "delete feature/issue-7 c1"]);
        assert_eq!(forge.writes(), [("i1".into(), open())]);
    }

    #[tokio::test]
    async fn nothing_is_opened_when_the_push_is_refused() {
        let remote = Arc::new(Notes { refuses: true, ..Notes::default() });
        let forge = Arc::new(RecordingForge::default());
        let hosted = HostedForge::new(forge.clone(), remote);
        let failure = hosted.perform(&"i1".into(), &open(), Timestamp::UNIX_EPOCH).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Permanent);
        assert_eq!(forge.writes(), []);
    }
}
