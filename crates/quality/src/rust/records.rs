//! What each test program reported, kept apart from everything else that cargo prints.
//!
//! Cargo starts every test program through the "runner" that we name to it: a script that asks the program for
//! libtest's JSON and writes it, with the exit code, into a folder of its own. So cargo decides what runs, with its own
//! environment and current folder, and nothing that a test prints is taken for somebody else's report.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::cargo::Cargo;
use crate::read::libtest::{self, Suite};
use crate::read::{self, ReadError};

/// libtest's JSON is unstable, hence `RUSTC_BOOTSTRAP`, for the program alone. A program that does not speak it has a harness
/// of its own, or died at once: it is run again as cargo would have run it, and its exit code is all it says.
///
/// Documentation tests are started by rustdoc in the same way; it reads what they print, so they are let through.
const RUNNER: &str = r#"#!/bin/sh
case $1 in */rust_out | */rustdoctest*) exec "$@" ;; esac
record="$MIYABI_TEST_RECORDS/$$"
unset MIYABI_TEST_RECORDS
mkdir "$record" || exit 125
printf '%s' "$1" >"$record/program"
RUSTC_BOOTSTRAP=1 "$@" -Z unstable-options --format json >"$record/events"
code=$?
case $(head -n 1 "$record/events") in
  *'"type": "suite"'*) ;;
  *) "$@" >"$record/printed"
     code=$? ;;
esac
printf '%s' "$code" >"$record/code"
exit "$code"
"#;

/// The folder for the records of one run.
pub(crate) struct Records {
    folder: PathBuf,
    runner: String,
}

/// What one test program reported.
#[derive(Debug)]
pub(crate) struct Record {
    /// The file that was run.
    pub(crate) program: PathBuf,
    /// Its exit code, 128 and more for signals; none: it was still running when everything was stopped.
    pub(crate) code: Option<i32>,
    /// Its events; not recognised for other harnesses.
    pub(crate) suite: Suite,
}

impl Records {
    /// A new folder and the runner, under this name.
    pub(crate) fn new(cargo: &Cargo<'_>, name: &str) -> io::Result<Self> {
        let folder = cargo.scratch(name);
        fs::create_dir(&folder)?;
        let runner = folder.with_extension("sh");
        fs::write(&runner, RUNNER)?;
        Ok(Self { folder, runner: format!("sh {}", runner.display()) })
    }

    /// The variable that names the runner for programs of this machine, and the one that names the folder.
    pub(crate) fn variables(&self, host: &str) -> [(String, String); 2] {
        let host = host.to_uppercase().replace(['-', '.'], "_");
        [
            (format!("CARGO_TARGET_{host}_RUNNER"), self.runner.clone()),
            ("MIYABI_TEST_RECORDS".to_owned(), self.folder.display().to_string()),
        ]
    }

    /// All records, in the order of their programs' paths. Errors: a record that cannot be read, such as one too big.
    pub(crate) fn read(&self) -> Result<Vec<Record>, ReadError> {
        let open = |source| ReadError::Open {
            what: "the records of tests".into(),
            path: self.folder.clone(),
            source,
        };
        let mut records = BTreeMap::new();
        for entry in fs::read_dir(&self.folder).map_err(open)? {
            let folder = entry.map_err(open)?.path();
            let record = read_one(&folder)?;
            records.insert((record.program.clone(), folder), record);
        }
        Ok(records.into_values().collect())
    }
}

fn read_one(folder: &Path) -> Result<Record, ReadError> {
    let text = |name: &str| match read::load(&folder.join(name), "a record of tests") {
        Ok(bytes) => Ok(Some(bytes)),
        // It was stopped before this was written.
        Err(ReadError::Open { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let program = text("program")?.unwrap_or_default();
    let code = text("code")?.and_then(|code| String::from_utf8_lossy(&code).parse().ok());
    let suite = libtest::read(&text("events")?.unwrap_or_default());
    Ok(Record { program: PathBuf::from(String::from_utf8_lossy(&program).into_owned()), code, suite })
}
