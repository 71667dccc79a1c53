//! The door: which kind of project a checkout holds, and its measurement.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use miyabi_core::ports::{Boxes, CheckJob, Checked, Checks, Failure, NoBoxes, Scope, Stop};
use miyabi_core::report::{Check, CheckKind, Finding, Measured, Severity};

use crate::error::QualityError;
use crate::findings::finding;
use crate::languages::{Detected, Language, Project};
use crate::options::Options;
use crate::process::Custody;
use crate::runner::CheckRunner;
use crate::rust;
use crate::sheet::Sheet;
use crate::spec::CheckSpec;

/// Measures checkouts with the tools of their language.
#[derive(Clone)]
pub struct ToolChecks {
    options: Options,
    boxes: Arc<dyn Boxes>,
}

impl ToolChecks {
    /// Checks with these options, whose tools nothing keeps in.
    pub fn new(options: Options) -> Self {
        Self { options, boxes: Arc::new(NoBoxes) }
    }

    /// The same checks, each tool in a box: what it builds and tests was written by others.
    #[must_use]
    pub fn within(self, boxes: Arc<dyn Boxes>) -> Self {
        Self { boxes, ..self }
    }
}

#[async_trait]
impl Checks for ToolChecks {
    async fn run(&self, job: &CheckJob, stop: Stop) -> Result<Checked, Failure> {
        if !job.root.is_dir() {
            return Err(QualityError::NoRoot { root: job.root.clone() }.into());
        }
        let root = job.root.canonicalize().map_err(|_| QualityError::NoRoot { root: job.root.clone() })?;
        Ok(self.measure(job, &root, &Custody::new(stop, Arc::clone(&self.boxes))).await?)
    }

    fn knows(&self, root: &Path, name: &str) -> bool {
        KINDS.iter().any(|kind| kind.as_str() == name) || !self.of_name(root, Path::new("…"), name).is_empty()
    }

    async fn named(&self, job: &CheckJob, name: &str, stop: Stop) -> Result<Option<Vec<Check>>, Failure> {
        if KINDS.iter().any(|kind| kind.as_str() == name) {
            let checked = self.run(job, stop).await?;
            return Ok(Some(
                checked.checks.into_iter().filter(|check| check.kind.as_str() == name).collect(),
            ));
        }
        let root = job.root.canonicalize().map_err(|_| QualityError::NoRoot { root: job.root.clone() })?;
        let runner = CheckRunner::new(&self.options, job, &root)?;
        let specs = self.of_name(&root, runner.scratch(), name);
        let mut sheet = Sheet::new(job);
        let custody = Custody::new(stop, Arc::clone(&self.boxes));
        let broken = runner.run_all(&specs, &mut sheet, &custody).await;
        let kinds: Vec<CheckKind> = specs.iter().map(|spec| spec.kind).collect();
        let checks = sheet.finish(broken.as_deref().unwrap_or(NOT_REACHED)).checks;
        let ours = checks.into_iter().filter(|check| kinds.contains(&check.kind));
        Ok(Some(ours.collect::<Vec<_>>()).filter(|checks| !checks.is_empty()))
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

fn about_base(why: &Measured<u64>) -> Finding {
    let why = match why {
        Measured::Missing(why) => why.as_str(),
        Measured::Value(_) => "it was not looked at",
    };
    let message = format!("the lines of the change stand for its base, which could not be measured: {why}");
    finding(CheckKind::Lint, Severity::Info, "base", &message)
}

const NO_LANGUAGE: &str =
    "no manifest of a language that is known here; a `[[check]]` in miyabi.toml measures anything";
const NOT_REACHED: &str = "not reached";

/// The kinds of checks that can be asked for by their word.
const KINDS: [CheckKind; 6] = [
    CheckKind::Build,
    CheckKind::Tests,
    CheckKind::Lint,
    CheckKind::Format,
    CheckKind::Security,
    CheckKind::Docs,
];

impl ToolChecks {
    /// The checks of this name: the project's own, or else those of its language. Rust's have no names but their kinds.
    fn of_name(&self, root: &Path, scratch: &Path, name: &str) -> Vec<CheckSpec> {
        let named = |specs: &[CheckSpec]| -> Vec<CheckSpec> {
            specs.iter().filter(|spec| spec.name == name).cloned().collect()
        };
        match (named(&self.options.specs), Language::of(root)) {
            (own, None | Some(Language::Rust)) => own,
            (own, Some(language)) if own.is_empty() => named(&self.detected(language, root, scratch).specs),
            (own, Some(_)) => own,
        }
    }

    fn detected(&self, language: Language, root: &Path, scratch: &Path) -> Detected {
        language.detected(&Project { options: &self.options, root, scratch })
    }

    async fn measure(&self, job: &CheckJob, root: &Path, custody: &Custody) -> Result<Checked, QualityError> {
        let (mut sheet, otherwise) = self.fill_in(job, root, custody).await?;
        if let Some(base) = job.base.as_ref().filter(|_| sheet.has_elsewhere()) {
            let job =
                CheckJob { root: base.clone(), scope: Scope::Lint, touched: None, base: None, ..job.clone() };
            let (found, otherwise) = self.fill_in(&job, base, custody).await?;
            match &found.measured.lint_warnings {
                Measured::Value(_) => sheet.settle(&found),
                Measured::Missing(_) => {
                    let why = found.finish(&otherwise).measured.lint_warnings;
                    sheet.remark(about_base(&why));
                }
            }
        }
        Ok(sheet.finish(&otherwise))
    }

    /// Runs everything of the job's scope. The answer is the sheet, and why what is open on it was not measured.
    async fn fill_in(
        &self,
        job: &CheckJob,
        root: &Path,
        custody: &Custody,
    ) -> Result<(Sheet, String), QualityError> {
        let runner = CheckRunner::new(&self.options, job, root)?;
        let language = Language::of(root);
        let (mut sheet, broken) = match language {
            Some(Language::Rust) => rust::measure(&self.options, job, root, custody).await?,
            Some(language) => {
                let mut sheet = Sheet::new(job);
                let detected = self.detected(language, root, runner.scratch());
                let broken = runner.run_all(&detected.specs, &mut sheet, custody).await;
                if broken.is_none() {
                    self.say_what_is_missing(detected, &mut sheet);
                }
                (sheet, broken)
            }
            None => (Sheet::new(job), None),
        };
        if language == Some(Language::Rust) {
            self.leave_to_own(&mut sheet);
        }
        let broken = match broken {
            None => runner.run_all(&self.options.specs, &mut sheet, custody).await,
            broken => broken,
        };
        let otherwise = if language.is_some() { NOT_REACHED } else { NO_LANGUAGE };
        Ok((sheet, broken.unwrap_or_else(|| otherwise.to_owned())))
    }

    /// What no tool of Rust's was there for is left to the checks that the project brings itself.
    fn leave_to_own(&self, sheet: &mut Sheet) {
        if self.options.specs.iter().any(|spec| spec.tells_lines()) {
            sheet.open_coverage();
        }
        for spec in self.options.specs.iter().filter(|spec| !spec.format.is_coverage()) {
            sheet.open(spec.kind);
        }
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
