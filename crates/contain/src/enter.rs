//! The way into a box: a small start of the program's own, in the very process that becomes the contained program.
//!
//! Between `fork` and `exec` nothing of ours may run, so whoever starts a contained program starts itself with
//! [`WORD`] instead. It takes limits and bounds upon itself and then becomes the program; without them it ends.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::landlock::{self, Rules, Tcp};
use crate::relay;

/// The first argument of a program that is to enter a box.
pub const WORD: &str = "enter-box";

/// The exit code of who could not enter: what was to be started was not.
pub const NOT_ENTERED: u8 = 125;

/// What is taken upon oneself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) cgroups: Vec<PathBuf>,
    pub(crate) file_bytes: Option<u64>,
    pub(crate) processes: Option<u64>,
    /// Of each process by itself.
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) rules: Option<Rules>,
    /// The socket behind which the way out is; then the program runs beside this one.
    pub(crate) relay: Option<PathBuf>,
}

impl Entry {
    /// The arguments that say so, up to the program.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec![WORD.into()];
        let mut add = |name: &str, value: &OsStr| words.extend([name.into(), value.to_owned()]);
        for folder in &self.cgroups {
            add("--cgroup", folder.as_os_str());
        }
        let numbers = [
            ("--file-bytes", self.file_bytes),
            ("--processes", self.processes),
            ("--memory-bytes", self.memory_bytes),
        ];
        for (name, number) in numbers {
            if let Some(number) = number {
                add(name, OsStr::new(&number.to_string()));
            }
        }
        if let Some(rules) = &self.rules {
            add("--network", OsStr::new(rules.network.word().as_str()));
            rules.read.iter().for_each(|path| add("--read", path.as_os_str()));
            rules.write.iter().for_each(|path| add("--write", path.as_os_str()));
        }
        if let Some(socket) = &self.relay {
            add("--relay", socket.as_os_str());
        }
        words.push("--".into());
        words
    }

    /// Reads them again; what follows is the program and its arguments.
    fn read(mut words: impl Iterator<Item = OsString>) -> Result<(Self, Vec<OsString>), String> {
        let mut entry = Self::default();
        loop {
            let name = words.next().ok_or("`--` and a program are missing")?;
            if name == "--" {
                return Ok((entry, words.collect()));
            }
            let name = name.to_string_lossy().into_owned();
            let value = words.next().ok_or_else(|| format!("`{name}` has no value"))?;
            let number = || value.to_str().and_then(|value| value.parse().ok());
            let rules = |entry: &mut Self| entry.rules.take().unwrap_or_default();
            match name.as_str() {
                "--cgroup" => entry.cgroups.push(value.into()),
                "--file-bytes" => entry.file_bytes = Some(number().ok_or("no number")?),
                "--processes" => entry.processes = Some(number().ok_or("no number")?),
                "--memory-bytes" => entry.memory_bytes = Some(number().ok_or("no number")?),
                "--relay" => entry.relay = Some(value.into()),
                "--network" => {
                    let network = Tcp::read(&value.to_string_lossy()).ok_or("no network")?;
                    entry.rules = Some(Rules { network, ..rules(&mut entry) });
                }
                "--read" | "--write" => {
                    let mut rules = rules(&mut entry);
                    let list = if name == "--read" { &mut rules.read } else { &mut rules.write };
                    list.push(value.into());
                    entry.rules = Some(rules);
                }
                _ => return Err(format!("`{name}` is unknown")),
            }
        }
    }

    fn take(&self) -> Result<(), String> {
        for folder in &self.cgroups {
            std::fs::write(folder.join("cgroup.procs"), "0")
                .map_err(|error| format!("enter the control group `{}`: {error}", folder.display()))?;
        }
        limit(Resource::Core, Some(0))?;
        limit(Resource::Fsize, self.file_bytes)?;
        limit(Resource::Nproc, self.processes)?;
        // What is only set aside does not count, as the address space would: many programs set aside more than there is.
        limit(Resource::Data, self.memory_bytes)?;
        match &self.rules {
            Some(rules) => landlock::bind(rules).and_then(|()| without_privileges()),
            None => Ok(()),
        }
    }
}

/// Gives every privilege away, which root would have otherwise: some of them look past Landlock. Who is bound by it
/// gets none back.
fn without_privileges() -> Result<(), String> {
    #[cfg(target_os = "linux")]
    {
        use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

        let none = CapabilitySet::empty();
        set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
            .map_err(|error| format!("give privileges away: {error}"))?;
    }
    Ok(())
}

/// Lowers a limit. What is lower already stays so.
fn limit(resource: Resource, most: Option<u64>) -> Result<(), String> {
    let Some(most) = most else { return Ok(()) };
    let lower = |now: Option<u64>| Some(now.map_or(most, |now| now.min(most)));
    let now = getrlimit(resource);
    let limits = Rlimit { current: lower(now.current), maximum: lower(now.maximum) };
    setrlimit(resource, limits).map_err(|error| format!("set the limit {resource:?}: {error}"))
}

/// Enters the box, if that is what this program was started for; returns only if it could not.
///
/// To be called first thing in `main`.
pub fn enter() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    if words.next()? != WORD {
        return None;
    }
    let why = match Entry::read(words) {
        Ok((entry, program)) => match entry.take() {
            Ok(()) => match &entry.relay {
                None => become_program(program),
                Some(socket) => match relay::run(socket, program) {
                    Ok(code) => return Some(code),
                    Err(why) => why,
                },
            },
            Err(why) => why,
        },
        Err(why) => why,
    };
    let _nobody_listens = writeln!(std::io::stderr(), "enter the box: {why}");
    Some(ExitCode::from(NOT_ENTERED))
}

fn become_program(words: Vec<OsString>) -> String {
    let mut words = words.into_iter();
    let Some(program) = words.next() else { return "no program is named".to_owned() };
    let error = Command::new(&program).args(words).exec();
    format!("start `{}`: {error}", program.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let rules = Rules {
            read: vec!["/usr".into(), "/雅".into()],
            write: vec!["/w".into()],
            network: Tcp::Port(8080),
        };
        let entries = [
            Entry::default(),
            Entry {
                cgroups: vec!["/c".into(), "/d".into()],
                file_bytes: Some(7),
                processes: Some(0),
                memory_bytes: Some(9),
                rules: Some(rules),
                relay: Some("/s".into()),
            },
            Entry { rules: Some(Rules::default()), ..Entry::default() },
        ];
        for entry in entries {
            let words = entry.arguments().into_iter().chain(["/bin/echo".into(), "--".into()]);
            let program: Vec<OsString> = vec!["/bin/echo".into(), "--".into()];
            assert_eq!(Entry::read(words.skip(1)), Ok((entry, program)));
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let read = |words: &[&str]| Entry::read(words.iter().map(OsString::from));
        assert_eq!(read(&["--wide", "open", "--"]), Err("`--wide` is unknown".to_owned()));
        assert_eq!(read(&["--read"]), Err("`--read` has no value".to_owned()));
        assert_eq!(read(&["--processes", "many", "--"]), Err("no number".to_owned()));
        assert_eq!(read(&[]), Err("`--` and a program are missing".to_owned()));
    }
}
