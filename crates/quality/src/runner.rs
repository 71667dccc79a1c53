//! Running checks in one checkout and entering what they say.

use std::ffi::OsString;
use std::ops::Add;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{FutureExt as _, StreamExt as _, stream};
use miyabi_core::ports::CheckJob;
use miyabi_core::report::{CheckEnd, CheckKind, Finding, Measured, Severity, TestCounts, Vulnerabilities};
use tempfile::TempDir;

use crate::error::QualityError;
use crate::find::find;
use crate::findings::finding;
use crate::options::Options;
use crate::process::{self, Custody, End, Ran, Tool};
use crate::read::{self, MAX_BYTES};
use crate::sheet::Sheet;
use crate::spec::{CheckSpec, Format, REPORT, Reading};

/// At most so many files make up one report.
const MOST_FILES: usize = 2_000;

/// One checkout with what its tools need.
pub(crate) struct CheckRunner<'a> {
    options: &'a Options,
    job: &'a CheckJob,
    root: &'a Path,
    scratch: TempDir,
    /// How many reports have a place in it.
    runs: AtomicUsize,
}

impl<'a> CheckRunner<'a> {
    pub(crate) fn new(options: &'a Options, job: &'a CheckJob, root: &'a Path) -> Result<Self, QualityError> {
        let scratch = tempfile::Builder::new().prefix("miyabi-checks-").tempdir();
        let scratch = scratch.map_err(|source| QualityError::Scratch { source })?;
        Ok(Self { options, job, root, scratch, runs: AtomicUsize::new(0) })
    }

    /// The folder for reports, which goes away with this value.
    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Runs the specs of the job's scope and enters them: what builds first, and nothing else if that fails. Those that
    /// are in nobody's way run at once, beside the others.
    /// Says why the rest was not reached.
    pub(crate) async fn run_all(
        &self,
        specs: &[CheckSpec],
        sheet: &mut Sheet,
        custody: &Custody,
    ) -> Option<String> {
        let wanted: Vec<&CheckSpec> = specs.iter().filter(|spec| spec.is_in(self.job.scope)).collect();
        let (first, then): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|spec| spec.kind == CheckKind::Build);
        for spec in first {
            let (ran, reading) = self.run(spec, custody).await;
            let built = reading.as_ref().is_ok_and(|reading| reading.findings.is_empty());
            enter(spec, &ran, reading, sheet);
            if !built {
                return Some(format!("`{}` did not succeed", spec.name));
            }
        }
        let run = |turn: usize| self.run(then[turn], custody).map(move |ended| (turn, ended)).boxed();
        let (beside, alone): (Vec<_>, Vec<_>) = (0..then.len()).partition(|&turn| then[turn].parallel);
        let (beside, alone): (Vec<_>, Vec<_>) =
            (beside.into_iter().map(run).collect(), alone.into_iter().map(run).collect());
        let at_once = std::thread::available_parallelism().map_or(2, usize::from).max(2);
        let (mut ended, others): (Vec<_>, Vec<_>) = futures::join!(
            stream::iter(beside).buffer_unordered(at_once).collect(),
            stream::iter(alone).buffered(1).collect()
        );
        ended.extend(others);
        // However they ended, they are told in the order in which they are listed.
        ended.sort_by_key(|(turn, _)| *turn);
        for (turn, (ran, reading)) in ended {
            enter(then[turn], &ran, reading, sheet);
        }
        None
    }

    async fn run(&self, spec: &CheckSpec, custody: &Custody) -> (Ran, Result<Reading, String>) {
        let place = match self.place(spec) {
            Ok(place) => place,
            Err(reason) => {
                let end = End::NotStarted(reason.clone());
                return (Ran::without_output(spec.command.clone(), end), Err(reason));
            }
        };
        let ran = self.start(spec, &place, custody).await;
        let reading = self.read(spec, &ran, &place);
        (ran, reading)
    }

    async fn start(&self, spec: &CheckSpec, place: &Path, custody: &Custody) -> Ran {
        let place = place.to_string_lossy();
        let argv: Vec<String> = spec.command.iter().map(|word| word.replace(REPORT, &place)).collect();
        let program = argv.first().map_or("", String::as_str);
        let Some(file) = self.program(program) else {
            let end = End::NotStarted(format!("`{program}` is not installed: it is not on the PATH"));
            return Ran::without_output(argv, end);
        };
        let mut env: Vec<(OsString, OsString)> =
            self.options.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        for (name, value) in [
            ("MIYABI_RUN", self.job.run.as_str()),
            ("CI", "true"),
            ("NO_COLOR", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
        ] {
            env.push((name.into(), value.into()));
        }
        env.extend(spec.env.iter().map(|(name, value)| (name.into(), value.replace(REPORT, &place).into())));
        let deadline = std::time::Duration::from_secs(self.job.deadline_secs);
        let deadline = spec.timeout.map_or(deadline, |timeout| timeout.min(deadline));
        let bounds = self.options.bounds(self.root, self.scratch.path());
        let tool = Tool { file, argv, env, dir: self.root.to_owned(), bounds };
        process::run(tool, deadline, self.options.grace, custody).await
    }

    /// A program of the search path, or, where it is written with a `/`, one of the checkout.
    pub(crate) fn program(&self, program: &str) -> Option<PathBuf> {
        if program.contains('/') {
            let path = self.root.join(program);
            return path.is_file().then_some(path);
        }
        find(program, self.options.path())
    }

    /// Where the report will be. One that is there already, whoever wrote it, is none of this run: it goes.
    fn place(&self, spec: &CheckSpec) -> Result<PathBuf, String> {
        let Some(report) = &spec.report else {
            // Each run has a file of its own: what another one wrote there would be taken for its report.
            let number = self.runs.fetch_add(1, Ordering::Relaxed);
            return Ok(self.scratch().join(format!("{}-report-{number}", spec.kind.as_str())));
        };
        if report.is_absolute() && report.starts_with(self.scratch.path()) {
            return Ok(report.clone());
        }
        let inside = report.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !inside {
            return Err(format!("the report `{}` is not inside the checkout", report.display()));
        }
        let place = self.root.join(report);
        let lines = spec.coverage.iter().flat_map(|(_, place)| reports(place));
        for old in reports(&place).into_iter().chain(lines) {
            // A folder on the way may be a link, and what is elsewhere is nobody's report.
            if !old.parent().is_some_and(|folder| self.is_inside(folder)) {
                return Err(format!("the report `{}` leads out of the checkout", old.display()));
            }
            std::fs::remove_file(&old)
                .map_err(|error| format!("the old report `{}` cannot be removed: {error}", old.display()))?;
        }
        Ok(place)
    }

    /// Whether a path, all links followed, lies in the checkout or in the folder for reports.
    fn is_inside(&self, path: &Path) -> bool {
        let Ok(real) = path.canonicalize() else { return false };
        real.starts_with(self.root)
            || self.scratch.path().canonicalize().is_ok_and(|own| real.starts_with(own))
    }

    fn read(&self, spec: &CheckSpec, ran: &Ran, place: &Path) -> Result<Reading, String> {
        let End::Exited(code) = ran.end else { return Err(ran.reason()) };
        let by_file = spec.report.is_some()
            || spec.command.iter().any(|word| word.contains(REPORT))
            || spec.env.iter().any(|(_, value)| value.contains(REPORT));
        let mut reading = if spec.format == Format::ExitCode {
            by_exit_code(spec, ran)
        } else if by_file {
            self.read_files(spec, spec.format, place).map_err(|error| blame(ran, &error))?
        } else if ran.overflowed {
            return Err(format!("`{}` printed more than {} MiB", spec.name, MAX_BYTES / (1024 * 1024)));
        } else {
            let read = spec.format.read(&ran.stdout, spec.kind, self.root);
            read.map_err(|error| blame(ran, &error.to_string()))?
        };
        if let Some((format, place)) = &spec.coverage {
            // Tests that cannot be counted on say nothing of lines either; but what they said themselves counts.
            reading.coverage = self.read_files(spec, *format, place).ok().and_then(|more| more.coverage);
        }
        doubt(spec, code, &mut reading, ran)?;
        Ok(reading)
    }

    /// All files of a report, as one.
    fn read_files(&self, spec: &CheckSpec, format: Format, place: &Path) -> Result<Reading, String> {
        let what = format!("the report of `{}`", spec.name);
        let mut files = reports(place);
        if files.is_empty() {
            files.push(place.to_owned());
        }
        if files.len() > MOST_FILES {
            // What is not read may tell of failing tests.
            return Err(format!("{what} has more than {MOST_FILES} files"));
        }
        let mut sum = Reading::default();
        for file in files {
            if !file.exists() {
                return Err(format!("{what} was not written: `{}`", file.display()));
            }
            if !self.is_inside(&file) {
                return Err(format!("{what} leads out of the checkout: `{}`", file.display()));
            }
            let bytes = read::load(&file, &what).map_err(|error| error.to_string())?;
            let reading = format.read(&bytes, spec.kind, self.root);
            sum.add(reading.map_err(|error| format!("{error} (`{}`)", file.display()))?);
        }
        Ok(sum)
    }
}

/// The files that a path with one `*` in its last part stands for, in order; otherwise the file, if it is there.
fn reports(place: &Path) -> Vec<PathBuf> {
    let name = place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Some((before, after)) = name.split_once('*') else {
        return if place.symlink_metadata().is_ok() { vec![place.to_owned()] } else { Vec::new() };
    };
    let entries = place.parent().and_then(|folder| std::fs::read_dir(folder).ok());
    let fits = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
    };
    let mut files: Vec<PathBuf> =
        entries.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).filter(fits).collect();
    files.sort();
    files
}

impl Reading {
    fn add(&mut self, more: Self) {
        self.findings.extend(more.findings);
        self.tests = both(self.tests, more.tests);
        self.packages = self.packages.or(more.packages);
        self.docs = both(self.docs, more.docs);
        self.coverage = both(self.coverage, more.coverage);
    }
}

fn both<T: Add<Output = T>>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one + other),
        (one, other) => one.or(other),
    }
}

/// What only an exit code says.
fn by_exit_code(spec: &CheckSpec, ran: &Ran) -> Reading {
    let passed = ran.ok();
    let mut reading = Reading::default();
    if spec.kind == CheckKind::Tests {
        reading.tests =
            Some(TestCounts { passed: u64::from(passed), failed: u64::from(!passed), ignored: 0 });
    }
    if !passed {
        reading.findings.push(complaint(spec, ran));
    }
    reading
}

fn complaint(spec: &CheckSpec, ran: &Ran) -> Finding {
    let printed = String::from_utf8_lossy(&ran.stdout);
    let said =
        [ran.stderr.trim(), printed.trim()].into_iter().find(|text| !text.is_empty()).unwrap_or_default();
    finding(spec.kind, Severity::High, &spec.name, &format!("{}\n{said}", ran.reason()))
}

/// An exit code that does not fit the report: tests that fail in silence are failing tests, and a linter that ends
/// badly and names nothing did not look.
fn doubt(spec: &CheckSpec, code: i32, reading: &mut Reading, ran: &Ran) -> Result<(), String> {
    if code == 0 || spec.format == Format::ExitCode || spec.format.is_coverage() {
        return Ok(());
    }
    match (&mut reading.tests, reading.findings.is_empty()) {
        (Some(counts), _) if counts.passed + counts.failed == 0 => Ok(()),
        (Some(counts), true) => {
            counts.failed += 1;
            reading.findings.push(complaint(spec, ran));
            Ok(())
        }
        (None, true) if reading.docs.is_none() => Err(ran.reason()),
        _ => Ok(()),
    }
}

/// A report that cannot be read, with what the tool itself said where it failed.
fn blame(ran: &Ran, error: &str) -> String {
    if ran.ok() { error.to_owned() } else { format!("{}; {error}", ran.reason()) }
}

fn enter(spec: &CheckSpec, ran: &Ran, reading: Result<Reading, String>, sheet: &mut Sheet) {
    let mut reading = match reading {
        Ok(reading) => reading,
        Err(reason) => {
            let reason = format!("{}: {reason}", spec.name);
            if spec.format.is_coverage() {
                return sheet.no_coverage(&reason);
            }
            return sheet.add_missing(spec.kind, &ran.argv, &reason, ran.took);
        }
    };
    let counted = if spec.kind == CheckKind::Lint {
        sheet.new_ones(&mut reading.findings, spec.weight)
    } else {
        let counted = reading.findings.iter().filter(|found| found.severity > Severity::Info).count();
        u64::try_from(counted).unwrap_or(u64::MAX)
    };
    let measured = &mut sheet.measured;
    match spec.kind {
        CheckKind::Build => add(&mut measured.build, counted == 0, |a, b| a && b),
        CheckKind::Tests => {
            if let Some(counts) = reading.tests {
                add(&mut measured.tests, counts, Add::add);
            }
        }
        CheckKind::Lint => {
            let warnings = counted.saturating_mul(u64::from(spec.weight));
            add(&mut measured.lint_warnings, warnings, u64::saturating_add);
        }
        CheckKind::Security => {
            let found = vulnerabilities(&reading);
            add(&mut measured.security, found, Add::add);
        }
        CheckKind::Docs => {
            if let Some(counts) = reading.docs {
                add(&mut measured.docs, counts, Add::add);
            }
        }
        CheckKind::Format | CheckKind::Secrets => {}
    }
    if let Some(coverage) = reading.coverage {
        add(&mut sheet.measured.coverage, coverage, Add::add);
    }
    if spec.format.is_coverage() {
        return;
    }
    let end = if counted == 0 { CheckEnd::Passed } else { CheckEnd::Failed };
    sheet.add(spec.kind, &ran.argv, end, reading.findings, ran.took);
}

/// Two checks of a kind count together; but what one of them could not measure stays unmeasured.
fn add<T: Copy + PartialEq>(sum: &mut Measured<T>, more: T, both: impl Fn(T, T) -> T) {
    *sum = match sum {
        Measured::Value(there) => Measured::Value(both(*there, more)),
        Measured::Missing(reason) if crate::sheet::is_open(reason) => Measured::Value(more),
        Measured::Missing(reason) => Measured::Missing(reason.clone()),
    };
}

fn vulnerabilities(reading: &Reading) -> Vulnerabilities {
    let mut counts =
        Vulnerabilities { packages: reading.packages.unwrap_or(1), ..Vulnerabilities::default() };
    for found in &reading.findings {
        match found.severity {
            Severity::Critical | Severity::High => counts.critical_or_high += 1,
            Severity::Medium => counts.medium += 1,
            Severity::Low => counts.low += 1,
            Severity::Info => {}
        }
    }
    counts
}
