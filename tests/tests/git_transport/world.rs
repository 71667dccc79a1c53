//! A remote behind a login, clones of it, and a look at the processes that talk to it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use miyabi_core::failure::Failure;
use miyabi_core::ids::CommitId;
use miyabi_core::ports::PushSpec;
use miyabi_git::{Credentials, GitWorktrees, Login, Options, RemoteOptions};
use miyabi_tests::git_http::{Answer, GitHttp, Request};
use tempfile::TempDir;

/// The token that is accepted.
pub(crate) const TOKEN: &str = "hunter22-never-seen-anywhere";
/// One that is not, any more.
pub(crate) const OLD: &str = "hunter11-expired-long-ago";

const USER: &str = "x-access-token";

/// Hands out these tokens in order, the last one again and again.
pub(crate) struct Logins {
    tokens: Mutex<Vec<&'static str>>,
    asked: AtomicUsize,
}

impl Logins {
    pub(crate) fn new<const N: usize>(tokens: [&'static str; N]) -> Arc<Self> {
        Arc::new(Self { tokens: Mutex::new(tokens.into()), asked: AtomicUsize::new(0) })
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Credentials for Logins {
    async fn login(&self, _url: &str) -> Result<Option<Login>, Failure> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut tokens = self.tokens.lock().unwrap();
        let token = if tokens.len() > 1 { Some(tokens.remove(0)) } else { tokens.first().copied() };
        Ok(token.map(|token| Login { user: USER.to_owned(), secret: token.into() }))
    }
}

/// A bare repository with one commit on `main`, served over HTTP to whoever has [`TOKEN`].
pub(crate) struct World {
    pub(crate) http: GitHttp,
    folder: TempDir,
}

impl World {
    /// None where git has no HTTP server, after saying so. Fails then where continuous integration runs.
    #[expect(clippy::print_stderr, reason = "it speaks to the person who runs the tests")]
    pub(crate) async fn start(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Option<Self> {
        let programs = Command::new("git").arg("--exec-path").output().unwrap();
        let programs = PathBuf::from(String::from_utf8_lossy(&programs.stdout).trim());
        if !programs.join("git-http-backend").exists() {
            eprintln!("not run: this git has no `http-backend`");
            assert!(std::env::var_os("CI").is_none(), "git's HTTP server must be there in CI");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("git-transport-").tempdir().unwrap();
        let (seed, served) = (folder.path().join("seed"), folder.path().join("served"));
        fs::create_dir_all(&seed).unwrap();
        fs::create_dir_all(&served).unwrap();
        git(&seed, ["init", "-q", "-b", "main"]);
        fs::write(seed.join("日本語.md"), "最初\n").unwrap();
        git(&seed, ["add", "-A"]);
        git(&seed, ["-c", "user.name=T", "-c", "user.email=t@example.com", "commit", "-q", "-m", "Begin"]);
        git(&served, ["clone", "-q", "--bare", seed.to_str().unwrap(), "o/r.git"]);
        let http = GitHttp::start(&served, script).await.unwrap();
        http.accept(&format!("Basic {}", STANDARD.encode(format!("{USER}:{TOKEN}"))));
        Some(Self { http, folder })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the repository is for git.
    pub(crate) fn repository(&self) -> String {
        format!("{}/o/r.git", self.http.url())
    }

    pub(crate) fn options(&self, credentials: Arc<dyn Credentials>) -> RemoteOptions {
        RemoteOptions {
            name_or_url: "origin".to_owned(),
            credentials,
            askpass: PathBuf::from(env!("CARGO_BIN_EXE_answer-git")),
        }
    }

    /// A clone whose `origin` is the server.
    pub(crate) fn clone_of(&self, name: &str) -> (GitWorktrees, PathBuf) {
        self.clone_with(name, Logins::new([TOKEN]))
    }

    pub(crate) fn clone_with(&self, name: &str, logins: Arc<Logins>) -> (GitWorktrees, PathBuf) {
        let path = self.folder().join(name);
        git(self.folder(), ["clone", "-q", "served/o/r.git", name]);
        git(&path, ["remote", "set-url", "origin", &self.repository()]);
        (self.open_with(&path, logins), path)
    }

    pub(crate) fn open(&self, path: &Path) -> GitWorktrees {
        self.open_with(path, Logins::new([TOKEN]))
    }

    fn open_with(&self, path: &Path, logins: Arc<Logins>) -> GitWorktrees {
        let options = Options { remote: Some(self.options(logins)), ..Options::default() };
        GitWorktrees::open(path, options).unwrap()
    }

    /// A commit on top of another, on no branch.
    pub(crate) fn commit(&self, repo: &Path, parent: &str, message: &str) -> CommitId {
        let tree = format!("{parent}^{{tree}}");
        let who = ["-c", "user.name=T", "-c", "user.email=t@example.com"];
        let words = ["commit-tree", &tree, "-p", parent, "-m", message];
        CommitId::from(git(repo, who.into_iter().chain(words)))
    }

    pub(crate) fn commit_at(&self, repo: &Path, name: &str) -> CommitId {
        CommitId::from(git(repo, ["rev-parse", name]))
    }

    /// Where the branch stands at the remote; empty: nowhere.
    pub(crate) fn at_remote(&self, branch: &str) -> String {
        let bare = self.folder().join("served/o/r.git");
        git(&bare, ["for-each-ref", "--format=%(objectname)", &format!("refs/heads/{branch}")])
    }

    /// A program that notes that it ran, and where it does.
    pub(crate) fn program_that_tells(&self) -> (String, PathBuf) {
        let (program, ran) = (self.folder().join("evil"), self.folder().join("ran"));
        fs::write(&program, format!("#!/bin/sh\ntouch '{}'\n", ran.display())).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        (program.to_str().unwrap().to_owned(), ran)
    }

    /// No file of the clone shows a token.
    pub(crate) fn assert_silent(&self, repo: &Path) {
        let files = files_below(repo);
        assert!(files.iter().any(|(path, _)| path.ends_with(".git/config")));
        for (path, content) in files {
            assert!(!shows(&content), "{}", path.display());
        }
    }
}

pub(crate) fn spec(branch: &str, commit: &CommitId) -> PushSpec {
    PushSpec { branch: branch.to_owned(), commit: commit.clone() }
}

/// Whether a token is to be read there, plain or as HTTP sends it.
pub(crate) fn shows(content: &[u8]) -> bool {
    let text = String::from_utf8_lossy(content);
    [TOKEN, OLD]
        .iter()
        .any(|token| text.contains(token) || text.contains(&STANDARD.encode(format!("{USER}:{token}"))))
}

/// A process that talks to the server.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) arguments: String,
    pub(crate) environment: String,
    /// What the files in its room hold.
    pub(crate) files: Vec<Vec<u8>>,
}

/// The processes that have that address among their arguments.
pub(crate) fn processes(address: &str) -> Vec<Process> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let read = |name: &str| {
            let content = fs::read(entry.path().join(name)).unwrap_or_default();
            String::from_utf8_lossy(&content).into_owned()
        };
        let arguments = read("cmdline");
        if !arguments.contains(address) {
            continue;
        }
        let environment = read("environ");
        let git_dir = environment.split('\0').find_map(|line| line.strip_prefix("GIT_DIR="));
        let room = git_dir.and_then(|git_dir| Path::new(git_dir).parent());
        let files = room.map(files_below).unwrap_or_default();
        let files = files.into_iter().map(|(_, content)| content).collect();
        found.push(Process { arguments, environment, files });
    }
    found
}

fn files_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files_below(&entry.path()));
        } else if kind.is_file() {
            found.push((entry.path(), fs::read(entry.path()).unwrap()));
        }
    }
    found
}

/// What git prints, without the last line end.
pub(crate) fn git<S: AsRef<std::ffi::OsStr>>(folder: &Path, words: impl IntoIterator<Item = S>) -> String {
    let output = Command::new("git")
        .args(words)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}
