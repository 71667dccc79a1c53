//! The surroundings of one call to a remote: a git directory of our own over the target's objects and refs.
//!
//! The target's own settings can name programs that git would start and hosts that it would talk to, and git has no
//! switch that turns all of them off. So the transport does not read them: its git directory lies in a private
//! temporary folder, has its own `config` and no hooks, and links to the target's refs, as `git-new-workdir` did.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::Login;
use super::talk::{Place, Transport};
use crate::askpass::Desk;
use crate::runner::Call;

/// The longest path that a socket's folder may have, in bytes; the system takes 107 for the whole.
const LONGEST: usize = 90;

/// One call's private folder; it goes with this.
#[derive(Debug)]
pub(crate) struct Room {
    desk: Option<Desk>,
    folder: TempDir,
    git_dir: Option<PathBuf>,
    objects: Option<PathBuf>,
}

impl Room {
    /// Makes the folder, and begins to answer git where there is a login.
    pub(crate) fn open(transport: &Transport, place: &Place<'_>, login: Option<Login>) -> io::Result<Self> {
        let folder = private_folder()?;
        fs::create_dir(folder.path().join("home"))?;
        fs::write(folder.path().join("config"), &transport.settings)?;
        let mut room = Self { desk: None, folder, git_dir: None, objects: None };
        if let Place::Repository { common, format } = place {
            let git_dir = room.folder.path().join("git");
            lay_out(&git_dir, common, format)?;
            room.git_dir = Some(git_dir);
            room.objects = Some(common.join("objects"));
        }
        if let (Some(login), Some(origin)) = (login, transport.address.origin_for_login()) {
            room.desk = Some(Desk::open(room.folder.path(), login, origin)?);
        }
        Ok(room)
    }

    /// A call with these arguments from within the room.
    pub(crate) fn call(&self, transport: &Transport, arguments: &[String]) -> Call {
        let path = |name: &str| self.folder.path().join(name);
        let mut call = Call::write(self.folder.path(), &[])
            .args(arguments)
            .sealed()
            .env("GIT_CONFIG_GLOBAL", path("config"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_ALLOW_PROTOCOL", transport.address.protocols())
            .env("GIT_OPTIONAL_LOCKS", "0")
            // Lazy fetching would talk to places that the target names.
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("SSH_ASKPASS_REQUIRE", "never");
        if transport.address.is_http() {
            // There lies `.netrc`, from which logins would be taken.
            call = call.env("HOME", path("home"));
        }
        if let (Some(git_dir), Some(objects)) = (&self.git_dir, &self.objects) {
            call = call.env("GIT_DIR", git_dir).env("GIT_OBJECT_DIRECTORY", objects);
        }
        match &self.desk {
            Some(desk) => {
                let program = transport.options.askpass.as_os_str();
                let variables = desk.variables().into_iter();
                variables.fold(call.env("GIT_ASKPASS", program), |call, (name, value)| call.env(name, value))
            }
            // Set and empty: nobody is asked, neither another program nor a terminal.
            None => call.env("GIT_ASKPASS", ""),
        }
    }

    /// What `git fetch` wrote about what it fetched.
    pub(crate) fn fetch_head(&self) -> io::Result<String> {
        match &self.git_dir {
            Some(git_dir) => fs::read_to_string(git_dir.join("FETCH_HEAD")),
            None => Ok(String::new()),
        }
    }
}

/// A folder that only we may enter, with a path short enough for a socket.
fn private_folder() -> io::Result<TempDir> {
    let usual = std::env::temp_dir();
    let folder = if usual.as_os_str().len() > LONGEST - 20 { Path::new("/tmp") } else { &usual };
    // Its mode is 0700.
    tempfile::Builder::new().prefix("miyabi-").tempdir_in(folder)
}

fn lay_out(git_dir: &Path, common: &Path, format: &Format) -> io::Result<()> {
    fs::create_dir(git_dir)?;
    fs::write(git_dir.join("HEAD"), "ref: refs/heads/.invalid\n")?;
    let mut config = "[core]\n\trepositoryFormatVersion = 1\n\tbare = true\n[extensions]\n".to_owned();
    config += &format!("\tobjectFormat = {}\n", format.objects);
    if format.refs != "files" {
        config += &format!("\trefStorage = {}\n", format.refs);
    }
    fs::write(git_dir.join("config"), config)?;
    for name in ["refs", "packed-refs", "reftable", "shallow"] {
        let there = common.join(name);
        if there.exists() {
            symlink(there, git_dir.join(name))?;
        }
    }
    Ok(())
}

/// How a repository stores what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    /// `sha1` or `sha256`.
    pub(crate) objects: String,
    /// `files` or `reftable`.
    pub(crate) refs: String,
}

impl Format {
    /// Reads the settings `extensions.objectformat` and `extensions.refstorage`: `name\nvalue\0`.
    pub(crate) fn parse(settings: &str) -> Self {
        let mut format = Self { objects: "sha1".to_owned(), refs: "files".to_owned() };
        for (name, value) in settings.split('\0').filter_map(|setting| setting.split_once('\n')) {
            match name {
                "extensions.objectformat" => format.objects = value.to_owned(),
                "extensions.refstorage" => format.refs = value.to_owned(),
                _ => {}
            }
        }
        format
    }
}
