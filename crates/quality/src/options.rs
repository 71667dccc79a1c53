//! What the binary decides about checks: where build output goes and what tools see of the environment.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use miyabi_core::containment::{Bounds, Network};

use crate::find::find;
use crate::spec::CheckSpec;

/// Names that tools get from the environment of miyabi. Nothing else: no token, no `RUSTFLAGS`, no build folder.
const KEPT: [&str; 11] = [
    "PATH",
    "HOME",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "LLVM_COV",
    "LLVM_PROFDATA",
];

/// What cargo keeps of the packages of all projects; its settings and its programs are not among it.
const KEPT_BY_CARGO: [&str; 6] =
    ["registry", "git", "advisory-db", "advisory-dbs", ".package-cache", ".package-cache-mutate"];

/// The same of other package managers, below a home.
const KEPT_BY_OTHERS: [&str; 8] = [
    ".m2/repository",
    ".gradle",
    ".npm",
    "go/pkg",
    ".cache/go-build",
    ".cache/pip",
    ".cache/uv",
    ".cache/yarn",
];

/// Where compilers put their output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildDir {
    /// Where the project itself wants it, usually `target/` in the checkout. Only where that is ignored by git.
    InTree,
    /// In slots under this folder. A slot is used by one checkout at a time and keeps the compiled third-party
    /// packages for the next one; the checkout's own packages are compiled anew whenever the checkout changes.
    Beside(PathBuf),
}

/// What the binary decides about checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where compilers put their output.
    pub build_dir: BuildDir,
    /// The whole environment of the tools, before the marks of a run are added.
    pub env: BTreeMap<OsString, OsString>,
    /// A folder with the advisory database, used as it is and never fetched; none: the tool's own, fetched by it.
    pub advisory_db: Option<PathBuf>,
    /// Where pip-audit asks for vulnerabilities, by the API of OSV; none: its own choice.
    pub osv_url: Option<String>,
    /// Checks that the project brings itself, beside those of its language.
    pub specs: Vec<CheckSpec>,
    /// Whether line coverage is measured where the tools for it are there.
    pub coverage: bool,
    /// Between asking a tool to end and killing it.
    pub grace: Duration,
    /// What every tool may reach of the repository besides its checkout.
    pub shared: Bounds,
}

impl Options {
    /// The usual options, with what tools need of these variables, and `MIYABI_ADVISORY_DB` where it is set.
    pub fn new(build_dir: BuildDir, vars: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut env = BTreeMap::new();
        let mut advisory_db = None;
        for (name, value) in vars {
            if name == "MIYABI_ADVISORY_DB" && !value.is_empty() {
                advisory_db = Some(PathBuf::from(value));
            } else if KEPT.iter().any(|kept| name == *kept) {
                env.insert(name, value);
            }
        }
        Self {
            build_dir,
            env,
            advisory_db,
            osv_url: None,
            specs: Vec::new(),
            coverage: true,
            grace: Duration::from_secs(2),
            shared: Bounds::default(),
        }
    }

    /// What a tool may reach that works in this checkout: that and what it builds, and what package managers keep for
    /// everybody.
    pub(crate) fn bounds(&self, root: &Path, scratch: &Path) -> Bounds {
        let mut bounds = Bounds { network: Network::Anywhere, ..self.shared.clone() };
        bounds.writable.extend([root.to_owned(), scratch.to_owned()]);
        if let BuildDir::Beside(folder) = &self.build_dir {
            bounds.writable.push(folder.clone());
        }
        bounds.readable.push(root.join(".git"));
        bounds.readable.extend(self.advisory_db.clone());
        let folder = |name: &str| self.env.get(OsStr::new(name)).map(PathBuf::from);
        let home = folder("HOME");
        let cargo = folder("CARGO_HOME").or_else(|| Some(home.as_ref()?.join(".cargo")));
        let kept = cargo.into_iter().flat_map(|cargo| KEPT_BY_CARGO.map(|name| cargo.join(name)));
        bounds.writable.extend(kept);
        bounds.writable.extend(home.into_iter().flat_map(|home| KEPT_BY_OTHERS.map(|name| home.join(name))));
        bounds
    }

    /// The same with one more variable for the tools, such as a proxy.
    #[must_use]
    pub fn with_var(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// A companion of cargo, such as `cargo-audit`, where cargo itself looks for it.
    pub(crate) fn companion(&self, program: &str) -> Option<PathBuf> {
        let folder = |name: &str| self.env.get(OsStr::new(name)).map(PathBuf::from);
        let home = folder("CARGO_HOME").or_else(|| Some(folder("HOME")?.join(".cargo")));
        let installed = home.and_then(|home| find(program, home.join("bin").as_os_str()));
        installed.or_else(|| find(program, self.path()))
    }

    pub(crate) fn path(&self) -> &OsStr {
        self.env.get(OsStr::new("PATH")).map_or(OsStr::new(""), OsString::as_os_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_variables_are_kept() {
        let vars = [
            ("PATH", "/bin"),
            ("HOME", "/home/雅"),
            ("GITHUB_TOKEN", "secret"),
            ("RUSTFLAGS", "-Awarnings"),
            ("CARGO_TARGET_DIR", "/elsewhere"),
            ("RUSTC_WRAPPER", "evil"),
            ("MIYABI_ADVISORY_DB", "/db"),
        ]
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let options = Options::new(BuildDir::InTree, vars).with_var("HTTPS_PROXY", "proxy");
        let expected = Options {
            build_dir: BuildDir::InTree,
            env: [("PATH", "/bin"), ("HOME", "/home/雅"), ("HTTPS_PROXY", "proxy")]
                .map(|(name, value)| (OsString::from(name), OsString::from(value)))
                .into(),
            osv_url: None,
            specs: Vec::new(),
            advisory_db: Some(PathBuf::from("/db")),
            coverage: true,
            grace: Duration::from_secs(2),
            shared: Bounds::default(),
        };
        assert_eq!(options, expected);
    }
}
