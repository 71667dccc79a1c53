//! Measuring a Rust project: which tools run, in which order, and what one's end means for the others.

mod cargo;
mod coverage;
mod docs;
mod format;
mod lint;
mod lock;
mod records;
mod security;
mod tests;

use std::path::Path;

use miyabi_core::ports::{CheckJob, Scope};
use miyabi_core::report::{CheckEnd, CheckKind, Finding, Measured, Severity};

use crate::error::QualityError;
use crate::findings::finding;
use crate::options::{BuildDir, Options};
use crate::process::{Custody, End};
use crate::read::metadata::{self, Metadata, Toolchain};
use crate::sheet::Sheet;
use crate::slot::Slot;
use cargo::Cargo;
use lock::{Became, Lock};

pub(crate) use security::findings as advisories;

/// What later checks say when the project does not build.
const DOES_NOT_BUILD: &str = "does not build";

/// Measures the checkout, and says why checks that were not reached were not measured. Errors: only where not even a folder for build output or reports can be had.
pub(crate) async fn measure(
    options: &Options,
    job: &CheckJob,
    root: &Path,
    custody: &Custody,
) -> Result<(Sheet, Option<String>), QualityError> {
    let slot = match &options.build_dir {
        BuildDir::InTree => None,
        BuildDir::Beside(beside) => Some(Slot::take(beside, root)?),
    };
    let mut cargo = Cargo::new(options, job, root, slot.as_ref().map(Slot::folder), custody)?;
    let mut sheet = Sheet::new(job);
    let lock = Lock::remember(root);
    let reason = measure_all(&mut cargo, &mut sheet, job.scope, slot.as_ref()).await?;
    if let Some(about) = lock_finding(lock.restore()) {
        sheet.remark(about);
    }
    Ok((sheet, reason))
}

/// The command lines, as people type them.
pub(crate) fn commands(options: &Options, root: &Path, scope: Scope) -> Vec<String> {
    let mut commands = vec![lint::COMMAND[..4].join(" ")];
    commands.extend(tests::commands(options, root, scope));
    if scope == Scope::Full {
        commands.push(docs::COMMAND[..4].join(" "));
        commands.push(security::command(options));
    }
    commands.push(format::FOR_PEOPLE.to_owned());
    commands
}

/// Runs one check after the other. The answer is why checks that were not reached were not measured.
async fn measure_all(
    cargo: &mut Cargo<'_>,
    sheet: &mut Sheet,
    scope: Scope,
    slot: Option<&Slot>,
) -> Result<Option<String>, QualityError> {
    let toolchain = match toolchain(cargo).await {
        Ok(toolchain) => toolchain,
        Err(reason) => return Ok(Some(reason)),
    };
    let project = match project(cargo, sheet).await {
        Ok(project) => project,
        Err(reason) => return Ok(Some(reason)),
    };
    if let Some(slot) = slot {
        cargo.prepare(slot, scope).await?;
    }
    let built = lint::measure(cargo, sheet).await;
    if scope == Scope::Lint {
        return Ok((built == Built::No).then(|| DOES_NOT_BUILD.to_owned()));
    }
    let built = match built {
        Built::No => Built::No,
        _ => tests::measure(cargo, sheet, &project, &toolchain, scope, built).await,
    };
    if scope == Scope::Full {
        if built != Built::No {
            docs::measure(cargo, sheet, &project).await;
        }
        security::measure(cargo, sheet).await;
    }
    format::measure(cargo, sheet).await;
    Ok((built == Built::No).then(|| DOES_NOT_BUILD.to_owned()))
}

/// Whether the project builds, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Built {
    Yes,
    No,
    Unknown,
}

async fn toolchain(cargo: &mut Cargo<'_>) -> Result<Toolchain, String> {
    let ran = cargo.run(&["rustc", "-vV"]).await;
    if !ran.ok() {
        return Err(ran.reason());
    }
    metadata::toolchain(&ran.stdout).map_err(|error| error.to_string())
}

/// The project's packages. A manifest that cargo cannot read is a failed build.
async fn project(cargo: &mut Cargo<'_>, sheet: &mut Sheet) -> Result<Metadata, String> {
    let ran = cargo.run(&["cargo", "metadata", "--no-deps", "--format-version=1"]).await;
    let project = match (&ran.end, metadata::read(&ran.stdout)) {
        (End::Exited(0), Ok(project)) => project,
        (End::Exited(0), Err(error)) => return Err(error.to_string()),
        (End::Exited(_), _) if cargo.works().await => {
            let broken = finding(CheckKind::Build, Severity::High, "cargo", &ran.stderr);
            sheet.enter(CheckKind::Build, &ran.argv, CheckEnd::Failed, vec![broken], ran.took);
            sheet.measured.build = Measured::Value(false);
            return Err(DOES_NOT_BUILD.to_owned());
        }
        _ => return Err(ran.reason()),
    };
    if project.workspace_root.starts_with(cargo.root()) {
        Ok(project)
    } else {
        Err(format!(
            "Cargo.toml belongs to a workspace outside the checkout: `{}`",
            project.workspace_root.display()
        ))
    }
}

fn lock_finding(became: Became) -> Option<Finding> {
    let message = match became {
        Became::Unchanged | Became::Created => return None,
        Became::Changed => "Cargo.lock does not fit the manifests: cargo changed it, and it was put back",
        Became::Stuck => "Cargo.lock was changed by cargo and could not be put back",
    };
    let mut about = finding(CheckKind::Build, Severity::Low, "cargo::lockfile", message);
    about.file = Some("Cargo.lock".to_owned());
    Some(about)
}
