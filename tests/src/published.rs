//! Published crates as repositories: taken through cargo's own vendoring when a test runs, and never kept.

use std::fs;
use std::path::{Path, PathBuf};

use crate::env::{TestEnv, run};

/// An exact version of a crate, which never changes once it is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What its repository ignores; published crates come without their `.gitignore`.
    pub ignore: &'static str,
}

impl TestEnv {
    /// An environment whose repository holds the crate as it was published, and these files besides, in one commit.
    ///
    /// Cargo takes it from its registry, or from what it has of it already.
    pub fn with_published(program: &str, published: &Published, files: &[(&str, &str)]) -> Self {
        let env = Self::bare(program);
        let vendor = env.vendor(published);
        // Cargo's own note about where the files come from; the crate does not have it.
        fs::remove_file(vendor.join(".cargo-checksum.json")).expect("cargo writes it");
        fs::rename(&vendor, env.repo()).expect("both are in the same folder");
        env.write(".gitignore", published.ignore);
        for (path, text) in files {
            env.write(path, text);
        }
        env.begin();
        env
    }

    /// Puts this version of the crate in the place of the one that is there and commits it; `.miyabi` stays.
    pub fn next_version(&self, published: &Published) {
        let vendor = self.vendor(published);
        fs::remove_file(vendor.join(".cargo-checksum.json")).expect("cargo writes it");
        for entry in fs::read_dir(self.repo()).expect("it is there") {
            let path = entry.expect("it can be read").path();
            match path.file_name().and_then(|name| name.to_str()) {
                Some(".git" | ".miyabi" | ".gitignore") => {}
                _ if path.is_dir() => fs::remove_dir_all(&path).expect("it is ours"),
                _ => fs::remove_file(&path).expect("it is ours"),
            }
        }
        for entry in fs::read_dir(&vendor).expect("it is there") {
            let entry = entry.expect("it can be read");
            fs::rename(entry.path(), self.repo().join(entry.file_name())).expect("both are on one disk");
        }
        self.write(".gitignore", published.ignore);
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", &format!("Release {}", published.version)]);
    }

    /// The folder with the crate's files.
    fn vendor(&self, published: &Published) -> PathBuf {
        let Published { name, version, .. } = published;
        let scratch = self.root().join("scratch");
        fs::create_dir_all(scratch.join("src")).expect("folders can be made");
        let manifest = format!(
            "[package]\nname = \"scratch\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{name} = \"={version}\"\n"
        );
        fs::write(scratch.join("Cargo.toml"), manifest).expect("the folder can be written");
        fs::write(scratch.join("src/lib.rs"), "").expect("the folder can be written");
        let mut vendor = self.command("cargo");
        vendor.args(["vendor", "--quiet", "--versioned-dirs", "vendor"]).current_dir(&scratch);
        let ran = run(&mut vendor);
        assert_eq!(
            ran.code,
            Some(0),
            "`{name}` {version} cannot be taken from the registry:\n{}",
            ran.stderr
        );
        scratch.join("vendor").join(format!("{name}-{version}"))
    }

    /// How many tests of this commit pass, by cargo's own word, in a clone with a build folder of its own. Fails when
    /// one does not.
    #[track_caller]
    pub fn passing_tests(&self, commit: &str) -> u64 {
        let clone = self.root().join("clone");
        let path = plain(&clone);
        self.git(&["clone", "--quiet", "--no-local", ".", path]);
        self.git(&["-C", path, "checkout", "--quiet", "--detach", commit]);
        let ran = run(self.command("cargo").args(["test", "--all", "--no-fail-fast"]).current_dir(&clone));
        fs::remove_dir_all(&clone).expect("it is ours");
        assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
        ran.stdout.lines().filter_map(passed).sum()
    }

    /// What `git ls-tree -r` must say of a tree that is `before` with these files written.
    pub fn tree_with(&self, before: &[String], files: &[(&str, &str)]) -> Vec<String> {
        let path_of = |line: &str| line.split('\t').nth(1).unwrap_or_default().to_owned();
        let mut tree = before.to_vec();
        for (path, text) in files {
            let file = self.root().join("expected");
            fs::write(&file, text).expect("the folder can be written");
            let id = self.git(&["hash-object", "--no-filters", plain(&file)]);
            let line = format!("100644 blob {id}\t{path}");
            match tree.iter_mut().find(|line| path_of(line) == *path) {
                Some(old) => *old = line,
                None => tree.push(line),
            }
        }
        tree.sort_by_key(|line| path_of(line));
        tree
    }
}

fn plain(path: &Path) -> &str {
    path.to_str().expect("the folder has a plain name")
}

/// `test result: ok. 3 passed; 0 failed; …`
fn passed(line: &str) -> Option<u64> {
    line.strip_prefix("test result: ok. ")?.split_once(" passed")?.0.parse().ok()
}
