//! `cargo metadata` and `rustc -vV`: what a project is made of, and for which machine it is built.

use std::path::PathBuf;

use serde::Deserialize;

use super::ReadError;

/// A project as cargo sees it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Metadata {
    /// Packages; all of the graph or the workspace's own, as it was asked for.
    pub packages: Vec<Package>,
    /// The folder with the lock file.
    pub workspace_root: PathBuf,
}

/// One package.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// What identifies it among packages of the same name.
    pub id: String,
    /// Where it comes from; none: a folder.
    pub source: Option<String>,
    /// What is built of it.
    pub targets: Vec<Target>,
}

/// One thing that is built of a package.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// `lib`, `bin`, `test`, `proc-macro` …
    pub kind: Vec<String>,
    /// Whether `cargo doc` documents it.
    #[serde(default = "yes")]
    pub doc: bool,
    /// Whether its documentation has tests.
    #[serde(default)]
    pub doctest: bool,
    /// Features without which it is not built.
    #[serde(default, rename = "required-features")]
    pub required_features: Vec<String>,
}

fn yes() -> bool {
    true
}

impl Target {
    /// Whether other crates can use it.
    pub fn is_library(&self) -> bool {
        const LIBRARIES: [&str; 6] = ["lib", "rlib", "dylib", "cdylib", "staticlib", "proc-macro"];
        self.kind.iter().any(|kind| LIBRARIES.contains(&kind.as_str()))
    }

    /// Whether it is a program.
    pub fn is_program(&self) -> bool {
        self.kind.iter().any(|kind| kind == "bin")
    }
}

/// Reads the document of `cargo metadata --format-version 1`. Errors: `Json`.
pub fn read(document: &[u8]) -> Result<Metadata, ReadError> {
    serde_json::from_slice(document).map_err(|source| ReadError::Json { what: "cargo's metadata", source })
}

/// The compiler that a checkout uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// The target triple of this machine.
    pub host: String,
    /// Major version of its LLVM, as coverage tools must have it.
    pub llvm: Option<u32>,
}

/// Reads the lines of `rustc -vV`. Errors: `Shape` when they name no host.
pub fn toolchain(output: &[u8]) -> Result<Toolchain, ReadError> {
    let text = String::from_utf8_lossy(output);
    let value =
        |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": ").map(str::trim));
    let host = value("host").filter(|host| !host.is_empty()).ok_or_else(|| ReadError::Shape {
        what: "the compiler's version",
        detail: "it names no host".to_owned(),
    })?;
    let llvm = value("LLVM version").and_then(|version| version.split('.').next()?.parse().ok());
    Ok(Toolchain { host: host.to_owned(), llvm })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_toolchain_is_read() {
        let output = "rustc 1.95.0 (59807616e 2026-04-14)\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\n\
                      release: 1.95.0\nLLVM version: 22.1.2\n";
        let expected = Toolchain { host: "x86_64-unknown-linux-gnu".into(), llvm: Some(22) };
        assert_eq!(toolchain(output.as_bytes()).expect("works"), expected);
        assert!(toolchain(b"rustc 1.0\nhost: \n").is_err());
    }

    #[test]
    fn a_project_is_read() {
        let document = r#"{"packages":[{"name":"demo","version":"0.1.0","id":"path+file:///w#demo@0.1.0","source":null,
            "targets":[{"kind":["lib"],"crate_types":["lib"],"name":"demo","src_path":"/w/src/lib.rs","edition":"2024",
            "doc":true,"doctest":true,"test":true}]}],"workspace_root":"/w","target_directory":"/w/target","version":1}"#;
        let expected = Metadata {
            packages: vec![Package {
                name: "demo".into(),
                id: "path+file:///w#demo@0.1.0".into(),
                source: None,
                targets: vec![Target {
                    name: "demo".into(),
                    kind: vec!["lib".into()],
                    doc: true,
                    doctest: true,
                    required_features: vec![],
                }],
            }],
            workspace_root: "/w".into(),
        };
        assert_eq!(read(document.as_bytes()).expect("works"), expected);
        assert!(matches!(read(b"[]"), Err(ReadError::Json { .. })));
    }
}
