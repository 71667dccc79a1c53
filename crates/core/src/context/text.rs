//! The context for people.

use super::AgentContext;

impl AgentContext {
    /// The text of `EXECUTION_CONTEXT.md`.
    pub fn to_markdown(&self) -> String {
        todo!("helper")
    }
}
