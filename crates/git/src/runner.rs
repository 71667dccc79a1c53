//! The one place where the git program is started: argument lists, a chosen environment, a deadline.
//!
//! What it prints is read elsewhere.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin};

use crate::error::GitError;
use crate::leftovers;

/// Settings that hold for every call: nothing of the target repository runs by itself, nothing happens behind our
/// back, and locks are waited for.
const SAFETY: [&str; 17] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.splitIndex=false",
    "core.quotePath=false",
    "core.safecrlf=false",
    "core.filesRefLockTimeout=5000",
    "core.packedRefsTimeout=10000",
    "gc.auto=0",
    "maintenance.auto=false",
    "commit.gpgSign=false",
    "i18n.commitEncoding=UTF-8",
    "merge.conflictStyle=merge",
    "rerere.enabled=false",
    "submodule.recurse=false",
    "advice.detachedHead=false",
    "status.showStash=false",
];

/// Variables of git's that stay when they are set; every other `GIT_…` is taken out, because miyabi may itself be
/// started by a hook.
const KEPT: [&str; 6] = [
    "GIT_EXEC_PATH",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CEILING_DIRECTORIES",
    "GIT_SSL_CAINFO",
];

/// What a sealed call inherits: the way to programs and to hosts. Tokens that people keep in variables stay out.
const FOR_SEALED: [&str; 22] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "SSH_AUTH_SOCK",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NIX_SSL_CERT_FILE",
    "GIT_EXEC_PATH",
    "GIT_SSL_CAINFO",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
];

/// The setting that names the process that started a git, so that one that outlives it is known. Git does not know it.
pub(crate) const OWNER: &str = "miyabi.owner";

/// How often, and how soon, a call is made again that met a half-made worktree.
const HALF_MADE: u32 = 80;
const SOON: Duration = Duration::from_millis(25);

/// How long a stopped program has to take its lock files away.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// The git program.
#[derive(Debug)]
pub(crate) struct Git {
    program: PathBuf,
    environment: Vec<(OsString, OsString)>,
    deadline: Duration,
    /// A call failed at a lock file since somebody last asked.
    met_a_lock: AtomicBool,
}

/// One call: where, with which arguments, with what on standard input.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    folder: PathBuf,
    settings: Vec<String>,
    arguments: Vec<OsString>,
    input: Option<Vec<u8>>,
    environment: Vec<(&'static str, OsString)>,
    sealed: bool,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Call {
    /// A call that only looks: it takes no lock, not even to refresh the index.
    pub(crate) fn look(folder: &Path, arguments: &[&str]) -> Self {
        Self::write(folder, arguments).env("GIT_OPTIONAL_LOCKS", "0")
    }

    /// A call that may change something.
    pub(crate) fn write(folder: &Path, arguments: &[&str]) -> Self {
        Self {
            folder: folder.to_owned(),
            settings: Vec::new(),
            arguments: arguments.iter().map(OsString::from).collect(),
            input: None,
            environment: Vec::new(),
            sealed: false,
        }
    }

    /// One more argument.
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// More arguments.
    pub(crate) fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Bytes for standard input, which is otherwise empty.
    pub(crate) fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// One more variable.
    pub(crate) fn env(mut self, name: &'static str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name, value.as_ref().to_owned()));
        self
    }

    /// The same with as little of our own environment as it takes to reach programs and hosts.
    pub(crate) fn sealed(mut self) -> Self {
        self.sealed = true;
        self
    }

    /// One more setting, `name=value`.
    pub(crate) fn setting(mut self, setting: String) -> Self {
        self.settings.push(setting);
        self
    }

    /// The call without its settings and long arguments, for messages.
    fn shown(&self) -> String {
        let mut text = "git".to_owned();
        for argument in &self.arguments {
            text.push(' ');
            text.extend(argument.to_string_lossy().chars().take(80));
        }
        text
    }
}

impl Output {
    pub(crate) fn success(&self) -> bool {
        self.code == Some(0)
    }

    fn of(status: ExitStatus, stdout: Vec<u8>, stderr: &[u8]) -> Self {
        Self { code: status.code(), stdout, stderr: String::from_utf8_lossy(stderr).into_owned() }
    }
}

impl Git {
    pub(crate) fn new(program: &Path, deadline: Duration) -> Self {
        let environment = std::env::vars_os()
            .filter(|(name, _)| {
                let name = name.to_string_lossy();
                let gits = name.starts_with("GIT_");
                (!gits || KEPT.contains(&&*name) || name.starts_with("GIT_SSH")) && name != "LANGUAGE"
            })
            .collect();
        Self { program: find(program), environment, deadline, met_a_lock: AtomicBool::new(false) }
    }

    /// Whether a call failed at a lock file since this was last asked.
    pub(crate) fn met_a_lock(&self) -> bool {
        self.met_a_lock.swap(false, Ordering::Relaxed)
    }

    /// Runs a call to its end, whatever its exit code.
    ///
    /// Errors: the program is missing, or took longer than the deadline and was stopped with all it started.
    pub(crate) async fn run(&self, call: Call) -> Result<Output, GitError> {
        let mut child = self.spawn(&call)?;
        let group = Group::of(&child);
        let feed = feed(child.stdin.take(), call.input.as_deref().unwrap_or_default());
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
        let all = async {
            let read_out = async {
                match &mut out {
                    Some(out) => out.read_to_end(&mut stdout).await,
                    None => Ok(0),
                }
            };
            let read_err = async {
                match &mut err {
                    Some(err) => err.read_to_end(&mut stderr).await,
                    None => Ok(0),
                }
            };
            let feed = async {
                feed.await;
                group.fed();
            };
            let ((), read_out, read_err) = tokio::join!(feed, read_out, read_err);
            read_out.and(read_err)?;
            child.wait().await
        };
        match tokio::time::timeout(self.deadline, all).await {
            Ok(Ok(status)) => {
                group.ended();
                Ok(Output::of(status, stdout, &stderr))
            }
            Ok(Err(source)) => Err(GitError::io("read the answer of", &self.program, source)),
            Err(_) => {
                stop(&mut child, &group).await;
                Err(self.late(&call))
            }
        }
    }

    /// Runs a call that has to succeed and gives what it printed.
    ///
    /// Many calls read git's books about all worktrees, and give up, before they do anything, at one that another git
    /// has only begun to write. That takes some milliseconds, so they are made again.
    pub(crate) async fn ok(&self, call: Call) -> Result<Vec<u8>, GitError> {
        for _ in 0..HALF_MADE {
            match self.ok_once(call.clone()).await {
                Err(GitError::HalfMade { .. }) => tokio::time::sleep(SOON).await,
                result => return result,
            }
        }
        self.ok_once(call).await
    }

    async fn ok_once(&self, call: Call) -> Result<Vec<u8>, GitError> {
        let (shown, folder) = (call.shown(), call.folder.clone());
        let output = self.run(call).await?;
        if output.success() {
            return Ok(output.stdout);
        }
        match GitError::of_call(shown, output.code, &output.stderr) {
            // Git does not always say why it could not write.
            GitError::Failed { call, stderr, .. } if is_full(&folder, &stderr) => {
                Err(GitError::DiskFull { detail: format!("`{call}`") })
            }
            error => {
                self.met_a_lock.fetch_or(matches!(error, GitError::Locked { .. }), Ordering::Relaxed);
                Err(error)
            }
        }
    }

    /// Runs a call that has to succeed and gives its first line.
    pub(crate) async fn line(&self, call: Call) -> Result<String, GitError> {
        let stdout = self.ok(call).await?;
        let text = String::from_utf8_lossy(&stdout);
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }

    /// Runs a call and hands its output on piece by piece until it ends or `take` says that it has enough.
    pub(crate) async fn stream(
        &self,
        call: Call,
        take: &mut (dyn FnMut(&[u8]) -> bool + Send),
    ) -> Result<(), GitError> {
        let mut child = self.spawn(&call)?;
        let group = Group::of(&child);
        let stdin = child.stdin.take();
        let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
        let mut stderr = Vec::new();
        let all = async {
            let read_out = async {
                let Some(out) = &mut out else { return Ok(true) };
                let mut piece = vec![0; 64 * 1024];
                loop {
                    let read = out.read(&mut piece).await?;
                    if read == 0 {
                        return Ok::<_, std::io::Error>(true);
                    }
                    if !take(piece.get(..read).unwrap_or_default()) {
                        return Ok(false);
                    }
                }
            };
            // Both ways at once: a program that waits until its answers are read takes no further questions.
            let feed = async {
                feed(stdin, call.input.as_deref().unwrap_or_default()).await;
                group.fed();
            };
            let Some(err) = &mut err else { return read_out.await };
            let read_err = err.read_to_end(&mut stderr);
            tokio::pin!(read_out, read_err, feed);
            let (mut quiet, mut fed) = (false, false);
            loop {
                tokio::select! {
                    to_end = &mut read_out => return to_end,
                    _ = &mut read_err, if !quiet => quiet = true,
                    () = &mut feed, if !fed => fed = true,
                }
            }
        };
        match tokio::time::timeout(self.deadline, all).await {
            Ok(Ok(true)) => {
                let status =
                    child.wait().await.map_err(|source| GitError::io("wait for", &self.program, source))?;
                group.ended();
                if status.success() {
                    return Ok(());
                }
                Err(GitError::of_call(call.shown(), status.code(), &String::from_utf8_lossy(&stderr)))
            }
            Ok(Ok(false)) => {
                stop(&mut child, &group).await;
                Ok(())
            }
            Ok(Err(source)) => Err(GitError::io("read the answer of", &self.program, source)),
            Err(_) => {
                stop(&mut child, &group).await;
                Err(self.late(&call))
            }
        }
    }

    /// Runs a call without an executor; for the few quick questions at the beginning.
    pub(crate) fn run_blocking(&self, call: &Call) -> Result<Output, GitError> {
        let mut command = self.command(call);
        command.stdin(Stdio::null());
        let output =
            command.output().map_err(|source| GitError::Missing { program: self.program.clone(), source })?;
        Ok(Output::of(output.status, output.stdout, &output.stderr))
    }

    fn spawn(&self, call: &Call) -> Result<Child, GitError> {
        let mut command = tokio::process::Command::from(self.command(call));
        command.stdin(if call.input.is_some() { Stdio::piped() } else { Stdio::null() });
        command.process_group(0);
        command.spawn().map_err(|source| GitError::Missing { program: self.program.clone(), source })
    }

    fn command(&self, call: &Call) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("-C").arg(&call.folder);
        for setting in SAFETY.into_iter().chain(call.settings.iter().map(String::as_str)) {
            command.arg("-c").arg(setting);
        }
        command.arg("-c").arg(format!("{OWNER}={}", std::process::id()));
        let inherited = self
            .environment
            .iter()
            .filter(|(name, _)| !call.sealed || name.to_str().is_some_and(|name| FOR_SEALED.contains(&name)));
        command
            .args(&call.arguments)
            .env_clear()
            .envs(inherited.map(|(name, value)| (name, value)))
            .envs([
                ("GIT_TERMINAL_PROMPT", "0"),
                ("LC_ALL", "C"),
                ("GIT_PAGER", "cat"),
                ("GIT_EDITOR", "true"),
            ])
            .envs(call.environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn late(&self, call: &Call) -> GitError {
        GitError::TimedOut { call: call.shown(), seconds: self.deadline.as_secs() }
    }
}

/// The program's path, looked up once and not at each call.
fn find(program: &Path) -> PathBuf {
    if program.components().count() > 1 {
        return program.to_owned();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|folder| folder.join(program));
    places.find(|place| place.is_absolute() && place.is_file()).unwrap_or_else(|| program.to_owned())
}

/// Whether a call failed because nothing more can be written there.
fn is_full(folder: &Path, stderr: &str) -> bool {
    let Ok(disk) = rustix::fs::statvfs(folder) else { return false };
    let writing =
        ["unable to write", "failed to write", "write error"].iter().any(|words| stderr.contains(words));
    // A file that did not fit is removed again, so some room is left.
    let needed = if writing { 64 * 1024 * 1024 } else { 64 * 1024 };
    let room = disk.f_bavail.saturating_mul(disk.f_frsize);
    (disk.f_blocks > 0 && room < needed) || (disk.f_files > 0 && disk.f_favail == 0)
}

async fn feed(stdin: Option<ChildStdin>, bytes: &[u8]) {
    if let Some(mut stdin) = stdin {
        // A program that ends before it has read everything says why in its exit code.
        let _ = stdin.write_all(bytes).await;
    }
}

async fn stop(child: &mut Child, group: &Group) {
    group.signal(Signal::TERM);
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        group.signal(Signal::KILL);
        let _ = child.wait().await;
    }
    group.ended();
}

/// The process group of a running call. Dropped before its end, for instance when the executor goes away, it is waited
/// for, so that nothing is left running behind us.
///
/// It is not asked to end at once: a git that gets a signal between making a lock file and noting that it did leaves
/// the file behind, and most calls are over in milliseconds.
struct Group {
    /// Process id of the leader; 0 once it has ended.
    leader: AtomicI32,
    /// It was given all of its input, so that it may be left to its work.
    fed: AtomicBool,
}

impl Group {
    fn of(child: &Child) -> Self {
        let leader = child.id().and_then(|id| i32::try_from(id).ok()).unwrap_or_default();
        Self { leader: AtomicI32::new(leader), fed: AtomicBool::new(false) }
    }

    fn signal(&self, signal: Signal) {
        if let Some(leader) = Pid::from_raw(self.leader.load(Ordering::Relaxed)) {
            // It may have ended meanwhile.
            let _ = kill_process_group(leader, signal);
        }
    }

    fn fed(&self) {
        self.fed.store(true, Ordering::Relaxed);
    }

    fn ended(&self) {
        self.leader.store(0, Ordering::Relaxed);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(leader) = Pid::from_raw(self.leader.load(Ordering::Relaxed)) else { return };
        if self.fed.load(Ordering::Relaxed) && leftovers::ended(leader, GRACE) {
            return;
        }
        for signal in [Signal::TERM, Signal::KILL] {
            self.signal(signal);
            if leftovers::ended(leader, GRACE) {
                return;
            }
        }
    }
}
