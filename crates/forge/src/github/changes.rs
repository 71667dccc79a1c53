//! What rules ask about changes: whether a branch has one open, whether people approved it, whether its CI passed.

use miyabi_core::facts::{Fact, ReviewFacts, Reviewed};
use miyabi_core::ids::{ChangeNumber, CommitId};
use miyabi_core::ports::{Failure, Forge};
use miyabi_core::standing::Ci;
use serde::Deserialize;

use super::GitHubForge;
use super::client::encoded;

impl GitHubForge {
    /// The open change of a branch of this repo; branches of forks are others.
    pub async fn open_change_of(&self, branch: &str) -> Result<Option<ChangeNumber>, Failure> {
        #[derive(Deserialize)]
        struct Change {
            number: ChangeNumber,
            head: Head,
        }
        #[derive(Deserialize)]
        struct Head {
            #[serde(rename = "ref")]
            branch: String,
        }
        let head = format!("{}:{branch}", self.repo().owner());
        let rest = format!("/pulls?state=open&head={}&per_page=100", encoded(&head));
        let found: Vec<Change> = self.client.list(&rest).await?.unwrap_or_default();
        // A forge that does not know the filter answers with all of them.
        Ok(found.into_iter().find(|change| change.head.branch == branch).map(|change| change.number))
    }

    /// Whether somebody with write permission approves this commit of the change, or its newest one, and nobody with it
    /// asks for changes: the same as the fact `reviews`.
    pub async fn is_approved(
        &self,
        number: ChangeNumber,
        commit: Option<&CommitId>,
    ) -> Result<bool, Failure> {
        let Some(mut survey) = self.survey(number, &[Fact::Reviews]).await? else { return Ok(false) };
        if let Some(commit) = commit {
            survey.change.head_commit = commit.clone();
        }
        Ok(ReviewFacts::of(&survey).state == Reviewed::Approved)
    }

    /// Whether CI says that this commit of the change is good, or its newest one.
    pub async fn has_passed(&self, number: ChangeNumber, commit: Option<&CommitId>) -> Result<bool, Failure> {
        let commit = match commit {
            Some(commit) => commit.clone(),
            None => match self.change(number).await? {
                Some(change) => change.head_commit,
                None => return Ok(false),
            },
        };
        let standing = self.standing(number, &commit).await?;
        Ok(standing.is_some_and(|standing| matches!(standing.ci, Ci::Passed { .. })))
    }
}
