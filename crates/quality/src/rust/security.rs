//! Known vulnerabilities of third-party packages.

use miyabi_core::report::{CheckEnd, CheckKind, Finding, Measured, Severity, Vulnerabilities};

use super::cargo::Cargo;
use crate::findings::finding;
use crate::options::Options;
use crate::process::{End, Ran};
use crate::read::audit::{self, Advisory, Audit};
use crate::read::{self, ReadError, lockfile};
use crate::sheet::Sheet;

/// cargo-deny writes the report of cargo-audit, to standard output.
const DENY: [&str; 8] =
    ["cargo", "deny", "--format", "json", "--workspace", "check", "--audit-compatible-output", "advisories"];
const NO_TOOL: &str = "cargo-audit is not installed: cargo install cargo-audit";

/// Enters what is known about the packages in the lock file, which cargo has brought up to date by now.
pub(crate) async fn measure(cargo: &mut Cargo<'_>, sheet: &mut Sheet) {
    let packages = match packages(cargo) {
        Ok(packages) => packages,
        Err(error) => {
            return sheet.not_measured(CheckKind::Security, &[], &error.to_string(), Default::default());
        }
    };
    if packages == 0 {
        sheet.measured.security = Measured::Value(Vulnerabilities::default());
        return sheet.enter(CheckKind::Security, &[], CheckEnd::Passed, Vec::new(), Default::default());
    }
    let Some(ran) = run(cargo).await else {
        return sheet.not_measured(CheckKind::Security, &[], NO_TOOL, Default::default());
    };
    match judge(&ran) {
        Ok(audit) => {
            let counts = audit.counts(packages);
            let found = !audit.vulnerabilities.is_empty();
            let end = if found { CheckEnd::Failed } else { CheckEnd::Passed };
            sheet.measured.security = Measured::Value(counts);
            sheet.enter(CheckKind::Security, &ran.argv, end, findings(&audit), ran.took);
        }
        Err(reason) => sheet.not_measured(CheckKind::Security, &ran.argv, &reason, ran.took),
    }
}

/// The command that people type.
pub(crate) fn command(options: &Options) -> String {
    let deny = options.companion("cargo-audit").is_none() && options.companion("cargo-deny").is_some();
    if deny { "cargo deny check advisories" } else { "cargo audit" }.to_owned()
}

fn packages(cargo: &Cargo<'_>) -> Result<u64, ReadError> {
    lockfile::third_party(&read::load(&cargo.root().join("Cargo.lock"), "the lock file")?)
}

async fn run(cargo: &mut Cargo<'_>) -> Option<Ran> {
    if cargo.has("cargo-audit") {
        let mut argv = vec!["cargo".to_owned(), "audit".to_owned(), "--json".to_owned()];
        if let Some(database) = &cargo.options().advisory_db {
            argv.extend([
                format!("--db={}", database.display()),
                "--no-fetch".to_owned(),
                "--stale".to_owned(),
            ]);
        }
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        Some(cargo.run(&argv).await)
    } else if cargo.has("cargo-deny") {
        Some(cargo.run(&DENY).await)
    } else {
        None
    }
}

/// The report. Both tools end with 1 when they found something and when they could not look, so the report decides.
fn judge(ran: &Ran) -> Result<Audit, String> {
    if !matches!(ran.end, End::Exited(_)) || (!ran.ok() && ran.stdout.is_empty()) {
        return Err(ran.reason());
    }
    let audit = audit::read(&ran.stdout).map_err(|error| error.to_string())?;
    match audit.database {
        Some(0) => Err("the advisory database holds no advisory".to_owned()),
        _ => Ok(audit),
    }
}

/// Every advisory as a finding; what only notices or hides is no vulnerability.
pub(crate) fn findings(audit: &Audit) -> Vec<Finding> {
    let told = audit.vulnerabilities.iter().chain(&audit.notices).map(|advisory| {
        let message = format!("{}: {}{}", advisory.package, advisory.title, remedy(advisory));
        let mut finding = finding(CheckKind::Security, advisory.severity, &advisory.id, &message);
        finding.file = Some("Cargo.lock".to_owned());
        finding
    });
    let hidden = audit.ignored.iter().map(|id| {
        finding(CheckKind::Security, Severity::Info, id, "hidden by the project's own settings for the audit")
    });
    told.chain(hidden).collect()
}

fn remedy(advisory: &Advisory) -> String {
    match advisory.patched.as_slice() {
        [] => "\nno version without it is known".to_owned(),
        versions => format!("\nupdate to {}", versions.join(" or ")),
    }
}
