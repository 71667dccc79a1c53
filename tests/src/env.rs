//! `TestEnv`: a home of its own, a cleared environment, a repository, and the program run in it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Ran {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The exit code; `None` when it was killed.
    pub code: Option<i32>,
}

impl Ran {
    /// Fails the test unless the exit code is this one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// Standard output as one JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{}", self.stdout))
    }

    /// Standard output as one JSON document per line.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}\n{line}"));
        self.stdout.lines().map(parse).collect()
    }
}

/// A place where nothing of the machine shows through but its programs.
pub struct TestEnv {
    folder: TempDir,
    program: PathBuf,
    variables: Vec<(String, String)>,
}

impl TestEnv {
    /// An environment with a repository that holds one commit of the given files. `program` is
    /// `env!("CARGO_BIN_EXE_miyabi-under-test")` of the test.
    pub fn new(program: &str, files: &[(&str, &str)]) -> Self {
        let env = Self::bare(program);
        fs::create_dir(env.repo()).expect("the folder is new");
        for (path, text) in files {
            env.write(path, text);
        }
        env.begin();
        env
    }

    /// Makes the repository folder, as it is, a git repository with one commit of all that is in it.
    pub fn begin(&self) {
        self.git(&["init", "--quiet", "--initial-branch=main"]);
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "Begin"]);
    }

    /// An environment whose repository folder is not there yet.
    pub fn bare(program: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        fs::create_dir(folder.path().join("home")).expect("the folder is new");
        let env = Self { folder, program: PathBuf::from(program), variables: Vec::new() };
        fs::write(
            env.home().join(".gitconfig"),
            "[user]\n\tname = Test\n\temail = test@example.com\n[init]\n\tdefaultBranch = main\n",
        )
        .expect("the home can be written");
        env
    }

    /// An environment with a small crate: one function, one test, a lock file, everything documented.
    pub fn with_crate(program: &str) -> Self {
        Self::new(program, &small_crate())
    }

    /// Sets a variable for everything that is run from here on.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.set(name, value);
        self
    }

    /// The same for an environment that is in use already.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.push((name.to_owned(), value.into()));
    }

    /// The folder around the repository and the home.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// The home.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// The repository.
    pub fn repo(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    /// Writes a file in the repository.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.repo().join(path);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("folders can be made");
        fs::write(path, text).expect("the file can be written");
    }

    /// Reads a file of the repository.
    pub fn read(&self, path: &str) -> String {
        let path = self.repo().join(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// A command in the repository with nothing of the machine's environment but what programs need.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().stdin(Stdio::null());
        for name in ["PATH", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "LLVM_COV", "LLVM_PROFDATA"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        // A rustup without its home looks below HOME, which is not the machine's here.
        if let Some(home) = std::env::var_os("HOME").map(PathBuf::from) {
            for (name, below) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
                if std::env::var_os(name).is_none() && home.join(below).is_dir() {
                    command.env(name, home.join(below));
                }
            }
        }
        command.env("HOME", self.home()).env("LANG", "C.UTF-8").env("NO_COLOR", "1").env("USER", "tester");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let folder = if self.repo().is_dir() { self.repo() } else { self.root().to_owned() };
        command.current_dir(folder);
        command
    }

    /// Runs git in the repository and gives what it printed.
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        let ran = run(self.command("git").args(arguments));
        assert_eq!(ran.code, Some(0), "git {arguments:?}\n{}{}", ran.stdout, ran.stderr);
        ran.stdout.trim_end().to_owned()
    }

    /// The program with these arguments, not started yet.
    pub fn program<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.command(&self.program);
        command.args(arguments);
        command
    }

    /// Runs the program.
    pub fn miyabi<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ran {
        run(&mut self.program(arguments))
    }

    /// Starts the program and does not wait for it; its output is at hand through pipes.
    pub fn start<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Child {
        let mut command = self.program(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the program starts")
    }

    /// Every file of a commit with its contents' id: two equal lists are two equal trees.
    pub fn tree(&self, commit: &str) -> Vec<String> {
        self.git(&["ls-tree", "-r", commit]).lines().map(str::to_owned).collect()
    }

    /// Names of the folders in `.worktrees/`.
    pub fn worktrees(&self) -> Vec<String> {
        let Ok(folder) = fs::read_dir(self.repo().join(".worktrees")) else { return Vec::new() };
        let names = folder.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    /// Process ids of everything that runs with this environment's home, the test itself left aside.
    pub fn processes(&self) -> Vec<u32> {
        let mark = format!("HOME={}", self.home().display());
        let Ok(folder) = fs::read_dir("/proc") else { return Vec::new() };
        let pids = folder.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        pids.filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
        })
        .collect()
    }
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Ran {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Ran {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code(),
    }
}

/// The files of a small crate.
pub fn small_crate() -> Vec<(&'static str, &'static str)> {
    vec![
        (
            "Cargo.toml",
            "[package]\nname = \"sample\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n",
        ),
        (
            "Cargo.lock",
            "# This file is automatically @generated by Cargo.\n# It is not intended for manual editing.\nversion = 4\n\n[[package]]\nname = \"sample\"\nversion = \"0.1.0\"\n",
        ),
        (".gitignore", "/target\n"),
        (
            "src/lib.rs",
            "//! A sample.\n\n/// Adds two numbers.\npub fn add(left: u64, right: u64) -> u64 {\n    left + right\n}\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn adds() {\n        assert_eq!(super::add(2, 2), 4);\n    }\n}\n",
        ),
    ]
}
