//! Any program as an agent: the prompt on its standard input, the exit code as its report.

use miyabi_core::session::AgentEvent;

/// One line of a plain program's standard output: what it prints is what it says, empty lines included.
pub fn normalize(line: &str) -> Vec<AgentEvent> {
    vec![AgentEvent::Message { text: line.to_owned() }]
}
