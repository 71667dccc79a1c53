//! The plan as Mermaid text, which forges draw in Markdown.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::plain;
use crate::plan::{Plan, RunCondition, Work};

impl Plan {
    /// The plan as a Mermaid flowchart: one node for each step, one edge from each need to the step that has it.
    ///
    /// Steps with a condition are hexagons, steps that wait for a person have round ends.
    pub fn to_mermaid(&self) -> String {
        let place: HashMap<_, _> = self.steps.iter().enumerate().map(|(n, step)| (&step.id, n + 1)).collect();
        let mut text = String::from("graph TD\n");
        for (n, step) in self.steps.iter().enumerate() {
            let name = plain::one_line(step.id.as_str(), 60);
            let label = match &step.work {
                Work::Agent(work) => format!("{name} ({})", plain::one_line(&work.agent, 40)),
                _ => name,
            };
            let (open, close) = match (step.run_condition, &step.condition) {
                (RunCondition::Manual, _) => ("([", "])"),
                (_, Some(_)) => ("{{", "}}"),
                (_, None) => ("[", "]"),
            };
            let _ = writeln!(text, "    s{}{open}\"{}\"{close}", n + 1, plain::mermaid(&label));
        }
        for (n, step) in self.steps.iter().enumerate() {
            for need in step.needs.iter().filter_map(|need| place.get(need)) {
                let _ = writeln!(text, "    s{need} --> s{}", n + 1);
            }
        }
        text
    }
}
