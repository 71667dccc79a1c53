//! What miyabi sets up in a repository: its labels.

use http::{Method, StatusCode};
use miyabi_core::labels::LabelSpec;
use miyabi_core::ports::Failure;
use serde::Deserialize;
use serde_json::json;

use super::client::encoded;
use super::{GitHubError, GitHubForge};

/// What became of the labels of a repository. Labels that are in no manifest are nobody's business here.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct LabelSync {
    /// Names of those that are new.
    pub created: Vec<String>,
    /// Names of those whose colour or description changed.
    pub updated: Vec<String>,
    /// How many were as they should be.
    pub unchanged: usize,
}

#[derive(Deserialize)]
struct Label {
    name: String,
    color: String,
    description: Option<String>,
}

impl GitHubForge {
    /// Makes the labels of the manifest and brings their colours and descriptions up to date; never deletes one.
    pub async fn sync_labels(&self, wanted: &[LabelSpec]) -> Result<LabelSync, Failure> {
        Ok(self.put_manifest(wanted).await?)
    }

    async fn put_manifest(&self, wanted: &[LabelSpec]) -> Result<LabelSync, GitHubError> {
        let _writing = self.writing.lock().await;
        let there: Vec<Label> = self.client.list("/labels?per_page=100").await?.unwrap_or_default();
        let mut sync = LabelSync::default();
        for label in wanted {
            let known = there.iter().find(|known| known.name.to_lowercase() == label.name.to_lowercase());
            let text = json!({ "color": label.color, "description": label.description });
            match known {
                Some(known)
                    if known.color.eq_ignore_ascii_case(&label.color)
                        && known.description.as_deref().unwrap_or_default() == label.description =>
                {
                    sync.unchanged += 1;
                }
                Some(known) => {
                    let rest = format!("/labels/{}", encoded(&known.name));
                    self.client.write(Method::PATCH, &rest, Some(text)).await?;
                    sync.updated.push(label.name.clone());
                }
                None => {
                    let mut new = text;
                    new["name"] = label.name.clone().into();
                    match self.client.write(Method::POST, "/labels", Some(new)).await {
                        // Somebody made it since we looked.
                        Err(error) if error.status() == Some(StatusCode::UNPROCESSABLE_ENTITY) => {}
                        answer => {
                            answer?;
                        }
                    }
                    sync.created.push(label.name.clone());
                }
            }
        }
        Ok(sync)
    }
}
