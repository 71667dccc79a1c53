//! What is remembered of past runs, on the store that the settings and the environment name. It is opened when it is
//! first asked, so that commands which do not need it cost nothing.
//!
//! The one place that reads where a Qdrant server and a maker of vectors are, and what they want to be shown. Where they
//! are is not for a repository's settings to say: texts of other repositories go there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ids::RunId;
use miyabi_core::knowledge::{
    Found, KnowledgeStats, Mark, Memory, Query, Record, RecordFilter, RecordId, Remembered,
};
use miyabi_core::ports::{Embedder, Knowledge, Maker, NoKnowledge};
use miyabi_core::redact::Redactor;
use miyabi_model::{EndpointEmbedder, VectorEndpoint};
use miyabi_retrieval::{KnowledgeIndex, LocalShelf, QdrantSettings, QdrantShelf, Shelf};
use tokio::sync::OnceCell;

use secrecy::SecretString;

use crate::context::Context;
use crate::settings::KnowledgeSettings;

/// The address of a Qdrant server's gRPC.
const QDRANT_URL: &str = "MIYABI_QDRANT_URL";
/// What it wants to be shown.
const QDRANT_API_KEY: &str = "MIYABI_QDRANT_API_KEY";
/// Where vectors are made, the address before `/embeddings`.
const EMBEDDINGS_URL: &str = "MIYABI_EMBEDDINGS_URL";
/// What it wants to be shown.
const EMBEDDINGS_KEY: &str = "MIYABI_EMBEDDINGS_API_KEY";
/// How long one request to a Qdrant server may take.
const DEADLINE: Duration = Duration::from_secs(20);
/// How long it may take where somebody wants to know whether it is there.
const LOOK: Duration = Duration::from_secs(5);

/// The knowledge that the settings name.
pub(crate) fn knowledge(
    context: &Context,
    root: &Path,
    settings: &KnowledgeSettings,
    redactor: &Arc<Redactor>,
) -> Arc<dyn Knowledge> {
    if !settings.enabled {
        return Arc::new(NoKnowledge);
    }
    Arc::new(lazy(context, root, settings, redactor))
}

fn lazy(context: &Context, root: &Path, settings: &KnowledgeSettings, redactor: &Arc<Redactor>) -> Lazy {
    let place = match context.var(QDRANT_URL) {
        None => Place::Folder(root.join(&settings.folder)),
        Some(url) => Place::Server(QdrantSettings {
            url: url.to_owned(),
            api_key: context.var(QDRANT_API_KEY).map(|key| SecretString::from(key.to_owned())),
            prefix: settings.collection.clone(),
            timeout: DEADLINE,
            maker: None,
        }),
    };
    let vectors = match context.var(EMBEDDINGS_URL) {
        Some(address) => Vectors::Endpoint(VectorEndpoint {
            address: address.to_owned(),
            key: context.var(EMBEDDINGS_KEY).map(|key| SecretString::from(key.to_owned())),
            model: settings.embed_model.clone(),
            dimensions: settings.embed_dimensions as usize,
        }),
        None if settings.embed_folder.is_empty() => Vectors::None,
        None => Vectors::Files(root.join(&settings.embed_folder)),
    };
    Lazy { place, vectors, redactor: Arc::clone(redactor), opened: OnceCell::new() }
}

/// How what is remembered stands, found out without changing anything.
pub(crate) struct Standing {
    /// What keeps it and how much is there, and where; or why it cannot be used.
    pub(crate) store: Result<(String, String), Failure>,
    /// What makes vectors; none: it is searched by words alone.
    pub(crate) embedder: Option<String>,
}

/// How it stands; none: it is switched off.
pub(crate) async fn standing(
    context: &Context,
    root: &Path,
    settings: &KnowledgeSettings,
    redactor: &Arc<Redactor>,
) -> Option<Standing> {
    if !settings.enabled {
        return None;
    }
    let lazy = lazy(context, root, settings, redactor);
    Some(match lazy.vectors.embedder().await {
        Err(failure) => Standing { store: Err(failure), embedder: None },
        Ok(embedder) => {
            let maker = embedder.map(|embedder| embedder.maker().clone());
            let embedder = maker.as_ref().map(ToString::to_string);
            Standing { store: lazy.place.look(maker).await, embedder }
        }
    })
}

/// Where it is kept.
enum Place {
    Folder(PathBuf),
    Server(QdrantSettings),
}

impl Place {
    /// What is there, and where.
    async fn look(self, maker: Option<Maker>) -> Result<(String, String), Failure> {
        match self {
            Self::Server(server) => {
                let settings = QdrantSettings { maker, timeout: LOOK, ..server };
                let (what, url) = QdrantShelf::look(settings).await?;
                Ok((what, format!("at {url}")))
            }
            Self::Folder(folder) => {
                let place = format!("in {}", folder.display());
                let looked = tokio::task::spawn_blocking(move || LocalShelf::look(&folder, maker.as_ref()));
                let stats =
                    looked.await.map_err(|error| Failure::caused(FailureClass::Internal, &error))??;
                let what = match stats {
                    None => "local index, not made yet".to_owned(),
                    Some(stats) => {
                        let records: u64 = stats.records.values().sum();
                        format!("local index, {records} records of {} runs", stats.runs)
                    }
                };
                Ok((what, place))
            }
        }
    }
}

/// Where vectors come from.
enum Vectors {
    None,
    Endpoint(VectorEndpoint),
    Files(PathBuf),
}

impl Vectors {
    async fn embedder(&self) -> Result<Option<Arc<dyn Embedder>>, Failure> {
        match self {
            Self::None => Ok(None),
            Self::Endpoint(endpoint) => Ok(Some(Arc::new(EndpointEmbedder::new(endpoint.clone())?))),
            Self::Files(folder) => {
                let folder = folder.clone();
                let opened = tokio::task::spawn_blocking(move || local_model(&folder)).await;
                opened.map_err(|error| Failure::caused(FailureClass::Internal, &error))?.map(Some)
            }
        }
    }
}

#[cfg(feature = "local-model")]
fn local_model(folder: &Path) -> Result<Arc<dyn Embedder>, Failure> {
    Ok(Arc::new(miyabi_retrieval::LocalModel::open(folder)?))
}

#[cfg(not(feature = "local-model"))]
fn local_model(folder: &Path) -> Result<Arc<dyn Embedder>, Failure> {
    let what = "`knowledge.embed_folder` is set, and this miyabi is built without local models";
    let what = format!("{what}: use the model in `{}`", folder.display());
    Err(Failure::new(FailureClass::Input, what).hint(
        "build it with them (`cargo install --path crates/cli --features local-model`), name an endpoint with \
         MIYABI_EMBEDDINGS_URL instead, or leave the setting empty to search by words alone",
    ))
}

struct Lazy {
    place: Place,
    vectors: Vectors,
    redactor: Arc<Redactor>,
    opened: OnceCell<KnowledgeIndex>,
}

impl Lazy {
    async fn index(&self) -> Result<&KnowledgeIndex, Failure> {
        self.opened.get_or_try_init(|| self.open()).await
    }

    async fn open(&self) -> Result<KnowledgeIndex, Failure> {
        let embedder = self.vectors.embedder().await?;
        let maker = embedder.as_ref().map(|embedder| embedder.maker().clone());
        let shelf: Arc<dyn Shelf> = match &self.place {
            Place::Server(server) => {
                Arc::new(QdrantShelf::open(QdrantSettings { maker, ..server.clone() }).await?)
            }
            Place::Folder(folder) => {
                let folder = folder.clone();
                let opened = tokio::task::spawn_blocking(move || LocalShelf::open(&folder, maker.as_ref()));
                Arc::new(opened.await.map_err(|error| Failure::caused(FailureClass::Internal, &error))??)
            }
        };
        Ok(KnowledgeIndex::new(shelf, embedder, Arc::clone(&self.redactor)))
    }
}

#[async_trait]
impl Knowledge for Lazy {
    async fn marks(&self, repo: &str) -> Result<BTreeMap<RunId, Mark>, Failure> {
        self.index().await?.marks(repo).await
    }

    async fn remember(&self, repo: &str, runs: &[Memory]) -> Result<Remembered, Failure> {
        self.index().await?.remember(repo, runs).await
    }

    async fn search(&self, query: &Query) -> Result<Found, Failure> {
        self.index().await?.search(query).await
    }

    async fn get(&self, ids: &[RecordId]) -> Result<Vec<Record>, Failure> {
        self.index().await?.get(ids).await
    }

    async fn list(
        &self,
        filter: &RecordFilter,
        after: Option<&RecordId>,
        limit: usize,
    ) -> Result<Vec<Record>, Failure> {
        self.index().await?.list(filter, after, limit).await
    }

    async fn stats(&self) -> Result<KnowledgeStats, Failure> {
        self.index().await?.stats().await
    }

    async fn forget(&self, repo: &str) -> Result<(), Failure> {
        self.index().await?.forget(repo).await
    }
}
