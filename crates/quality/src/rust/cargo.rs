//! Running cargo and its companions in one checkout, with one environment and one build folder.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use miyabi_core::ports::{CheckJob, Scope};
use tempfile::TempDir;

use crate::error::QualityError;
use crate::find::find;
use crate::options::Options;
use crate::process::{self, Custody, End, Ran, Tool};
use crate::read::metadata;
use crate::slot::Slot;

/// Cargo in one checkout.
pub(crate) struct Cargo<'a> {
    options: &'a Options,
    root: &'a Path,
    deadline: Duration,
    env: Vec<(OsString, OsString)>,
    custody: &'a Custody,
    scratch: TempDir,
}

impl<'a> Cargo<'a> {
    /// Cargo in the checkout, building into that folder, or where the project wants it.
    pub(crate) fn new(
        options: &'a Options,
        job: &CheckJob,
        root: &'a Path,
        build_folder: Option<&Path>,
        custody: &'a Custody,
    ) -> Result<Self, QualityError> {
        let mut env: Vec<(OsString, OsString)> =
            options.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let mut set = |name: &str, value: &OsStr| env.push((name.into(), value.to_owned()));
        set("MIYABI_RUN", OsStr::new(job.run.as_str()));
        set("CARGO_TERM_COLOR", OsStr::new("never"));
        set("CARGO_TERM_PROGRESS_WHEN", OsStr::new("never"));
        // Two tries: a registry that is away shall not eat the deadline.
        set("CARGO_NET_RETRY", OsStr::new("2"));
        // A checkout is compiled once or twice, so there is little to gain and much to store.
        set("CARGO_INCREMENTAL", OsStr::new("0"));
        set("GIT_TERMINAL_PROMPT", OsStr::new("0"));
        if let Some(folder) = build_folder {
            set("CARGO_TARGET_DIR", folder.as_os_str());
        }
        let scratch = scratch().map_err(|source| QualityError::Scratch { source })?;
        Ok(Self { options, root, deadline: Duration::from_secs(job.deadline_secs), env, custody, scratch })
    }

    /// Runs a program of the search path with these arguments.
    pub(crate) async fn run(&mut self, argv: &[&str]) -> Ran {
        self.run_with(argv, &[]).await
    }

    /// The same with more variables.
    pub(crate) async fn run_with(&mut self, argv: &[&str], more: &[(&str, &OsStr)]) -> Ran {
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        let program = argv.first().map_or("", String::as_str);
        let Some(file) = find(program, self.options.path()) else {
            let end = End::NotStarted(format!("`{program}` is not installed: it is not on the PATH"));
            return Ran::without_output(argv, end);
        };
        let mut env = self.env.clone();
        env.extend(more.iter().map(|(name, value)| (OsString::from(name), (*value).to_owned())));
        let bounds = self.options.bounds(self.root, self.scratch.path());
        let tool = Tool { file, argv, env, dir: self.root.to_owned(), bounds };
        process::run(tool, self.deadline, self.options.grace, self.custody).await
    }

    /// Whether a companion of cargo is installed.
    pub(crate) fn has(&self, program: &str) -> bool {
        self.options.companion(program).is_some()
    }

    /// Whether cargo itself can be started in this checkout, whatever its manifests are like.
    pub(crate) async fn works(&mut self) -> bool {
        self.run(&["cargo", "--version"]).await.ok()
    }

    /// Makes sure that nothing in the slot can be taken for this checkout's own packages. What is compiled for the
    /// score is compiled anew even if it was this checkout: cargo trusts times of files, a gate should not.
    pub(crate) async fn prepare(&mut self, slot: &Slot, scope: Scope) -> Result<(), QualityError> {
        if scope == Scope::Task && !slot.is_foreign(self.root) {
            return Ok(());
        }
        if !slot.is_empty() {
            slot.forget()?;
            let cleaned = self.clean(slot).await;
            if self.custody.has_asked() {
                // Nothing more will be compiled, and the slot is forgotten: the next one cleans it.
                return Ok(());
            }
            if !cleaned {
                slot.empty()?;
            }
        }
        slot.remember(self.root)
    }

    /// Removes what was compiled of packages that come from folders; says whether that worked.
    async fn clean(&mut self, slot: &Slot) -> bool {
        let ran = self.run(&["cargo", "metadata", "--format-version=1"]).await;
        let Ok(graph) = metadata::read(&ran.stdout) else { return false };
        let own: Vec<String> = graph
            .packages
            .into_iter()
            .filter(|package| package.source.is_none())
            .map(|package| format!("--package={}", package.id))
            .collect();
        for folder in [slot.folder().to_owned(), slot.folder().join("llvm-cov-target")] {
            let target = format!("--target-dir={}", folder.display());
            let mut argv = vec!["cargo", "clean", target.as_str()];
            argv.extend(own.iter().map(String::as_str));
            if folder.is_dir() && !self.run(&argv).await.ok() {
                return false;
            }
        }
        !own.is_empty()
    }

    /// The checkout.
    pub(crate) fn root(&self) -> &'a Path {
        self.root
    }

    /// The options.
    pub(crate) fn options(&self) -> &'a Options {
        self.options
    }

    /// A path in the folder for reports, which goes away with this value.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// The longest that one tool may take.
    pub(crate) fn deadline(&self) -> Duration {
        self.deadline
    }
}

/// A folder for reports. Cargo splits the runner that is named to it at spaces, so its path has none.
fn scratch() -> std::io::Result<TempDir> {
    let usual = std::env::temp_dir();
    let spaced = usual.to_string_lossy().contains(char::is_whitespace);
    tempfile::Builder::new().prefix("miyabi-checks-").tempdir_in(if spaced {
        Path::new("/tmp")
    } else {
        &usual
    })
}
