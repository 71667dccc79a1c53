//! Which worktrees there are, and which of them are ours: read from git's own folders, without a process.
//!
//! Git keeps a folder for each linked worktree, `worktrees/<id>` in the common git directory. Ours hold a record of
//! miyabi's in it, or, while they are being registered, a lock of git's with our reason.

use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use miyabi_core::ids::{CommitId, RunId, StepId};
use miyabi_core::worktree::{Worktree, WorktreeSpec};
use serde::{Deserialize, Serialize};

use crate::error::GitError;
use crate::names;
use crate::repository::Repository;
use crate::runner::Call;

/// The reason in git's lock of a worktree that is being made.
pub(crate) const BEING_OPENED: &str = "miyabi opens it";
const RECORD: &str = "miyabi.json";

/// What is known of a worktree beside what git knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) state: State,
    pub(crate) run: RunId,
    pub(crate) step: StepId,
    pub(crate) name: String,
    pub(crate) branch: String,
    pub(crate) base: CommitId,
    /// Files that were put in for the agent, beside the two that always are.
    #[serde(default)]
    pub(crate) context: Vec<String>,
    /// How the index looked when it was given out: as long as it does, nobody has staged or committed anything.
    #[serde(default)]
    pub(crate) index: Option<String>,
}

/// Where a worktree is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// Nobody has it yet: what is in it is no one's work.
    Opening,
    /// It was given out.
    Open,
    /// It was closed, is clean, and waits for the next one.
    Parked,
}

/// A worktree of ours: the folder, git's folder about it, our record.
#[derive(Clone, Debug)]
pub(crate) struct Checkout {
    pub(crate) path: PathBuf,
    pub(crate) admin: PathBuf,
    pub(crate) record: Record,
}

/// What stands under a name.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nothing.
    Nothing,
    /// Ours.
    Ours(Box<Checkout>),
    /// Ours, but its folder is gone.
    Ghost(Box<Checkout>),
}

/// What `HEAD` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    Branch(String),
    Detached,
}

/// A registered worktree, whoever registered it.
struct Registered {
    admin: PathBuf,
    /// Where it says that it is; none while it is half-made.
    path: Option<PathBuf>,
}

impl Record {
    /// The record of a worktree that is being opened.
    pub(crate) fn opening(spec: &WorktreeSpec) -> Self {
        Self {
            state: State::Opening,
            run: spec.run.clone(),
            step: spec.step.clone(),
            name: spec.name.clone(),
            branch: spec.branch.clone(),
            base: spec.base.clone(),
            context: Vec::new(),
            index: None,
        }
    }
}

impl Checkout {
    /// The worktree as others see it.
    pub(crate) fn worktree(&self) -> Worktree {
        Worktree {
            name: self.record.name.clone(),
            path: self.path.clone(),
            branch: self.record.branch.clone(),
            base: self.record.base.clone(),
        }
    }

    /// Writes the record; another process sees the old or the new one, never a part.
    pub(crate) fn save(&self) -> Result<(), GitError> {
        let text = serde_json::to_vec(&self.record).expect("a record is plain text");
        replace(&self.admin.join(RECORD), &text)
    }

    /// Has both folders point at each other, wherever the worktree was moved to.
    pub(crate) fn connect(&self) -> Result<(), GitError> {
        let line = |prefix: &str, path: &Path| {
            let mut text = prefix.as_bytes().to_vec();
            text.extend(path.as_os_str().as_bytes());
            text.push(b'\n');
            text
        };
        replace(&self.admin.join("gitdir"), &line("", &self.path.join(".git")))?;
        let (dot_git, content) = (self.path.join(".git"), line("gitdir: ", &self.admin));
        if fs::read(&dot_git).is_ok_and(|there| there == content) {
            // Left alone, so that the time of the folder still tells whether something else came into it.
            return Ok(());
        }
        replace(&dot_git, &content)
    }

    /// What tells one state of the index from another.
    pub(crate) fn index_mark(&self) -> Option<String> {
        let at = fs::metadata(self.admin.join("index")).ok()?;
        Some(format!(
            "{} {} {}.{} {}.{}",
            at.ino(),
            at.len(),
            at.mtime(),
            at.mtime_nsec(),
            at.ctime(),
            at.ctime_nsec()
        ))
    }

    /// A call that looks at the worktree.
    pub(crate) fn look(&self, arguments: &[&str]) -> Call {
        Call::look(&self.path, arguments)
    }

    /// A call that changes the worktree.
    pub(crate) fn write(&self, arguments: &[&str]) -> Call {
        Call::write(&self.path, arguments)
    }
}

impl Repository {
    /// Finds out what stands under a name, and mends the connection of what is ours.
    ///
    /// Errors: `Occupied` when something else is there; it is left as it is.
    pub(crate) fn look_up(&self, name: &str) -> Result<Found, GitError> {
        names::worktree(name)?;
        self.check_folder()?;
        let path = self.folder.join(name);
        let occupied = |why| Err(GitError::Occupied { path: path.clone(), why });
        let metadata = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return self.ghost(name, path),
            Err(source) => return Err(GitError::io("look at", &path, source)),
            Ok(metadata) => metadata,
        };
        if metadata.is_symlink() {
            return occupied("a symbolic link");
        }
        if !metadata.is_dir() {
            return occupied("a file");
        }
        let dot_git = path.join(".git");
        match fs::symlink_metadata(&dot_git) {
            Ok(metadata) if metadata.is_file() => {
                let Some(admin) = self.admin_of(&path) else {
                    return occupied("a checkout that this repository does not know");
                };
                self.ours(name, path, admin)
            }
            Ok(_) => occupied("a repository of its own"),
            Err(_) => match self.registered()?.into_iter().find(|there| there.path.as_ref() == Some(&path)) {
                Some(there) => self.ours(name, path, there.admin),
                None if fs::remove_dir(&path).is_ok() => Ok(Found::Nothing),
                None => occupied("a folder that miyabi did not make"),
            },
        }
    }

    /// Finds a worktree that was given out. Errors: `NotOurs`.
    pub(crate) fn given_out(&self, worktree: &Worktree) -> Result<Checkout, GitError> {
        let not_ours = || GitError::NotOurs { name: worktree.name.chars().take(100).collect() };
        match self.look_up(&worktree.name)? {
            Found::Ours(checkout)
                if checkout.record.state == State::Open && checkout.path == worktree.path =>
            {
                Ok(*checkout)
            }
            _ => Err(not_ours()),
        }
    }

    /// All worktrees of ours whose folder is there.
    pub(crate) fn all_ours(&self) -> Result<Vec<Checkout>, GitError> {
        let mut ours = Vec::new();
        for there in self.registered()? {
            let Some(path) = there.path else { continue };
            let Some(record) = read_record(&there.admin) else { continue };
            if self.admin_of(&path).as_ref() == Some(&there.admin) {
                ours.push(Checkout { path, admin: there.admin, record });
            }
        }
        ours.sort_by(|a, b| a.record.name.cmp(&b.record.name).then_with(|| a.path.cmp(&b.path)));
        Ok(ours)
    }

    /// The commit of a branch that has a file of its own, which goes before any packed one; none says nothing.
    pub(crate) fn loose_tip(&self, branch: &str) -> Option<CommitId> {
        if !self.refs_are_files {
            return None;
        }
        let content = fs::read_to_string(self.common.join("refs/heads").join(branch)).ok()?;
        names::commit(content.trim_end()).ok().map(CommitId::from)
    }

    /// Where a branch is checked out.
    pub(crate) async fn holders(&self, branch: &str) -> Result<Vec<PathBuf>, GitError> {
        if !self.refs_are_files {
            let output = self.git.ok(self.look(&["worktree", "list", "--porcelain", "-z"])).await?;
            let listed = crate::parse::worktrees(&output).into_iter();
            return Ok(listed
                .filter(|there| there.branch.as_deref() == Some(branch))
                .map(|t| t.path)
                .collect());
        }
        let holds = |git_dir: &Path| read_head(git_dir) == Some(Head::Branch(branch.to_owned()));
        let mut holders = Vec::new();
        if holds(&self.common) {
            holders.push(self.root.clone());
        }
        for there in self.registered()? {
            if holds(&there.admin) {
                holders.extend(there.path);
            }
        }
        Ok(holders)
    }

    /// Folders of git's about worktrees whose registration was broken off before git wrote where they are.
    pub(crate) fn half_registered(&self) -> Result<Vec<PathBuf>, GitError> {
        let broken = |there: &Registered| {
            there.path.is_none() && lock_reason(&there.admin) == Some(BEING_OPENED.into())
        };
        Ok(self.registered()?.into_iter().filter(broken).map(|there| there.admin).collect())
    }

    /// Writes again what a power cut left empty of a registration of ours: all of git stumbles over it. Nobody may be
    /// registering meanwhile.
    pub(crate) fn complete_registrations(&self) -> Result<(), GitError> {
        let is_empty = |file: &Path| fs::metadata(file).is_ok_and(|file| file.len() == 0);
        for there in self.registered()? {
            let file = there.admin.join("commondir");
            if is_empty(&file) && lock_reason(&there.admin) == Some(BEING_OPENED.into()) {
                replace(&file, b"../..\n")?;
            }
        }
        Ok(())
    }

    /// The worktree of ours that a folder says it is, and where git's books say that it is.
    pub(crate) fn recorded(&self, path: &Path) -> Option<(Checkout, Option<PathBuf>)> {
        let admin = self.admin_of(path)?;
        let record = read_record(&admin)?;
        let registered = registered_path(&admin);
        Some((Checkout { path: path.to_owned(), admin, record }, registered))
    }

    /// Git's folders about worktrees that were closed or never given out, and whose folder is not where it should be.
    pub(crate) fn ghosts_of_nobody(&self) -> Result<Vec<PathBuf>, GitError> {
        let gone = |there: &Registered| {
            let missing = there.path.as_ref().is_some_and(|path| {
                fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
            });
            let nobodys = read_record(&there.admin).is_some_and(|record| record.state != State::Open);
            missing && nobodys && lock_reason(&there.admin).as_deref() != Some(BEING_OPENED)
        };
        Ok(self.registered()?.into_iter().filter(gone).map(|there| there.admin).collect())
    }

    fn ghost(&self, name: &str, path: PathBuf) -> Result<Found, GitError> {
        match self.registered()?.into_iter().find(|there| there.path.as_ref() == Some(&path)) {
            None => Ok(Found::Nothing),
            Some(there) => match record_or_begun(&there.admin, name) {
                Some(record) => Ok(Found::Ghost(Box::new(Checkout { path, admin: there.admin, record }))),
                None => {
                    Err(GitError::Occupied { path, why: "registered by someone else, its folder is missing" })
                }
            },
        }
    }

    fn ours(&self, name: &str, path: PathBuf, admin: PathBuf) -> Result<Found, GitError> {
        let Some(mut record) = record_or_begun(&admin, name) else {
            return Err(GitError::Occupied { path, why: "a worktree that miyabi did not make" });
        };
        let registered_at = registered_path(&admin);
        let connected =
            registered_at.as_ref() == Some(&path) && self.admin_of(&path).as_ref() == Some(&admin);
        if !connected {
            let elsewhere =
                registered_at.filter(|at| *at != path && self.admin_of(at).as_ref() == Some(&admin));
            if elsewhere.is_some() {
                return Err(GitError::Occupied { path, why: "a copy of another worktree" });
            }
        }
        if record.name != name || record.state == State::Parked {
            // It was on its way from or to the pool: proven clean, and nobody's.
            record.state = State::Opening;
            name.clone_into(&mut record.name);
        }
        let checkout = Checkout { path, admin, record };
        if !connected {
            checkout.connect()?;
        }
        Ok(Found::Ours(Box::new(checkout)))
    }

    fn registered(&self) -> Result<Vec<Registered>, GitError> {
        let folder = self.common.join("worktrees");
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|source| GitError::io("read", &folder, source))?,
        };
        let admins = entries.filter_map(|entry| Some(entry.ok()?.path()));
        Ok(admins.map(|admin| Registered { path: registered_path(&admin), admin }).collect())
    }

    /// Git's folder about the worktree at that path, if it is one of this repository.
    fn admin_of(&self, path: &Path) -> Option<PathBuf> {
        let content = fs::read(path.join(".git")).ok()?;
        let named = content.trim_ascii_end().strip_prefix(b"gitdir: ")?;
        let admin = resolve(path, Path::new(OsStr::from_bytes(named)));
        (admin.parent() == Some(&self.common.join("worktrees")) && admin.is_dir()).then_some(admin)
    }

    /// Errors: `Occupied` when `.worktrees` is something that leads elsewhere.
    fn check_folder(&self) -> Result<(), GitError> {
        let occupied = |why| Err(GitError::Occupied { path: self.folder.clone(), why });
        match fs::symlink_metadata(&self.folder) {
            Ok(metadata) if metadata.is_symlink() => occupied("a symbolic link"),
            Ok(metadata) if !metadata.is_dir() => occupied("a file"),
            _ => Ok(()),
        }
    }
}

/// What `HEAD` in a git directory is, where refs are files.
pub(crate) fn read_head(git_dir: &Path) -> Option<Head> {
    let content = fs::read(git_dir.join("HEAD")).ok()?;
    let text = String::from_utf8_lossy(&content);
    Some(match text.trim_end().strip_prefix("ref: refs/heads/") {
        Some(branch) => Head::Branch(branch.to_owned()),
        None => Head::Detached,
    })
}

/// Replaces a file as a whole.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), GitError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".miyabi-new");
    let written = || -> std::io::Result<()> {
        fs::File::create(&beside)?.write_all(content)?;
        fs::rename(&beside, path)
    };
    written().map_err(|source| GitError::io("write", path, source))
}

fn read_record(admin: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(admin.join(RECORD)).ok()?).ok()
}

/// The record, or, where the registration was broken off before there was one, that of something that nobody has.
fn record_or_begun(admin: &Path, name: &str) -> Option<Record> {
    if lock_reason(admin).as_deref() == Some(BEING_OPENED) {
        return Some(Record {
            state: State::Opening,
            run: RunId::new("unknown"),
            step: StepId::new("unknown"),
            name: name.to_owned(),
            branch: String::new(),
            base: CommitId::new(""),
            context: Vec::new(),
            index: None,
        });
    }
    read_record(admin)
}

fn lock_reason(admin: &Path) -> Option<String> {
    let reason = fs::read(admin.join("locked")).ok()?;
    Some(String::from_utf8_lossy(&reason).trim_end().to_owned())
}

fn registered_path(admin: &Path) -> Option<PathBuf> {
    let content = fs::read(admin.join("gitdir")).ok()?;
    let named = content.trim_ascii_end();
    let dot_git = resolve(admin, Path::new(OsStr::from_bytes(named)));
    if named.is_empty() { None } else { dot_git.parent().map(Path::to_owned) }
}

/// The path without `.` and `..`, as seen from a folder; links are not followed.
fn resolve(from: &Path, path: &Path) -> PathBuf {
    let mut resolved = PathBuf::new();
    for component in from.join(path).components() {
        match component {
            Component::ParentDir => {
                resolved.pop();
            }
            Component::CurDir => {}
            other => resolved.push(other),
        }
    }
    resolved
}
