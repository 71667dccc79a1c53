#![doc = include_str!("../README.md")]

mod chunk;
mod excerpt;
mod fuse;
mod index;
mod priors;
mod shelf;
mod terms;

pub use index::KnowledgeIndex;
pub use shelf::qdrant::{QdrantSettings, QdrantShelf};
pub use shelf::{
    AVERAGE_TERMS, B, Chunk, ChunkId, Content, K1, LocalShelf, RunChunks, Scored, Shelf, ShelfStats,
};
