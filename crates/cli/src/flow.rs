//! The flow that a run follows: the repository's own file, or the one that miyabi brings.

use std::io::ErrorKind;
use std::path::Path;

use miyabi_core::flow::{self, Flow};

use crate::error::CliError;

/// Where a repository keeps its own; the first one that is there counts.
const PLACES: [&str; 2] = [".miyabi/agents/flows/issue.yaml", ".miyabi/flows/issue.yaml"];
const BUILT_IN: &str = include_str!("../../../agents/flows/issue.yaml");

/// The `issue` flow for a repository.
///
/// Errors: every problem of its file, with place and hint; or everything in it that this version cannot carry out.
pub fn issue(root: &Path) -> Result<Flow, CliError> {
    for place in PLACES {
        let path = root.join(place);
        match std::fs::read_to_string(&path) {
            Ok(text) => return parse(&text, place).and_then(|flow| carried_out(flow, place)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => return Err(CliError::file("read the flow", &path, &error)),
        }
    }
    parse(BUILT_IN, "issue.yaml (built in)")
}

fn parse(text: &str, file: &str) -> Result<Flow, CliError> {
    flow::parse(text, file).map_err(|problems| {
        let mut error = CliError::input(format!("the flow `{file}` cannot be used"));
        for problem in &problems {
            error = error.because(problem.render(text));
        }
        error
    })
}

/// The flow, if all of it is carried out: what is not is never left out in silence.
fn carried_out(flow: Flow, file: &str) -> Result<Flow, CliError> {
    let lacking = flow.plan.lacking();
    if lacking.is_empty() {
        return Ok(flow);
    }
    let mut error =
        CliError::input(format!("the flow `{file}` asks for what this version does not carry out yet"));
    for lack in &lacking {
        error = error.because(format!("step `{}`: {}", lack.step, lack.what));
    }
    Err(error.hint("take these steps and keys out"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_that_cannot_be_carried_out_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let flows = root.path().join(".miyabi/flows");
        std::fs::create_dir_all(&flows).unwrap();
        let text = "name: x\nsteps:\n  - {name: a, agent: issue, if: true, actions: [notify]}\n  - {name: b, uses: record, run_condition: manual}\n";
        std::fs::write(flows.join("issue.yaml"), text).unwrap();
        let error = issue(root.path()).unwrap_err();
        assert_eq!(error.exit().code, 1);
        let shown = error.render();
        for lacking in [
            "step `a`: an answer of agent `issue`",
            "a condition",
            "action `notify`",
            "step `b`: `run_condition: manual`",
        ] {
            assert!(shown.contains(lacking), "{lacking} in\n{shown}");
        }
    }

    #[test]
    fn the_built_in_flow_is_used_unless_the_repository_has_its_own() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(issue(root.path()).unwrap().name, "issue");
        for folder in [".miyabi/flows", ".miyabi/agents/flows"] {
            let flows = root.path().join(folder);
            std::fs::create_dir_all(&flows).unwrap();
            let text = "name: 自分\nsteps:\n  - name: a\n    uses: analize\n";
            std::fs::write(flows.join("issue.yaml"), text).unwrap();
            let error = issue(root.path()).unwrap_err();
            assert_eq!(error.exit().code, 1);
            assert!(error.render().contains(&format!("{folder}/issue.yaml:4:")), "{}", error.render());
        }
    }
}
