//! What is known of languages beside Rust: which checks fit a checkout, and what to say where none does.
//!
//! Only tools that report in a format for programs are used. What no such tool measures is missing, with a hint.

mod go;
mod java;
mod node;
mod python;

use std::path::{Path, PathBuf};

use miyabi_core::report::CheckKind;

use crate::find::find;
use crate::options::Options;
use crate::spec::CheckSpec;

/// A language that a checkout may be written in. The first whose files lie at the root is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Rust,
    Go,
    Python,
    Java,
    Node,
}

/// What can be measured in a checkout.
#[derive(Debug, Default)]
pub(crate) struct Detected {
    pub(crate) specs: Vec<CheckSpec>,
    /// What cannot be, and what would help.
    pub(crate) missing: Vec<(CheckKind, String)>,
    /// Why there is no line coverage, where there is none.
    pub(crate) no_coverage: Option<String>,
    /// Nothing of third parties is used, so there is nothing to audit.
    pub(crate) stands_alone: bool,
}

/// Where a language looks for its tools, and where their reports go.
pub(crate) struct Project<'a> {
    pub(crate) options: &'a Options,
    pub(crate) root: &'a Path,
    pub(crate) scratch: &'a Path,
}

impl Language {
    pub(crate) fn of(root: &Path) -> Option<Self> {
        let has = |names: &[&str]| names.iter().any(|name| root.join(name).is_file());
        let known = [
            (Self::Rust, &["Cargo.toml"][..]),
            (Self::Go, &["go.mod"]),
            (Self::Python, &["pyproject.toml", "setup.py", "setup.cfg", "requirements.txt"]),
            (Self::Java, &["pom.xml", "build.gradle", "build.gradle.kts"]),
            (Self::Node, &["package.json"]),
        ];
        known.into_iter().find(|(_, names)| has(names)).map(|(language, _)| language)
    }

    /// What fits this checkout; nothing for Rust, which is measured in a way of its own.
    pub(crate) fn detected(self, project: &Project<'_>) -> Detected {
        match self {
            Self::Rust => Detected::default(),
            Self::Go => go::detected(project).in_parallel(),
            Self::Python => python::detected(project).in_parallel(),
            // All its tools write into `target/`.
            Self::Java => java::detected(project),
            Self::Node => node::detected(project).in_parallel(),
        }
    }
}

impl Detected {
    /// The same where tools that neither build nor run anything only read.
    fn in_parallel(mut self) -> Self {
        for spec in &mut self.specs {
            spec.parallel = !matches!(spec.kind, CheckKind::Build | CheckKind::Tests);
        }
        self
    }

    pub(crate) fn lack(&mut self, kind: CheckKind, why: &str) {
        self.missing.push((kind, why.to_owned()));
    }
}

impl Project<'_> {
    pub(crate) fn has(&self, program: &str) -> bool {
        find(program, self.options.path()).is_some()
    }

    pub(crate) fn holds(&self, file: &str) -> bool {
        self.root.join(file).is_file()
    }

    /// The text of a file in the checkout; empty if there is none. Longer ones than a megabyte are no manifests.
    pub(crate) fn text(&self, file: &str) -> String {
        let path = self.root.join(file);
        let small = path.metadata().is_ok_and(|meta| meta.is_file() && meta.len() < 1_000_000);
        if small { std::fs::read_to_string(path).unwrap_or_default() } else { String::new() }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    pub(crate) fn shown(&self, name: &str) -> String {
        self.at(name).to_string_lossy().into_owned()
    }
}
