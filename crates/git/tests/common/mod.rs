//! A real repository in a temporary folder, and the git program to look at it from outside.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use miyabi_core::ids::CommitId;
use miyabi_core::ports::Worktrees;
use miyabi_core::worktree::{CommitSpec, Committed, LandSpec, MergeSpec, Worktree, WorktreeSpec};
use miyabi_git::{GitWorktrees, Options};
use tempfile::TempDir;

/// A repository with its own identity, on `main`, removed at the end.
pub(crate) struct Repo {
    _folder: TempDir,
    root: PathBuf,
}

impl Repo {
    /// One commit with `README.md`, `src/lib.rs` and a file with a Japanese name.
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// The same, made with further arguments of `git init`.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let repo = Self::empty(arguments);
        repo.write("README.md", "# Crate\n");
        repo.write("src/lib.rs", "pub fn one() -> u32 {\n    1\n}\n");
        repo.write("docs/日本語 「説明」.md", "最初\n");
        repo.commit_all("Begin");
        repo
    }

    /// No commit yet.
    pub(crate) fn empty(arguments: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("miyabi-git-").tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("repo");
        fs::create_dir(&root).unwrap();
        let repo = Self { _folder: folder, root };
        repo.git([&["init", "-q", "-b", "main"], arguments].concat());
        repo.git(["config", "user.name", "Test 太郎"]);
        repo.git(["config", "user.email", "taro@example.com"]);
        repo
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A path in the main checkout.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        write(&self.at(path), text);
    }

    /// What git prints in the main checkout, without the last line end.
    pub(crate) fn git<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        git_in(&self.root, arguments)
    }

    /// Commits all in the main checkout.
    pub(crate) fn commit_all(&self, message: &str) -> CommitId {
        self.git(["add", "-A"]);
        self.git(["commit", "-q", "--allow-empty", "-m", message]);
        self.head()
    }

    pub(crate) fn head(&self) -> CommitId {
        CommitId::from(self.git(["rev-parse", "HEAD"]))
    }

    /// The commit that a name stands for.
    pub(crate) fn commit(&self, name: &str) -> CommitId {
        CommitId::from(self.git(["rev-parse", "--verify", name]))
    }

    /// The content of a file in a commit.
    pub(crate) fn show(&self, commit: impl std::fmt::Display, path: &str) -> String {
        self.git(["cat-file", "-p", &format!("{commit}:{path}")])
    }

    /// The pinned refs, in order.
    pub(crate) fn kept(&self) -> Vec<String> {
        let refs = self.git(["for-each-ref", "--format=%(refname)", "refs/miyabi/keep"]);
        refs.lines().map(str::to_owned).collect()
    }

    /// All local branches.
    pub(crate) fn branches(&self) -> Vec<String> {
        let refs = self.git(["for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads"]);
        refs.lines().map(str::to_owned).collect()
    }

    /// Paths of a tree or commit.
    pub(crate) fn paths(&self, tree: impl std::fmt::Display) -> Vec<String> {
        let listed = self.git(["ls-tree", "-r", "-z", "--name-only", &tree.to_string()]);
        listed.split_terminator('\0').map(str::to_owned).collect()
    }

    /// Everything that must stay as it is: files, index, refs, settings, status of the main checkout.
    pub(crate) fn snapshot(&self) -> String {
        let git_dir = self.root.join(".git");
        let mut text = String::new();
        for file in ["config", "HEAD", "index"] {
            text += &format!("{file}: {:?}\n", fs::read(git_dir.join(file)).ok());
        }
        text += &self.git(["for-each-ref", "--format=%(refname) %(objectname)"]);
        text += &self.git(["status", "--porcelain=v2", "--branch", "--untracked-files=all"]);
        text += &format!("{:?}", files_below(&self.root, &[".git", ".worktrees", ".miyabi"]));
        text
    }

    /// The worktrees of this repository as miyabi keeps them.
    pub(crate) fn worktrees(&self) -> GitWorktrees {
        GitWorktrees::open(&self.root, Options::default()).unwrap()
    }

    /// The same without a pool.
    pub(crate) fn without_pool(&self) -> GitWorktrees {
        GitWorktrees::open(&self.root, Options { pool_size: 0, ..Options::default() }).unwrap()
    }

    /// A worktree wanted at the tip of `main`.
    pub(crate) fn spec(&self, name: &str) -> WorktreeSpec {
        spec(name, &self.commit("main"))
    }
}

/// A worktree of a run `run-1`, step `step-1`.
pub(crate) fn spec(name: &str, base: &CommitId) -> WorktreeSpec {
    WorktreeSpec {
        run: "run-1".into(),
        step: "step-1".into(),
        name: name.to_owned(),
        branch: format!("feature/{name}"),
        base: base.clone(),
        keep_work: false,
    }
}

pub(crate) fn at() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

pub(crate) fn commit_spec(message: &str, parents: &[&CommitId]) -> CommitSpec {
    CommitSpec {
        message: message.to_owned(),
        parents: parents.iter().map(|id| (*id).clone()).collect(),
        at: at(),
    }
}

pub(crate) fn merge_spec(into: &str, from: &CommitId) -> MergeSpec {
    MergeSpec { into: into.to_owned(), from: from.clone(), message: format!("Merge into {into}\n"), at: at() }
}

pub(crate) fn land_spec(base: &str, head: &CommitId) -> LandSpec {
    LandSpec { base: base.to_owned(), head: head.clone(), message: "Land 着陸\n".to_owned(), at: at() }
}

/// Writes a file in a worktree and commits everything there.
pub(crate) async fn commit_file(
    ours: &GitWorktrees,
    worktree: &Worktree,
    path: &str,
    text: &str,
) -> Committed {
    write(&worktree.path.join(path), text);
    let spec = commit_spec(&format!("Write {path}\n"), &[&worktree.base]);
    ours.commit(worktree, &spec).await.unwrap().unwrap()
}

pub(crate) fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// What git prints in a folder, without the last line end. Fails the test if git fails.
pub(crate) fn git_in<S: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = S>) -> String {
    let (ok, text) = try_git_in(folder, arguments);
    assert!(ok, "git failed in {}: {text}", folder.display());
    text
}

/// The same, but a failure is the first value.
pub(crate) fn try_git_in<S: AsRef<OsStr>>(
    folder: &Path,
    arguments: impl IntoIterator<Item = S>,
) -> (bool, String) {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false"])
        .args(arguments)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    let text = if output.status.success() { output.stdout } else { output.stderr };
    let text = String::from_utf8_lossy(&text).into_owned();
    (output.status.success(), text.strip_suffix('\n').unwrap_or(&text).to_owned())
}

/// All files below a folder with their content, without some names at the top.
pub(crate) fn files_below(root: &Path, without: &[&str]) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let relative = path.strip_prefix(root).unwrap().to_owned();
            if without.iter().any(|name| relative == Path::new(name)) {
                continue;
            }
            let metadata = fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.is_symlink() {
                files.push((relative, fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()));
            } else {
                files.push((relative, fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}
