//! The tools for line coverage, and their report.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use miyabi_core::report::{Coverage, Measured};

use super::cargo::Cargo;
use crate::find::find;
use crate::read::metadata::Toolchain;
use crate::read::{self, lcov};
use crate::sheet::missing;

/// What cargo-llvm-cov has to be told about LLVM's own tools; nothing where it finds them by itself.
pub(crate) struct Tools {
    /// Variables with paths of programs.
    pub(crate) variables: Vec<(&'static str, PathBuf)>,
}

/// The tools, or why coverage cannot be measured.
pub(crate) async fn tools(cargo: &mut Cargo<'_>, toolchain: &Toolchain) -> Result<Tools, String> {
    let options = cargo.options();
    if !options.coverage {
        return Err("line coverage is switched off".to_owned());
    }
    if !cargo.has("cargo-llvm-cov") {
        return Err("cargo-llvm-cov is not installed: cargo install cargo-llvm-cov".to_owned());
    }
    let told = |name: &str| options.env.contains_key(OsStr::new(name));
    if told("LLVM_COV") && told("LLVM_PROFDATA") || component(cargo, toolchain).await {
        return Ok(Tools { variables: Vec::new() });
    }
    // A system's package: its version must be the compiler's.
    let versioned = |name: &str| find(&format!("{name}-{}", toolchain.llvm?), options.path());
    match (versioned("llvm-cov"), versioned("llvm-profdata")) {
        (Some(cov), Some(profdata)) => {
            Ok(Tools { variables: vec![("LLVM_COV", cov), ("LLVM_PROFDATA", profdata)] })
        }
        _ => {
            Err("the LLVM tools of this compiler are not installed: rustup component add llvm-tools"
                .to_owned())
        }
    }
}

/// Whether rustup's own component is there.
async fn component(cargo: &mut Cargo<'_>, toolchain: &Toolchain) -> bool {
    let ran = cargo.run(&["rustc", "--print=sysroot"]).await;
    let sysroot = String::from_utf8_lossy(&ran.stdout).trim().to_owned();
    let programs = Path::new(&sysroot).join("lib/rustlib").join(&toolchain.host).join("bin");
    ran.ok() && programs.join("llvm-cov").is_file() && programs.join("llvm-profdata").is_file()
}

/// The number in the report, or why there is none.
pub(crate) fn read_report(report: &Path, root: &Path) -> Measured<Coverage> {
    let read = read::load(report, "the LCOV report").and_then(|bytes| lcov::read(&bytes, root));
    match read {
        Ok(coverage) => Measured::Value(coverage),
        Err(error) => missing(&error.to_string()),
    }
}
