//! Finding and ending processes that outlive the program that started them.
//!
//! On Linux the processes themselves tell whose they are: by their process group, and by the marks in their
//! environment, which a new session (`setsid`) does not shake off. Elsewhere only the group is known.

use miyabi_core::session::ProcessMark;

/// Whose processes are looked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Process groups that are surely ours.
    pub(crate) groups: Vec<u32>,
    /// An entry of the environment, such as `MIYABI_SESSION=…`.
    pub(crate) entry: String,
    /// Numbers of pipes that only they can hold.
    pub(crate) pipes: Vec<u64>,
    /// When the first of them can have started, in clock ticks since boot. Nobody older is looked at any closer.
    pub(crate) since_ticks: u64,
}

/// The mark of a running process; its start time is 0 where the kernel does not tell.
pub(crate) fn mark(pid: u32) -> ProcessMark {
    ProcessMark { pid, start_ticks: system::start_ticks(pid).unwrap_or(0) }
}

/// Whether the group that this process led can still be told apart from a later one with the same number.
///
/// While a member of the group lives, the kernel gives its number to no other process.
pub(crate) fn still_ours(leader: ProcessMark) -> bool {
    system::start_ticks(leader.pid).is_none_or(|ticks| ticks == leader.start_ticks)
}

/// Whether this very process still runs.
pub(crate) fn runs(leader: ProcessMark) -> bool {
    leader.start_ticks != 0 && system::start_ticks(leader.pid) == Some(leader.start_ticks)
}

/// Kills every process that is wanted, until none is left, and says how many there were.
///
/// Gives up after a few seconds on processes that the kernel does not let go.
pub(crate) async fn end(wanted: Wanted) -> u32 {
    tokio::task::spawn_blocking(move || system::end(&wanted)).await.unwrap_or_else(|error| {
        tracing::error!(%error, "the census of leftover processes broke off");
        0
    })
}

/// Asks every process that is wanted to end, except this one.
pub(crate) async fn ask(wanted: Wanted, except: ProcessMark) {
    let asked = tokio::task::spawn_blocking(move || system::ask(&wanted, except.pid)).await;
    if let Err(error) = asked {
        tracing::error!(%error, "a program was not asked to end");
    }
}

/// The processor time that all of them have used, in clock ticks; 0 where the kernel does not tell.
pub(crate) async fn used_ticks(wanted: Wanted) -> u64 {
    tokio::task::spawn_blocking(move || system::used_ticks(&wanted)).await.unwrap_or_default()
}

#[cfg(target_os = "linux")]
mod system {
    use std::collections::BTreeSet;
    use std::fs;
    use std::io::Read;
    use std::thread;
    use std::time::Duration;

    use rustix::io::Errno;
    use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

    use super::Wanted;

    /// How long a killed process is given to be gone, in rounds of [`PAUSE`].
    const ROUNDS: u32 = 1000;
    const PAUSE: Duration = Duration::from_millis(5);
    /// Looks in a row that must find nothing.
    const LOOKS: u32 = 2;
    /// The same while a process hides its environment; some have none and would hide it for ever.
    const UNSURE_LOOKS: u32 = 8;
    /// `PF_KTHREAD` of the kernel.
    const OF_KERNEL: u32 = 0x0020_0000;
    /// The marks are set first, so they stand in the beginning of any environment that can be.
    const LARGEST_ENVIRONMENT: u64 = 8 * 1024 * 1024;

    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    struct Found {
        pid: u32,
        start_ticks: u64,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Stat {
        pub(super) alive: bool,
        pub(super) of_kernel: bool,
        pub(super) group: u32,
        pub(super) used_ticks: u64,
        pub(super) start_ticks: u64,
    }

    pub(super) fn start_ticks(pid: u32) -> Option<u64> {
        stat(pid).map(|stat| stat.start_ticks)
    }

    pub(super) fn end(wanted: &Wanted) -> u32 {
        let mut killed = BTreeSet::new();
        let mut quiet = 0;
        for _ in 0..ROUNDS {
            let survey = survey(wanted);
            if survey.found.is_empty() {
                quiet += 1;
                // A process may have begun another and ended while the list was read, so one look is not enough.
                if quiet == if survey.unsure { UNSURE_LOOKS } else { LOOKS } {
                    break;
                }
            } else {
                quiet = 0;
            }
            for process in survey.found {
                signal(process, Signal::KILL);
                killed.insert(process);
            }
            if quiet == 0 || survey.unsure {
                thread::sleep(PAUSE);
            }
        }
        u32::try_from(killed.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn ask(wanted: &Wanted, except: u32) {
        for process in survey(wanted).found.into_iter().filter(|process| process.pid != except) {
            signal(process, Signal::TERM);
        }
    }

    pub(super) fn used_ticks(wanted: &Wanted) -> u64 {
        survey(wanted).found.iter().filter_map(|process| stat(process.pid)).map(|stat| stat.used_ticks).sum()
    }

    struct Survey {
        found: Vec<Found>,
        /// Some process showed no environment, as it does in the moment of `exec`.
        unsure: bool,
    }

    fn survey(wanted: &Wanted) -> Survey {
        let mut survey = Survey { found: Vec::new(), unsure: false };
        let Ok(processes) = fs::read_dir("/proc") else { return survey };
        let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        for pid in ids.filter(|pid| *pid != std::process::id()) {
            let Some(stat) = stat(pid) else { continue };
            if !stat.alive || stat.of_kernel || stat.start_ticks < wanted.since_ticks {
                continue;
            }
            let environment = environment(pid);
            let ours = wanted.groups.contains(&stat.group)
                || environment.split(|byte| *byte == 0).any(|entry| entry == wanted.entry.as_bytes())
                || holds(pid, &wanted.pipes);
            if ours {
                survey.found.push(Found { pid, start_ticks: stat.start_ticks });
            }
            survey.unsure |= !ours && environment.is_empty();
        }
        survey
    }

    /// Whether a process holds one of these pipes.
    fn holds(pid: u32, pipes: &[u64]) -> bool {
        let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        let names = || pipes.iter().map(|inode| format!("pipe:[{inode}]"));
        !pipes.is_empty()
            && files
                .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
                .any(|target| names().any(|name| target.as_os_str() == name.as_str()))
    }

    /// Signals through a handle, so that a number that went to another process in between is not hit.
    fn signal(process: Found, signal: Signal) {
        let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) else { return };
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) if start_ticks(process.pid) == Some(process.start_ticks) => {
                let _gone_already = pidfd_send_signal(&handle, signal);
            }
            Err(Errno::NOSYS | Errno::PERM) => {
                let _gone_already = kill_process(pid, signal);
            }
            Ok(_) | Err(_) => {}
        }
    }

    /// The environment of a process; empty when it is gone or not ours to see.
    fn environment(pid: u32) -> Vec<u8> {
        let mut environment = Vec::new();
        let _as_far_as_it_can_be_read = fs::File::open(format!("/proc/{pid}/environ"))
            .and_then(|file| Read::take(file, LARGEST_ENVIRONMENT).read_to_end(&mut environment));
        environment
    }

    fn stat(pid: u32) -> Option<Stat> {
        // A process may give itself a name that is not UTF-8; it is found all the same.
        parse(&String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/stat")).ok()?))
    }

    /// Reads `/proc/<pid>/stat`. The second field is a name in parentheses that may itself hold any of `) `.
    pub(super) fn parse(stat: &str) -> Option<Stat> {
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_whitespace();
        let state = fields.next()?;
        let group = fields.nth(1)?.parse().ok()?;
        let flags: u32 = fields.nth(3)?.parse().ok()?;
        let used: [u64; 2] = [fields.nth(4)?.parse().ok()?, fields.next()?.parse().ok()?];
        let start_ticks = fields.nth(6)?.parse().ok()?;
        let alive = !matches!(state, "Z" | "X" | "x");
        Some(Stat {
            alive,
            of_kernel: flags & OF_KERNEL != 0,
            group,
            used_ticks: used[0] + used[1],
            start_ticks,
        })
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::Wanted;

    pub(super) fn start_ticks(_pid: u32) -> Option<u64> {
        None
    }

    pub(super) fn ask(wanted: &Wanted, _except: u32) {
        use rustix::process::{Pid, Signal, kill_process_group};
        for group in wanted.groups.iter().filter_map(|group| Pid::from_raw(i32::try_from(*group).ok()?)) {
            let _gone_already = kill_process_group(group, Signal::TERM);
        }
    }

    pub(super) fn used_ticks(_wanted: &Wanted) -> u64 {
        0
    }

    /// Kills the groups; how many processes that were is not known, so a group counts as one.
    pub(super) fn end(wanted: &Wanted) -> u32 {
        use rustix::process::{Pid, Signal, kill_process_group};
        let ended = wanted.groups.iter().filter(|group| {
            let group = i32::try_from(**group).ok().and_then(Pid::from_raw);
            group.is_some_and(|group| kill_process_group(group, Signal::KILL).is_ok())
        });
        u32::try_from(ended.count()).unwrap_or(u32::MAX)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::system::{Stat, parse};
    use super::*;

    #[test]
    fn reads_the_kernel_s_line() {
        let line = "42 (a) Z 1 (b)) S 1 77 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 99 0";
        let stat = Stat { alive: true, of_kernel: false, group: 77, used_ticks: 11, start_ticks: 123_456 };
        assert_eq!(parse(line), Some(stat));
        let zombie = "42 (x) Z 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9 0 0";
        assert_eq!(parse(zombie), Some(Stat { alive: false, group: 42, start_ticks: 9, ..stat }));
        let kernel = "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 11 0 0";
        assert_eq!(
            parse(kernel),
            Some(Stat { of_kernel: true, group: 0, used_ticks: 0, start_ticks: 11, ..stat })
        );
        assert_eq!(parse("42 (cut) S 1"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn knows_itself_and_nobody_of_another_time() {
        let us = mark(std::process::id());
        assert_ne!(us.start_ticks, 0);
        assert!(runs(us) && still_ours(us));
        let earlier = ProcessMark { start_ticks: us.start_ticks - 1, ..us };
        assert!(!runs(earlier) && !still_ours(earlier));
        assert!(!runs(ProcessMark { start_ticks: 0, ..us }));
    }
}
