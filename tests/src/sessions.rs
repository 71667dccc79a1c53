//! Sessions of real agent programs in a folder of their own, and somebody who watches them.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use miyabi_agent::{AgentOptions, AgentPrograms};
use miyabi_core::ports::{Agents, SessionWatch};
use miyabi_core::session::{Adapter, AgentEvent, ProcessMark, SessionSpec};

/// Remembers what it is told.
#[derive(Default)]
pub struct Watch {
    mark: Mutex<Option<ProcessMark>>,
    events: Mutex<Vec<AgentEvent>>,
}

#[async_trait]
impl SessionWatch for Watch {
    async fn started(&self, process: Option<ProcessMark>) {
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

    /// Nothing of the session runs any more.
    pub async fn assert_nothing_left(&self, options: &AgentOptions, spec: &SessionSpec) {
        let mark = *self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = mark.expect("a program was started");
        assert_eq!(AgentPrograms::new(options.clone()).reap(&spec.run, &[mark]).await, 0);
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
        stall_secs: 0,
        transcript_bytes: 0,
    }
}
