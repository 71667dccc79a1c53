//! What this machine has to keep programs in, found out by trying.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use miyabi_core::containment::Containment;
use tokio::process::Command;

use crate::bubblewrap::FLAGS;
use crate::{landlock, machine};

/// Why a containment cannot be had here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lack {
    /// bubblewrap is not installed.
    #[error("bubblewrap is not installed")]
    NotInstalled,
    /// It is there and fails.
    #[error("bubblewrap cannot make a box: {0}")]
    Forbidden(String),
    /// The kernel has no Landlock, or too old a one.
    #[error("the kernel has no Landlock that is new enough (Linux 6.2): {0}")]
    NoLandlock(String),
    /// Landlock is laid on by a program of ours, and none is known.
    #[error("the program that lays Landlock on is not known")]
    NoEntry,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// bubblewrap's program.
    pub bubblewrap: Result<PathBuf, Lack>,
    /// Landlock.
    pub landlock: Result<(), Lack>,
}

impl Probe {
    /// Tries everything.
    pub async fn new(environment: &[(OsString, OsString)], has_entry: bool) -> Self {
        let landlock = match landlock::lack() {
            Some(why) => Err(Lack::NoLandlock(why)),
            None if !has_entry => Err(Lack::NoEntry),
            None => Ok(()),
        };
        Self { bubblewrap: bubblewrap(environment).await, landlock }
    }

    /// The strongest containment that can be had.
    pub fn best(&self) -> Containment {
        match (&self.bubblewrap, &self.landlock) {
            (Ok(_), _) => Containment::Bubblewrap,
            (_, Ok(())) => Containment::Landlock,
            _ => Containment::Plain,
        }
    }

    /// Why there is nothing stronger; empty where there is nothing stronger to be had.
    pub fn lacks(&self) -> Vec<&Lack> {
        let bubblewrap = self.bubblewrap.as_ref().err();
        let landlock = self.landlock.as_ref().err().filter(|_| bubblewrap.is_some());
        bubblewrap.into_iter().chain(landlock).collect()
    }
}

/// Containers often forbid it, so it is tried with all that a box needs.
async fn bubblewrap(environment: &[(OsString, OsString)]) -> Result<PathBuf, Lack> {
    let search = machine::variable(environment, "PATH").unwrap_or(OsStr::new("/usr/local/bin:/usr/bin:/bin"));
    let folders = std::env::split_paths(search).filter(|folder| folder.is_absolute());
    let program = folders.map(|folder| folder.join("bwrap")).find(|file| is_program(file));
    let program = program.ok_or(Lack::NotInstalled)?;
    let mut command = Command::new(&program);
    command.args(FLAGS).args(["--unshare-net", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]);
    command.args(["--tmpfs", "/tmp", "--remount-ro", "/", "--"]).arg(&program).arg("--version");
    command.env_clear().stdin(Stdio::null()).kill_on_drop(true);
    match command.output().await {
        Ok(output) if output.status.success() => Ok(program),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let line = said.lines().next().map_or_else(|| output.status.to_string(), str::to_owned);
            Err(Lack::Forbidden(line))
        }
        Err(error) => Err(Lack::Forbidden(error.to_string())),
    }
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}
