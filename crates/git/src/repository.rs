//! One repository: found from any folder in it, with what all operations share.
//!
//! What is done with it stands in the other modules, as further methods.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Mutex, OnceCell, Semaphore};

use crate::error::GitError;
use crate::facts::Facts;
use crate::lock::Locks;
use crate::remote::{Address, Format, RemoteError, RemoteOptions, Transport};
use crate::runner::{Call, Git};
use crate::{exclude, parse};

/// The oldest version with `merge-tree --write-tree`.
const NEEDED: (u32, u32) = (2, 38);

/// How worktrees are kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// The git program: a name to be found in `PATH`, or a path.
    pub program: PathBuf,
    /// At most this many closed worktrees are parked for the next ones; 0: none.
    pub pool_size: usize,
    /// Reused and reset worktrees keep ignored files, such as `target/`.
    pub keep_build_output: bool,
    /// At most this many worktrees are populated at once; 0: as many as there are processors.
    pub parallel: usize,
    /// The longest that one call of git may take.
    pub deadline: Duration,
    /// Where branches come from and go to; none: the repository stands alone.
    pub remote: Option<RemoteOptions>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            program: PathBuf::from("git"),
            pool_size: 8,
            keep_build_output: false,
            parallel: 0,
            deadline: Duration::from_secs(600),
            remote: None,
        }
    }
}

/// What all operations on a repository share.
#[derive(Debug)]
pub(crate) struct Repository {
    pub(crate) git: Git,
    pub(crate) options: Options,
    /// The main checkout, canonical.
    pub(crate) root: PathBuf,
    /// The git directory that all worktrees share, canonical.
    pub(crate) common: PathBuf,
    /// `.worktrees/` in the main checkout.
    pub(crate) folder: PathBuf,
    /// Refs are files, so that a `HEAD` can be read without a process.
    pub(crate) refs_are_files: bool,
    /// How objects and refs are stored.
    pub(crate) format: Format,
    /// The way to the remote.
    pub(crate) transport: Option<Arc<Transport>>,
    pub(crate) locks: Locks,
    pub(crate) facts: Facts,
    pub(crate) processors: usize,
    /// Who may populate.
    pub(crate) population: Semaphore,
    /// How many populate now.
    pub(crate) populating: AtomicUsize,
    pub(crate) swept: OnceCell<()>,
    pub(crate) settled: Mutex<bool>,
    identity: Identity,
    unique: AtomicU64,
}

/// Who commits.
#[derive(Debug)]
struct Identity {
    name: String,
    email: String,
}

impl Repository {
    /// Finds the main checkout from any folder of it or of its worktrees.
    pub(crate) fn find(from: &Path, options: Options) -> Result<Self, GitError> {
        let git = Git::new(&options.program, options.deadline);
        check_version(&git, from)?;
        let place = find_place(&git, from)?;
        let identity = identity(&git, &place.root)?;
        let transport = match &options.remote {
            Some(remote) => {
                let address = address_of(&git, &place.root, &remote.name_or_url)?;
                Some(Arc::new(Transport::new(&git, address, remote)?))
            }
            None => None,
        };
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        let parallel = if options.parallel == 0 { processors } else { options.parallel };
        Ok(Self {
            git,
            options,
            folder: place.root.join(".worktrees"),
            locks: Locks::new(place.common.join("miyabi")),
            facts: Facts::default(),
            root: place.root,
            transport,
            common: place.common,
            refs_are_files: place.format.refs == "files",
            format: place.format,
            processors,
            population: Semaphore::new(parallel),
            populating: AtomicUsize::new(0),
            swept: OnceCell::new(),
            settled: Mutex::new(false),
            identity,
            unique: AtomicU64::new(0),
        })
    }

    /// A call that looks at the repository from its main checkout.
    pub(crate) fn look(&self, arguments: &[&str]) -> Call {
        Call::look(&self.root, arguments)
    }

    /// A call that makes a commit object; its identity and time are settled.
    pub(crate) fn commit_call(&self, call: Call, at: Timestamp) -> Call {
        let date = format!("@{} +0000", at.as_second());
        call.env("GIT_AUTHOR_NAME", &self.identity.name)
            .env("GIT_AUTHOR_EMAIL", &self.identity.email)
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_NAME", &self.identity.name)
            .env("GIT_COMMITTER_EMAIL", &self.identity.email)
            .env("GIT_COMMITTER_DATE", &date)
    }

    /// A call that moves refs: reflogs name someone as well.
    pub(crate) fn ref_call(&self, folder: &Path, arguments: &[&str]) -> Call {
        Call::write(folder, arguments)
            .env("GIT_COMMITTER_NAME", &self.identity.name)
            .env("GIT_COMMITTER_EMAIL", &self.identity.email)
    }

    /// Has `.worktrees/`, what miyabi keeps and the context files ignored, without a trace in tracked files.
    pub(crate) async fn exclude(&self, more: &[&str]) -> Result<(), GitError> {
        let path = self.common.join("info").join("exclude");
        if exclude::is_complete(&path, more)? {
            return Ok(());
        }
        let _held = self.locks.hold("exclude").await?;
        exclude::complete(&path, more)
    }

    /// A name that nobody else uses, now or later.
    pub(crate) fn unique(&self) -> String {
        let count = self.unique.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        format!("{}-{}-{count}", Timestamp::now().as_nanosecond(), std::process::id())
    }
}

struct Place {
    root: PathBuf,
    common: PathBuf,
    format: Format,
}

fn check_version(git: &Git, from: &Path) -> Result<(), GitError> {
    // Asked from `/`, because the folder may not be there: that is another error.
    let output = git.run_blocking(&Call::look(Path::new("/"), &["version"]))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match parse::version(&text) {
        Some(version) if version >= NEEDED => Ok(()),
        Some(_) => {
            let found = text.strip_prefix("git version ").unwrap_or(&text).to_owned();
            Err(GitError::TooOld { found, needed: "2.38" })
        }
        None => {
            tracing::debug!(from = %from.display(), "git told its version as `{text}`");
            Err(GitError::Answer { call: "git version" })
        }
    }
}

fn find_place(git: &Git, from: &Path) -> Result<Place, GitError> {
    let from = from.canonicalize().map_err(|_| GitError::NotARepository { path: from.to_owned() })?;
    let ask = |folder: &Path, arguments: &[&str]| {
        git.run_blocking(&Call::look(folder, &["rev-parse", "--path-format=absolute"]).args(arguments))
    };
    let asked = ask(&from, &["--is-bare-repository", "--git-common-dir", "--git-dir"])?;
    if !asked.success() {
        return Err(not_found(from, &asked.stderr));
    }
    let [bare, common, own] = lines(&asked.stdout)?;
    let common = canonical(&common)?;
    if bare == "true" {
        return Err(GitError::Bare { path: common });
    }
    let root = if canonical(&own)? == common {
        // Within the git directory itself there is no checkout to be named.
        let top = ask(&from, &["--show-toplevel"])?;
        if !top.success() {
            return Err(not_found(from, &top.stderr));
        }
        let [top] = lines(&top.stdout)?;
        canonical(&top)?
    } else {
        let listed = git.run_blocking(&Call::look(&from, &["worktree", "list", "--porcelain", "-z"]))?;
        match parse::worktrees(&listed.stdout).into_iter().next() {
            Some(main) if main.bare => return Err(GitError::Bare { path: common }),
            Some(main) => canonical(&main.path)?,
            None => return Err(GitError::Answer { call: "git worktree list" }),
        }
    };
    let asked = Call::look(&root, &["config", "--null", "--get-regexp"]);
    let output = git.run_blocking(&asked.arg(r"^extensions\.(refstorage|objectformat)$"))?;
    let format = Format::parse(&String::from_utf8_lossy(&output.stdout));
    Ok(Place { root, common, format })
}

fn not_found(path: PathBuf, stderr: &str) -> GitError {
    if stderr.contains("dubious ownership") {
        return GitError::Distrusted { path };
    }
    GitError::NotARepository { path }
}

/// The address of a remote that is given by its name in the repository, as a URL or as a path.
fn address_of(git: &Git, root: &Path, name_or_url: &str) -> Result<Address, RemoteError> {
    if name_or_url.contains([':', '/']) || name_or_url.starts_with('-') || name_or_url.is_empty() {
        return Address::parse(name_or_url, root);
    }
    let asked = Call::look(root, &["config", "--null", "--get"]).arg(format!("remote.{name_or_url}.url"));
    let output = git.run_blocking(&asked)?;
    let url = String::from_utf8_lossy(&output.stdout);
    match url.split('\0').next().filter(|url| output.success() && !url.is_empty()) {
        Some(url) => Address::parse(url, root),
        None => {
            let name = name_or_url.chars().take(80).collect::<String>().escape_debug().to_string();
            Err(RemoteError::NoSuchRemote { name })
        }
    }
}

fn canonical(path: impl AsRef<Path>) -> Result<PathBuf, GitError> {
    let path = path.as_ref();
    path.canonicalize().map_err(|source| GitError::io("find", path, source))
}

fn lines<const N: usize>(stdout: &[u8]) -> Result<[std::ffi::OsString; N], GitError> {
    let lines: Vec<_> = stdout
        .strip_suffix(b"\n")
        .unwrap_or(stdout)
        .split(|byte| *byte == b'\n')
        .map(|line| OsStr::from_bytes(line).to_owned())
        .collect();
    lines.try_into().map_err(|_| GitError::Answer { call: "git rev-parse" })
}

fn identity(git: &Git, root: &Path) -> Result<Identity, GitError> {
    let ask = |name: &str| -> Result<Option<String>, GitError> {
        let output = git.run_blocking(&Call::look(root, &["config", "--get", name]))?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok(Some(text).filter(|text| !text.is_empty()))
    };
    Ok(Identity {
        name: ask("user.name")?.unwrap_or_else(|| "miyabi".to_owned()),
        email: ask("user.email")?.unwrap_or_else(|| "miyabi@localhost".to_owned()),
    })
}
