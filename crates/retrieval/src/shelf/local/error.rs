//! What can go wrong with files of the index.

use std::io;
use std::path::{Path, PathBuf};

use miyabi_core::failure::{Failure, FailureClass};

/// Why the local index did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LocalError {
    #[error("{doing} the knowledge index in `{}`", folder.display())]
    Index {
        doing: &'static str,
        folder: PathBuf,
        #[source]
        source: Box<tantivy::TantivyError>,
    },
    #[error("{doing} `{}` of the knowledge index", path.display())]
    File {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("read an entry of the knowledge index")]
    Entry(#[from] serde_json::Error),
}

impl LocalError {
    pub(super) fn index(doing: &'static str, folder: &Path, error: tantivy::TantivyError) -> Self {
        Self::Index { doing, folder: folder.to_owned(), source: Box::new(error) }
    }

    pub(super) fn file(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { doing, path: path.to_owned(), source }
    }

    fn io(&self) -> Option<io::ErrorKind> {
        match self {
            Self::File { source, .. } => Some(source.kind()),
            Self::Index { source, .. } => match source.as_ref() {
                tantivy::TantivyError::IoError(error) => Some(error.kind()),
                _ => None,
            },
            Self::Entry(_) => None,
        }
    }
}

impl From<LocalError> for Failure {
    fn from(error: LocalError) -> Self {
        let class = match error.io() {
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => FailureClass::Exhausted,
            _ => FailureClass::Permanent,
        };
        Self::caused(class, &error)
            .hint("it is made of the log: remove its folder, and `miyabi knowledge index` makes it again")
    }
}
