//! The port `Embedder` on this machine: a sentence model of BERT form from a folder, on the processor.
//!
//! All of it is read when it is opened: what its name is made of has to be read in any case, and so a folder that cannot
//! be used is told at once and not by the first search.

mod bert;
mod folder;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ports::{Embedder, Maker};
use tokio::sync::Mutex;

use bert::Bert;
use folder::ModelFiles;

/// So many texts are computed together: more want more memory and are no faster on a processor.
const TOGETHER: usize = 8;
/// How much of a text is read, in characters: models take less.
const READ: usize = 8_000;

/// Vectors from a model's files.
pub struct LocalModel {
    maker: Maker,
    bert: Arc<Bert>,
    /// All processors work for one text at a time: two callers would only share them, and want twice the memory.
    turn: Mutex<()>,
}

impl std::fmt::Debug for LocalModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalModel").field("maker", &self.maker).finish_non_exhaustive()
    }
}

impl LocalModel {
    /// Reads a folder with `config.json`, `tokenizer.json` and `model.safetensors`, and what sentence-transformers lays
    /// beside them. It takes as long as reading and hashing the files; call it where waiting is allowed.
    ///
    /// Errors, each with the file: it is not there, cannot be read, is broken, does not belong to the others, or the model
    /// is of a form that cannot be computed here.
    pub fn open(folder: &Path) -> Result<Self, Failure> {
        let files = ModelFiles::read(folder)?;
        let maker = Maker { name: files.name(), dimensions: files.dimensions() };
        let bert = Arc::new(Bert::load(files)?);
        Ok(Self { maker, bert, turn: Mutex::new(()) })
    }
}

#[async_trait]
impl Embedder for LocalModel {
    fn maker(&self) -> &Maker {
        &self.maker
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, Failure> {
        let _turn = self.turn.lock().await;
        // Padding up to the longest is computed for nothing, so texts of like length go together.
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|&at| texts[at].len());
        let mut vectors = vec![Vec::new(); texts.len()];
        // Each part is a task of its own: whoever stops waiting leaves no more than one behind.
        for part in order.chunks(TOGETHER) {
            let cut = |&at: &usize| texts[at].chars().take(READ).collect::<String>();
            let part_texts: Vec<String> = part.iter().map(cut).collect();
            let bert = Arc::clone(&self.bert);
            let made = tokio::task::spawn_blocking(move || bert.vectors(&part_texts)).await;
            let made = made.map_err(|error| Failure::caused(FailureClass::Internal, &error))??;
            for (&at, vector) in part.iter().zip(made) {
                vectors[at] = vector;
            }
        }
        Ok(vectors)
    }
}
