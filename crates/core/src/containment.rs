//! Containment: how strongly an untrusted program is kept in, and what it may reach.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

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
    /// The folder that is its home in a box with files of its own, where one is to be there after the box; made when it is
    /// not there.
    pub home: Option<PathBuf>,
    /// Files of which it sees another text: the place, and the text. A box that cannot show another one shows none of
    /// the folder around it.
    pub replaced: Vec<(PathBuf, String)>,
    /// Where it may connect to.
    pub network: Network,
}

/// Where a program may connect to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// Nowhere.
    #[default]
    Nowhere,
    /// To these hosts, by way of a proxy that its environment names.
    Hosts(Hosts),
    /// Wherever this machine can.
    Anywhere,
}

impl Network {
    /// The same, and one host more.
    #[must_use]
    pub fn and(self, host: &str, port: u16) -> Self {
        let host = Host { name: host.to_ascii_lowercase(), below: false, port: Some(port) };
        match self {
            Self::Anywhere => Self::Anywhere,
            Self::Nowhere => Self::Hosts(Hosts(vec![host])),
            Self::Hosts(Hosts(mut list)) => {
                list.push(host);
                Self::Hosts(Hosts(list))
            }
        }
    }

    /// Reads a list of hosts; `*` alone is anywhere. Errors: the entry that is none.
    pub fn read(list: &[String]) -> Result<Self, String> {
        match list {
            [] => Ok(Self::Nowhere),
            [all] if all == "*" => Ok(Self::Anywhere),
            list => {
                Ok(Self::Hosts(Hosts(list.iter().map(|entry| Host::read(entry)).collect::<Result<_, _>>()?)))
            }
        }
    }
}

/// Hosts that may be connected to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(Vec<Host>);

impl Hosts {
    /// Whether one of them is meant.
    pub fn allows(&self, host: &str, port: u16) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.0.iter().any(|entry| entry.is(&host, port))
    }
}

/// `example.com` (ports 80 and 443), `example.com:8080`, `*.example.com` (all below it).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Host {
    name: String,
    below: bool,
    port: Option<u16>,
}

impl Host {
    fn read(entry: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{entry}` is no host: expected `example.com`, `*.example.com` or `example.com:8080`");
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().map_err(|_| wrong())?)),
            None => (entry, None),
        };
        let (name, below) = name.strip_prefix("*.").map_or((name, false), |name| (name, true));
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(wrong());
        }
        Ok(Self { name: name.to_ascii_lowercase(), below, port })
    }

    fn is(&self, host: &str, port: u16) -> bool {
        let is_port = self.port.map_or(matches!(port, 80 | 443), |own| own == port);
        let is_name = match self.below {
            true => host.strip_suffix(&self.name).is_some_and(|rest| rest.ends_with('.')),
            false => host == self.name,
        };
        is_port && is_name
    }
}

/// What was refused to a program while it ran: each thing once, with how often.
#[derive(Clone, Debug, Default)]
pub struct Refused(Arc<Mutex<BTreeMap<String, u32>>>);

/// So many different things are remembered; a program could ask for any number.
const REMEMBERED: usize = 100;

impl Refused {
    /// Remembers it.
    pub fn add(&self, what: String) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < REMEMBERED || known.contains_key(&what) {
            let count = known.entry(what).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// All of it, in words.
    pub fn list(&self) -> Vec<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let words = |(what, count): (&String, &u32)| match count {
            1 => what.clone(),
            count => format!("{what} ({count} times)"),
        };
        known.iter().map(words).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(list: &[&str]) -> Hosts {
        let list: Vec<String> = list.iter().map(|entry| (*entry).to_owned()).collect();
        match Network::read(&list).unwrap() {
            Network::Hosts(hosts) => hosts,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_list_allows_what_it_names_and_nothing_else() {
        let hosts = hosts(&["API.example.com", "*.npmjs.org", "127.0.0.1:4100"]);
        for (host, port) in [
            ("api.example.com", 443),
            ("API.example.com.", 80),
            ("registry.npmjs.org", 443),
            ("127.0.0.1", 4100),
        ] {
            assert!(hosts.allows(host, port), "{host}:{port}");
        }
        for (host, port) in [
            ("api.example.com", 22),
            ("example.com", 443),
            ("api.example.com.evil.com", 443),
            ("npmjs.org", 443),
            ("evilnpmjs.org", 443),
            ("127.0.0.1", 443),
            ("localhost", 4100),
        ] {
            assert!(!hosts.allows(host, port), "{host}:{port}");
        }
    }

    #[test]
    fn lists_are_read_or_refused() {
        let read =
            |list: &[&str]| Network::read(&list.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>());
        assert_eq!(read(&[]), Ok(Network::Nowhere));
        assert_eq!(read(&["*"]), Ok(Network::Anywhere));
        assert_eq!(read(&[]).unwrap().and("127.0.0.1", 4100), read(&["127.0.0.1:4100"]).unwrap());
        assert_eq!(read(&["a.com"]).unwrap().and("B.com", 1), read(&["a.com", "b.com:1"]).unwrap());
        assert_eq!(read(&["*"]).unwrap().and("b.com", 1), Network::Anywhere);
        for wrong in ["https://example.com", "*", "a b", "example.com:x", "", "*.", "a/b"] {
            assert!(read(&["example.com", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_was_refused_is_counted_and_bounded() {
        let refused = Refused::default();
        (0..500).for_each(|n| refused.add(format!("connect to host-{n}:443")));
        refused.add("connect to host-1:443".to_owned());
        assert_eq!(refused.list().len(), REMEMBERED);
        assert!(refused.list().contains(&"connect to host-1:443 (2 times)".to_owned()));
    }
}
