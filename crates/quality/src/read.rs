//! Readers of what tools write: pure functions from bytes to values. None panics, whatever the bytes are.

pub mod audit;
pub mod cargo_json;
pub mod cobertura;
pub mod cvss;
pub mod doctest;
pub mod go_test;
pub mod junit;
pub mod lcov;
pub mod libtest;
mod lines;
pub mod lockfile;
pub mod metadata;
pub mod node;
pub mod plain;
pub mod python;
pub mod rustdoc_coverage;
pub mod sarif;

#[cfg(test)]
mod arbitrary;

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The most that is read of one report: 64 MiB.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Why a report could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The report is larger than [`MAX_BYTES`].
    #[error("{what} is larger than {} MiB", MAX_BYTES / (1024 * 1024))]
    TooBig {
        /// Which report.
        what: String,
    },
    /// The report is not there or cannot be opened.
    #[error("{what} cannot be opened at `{path}`")]
    Open {
        /// Which report.
        what: String,
        /// Where it should be.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The report is not JSON of the expected shape.
    #[error("{what} cannot be read: {source}")]
    Json {
        /// Which report.
        what: &'static str,
        /// Where it stops making sense.
        #[source]
        source: serde_json::Error,
    },
    /// The report is not XML.
    #[error("{what} cannot be read: {source}")]
    Xml {
        /// Which report.
        what: &'static str,
        /// Where it stops making sense.
        #[source]
        source: quick_xml::Error,
    },
    /// The report can be parsed but does not hold what it should.
    #[error("{what} cannot be read: {detail}")]
    Shape {
        /// Which report.
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
}

/// Opens a file to be read. A pipe that stands there would be waited for, maybe for ever: it is no file.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let no_wait = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(no_wait).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file")),
    }
}

/// The bytes of a report file. Errors: `TooBig` over [`MAX_BYTES`], `Open` where it cannot be read.
pub fn load(path: &Path, what: &str) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|source| ReadError::Open { what: what.to_owned(), path: path.to_owned(), source })?;
    if bytes.len() > MAX_BYTES {
        return Err(ReadError::TooBig { what: what.to_owned() });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_over_the_limit_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("works");
        let path = folder.path().join("大.info");
        // Sparse: the length counts, not the disk.
        File::create(&path)
            .expect("works")
            .set_len(u64::try_from(MAX_BYTES).expect("works") + 1)
            .expect("works");
        assert_eq!(
            load(&path, "the LCOV report").expect_err("is refused").to_string(),
            "the LCOV report is larger than 64 MiB"
        );
    }

    #[test]
    fn a_pipe_is_no_report_and_nobody_waits_for_it() {
        let folder = tempfile::tempdir().expect("works");
        let path = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("works");
        assert!(made.success());
        let error = load(&path, "the JUnit report").expect_err("is refused");
        assert!(error.to_string().starts_with("the JUnit report cannot be opened at"), "{error}");
        assert!(load(folder.path(), "the JUnit report").is_err(), "a folder neither");
    }

    #[test]
    fn a_report_that_is_not_there_is_named() {
        let error = load(Path::new("/nowhere/x"), "the JUnit report").expect_err("is refused");
        assert_eq!(error.to_string(), "the JUnit report cannot be opened at `/nowhere/x`");
    }
}
