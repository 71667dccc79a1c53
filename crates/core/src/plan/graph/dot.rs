//! The plan as Graphviz text.

use std::fmt::Write as _;

use crate::plan::{Plan, Work};

impl Plan {
    /// The plan as Graphviz text: one node for each step, one edge from each need to the step that has it.
    pub fn to_dot(&self) -> String {
        let mut dot = String::from("digraph plan {\n    rankdir=LR;\n    node [shape=box];\n");
        for step in &self.steps {
            let label = match &step.work {
                Work::Uses(_) => step.id.to_string(),
                Work::Task(work) => format!("{}\n{}", step.id, work.task.title),
                Work::Agent(work) => format!("{}\n{}", step.id, work.agent),
                Work::Story(work) => format!("{}\n{}", step.id, work.agent()),
                Work::Integrate(integrate) => format!("{}\nmerge of {}", step.id, integrate.of),
            };
            let style = if step.condition.is_some() { " style=dashed" } else { "" };
            let _ = writeln!(dot, "    {} [label={}{style}];", quoted(step.id.as_str()), quoted(&label));
        }
        for step in &self.steps {
            for need in &step.needs {
                let _ = writeln!(dot, "    {} -> {};", quoted(need.as_str()), quoted(step.id.as_str()));
            }
        }
        dot.push_str("}\n");
        dot
    }
}

/// A Graphviz string: quotes and backslashes are data, control characters are not.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            other if other.is_control() => quoted.push(' '),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
