//! Sessions of real agent programs in a folder of their own, and somebody who watches them.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use miyabi_agent::{AgentOptions, AgentPrograms};
use miyabi_contain::{BoxOptions, Limits, MachineBoxes};
use miyabi_core::containment::{Containment, Demand};
use miyabi_core::ports::{Agents, Boxes, SessionWatch};
use miyabi_core::session::{Adapter, AgentEvent, ProcessMark, SessionSpec};
use tempfile::TempDir;

use crate::model_endpoint::ModelEndpoint;

/// Remembers what it is told.
#[derive(Default)]
pub struct Watch {
    mark: Mutex<Option<ProcessMark>>,
    containment: Mutex<Option<Containment>>,
    events: Mutex<Vec<AgentEvent>>,
}

#[async_trait]
impl SessionWatch for Watch {
    async fn started(&self, process: Option<ProcessMark>, containment: Option<Containment>) {
        *self.containment.lock().unwrap_or_else(PoisonError::into_inner) = containment;
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner) = process;
    }

    fn event(&self, event: &AgentEvent) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
    }
}

impl Watch {
    /// How many of the events are such.
    pub fn count(&self, wanted: impl Fn(&AgentEvent) -> bool) -> usize {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.iter().filter(|event| wanted(event)).count()
    }

    /// How strongly the program was kept in.
    pub fn containment(&self) -> Option<Containment> {
        *self.containment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing of the session runs any more.
    pub async fn assert_nothing_left(&self, options: &AgentOptions, spec: &SessionSpec) {
        let mark = *self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = mark.expect("a program was started");
        assert_eq!(AgentPrograms::new(options.clone()).reap(&spec.run, &[mark]).await, 0);
    }
}

/// Whether any process still works in this folder or below it when the kernel has had time to end all of a box: some
/// milliseconds, at most ten seconds.
pub fn works_below(root: &Path) -> bool {
    let begun = Instant::now();
    while works_now(root) {
        if begun.elapsed() > Duration::from_secs(10) {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

/// Whether any process works in this folder or below it.
pub fn works_now(root: &Path) -> bool {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let places = processes.filter_map(|process| fs::read_link(process.path().join("cwd")).ok());
    places.into_iter().any(|at| at.starts_with(root))
}

/// A folder for one session of a real program (`home`, `codex`, and a repository in `worktree`), and agents that ask that
/// model. It is on a disk that Codex's own sandbox does not open: under `/tmp` that lets everybody write.
pub fn stage(endpoint: &ModelEndpoint) -> (TempDir, AgentOptions) {
    let root = tempfile::Builder::new().prefix("miyabi-agent-").tempdir_in("/var/tmp");
    let root = root.expect("a folder can be made");
    for folder in ["home", "codex"] {
        fs::create_dir(root.path().join(folder)).expect("a folder can be made");
    }
    let git = Command::new("git").args(["init", "--quiet"]).arg(root.path().join("worktree")).status();
    assert!(git.is_ok_and(|status| status.success()), "git works");
    fs::write(root.path().join("codex/config.toml"), endpoint.codex_config()).expect("a file can be written");
    let environment = [
        ("PATH", std::env::var_os("PATH").unwrap_or_default()),
        ("HOME", root.path().join("home").into()),
        ("CODEX_HOME", root.path().join("codex").into()),
        ("OPENAI_API_KEY", "no-key".into()),
        ("ANTHROPIC_BASE_URL", endpoint.url().into()),
        ("ANTHROPIC_API_KEY", "no-key".into()),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1".into()),
        ("CLAUDE_CODE_MAX_RETRIES", "1".into()),
        ("GITHUB_TOKEN", "not to be seen".into()),
    ];
    let options =
        AgentOptions::new(root.path(), environment.map(|(name, value)| (OsString::from(name), value)));
    (root, options)
}

/// Boxes of that containment below this folder, which is the strongest that they can be; `program` is
/// `env!("CARGO_BIN_EXE_miyabi-under-test")` of the test. `None`, and a line about it, where the machine has no such.
pub async fn boxes(
    root: &Path,
    program: &str,
    containment: Containment,
    limits: Limits,
) -> Option<Arc<dyn Boxes>> {
    // bubblewrap that is not on the search path is not there.
    let search = match containment {
        Containment::Bubblewrap => std::env::var_os("PATH").unwrap_or_default(),
        Containment::Landlock | Containment::Plain => "/nowhere".into(),
    };
    let boxes = MachineBoxes::new(BoxOptions {
        demand: if containment == Containment::Plain { Demand::Off } else { Demand::Required },
        environment: vec![("PATH".into(), search)],
        entry: Some(program.into()),
        private: root.join("boxes"),
        limits,
        ..BoxOptions::default()
    });
    match boxes.containment().await {
        Ok(found) if found == containment => Some(Arc::new(boxes)),
        found => {
            #[expect(clippy::print_stdout, reason = "tests say what they leave out")]
            {
                println!("left out: no {containment} on this machine: {found:?}");
            }
            assert!(std::env::var_os("CI").is_none(), "CI leaves nothing out");
            None
        }
    }
}

/// A session in `worktree/` of this folder, whose name makes run and session its own.
pub fn spec(root: &Path, adapter: Adapter, prompt: &str) -> SessionSpec {
    let name = root.file_name().and_then(|name| name.to_str()).expect("a folder with a name");
    SessionSpec {
        session: format!("session-{name}").into(),
        run: format!("run-{name}").into(),
        step: "task-500-1".into(),
        attempt: 1,
        adapter,
        worktree: root.join("worktree"),
        prompt: prompt.to_owned(),
        transcript: root.join("transcript.jsonl"),
        deadline_secs: 120,
        grace_secs: 5,
        wanted: Default::default(),
        resume: None,
        state: root.join("state"),
        stall_secs: 0,
        transcript_bytes: 0,
    }
}
