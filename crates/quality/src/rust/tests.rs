//! The test suite: by cargo, by nextest where the project is set up for it, with coverage where it can be measured.

mod verdict;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;
use std::time::Duration;

use miyabi_core::ports::Scope;
use miyabi_core::report::{CheckEnd, CheckKind, Coverage, Measured};

use super::cargo::Cargo;
use super::coverage;
use super::lint::enter_build;
use super::records::Records;
use super::{Built, DOES_NOT_BUILD};
use crate::options::Options;
use crate::process::{End, Ran};
use crate::read::metadata::{Metadata, Target, Toolchain};
use crate::read::{self, cargo_json, junit};
use crate::sheet::{Sheet, missing};
use verdict::Verdict;

const PLAIN: [&str; 5] = ["cargo", "test", "--all", "--no-fail-fast", "--message-format=json"];
const DOC_TESTS: [&str; 5] = ["cargo", "test", "--all", "--no-fail-fast", "--doc"];
const NEXTEST: [&str; 6] = ["cargo", "nextest", "run", "--workspace", "--no-fail-fast", "--no-tests=pass"];
const COVERED: [&str; 5] = ["cargo", "llvm-cov", "--workspace", "--ignore-run-fail", "--lcov"];
/// Exit code of nextest when the tests cannot be built.
const NEXTEST_BUILD_FAILED: i32 = 101;

/// The commands that people type.
pub(crate) fn commands(options: &Options, root: &Path, scope: Scope) -> Vec<String> {
    if uses_nextest(options, root) {
        return vec![NEXTEST[..5].join(" "), DOC_TESTS.join(" ")];
    }
    let covered = scope == Scope::Full && options.coverage && options.companion("cargo-llvm-cov").is_some();
    let mut commands = vec![PLAIN[..4].join(" ")];
    commands.extend(covered.then(|| COVERED.join(" ")));
    commands
}

/// Enters the tests, their coverage, and whether the project builds where that was not known before.
pub(crate) async fn measure(
    cargo: &mut Cargo<'_>,
    sheet: &mut Sheet,
    project: &Metadata,
    toolchain: &Toolchain,
    scope: Scope,
    built: Built,
) -> Built {
    if uses_nextest(cargo.options(), cargo.root()) {
        if scope == Scope::Full {
            sheet.measured.coverage = missing("line coverage is not measured for projects that use nextest");
        }
        return by_nextest(cargo, sheet, project, built).await;
    }
    if scope == Scope::Full {
        match covered(cargo, project, toolchain).await {
            Ok((ran, coverage, verdict)) => {
                enter(sheet, &ran, verdict);
                sheet.measured.coverage = coverage;
                // Only what is built can be run.
                if built == Built::Unknown {
                    enter_build(cargo, sheet, &ran, true, &[]);
                }
                return Built::Yes;
            }
            Err(reason) => sheet.measured.coverage = missing(&reason),
        }
    }
    plain(cargo, sheet, toolchain, built).await
}

/// One run of `cargo test`: it says whether everything was built, then runs the programs, then documentation tests.
async fn plain(cargo: &mut Cargo<'_>, sheet: &mut Sheet, toolchain: &Toolchain, built: Built) -> Built {
    let (ran, records) = match recorded(cargo, &PLAIN, toolchain, &[]).await {
        Ok(run) => run,
        Err(reason) => {
            sheet.not_measured(CheckKind::Tests, &words(&PLAIN), &reason, Duration::ZERO);
            return built;
        }
    };
    let messages = cargo_json::read(&ran.stdout);
    let now = match messages.finished {
        Some(true) => Built::Yes,
        Some(false) => Built::No,
        None => built,
    };
    match now {
        Built::No => {
            let errors: Vec<_> = messages.errors().cloned().collect();
            enter_build(cargo, sheet, &ran, false, &errors);
            sheet.not_measured(CheckKind::Tests, &ran.argv, DOES_NOT_BUILD, ran.took);
            return Built::No;
        }
        Built::Yes if built == Built::Unknown => enter_build(cargo, sheet, &ran, true, &[]),
        _ => {}
    }
    let verdict = match (messages.finished, ran.overflowed) {
        (_, true) => Err("the tests printed more than can be read".to_owned()),
        (None, _) => Err(ran.reason()),
        _ => records.read().map_err(|error| error.to_string()).and_then(|records| {
            let mut verdict = Verdict::new(cargo.root(), cargo.deadline());
            verdict.name_programs(messages.programs);
            verdict.take_records(&records);
            verdict.take_doc_tests(&messages.other);
            verdict.finish(&ran)
        }),
    };
    enter(sheet, &ran, verdict);
    now
}

/// The suite under cargo-llvm-cov, then documentation tests, which it does not run. Errors, in words: when that gives
/// no coverage; the tests are then run without.
async fn covered(
    cargo: &mut Cargo<'_>,
    project: &Metadata,
    toolchain: &Toolchain,
) -> Result<(Ran, Measured<Coverage>, Result<Verdict, String>), String> {
    let tools = coverage::tools(cargo, toolchain).await?;
    let report = cargo.scratch("coverage.info");
    let output = format!("--output-path={}", report.display());
    let argv: Vec<&str> = COVERED.iter().copied().chain([output.as_str()]).collect();
    let variables: Vec<_> =
        tools.variables.iter().map(|(name, path)| ((*name).to_owned(), OsString::from(path))).collect();
    let (ran, records) = recorded(cargo, &argv, toolchain, &variables).await?;
    let records = records.read().map_err(|error| error.to_string())?;
    let ended = matches!(ran.end, End::Exited(0));
    let hung = matches!(ran.end, End::TimedOut(_)) && !records.is_empty();
    if !(hung || ended && !records.is_empty()) {
        return Err(if ended {
            "no test program was run by cargo-llvm-cov".to_owned()
        } else {
            ran.reason()
        });
    }
    let coverage = coverage::read_report(&report, cargo.root());
    let mut verdict = Verdict::new(cargo.root(), cargo.deadline());
    verdict.take_records(&records);
    let judged = if ended { with_doc_tests(cargo, project, verdict).await } else { verdict.finish(&ran) };
    Ok((ran, coverage, judged))
}

/// The project's own way to run its tests, read from nextest's JUnit report.
async fn by_nextest(cargo: &mut Cargo<'_>, sheet: &mut Sheet, project: &Metadata, built: Built) -> Built {
    let report = cargo.scratch("junit.xml");
    let config = cargo.scratch("nextest.toml");
    let text = format!("[profile.miyabi.junit]\npath = {}\n", toml_string(&report));
    let tool = format!("--tool-config-file=miyabi:{}", config.display());
    let argv: Vec<&str> = NEXTEST.iter().copied().chain(["--profile=miyabi", tool.as_str()]).collect();
    if let Err(error) = fs::write(&config, text) {
        let reason = format!("nextest could not be prepared: {error}");
        sheet.not_measured(CheckKind::Tests, &words(&argv), &reason, Duration::ZERO);
        return built;
    }
    let ran = cargo.run(&argv).await;
    if ran.end == End::Exited(NEXTEST_BUILD_FAILED) {
        enter_build(cargo, sheet, &ran, false, &[]);
        sheet.not_measured(CheckKind::Tests, &ran.argv, DOES_NOT_BUILD, ran.took);
        return Built::No;
    }
    let read = read::load(&report, "the JUnit report").and_then(|bytes| junit::read(&bytes));
    let verdict = match read {
        Ok(junit) => {
            let mut verdict = Verdict::new(cargo.root(), cargo.deadline());
            verdict.take_junit(junit);
            match verdict.finish(&ran) {
                Ok(verdict) => with_doc_tests(cargo, project, verdict).await,
                Err(reason) => Err(reason),
            }
        }
        // Without a single test nextest writes no report.
        Err(_) if ran.ok() => {
            with_doc_tests(cargo, project, Verdict::new(cargo.root(), cargo.deadline())).await
        }
        Err(_) => Err(ran.reason()),
    };
    enter(sheet, &ran, verdict);
    if built == Built::Unknown && matches!(ran.end, End::Exited(_)) {
        enter_build(cargo, sheet, &ran, true, &[]);
        return Built::Yes;
    }
    built
}

/// Adds the documentation tests in a run of their own, if there can be any.
async fn with_doc_tests(
    cargo: &mut Cargo<'_>,
    project: &Metadata,
    mut verdict: Verdict,
) -> Result<Verdict, String> {
    let can_be = |target: &Target| target.doctest && target.is_library();
    if !project.packages.iter().any(|package| package.targets.iter().any(can_be)) {
        return Ok(verdict);
    }
    let ran = cargo.run(&DOC_TESTS).await;
    verdict.start_doc_tests();
    verdict.take_doc_tests(&String::from_utf8_lossy(&ran.stdout));
    verdict.finish(&ran)
}

async fn recorded(
    cargo: &mut Cargo<'_>,
    argv: &[&str],
    toolchain: &Toolchain,
    more: &[(String, OsString)],
) -> Result<(Ran, Records), String> {
    let name = argv.get(1).copied().unwrap_or("records");
    let records =
        Records::new(cargo, name).map_err(|error| format!("tests could not be prepared: {error}"))?;
    let own = records.variables(&toolchain.host).map(|(name, value)| (name, OsString::from(value)));
    let variables: Vec<(&str, &OsStr)> =
        own.iter().chain(more).map(|(name, value)| (name.as_str(), value.as_os_str())).collect();
    Ok((cargo.run_with(argv, &variables).await, records))
}

fn enter(sheet: &mut Sheet, ran: &Ran, verdict: Result<Verdict, String>) {
    match verdict {
        Ok(verdict) => {
            let end = if verdict.counts.failed == 0 { CheckEnd::Passed } else { CheckEnd::Failed };
            sheet.measured.tests = Measured::Value(verdict.counts);
            // Tests end in any order; the same tree gives the same report.
            let mut findings = verdict.findings;
            findings.sort_by(|left, right| left.rule.cmp(&right.rule));
            sheet.enter(CheckKind::Tests, &ran.argv, end, findings, ran.took);
        }
        Err(reason) => sheet.not_measured(CheckKind::Tests, &ran.argv, &reason, ran.took),
    }
}

/// Whether the project is set up for nextest. Otherwise tests may count on sharing one process.
fn uses_nextest(options: &Options, root: &Path) -> bool {
    root.join(".config/nextest.toml").is_file() && options.companion("cargo-nextest").is_some()
}

/// A path as a TOML basic string, whose escapes are those of JSON.
fn toml_string(path: &Path) -> String {
    serde_json::Value::from(path.to_string_lossy()).to_string()
}

fn words(argv: &[&str]) -> Vec<String> {
    argv.iter().map(|word| (*word).to_owned()).collect()
}
