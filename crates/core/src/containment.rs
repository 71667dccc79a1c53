//! Containment: how strongly an untrusted program is kept in, and what it may reach.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How strongly a program is kept in; the later, the stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Containment {
    /// A process like any other of this user: a worktree as its folder and a chosen environment are no boundary.
    Plain,
    /// The kernel's Landlock: files outside of its bounds can be neither read nor written. It sees which processes run.
    Landlock,
    /// bubblewrap: file system and processes of its own, without any privilege.
    Bubblewrap,
}

impl Containment {
    /// Its name in settings and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Landlock => "landlock",
            Self::Bubblewrap => "bubblewrap",
        }
    }
}

impl fmt::Display for Containment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How much containment a policy asks for: `policy.containment`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Demand {
    /// None, even where it can be had.
    Off,
    /// The strongest that this machine has.
    #[default]
    Best,
    /// At least Landlock: without it nothing untrusted is started.
    Required,
}

/// A program as it would be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// Its file, absolute.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its current folder, absolute.
    pub folder: PathBuf,
    /// All of its environment.
    pub environment: Vec<(OsString, OsString)>,
}

/// What a program may reach besides what any program needs: system libraries, tools on its search path, `/dev/null`.
///
/// Paths are absolute; those that are not there are passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Files and folders that it may read and write.
    pub writable: Vec<PathBuf>,
    /// Files and folders that it may read.
    pub readable: Vec<PathBuf>,
    /// Files and folders in which it keeps its own state. A box with files of its own begins with empty ones, in which
    /// only what `writable` and `readable` name is there.
    pub own: Vec<PathBuf>,
    /// Files of which it sees another text: the place, and the text. A box that cannot show another one shows none of
    /// the folder around it.
    pub replaced: Vec<(PathBuf, String)>,
    /// Whether it may use the network.
    pub network: bool,
}
