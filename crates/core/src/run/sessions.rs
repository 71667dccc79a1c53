//! What events about sessions do to a run.

use jiff::Timestamp;

use super::{Run, SessionState};
use crate::event::{SessionEnded, SessionStarted};
use crate::ids::SessionId;

impl Run {
    pub(super) fn session_started(&mut self, session: &SessionStarted, at: Timestamp) -> Result<(), String> {
        self.running_attempt(&session.step, session.attempt)?;
        self.sessions.push(SessionState {
            id: session.session.clone(),
            step: session.step.clone(),
            attempt: session.attempt,
            adapter: session.adapter.clone(),
            name: None,
            process: session.process,
            base: session.base.clone(),
            transcript: session.transcript.clone(),
            started_at: at,
            end: None,
            usage: Default::default(),
        });
        self.spending.session_started();
        Ok(())
    }

    pub(super) fn session_named(&mut self, session: &SessionId, name: &str) -> Result<(), String> {
        self.session(session)?.name = Some(name.to_owned());
        Ok(())
    }

    pub(super) fn session_ended(&mut self, ended: &SessionEnded, at: Timestamp) -> Result<(), String> {
        let session = self.session(&ended.session)?;
        let is_first = session.end.is_none();
        session.end = Some((ended.end.clone(), at));
        session.usage = ended.usage;
        if is_first {
            let session = session.clone();
            self.spending.session_ended(&session);
        }
        Ok(())
    }

    fn session(&mut self, id: &SessionId) -> Result<&mut SessionState, String> {
        let session = self.sessions.iter_mut().rev().find(|session| session.id == *id);
        session.ok_or_else(|| format!("no session `{id}`"))
    }
}
