//! What makes measuring impossible at all.

use std::io;
use std::path::PathBuf;

use miyabi_core::failure::{Failure, FailureClass};

/// Why nothing could be measured. Tools that fail are not among these: they are checks that were not measured.
#[derive(Debug, thiserror::Error)]
pub enum QualityError {
    /// The checkout is not there.
    #[error("check `{root}`: it is not a folder")]
    NoRoot {
        /// The checkout.
        root: PathBuf,
    },
    /// The folder for build output cannot be made or locked.
    #[error("prepare build folder `{path}`")]
    BuildDir {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The folder for reports of tools cannot be made.
    #[error("make a temporary folder for reports")]
    Scratch {
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl From<QualityError> for Failure {
    fn from(error: QualityError) -> Self {
        let (class, hint) = match &error {
            QualityError::NoRoot { .. } => (
                FailureClass::Input,
                "open the worktree again with `miyabi resume`, or name an existing folder",
            ),
            QualityError::BuildDir { source, .. } | QualityError::Scratch { source } => {
                (class_of(source), "make room on the disk, or check who owns the folder")
            }
        };
        Self::caused(class, &error).hint(hint)
    }
}

fn class_of(error: &io::Error) -> FailureClass {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FailureClass::Exhausted,
        _ => FailureClass::Permanent,
    }
}
