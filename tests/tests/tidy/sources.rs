//! What every source file keeps to.

use std::path::{Path, PathBuf};

use super::{files, none, packages, read, root};

/// Files that may be longer than the rest, and why.
const LONG: [(&str, &str); 0] = [];
/// The longest other file, in lines.
const MAX_LINES: usize = 500;

/// Files that may wait for a time, and why.
const WAITS: [(&str, &str); 1] =
    [("crates/agent/tests/it/bench.rs", "looks for processes to be gone, which nobody announces; bounded")];

fn sources() -> Vec<PathBuf> {
    let folders = ["src", "tests", "benches", "examples"];
    let folders = packages().into_iter().flat_map(|package| folders.map(|folder| package.join(folder)));
    folders.flat_map(|folder| files(folder.to_str().expect("our names are text"), "rs")).collect()
}

fn excused(list: &[(&str, &str)], file: &Path) -> bool {
    list.iter().any(|(name, _)| Path::new(name) == file)
}

#[test]
fn sources_are_found() {
    let sources = sources();
    for file in ["crates/core/src/lib.rs", "crates/core/src/flow/node.rs", "tests/tests/tidy/sources.rs"] {
        assert!(sources.contains(&PathBuf::from(file)), "{file} is not among the sources");
    }
}

#[test]
fn every_file_says_what_lives_there() {
    let opens_well = |text: &str| text.starts_with("//! ") || text.starts_with("#![doc = include_str!(");
    let complaints: Vec<String> = sources()
        .into_iter()
        .filter(|file| !opens_well(&read(file)))
        .map(|file| format!("{}: open with `//!` and what lives here", file.display()))
        .collect();
    none("files do not say what lives in them:", &complaints);
}

#[test]
fn no_file_is_too_long_to_read() {
    let mut complaints = Vec::new();
    for file in sources() {
        let lines = read(&file).lines().count();
        if lines > MAX_LINES && !excused(&LONG, &file) {
            complaints
                .push(format!("{}: {lines} lines; split it, or list it here with a reason", file.display()));
        }
    }
    for (file, _) in LONG {
        if read(file).lines().count() <= MAX_LINES {
            complaints.push(format!("{file}: is short now; take it off this list"));
        }
    }
    none(&format!("files have more than {MAX_LINES} lines:"), &complaints);
}

#[test]
fn nothing_is_left_open() {
    // Put together, so that this file does not find itself.
    let words = [
        (concat!("to", "do!("), "write it, or leave it out"),
        (concat!("un", "implemented!("), "write it, or leave it out"),
        (concat!("#[ig", "nore"), "a test that does not run shows nothing"),
        (concat!("#[al", "low("), "use `#[expect(…, reason = \"…\")]`"),
        (concat!("#![al", "low("), "use `#![expect(…, reason = \"…\")]`"),
    ];
    let mut complaints = Vec::new();
    for file in sources() {
        for (number, line) in read(&file).lines().enumerate() {
            for (word, advice) in words {
                // An attribute begins its line; elsewhere it stands in a text. A child that another test starts
                // is not left out: it runs with that test.
                let attribute = !word.starts_with('#') || line.trim_start().starts_with(word);
                if line.contains(word) && attribute && !line.contains("started by another test") {
                    complaints.push(format!("{}:{}: `{word}`: {advice}", file.display(), number + 1));
                }
            }
        }
    }
    none("something is left open:", &complaints);
}

#[test]
fn tests_wait_for_ends_not_for_times() {
    let sleep = concat!("sle", "ep(");
    let is_test = |file: &PathBuf| {
        // `tests` is also the name of a package: its own folder counts from the second one on.
        let in_tests = file.components().skip(1).any(|part| part.as_os_str() == "tests");
        in_tests || file.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests"))
    };
    let mut complaints = Vec::new();
    for file in sources().into_iter().filter(is_test).filter(|file| !excused(&WAITS, file)) {
        for (number, line) in read(&file).lines().enumerate() {
            if line.contains(sleep) {
                complaints.push(format!("{}:{}: wait for what you wait for", file.display(), number + 1));
            }
        }
    }
    for (file, _) in WAITS {
        if !read(file).contains(sleep) {
            complaints.push(format!("{file}: does not wait any more; take it off this list"));
        }
    }
    none("tests wait for a time:", &complaints);
}

#[test]
fn every_crate_has_a_front_page() {
    let mut complaints = Vec::new();
    for package in packages().into_iter().filter(|package| package.starts_with("crates")) {
        if !root().join(&package).join("README.md").is_file() {
            complaints.push(format!("{}: write a README.md of 10 to 40 lines", package.display()));
            continue;
        }
        if !read(package.join("src/lib.rs")).contains("#![doc = include_str!(\"../README.md\")]") {
            complaints.push(format!("{}: make README.md the crate's documentation", package.display()));
        }
    }
    none("crates have no front page:", &complaints);
}
