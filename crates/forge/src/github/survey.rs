//! What there is to see of a change: its files, its reviews, and what CI says of its head.

use std::collections::BTreeMap;

use miyabi_core::facts::{Fact, Review, ReviewState, Survey, TouchedFile};
use miyabi_core::ids::ChangeNumber;
use miyabi_core::trigger::Permission;
use serde::Deserialize;

use super::payload::ReviewPayload;
use super::{GitHubError, GitHubForge};

/// Of so many people it is asked whether they may write; of more, nobody else's word counts.
const MAX_PEOPLE: usize = 50;

#[derive(Deserialize)]
struct FilePayload {
    filename: String,
    status: String,
    #[serde(default)]
    additions: u64,
    #[serde(default)]
    deletions: u64,
}

impl GitHubForge {
    /// What is wanted of a change, at its head as it is now.
    pub(super) async fn find_survey(
        &self,
        number: ChangeNumber,
        wanted: &[Fact],
    ) -> Result<Option<Survey>, GitHubError> {
        let Some(pull) = self.find_pull(number).await? else { return Ok(None) };
        let wants = |fact: Fact| wanted.contains(&fact);
        let files = match wants(Fact::Change) {
            true => Some(self.find_files(number).await?),
            false => None,
        };
        let reviews = match wants(Fact::Reviews) {
            true => Some(self.find_reviews(number).await?),
            false => None,
        };
        let checks = match wants(Fact::Ci) {
            true => Some(self.find_checks(&pull.head.sha).await?),
            false => None,
        };
        Ok(Some(Survey {
            author: Some(pull.author()),
            draft: pull.is_draft(),
            requested: pull.requested(),
            change: pull.change(),
            files,
            reviews,
            checks,
        }))
    }

    async fn find_files(&self, number: ChangeNumber) -> Result<Vec<TouchedFile>, GitHubError> {
        let files: Vec<FilePayload> =
            self.client.list(&format!("/pulls/{number}/files?per_page=100")).await?.unwrap_or_default();
        let touched = files.into_iter().map(|file| TouchedFile {
            path: file.filename,
            how: file.status,
            insertions: file.additions,
            deletions: file.deletions,
        });
        Ok(touched.collect())
    }

    /// All reviews, oldest first, each with whether its author may write here, as GitHub says.
    async fn find_reviews(&self, number: ChangeNumber) -> Result<Vec<Review>, GitHubError> {
        let found: Vec<ReviewPayload> =
            self.client.list(&format!("/pulls/{number}/reviews?per_page=100")).await?.unwrap_or_default();
        let mut may_write: BTreeMap<String, bool> = BTreeMap::new();
        let mut reviews = Vec::new();
        for review in found {
            let Some(state) = review.says() else { continue };
            let by = review.author();
            // Whoever only comments decides nothing.
            let asks = state != ReviewState::Commented && may_write.len() < MAX_PEOPLE;
            if asks && !may_write.contains_key(&by) {
                let granted = self.find_permission(&by).await? >= Permission::Write;
                may_write.insert(by.clone(), granted);
            }
            let may_write = may_write.get(&by).copied().unwrap_or(false);
            reviews.push(Review { by, state, commit: review.commit_id, may_write });
        }
        Ok(reviews)
    }
}
