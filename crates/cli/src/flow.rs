//! The flow that a run follows: the repository's own file, or the one that miyabi brings.

use std::path::Path;

use miyabi_core::flow::{self, Flow};

use crate::error::CliError;

const BUILT_IN: &str = include_str!("../../../agents/flows/issue.yaml");

/// The `issue` flow for a repository. Errors: every problem of its file, with place and hint.
pub fn issue(root: &Path) -> Result<Flow, CliError> {
    let path = root.join(".miyabi").join("flows").join("issue.yaml");
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(&text, ".miyabi/flows/issue.yaml"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => parse(BUILT_IN, "issue.yaml (built in)"),
        Err(error) => Err(CliError::file("read the flow", &path, &error)),
    }
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_flow_is_used_unless_the_repository_has_its_own() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(issue(root.path()).unwrap().name, "issue");
        let flows = root.path().join(".miyabi/flows");
        std::fs::create_dir_all(&flows).unwrap();
        std::fs::write(flows.join("issue.yaml"), "name: 自分\nsteps:\n  - name: a\n    uses: analize\n").unwrap();
        let error = issue(root.path()).unwrap_err();
        assert_eq!(error.exit().code, 1);
        assert!(error.render().contains(".miyabi/flows/issue.yaml:4:"), "{}", error.render());
    }
}
