#![doc = include_str!("../README.md")]

mod chunk;
mod excerpt;
mod fuse;
mod index;
#[cfg(feature = "local-model")]
mod local_model;
mod priors;
mod shelf;
mod terms;

pub use index::KnowledgeIndex;
#[cfg(feature = "local-model")]
pub use local_model::LocalModel;
pub use shelf::qdrant::{QdrantSettings, QdrantShelf};
pub use shelf::{
    AVERAGE_TERMS, B, Chunk, ChunkId, Content, K1, LocalShelf, RunChunks, Scored, Shelf, ShelfStats,
};
