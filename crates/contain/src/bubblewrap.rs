//! A box of bubblewrap: a file system of its own, in which only what is within bounds is there, and processes of its own
//! that end with it, and with us.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use miyabi_core::containment::{Bounds, CommandLine, Network};

use crate::enter::Entry;
use crate::machine;
use crate::mounts::{self, Mount, leads_out, spellings};
use crate::private::Private;

/// What every box has: no privileges, no sight of other processes, no way to type into our terminal, an end with ours.
pub(crate) const FLAGS: [&str; 8] = [
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--die-with-parent",
    "--new-session",
    "--cap-drop",
    "ALL",
];

/// Where temporary files are in a box.
const TEMP: [&str; 2] = ["/tmp", "/var/tmp"];

/// The way out of a box with a list of hosts, as it is outside: the proxy's socket, and who relays to it.
pub(crate) struct WayOut {
    pub(crate) socket: PathBuf,
    pub(crate) relay: PathBuf,
}

/// The same inside.
const SOCKET: &str = "/run/miyabi/proxy";
const RELAY: &str = "/run/miyabi/relay";

/// The command within a box made by `bwrap`.
pub(crate) fn wrap(
    bwrap: &Path,
    command: CommandLine,
    bounds: &Bounds,
    private: &Private,
    way_out: Option<WayOut>,
) -> io::Result<CommandLine> {
    let CommandLine { program, arguments, folder, mut environment } = command;
    let mut mounts = mounts(&program, bounds, &environment, private)?;
    let mut first = Vec::new();
    if let Some(WayOut { socket, relay }) = way_out {
        mounts.push(Mount::Private { place: SOCKET.into(), by: socket });
        mounts.push(Mount::Replaced { place: RELAY.into(), by: relay });
        let entry = Entry { relay: Some(SOCKET.into()), ..Entry::default() };
        first = std::iter::once(RELAY.into()).chain(entry.arguments()).collect();
    }
    private.unbend(in_home(&mounts, &private.home()))?;
    let mut words: Vec<OsString> = FLAGS.iter().map(OsString::from).collect();
    if bounds.network != Network::Anywhere {
        words.push("--unshare-net".into());
    }
    words.extend(["--proc", "/proc", "--dev", "/dev"].map(OsString::from));
    words.extend(mounts::arguments(mounts));
    words.extend(["--remount-ro", "/", "--chdir"].map(OsString::from));
    words.extend([folder.clone().into(), "--".into()]);
    words.extend(first.into_iter().chain([program.into_os_string()]).chain(arguments));
    for (name, value) in &mut environment {
        if name == "TMPDIR" {
            *value = TEMP[0].into();
        }
    }
    Ok(CommandLine { program: bwrap.to_owned(), arguments: words, folder, environment })
}

/// The places that lie in the private home, as they are called there.
fn in_home<'a>(mounts: &'a [Mount], home: &Path) -> impl Iterator<Item = &'a Path> {
    let is_home = |mount: &&Mount| matches!(mount, Mount::Private { by, .. } if by == home);
    let homes: Vec<&Path> = mounts.iter().filter(is_home).map(Mount::place).collect();
    homes
        .into_iter()
        .flat_map(|home| mounts.iter().filter_map(move |mount| mount.place().strip_prefix(home).ok()))
}

fn mounts(
    program: &Path,
    bounds: &Bounds,
    environment: &[(OsString, OsString)],
    private: &Private,
) -> io::Result<Vec<Mount>> {
    let mut mounts = machine::system();
    let home = machine::variable(environment, "HOME").map(PathBuf::from);
    let home = home.filter(|home| home.is_absolute() && home.parent().is_some());
    for place in TEMP {
        mounts.push(Mount::Private { place: place.into(), by: private.temp() });
    }
    if let Some(home) = &home {
        mounts.push(Mount::Private { place: home.clone(), by: private.home() });
    }
    for place in bounds.own.iter().filter(|place| home.as_ref().is_none_or(|home| !place.starts_with(home))) {
        mounts.push(Mount::Private { place: place.clone(), by: private.home() });
    }
    let tools = machine::tools(environment);
    mounts.extend(tools.iter().cloned().map(Mount::Read));
    mounts.extend(machine::program(program, &bounds.writable).into_iter().map(Mount::Read));
    let readable = bounds.readable.iter().filter(|path| !leads_out(path, &bounds.writable));
    mounts.extend(readable.flat_map(|path| spellings(path)).map(Mount::Read));
    for path in machine::secrets(&tools) {
        mounts.push(Mount::Replaced { place: path, by: "/dev/null".into() });
    }
    mounts.extend(bounds.writable.iter().flat_map(|path| spellings(path)).map(Mount::Write));
    for (number, (place, text)) in bounds.replaced.iter().enumerate() {
        let by = private.file(number, text)?;
        let shown = |place| Mount::Replaced { place, by: by.clone() };
        mounts.extend(spellings(place).into_iter().map(shown));
    }
    Ok(mounts)
}
