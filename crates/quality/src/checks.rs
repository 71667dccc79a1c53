//! The door: which kind of project a checkout holds, and its measurement.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use miyabi_core::ports::{CheckJob, Checked, Checks, Failure, Scope, Stop};

use crate::error::QualityError;
use crate::languages::{Detected, Language, Project};
use crate::options::Options;
use crate::process::Watch;
use crate::runner::CheckRunner;
use crate::rust;
use crate::sheet::Sheet;
use crate::spec::CheckSpec;

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
        Ok(self.measure(job, &root, &Watch::new(stop)).await?)
    }

    fn commands(&self, root: &Path, scope: Scope) -> Vec<String> {
        let of = |specs: &[CheckSpec]| {
            specs.iter().filter(|spec| spec.is_in(scope)).map(CheckSpec::shown).collect::<Vec<_>>()
        };
        let mut commands = match Language::of(root) {
            Some(Language::Rust) => rust::commands(&self.options, root, scope),
            Some(language) => of(&self.detected(language, root, Path::new("…")).specs),
            None => Vec::new(),
        };
        commands.extend(of(&self.options.specs));
        commands
    }
}

const NO_LANGUAGE: &str =
    "no manifest of a language that is known here; a `[[check]]` in miyabi.toml measures anything";
const NOT_REACHED: &str = "not reached";

impl ToolChecks {
    fn detected(&self, language: Language, root: &Path, scratch: &Path) -> Detected {
        language.detected(&Project { options: &self.options, root, scratch })
    }

    async fn measure(&self, job: &CheckJob, root: &Path, watch: &Watch) -> Result<Checked, QualityError> {
        let runner = CheckRunner::new(&self.options, job, root)?;
        let language = Language::of(root);
        let (mut sheet, broken) = match language {
            Some(Language::Rust) => rust::measure(&self.options, job, root, watch).await?,
            Some(language) => {
                let mut sheet = Sheet::new(job);
                let detected = self.detected(language, root, runner.scratch());
                let broken = runner.run_all(&detected.specs, &mut sheet, watch).await;
                if broken.is_none() {
                    self.say_what_is_missing(detected, &mut sheet);
                }
                (sheet, broken)
            }
            None => (Sheet::new(job), None),
        };
        let broken = match broken {
            None => runner.run_all(&self.options.specs, &mut sheet, watch).await,
            broken => broken,
        };
        let otherwise = if language.is_some() { NOT_REACHED } else { NO_LANGUAGE };
        Ok(sheet.finish(broken.as_deref().unwrap_or(otherwise)))
    }

    /// What the language's tools leave open: unless a check of the project's own fills it in, the reason is known.
    fn say_what_is_missing(&self, detected: Detected, sheet: &mut Sheet) {
        if detected.stands_alone {
            sheet.nothing_to_audit();
        }
        let brought =
            |kind| self.options.specs.iter().any(|spec| spec.kind == kind && !spec.format.is_coverage());
        for (kind, why) in detected.missing.into_iter().filter(|(kind, _)| !brought(*kind)) {
            sheet.add_missing(kind, &[], &why, Duration::ZERO);
        }
        let covered = self.options.specs.iter().any(|spec| spec.tells_lines());
        if let (Some(why), false) = (detected.no_coverage, covered) {
            sheet.no_coverage(&why);
        }
    }
}
