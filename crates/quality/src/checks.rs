//! The door: which kind of project a checkout holds, and its measurement.

use std::path::Path;

use async_trait::async_trait;
use miyabi_core::ports::{CheckJob, Checked, Checks, Failure, Scope, Stop};

use crate::error::QualityError;
use crate::options::Options;
use crate::process::Watch;
use crate::rust;
use crate::sheet::Sheet;

/// Measures checkouts with the tools of their language.
#[derive(Clone, Debug)]
pub struct ToolChecks {
    options: Options,
}

impl ToolChecks {
    /// Checks with these options.
    pub fn new(options: Options) -> Self {
        Self { options }
    }
}

#[async_trait]
impl Checks for ToolChecks {
    async fn run(&self, job: &CheckJob, stop: Stop) -> Result<Checked, Failure> {
        if !job.root.is_dir() {
            return Err(QualityError::NoRoot { root: job.root.clone() }.into());
        }
        let root = job.root.canonicalize().map_err(|_| QualityError::NoRoot { root: job.root.clone() })?;
        match Project::of(&root) {
            Project::Rust => Ok(rust::measure(&self.options, job, &root, Watch::new(stop)).await?),
            Project::Other => Ok(Sheet::new(job.scope).finish(NOT_RUST)),
        }
    }

    fn commands(&self, root: &Path, scope: Scope) -> Vec<String> {
        match Project::of(root) {
            Project::Rust => rust::commands(&self.options, root, scope),
            Project::Other => Vec::new(),
        }
    }
}

const NOT_RUST: &str = "no Cargo.toml: only Rust projects are measured so far";

/// What a checkout holds. Another language is another variant here and another module beside [`rust`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Project {
    /// A `Cargo.toml` at the root.
    Rust,
    /// Nothing that we know how to measure.
    Other,
}

impl Project {
    fn of(root: &Path) -> Self {
        if root.join("Cargo.toml").is_file() { Self::Rust } else { Self::Other }
    }
}
