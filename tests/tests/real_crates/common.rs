//! What all of these tests share: filing, running, and looking at everything that a run must leave.

use miyabi_tests::env::{Ran, TestEnv};
use serde_json::Value;

/// Published crates have warnings, undocumented items and no tool for coverage, so points are scarce. Gates are gates:
/// it must build and every test must pass. The advisory database is a folder that is not there: what is measured does
/// not depend on whether this machine has a tool for audits.
pub(crate) const SETTINGS: &str = "\
[policy]
simple_below = 0.0
review_from = 30
open_from = 40
merge_from = 40

[checks]
coverage = false
advisory_db = \".no-advisories\"
";

/// Files an issue and gives its number.
#[track_caller]
pub(crate) fn file_issue(env: &TestEnv, title: &str, body: &str) -> u64 {
    let ran = env.miyabi(["issue", "new", "--title", title, "--body", body, "--json"]).expect(0);
    ran.json()["number"].as_u64().unwrap()
}

/// Runs an issue with this agent.
pub(crate) fn run(env: &TestEnv, issue: u64, agent: &str) -> Ran {
    env.miyabi(["run", "issue", &issue.to_string(), "--agent", agent])
}

/// The bodies of all events of the first run.
#[track_caller]
pub(crate) fn log(env: &TestEnv) -> Vec<Value> {
    let lines = env.miyabi(["log", "1", "--json"]).expect(0).json_lines();
    lines.into_iter().map(|event| event["body"].clone()).collect()
}

/// The events of this type.
pub(crate) fn of_type<'a>(log: &'a [Value], kind: &str) -> Vec<&'a Value> {
    log.iter().filter(|body| body["type"] == kind).collect()
}

/// The outputs of a step's attempts that succeeded.
pub(crate) fn outputs<'a>(log: &'a [Value], step: &str) -> Vec<&'a Value> {
    let succeeded = of_type(log, "step_succeeded").into_iter().filter(|body| body["step"] == step);
    succeeded.map(|body| &body["output"]).collect()
}

/// The report of the first run.
#[track_caller]
pub(crate) fn report(env: &TestEnv) -> Value {
    env.miyabi(["report", "1", "--json"]).expect(0).json()
}

/// What a crate was like before the run.
pub(crate) struct Before {
    tree: Vec<String>,
    tests: u64,
}

impl Before {
    /// Looks at main.
    #[track_caller]
    pub(crate) fn of(env: &TestEnv) -> Self {
        Self { tree: env.tree("main"), tests: env.passing_tests("main") }
    }

    /// Checks everything that a finished run must leave: main with exactly these files written and this many tests
    /// more, a closed issue, a merged change, a report with cargo's own numbers, and nothing else.
    #[track_caller]
    pub(crate) fn assert_landed(&self, env: &TestEnv, issue: u64, files: &[(&str, &str)], more_tests: u64) {
        assert_eq!(env.tree("main"), env.tree_with(&self.tree, files), "exactly the expected tree");
        for (path, text) in files {
            assert_eq!(env.read(path), *text, "the main checkout follows: {path}");
        }
        nothing_is_left(env);

        let tests = env.passing_tests("main");
        assert_eq!(tests, self.tests + more_tests, "cargo's own count");
        let report = report(env);
        let quality = &report["quality"];
        assert_eq!(quality["tests"], serde_json::json!([tests, 0]), "{report:#}");
        assert_eq!(quality["gates"], serde_json::json!([]));
        assert_eq!(quality["breakdown"]["tests"], 20.0, "all points but those for coverage: {quality:#}");
        assert_eq!((&report["status"], &report["questions_raised"]), (&"succeeded".into(), &0.into()));
        assert_eq!(report["interventions"], serde_json::json!([]), "no person was needed");
        assert_eq!(report["merge_commit"], env.git(&["rev-parse", "main"]));
        let not_measured = report["not_measured"].to_string();
        assert!(not_measured.contains("line coverage is switched off"), "{not_measured}");

        let shown = env.miyabi(["issue", "show", &issue.to_string(), "--json"]).expect(0).json();
        assert_eq!(shown["issue"]["open"], false, "{shown:#}");
        assert!(shown["issue"]["labels"].as_array().unwrap().contains(&"state:done".into()), "{shown:#}");
        let changes = env.miyabi(["change", "list", "--json"]).expect(0).json();
        let changes: Vec<_> = changes.as_array().unwrap().iter().collect();
        assert_eq!(changes.len(), 1, "{changes:#?}");
        assert_eq!((&changes[0]["issue"], &changes[0]["state"]), (&issue.into(), &"merged".into()));
        assert_eq!(changes[0]["number"], report["change"]);
    }
}

/// A finished run leaves nothing but its merge.
#[track_caller]
pub(crate) fn nothing_is_left(env: &TestEnv) {
    assert_eq!(env.worktrees(), Vec::<String>::new());
    assert_eq!(env.git(&["worktree", "list", "--porcelain"]).matches("worktree ").count(), 1);
    assert_eq!(env.git(&["branch", "--format=%(refname:short)"]), "main");
    assert_eq!(env.git(&["status", "--porcelain"]), "");
    assert_eq!(env.git(&["for-each-ref", "--format=%(refname)", "refs/miyabi/"]), "", "all of it is merged");
    assert_eq!(env.processes(), Vec::<u32>::new());
}
