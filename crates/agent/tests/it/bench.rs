//! A folder with a worktree, and sessions in it.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use miyabi_agent::{AgentOptions, AgentPrograms};
use miyabi_core::containment::Containment;
use miyabi_core::ports::{Agents, Boxes, NoBoxes, SessionWatch, Stop, never_stop};
use miyabi_core::session::{Adapter, AgentEvent, ProcessMark, SessionOutcome, SessionSpec};
use tempfile::TempDir;
use tokio::sync::Notify;

pub(crate) struct Bench {
    pub(crate) root: TempDir,
    pub(crate) options: AgentOptions,
    pub(crate) watch: Watch,
    pub(crate) boxes: Arc<dyn Boxes>,
}

/// Remembers what it was told.
#[derive(Default)]
pub(crate) struct Watch {
    pub(crate) started: Mutex<Vec<Option<ProcessMark>>>,
    pub(crate) events: Mutex<Vec<AgentEvent>>,
    pub(crate) containment: Mutex<Option<Containment>>,
    said: Notify,
}

#[async_trait]
impl SessionWatch for Watch {
    async fn started(&self, process: Option<ProcessMark>, containment: Option<Containment>) {
        *self.containment.lock().unwrap() = containment;
        self.started.lock().unwrap().push(process);
    }

    fn event(&self, event: &AgentEvent) {
        self.events.lock().unwrap().push(event.clone());
        self.said.notify_one();
    }
}

impl Watch {
    /// Returns when the agent has said this.
    pub(crate) async fn says(&self, text: &str) {
        loop {
            let wanted = AgentEvent::Message { text: text.to_owned() };
            if self.events.lock().unwrap().contains(&wanted) {
                return;
            }
            self.said.notified().await;
        }
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("worktree")).unwrap();
        let environment = [("PATH", std::env::var_os("PATH").unwrap()), ("HOME", root.path().into())];
        let options =
            AgentOptions::new(root.path(), environment.map(|(name, value)| (OsString::from(name), value)));
        Self { root, options, watch: Watch::default(), boxes: Arc::new(NoBoxes) }
    }

    pub(crate) fn programs(&self) -> AgentPrograms {
        AgentPrograms::new(self.options.clone()).within(Arc::clone(&self.boxes))
    }

    /// Writes a shell script into the main checkout and gives the adapter that runs it.
    pub(crate) fn script(&self, text: &str) -> Adapter {
        let path = self.root.path().join("agent.sh");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Adapter::Command(vec!["./agent.sh".to_owned()])
    }

    pub(crate) fn playbook(&self, text: &str) -> Adapter {
        fs::write(self.root.path().join("playbook.yaml"), text).unwrap();
        Adapter::Scripted(PathBuf::from("playbook.yaml"))
    }

    pub(crate) fn spec(&self, adapter: Adapter) -> SessionSpec {
        SessionSpec {
            session: format!("session-{}", self.name()).into(),
            run: format!("run-{}", self.name()).into(),
            step: "task-500-2".into(),
            attempt: 1,
            adapter,
            worktree: self.root.path().join("worktree"),
            prompt: "Do it.".to_owned(),
            transcript: self.root.path().join("logs/会話.log"),
            deadline_secs: 120,
            grace_secs: 5,
            wanted: Default::default(),
            resume: None,
            state: self.root.path().join("state"),
            stall_secs: 0,
            transcript_bytes: 0,
        }
    }

    /// A name that no other bench has.
    fn name(&self) -> String {
        self.root.path().file_name().unwrap().to_string_lossy().into_owned()
    }

    pub(crate) async fn run(&self, spec: &SessionSpec) -> SessionOutcome {
        self.run_until(spec, never_stop()).await
    }

    pub(crate) async fn run_until(&self, spec: &SessionSpec, stop: Stop) -> SessionOutcome {
        self.programs().run(spec, &self.watch, stop).await
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root.path().join(path)).unwrap()
    }

    pub(crate) fn pid(&self, path: &str) -> u32 {
        self.read(path).trim().parse().unwrap()
    }

    pub(crate) fn transcript(&self) -> String {
        self.read("logs/会話.log")
    }

    pub(crate) fn events(&self) -> Vec<AgentEvent> {
        self.watch.events.lock().unwrap().clone()
    }
}

/// Whether a process runs; one that waits to be collected by its parent does not.
pub(crate) fn alive(pid: u32) -> bool {
    fs::read(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        let stat = String::from_utf8_lossy(&stat).into_owned();
        !matches!(stat.rsplit_once(") ").unwrap().1.chars().next(), Some('Z' | 'X'))
    })
}

/// Waits until it is so.
pub(crate) async fn eventually(what: impl Fn() -> bool) {
    let given_up = Instant::now() + Duration::from_secs(60);
    while !what() {
        assert!(Instant::now() < given_up, "it never came to be");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
