//! Reading what people write into issues, without any model: structure, markers and telling words.
//!
//! Used by the deterministic analyst and the deterministic coordinator, so that both see the same items.

pub(crate) mod item;
pub(crate) mod lexicon;
pub(crate) mod outline;
