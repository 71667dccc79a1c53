//! Where the points are: a collection for each maker of vectors, with its vectors and the fields that are searched.

use miyabi_core::ports::Maker;
use std::collections::HashMap;

use miyabi_core::failure::{Failure, FailureClass};
use qdrant_client::qdrant::vectors_config::Config;
use qdrant_client::qdrant::{
    CollectionInfo, CreateCollectionBuilder, CreateFieldIndexCollectionBuilder, Distance, FieldType,
    HnswConfigDiffBuilder, Modifier, SparseVectorConfig, SparseVectorParamsBuilder, VectorParams,
    VectorParamsBuilder, VectorParamsMap, VectorsConfig,
};
use sha2::{Digest, Sha256};

use super::ask::Server;
use super::point::field;
use super::{DENSE, WORDS};

/// The oldest server. Those before count how rare a term is wrongly once points were deleted (qdrant/qdrant#6735), and
/// every second version of a run deletes some; points are chosen by their vectors, and names listed, since 1.13.
const OLDEST: (u64, u64) = (1, 15);
/// Characters of a maker's name that are seen in its collection's.
const SEEN: usize = 60;

/// Fields by which points are chosen, and what they hold.
const FIELDS: [(&str, FieldType); 10] = [
    (field::REPO, FieldType::Keyword),
    (field::RUN, FieldType::Keyword),
    (field::KIND, FieldType::Keyword),
    (field::AGENT, FieldType::Keyword),
    (field::OUTCOME, FieldType::Keyword),
    (field::RECORD, FieldType::Keyword),
    (field::CONTENT, FieldType::Keyword),
    (field::GIVEN, FieldType::Keyword),
    (field::PLACE, FieldType::Integer),
    (field::AT, FieldType::Datetime),
];

/// A collection.
pub(super) struct Place {
    pub(super) collection: String,
    pub(super) maker: Option<Maker>,
}

impl Place {
    pub(super) fn of(prefix: &str, maker: Option<Maker>) -> Self {
        let of = maker.as_ref().map_or_else(|| WORDS.to_owned(), |maker| slug(&maker.name));
        Self { collection: format!("{prefix}-{of}"), maker }
    }

    /// The server's version, if it knows everything that is asked of it.
    pub(super) async fn version(&self, server: &Server) -> Result<String, Failure> {
        let reply = server.ask("reach", || server.client.health_check()).await?;
        let mut numbers = reply.version.split('.').map(|it| it.parse::<u64>().ok());
        let version = numbers.next().flatten().zip(numbers.next().flatten());
        let told: String = reply.version.chars().filter(|it| !it.is_control()).take(40).collect();
        if version.is_some_and(|version| version >= OLDEST) {
            return Ok(told);
        }
        let (major, minor) = OLDEST;
        let message = format!("Qdrant at {} is version `{told}`, and {major}.{minor} is needed", server.url);
        Err(Failure::new(FailureClass::Input, message)
            .hint("update the server, or keep what is known on this machine"))
    }

    /// Makes what is missing of the collection. Doing it again, or two at once, does no harm.
    pub(super) async fn prepare(&self, server: &Server) -> Result<(), Failure> {
        if !self.exists(server).await? {
            let request = self.shape();
            let made = server.ask("set up", || server.client.create_collection(request.clone())).await;
            if let Err(failed) = made {
                // Another miyabi was faster, or else this is what is wrong.
                if !self.exists(server).await? {
                    return Err(failed.into());
                }
            }
        }
        let info = server.ask("read", || server.client.collection_info(self.collection.as_str())).await?;
        let info = info.result.unwrap_or_default();
        self.check(server, &info)?;
        for (name, of) in FIELDS.iter().filter(|(name, _)| !info.payload_schema.contains_key(*name)) {
            let request = CreateFieldIndexCollectionBuilder::new(self.collection.as_str(), *name, *of)
                .wait(true)
                .build();
            server.ask("set up", || server.client.create_field_index(request.clone())).await?;
        }
        Ok(())
    }

    pub(super) async fn exists(&self, server: &Server) -> Result<bool, Failure> {
        let collection = self.collection.as_str();
        Ok(server.ask("reach", || server.client.collection_exists(collection)).await?)
    }

    fn shape(&self) -> qdrant_client::qdrant::CreateCollection {
        let words = SparseVectorParamsBuilder::default().modifier(Modifier::Idf).build();
        let words = SparseVectorConfig { map: HashMap::from([(WORDS.to_owned(), words)]) };
        let shape = CreateCollectionBuilder::new(self.collection.as_str()).sparse_vectors_config(words);
        let Some(maker) = &self.maker else { return shape.build() };
        // No graph of neighbours is made: searches are exact, and would not walk it.
        let dense = VectorParamsBuilder::new(maker.dimensions as u64, Distance::Cosine)
            .hnsw_config(HnswConfigDiffBuilder::default().m(0))
            .build();
        let map = HashMap::from([(DENSE.to_owned(), dense)]);
        shape.vectors_config(VectorsConfig::from(Config::ParamsMap(VectorParamsMap { map }))).build()
    }

    /// Whether the collection that is there is one of ours and of this maker.
    fn check(&self, server: &Server, info: &CollectionInfo) -> Result<(), Failure> {
        let params = info.config.as_ref().and_then(|config| config.params.as_ref());
        let words = params.and_then(|it| it.sparse_vectors_config.as_ref()).and_then(|it| it.map.get(WORDS));
        if words.is_none_or(|words| words.modifier != Some(Modifier::Idf as i32)) {
            return Err(self.wrong(server, &format!("has no sparse vector `{WORDS}` with the modifier IDF")));
        }
        let Some(maker) = &self.maker else { return Ok(()) };
        let dense: Option<&VectorParams> = params
            .and_then(|it| it.vectors_config.as_ref()?.config.as_ref())
            .and_then(|config| match config {
                Config::ParamsMap(named) => named.map.get(DENSE),
                Config::Params(_) => None,
            });
        match dense {
            None => Err(self.wrong(server, &format!("has no vector `{DENSE}`"))),
            Some(dense) if dense.size != maker.dimensions as u64 => {
                Err(self
                    .wrong(server, &format!("holds vectors of {} numbers, and {maker} is set", dense.size)))
            }
            Some(dense) if dense.distance != Distance::Cosine as i32 => {
                Err(self.wrong(server, "does not compare its vectors by the cosine"))
            }
            Some(_) => Ok(()),
        }
    }

    fn wrong(&self, server: &Server, what: &str) -> Failure {
        let message = format!("collection `{}` of Qdrant at {} {what}", self.collection, server.url);
        Failure::new(FailureClass::Input, message).hint(
            "nothing was changed: set another prefix of collections, or delete this one if nobody else needs it; then fill it with `miyabi knowledge index --rebuild`",
        )
    }
}

/// A name that collections can have, with a hash, so that no two makers share one.
fn slug(name: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(name.as_bytes()).into();
    let hash: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let plain =
        |it: char| if it.is_ascii_alphanumeric() || it == '.' { it.to_ascii_lowercase() } else { '-' };
    let seen: String = name.chars().take(SEEN).map(plain).collect();
    format!("{}-{hash}", seen.trim_matches(['-', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collection(name: &str) -> String {
        Place::of("miyabi", Some(Maker { name: name.to_owned(), dimensions: 4 })).collection
    }

    #[test]
    fn each_maker_has_a_collection_of_its_own() {
        assert_eq!(Place::of("miyabi", None).collection, "miyabi-words");
        let name = collection("acme/Model 2");
        assert!(name.starts_with("miyabi-acme-model-2-"), "{name}");
        assert_ne!(name, collection("acme-model-2"), "what the name does not show, the hash does");
        assert_ne!(collection("words"), "miyabi-words");
        let long = collection(&"模型/../".repeat(200));
        assert!(long.len() < 120 && long.is_ascii() && !long.contains('/'), "{long}");
    }
}
