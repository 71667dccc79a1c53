//! Making sure that nothing of a tool is left running: its process group, and whoever left the group but still
//! carries its mark in the environment.

use rustix::process::{Pid, Signal, kill_process_group};

/// The variable by which processes of one tool run are recognised.
pub(crate) const MARK: &str = "MIYABI_CHECK";

/// A tool's process group. Dropped before the tool is known to be gone, it kills everything that belongs to it.
pub(crate) struct Group {
    leader: Option<Pid>,
    mark: String,
}

impl Group {
    /// The group that the process with this id leads.
    pub(crate) fn new(leader: Option<u32>, mark: String) -> Self {
        let leader = leader.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Self { leader, mark }
    }

    /// Asks every process of the group to end.
    pub(crate) fn ask(&self) {
        self.signal(Signal::TERM);
    }

    /// Whether a process of the group is still there.
    pub(crate) fn lives(&self) -> bool {
        self.leader.is_some_and(|leader| rustix::process::test_kill_process_group(leader).is_ok())
    }

    /// Kills what is left of the group and whoever carries the mark. Afterwards there is nothing to do on drop.
    pub(crate) async fn end(mut self) {
        self.signal(Signal::KILL);
        self.leader = None;
        let mark = std::mem::take(&mut self.mark);
        // Reading the environments of all processes takes some milliseconds of file access.
        let swept = tokio::task::spawn_blocking(move || sweep(&mark)).await;
        if let Ok(count @ 1..) = swept {
            tracing::info!(count, "killed processes that a tool had left behind");
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.leader {
            // A group that is gone already is what is wanted.
            let _gone = kill_process_group(leader, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.leader.is_some() {
            self.signal(Signal::KILL);
            sweep(&self.mark);
        }
    }
}

/// Kills every process that carries the mark; says how many. A process may start another one while we look, so
/// looking is repeated until nothing is found.
#[cfg(target_os = "linux")]
fn sweep(mark: &str) -> usize {
    let entry = format!("{MARK}={mark}");
    let mut killed = 0;
    for _round in 0..10 {
        let found = std::fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(|process| process.ok()?.file_name().to_str()?.parse::<i32>().ok())
            .filter(|id| kill_marked(*id, entry.as_bytes()))
            .count();
        if found == 0 {
            break;
        }
        killed += found;
    }
    killed
}

/// Other kernels do not show the environment of processes: there only the process group is ended.
#[cfg(not(target_os = "linux"))]
fn sweep(_mark: &str) -> usize {
    0
}

/// Kills the process if it carries the mark. The handle is taken before the environment is read again, so that a
/// number that was given to another process in between is never hit.
#[cfg(target_os = "linux")]
fn kill_marked(id: i32, entry: &[u8]) -> bool {
    use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};

    let environ = format!("/proc/{id}/environ");
    let carries = || {
        std::fs::read(&environ)
            .is_ok_and(|vars| vars.split(|byte| *byte == 0).any(|variable| variable == entry))
    };
    if !carries() {
        return false;
    }
    let Some(pid) = Pid::from_raw(id) else { return false };
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
    carries() && pidfd_send_signal(&handle, Signal::KILL).is_ok()
}
