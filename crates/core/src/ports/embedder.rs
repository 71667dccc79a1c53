//! Makers of vectors. Texts with like meaning get vectors that point in like directions.

use std::fmt;

use crate::failure::Failure;
use async_trait::async_trait;

/// What makes vectors: two of the same maker can be compared, and no others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maker {
    /// Its name, such as the model's, with everything that changes its vectors.
    pub name: String,
    /// Numbers in a vector.
    pub dimensions: usize,
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} dimensions)", self.name, self.dimensions)
    }
}

/// Makes vectors of texts.
#[async_trait]
pub trait Embedder: Send + Sync {
    /// What it is.
    fn maker(&self) -> &Maker;

    /// One vector of length 1 for each text, in order. A text longer than the model reads counts by its beginning.
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, Failure>;
}
