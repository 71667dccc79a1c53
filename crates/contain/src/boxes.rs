//! The door: boxes on this machine behind the core's `Boxes` port.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Once};

use async_trait::async_trait;
use miyabi_core::containment::{Bounds, CommandLine, Containment, Demand, Network, Refused};
use miyabi_core::failure::{Failure, FailureClass};
use miyabi_core::ports::{Boxes, Contained};
use tokio::sync::OnceCell;

use crate::bubblewrap::WayOut;
use crate::cgroup::Cgroup;
use crate::enter::Entry;
use crate::landlock::{Rules, Tcp};
use crate::mounts::leads_out;
use crate::private::{self, Private};
use crate::probe::Probe;
use crate::proxy::Proxy;
use crate::{bubblewrap, machine, relay};

const MB: u64 = 1024 * 1024;

/// What a contained program may use, with all that it starts; 0: as much as there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Memory, in MB.
    pub memory_mb: u64,
    /// Processes and threads at once.
    pub processes: u32,
    /// Processor time, in hundredths of one core.
    pub cpu_percent: u32,
    /// The size of one file, in MB.
    pub file_mb: u64,
}

/// How programs are kept in here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BoxOptions {
    /// What the policy asks for.
    pub demand: Demand,
    /// Our own environment, for the search path.
    pub environment: Vec<(OsString, OsString)>,
    /// A program that calls [`crate::enter::enter`] first thing, usually our own. Without it there is neither Landlock
    /// nor any limit.
    pub entry: Option<PathBuf>,
    /// Where private homes and temporary files are kept while they are used.
    pub private: PathBuf,
    /// Further files and folders that every program may read.
    pub readable: Vec<PathBuf>,
    /// Further files and folders that every program may write.
    pub writable: Vec<PathBuf>,
    /// Limits of each.
    pub limits: Limits,
}

/// Boxes on this machine.
#[derive(Debug)]
pub struct MachineBoxes {
    options: BoxOptions,
    probe: OnceCell<Probe>,
    /// Nobody is told twice that there is no box.
    told: Once,
}

impl MachineBoxes {
    /// Boxes with these options. Nothing is tried before it is needed.
    pub fn new(options: BoxOptions) -> Self {
        Self { options, probe: OnceCell::new(), told: Once::new() }
    }

    /// What this machine has.
    pub async fn probe(&self) -> &Probe {
        let probing = || async {
            private::sweep(&self.options.private);
            Probe::new(&self.options.environment, self.options.entry.is_some()).await
        };
        self.probe.get_or_init(probing).await
    }

    fn no_room(&self, error: &io::Error) -> Failure {
        let place = self.options.private.display();
        Failure::new(FailureClass::Exhausted, format!("make a private folder in `{place}`: {error}"))
            .hint("make room on the disk, or make the folder writable")
    }

    fn entry(&self, cgroup: &Cgroup) -> Entry {
        let limits = &self.options.limits;
        let set = |number: u64| (number > 0).then_some(number);
        // The kernel counts all processes of a user, and the memory of each process; for a group of processes it does
        // better.
        let has = |files: &[&str]| {
            files.iter().any(|file| cgroup.folders().iter().any(|folder| folder.join(file).exists()))
        };
        let (counted, weighed) = (has(&["pids.max"]), has(&["memory.max", "memory.limit_in_bytes"]));
        Entry {
            cgroups: cgroup.folders().to_vec(),
            file_bytes: set(limits.file_mb.saturating_mul(MB)),
            processes: set(u64::from(limits.processes)).filter(|_| !counted),
            memory_bytes: set(limits.memory_mb.saturating_mul(MB)).filter(|_| !weighed),
            ..Entry::default()
        }
    }
}

/// How a program gets out of its box.
#[derive(Default)]
struct Way {
    proxy: Option<Proxy>,
    /// For a box with a network of its own.
    socket: Option<WayOut>,
    /// Where its environment says the proxy is.
    port: Option<u16>,
}

impl MachineBoxes {
    async fn way_out(
        &self,
        containment: Containment,
        network: &Network,
        private: &Private,
        refused: &Refused,
    ) -> Result<Way, Failure> {
        let Network::Hosts(hosts) = network else { return Ok(Way::default()) };
        let (hosts, refused) = (hosts.clone(), refused.clone());
        if containment < Containment::Bubblewrap {
            let opened = Proxy::on_port(hosts, refused).await;
            let (proxy, port) = opened.map_err(|error| self.no_room(&error))?;
            return Ok(Way { proxy: Some(proxy), socket: None, port: Some(port) });
        }
        let relay = self.options.entry.as_ref().and_then(|entry| entry.canonicalize().ok());
        let relay = relay.ok_or_else(|| {
            Failure::new(
                FailureClass::Unavailable,
                "a list of hosts needs miyabi's own program inside of the box",
            )
            .hint("start miyabi again: its file was replaced while it ran")
        })?;
        let socket = private.socket();
        let proxy = Proxy::on_socket(&socket, hosts, refused).map_err(|error| self.no_room(&error))?;
        Ok(Way { proxy: Some(proxy), socket: Some(WayOut { socket, relay }), port: Some(relay::PORT) })
    }
}

/// Programs look for a proxy under either spelling.
fn name_proxy(environment: &mut Vec<(OsString, OsString)>, port: u16) {
    let names = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];
    environment.retain(|(name, _)| !names.iter().any(|ours| name.eq_ignore_ascii_case(ours)));
    let address = OsString::from(format!("http://127.0.0.1:{port}"));
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        environment.push((name.into(), address.clone()));
        environment.push((name.to_ascii_lowercase().into(), address.clone()));
    }
    // Node.js looks there only when it is told to.
    environment.push(("NODE_USE_ENV_PROXY".into(), "1".into()));
}

#[async_trait]
impl Boxes for MachineBoxes {
    async fn contain(&self, mut command: CommandLine, bounds: &Bounds) -> Result<Contained, Failure> {
        let containment = self.containment().await?;
        let refused = Refused::default();
        if self.options.demand == Demand::Off {
            return Ok(Contained { command, containment, refused, held: Arc::new(()) });
        }
        let private = Private::new(&self.options.private, bounds.home.as_deref())
            .map_err(|error| self.no_room(&error))?;
        let cgroup = Cgroup::new(&self.options.limits);
        let mut bounds = bounds.clone();
        bounds.readable.extend(self.options.readable.iter().cloned());
        bounds.writable.extend(self.options.writable.iter().cloned());
        let mut entry = self.entry(&cgroup);
        let way = self.way_out(containment, &bounds.network, &private, &refused).await?;
        let (proxy, socket, port) = (way.proxy, way.socket, way.port);
        if let Some(port) = port {
            name_proxy(&mut command.environment, port);
        }
        let mut command = match (containment, &self.probe().await.bubblewrap) {
            (Containment::Bubblewrap, Ok(bwrap)) => {
                bubblewrap::wrap(bwrap, command, &bounds, &private, socket)
                    .map_err(|error| self.no_room(&error))?
            }
            _ => with_temp(command, &private),
        };
        if containment == Containment::Landlock {
            entry.rules = Some(rules(&command, bounds, &private, port));
        }
        if let Some(program) = &self.options.entry {
            let own = std::mem::replace(&mut command.program, program.clone()).into_os_string();
            let words = entry.arguments().into_iter().chain([own]);
            command.arguments = words.chain(std::mem::take(&mut command.arguments)).collect();
        }
        Ok(Contained { command, containment, refused, held: Arc::new((proxy, private, cgroup)) })
    }

    async fn containment(&self) -> Result<Containment, Failure> {
        if self.options.demand == Demand::Off {
            return Ok(Containment::Plain);
        }
        let probe = self.probe().await;
        let best = probe.best();
        if best > Containment::Plain {
            return Ok(best);
        }
        let lacks: Vec<_> = probe.lacks().iter().map(ToString::to_string).collect();
        if self.options.demand == Demand::Required {
            let why = format!("`policy.containment` requires a box, and there is none: {}", lacks.join("; "));
            return Err(Failure::new(FailureClass::Unavailable, why).hint(
                "install bubblewrap, in a container allow user namespaces, or set `policy.containment = \"best\"`",
            ));
        }
        let why = lacks.join("; ");
        self.told
            .call_once(|| tracing::warn!("nothing keeps agents in: they can do whatever you can ({why})"));
        Ok(best)
    }
}

/// Where files are not the program's own, temporary ones are at least in a place of their own.
fn with_temp(mut command: CommandLine, private: &Private) -> CommandLine {
    command.environment.retain(|(name, _)| name != "TMPDIR");
    command.environment.push(("TMPDIR".into(), private.temp().into_os_string()));
    command
}

fn rules(command: &CommandLine, bounds: Bounds, private: &Private, port: Option<u16>) -> Rules {
    let mut read = machine::system_files();
    read.push("/proc".into());
    read.extend(machine::tool_files(&machine::tools(&command.environment)));
    read.extend(machine::program(&command.program, &bounds.writable));
    read.extend(machine::settings_above(&command.folder));
    // What would have to look otherwise is not shown at all.
    let is_shown = |path: &PathBuf| {
        let is_whole = !bounds.replaced.iter().any(|(place, _)| place.starts_with(path));
        is_whole && !leads_out(path, &bounds.writable)
    };
    read.extend(bounds.readable.into_iter().filter(is_shown));
    let mut write = vec![private.temp()];
    write.extend(bounds.own);
    write.extend(bounds.writable);
    let network = match (&bounds.network, port) {
        (Network::Anywhere, _) => Tcp::Everything,
        (Network::Hosts(_), Some(port)) => Tcp::Port(port),
        _ => Tcp::Nothing,
    };
    Rules { read, write, network }
}
