//! Bounds by the kernel's Landlock, laid on this very process and on all that it becomes and starts.

use std::path::{Path, PathBuf};

/// Device files without which hardly anything works.
const DEVICES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/fd"];

/// What a process is bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) read: Vec<PathBuf>,
    pub(crate) write: Vec<PathBuf>,
    pub(crate) network: Tcp,
}

/// What may be connected to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tcp {
    #[default]
    Nothing,
    /// This port, of any host: the proxy's.
    Port(u16),
    Everything,
}

impl Tcp {
    pub(crate) fn word(self) -> String {
        match self {
            Self::Nothing => "closed".to_owned(),
            Self::Port(port) => port.to_string(),
            Self::Everything => "open".to_owned(),
        }
    }

    pub(crate) fn read(word: &str) -> Option<Self> {
        match word {
            "closed" => Some(Self::Nothing),
            "open" => Some(Self::Everything),
            port => port.parse().ok().map(Self::Port),
        }
    }
}

#[cfg(target_os = "linux")]
mod kernel {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath, PathFd,
        Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
    };

    use super::{DEVICES, Path, Rules, Tcp};

    /// From here on a file can neither be moved out of reach of the rules nor be cut off.
    const LEAST: ABI = ABI::V3;
    /// What newer kernels know besides is taken along.
    const NEWEST: ABI = ABI::V6;

    fn everything() -> BitFlags<AccessFs> {
        AccessFs::from_all(NEWEST)
    }

    /// Why the kernel cannot do it, if it cannot.
    pub(crate) fn lack() -> Option<String> {
        let ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(LEAST))
            .and_then(Ruleset::create);
        ruleset.err().map(|error| error.to_string())
    }

    /// Binds this process.
    pub(crate) fn bind(rules: &Rules) -> Result<(), String> {
        let status = apply(rules).map_err(|error| error.to_string())?;
        match status {
            RulesetStatus::NotEnforced => Err("the kernel does not know Landlock".to_owned()),
            _ => Ok(()),
        }
    }

    fn apply(rules: &Rules) -> Result<RulesetStatus, RulesetError> {
        let mut ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(LEAST))?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(everything())?
            .scope(Scope::AbstractUnixSocket)?
            .scope(Scope::Signal)?;
        if rules.network != Tcp::Everything {
            ruleset = ruleset.handle_access(AccessNet::from_all(NEWEST))?;
        }
        let mut created = ruleset.create()?.set_compatibility(CompatLevel::BestEffort);
        if let Tcp::Port(port) = rules.network {
            created = created.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
        }
        let readable = AccessFs::from_read(NEWEST);
        // Nobody but the system makes device files.
        let writable = everything() & !(AccessFs::MakeChar | AccessFs::MakeBlock);
        for (paths, access) in [(&rules.read, readable), (&rules.write, writable)] {
            for path in paths {
                created = allow(created, path, access)?;
            }
        }
        for device in DEVICES {
            let access = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::ReadDir;
            created = allow(created, Path::new(device), access)?;
        }
        Ok(created.restrict_self()?.ruleset)
    }

    /// What is not there needs no rule.
    fn allow(
        created: landlock::RulesetCreated,
        path: &Path,
        access: BitFlags<AccessFs>,
    ) -> Result<landlock::RulesetCreated, RulesetError> {
        let Ok(open) = PathFd::new(path) else { return Ok(created) };
        let access = if path.is_dir() { access } else { access & AccessFs::from_file(NEWEST) };
        created.add_rule(PathBeneath::new(open, access))
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use super::Rules;

    pub(crate) fn lack() -> Option<String> {
        Some("Landlock is a part of Linux".to_owned())
    }

    pub(crate) fn bind(_rules: &Rules) -> Result<(), String> {
        Err("Landlock is a part of Linux".to_owned())
    }
}

pub(crate) use kernel::{bind, lack};
